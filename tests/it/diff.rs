//! `session diff`: what two sessions have in common, and what not.

use std::fs;

use serde_json::Value;

use crate::support::{Bench, Finished};

const PACKETS: usize = 100;

/// Two databases `a.db` and `b.db` with the same session of 100 packets, one each millisecond.
fn twins() -> Bench {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder =
        bench.fancyhwd(&format!("record --database a.db --label run --count {PACKETS} --connect {endpoint}")).start();
    let publish = "publish --rate max --on-full block --wait-subscribers 1";
    bench.fancyhwd(&format!("{publish} --count {PACKETS} --bind {endpoint}")).run().success();
    recorder.finish().success();
    bench.forge("a.db", "UPDATE messages SET elapsed_ns = id * 1000000");
    fs::copy(bench.path("a.db"), bench.path("b.db")).unwrap();
    bench
}

fn diff(bench: &Bench, options: &str) -> Finished {
    bench.fancyhwd(&format!("session diff 1 1 --database a.db --other b.db {options}")).run()
}

fn json(bench: &Bench, code: i32) -> Value {
    serde_json::from_str(&diff(bench, "--json").code(code).stdout).unwrap()
}

#[test]
fn equal_sessions_have_no_difference() {
    let bench = twins();
    let text = diff(&bench, "--timing-tolerance 1ns").success().stdout;
    assert!(
        text.contains("\nequal       100\nchanged     0\nonly in A   0\nonly in B   0\nspacing     p50 0.0 us"),
        "{text}"
    );
    assert!(
        text.starts_with("A           session 1 of a.db, 100 messages\nB           session 1 of b.db, 100 "),
        "{text}"
    );
    let found = json(&bench, 0);
    assert_eq!(found["same"], true);
    assert_eq!(found["first_difference"], Value::Null);
    assert_eq!(found["spacing"]["compared"], 99);
    // In one database, by its label.
    bench.fancyhwd("session diff run 1 --database a.db").run().success();
    bench.fancyhwd("session diff run 2 --database a.db").run().code(2).says("cannot find session '2'");
}

