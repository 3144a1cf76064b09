//! The digests of the commits: whatever is changed in a capture is found.

use std::fs;

use std::path::Path;

use rusqlite::{Connection, params};

use fancyhwd::store::{Damage, Database};

use crate::support::{Bench, FANCYHWD, eventually, on_terminal};

/// A database `c.db` with messages of three streams in several commits; the third one has three frames.
fn captured() -> Bench {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench
        .fancyhwd(&format!(
            "record --database c.db --topic * --framing space --count 7 --commit-every 1ms --connect {endpoint}"
        ))
        .start();
    let context = zmq::Context::new();
    let socket = context.socket(zmq::XPUB).unwrap();
    socket.bind(&endpoint).unwrap();
    socket.recv_bytes(0).unwrap();
    for message in ["a ab", "b cdef", "x||yz", "a gh", "a ", "b ijkl", "a mn"] {
        socket.send_multipart(message.split('|'), 0).unwrap();
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
fn every_flipped_bit_of_what_a_reader_shows_is_found() {
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
        ("messages", "payload"),
        ("messages", "parts"),
        ("messages", "received_unix_ns"),
        ("messages", "elapsed_ns"),
        ("messages", "stream_id"),
        ("messages", "id"),
        ("streams", "id"),
        ("streams", "session_id"),
        ("streams", "endpoint"),
        ("streams", "topic"),
        ("streams", "name"),
        ("streams", "layout"),
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
        // Exactly one frame.
        Value::Null => vec![Value::Text("[2]".to_owned())],
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
        "DELETE FROM messages WHERE id = 2",
        "DELETE FROM streams WHERE id = 2",
        "DELETE FROM endpoints",
        "DELETE FROM fields",
        "INSERT INTO fields SELECT stream_id, part + 1, every, place, position, byte_offset, type, channel, unit, scale, \
         \"offset\", header_bytes, record_bytes FROM fields WHERE stream_id = 1",
        "INSERT INTO streams SELECT 99, session_id, endpoint, framing, x'63', 'c', layout, assumed, sample_rate_hz, counter FROM streams \
         WHERE id = 1",
        "UPDATE streams SET framing = 'whole' WHERE id = 1",
        "INSERT INTO faults VALUES (2, 'made up')",
        "DELETE FROM batches WHERE id = 2",
        "DELETE FROM batches WHERE id = (SELECT max(id) FROM batches)",
        "DELETE FROM messages WHERE id = 7; DELETE FROM batches WHERE last_id = 7",
        "UPDATE messages SET id = 100 WHERE id = 1; UPDATE messages SET id = 1 WHERE id = 2; UPDATE messages SET id = 2 WHERE id = 100",
        "UPDATE sessions SET messages = 5",
        "UPDATE sessions SET undecodable = 1",
        "UPDATE sessions SET lost = 1",
        "UPDATE sessions SET first_elapsed_ns = first_elapsed_ns - 1",
        "UPDATE sessions SET last_elapsed_ns = last_elapsed_ns + 1",
        "UPDATE sessions SET last_id = 5",
        "UPDATE sessions SET last_id = (SELECT min(last_id) FROM batches)",
        "UPDATE messages SET stream_id = 2 WHERE id = 4",
        "UPDATE streams SET session_id = 2",
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
    assert_eq!(verified(&bench, 0), format!("session 1: ok, 7 messages in {commits} commits\n"));
    let json = bench.fancyhwd("session verify --json --database c.db").run().success().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["ok"], true);
    assert_eq!(json[0]["commits"].to_string(), commits);
    assert_eq!(json[0]["damage"], serde_json::Value::Null);
}

#[test]
fn the_command_names_the_first_bad_packet_as_exactly_as_it_can_be_known() {
    for (change, place) in [
        ("DELETE FROM messages WHERE id = 5", "at message #4 (id 5): it is missing"),
        ("UPDATE messages SET stream_id = 99 WHERE id = 6", "at message #5 (id 6): it cannot be read"),
        ("UPDATE messages SET parts = '[9]' WHERE id = 3", "at message #2 (id 3): it cannot be read"),
        (
            "INSERT INTO faults VALUES (2, 'no')",
            "at message #1 (id 2): whether its layout can read it is not what the database says",
        ),
        ("UPDATE sessions SET messages = 5", ": the totals do not agree with the messages"),
        ("UPDATE sessions SET lost = 1", ": the number of lost messages does not agree with the ledger"),
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
    bench.sqlite3("c.db", "UPDATE messages SET payload = x'67680000' WHERE id = 4");
    let place = match first == last {
        true => format!("message #{} (id {first})", first - 1),
        false => format!("messages #{} to #{} (ids {first} to {last})", first - 1, last - 1),
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
    bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    // What a recorder would have written whose clock went backwards at the third packet.
    let mut batch = fancyhwd::message::Batch::default();
    let connection = Connection::open(&path).unwrap();
    let stream = "INSERT INTO streams VALUES (1, 1, 1, 'space', x'74', 't', 'int16', 1, NULL, NULL)";
    connection.execute(stream, []).unwrap();
    let field = "INSERT INTO fields VALUES (1, 0, 1, 'record', 0, 0, 'int16', 'ch0', NULL, NULL, NULL, 0, 2)";
    connection.execute(field, []).unwrap();
    for (id, elapsed_ns) in [(1, 10), (2, 20), (3, 19), (4, 30)] {
        batch.message(fancyhwd::message::Origin(1), 0, elapsed_ns).frame(&[b"t ab"]);
        connection
            .execute("INSERT INTO messages VALUES (?1, 1, 0, ?2, CAST('ab' AS BLOB), NULL)", [id, elapsed_ns])
            .unwrap();
    }
    let digest = batch.digest(&fancyhwd::message::FIRST_DIGEST, 0);
    connection.execute("INSERT INTO batches VALUES (1, 1, 1, 4, 0, ?1)", [digest]).unwrap();
    let totals =
        "UPDATE sessions SET last_id = 4, messages = 4, bytes = 16, first_elapsed_ns = 10, last_elapsed_ns = 30";
    connection.execute(totals, []).unwrap();
    assert_eq!(
        verified(&bench, 3),
        "session 1: damaged at message #2 (id 3): its time is before that of the one before it\n"
    );
}

#[test]
fn all_sessions_are_verified_and_one_that_is_damaged_does_not_hide_the_others() {
    let bench = captured();
    for _ in 2..=3 {
        bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    }
    bench.sqlite3("c.db", "UPDATE sessions SET bytes = 1 WHERE id = 2");
    let lines = bench.fancyhwd("session verify --all --database c.db").run().code(3).stdout;
    let lines: Vec<&str> = lines.lines().collect();
    assert!(lines[0].starts_with("session 1: ok, 7 messages"), "{lines:?}");
    assert_eq!(
        lines[1..],
        ["session 2: damaged: the totals do not agree with the messages", "session 3: ok, 0 messages in 0 commits"]
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
        bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    }
    bench.sqlite3("c.db", "UPDATE sessions SET bytes = 1 WHERE id = 2");
    // A commit of the third session that is no damage but cannot be read at all.
    let connection = Connection::open(bench.path("c.db")).unwrap();
    connection.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    connection.execute("INSERT INTO batches SELECT 100, 3, 8, 8, 0, zeroblob(2000000)", []).unwrap();
    connection.execute("UPDATE sessions SET last_id = 8, messages = 1 WHERE id = 3", []).unwrap();
    drop(connection);
    let verify = |options: &str| bench.fancyhwd(&format!("session verify --database c.db {options}")).run();
    let failed = verify("--all").code(1).says("cannot verify a session in database ");
    let failed = failed.says("c.db: a value in it is larger than any");
    let lines: Vec<&str> = failed.stdout.lines().collect();
    assert!(lines[0].starts_with("session 1: ok, 7 messages"), "{lines:?}");
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
        bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    }
    let strace = ["-o", "trace", "-e", "trace=write", FANCYHWD, "session", "verify", "--all"];
    bench.program("strace").args(strace).args(["--database", "c.db"]).run().success();
    let trace = std::fs::read_to_string(bench.path("trace")).unwrap();
    let written: Vec<&str> = trace.lines().filter(|line| line.starts_with("write(1, \"session ")).collect();
    assert_eq!(written.len(), 3, "{trace}");

    for id in 1..=3 {
        bench.fancyhwd(&format!("session delete {id} --yes --database c.db")).run().success();
    }
    let verify = |options: &str| bench.fancyhwd(&format!("session verify --all --database c.db {options}")).run();
    assert_eq!(verify("").success().stdout, "no sessions\n");
    assert_eq!(verify("--json").success().stdout, "[]\n");
}

#[test]
fn a_terminal_sees_a_bar_and_the_lines_above_it() {
    const PACKETS: usize = 1_000_000;
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let record = format!("record --database c.db --count {PACKETS} --queue 1GB --connect {endpoint}");
    let recorder = bench.fancyhwd(&record).start();
    let publish = "publish --rate max --on-full block --wait-subscribers 1";
    bench.fancyhwd(&format!("{publish} --count {PACKETS} --bind {endpoint}")).run().success();
    recorder.finish().success();
    bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    let text = on_terminal(&format!("fancyhwd session verify --all --database {}", bench.text("c.db")));
    assert!(text.contains(" %  ") && text.contains(" of 1000000 messages, "), "{text}");
    let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("'{words}' is not in {text}"));
    assert!(at(" of 1000000 messages, ") < at("session 1: ok, 1000000 messages"), "{text}");
    assert!(at("session 1: ok, 1000000 messages") < at("session 2: ok, 0 messages"), "{text}");
}

#[test]
fn a_session_verifies_while_it_is_recorded_and_after_its_recorder_was_killed() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let record = format!("record --database c.db --durability normal --commit-every 1ms --connect {endpoint}");
    let recorder = bench.fancyhwd(&record).start();
    let device = bench.fancyhwd(&format!("publish --rate 50000 --wait-subscribers 1 --bind {endpoint}")).start();
    let packets = || -> i64 { bench.sqlite3("c.db", "SELECT messages FROM sessions").parse().unwrap() };
    eventually("packets are committed", || packets() > 1000);
    for _ in 0..20 {
        let line = bench.fancyhwd("session verify 1 --database c.db").run().success().stdout;
        assert!(line.starts_with("session 1: ok, ") && line.ends_with(", as far as it is committed\n"), "{line}");
    }
    recorder.signal(rustix::process::Signal::KILL);
    recorder.finish();
    let line = bench.fancyhwd("session verify 1 --database c.db").run().success().stdout;
    assert!(line.contains(&format!("ok, {} messages", packets())), "{line}");
    bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    assert_eq!(bench.sqlite3("c.db", "SELECT end_reason FROM sessions WHERE id = 1"), "interrupted");
    bench.fancyhwd("session verify --all --database c.db").run().success();
    drop(device);
}

