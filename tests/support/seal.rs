//! A capture that was changed by plain SQL, made into one that a recorder could have written.

use std::collections::BTreeMap;
use std::path::Path;

use clap::ValueEnum;
use fancyhwd::codec::framing::Framing;
use fancyhwd::codec::overview::{OVERVIEW_MESSAGES, Overview, Summary};
use fancyhwd::codec::stream::Stream;
use fancyhwd::message::{Batch, Digest, FIRST_DIGEST, Origin};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

/// Messages in a commit, as of a device of 1,000 a second.
const COMMIT_MESSAGES: usize = 100;

/// Let the ids of each session have no holes, its digests agree with its messages, and its totals too. The sessions have one
/// after the other the messages of their streams.
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
    connection.execute_batch("DELETE FROM batches; DELETE FROM overviews").unwrap();
    for (session_id, first_id) in sessions {
        let last_id = close_holes(&connection, session_id, first_id);
        let digest = write_commits(&connection, session_id, first_id, last_id);
        write_totals(&connection, session_id, first_id, last_id);
        write_overviews(&connection, session_id);
        write_seal(&connection, session_id, &digest);
    }
    connection.execute_batch("COMMIT").unwrap();
}

/// The messages of a session.
const OF_SESSION: &str = "stream_id IN (SELECT id FROM streams WHERE session_id = ?1)";

/// Gives the id of the last message.
fn close_holes(connection: &Connection, session_id: i64, first_id: i64) -> i64 {
    let sql = format!("SELECT id FROM messages WHERE {OF_SESSION} ORDER BY id");
    let ids: Vec<i64> = connection
        .prepare(&sql)
        .unwrap()
        .query_map([session_id], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let last_id = first_id - 1 + ids.len() as i64;
    for (id, before) in (first_id..=last_id).zip(&ids) {
        if id != *before {
            connection.execute("UPDATE messages SET id = ?1 WHERE id = ?2", [id, *before]).unwrap();
            connection.execute("UPDATE faults SET message_id = ?1 WHERE message_id = ?2", [id, *before]).unwrap();
        }
    }
    last_id
}

/// Gives the digest of the last one.
fn write_commits(connection: &Connection, session_id: i64, first_id: i64, last_id: i64) -> Digest {
    let sql = "SELECT endpoint, received_unix_ns, elapsed_ns, framing, topic, payload, parts \
         FROM messages JOIN streams ON streams.id = stream_id WHERE session_id = ?1 ORDER BY messages.id";
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
            digest = batch.digest(&digest, commit_id - first_id);
            connection.execute(insert, params![session_id, commit_id, id, digest]).unwrap();
            batch.clear();
        }
    }
    digest
}

/// What 256 messages of a stream have in common.
fn write_overviews(connection: &Connection, session_id: i64) {
    let sql = "SELECT endpoint, received_unix_ns, elapsed_ns, framing, topic, payload, parts, stream_id, layout, messages.id, \
         EXISTS (SELECT 1 FROM faults WHERE message_id = messages.id) \
         FROM messages JOIN streams ON streams.id = stream_id WHERE session_id = ?1 ORDER BY messages.id";
    let mut statement = connection.prepare(sql).unwrap();
    let mut rows = statement.query([session_id]).unwrap();
    let (mut batch, mut summaries) = (Batch::default(), BTreeMap::new());
    while let Some(row) = rows.next().unwrap() {
        let framing = Framing::from_str(&row.get::<_, String>(3).unwrap(), false).unwrap();
        let (summary, stream) = summaries.entry(row.get::<_, i64>(7).unwrap()).or_insert_with(|| {
            let stream = Stream {
                endpoint: row.get(0).unwrap(),
                framing,
                topic: row.get(4).unwrap(),
                layout: row.get::<_, String>(8).unwrap().parse().unwrap(),
                is_assumed: false,
                channels: None,
                sample_rate_hz: None,
                counter: None,
            };
            (Summary::new(&stream), stream)
        });
        append(row, &mut batch);
        let message = batch.last().unwrap();
        let frames = stream.after_topic(message.frames());
        summary.add((row.get(9).unwrap(), message.elapsed_ns), frames, !row.get::<_, bool>(10).unwrap());
        batch.clear();
        if summary.messages() == OVERVIEW_MESSAGES {
            write_overview(connection, row.get(7).unwrap(), summary.overview());
            summary.restart();
        }
    }
    summaries.iter().for_each(|(&id, (summary, _))| write_overview(connection, id, summary.overview()));
}

