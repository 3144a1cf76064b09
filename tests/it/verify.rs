//! The digests of the commits: whatever is changed in a capture is found.

use std::path::Path;

use rusqlite::{Connection, params};

use fancyhwd::store::{Damage, Database};

use crate::support::Bench;

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
    database.verify(&session).unwrap()
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
    ] {
        let bench = captured();
        bench.sqlite3("c.db", change);
        assert_ne!(verify(&bench.path("c.db")), None, "{change}");
    }
}
