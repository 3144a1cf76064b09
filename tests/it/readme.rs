//! Every command in README.md runs, in order, as a user would type them one after the other.

use std::fs;
use std::path::Path;

use crate::support::allowed::python;
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
    let python = python();
    let their_programs =
        python.as_ref().map_or(String::new(), |python| format!("{}:", python.parent().unwrap().display()));
    let path = format!("{}:{their_programs}/usr/bin:/bin:{}", built().display(), std::env::var("PATH").unwrap());
    let duckdb = python.as_ref().map(|python| python.with_file_name("../sqlite"));
    if let Some((python, duckdb)) = python.as_ref().zip(duckdb.as_ref()) {
        install_duckdb_extension(&bench, python, duckdb);
    }
    std::os::unix::fs::symlink(root().join("man"), bench.path("man")).unwrap();
    let mut commands = 0;
    for (language, content) in blocks(&readme) {
        match language {
            "c" => fs::write(bench.path("device.c"), content).unwrap(),
            "python" => {
                // The first line is a comment with its name.
                let name = content.lines().next().unwrap().trim_start_matches("# ");
                let needs_packages = ["duckdb", "pandas", "mcap"].iter().any(|package| content.contains(package));
                let content = if needs_packages && python.is_none() { "" } else { content };
                fs::write(bench.path(name), content).unwrap();
            }
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
                    .env("PYTHONPATH", duckdb.as_deref().unwrap_or(Path::new("")))
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
    assert_eq!(sessions, "10|limit\n10|limit\n10|limit\n10|limit");
}

/// What DuckDB fetches from the network when it is asked to attach a file of SQLite.
fn install_duckdb_extension(bench: &Bench, python: &Path, duckdb: &Path) {
    let script = "import duckdb, duckdb_extension_sqlite as e, os, shutil, sys
home = os.path.join(sys.argv[1], '.duckdb/extensions', 'v' + duckdb.__version__, duckdb.sql('PRAGMA platform').fetchone()[0])
os.makedirs(home)
name = os.path.join(os.path.dirname(e.__file__), 'extensions', 'v' + duckdb.__version__, 'sqlite.duckdb_extension')
shutil.copy(name, os.path.join(home, 'sqlite_scanner.duckdb_extension'))";
    bench.program(python).args(["-c", script]).arg(bench.path("")).env("PYTHONPATH", duckdb).run().success();
}

/// Where Rust is installed, although the commands run with another home directory.
fn cargo_home() -> String {
    std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{}/.cargo", std::env::var("HOME").unwrap()))
}

fn rustup_home() -> String {
    std::env::var("RUSTUP_HOME").unwrap_or_else(|_| format!("{}/.rustup", std::env::var("HOME").unwrap()))
}
