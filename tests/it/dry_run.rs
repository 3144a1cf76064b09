//! `record --dry-run`: the first thing that somebody with an unknown device runs.

use crate::devices::DEVICES;
use crate::links::free_port;
use crate::support::{Bench, FANCYHWD, root};

/// How often a device is called.
const COUNT: usize = 30;

/// Let a device send beside a recorder, and give what that printed.
fn beside(bench: &Bench, device: &str, endpoint: &str, line: &str) -> String {
    let recorder = bench.program("sh").args(["-c", &format!("exec {line}")]).start();
    let script = root().join("tests/peers/devices.py");
    let device = bench.program("/usr/bin/python3").arg(script).args([device, &COUNT.to_string(), endpoint]);
    let topics = line.matches(" --topic ").count().max(1).to_string();
    device.env("SUBSCRIPTIONS", topics).run().success();
    recorder.finish().success().stdout
}

/// The line that a dry run gives, and that then records the device: everything, and readable.
fn is_recorded_as_it_is_told(device: &str, calls: usize, streams: &[&str]) {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let count = calls * COUNT;
    let dry = format!("{FANCYHWD} record --dry-run --count {count} --duration 60s --connect {endpoint}");
    let told = beside(&bench, device, &endpoint, &dry);
    for stream in streams {
        let (framing, rest) = stream.split_once(' ').unwrap();
        let topic = rest.rsplit_once(' ').unwrap().0;
        let topic = if topic.is_empty() { "no topic".to_owned() } else { format!("topic {topic}") };
        assert!(told.contains(&format!("{topic}, framing {framing}: ")), "{device}: {stream}\n{told}");
    }
    assert!(!bench.path("c.db").exists());
    let line = told.lines().last().unwrap().trim();
    assert!(line.starts_with("fancyhwd record "), "{told}");
    beside(&bench, device, &endpoint, &format!("{line} --database c.db --count {count}"));
    let kept = bench.sqlite3("c.db", "SELECT messages, undecodable, unwanted, lost FROM sessions");
    assert_eq!(kept, format!("{count}|0|0|0"), "{device}: {line}\n{told}");
}

#[test]
fn an_unknown_device_is_told_of_and_then_recorded_with_the_line_that_was_given() {
    std::thread::scope(|scope| {
        for part in DEVICES.chunks(DEVICES.len().div_ceil(3)) {
            scope.spawn(move || {
                part.iter().for_each(|(device, calls, streams)| is_recorded_as_it_is_told(device, *calls, streams))
            });
        }
    });
}

#[test]
fn a_dry_run_says_who_does_not_answer_and_touches_nothing() {
    let bench = Bench::new();
    let nobody = format!("tcp://127.0.0.1:{}", free_port());
    let dry = bench.fancyhwd(&format!("record --dry-run --duration 4s --connect {nobody} --database there/c.db"));
    let told = dry.run().code(3).stdout;
    assert!(told.contains("not connected (connection refused"), "{told}");
    assert!(told.contains("nothing came"), "{told}");
    assert!(!bench.path("there").exists());
}
