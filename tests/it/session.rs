//! `session list` and `session show`.

use serde_json::Value;

use crate::support::Bench;

fn two_sessions() -> Bench {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder =
        bench.fancyhwd(&format!("record --database c.db --label first --count 11 --connect {endpoint}")).start();
    bench
        .fancyhwd(&format!("publish --interval 10ms --count 11 --wait-subscribers 1 --bind {endpoint}"))
        .run()
        .success();
    recorder.finish().success();
    bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().success();
    bench
}

#[test]
fn a_list_has_a_line_for_each_session() {
    let bench = two_sessions();
    let list = bench.fancyhwd("session list --database c.db").run().success().stdout;
    let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["ID", "LABEL", "START", "DURATION", "PACKETS", "RATE", "LOST", "REJECTED", "END", "SIZE"]);
    assert_eq!(lines[1][..2], ["1", "first"]);
    assert_eq!(lines[1][4..], ["s", "11", lines[1][6], "0", "0", "limit", "352", "B"]);
    let duration_s = bench.sqlite3("c.db", "SELECT (max(elapsed_ns) - min(elapsed_ns)) / 1e9 FROM packets");
    let duration_s: f64 = duration_s.parse().unwrap();
    assert_eq!(lines[1][3..5], [format!("{duration_s:.3}").as_str(), "s"]);
    assert_eq!(lines[1][6], format!("{:.1}/s", 10.0 / duration_s));
    assert_eq!(lines[2][..2], ["2", "-"]);
    assert_eq!(lines.len(), 3);
}

#[test]
fn json_says_the_same() {
    let bench = two_sessions();
    let list = bench.fancyhwd("session list --json --database c.db").run().success().stdout;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list[0]["label"], "first");
    assert_eq!(list[0]["packets"], 11);
    assert_eq!(list[0]["end_reason"], "limit");
    assert_eq!(list[1]["label"], Value::Null);
    let shown = bench.fancyhwd("session show first --json --database c.db").run().success().stdout;
    let mut shown: Value = serde_json::from_str(&shown).unwrap();
    // The device went before the recorder did, perhaps.
    shown.as_object_mut().unwrap().remove("ledger");
    assert_eq!(shown, list[0]);
}

#[test]
fn show_finds_a_session_by_id_by_label_and_as_the_latest() {
    let bench = two_sessions();
    for (wanted, id) in [("1", 1), ("first", 1), ("latest", 2), ("", 2)] {
        let shown = bench.fancyhwd(&format!("session show {wanted} --database c.db")).run().success().stdout;
        assert!(shown.starts_with(&format!("session     {id}\n")), "{wanted}: {shown}");
        assert!(shown.contains("durability  full\n"), "{shown}");
    }
    assert!(!bench.path("c.db-wal").exists() && !bench.path("c.db-shm").exists());
}
