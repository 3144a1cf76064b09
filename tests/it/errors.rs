//! Each error is one line that says what was being done, to what, why it failed and what to try, with the right code.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Bench, Finished};

/// One line on standard error that holds all of `parts`, nothing on standard output.
#[track_caller]
fn one_line(finished: Finished, code: i32, parts: &[&str]) {
    let finished = finished.code(code);
    assert_eq!(finished.stdout, "");
    assert_eq!(finished.stderr.lines().count(), 1, "more than one line:\n{}", finished.stderr);
    for part in parts {
        assert!(finished.stderr.contains(part), "'{part}' is not in: {}", finished.stderr);
    }
}

#[test]
fn wrong_settings_are_refused_before_anything_is_started() {
    let bench = Bench::new();
    for (command, option, value) in [
        ("publish", "--topic", "a b"),
        ("publish", "--topic", ""),
        ("record", "--framing", "lines"),
        ("record", "--layout", "int12"),
        ("record", "--channels", "a:b:c:d:e"),
        ("record", "--channels", "imu=a:=g"),
        ("publish", "--device", "wav:"),
        ("record", "--sample-rate", "0"),
        ("record", "--topic", ""),
        ("publish", "--packet-size", "0"),
        ("publish", "--packet-size", "65537"),
        ("publish", "--rate", "0"),
        ("publish", "--rate", "-5"),
        ("publish", "--interval", "0s"),
        ("publish", "--interval", "soon"),
        ("publish", "--count", "0"),
        ("publish", "--device", "tape"),
        ("publish", "--on-full", "wait"),
        ("publish", "--bind", "5555"),
        ("publish", "--bind", "udp://127.0.0.1:5555"),
        ("record", "--connect", "tcp://127.0.0.1"),
        ("record", "--connect", "tcp://*:5555"),
        ("record", "--connect", "tcp://127.0.0.1:*"),
        ("record", "--duration", "0s"),
        ("record", "--split-every", "0s"),
        ("record", "--split-every", "often"),
        ("record", "--max-message", "1TB"),
        ("record", "--queue", "12"),
        ("record", "--queue", "lots"),
        ("record", "--durability", "some"),
        ("replay", "--speed", "0"),
        ("replay", "--speed", "-1"),
        ("replay", "--speed", "fast"),
        ("replay", "--loop", "0"),
    ] {
        let finished = bench.fancyhwd(command).arg(format!("{option}={value}")).run();
        one_line(finished, 2, &["error: ", option, value]);
    }
    assert!(!bench.path(".local").exists());
}

#[test]
fn wrong_settings_of_the_environment_are_refused_too() {
    let bench = Bench::new();
    one_line(bench.fancyhwd("publish").env("FANCYHWD_RATE", "0").run(), 2, &["--rate '0'"]);
    one_line(bench.fancyhwd("publish").env("FANCYHWD_COUNT", "many").run(), 2, &["many", "--count"]);
    for (command, name) in [("publish", "BIND"), ("record", "CONNECT"), ("record", "TOPIC")] {
        let finished = bench.fancyhwd(command).env(&format!("FANCYHWD_{name}"), " ").run();
        one_line(finished, 2, &[&format!("--{}", name.to_lowercase()), "holds no value"]);
    }
}

#[test]
fn unknown_words_are_refused() {
    let bench = Bench::new();
    one_line(bench.fancyhwd("publish --fast").run(), 2, &["--fast"]);
    one_line(bench.fancyhwd("send").run(), 2, &["send"]);
    one_line(bench.fancyhwd("publish --rate 5 --interval 1s").run(), 2, &["--rate", "--interval"]);
    one_line(bench.fancyhwd("").run(), 2, &["a command is missing", "--help"]);
    one_line(bench.fancyhwd("session").run(), 2, &["a command is missing"]);
    let help = bench.fancyhwd("--help").run().success();
    assert!(help.stdout.contains("publish") && help.stderr.is_empty());
    assert!(!help.stdout.contains('\x1b'), "colour outside of a terminal");
}

#[test]
fn sessions_that_cannot_be_replayed_are_refused() {
    let bench = Bench::new();
    bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    for unknown in ["7", "nobody"] {
        let found = ["there is no such session", "session list", unknown];
        one_line(bench.fancyhwd(&format!("replay {unknown} --database c.db")).run(), 2, &found);
        one_line(bench.fancyhwd(&format!("session show {unknown} --database c.db")).run(), 2, &found);
    }
    one_line(bench.fancyhwd("replay --database c.db").run(), 2, &["session 1", "no messages"]);
}

