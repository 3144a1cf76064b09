//! What shells complete, out of the command line and out of databases.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::terminal::Terminal;
use crate::support::{Bench, Finished, root};

/// A capture `c.db` with a session that has a label, and one that has none.
fn bench() -> Bench {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let record = format!("record --database c.db --label warm-up --count 2 --topic * --connect {endpoint}");
    let recorder = bench.fancyhwd(&record).start();
    let publish = format!("publish --interval 10ms --count 2 --wait-subscribers 1 --topic pump --bind {endpoint}");
    bench.fancyhwd(&publish).run().success();
    recorder.finish().success();
    bench
}

/// What a shell is told: a candidate a line, with what it is behind a tabulator.
fn complete(bench: &Bench, line: &str) -> Finished {
    let words = line.split(' ');
    bench.program("fancyhwd").env("_FANCYHWD_COMPLETE", "fish").arg("--").args(words).run()
}

/// The candidates alone, without options.
fn candidates(bench: &Bench, line: &str) -> Vec<String> {
    let finished = complete(bench, line).success();
    assert_eq!(finished.stderr, "");
    let words = finished.stdout.lines().map(|line| line.split('\t').next().unwrap().to_owned());
    words.filter(|word| !word.starts_with('-')).collect()
}

#[test]
fn commands_options_and_values_are_completed() {
    let bench = Bench::new();
    assert_eq!(candidates(&bench, "fancyhwd session ex"), ["export"]);
    assert_eq!(candidates(&bench, "fancyhwd completions "), ["bash", "zsh", "fish"]);
    assert!(complete(&bench, "fancyhwd record --dur").success().stdout.starts_with("--dur"));
    assert!(candidates(&bench, "fancyhwd session export 1 --format p").contains(&"parquet".to_owned()));
    fs::write(bench.path("capture.db"), "").unwrap();
    assert_eq!(candidates(&bench, "fancyhwd session list --database cap"), ["capture.db"]);
}

#[test]
fn sessions_and_topics_come_from_the_database_that_is_meant() {
    let bench = bench();
    bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    assert_eq!(candidates(&bench, "fancyhwd session show --database c.db "), ["2", "warm-up"]);
    assert_eq!(candidates(&bench, "fancyhwd session show --database=c.db w"), ["warm-up"]);
    assert_eq!(candidates(&bench, "fancyhwd replay --database c.db 1"), ["1"]);
    assert_eq!(candidates(&bench, "fancyhwd session diff --database c.db warm-up "), ["2", "warm-up"]);
    assert_eq!(candidates(&bench, "fancyhwd session export --database c.db 1 --topic p"), ["pump"]);
    assert!(complete(&bench, "fancyhwd session show --database c.db w").stdout.contains("2 messages, 20"));
    let of_service = |line: &str| {
        let run =
            bench.program("fancyhwd").env("_FANCYHWD_COMPLETE", "fish").env("STATE_DIRECTORY", bench.path("kept"));
        run.arg("--").args(line.split(' ')).run().success().stdout
    };
    fs::create_dir(bench.path("kept")).unwrap();
    fs::copy(bench.path("c.db"), bench.path("kept/hall.db")).unwrap();
    assert!(of_service("fancyhwd session show w").starts_with("warm-up\t"));
    assert!(of_service("fancyhwd session show --database ha").starts_with("hall\n"));
}

/// Bash puts a candidate into the line as it is.
#[test]
fn what_a_shell_would_obey_is_not_offered() {
    let bench = bench();
    for label in ["$(touch obeyed)", "a b", "-x", "\u{1b}[31mred", "it's"] {
        bench.fancyhwd("session label 1").arg("--database").arg(bench.path("c.db")).arg("--").arg(label).run();
        let label = label.replace('\'', "''");
        bench.sqlite3("c.db", &format!("UPDATE sessions SET label = '{label}'"));
        assert_eq!(candidates(&bench, "fancyhwd session show --database c.db "), ["1"], "{label}");
        let told = complete(&bench, "fancyhwd session show --database c.db ").stdout;
        assert!(!told.contains('\u{1b}'), "{told}");
    }
    assert!(!bench.path("obeyed").exists());
}

#[test]
fn what_cannot_be_read_offers_nothing_and_says_nothing() {
    let bench = bench();
    fs::write(bench.path("text.db"), "no database").unwrap();
    fs::create_dir(bench.path("folder.db")).unwrap();
    bench.program("mkfifo").arg(bench.path("fifo.db")).run().success();
    for file in ["text.db", "folder.db", "fifo.db", "missing.db"] {
        assert!(candidates(&bench, &format!("fancyhwd session show --database {file} ")).is_empty(), "{file}");
        assert!(candidates(&bench, &format!("fancyhwd replay --database {file} --topic ")).is_empty(), "{file}");
    }
    let of_none =
        bench.program("fancyhwd").env("_FANCYHWD_COMPLETE", "tcsh").args(["--", "fancyhwd", ""]).run().success();
    assert_eq!(of_none.stdout + &of_none.stderr, "");
}

#[test]
fn a_database_that_is_held_is_not_waited_for() {
    let bench = bench();
    let connection = rusqlite::Connection::open(bench.path("c.db")).unwrap();
    connection.execute_batch("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE").unwrap();
    let began = Instant::now();
    assert!(candidates(&bench, "fancyhwd session show --database c.db ").is_empty());
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    connection.execute_batch("ROLLBACK").unwrap();
    assert_eq!(candidates(&bench, "fancyhwd session show --database c.db "), ["warm-up"]);
}

/// A shell on a terminal: this is typed, and the tabulator makes `wa` the whole label.
fn completes_in(shell: &str, setup: &str) {
    let bench = bench();
    let mut terminal = Terminal::start(&format!("cd {} && {shell}", bench.text("")));
    terminal.press(&format!("{setup}; echo set''up\n"));
    terminal.wait_until("setup");
    terminal.press("fancyhwd session show --database c.db wa\t");
    terminal.wait_until("warm-up");
    terminal.press("\n");
    terminal.wait_until("session     1");
    terminal.press("exit\n");
    terminal.finish();
}

#[test]
fn bash_completes() {
    completes_in("bash --norc -i", "source <(fancyhwd completions bash)");
}

#[test]
fn zsh_completes() {
    completes_in("zsh -f -i", "autoload -U compinit && compinit -u -D; source <(fancyhwd completions zsh)");
}

/// As a package installs it: zsh reads the file when it is needed first.
#[test]
fn zsh_completes_at_the_first_time() {
    let folder = root().join("man/completions");
    completes_in("zsh -f -i", &format!("fpath=({} $fpath); autoload -U compinit && compinit -u -D", folder.display()));
}

#[test]
fn fish_completes() {
    let bench = bench();
    let script = "fancyhwd completions fish | source; complete -C 'fancyhwd session show --database c.db wa'";
    let told = bench.program("fish").args(["--no-config", "-c", script]).run().success().stdout;
    assert!(told.starts_with("warm-up\t"), "{told}");
}
