//! `record --trigger`: what came around the places is kept, byte for byte, and the rest is counted.

use rustix::process::Signal;

use crate::support::triggered::{Rare, record};
use crate::support::{Bench, alone, eventually};

const MS: i64 = 1_000_000;

/// It holds in about one of 4,096 packets: in ten of the first 60,000.
const RARE: Rare = Rare(31_744);

/// At a rate at which that is about five times a second.
const PUBLISH: &str = "--rate 20000 --count 60000";

#[test]
fn windows_are_whole_and_nothing_else_is_kept() {
    let _alone = alone();
    let bench = Bench::new();
    let triggered = record(&bench, PUBLISH, RARE, "--before 40ms --after 60ms", |_| {});
    triggered.assert_windows(40 * MS, 60 * MS);
    assert!(triggered.left_out.len() > 3 && triggered.kept_ns.len() > 10_000);
    triggered.recorder.success().says(" not kept").says(", 0 lost");
    let told = "SELECT count(*), sum(lost) FROM events WHERE kind = 'trigger'";
    assert_eq!(bench.sqlite3("c.db", told), format!("{}|0", triggered.places_ns.len()));
    bench.fancyhwd("session verify --database c.db").run().success();
    let shown = bench.fancyhwd("session show --database c.db").run().success().stdout;
    assert!(shown.contains(" s: trigger fancyhw_data: ch3 = 32"), "{shown}");
    assert!(shown.contains(" messages were not kept") && !shown.contains("not-triggered,"), "{shown}");
    // What is cut out of it says what is only true for the whole.
    bench.fancyhwd("session cut latest --from 1s --to 2s --database c.db").run().success();
    let told = "SELECT count(*) > 0 FROM events WHERE session_id = 2 AND kind = 'not-triggered' AND detail LIKE '%not all of it is in this part'";
    assert_eq!(bench.sqlite3("c.db", told), "1");
}

#[test]
fn windows_reach_over_the_sessions_of_one_recording() {
    let _alone = alone();
    let bench = Bench::new();
    let triggered = record(&bench, PUBLISH, RARE, "--before 150ms --after 20ms", |recorder| {
        for sessions in 2..8 {
            recorder.signal(Signal::HUP);
            eventually("the next session has begun", || {
                bench.sqlite3("c.db", "SELECT count(*) FROM sessions").parse() == Ok(sessions)
            });
        }
    });
    triggered.assert_windows(150 * MS, 20 * MS);
    triggered.recorder.success().says(", 0 lost");
    let reasons = "SELECT count(*) FROM sessions WHERE end_reason = 'split'";
    assert_eq!(bench.sqlite3("c.db", reasons), "6");
    bench.fancyhwd("session verify --all --database c.db").run().success();
}

#[test]
fn sizes_and_counts_are_of_what_is_kept() {
    let _alone = alone();
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    // Eight records in a packet, of which one in 16,384 is a place.
    let rare = Rare(32_256);
    let options = "--layout int16x16 --before 20ms --after 20ms --count 9000 --split-every 1MiB";
    let line = format!("record --database c.db {options} --connect {endpoint}");
    let recorder = bench.fancyhwd(&line).arg("--trigger").arg(rare.condition()).start();
    let publish = format!("publish {PUBLISH} --packet-size 128 --wait-subscribers 1 --bind {endpoint}");
    bench.fancyhwd(&publish).run().success();
    recorder.finish().success().says(": 9000 messages, ").says(", 0 lost");
    let sessions = "SELECT count(*) BETWEEN 2 AND 5, max(id), (SELECT end_reason FROM sessions ORDER BY id DESC LIMIT 1), sum(messages) \
                    FROM sessions";
    let sessions = bench.sqlite3("c.db", sessions);
    assert!(sessions.starts_with("1|") && sessions.ends_with("|limit|9000"), "{sessions}");
    bench.fancyhwd("session verify --all --database c.db").run().success();
}

#[test]
fn what_has_no_room_is_counted_and_memory_is_bounded() {
    let _alone = alone();
    let bench = Bench::new();
    // 1 MiB is about 14,000 packets: 0.7 s of the 2 s that are wanted.
    let mut peak_bytes = 0;
    let triggered = record(
        &bench,
        "--rate 20000 --count 80000",
        Rare(32_256),
        "--before 2s --after 1ms --queue 1MiB",
        |recorder| {
            eventually("it is told of", || recorder.log().contains("memory for --before"));
            peak_bytes = recorder.memory_bytes("VmHWM");
        },
    );
    assert_eq!(triggered.missed, 0, "places themselves are kept");
    let overflow = bench.sqlite3("c.db", "SELECT sum(lost) > 5000, min(detail) FROM events WHERE kind = 'overflow'");
    assert_eq!(overflow, "1|the memory for --before was full: let --queue be larger, or --before shorter");
    assert_eq!(bench.sqlite3("c.db", "SELECT lost = (SELECT sum(lost) FROM events) FROM sessions"), "1");
    assert!(peak_bytes < 64 << 20, "{peak_bytes} bytes");
    triggered.recorder.code(3);
}

#[test]
fn without_a_place_nothing_is_kept_and_nothing_is_lost() {
    let _alone = alone();
    let bench = Bench::new();
    let triggered = record(&bench, "--rate 20000 --count 20000", Rare(32_767), "--print", |_| {});
    triggered.assert_windows(1_000 * MS, 1_000 * MS);
    assert_eq!(triggered.kept_ns.len(), 0);
    triggered.recorder.success().says(": 0 messages, ").says(", 20000 not kept, ").says(", 0 lost");
    bench.fancyhwd("session verify --database c.db").run().success();
}

#[test]
fn a_condition_about_nothing_that_comes_is_told_of() {
    let _alone = alone();
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder =
        bench.fancyhwd(&format!("record --database c.db --count 10 --connect {endpoint} --trigger")).arg("ch99 > 5");
    let recorder = recorder.start();
    let publish = format!("publish --interval 1ms --count 100 --wait-subscribers 1 --bind {endpoint}");
    bench.fancyhwd(&publish).run().success();
    eventually("the recorder sees that the device has left", || recorder.log().contains("disconnected from"));
    let recorder = recorder.stop().success().says(", 100 not kept, ");
    assert!(
        recorder
            .stderr
            .contains("no stream has the channel ch99; there are ch0; as long as that is so, nothing is kept")
    );
}

#[test]
fn what_cannot_be_a_trigger_is_refused_before_anything_is_made() {
    let bench = Bench::new();
    for (options, says) in [
        (vec!["--trigger", "ch0 >"], "--trigger"),
        (vec!["--trigger", "ch0 > 1", "--before", "soon"], "--before"),
        (vec!["--trigger", "ch0 > 1", "--after", "1x"], "--after"),
        (vec!["--before", "1s"], "--trigger"),
        (vec!["--after", "1s"], "--trigger"),
    ] {
        let run = bench.fancyhwd("record --database c.db").args(&options).run().code(2);
        assert!(run.stderr.contains(says), "{options:?}: {}", run.stderr);
    }
    assert!(!bench.path("c.db").exists());
}
