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
    for more in ["ledger", "ledger_is_whole", "by_topic", "gaps", "damage"] {
        assert!(shown.as_object_mut().unwrap().remove(more).is_some(), "{more}");
    }
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

/// A session of twelve messages, with times that can be reckoned by hand: every 10 ms, but for two gaps.
fn times_by_hand() -> Bench {
    let bench = Bench::new();
    bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().success();
    let connection = rusqlite::Connection::open(bench.path("c.db")).unwrap();
    connection.execute_batch("INSERT INTO topics VALUES (1, 'one'), (2, 't' || char(7) || 'wo')").unwrap();
    let times_ms = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 1090, 2590];
    for (id, at_ms) in (1..).zip(times_ms) {
        let sql = match id {
            4 => "INSERT INTO rejects VALUES (?1, 1, 0, ?2 * 1000000, 'no-space', 1, '[1]', x'00')",
            5 | 7 => "INSERT INTO packets VALUES (?1, 1, 2, 0, ?2 * 1000000, x'0000')",
            _ => "INSERT INTO packets VALUES (?1, 1, 1, 0, ?2 * 1000000, x'0000')",
        };
        connection.execute(sql, [id, at_ms]).unwrap();
    }
    let totals = "UPDATE sessions SET last_id = 12, packets = 11, rejected = 1, bytes = 22, first_elapsed_ns = 0, last_elapsed_ns = 2590000000";
    connection.execute(totals, []).unwrap();
    bench
}

#[test]
fn show_has_the_rates_of_topics_and_the_gaps() {
    let bench = times_by_hand();
    let shown = bench.fancyhwd("session show 1 --database c.db").run().success().stdout;
    // One: 9 packets in 2.59 s, 7 in the first second and 1 in the next. Two: 2 packets, 20 ms apart. The mean spacing
    // is 2590 ms / 11, and five times that is 1177 ms.
    for line in [
        "topic       one: 9 packets, rate 3.1/s mean, 1.0/s min, 7.0/s max\n",
        "topic       t\u{fffd}wo: 2 packets, rate 50.0/s mean, 50.0/s min, 50.0/s max\n",
        "gaps        1 above 1177.273 ms (5 times the mean spacing)\n",
        "gap         1500.000 ms before #11, which came at 2.590 s\n",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    let json = bench.fancyhwd("session show 1 --json --database c.db").run().success().stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    let one = serde_json::json!({
        "topic": "one", "packets": 9, "rate_min_hz": 1.0, "rate_mean_hz": 8.0 / 2.59, "rate_max_hz": 7.0
    });
    assert_eq!(json["by_topic"][0], one);
    assert_eq!(json["by_topic"][1]["packets"], 2);
    assert_eq!(json["by_topic"][1]["rate_max_hz"], 50.0);
    assert_eq!(json["gaps"]["count"], 1);
    assert_eq!(json["gaps"]["above_ns"], 1_177_272_727);
    assert_eq!(json["gaps"]["longest"][0]["number"], 11);
}

#[test]
fn show_says_no_rate_where_there_is_none() {
    let bench = times_by_hand();
    bench.sqlite3("c.db", "UPDATE packets SET elapsed_ns = 5; UPDATE packets SET topic_id = 1 WHERE id = 7");
    let shown = bench.fancyhwd("session show 1 --database c.db").run().success().stdout;
    assert!(shown.contains("topic       one: 10 packets\ntopic       t\u{fffd}wo: 1 packets\n"), "{shown}");
    let json = bench.fancyhwd("session show 1 --json --database c.db").run().success().stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    for topic in json["by_topic"].as_array().unwrap() {
        for rate in ["rate_min_hz", "rate_mean_hz", "rate_max_hz"] {
            assert_eq!(topic.get(rate), Some(&Value::Null), "{topic}");
        }
    }
}

#[test]
fn show_of_a_huge_session_says_what_it_leaves_out() {
    let bench = times_by_hand();
    bench.sqlite3("c.db", "UPDATE sessions SET packets = 1000000");
    let shown = bench.fancyhwd("session show 1 --database c.db").run().success().stdout;
    assert!(shown.contains("left out    rates of topics, and gaps: all packets are read with --full\n"), "{shown}");
    assert!(!shown.contains("\ngaps") && !shown.contains("\ntopic  "), "{shown}");
    let json = bench.fancyhwd("session show 1 --json --database c.db").run().success().stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["by_topic"], &json["gaps"]), (&Value::Null, &Value::Null));
    let shown = bench.fancyhwd("session show 1 --full --database c.db").run().success().stdout;
    assert!(shown.contains("one: 9 packets") && !shown.contains("left out"), "{shown}");
    // Ids that a damaged session only claims take no time.
    bench.sqlite3("c.db", "UPDATE sessions SET last_id = 9000000000000000000");
    let shown = bench.fancyhwd("session show 1 --full --database c.db").run().success().stdout;
    assert!(shown.contains("one: 9 packets"), "{shown}");
}