#[test]
fn an_address_in_use_is_an_error_of_its_own() {
    let bench = Bench::new();
    let first = bench.fancyhwd("publish --bind tcp://127.0.0.1:*").start();
    let endpoint = first.endpoint();
    let second = bench.fancyhwd(&format!("publish --bind {endpoint}")).run();
    one_line(second, 1, &["cannot bind", &endpoint, "Address already in use", "--bind"]);
    first.stop().success();

    let publish = format!("publish --bind {}", bench.endpoint("shared"));
    let first = bench.fancyhwd(&publish).start();
    one_line(bench.fancyhwd(&publish).run(), 1, &["cannot bind ipc://", "Address already in use"]);
    first.stop().success();
    // A socket that a killed program left behind is no obstacle.
    let killed = bench.fancyhwd(&publish).start();
    killed.signal(rustix::process::Signal::KILL);
    killed.finish();
    bench.fancyhwd(&publish).start().stop().success();
}

#[test]
fn a_file_at_the_path_of_an_ipc_endpoint_survives() {
    let bench = Bench::new();
    fs::write(bench.path("precious"), "data").unwrap();
    let finished = bench.fancyhwd(&format!("publish --bind {}", bench.endpoint("precious"))).run();
    one_line(finished, 1, &["cannot bind", "no socket", "choose another address"]);
    let inside = bench.fancyhwd(&format!("publish --bind {}", bench.endpoint("precious/socket"))).run();
    one_line(inside, 1, &["cannot bind", "Not a directory"]);
    assert_eq!(fs::read_to_string(bench.path("precious")).unwrap(), "data");
}

#[test]
fn a_stream_that_cannot_be_read_is_an_error() {
    let bench = Bench::new();
    let publish =
        |device: &str| bench.fancyhwd(&format!("-q publish --bind tcp://127.0.0.1:* --device {device}")).run();
    one_line(publish("stream:missing"), 1, &["cannot open device stream missing", "No such file"]);
    one_line(publish("stream:/tmp"), 1, &["cannot open device stream /tmp", "Is a directory"]);
}

#[test]
fn databases_that_cannot_be_used_are_refused() {
    let bench = Bench::new();
    let record = |database: &str| bench.fancyhwd(&format!("record --duration 1ms --database {database}"));
    let open = "cannot open database";

    one_line(record("missing/c.db").run(), 1, &[open, "there is no directory missing", "--database"]);
    one_line(bench.fancyhwd("replay --database missing.db").run(), 1, &[open, "there is no such file"]);

    fs::write(bench.path("text"), "not a database, but long enough to be looked at".repeat(100)).unwrap();
    for command in ["record --duration 1ms", "replay", "session list"] {
        let finished = bench.fancyhwd(&format!("{command} --database text")).run();
        one_line(finished, 1, &[open, "no SQLite database"]);
    }

    bench.sqlite3("foreign.db", "CREATE TABLE theirs (a); PRAGMA application_id = 77");
    for command in ["record --duration 1ms", "replay", "session list"] {
        let finished = bench.fancyhwd(&format!("{command} --database foreign.db")).run();
        one_line(finished, 1, &[open, "another program"]);
    }
    assert_eq!(bench.sqlite3("foreign.db", "SELECT name FROM sqlite_schema"), "theirs");

    record("newer.db").run().code(3);
    bench.sqlite3("newer.db", "PRAGMA user_version = 999");
    for command in ["record --duration 1ms", "replay", "session list"] {
        let finished = bench.fancyhwd(&format!("{command} --database newer.db")).run();
        one_line(finished, 1, &[open, "schema 999", "use the version"]);
    }

    bench.program("mkfifo").arg(bench.path("fifo")).run().success();
    one_line(record("fifo").run(), 1, &[open, "no regular file"]);
}

#[test]
fn a_directory_without_write_permission_is_refused() {
    let bench = Bench::new();
    fs::create_dir(bench.path("locked")).unwrap();
    fs::set_permissions(bench.path("locked"), fs::Permissions::from_mode(0o555)).unwrap();
    let finished = bench.fancyhwd("record --duration 1ms --database locked/c.db").without_rights().run();
    one_line(finished, 1, &["cannot write into database", "Permission denied"]);
}

#[test]
fn a_second_recorder_of_a_database_is_refused() {
    let bench = Bench::new();
    let first = bench.fancyhwd("record --database c.db --connect tcp://127.0.0.1:1").start();
    let second = bench.fancyhwd("record --database c.db --connect tcp://127.0.0.1:1").run();
    one_line(second, 1, &["cannot open database", "another recorder"]);
    std::os::unix::fs::symlink(bench.path("c.db"), bench.path("other.db")).unwrap();
    let third = bench.fancyhwd("record --database other.db --connect tcp://127.0.0.1:1").run();
    one_line(third, 1, &["cannot open database", "another recorder"]);
    first.stop().code(3);
    assert_eq!(bench.sqlite3("c.db", "SELECT count(*) FROM sessions"), "1");
}