fn write_overview(connection: &Connection, stream_id: i64, overview: Option<Overview>) {
    let Some(it) = overview else { return };
    let numbers = params![
        it.last,
        stream_id,
        it.first,
        it.messages as i64,
        it.first_elapsed_ns,
        it.last_elapsed_ns,
        it.bytes as i64,
        it.longest_gap_ns,
        it.ranges
    ];
    connection.execute("INSERT INTO overviews VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", numbers).unwrap();
}

/// As the comment in the schema says.
fn write_seal(connection: &Connection, session_id: i64, last_digest: &Digest) {
    let mut hasher = blake3::Hasher::new();
    hasher.update(last_digest);
    let sql = "SELECT started_unix_ns, ended_unix_ns, end_reason, topics, framing, host, boot_id, version, durability, \
         continues, continues_elapsed_ns, unwanted, lost FROM sessions WHERE id = ?1";
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let add = |row: &Row<'_>| {
        for column in 0..columns {
            match row.get_ref(column)? {
                ValueRef::Integer(number) => hasher.update(b"i").update(&number.to_le_bytes()),
                ValueRef::Text(text) => hasher.update(b"t").update(&(text.len() as u64).to_le_bytes()).update(text),
                ValueRef::Null => hasher.update(b"?"),
                other => panic!("unexpected {other:?}"),
            };
        }
        Ok(())
    };
    statement.query_row([session_id], add).unwrap();
    let seal = hasher.finalize();
    connection.execute("UPDATE sessions SET seal = ?2 WHERE id = ?1", params![session_id, seal.as_bytes()]).unwrap();
}

/// All messages of a database in the order of their arrival: the number of the endpoint, and the frames.
pub fn stored(path: &Path) -> Vec<(u32, Vec<Vec<u8>>)> {
    let mut stored = Vec::new();
    each_stored(path, |origin, frames| stored.push((origin, frames.iter().map(|frame| frame.to_vec()).collect())));
    stored
}

/// The same, one after the other.
pub fn each_stored(path: &Path, mut each: impl FnMut(u32, &[&[u8]])) {
    let sql = "SELECT endpoint, received_unix_ns, elapsed_ns, framing, topic, payload, parts \
         FROM messages JOIN streams ON streams.id = stream_id ORDER BY messages.id";
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let mut batch = Batch::default();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        append(row, &mut batch);
        let message = batch.last().unwrap();
        each(message.origin.0, &message.frames().collect::<Vec<_>>());
        batch.clear();
    }
}

fn append(row: &Row<'_>, batch: &mut Batch) {
    let bytes = |column| row.get_ref(column).unwrap().as_bytes().unwrap();
    let mut entry = batch.message(Origin(row.get(0).unwrap()), row.get(1).unwrap(), row.get(2).unwrap());
    let payload = bytes(5);
    match row.get::<_, String>(3).unwrap().as_str() {
        "space" => return entry.frame(&[bytes(4), b" ", payload]),
        "frames" => entry.frame(&[bytes(4)]),
        _ => {}
    }
    let Some(lengths) = row.get::<_, Option<String>>(6).unwrap() else { return entry.frame(&[payload]) };
    let mut rest = payload;
    for length_bytes in serde_json::from_str::<Vec<usize>>(&lengths).unwrap() {
        let (frame, after) = rest.split_at(length_bytes);
        entry.frame(&[frame]);
        rest = after;
    }
}

fn write_totals(connection: &Connection, session_id: i64, first_id: i64, last_id: i64) {
    let sql = "UPDATE sessions SET last_id = ?3, messages = ?3 - ?2 + 1, \
         bytes = (SELECT coalesce(sum(length(payload) + CASE framing WHEN 'space' THEN length(topic) + 1 ELSE length(topic) END), 0) \
             FROM messages JOIN streams ON streams.id = stream_id WHERE messages.id BETWEEN ?2 AND ?3), \
         undecodable = (SELECT count(*) FROM faults WHERE message_id BETWEEN ?2 AND ?3), \
         first_elapsed_ns = times.first_ns, last_elapsed_ns = times.last_ns \
         FROM (SELECT min(elapsed_ns) AS first_ns, max(elapsed_ns) AS last_ns FROM messages \
             WHERE id BETWEEN ?2 AND ?3) AS times WHERE id = ?1";
    connection.execute(sql, [session_id, first_id, last_id]).unwrap();
}