/// Change a table as no SQLite lets it: without its rules.
fn loosely(path: &Path, table: &str, change: &str) {
    let rules = |sql: &str| {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch("PRAGMA writable_schema = ON").unwrap();
        connection.execute("UPDATE sqlite_schema SET sql = ?2 WHERE name = ?1", params![table, sql]).unwrap();
    };
    let sql = "SELECT sql FROM sqlite_schema WHERE name = ?1";
    let sql: String = Connection::open(path).unwrap().query_row(sql, [table], |row| row.get(0)).unwrap();
    rules(&sql.replace("NOT NULL", "").replace("STRICT", ""));
    Connection::open(path).unwrap().execute_batch(change).unwrap();
    rules(&sql);
}

#[test]
fn rows_that_have_lost_their_session_are_named() {
    for (table, change, named) in [
        (
            "streams",
            "UPDATE streams SET session_id = NULL WHERE id = 1",
            "a row of streams belongs to no session: id 1",
        ),
        (
            "streams",
            "UPDATE streams SET session_id = 'one' WHERE id = 1",
            "a row of streams belongs to no session: id 1",
        ),
        (
            "batches",
            "UPDATE batches SET session_id = NULL WHERE id = 1",
            "a row of batches belongs to no session: id 1",
        ),
        ("events", "UPDATE events SET session_id = 'one'", "a row of events belongs to no session: id 1"),
        (
            "messages",
            "UPDATE messages SET stream_id = NULL WHERE id = 2",
            "session 1: damaged at message #1 (id 2): it cannot be read",
        ),
        (
            "messages",
            "UPDATE messages SET stream_id = 'x' WHERE id = 2",
            "session 1: damaged at message #1 (id 2): it cannot be read",
        ),
        (
            "messages",
            "INSERT INTO messages VALUES (99, 1, 0, 0, x'', NULL)",
            "a row of messages belongs to no session: id 99",
        ),
        ("faults", "INSERT INTO faults VALUES (0, 'no')", "a row of faults belongs to no session: message_id 0"),
        (
            "fields",
            "UPDATE fields SET stream_id = 9 WHERE stream_id = 1",
            "a row of fields belongs to no session: stream_id 9",
        ),
        (
            "endpoints",
            "INSERT INTO endpoints VALUES (5, 1, '', 'sub', 'bind', 'none', NULL)",
            "a row of endpoints belongs to no session: session_id 5",
        ),
        ("sessions", "DELETE FROM sessions", "a row of messages belongs to no session: id 1"),
        ("types", "DELETE FROM types WHERE name = 'int8'", "the table types is not as fancyhwd makes it"),
        (
            "powers_of_two",
            "UPDATE powers_of_two SET value = 9 WHERE exponent = 3",
            "the table powers_of_two is not as fancyhwd makes it",
        ),
    ] {
        let bench = captured();
        loosely(&bench.path("c.db"), table, change);
        let found = bench.fancyhwd("session verify --all --database c.db").run().code(3).stdout;
        assert!(found.contains(named), "{change}: {found}");
        let json = bench.fancyhwd("session verify --all --json --database c.db").run().code(3).stdout;
        serde_json::from_str::<serde_json::Value>(&json).unwrap();
    }
}

