//! A capture that was changed by plain SQL, made into one that a recorder could have written.

use std::path::Path;

use fancyhwd::message::{Batch, FIRST_DIGEST};
use rusqlite::{Connection, Row, params};

/// Messages in a commit, as of a device of 1,000 a second.
const COMMIT_MESSAGES: usize = 100;

/// Let the ids of each session have no holes, its digests agree with its messages, and its totals too.
pub fn seal(path: &Path) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA synchronous = OFF; BEGIN").unwrap();
    let sessions = "SELECT id, first_id FROM sessions ORDER BY id";
    let sessions: Vec<(i64, i64)> = connection
        .prepare(sessions)
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    connection.execute("DELETE FROM batches", []).unwrap();
    for (session_id, first_id) in sessions {
        let last_id = close_holes(&connection, session_id, first_id);
        write_commits(&connection, session_id, first_id, last_id);
        write_totals(&connection, session_id, last_id);
    }
    connection.execute_batch("COMMIT").unwrap();
}

/// Gives the id of the last message.
fn close_holes(connection: &Connection, session_id: i64, first_id: i64) -> i64 {
    let sql = "SELECT id, true FROM packets WHERE session_id = ?1 \
         UNION ALL SELECT id, false FROM rejects WHERE session_id = ?1 ORDER BY id";
    let ids: Vec<(i64, bool)> = connection
        .prepare(sql)
        .unwrap()
        .query_map([session_id], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let last_id = first_id - 1 + ids.len() as i64;
    for (id, (before, is_packet)) in (first_id..=last_id).zip(&ids) {
        let table = if *is_packet { "packets" } else { "rejects" };
        if id != *before {
            connection.execute(&format!("UPDATE {table} SET id = ?1 WHERE id = ?2"), [id, *before]).unwrap();
        }
    }
    last_id
}

fn write_commits(connection: &Connection, session_id: i64, first_id: i64, last_id: i64) {
    let sql = "SELECT packets.id, received_unix_ns, elapsed_ns, CAST(name || ' ' AS BLOB), payload, NULL, 1 \
         FROM packets JOIN topics ON topics.id = topic_id WHERE session_id = ?1 \
         UNION ALL SELECT id, received_unix_ns, elapsed_ns, x'', frames, frame_bytes, frame_count FROM rejects \
         WHERE session_id = ?1 ORDER BY 1";
    let mut statement = connection.prepare(sql).unwrap();
    let mut rows = statement.query([session_id]).unwrap();
    let (mut batch, mut digest, mut commit_id) = (Batch::default(), FIRST_DIGEST, first_id);
    let insert =
        "INSERT INTO batches (session_id, first_id, last_id, committed_unix_ns, digest) VALUES (?, ?, ?, 0, ?)";
    for id in first_id..=last_id {
        if batch.is_empty() {
            commit_id = id;
        }
        append(rows.next().unwrap().expect("as many messages as ids"), &mut batch);
        if batch.is_full() || batch.len() == COMMIT_MESSAGES || id == last_id {
            digest = batch.digest(&digest, commit_id);
            connection.execute(insert, params![session_id, commit_id, id, digest]).unwrap();
            batch.clear();
        }
    }
}

fn append(row: &Row<'_>, batch: &mut Batch) {
    let bytes = |column| row.get_ref(column).unwrap().as_bytes().unwrap();
    let mut entry = batch.message(row.get(1).unwrap(), row.get(2).unwrap());
    let Some(lengths) = row.get::<_, Option<String>>(5).unwrap() else {
        return entry.frame(&[bytes(3), bytes(4)]);
    };
    let mut rest = bytes(4);
    for length_bytes in serde_json::from_str::<Vec<usize>>(&lengths).unwrap() {
        let (frame, after) = rest.split_at(length_bytes);
        entry.frame(&[frame]);
        rest = after;
    }
    entry.set_frame_count(row.get(6).unwrap());
}

fn write_totals(connection: &Connection, session_id: i64, last_id: i64) {
    let sql = "UPDATE sessions SET last_id = ?2, \
         packets = (SELECT count(*) FROM packets WHERE session_id = ?1), \
         bytes = (SELECT coalesce(sum(length(payload)), 0) FROM packets WHERE session_id = ?1), \
         rejected = (SELECT count(*) FROM rejects WHERE session_id = ?1), \
         first_elapsed_ns = times.first_ns, last_elapsed_ns = times.last_ns \
         FROM (SELECT min(elapsed_ns) AS first_ns, max(elapsed_ns) AS last_ns FROM ( \
             SELECT elapsed_ns FROM packets WHERE session_id = ?1 \
             UNION ALL SELECT elapsed_ns FROM rejects WHERE session_id = ?1)) AS times WHERE id = ?1";
    connection.execute(sql, [session_id, last_id]).unwrap();
}
