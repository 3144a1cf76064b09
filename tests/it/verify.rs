//! The digests of the commits: whatever is changed in a capture is found.

use std::path::Path;

use rusqlite::{Connection, params};

use fancyhwd::store::{Damage, Database};

use crate::support::{Bench, FANCYHWD, eventually, on_terminal};

/// A database `c.db` with packets and a reject in several commits.
fn captured() -> Bench {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench
        .fancyhwd(&format!("record --database c.db --topic * --count 6 --commit-every 1ms --connect {endpoint}"))
        .start();
    let context = zmq::Context::new();
    let socket = context.socket(zmq::XPUB).unwrap();
    socket.bind(&endpoint).unwrap();
    socket.recv_bytes(0).unwrap();
    for message in ["a ab", "b cdef", "reject", "a gh", "a ", "b ijkl", "a mn"] {
        socket.send(message, 0).unwrap();
        std::thread::park_timeout(std::time::Duration::from_millis(3));
    }
    recorder.finish().success();
    bench
}

fn verify(path: &Path) -> Option<Damage> {
    let database = Database::for_reading(path).unwrap();
    let session = database.find_session("1").unwrap();
    database.verify(&session, &mut |_| Ok(())).unwrap().damage
}

#[test]
fn a_capture_as_it_was_recorded_verifies() {
    let bench = captured();
    assert_eq!(verify(&bench.path("c.db")), None);
    let commits: i64 = bench.sqlite3("c.db", "SELECT count(*) FROM batches").parse().unwrap();
    assert!(commits > 1, "a chain of one link");
}

#[test]
fn every_flipped_bit_of_payload_times_ids_topics_and_rejects_is_found() {
    let bench = captured();
    let path = bench.path("c.db");
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "synchronous", "OFF").unwrap();
    let mut flipped = 0;
    let mut flip = |table: &str, column: &str| {
        let rows: Vec<i64> = connection
            .prepare(&format!("SELECT rowid FROM {table} ORDER BY rowid"))
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        for rowid in rows {
            let select = format!("SELECT {column} FROM {table} WHERE rowid = {rowid}");
            let value: rusqlite::types::Value = connection.query_row(&select, [], |row| row.get(0)).unwrap();
            for changed in one_bit_changes(&value) {
                let update = format!("UPDATE OR IGNORE {table} SET {column} = ?1 WHERE rowid = ?2");
                // A key that another row has cannot be taken.
                if connection.execute(&update, params![changed, rowid]).unwrap() == 0 {
                    continue;
                }
                assert_ne!(verify(&path), None, "{table}.{column} of row {rowid}: {value:?} became {changed:?}");
                let rowid_now = if column == "id" { as_integer(&changed) } else { rowid };
                connection.execute(&update, params![value, rowid_now]).unwrap();
                flipped += 1;
            }
        }
    };
    for (table, column) in [
        ("packets", "payload"),
        ("packets", "received_unix_ns"),
        ("packets", "elapsed_ns"),
        ("packets", "topic_id"),
        ("packets", "id"),
        ("topics", "name"),
        ("rejects", "received_unix_ns"),
        ("rejects", "elapsed_ns"),
        ("rejects", "frames"),
        ("rejects", "id"),
        ("rejects", "frame_count"),
        ("batches", "digest"),
        ("batches", "first_id"),
        ("batches", "last_id"),
    ] {
        flip(table, column);
    }
    assert_eq!(verify(&path), None, "everything is as it was");
    assert!(flipped > 3000, "only {flipped} bits were flipped");
}

/// All values that differ from this one by a bit.
fn one_bit_changes(value: &rusqlite::types::Value) -> Vec<rusqlite::types::Value> {
    use rusqlite::types::Value;
    let flip = |bytes: &[u8], bit: usize| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    };
    match value {
        Value::Integer(number) => (0..63).map(|bit| Value::Integer(number ^ (1 << bit))).collect(),
        Value::Blob(bytes) => (0..bytes.len() * 8).map(|bit| Value::Blob(flip(bytes, bit))).collect(),
        // The highest bit would make it no text.
        Value::Text(text) => (0..text.len() * 8)
            .filter(|bit| bit % 8 != 7)
            .map(|bit| Value::Text(String::from_utf8(flip(text.as_bytes(), bit)).unwrap()))
            .collect(),
        other => panic!("unexpected {other:?}"),
    }
}

