//! The seal of a finished session: a digest over what its row says of it, and the digest of its last commit.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use crate::message::{Digest, FIRST_DIGEST};

/// What is sealed. The label and the note may be changed later, and so may what is read of messages; the totals are
/// compared with the messages.
const SEALED: &str = "SELECT started_unix_ns, ended_unix_ns, end_reason, topics, framing, host, boot_id, version, durability, \
     continues, continues_elapsed_ns, unwanted, lost FROM sessions WHERE id = ?1 AND ended_unix_ns IS NOT NULL";

/// The seal of a session whose last commit has this digest; `None` while it is open.
pub(in crate::store) fn of(
    connection: &Connection,
    session_id: i64,
    last_digest: &Digest,
) -> rusqlite::Result<Option<Digest>> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(last_digest);
    let mut statement = connection.prepare_cached(SEALED)?;
    let columns = statement.column_count();
    let sealed = statement.query_row([session_id], |row| {
        for column in 0..columns {
            match row.get_ref(column)? {
                ValueRef::Integer(number) => hasher.update(b"i").update(&number.to_le_bytes()),
                ValueRef::Text(text) => hasher.update(b"t").update(&(text.len() as u64).to_le_bytes()).update(text),
                // Nothing, or what no recorder writes.
                ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => hasher.update(b"?"),
            };
        }
        Ok(())
    });
    Ok(sealed.optional()?.map(|()| *hasher.finalize().as_bytes()))
}

/// The seal of a session of which an archive says these values, in hexadecimal.
pub(in crate::store) fn of_values(last_digest: &Digest, session: &Value) -> String {
    const NAMES: [&str; 13] = [
        "started_unix_ns",
        "ended_unix_ns",
        "end_reason",
        "topics",
        "framing",
        "host",
        "boot_id",
        "version",
        "durability",
        "continues",
        "continues_elapsed_ns",
        "unwanted",
        "lost",
    ];
    let mut hasher = blake3::Hasher::new();
    hasher.update(last_digest);
    for name in NAMES {
        match session.get(name) {
            Some(Value::Number(number)) => {
                hasher.update(b"i").update(&number.as_i64().unwrap_or_default().to_le_bytes())
            }
            Some(Value::String(text)) => {
                hasher.update(b"t").update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes())
            }
            _ => hasher.update(b"?"),
        };
    }
    hasher.finalize().to_hex().to_string()
}

/// Seal a session that has ended.
pub(in crate::store) fn seal(connection: &Connection, session_id: i64, last_digest: &Digest) -> rusqlite::Result<()> {
    let seal = of(connection, session_id, last_digest)?;
    connection.execute("UPDATE sessions SET seal = ?2 WHERE id = ?1", params![session_id, seal]).map(|_| ())
}

/// End a session that a crash left open, which is the newest one. It ended with its last commit.
pub(in crate::store) fn interrupt(connection: &Connection, session_id: i64) -> rusqlite::Result<()> {
    let last =
        "SELECT committed_unix_ns, digest FROM batches WHERE id = (SELECT max(id) FROM batches) AND session_id = ?1";
    let last = connection.query_row(last, [session_id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (ended_unix_ns, digest): (Option<i64>, Digest) =
        last.map_or((None, FIRST_DIGEST), |(at, digest)| (Some(at), digest));
    connection.execute(
        "UPDATE sessions SET end_reason = 'interrupted', ended_unix_ns = coalesce(?2, started_unix_ns) \
         WHERE id = ?1 AND ended_unix_ns IS NULL",
        params![session_id, ended_unix_ns],
    )?;
    seal(connection, session_id, &digest)
}
