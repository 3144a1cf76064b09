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
    bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    bench
}

#[test]
fn a_list_has_a_line_for_each_session() {
    let bench = two_sessions();
    let list = bench.fancyhwd("session list --database c.db").run().success().stdout;
    let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        lines[0],
        ["ID", "LABEL", "START", "DURATION", "MESSAGES", "RATE", "LOST", "UNDECODABLE", "END", "SIZE", "STATE"]
    );
    assert_eq!(lines[1][..2], ["1", "first"]);
    // The device went before the recorder did, perhaps.
    assert!(["0", ">=0"].contains(&lines[1][7]), "{list}");
    assert_eq!(lines[1][4..7], ["s", "11", lines[1][6]]);
    assert_eq!(lines[1][8..], ["0", "limit", "495", "B", "finished"]);
    let duration_s = bench.sqlite3("c.db", "SELECT (max(elapsed_ns) - min(elapsed_ns)) / 1e9 FROM messages");
    let duration_s: f64 = duration_s.parse().unwrap();
    assert_eq!(lines[1][3..5], [format!("{duration_s:.3}").as_str(), "s"]);
    assert_eq!(lines[1][6], format!("{:.1}/s", 10.0 / duration_s));
    assert_eq!(lines[2][..2], ["2", "-"]);
    // Nothing was there: nobody knows what it would have sent.
    assert_eq!(lines[2][6..8], ["0.0/s", ">=0"]);
    assert_eq!(lines.len(), 3);
}

#[test]
fn json_says_the_same() {
    let bench = two_sessions();
    let list = bench.fancyhwd("session list --json --database c.db").run().success().stdout;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list[0]["label"], "first");
    assert_eq!(list[0]["messages"], 11);
    assert_eq!(list[0]["end_reason"], "limit");
    assert_eq!(list[1]["label"], Value::Null);
    let shown = bench.fancyhwd("session show first --json --database c.db").run().success().stdout;
    let mut shown: Value = serde_json::from_str(&shown).unwrap();
    // The device went before the recorder did, perhaps.
    for more in
        ["archived", "ledger", "ledger_is_cut", "ledger_is_whole", "endpoints", "secured", "streams", "gaps", "damage"]
    {
        assert!(shown.as_object_mut().unwrap().remove(more).is_some(), "{more}");
    }
    let mut listed = list[0].clone();
    for more in ["state", "loss_possible"] {
        assert!(listed.as_object_mut().unwrap().remove(more).is_some(), "{more}");
    }
    assert_eq!(shown, listed);
    assert_eq!((&list[0]["state"], &list[1]["loss_possible"]), (&"finished".into(), &true.into()));
}

#[test]
fn show_finds_a_session_by_id_by_label_and_as_the_latest() {
    let bench = two_sessions();
    for (wanted, id) in [("1", 1), ("first", 1), ("latest", 1), ("", 1), ("2", 2)] {
        let shown = bench.fancyhwd(&format!("session show {wanted} --database c.db")).run().success().stdout;
        assert!(shown.starts_with(&format!("session     {id}\n")), "{wanted}: {shown}");
        assert!(shown.contains("durability  full\n"), "{shown}");
    }
    assert!(!bench.path("c.db-wal").exists() && !bench.path("c.db-shm").exists());
}