fn as_integer(value: &rusqlite::types::Value) -> i64 {
    match value {
        rusqlite::types::Value::Integer(number) => *number,
        other => panic!("unexpected {other:?}"),
    }
}

#[test]
fn removed_exchanged_and_cut_off_rows_are_found() {
    for change in [
        "DELETE FROM packets WHERE id = 2",
        "DELETE FROM rejects",
        "DELETE FROM batches WHERE id = 2",
        "DELETE FROM batches WHERE id = (SELECT max(id) FROM batches)",
        "DELETE FROM packets WHERE id = 7; DELETE FROM batches WHERE last_id = 7",
        "UPDATE packets SET id = 100 WHERE id = 1; UPDATE packets SET id = 1 WHERE id = 2; UPDATE packets SET id = 2 WHERE id = 100",
        "INSERT INTO rejects SELECT 2, 1, 0, 0, '', 0, '[]', x''",
        "UPDATE sessions SET packets = 5",
        "UPDATE sessions SET lost = 1",
        "UPDATE sessions SET first_elapsed_ns = first_elapsed_ns - 1",
        "UPDATE sessions SET last_elapsed_ns = last_elapsed_ns + 1",
        "UPDATE sessions SET last_id = 5",
        "UPDATE sessions SET last_id = (SELECT min(last_id) FROM batches)",
        "UPDATE packets SET session_id = 2 WHERE id = 4",
        "UPDATE rejects SET session_id = 2",
        "INSERT INTO batches SELECT 100, 1, 8, 8, 0, zeroblob(32)",
    ] {
        let bench = captured();
        bench.sqlite3("c.db", change);
        assert_ne!(verify(&bench.path("c.db")), None, "{change}");
    }
}

/// What `session verify` prints of the changed capture.
fn verified(bench: &Bench, code: i32) -> String {
    bench.fancyhwd("session verify 1 --database c.db").run().code(code).stdout
}

#[test]
fn the_command_says_ok_and_how_much_it_compared() {
    let bench = captured();
    let commits = bench.sqlite3("c.db", "SELECT count(*) FROM batches");
    assert_eq!(verified(&bench, 0), format!("session 1: ok, 6 packets and 1 rejected messages in {commits} commits\n"));
    let json = bench.fancyhwd("session verify --json --database c.db").run().success().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["ok"], true);
    assert_eq!(json[0]["commits"].to_string(), commits);
    assert_eq!(json[0]["damage"], serde_json::Value::Null);
}

#[test]
fn the_command_names_the_first_bad_packet_as_exactly_as_it_can_be_known() {
    for (change, place) in [
        ("DELETE FROM packets WHERE id = 5", "at packet #4 (id 5): it is missing"),
        ("DELETE FROM rejects", "at packet #2 (id 3): it is missing"),
        ("UPDATE packets SET session_id = 2 WHERE id = 4", "at packet #3 (id 4): it belongs to another session"),
        ("UPDATE packets SET topic_id = 99 WHERE id = 6", "at packet #5 (id 6): it cannot be read"),
        ("UPDATE rejects SET frame_bytes = '[9]'", "at packet #2 (id 3): it cannot be read"),
        ("INSERT INTO rejects SELECT 2, 1, 0, 0, '', 0, '[]', x''", "at packet #1 (id 2): it is there twice"),
        ("UPDATE sessions SET packets = 5", ": the totals do not agree with the messages"),
        ("UPDATE sessions SET lost = 1", ": the number of lost packets does not agree with the ledger"),
    ] {
        let bench = captured();
        bench.sqlite3("c.db", change);
        let line = verified(&bench, 3);
        assert!(line.starts_with("session 1: damaged") && line.ends_with(&format!("{place}\n")), "{change}: {line}");
    }
    let bench = captured();
    let range = "SELECT first_id, last_id FROM batches WHERE first_id <= 4 AND last_id >= 4";
    let (first, last) = Connection::open(bench.path("c.db"))
        .unwrap()
        .query_row(range, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .unwrap();
    bench.sqlite3("c.db", "UPDATE packets SET payload = x'67680000' WHERE id = 4");
    let place = match first == last {
        true => format!("packet #{} (id {first})", first - 1),
        false => format!("packets #{} to #{} (ids {first} to {last})", first - 1, last - 1),
    };
    let line = verified(&bench, 3);
    assert_eq!(line, format!("session 1: damaged at {place}: the digest does not agree with the messages\n"));
    let json = bench.fancyhwd("session verify 1 --json --database c.db").run().code(3).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["ok"], false);
    assert_eq!(json[0]["damage"]["first_number"], first - 1);
    assert_eq!(json[0]["damage"]["last_id"], last);
}

