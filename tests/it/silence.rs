//! Devices that are connected and say nothing, or nothing that was asked for.

use std::time::{Duration, Instant};

use crate::support::old_peers::wait_until;
use crate::support::zmtp::{Kind, Publisher, Version};
use crate::support::{Bench, Daemon, eventually};

fn start(bench: &Bench, publisher: &Publisher, options: &str) -> Daemon {
    let record = format!("record --database c.db --topic cam1 {options} --commit-every 10ms");
    let recorder = bench.fancyhwd(&format!("{record} --connect {}", publisher.endpoint())).start();
    eventually("the recorder is connected", || publisher.peers() == 1);
    recorder
}

fn messages(bench: &Bench) -> String {
    bench.sqlite3("c.db", "SELECT messages FROM sessions")
}

/// What a shell says of the entries of this kind: how far their beginning is from the message before, and their end from
/// the one after it, in milliseconds.
const AROUND: &str = "SELECT endpoint, \
    (elapsed_ns - (SELECT max(elapsed_ns) FROM messages WHERE elapsed_ns <= e.elapsed_ns + 1000)) / 1000000, \
    ((SELECT min(elapsed_ns) FROM messages WHERE elapsed_ns >= e.until_elapsed_ns - 1000) - until_elapsed_ns) / 1000000, \
    (until_elapsed_ns - elapsed_ns) / 1000000 FROM events e WHERE kind = 'silence'";

#[test]
fn a_silence_is_a_warning_at_once_and_an_entry_from_the_last_message_to_the_next() {
    let bench = Bench::new();
    let publisher = Publisher::bind(Version::V30, Kind::Pub);
    let endpoint = publisher.endpoint();
    let recorder = start(&bench, &publisher, "--silence 2s");
    publisher.send(&[b"cam1 ab"]);
    eventually("the first message is recorded", || messages(&bench) == "1");
    let began = Instant::now();
    recorder.wait_until_status("silent, last message");
    assert!(
        recorder.log().lines().any(|line| line.contains("warning:") && line.contains(&format!("{endpoint} is silent")))
    );
    println!("told after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    publisher.send(&[b"cam1 cd"]);
    eventually("it is said that this is over", || recorder.log().contains("silent no longer"));
    // Nothing was lost.
    let finished = recorder.stop().success();
    assert_eq!(finished.stderr.matches("is silent:").count(), 1, "{}", finished.stderr);
    let ledger = bench.sqlite3("c.db", AROUND);
    let fields: Vec<&str> = ledger.split('|').collect();
    let [of, begins_ms, ends_ms, lasted_ms] = fields[..] else { panic!("not one entry: {ledger}") };
    assert_eq!((of, begins_ms, ends_ms), (&*endpoint, "0", "0"), "{ledger}");
    assert!((2_000..6_000).contains(&lasted_ms.parse::<i64>().unwrap()), "{ledger}");
    let shown = bench.fancyhwd("session show --database c.db").run().success().stdout;
    assert!(shown.lines().any(|line| line.contains("silence") && line.contains(&endpoint)), "{shown}");
}

#[test]
fn a_silence_that_lasts_until_the_end_ends_with_the_recording() {
    let bench = Bench::new();
    let publisher = Publisher::bind(Version::V31, Kind::Pub);
    let recorder = start(&bench, &publisher, "--silence 1s --duration 4s");
    publisher.send(&[b"cam1 ab"]);
    let finished = recorder.finish().success().says("is silent:");
    assert!(!finished.stderr.contains("no longer"), "nothing came: {}", finished.stderr);
    let sql = "SELECT count(*), (sum(until_elapsed_ns) - sum(elapsed_ns)) BETWEEN 2500000000 AND 4100000000 \
               FROM events WHERE kind = 'silence'";
    assert_eq!(bench.sqlite3("c.db", sql), "1|1");
}

#[test]
fn a_steady_device_is_never_called_silent() {
    let bench = Bench::new();
    let publisher = Publisher::bind(Version::V2, Kind::Pub);
    let recorder = start(&bench, &publisher, "--silence 2s");
    let began = Instant::now();
    // Five messages a second, for longer than the silence that is allowed.
    for number in 0..20 {
        wait_until(began + Duration::from_millis(200) * number);
        publisher.send(&[b"cam1 ab"]);
    }
    eventually("all are recorded", || messages(&bench) == "20");
    let finished = recorder.stop().success();
    assert!(!finished.stderr.contains("silent"), "{}", finished.stderr);
    assert_eq!(bench.sqlite3("c.db", "SELECT group_concat(kind) FROM events"), "connected");
}

/// What is said of a link over which nothing came that was asked for: the line, and after what time.
fn told_of_nothing(bench: &Bench, publisher: &Publisher, send: impl Fn()) -> (String, Duration) {
    let began = Instant::now();
    let recorder = start(bench, publisher, "");
    send();
    recorder.wait_until_status("no message yet");
    eventually("it is said", || recorder.log().contains("is silent:"));
    let told = began.elapsed();
    let finished = recorder.stop();
    let lines: Vec<&str> = finished.stderr.lines().filter(|line| line.contains("is silent:")).collect();
    assert_eq!(lines.len(), 1, "{}", finished.stderr);
    assert!(lines[0].contains(&publisher.endpoint()), "{}", lines[0]);
    (lines[0].to_owned(), told)
}

#[test]
fn a_device_from_which_nothing_came_for_ten_seconds_is_told_of_once_with_what_is_asked_for() {
    let bench = Bench::new();
    let publisher = Publisher::bind(Version::V30, Kind::Pub);
    let (line, told) = told_of_nothing(&bench, &publisher, || ());
    assert!(line.contains("cam1"), "{line}");
    println!("told after {told:?}");
    assert!((Duration::from_millis(9_900)..Duration::from_secs(13)).contains(&told), "{told:?}");
}

#[test]
fn a_device_that_sends_under_another_topic_is_told_of_with_that_topic() {
    let bench = Bench::new();
    let publisher = Publisher::bind(Version::V30, Kind::Pub);
    // A subscription to `cam1` also asks for these.
    let (line, _) = told_of_nothing(&bench, &publisher, || {
        for _ in 0..7 {
            publisher.send(&[b"cam17 ab"]);
        }
    });
    assert!(line.contains("cam1") && line.contains("7 messages") && line.contains("cam17"), "{line}");
    assert_eq!(bench.sqlite3("c.db", "SELECT messages, unwanted, lost FROM sessions"), "0|7|0");
}

#[test]
fn the_status_says_when_the_last_message_came() {
    let bench = Bench::new();
    let publisher = Publisher::bind(Version::V30, Kind::Pub);
    let recorder = start(&bench, &publisher, "");
    recorder.wait_until_status("up, no message yet");
    publisher.send(&[b"cam1 ab"]);
    let sent = Instant::now();
    let seconds_ago = || {
        let status = recorder.wait_until_status("up, last message ");
        let words = status.split("last message ").nth(1).unwrap();
        words.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    assert!(seconds_ago() <= sent.elapsed().as_secs() + 1);
    eventually("it is longer ago", || seconds_ago() >= 2);
    recorder.stop().success();
}