#[test]
fn a_changed_sample_is_shown_on_both_sides() {
    let bench = twins();
    let payload = bench.sqlite3("b.db", "SELECT hex(payload) FROM messages WHERE id = 51");
    let changed = format!("{}0102", &payload[..payload.len() - 4]);
    bench.forge("b.db", &format!("UPDATE messages SET payload = x'{changed}' WHERE id = 51"));
    let samples = |file: &str| bench.sqlite3(file, "SELECT samples FROM decoded_packets WHERE message_id = 51");
    let text = diff(&bench, "").code(3).stdout;
    assert!(text.contains("\nequal       99\nchanged     1\n"), "{text}");
    for (side, file) in [("A", "a.db"), ("B", "b.db")] {
        let line = format!("\nfirst in {side}  #50 fancyhw_data 45 bytes 16 samples {}\n", samples(file));
        assert!(text.contains(&line), "{line} in {text}");
    }
    assert!(samples("b.db").ends_with(",513]"));
    let found = json(&bench, 3);
    let shown: Vec<&str> =
        found["first_difference"]["b"]["samples"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(format!("[{}]", shown.join(",")), samples("b.db"));
    assert_eq!(found["first_difference"]["a"]["number"], 50);
}

#[test]
fn a_difference_far_inside_a_large_packet_can_be_seen() {
    let bench = twins();
    let zeros = "00".repeat(2000);
    for (file, end) in [("a.db", "0100"), ("b.db", "0200")] {
        bench.forge(file, &format!("UPDATE messages SET payload = x'{zeros}{end}{zeros}' WHERE id = 1"));
    }
    let text = diff(&bench, "").code(3).stdout;
    let line = "first in B  #0 fancyhw_data 4015 bytes 2001 samples ... from sample 996 on: [0,0,0,0,2,0,0,0,0,0,0,0,0,0,0,0,...]";
    assert!(text.contains(line), "{text}");
}

#[test]
fn missing_and_added_packets_are_one_difference_each_and_not_one_of_all_that_follow() {
    let bench = twins();
    bench.forge("b.db", "DELETE FROM messages WHERE id IN (11, 12, 60)");
    let found = json(&bench, 3);
    let counts =
        |found: &Value| ["equal", "changed", "only_in_a", "only_in_b"].map(|name| found[name].as_i64().unwrap());
    assert_eq!(counts(&found), [97, 0, 3, 0]);
    assert_eq!(found["first_difference"]["a"]["number"], 10);
    assert_eq!(found["first_difference"]["b"], Value::Null);
    // The spacings beside what is missing are not compared.
    assert_eq!(found["spacing"]["compared"], 99 - 3 - 2);
    assert_eq!(found["spacing"]["max_ns"], 0);
    let text = diff(&bench, "").code(3).stdout;
    assert!(text.contains("first in B  nothing there\n"), "{text}");

    let back = bench.fancyhwd("session diff 1 1 --json --database b.db --other a.db").run().code(3).stdout;
    assert_eq!(counts(&serde_json::from_str(&back).unwrap()), [97, 0, 0, 3]);

    bench.forge("b.db", "DELETE FROM messages WHERE id > 87");
    assert_eq!(counts(&json(&bench, 3)), [87, 0, 13, 0]);
}

#[test]
fn another_order_another_topic_and_another_kind_of_message_are_differences() {
    for (change, counts) in [
        (
            "UPDATE messages SET id = 500 WHERE id = 7; UPDATE messages SET id = 7 WHERE id = 8; UPDATE messages SET id = 8 WHERE id = 500",
            [99, 0, 1, 1],
        ),
        (
            "INSERT INTO streams VALUES (9, 1, 1, 'space', x'6f74686572', 'other', 'int16', 1, NULL, NULL); \
             UPDATE messages SET stream_id = 9 WHERE id = 7",
            [99, 1, 0, 0],
        ),
        (
            "INSERT INTO streams VALUES (9, 1, 1, 'frames', CAST('fancyhw_data' AS BLOB), 'fancyhw_data', 'int16', 1, NULL, NULL); \
             UPDATE messages SET stream_id = 9 WHERE id = 7",
            [99, 1, 0, 0],
        ),
    ] {
        let bench = twins();
        bench.forge("b.db", change);
        let found = json(&bench, 3);
        let found_counts = ["equal", "changed", "only_in_a", "only_in_b"].map(|name| found[name].as_i64().unwrap());
        assert_eq!(found_counts, counts, "{change}");
        // Of two that changed places, the one that comes too early is seen first.
        assert_eq!(found["first_difference"]["b"]["number"], 6);
    }
    // How it is read makes no other message of it.
    let bench = twins();
    bench.forge(
        "b.db",
        "INSERT INTO streams VALUES (9, 1, 1, 'whole', x'', '', 'bytes', 1, NULL, NULL); \
         UPDATE messages SET stream_id = 9, payload = CAST(x'66616e637968775f6461746120' || payload AS BLOB) WHERE id = 7",
    );
    assert_eq!(bench.sqlite3("b.db", "SELECT length(payload) FROM messages WHERE id = 7"), "45");
    diff(&bench, "").success();
}

#[test]
fn the_spacing_counts_only_when_a_tolerance_is_given() {
    let bench = twins();
    // Two of 99 spacings differ, both by 0.25 ms: that packet came late.
    bench.forge("b.db", "UPDATE messages SET elapsed_ns = elapsed_ns + 250000 WHERE id = 40");
    let found = json(&bench, 0);
    assert_eq!(found["spacing"]["p50_ns"], 0);
    let [p99_ns, max_ns] = ["p99_ns", "max_ns"].map(|name| found["spacing"][name].as_i64().unwrap());
    assert!((250_000..250_500).contains(&p99_ns) && max_ns == p99_ns, "{found}");
    diff(&bench, "--timing-tolerance 300us").success();
    let text = diff(&bench, "--timing-tolerance 200us").code(3).stdout;
    assert!(text.contains("changed     0\n") && text.contains("above --timing-tolerance"), "{text}");
    diff(&bench, "--timing-tolerance soon").code(2).says("cannot use --timing-tolerance 'soon'");
    // A clock that began at another moment is no difference.
    bench.forge("b.db", "UPDATE messages SET elapsed_ns = id * 1000000 + 12345678");
    diff(&bench, "--timing-tolerance 1ns").success();
}

#[test]
fn what_was_recorded_replayed_and_recorded_again_is_the_same() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database a.db --count 30000 --connect {endpoint}")).start();
    let publish = "publish --rate max --on-full block --wait-subscribers 1";
    bench.fancyhwd(&format!("{publish} --count 30000 --bind {endpoint}")).run().success();
    recorder.finish().success();
    let recorder = bench.fancyhwd(&format!("record --database b.db --count 30000 --connect {endpoint}")).start();
    bench
        .fancyhwd(&format!("replay --speed 2 --database a.db --on-full block --wait-subscribers 1 --bind {endpoint}"))
        .run()
        .success();
    recorder.finish().success();
    let text = diff(&bench, "").success().stdout;
    assert!(text.contains("\nequal       30000\nchanged     0\nonly in A   0\nonly in B   0\n"), "{text}");
    bench.fancyhwd("session verify --all --database b.db").run().success();
}

#[test]
fn a_session_without_messages_is_compared_too() {
    let bench = twins();
    bench.fancyhwd("record --database b.db --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    let text = bench.fancyhwd("session diff 1 2 --database a.db --other b.db").run().code(3).stdout;
    assert!(text.contains("only in A   100\nonly in B   0\n") && text.contains("not compared"), "{text}");
    bench.fancyhwd("session diff 2 2 --database b.db").run().success();
}

#[test]
fn parts_are_compared_with_parts() {
    let bench = twins();
    let found = |options: &str, code| {
        let text = diff(&bench, &format!("{options} --json")).code(code).stdout;
        let found: Value = serde_json::from_str(&text).unwrap();
        ["a", "b"].map(|side| found[side]["messages"].as_u64().unwrap())
    };
    assert_eq!(found("--from n10 --to n20", 0), [10, 10]);
    assert_eq!(found("--from -19ms", 0), [20, 20]);
    assert_eq!(found("--from n10 --to n20 --other-to n30 --other-from n10", 3), [10, 20]);
    // Nothing is left of --from and --to in B.
    assert_eq!(found("--from n10 --other-from 0", 3), [90, 100]);
    assert_eq!(found("--topic fancyhw_data --endpoint 1", 0), [100, 100]);
    diff(&bench, "--topic other").code(2).says("nothing in it is as asked for");
    diff(&bench, "--from -soon").code(2).says("--from '-soon'");
}