#[test]
fn rows_that_are_there_and_cannot_be_found_by_their_keys_are_named() {
    let bench = captured();
    let root: usize =
        bench.sqlite3("c.db", "SELECT rootpage FROM sqlite_schema WHERE name = 'powers_of_two'").parse().unwrap();
    let mut file = fs::read(bench.path("c.db")).unwrap();
    let page = &mut file[(root - 1) * 4096..root * 4096];
    assert_eq!(page[0], 5, "it is an inner page");
    // Behind the number of a page, the key of its last row: a negative number takes nine bytes.
    let cell = usize::from(u16::from_be_bytes([page[12], page[13]]));
    page[cell + 12] ^= 0x40;
    fs::write(bench.path("c.db"), file).unwrap();
    assert_eq!(bench.sqlite3("c.db", "SELECT count(*) FROM powers_of_two"), "2098");
    let found = bench.fancyhwd("session verify --all --database c.db").run().code(3).stdout;
    assert!(found.contains("the table powers_of_two is not as fancyhwd makes it"), "{found}");
    assert!(found.contains("out of order"), "{found}");
}

#[test]
fn what_a_finished_session_says_of_itself_is_sealed() {
    for change in [
        "started_unix_ns = started_unix_ns + 1",
        "ended_unix_ns = ended_unix_ns - 1",
        "end_reason = 'stopped'",
        "topics = '[]'",
        "framing = 'whole'",
        "host = 'elsewhere'",
        "boot_id = ''",
        "version = '9'",
        "durability = 'normal'",
        "unwanted = 1",
        "seal = NULL",
        "seal = zeroblob(32)",
    ] {
        let bench = captured();
        bench.sqlite3("c.db", &format!("UPDATE sessions SET {change}"));
        assert_eq!(
            verified(&bench, 3),
            "session 1: damaged: what it says of itself is not what it was sealed with\n",
            "{change}"
        );
    }
    let bench = captured();
    bench.sqlite3("c.db", "UPDATE sessions SET label = 'another', note = 'a note'");
    assert_eq!(verify(&bench.path("c.db")), None);
}

