//! Reading a session: its messages in the order of their arrival, batch by batch.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use crate::batch::Batch;
use crate::envelope::{self, SEPARATOR};
use crate::error::{Error, Result};
use crate::store::{Database, Session};

/// Packets and rejects of a range of ids, merged. Both tables are in the order of their ids, so nothing is sorted.
const SELECT: &str = "SELECT id, received_unix_ns, elapsed_ns, topic_id, payload, NULL, 1 FROM packets WHERE id BETWEEN ?1 AND ?2 \
     UNION ALL SELECT id, received_unix_ns, elapsed_ns, NULL, frames, frame_bytes, frame_count FROM rejects WHERE id BETWEEN ?1 AND ?2 \
     ORDER BY id";

/// A place in a session.
#[derive(Debug)]
pub struct Reader {
    database: Database,
    next_id: i64,
    last_id: i64,
    first_id: i64,
    rows: Rows,
}

impl Reader {
    /// Stand before the first message of `session`.
    ///
    /// # Errors
    /// When the session has no message.
    pub fn new(database: Database, session: &Session) -> Result<Self> {
        if session.is_empty() {
            return Err(Error::EmptySession { id: session.id, database: database.path });
        }
        let (first_id, last_id) = (session.first_id, session.last_id);
        Ok(Self { database, next_id: first_id, last_id, first_id, rows: Rows::default() })
    }

    /// Stand before the first message again.
    pub fn rewind(&mut self) {
        self.next_id = self.first_id;
    }

    /// The size of the largest of the session's first messages, in bytes: what to expect.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn message_bytes(&self) -> Result<u64> {
        let sql = "SELECT max(bytes) FROM ( \
             SELECT * FROM (SELECT length(payload) AS bytes FROM packets WHERE id BETWEEN ?1 AND ?2 LIMIT 1000) \
             UNION ALL SELECT * FROM (SELECT length(frames) FROM rejects WHERE id BETWEEN ?1 AND ?2 LIMIT 1000))";
        let range = params![self.first_id, self.last_id];
        let largest = self.database.connection.query_row(sql, range, |row| row.get::<_, Option<i64>>(0));
        let bytes = largest.map_err(self.database.failed("read packets"))?.unwrap_or_default();
        Ok(bytes.unsigned_abs() + envelope::TOPIC_MAX_BYTES as u64 + 1)
    }

    /// Fill the empty `batch` with the next messages until it is full or the session ends. At the end it stays empty.
    ///
    /// Each call is a read transaction of its own: a longer one would keep a recorder from reusing its log.
    ///
    /// # Errors
    /// When the database cannot be read or is damaged.
    pub fn read(&mut self, batch: &mut Batch) -> Result<()> {
        let failed = self.database.failed("read packets");
        self.read_rows(batch).map_err(failed)?;
        if batch.is_empty() && self.next_id <= self.last_id {
            return Err(Error::Database {
                operation: "read packets",
                path: self.database.path.clone(),
                cause: format!("messages {} to {} of the session are not there", self.next_id, self.last_id),
                hint: "somebody deleted them, or the database is damaged",
                passing: None,
            });
        }
        Ok(())
    }

    fn read_rows(&mut self, batch: &mut Batch) -> rusqlite::Result<()> {
        let last_read_id = self.rows.fill(&self.database.connection, self.next_id, self.last_id, batch)?;
        self.next_id = last_read_id.map_or(self.next_id, |id| id.saturating_add(1));
        Ok(())
    }
}

/// Makes batches out of rows again.
#[derive(Debug, Default)]
pub(super) struct Rows {
    topics: HashMap<i64, Vec<u8>>,
}

impl Rows {
    /// Append the messages of a range of ids to `batch`, until it is full. Gives the last id that was read.
    pub fn fill(
        &mut self,
        connection: &Connection,
        first_id: i64,
        last_id: i64,
        batch: &mut Batch,
    ) -> rusqlite::Result<Option<i64>> {
        let mut last_read_id = None;
        let mut statement = connection.prepare_cached(SELECT)?;
        let mut rows = statement.query(params![first_id, last_id])?;
        while !batch.is_full()
            && let Some(row) = rows.next()?
        {
            match row.get_ref(3)? {
                ValueRef::Null => append_reject(row, batch)?,
                _ => {
                    let payload = row.get_ref(4)?.as_blob()?;
                    let topic = self.topic(connection, row.get(3)?)?;
                    batch.message(row.get(1)?, row.get(2)?).frame(&[topic, &[SEPARATOR], payload]);
                }
            }
            last_read_id = Some(row.get(0)?);
        }
        Ok(last_read_id)
    }

    fn topic(&mut self, connection: &Connection, topic_id: i64) -> rusqlite::Result<&[u8]> {
        match self.topics.entry(topic_id) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let mut statement = connection.prepare_cached("SELECT name FROM topics WHERE id = ?")?;
                let name = statement.query_row([topic_id], |row| Ok(row.get_ref(0)?.as_bytes()?.to_vec()))?;
                Ok(unknown.insert(name))
            }
        }
    }
}

/// Nothing is appended when it cannot be read.
fn append_reject(row: &Row<'_>, batch: &mut Batch) -> rusqlite::Result<()> {
    let mut rest = row.get_ref(4)?.as_blob()?;
    let lengths: Vec<usize> = serde_json::from_str(row.get_ref(5)?.as_str()?)
        .map_err(|cause| rusqlite::Error::FromSqlConversionFailure(5, rusqlite::types::Type::Text, cause.into()))?;
    let mut frames = Vec::with_capacity(lengths.len());
    for length_bytes in lengths {
        let (frame, after) = rest
            .split_at_checked(length_bytes)
            .ok_or(rusqlite::Error::IntegralValueOutOfRange(5, length_bytes as i64))?;
        frames.push(frame);
        rest = after;
    }
    let frame_count = row.get(6)?;
    let mut entry = batch.message(row.get(1)?, row.get(2)?);
    frames.iter().for_each(|frame| entry.frame(&[frame]));
    entry.set_frame_count(frame_count);
    Ok(())
}