#[test]
fn time_that_goes_backwards_is_damage_also_when_the_digests_agree() {
    let bench = Bench::new();
    let path = bench.path("c.db");
    bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().success();
    // What a recorder would have written whose clock went backwards at the third packet.
    let mut batch = fancyhwd::message::Batch::default();
    let connection = Connection::open(&path).unwrap();
    connection.execute("INSERT INTO topics VALUES (1, 't')", []).unwrap();
    for (id, elapsed_ns) in [(1, 10), (2, 20), (3, 19), (4, 30)] {
        batch.message(0, elapsed_ns).frame(&[b"t ab"]);
        connection
            .execute("INSERT INTO packets VALUES (?1, 1, 1, 0, ?2, CAST('ab' AS BLOB))", [id, elapsed_ns])
            .unwrap();
    }
    let digest = batch.digest(&fancyhwd::message::FIRST_DIGEST, 1);
    connection.execute("INSERT INTO batches VALUES (1, 1, 1, 4, 0, ?1)", [digest]).unwrap();
    let totals = "UPDATE sessions SET last_id = 4, packets = 4, bytes = 8, first_elapsed_ns = 10, last_elapsed_ns = 30";
    connection.execute(totals, []).unwrap();
    assert_eq!(
        verified(&bench, 3),
        "session 1: damaged at packet #2 (id 3): its time is before that of the one before it\n"
    );
}

#[test]
fn all_sessions_are_verified_and_one_that_is_damaged_does_not_hide_the_others() {
    let bench = captured();
    for _ in 2..=3 {
        bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().success();
    }
    bench.sqlite3("c.db", "UPDATE sessions SET bytes = 1 WHERE id = 2");
    let lines = bench.fancyhwd("session verify --all --database c.db").run().code(3).stdout;
    let lines: Vec<&str> = lines.lines().collect();
    assert!(lines[0].starts_with("session 1: ok, 6 packets"), "{lines:?}");
    assert_eq!(
        lines[1..],
        ["session 2: damaged: the totals do not agree with the messages", "session 3: ok, 0 packets in 0 commits"]
    );
    let verify = bench.fancyhwd("session verify --database c.db").env("FANCYHWD_ALL", "yes");
    assert_eq!(verify.run().code(3).stdout.lines().count(), 3);
    bench.fancyhwd("session verify 1 --all --database c.db").run().code(2).says("choose one");
    bench.fancyhwd("session verify 9 --database c.db").run().code(2).says("cannot find session '9'");
}