#[test]
fn the_latest_session_is_the_newest_that_has_messages_and_it_is_said_which_one_that_is() {
    let bench = two_sessions();
    let told = "the latest session is 1 'first', which began at 20";
    let count = |text: &str| text.matches("the latest session is").count();
    let out = bench.endpoint("out");
    for line in [
        "session show",
        "session show latest --json",
        "session verify",
        "session diff latest latest",
        "session export latest --format raw -o raw",
        "session cut latest --to n3",
        &format!("replay --speed max --bind {out}"),
    ] {
        let finished = bench.fancyhwd(&format!("{line} --database c.db")).run().success();
        assert_eq!(count(&finished.stderr), 1, "{line}: {}", finished.stderr);
        assert!(!finished.stdout.contains("the latest session is"), "{line}");
        finished.says(told).says(": 11 messages; a newer one has no messages");
        bench.fancyhwd("session delete 3 --yes --database c.db").run();
    }
    for line in ["session show 2", "-q session show latest", "session show first"] {
        let finished = bench.fancyhwd(&format!("{line} --database c.db")).run().success();
        assert_eq!(finished.stderr, "", "{line}");
    }
    // Of sessions that are all empty, one can still be shown.
    bench.fancyhwd("session delete 1 --yes --database c.db").run().success();
    let shown = bench.fancyhwd("session show --database c.db").run().success();
    assert!(shown.stdout.starts_with("session     2\n") && shown.stderr.is_empty(), "{}", shown.stderr);
}

#[test]
fn a_list_has_the_newest_last_and_those_alone_that_are_asked_for() {
    let bench = two_sessions();
    for label in ["pump_1", "pump_2", "other"] {
        let record = format!("record --database c.db --label {label} --duration 1ms --connect tcp://127.0.0.1:1");
        bench.fancyhwd(&record).run().code(3);
    }
    let day_ns = 86_400_000_000_000_i64;
    let long_ago =
        format!("started_unix_ns = started_unix_ns - 9 * {day_ns}, ended_unix_ns = ended_unix_ns - 9 * {day_ns}");
    bench.sqlite3("c.db", &format!("UPDATE sessions SET {long_ago} WHERE id < 3"));
    let ids = |options: &str| -> Vec<String> {
        let list = bench.fancyhwd(&format!("session list --database c.db {options}")).run().success().stdout;
        list.lines().skip(1).map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(""), ["1", "2", "3", "4", "5"]);
    assert_eq!(ids("--limit 2"), ["4", "5"]);
    assert_eq!(ids("--label pump_2"), ["4"]);
    assert_eq!(ids("--label pump*"), ["3", "4"]);
    assert_eq!(ids("--label pump* --limit 1"), ["4"]);
    for since in ["2h", "3days"] {
        assert_eq!(ids(&format!("--since {since}")), ["3", "4", "5"]);
    }
    assert_eq!(ids("--since 20days").len(), 5);
    let day =
        bench.sqlite3("c.db", "SELECT date(started_unix_ns / 1000000000, 'unixepoch') FROM sessions WHERE id = 3");
    assert_eq!(ids(&format!("--since {day}")), ["3", "4", "5"]);
    assert_eq!(ids(&format!("--since {day}T00:00:00Z --label first")).len(), 0);
    let none = bench.fancyhwd("session list --database c.db --label none").run().success().stdout;
    assert_eq!(none, "no such sessions, of 5\n");
    let json = bench.fancyhwd("session list --database c.db --label pump* --json").run().success().stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json.as_array().unwrap().iter().map(|one| one["id"].as_i64().unwrap()).collect::<Vec<_>>(), [3, 4]);
    for wrong in ["--since yesterday", "--since 5", "--limit 0"] {
        bench.fancyhwd(&format!("session list --database c.db {wrong}")).run().code(2);
    }
}

