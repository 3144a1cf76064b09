//! Every command in README.md runs, in order, as a user would type them one after the other.

use std::fs;

use crate::support::{Bench, built, root};

/// The fenced blocks of a Markdown text: language and content.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    text.split("\n```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap()).collect()
}

#[test]
fn every_command_in_the_readme_runs() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    let bench = Bench::new();
    // The reader's own programs, as Debian has them.
    let path = format!("{}:/usr/bin:/bin:{}", built().display(), std::env::var("PATH").unwrap());
    std::os::unix::fs::symlink(root().join("man"), bench.path("man")).unwrap();
    let mut commands = 0;
    for (language, content) in blocks(&readme) {
        match language {
            "c" => fs::write(bench.path("device.c"), content).unwrap(),
            "python" => fs::write(bench.path("reader.py"), content).unwrap(),
            // As root on a machine with systemd: `make test-service` runs them in a container.
            "console" => assert!(ci.lines().any(|line| line == "make test-service"), "CI runs it"),
            "sh" if content == "make test" => assert!(ci.lines().any(|line| line == content), "CI runs it"),
            "sh" => {
                let (folder, script) = match content.starts_with("make ") {
                    true => (root().to_owned(), content.to_owned()),
                    false => (bench.path(""), format!("set -e\n{content}\nwait")),
                };
                bench
                    .program("sh")
                    .args(["-c", &script])
                    .in_folder(&folder)
                    .env("PATH", &path)
                    .env("HOME", bench.path(""))
                    .env("CARGO_HOME", cargo_home())
                    .env("RUSTUP_HOME", rustup_home())
                    .env("MANPAGER", "cat")
                    .env_remove("XDG_STATE_HOME")
                    .run()
                    .success();
                commands += content.lines().count();
            }
            other => panic!("a block of an unknown language '{other}'"),
        }
    }
    assert!(commands >= 12, "only {commands} commands found");
    let sessions = bench.sqlite3(".local/state/fancyhwd/captures.db", "SELECT messages, end_reason FROM sessions");
    assert_eq!(sessions, "10|limit\n10|limit\n10|limit");
}

/// Where Rust is installed, although the commands run with another home directory.
fn cargo_home() -> String {
    std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{}/.cargo", std::env::var("HOME").unwrap()))
}

fn rustup_home() -> String {
    std::env::var("RUSTUP_HOME").unwrap_or_else(|_| format!("{}/.rustup", std::env::var("HOME").unwrap()))
}