#[test]
fn what_is_known_of_the_sessions_before_a_failure_is_told() {
    let bench = captured();
    for _ in 2..=3 {
        bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().success();
    }
    bench.sqlite3("c.db", "UPDATE sessions SET bytes = 1 WHERE id = 2");
    // A commit of the third session that is no damage but cannot be read at all.
    let connection = Connection::open(bench.path("c.db")).unwrap();
    connection.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    connection.execute("INSERT INTO batches SELECT 100, 3, 8, 8, 0, zeroblob(2000000)", []).unwrap();
    connection.execute("UPDATE sessions SET last_id = 8, packets = 1 WHERE id = 3", []).unwrap();
    drop(connection);
    let verify = |options: &str| bench.fancyhwd(&format!("session verify --database c.db {options}")).run();
    let failed = verify("--all").code(1).says("cannot verify a session in database ");
    let failed = failed.says("c.db: a value in it is larger than any");
    let lines: Vec<&str> = failed.stdout.lines().collect();
    assert!(lines[0].starts_with("session 1: ok, 6 packets"), "{lines:?}");
    assert_eq!(lines[1..], ["session 2: damaged: the totals do not agree with the messages"]);
    let json: serde_json::Value = serde_json::from_str(&verify("--all --json").code(1).stdout).unwrap();
    assert_eq!(
        (json[0]["ok"].as_bool(), json[1]["ok"].as_bool(), json.as_array().unwrap().len()),
        (Some(true), Some(false), 2)
    );
    assert_eq!(verify("3").code(1).stdout, "");
    assert_eq!(verify("3 --json").code(1).stdout, "");
}

#[test]
fn each_session_is_told_by_itself_and_none_as_such() {
    let bench = captured();
    for _ in 2..=3 {
        bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().success();
    }
    let strace = ["-o", "trace", "-e", "trace=write", FANCYHWD, "session", "verify", "--all"];
    bench.program("strace").args(strace).args(["--database", "c.db"]).run().success();
    let trace = std::fs::read_to_string(bench.path("trace")).unwrap();
    let written: Vec<&str> = trace.lines().filter(|line| line.starts_with("write(1, \"session ")).collect();
    assert_eq!(written.len(), 3, "{trace}");

    bench.sqlite3("c.db", "DELETE FROM sessions");
    let verify = |options: &str| bench.fancyhwd(&format!("session verify --all --database c.db {options}")).run();
    assert_eq!(verify("").success().stdout, "no sessions\n");
    assert_eq!(verify("--json").success().stdout, "[]\n");
}

#[test]
fn a_terminal_sees_a_bar_and_the_lines_above_it() {
    const PACKETS: usize = 300_000;
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let record = format!("record --database c.db --count {PACKETS} --queue 1GB --connect {endpoint}");
    let recorder = bench.fancyhwd(&record).start();
    let publish = "publish --rate max --on-full block --wait-subscribers 1";
    bench.fancyhwd(&format!("{publish} --count {PACKETS} --bind {endpoint}")).run().success();
    recorder.finish().success();
    bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().success();
    let text = on_terminal(&format!("fancyhwd session verify --all --database {}", bench.text("c.db")));
    assert!(text.contains(" %  ") && text.contains(" of 300000 messages, "), "{text}");
    let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("'{words}' is not in {text}"));
    assert!(at(" of 300000 messages, ") < at("session 1: ok, 300000 packets"), "{text}");
    assert!(at("session 1: ok, 300000 packets") < at("session 2: ok, 0 packets"), "{text}");
}

#[test]
fn a_session_verifies_while_it_is_recorded_and_after_its_recorder_was_killed() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let record = format!("record --database c.db --durability normal --commit-every 1ms --connect {endpoint}");
    let recorder = bench.fancyhwd(&record).start();
    let device = bench.fancyhwd(&format!("publish --rate 50000 --wait-subscribers 1 --bind {endpoint}")).start();
    let packets = || -> i64 { bench.sqlite3("c.db", "SELECT packets FROM sessions").parse().unwrap() };
    eventually("packets are committed", || packets() > 1000);
    for _ in 0..20 {
        let line = bench.fancyhwd("session verify 1 --database c.db").run().success().stdout;
        assert!(line.starts_with("session 1: ok, ") && line.ends_with(", as far as it is committed\n"), "{line}");
    }
    recorder.signal(rustix::process::Signal::KILL);
    recorder.finish();
    let line = bench.fancyhwd("session verify 1 --database c.db").run().success().stdout;
    assert!(line.contains(&format!("ok, {} packets", packets())), "{line}");
    bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().success();
    assert_eq!(bench.sqlite3("c.db", "SELECT end_reason FROM sessions WHERE id = 1"), "interrupted");
    bench.fancyhwd("session verify --all --database c.db").run().success();
    drop(device);
}