#[test]
fn a_list_says_what_is_recorded_now_what_was_cut_off_and_what_is_damaged() {
    let bench = two_sessions();
    bench.sqlite3("c.db", "UPDATE sessions SET ended_unix_ns = NULL, end_reason = NULL WHERE id = 2");
    let last =
        |list: &str, line: usize| list.lines().nth(line).unwrap().trim_end().rsplit("  ").next().unwrap().to_owned();
    let list = || bench.fancyhwd("session list --database c.db").run();
    assert_eq!(last(&list().success().stdout, 2), "cut off");
    let recorder = bench.fancyhwd("record --database c.db --connect tcp://127.0.0.1:1").start();
    assert_eq!(last(&list().success().stdout, 3), "recording");
    recorder.stop().code(3);
    assert_eq!(last(&list().success().stdout, 3), "finished");
    // Links that held and links that were down: by what the ledger says.
    let lost = || list().success().stdout.lines().nth(3).unwrap().split_whitespace().nth(7).unwrap().to_owned();
    bench.sqlite3("c.db", "DELETE FROM events WHERE session_id = 3");
    assert_eq!(lost(), "0");
    bench
        .sqlite3("c.db", "INSERT INTO events VALUES (NULL, 3, 0, 0, 5, 'disconnected', 'tcp://a:1', NULL, NULL, NULL)");
    assert_eq!(lost(), ">=0");
    let archived = "INSERT INTO archived SELECT 3, 'r', last_id, 1 FROM sessions WHERE id = 3";
    bench.sqlite3("c.db", archived);
    assert_eq!(last(&list().success().stdout, 3), "archived");
}

/// A session of twelve messages, with times that can be reckoned by hand: every 10 ms, but for two gaps.
fn times_by_hand() -> Bench {
    let bench = Bench::new();
    bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    let connection = rusqlite::Connection::open(bench.path("c.db")).unwrap();
    let streams = "INSERT INTO streams VALUES (1, 1, 1, 'space', CAST('one' AS BLOB), 'one', 'int16', 1, NULL, NULL), \
         (2, 1, 1, 'frames', CAST('t' || char(7) || 'wo' AS BLOB), 't\\x07wo', 'int16x2', 0, 100.0, NULL)";
    connection.execute_batch(streams).unwrap();
    let times_ms = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 1090, 2590];
    for (id, at_ms) in (1..).zip(times_ms) {
        let sql = match id {
            4 | 5 | 7 => "INSERT INTO messages VALUES (?1, 2, 0, ?2 * 1000000, x'0000', NULL)",
            _ => "INSERT INTO messages VALUES (?1, 1, 0, ?2 * 1000000, x'0000', NULL)",
        };
        connection.execute(sql, [id, at_ms]).unwrap();
    }
    let totals = "UPDATE sessions SET last_id = 12, messages = 12, undecodable = 1, bytes = 24, first_elapsed_ns = 0, last_elapsed_ns = 2590000000";
    connection.execute(totals, []).unwrap();
    connection.execute("INSERT INTO faults VALUES (4, 'too short')", []).unwrap();
    bench
}

