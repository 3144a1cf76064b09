//! Every command in README.md and in the pages of docs/ runs, in order, as a user would type them one after the other.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::allowed::{nats_server, python};
use crate::support::machines::{among_machines, at_two_machines};
use crate::support::{Bench, Run, built, root};

/// The fenced blocks of a Markdown text: language and content.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    text.split("\n```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap()).collect()
}

/// A reader of the documents, who types what stands there.
pub struct Reader {
    pub bench: Bench,
    /// The reader's own programs, as Debian and PyPI have them.
    python: Option<PathBuf>,
}

impl Reader {
    pub fn new() -> Self {
        let reader = Self { bench: Bench::new(), python: python() };
        if let Some(python) = &reader.python {
            install_duckdb_extension(&reader.bench, python, &python.with_file_name("../sqlite"));
        }
        std::os::unix::fs::symlink(root().join("man"), reader.bench.path("man")).unwrap();
        reader
    }

    /// Run a script as this reader.
    pub fn types<'a>(&self, run: Run<'a>) -> Run<'a> {
        let python = self.python.as_deref().and_then(Path::parent);
        let their_programs = python.map_or(String::new(), |folder| format!("{}:", folder.display()));
        let path = format!("{}:{their_programs}/usr/bin:/bin:{}", built().display(), std::env::var("PATH").unwrap());
        let duckdb = python.map_or(PathBuf::new(), |folder| folder.join("../sqlite"));
        run.env("PATH", &path)
            .env("HOME", self.bench.path(""))
            .env("CARGO_HOME", cargo_home())
            .env("RUSTUP_HOME", rustup_home())
            .env("MANPAGER", "cat")
            .env("PYTHONPATH", duckdb)
            .env_remove("XDG_STATE_HOME")
    }

    /// Keep a file that a document shows. The first line of a program is a comment with its name.
    fn keeps(&self, language: &str, content: &str) {
        let needs_packages = ["duckdb", "pandas", "mcap"].iter().any(|package| content.contains(package));
        let (name, content) = match language {
            "c" => ("device.c", content),
            "conf" => ("nats.conf", content),
            "python" => {
                let name = content.lines().next().unwrap().trim_start_matches("# ");
                (name, if needs_packages && self.python.is_none() { "" } else { content })
            }
            other => panic!("a block of an unknown language '{other}'"),
        };
        fs::write(self.bench.path(name), content).unwrap();
    }
}

/// A block as a script that ends with all that it started.
fn script(content: &str) -> String {
    format!("set -e\n{content}\nwait")
}

#[test]
fn every_command_in_the_readme_runs() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    let reader = Reader::new();
    let mut commands = 0;
    for (language, content) in blocks(&readme) {
        match language {
            // As root on a machine with systemd: `make test-service` runs them in a container.
            "console" => assert!(ci.lines().any(|line| line == "make test-service"), "CI runs it"),
            // They build.
            "sh" if ["make demo", "make test"].contains(&content) => {
                assert!(ci.lines().any(|line| line == content), "CI runs it")
            }
            "sh" => {
                let run = reader.bench.program("sh").args(["-c", &script(content)]);
                reader.types(run).run().success();
                commands += content.lines().count();
            }
            _ => reader.keeps(language, content),
        }
    }
    assert!(commands >= 12, "only {commands} commands found");
    let sessions =
        reader.bench.sqlite3(".local/state/fancyhwd/captures.db", "SELECT messages, end_reason FROM sessions");
    assert_eq!(sessions, "10|limit\n10|limit\n10|limit\n10|limit");
}

/// Run all blocks of a page for readers who have typed the first example of the README, among machines of the names that it
/// uses; blocks that need more are given to `other`, which says whether it ran them.
fn every_command_runs(page: &str, at_least: usize, other: impl Fn(&Reader, &str, &str) -> bool) {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let text = fs::read_to_string(root().join(page)).unwrap();
    let reader = Reader::new();
    let (_, first) = blocks(&readme).into_iter().find(|(_, content)| content.contains("--label first")).unwrap();
    let mut commands = 0;
    for (language, content) in [("sh", first)].into_iter().chain(blocks(&text)) {
        if other(&reader, language, content) {
            commands += 1;
        } else if language == "sh" {
            let Some(run) = among_machines(&reader.bench, &script(content)) else { return };
            reader.types(run).run().success();
            commands += content.lines().count();
        } else {
            reader.keeps(language, content);
        }
    }
    assert!(commands >= at_least, "only {commands} commands found");
}

#[test]
fn every_command_about_other_programs_runs() {
    every_command_runs("docs/hand-over.md", 16, |_, _, _| false);
}

#[test]
fn every_command_about_pictures_runs() {
    every_command_runs("docs/pictures.md", 11, |_, _, _| false);
}

#[test]
fn every_command_about_networks_runs() {
    every_command_runs("docs/network.md", 6, |reader, language, content| {
        match language {
            "console" => {
                let Some(run) = among_machines(&reader.bench, &at_two_machines(content)) else { return true };
                let recorded = reader.types(run).run().success();
                assert!(!recorded.stderr.contains("session 1: 0 messages"), "{}", recorded.stderr);
            }
            // `make test-service` has the same drop-in out of the package.
            "ini" => {
                let ours = fs::read_to_string(root().join("packaging/network.conf")).unwrap();
                assert!(content.lines().all(|line| ours.contains(line.split('=').next().unwrap())), "{content}");
            }
            _ => return false,
        }
        true
    });
}

#[test]
fn every_command_about_the_archive_runs() {
    if nats_server().is_none() {
        return;
    }
    every_command_runs("docs/archive.md", 11, |reader, _, content| {
        if !content.contains("nas1,nas2,nas3") {
            return false;
        }
        let Some(run) = among_machines(&reader.bench, &format!("{THREE_SERVERS}\n{content}")) else { return true };
        reader.types(run).run().success().says("archived session 1 of ");
        true
    });
}

/// The configuration of a server that readers copy.
pub fn configuration() -> String {
    let text = fs::read_to_string(root().join("docs/archive.md")).unwrap();
    blocks(&text).into_iter().find(|(language, _)| *language == "conf").unwrap().1.to_owned()
}

/// The servers of the configuration that readers have copied, each with a disk of its own.
pub const THREE_SERVERS: &str = r#"for number in 1 2 3; do
    sed -e "s/^server_name: nas1/server_name: nas$number/" -e "s/listen: \"nas1:/listen: \"nas$number:/" nats.conf >nas$number.conf
    unshare --mount sh -ec "mount -t tmpfs tmpfs /var/lib; mkdir /var/lib/nats; exec nats-server --config nas$number.conf" &
done
for number in 1 2 3; do
    until python3 -c "import socket; socket.create_connection(('nas$number', 4222))" 2>/dev/null; do :; done
done"#;

/// Those to files; `#` and addresses are left to the reader.
#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let pages = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.chain(fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()));
    let mut links = 0;
    for page in pages.filter(|path| path.extension().is_some_and(|ending| ending == "md")) {
        let text = fs::read_to_string(&page).unwrap();
        let targets = text.split("](").skip(1).filter_map(|behind| behind.split([')', '#']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.contains("://")) {
            links += 1;
            assert!(page.parent().unwrap().join(target).exists(), "{}: {target}", page.display());
        }
    }
    assert!(links >= 15, "only {links} links found");
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