#[test]
fn what_is_left_of_a_deleted_session_is_no_damage() {
    let bench = captured();
    let endpoint = bench.endpoint("device");
    let record = format!("record --database c.db --count 1 --connect {endpoint}");
    let recorder = bench.fancyhwd(&record).start();
    bench.fancyhwd(&format!("publish --count 1 --wait-subscribers 1 --bind {endpoint}")).run().success();
    recorder.finish().success();
    // As a deletion leaves it that was broken off.
    let deleted = "INSERT INTO deleted SELECT id, first_id, last_id FROM sessions WHERE id = 1; DELETE FROM sessions WHERE id = 1";
    bench.sqlite3("c.db", deleted);
    let verify = || bench.fancyhwd("session verify --all --database c.db").run();
    assert_eq!(verify().success().stdout, "session 2: ok, 1 messages in 1 commits\n");
    // The next one goes on with it, and leaves the newest commit, so that its ids are not given again.
    bench.fancyhwd("session delete 2 --yes --database c.db").run().success();
    assert_eq!(bench.sqlite3("c.db", "SELECT session_id FROM deleted"), "2");
    assert_eq!(bench.sqlite3("c.db", "SELECT session_id FROM batches"), "2");
    assert_eq!(verify().success().stdout, "no sessions\n");
    let recorder = bench.fancyhwd(&record).start();
    bench.fancyhwd(&format!("publish --count 1 --wait-subscribers 1 --bind {endpoint}")).run().success();
    recorder.finish().success();
    assert_eq!(verify().success().stdout, "session 3: ok, 1 messages in 1 commits\n");
}