#[test]
fn show_has_the_streams_their_rates_and_the_gaps() {
    let bench = times_by_hand();
    let shown = bench.fancyhwd("session show 1 --database c.db").run().success().stdout;
    // One: 9 messages in 2.59 s, 7 in the first second and 1 in the next. Two: 3 messages, 10 and 20 ms apart. The mean
    // spacing is 2590 ms / 11, and five times that is 1177 ms.
    for line in [
        "endpoint    1 is tcp://127.0.0.1:1\n",
        "stream      endpoint 1, topic one (space), layout int16 (assumed): 9 messages, 18 bytes, rate 3.1/s mean, \
         1.0/s min, 7.0/s max\n",
        "stream      endpoint 1, topic t\\x07wo (frames), layout int16x2, 100 records/s: 3 messages, 6 bytes, rate 66.7/s mean, \
         50.0/s min, 100.0/s max\n            1 undecodable, the first is #3: too short\n",
        "gaps        1 above 1177.273 ms (5 times the mean spacing)\n",
        "gap         1500.000 ms before #11, which came at 2.590 s\n",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    let json = bench.fancyhwd("session show 1 --json --database c.db").run().success().stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    let one = serde_json::json!({
        "id": 1, "endpoint": 1, "topic": "one", "framing": "space", "layout": "int16", "assumed": true, "channels": null,
        "sample_rate_hz": null, "counter": null, "messages": 9, "undecodable": 0, "first_undecodable": null, "bytes": 18, "rate_min_hz": 1.0,
        "rate_mean_hz": 8.0 / 2.59, "rate_max_hz": 7.0
    });
    assert_eq!(json["streams"][0], one);
    assert_eq!(json["streams"][1]["first_undecodable"], serde_json::json!({ "number": 3, "reason": "too short" }));
    assert_eq!(json["streams"][1]["rate_max_hz"], 100.0);
    assert_eq!(json["gaps"]["count"], 1);
    assert_eq!(json["gaps"]["above_ns"], 1_177_272_727);
    assert_eq!(json["gaps"]["longest"][0]["number"], 11);
}

#[test]
fn show_says_no_rate_where_there_is_none() {
    let bench = times_by_hand();
    bench.sqlite3("c.db", "UPDATE messages SET elapsed_ns = 5; UPDATE messages SET stream_id = 1 WHERE id IN (4, 7)");
    let shown = bench.fancyhwd("session show 1 --database c.db").run().success().stdout;
    assert!(
        shown.contains("(assumed): 11 messages, 22 bytes\n") && shown.contains("records/s: 1 message, 2 bytes\n"),
        "{shown}"
    );
    let json = bench.fancyhwd("session show 1 --json --database c.db").run().success().stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    for topic in json["streams"].as_array().unwrap() {
        for rate in ["rate_min_hz", "rate_mean_hz", "rate_max_hz"] {
            assert_eq!(topic.get(rate), Some(&Value::Null), "{topic}");
        }
    }
}

#[test]
fn show_of_a_huge_session_says_what_it_leaves_out() {
    let bench = times_by_hand();
    bench.sqlite3("c.db", "UPDATE sessions SET messages = 1000001");
    let shown = bench.fancyhwd("session show 1 --database c.db").run().success().stdout;
    assert!(shown.contains("left out    streams, rates and gaps: all messages are read with --full\n"), "{shown}");
    assert!(!shown.contains("\ngaps") && !shown.contains("\nstream "), "{shown}");
    let json = bench.fancyhwd("session show 1 --json --database c.db").run().success().stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["streams"], &json["gaps"]), (&Value::Null, &Value::Null));
    let shown = bench.fancyhwd("session show 1 --full --database c.db").run().success().stdout;
    assert!(shown.contains("(assumed): 9 messages") && !shown.contains("left out"), "{shown}");
    // Ids that a damaged session only claims take no time.
    bench.sqlite3("c.db", "UPDATE sessions SET last_id = 9000000000000000000");
    let shown = bench.fancyhwd("session show 1 --full --database c.db").run().success().stdout;
    assert!(shown.contains("(assumed): 9 messages"), "{shown}");
}

#[test]
fn a_ledger_of_more_entries_than_are_shown_says_so() {
    let bench = two_sessions();
    let add = |count: u32| {
        let sql = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < COUNT) \
                   INSERT INTO events SELECT NULL, 1, 1, 1, NULL, 'mark', NULL, NULL, 0, 'x' FROM n";
        bench.sqlite3("c.db", &sql.replace("COUNT", &count.to_string()));
    };
    let show = || bench.fancyhwd("session show 1 --database c.db").run().success().stdout;
    let before = show().matches("ledger ").count() as u32;
    add(1000 - before);
    assert!(!show().contains("more entries"));
    add(1);
    let shown = show();
    assert!(shown.contains("more entries: the table `events` has them all"), "{shown}");
    assert_eq!(shown.matches(" mark ").count() as u32, 1000 - before);
}

#[test]
fn several_topics_and_endpoints_in_a_variable_are_separated_by_spaces() {
    let bench = two_sessions();
    for line in ["session find 1 ch0>0", "session cut 1", "session diff 1 1", "session export 1 --format csv -o -"] {
        let run = bench.fancyhwd(&format!("{line} --database c.db"));
        run.env("FANCYHWD_TOPIC", "other fancyhw_data").env("FANCYHWD_ENDPOINT", "1 2").run().success();
    }
}
