//! The log for programs: JSON for collectors, fields in the journal, and how it goes each minute.

use std::fs;

use serde_json::Value;

use crate::support::allowed::not_run;
use crate::support::{Bench, eventually, root};

/// Nobody listens there.
const NOBODY: &str = "tcp://127.0.0.1:1";

/// The objects of a log, each of which is a line.
fn objects(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|cause| panic!("{cause}: {line}"))).collect()
}

#[test]
fn a_collector_gets_an_object_a_line() {
    let bench = Bench::new();
    let record = format!("record --log-format json --database c.db --duration 4s --label a\u{9b}b --connect {NOBODY}");
    let log = objects(&bench.fancyhwd(&record).run().code(3).stderr);
    for object in &log {
        let names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["time", "level", "event", "fields", "message"]);
        assert!(object["time"].as_str().unwrap().ends_with('Z'), "{object}");
        assert_eq!(object["fields"]["session"], 1, "{object}");
    }
    let of = |event: &str| log.iter().find(|object| object["event"] == event).unwrap_or_else(|| panic!("no {event}"));
    assert_eq!(of("started")["level"], "info");
    assert!(of("started")["message"].as_str().unwrap().starts_with("recording session 1 from "));
    let unreached = of("unreached");
    assert_eq!(
        (unreached["level"].as_str(), unreached["fields"]["endpoint"].as_str()),
        (Some("warning"), Some(NOBODY))
    );
    assert_eq!((&of("ended")["fields"]["messages"], &of("ended")["fields"]["lost"]), (&0.into(), &0.into()));
    // What other programs said before, and errors of the command line too.
    let error = bench.fancyhwd("record --count 0").env("FANCYHWD_LOG_FORMAT", "json").run().code(2).stderr;
    assert_eq!(objects(&error)[0]["level"], "error");
}

#[test]
fn what_comes_from_outside_breaks_no_line_of_json() {
    let bench = Bench::new();
    let export = "session export 1 --format jsonl --log-format json --database";
    let finished = bench.fancyhwd(export).arg("evil\n{\"level\":\"info\"}\u{9b}31m.db").run().code(1);
    let log = objects(&finished.stderr);
    assert_eq!(log.len(), 1);
    assert!(
        log[0]["message"].as_str().unwrap().contains("evil\n{\"level\":\"info\"}\u{9b}31m.db: there is no such file")
    );
    assert!(!finished.stderr.contains('\u{9b}'), "{}", finished.stderr);
}

#[test]
fn events_have_their_fields_in_the_journal() {
    let bench = Bench::new();
    let user = if rustix::process::geteuid().is_root() { None } else { Some("--map-root-user") };
    let in_own_tree = |line: &str| {
        let unshare = bench.program("unshare").args(user).args(["--mount", "sh", "-e", "-c"]);
        unshare.arg(format!("mount -t tmpfs tmpfs /run\n{line}")).run()
    };
    let probe = in_own_tree("true");
    if !probe.status.success() {
        not_run(&format!("no tree of files of its own: {}", probe.stderr.trim_end()));
        return;
    }
    let journal = root().join("tests/peers/journal.py");
    let record = format!("fancyhwd record --database c.db --duration 4s --connect {NOBODY}");
    let finished = in_own_tree(&format!("/usr/bin/python3 {} {record}", journal.display())).code(3);
    let entries = objects(&finished.stdout);
    let unreached = entries.iter().find(|entry| entry["EVENT"] == "unreached").unwrap_or_else(|| panic!("{entries:?}"));
    let manual = fs::read_to_string(root().join("man/fancyhwd.8")).unwrap();
    assert!(manual.contains(&format!("unreached\t{}\n", unreached["MESSAGE_ID"].as_str().unwrap())));
    for (field, value) in [("SESSION", "1"), ("ENDPOINT", NOBODY), ("PRIORITY", "4"), ("SYSLOG_IDENTIFIER", "fancyhwd")]
    {
        assert_eq!(unreached[field], value, "{unreached}");
    }
    assert!(unreached["MESSAGE"].as_str().unwrap().starts_with(&format!("cannot reach {NOBODY}: ")));
    // All else goes the way that ends with the process, each line with its priority, and nothing goes both.
    let lines = fs::read_to_string(bench.path("stderr")).unwrap();
    assert!(
        lines.starts_with("<6>recording session 1 from ") && lines.contains("\n<6>recorded session 1: "),
        "{lines}"
    );
    assert!(!lines.contains("cannot reach"), "{lines}");
    // Without a journal that takes them, events are lines too.
    let script = "JOURNAL_STREAM=$(stat -c %d:%i lines)";
    in_own_tree(&format!(
        "touch lines; {script} exec fancyhwd record --database d.db --duration 4s --connect {NOBODY} 2>lines"
    ))
    .code(3);
    assert!(fs::read_to_string(bench.path("lines")).unwrap().contains("\n<4>cannot reach "));
}

#[test]
fn the_manual_has_the_message_id_of_each_event() {
    let source = fs::read_to_string(root().join("src/observe/event.rs")).unwrap();
    let manual = fs::read_to_string(root().join("man/fancyhwd.8")).unwrap();
    let texts = |is_id: bool| {
        let texts = source.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split('"').nth(1));
        texts.filter(|text| (text.len() == 32) == is_id).collect::<Vec<_>>()
    };
    let (names, ids) = (texts(false), texts(true));
    assert!(names.len() == ids.len() && names.len() > 20);
    for (name, id) in names.iter().zip(&ids) {
        assert!(manual.contains(&format!("\n{}\t{id}\n", name.replace('-', "\\-"))), "{name} {id}");
    }
    let mut different = ids.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), ids.len());
}

/// It takes a minute, beside other tests.
#[test]
fn each_minute_it_is_said_how_it_goes() {
    let bench = Bench::new();
    let (device, again) = (bench.endpoint("device"), bench.endpoint("again"));
    let record = |count: &str| format!("-v record --log-format json --database c.db {count} --connect {device}");
    let publish = format!("-v publish --log-format json --rate 100 --wait-subscribers 1 --bind {device}");
    let publisher = bench.fancyhwd(&publish).start();
    bench.fancyhwd(&record("--count 20")).run().success();
    let recorder = bench.fancyhwd(&record("")).start();
    let replay = format!("-v replay 1 --log-format json --database c.db --rate 10 --loop --bind {again}");
    let replay = bench.fancyhwd(&replay).start();
    for daemon in [&publisher, &recorder, &replay] {
        let status = || objects_so_far(&daemon.log()).into_iter().find(|object| object["event"] == "status");
        eventually("it says how it goes", || status().is_some());
        let status = status().unwrap();
        assert_eq!(status["level"], "debug");
        assert!(status["fields"]["messages"].as_u64().unwrap() > 100, "{status}");
        assert!(status["fields"]["rate_hz"].as_f64().unwrap() > 1.0, "{status}");
    }
    let status = objects_so_far(&recorder.log()).into_iter().find(|object| object["event"] == "status").unwrap();
    assert_eq!(status["fields"]["lost"], 0);
    assert!(status["fields"]["queue_percent"].is_number() && status["fields"]["free_bytes"].is_number(), "{status}");
    replay.stop();
    recorder.stop();
    publisher.stop();
}

/// The last line may not be whole yet.
fn objects_so_far(log: &str) -> Vec<Value> {
    log.rsplit_once('\n').map_or(Vec::new(), |(whole, _)| objects(whole))
}
