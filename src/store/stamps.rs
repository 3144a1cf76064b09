//! When the messages of a session came, how large they were and on which topic: without what was in them, which takes
//! most of the time.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension, params};

use crate::error::Result;
use crate::store::foreign::damaged;
use crate::store::rows::topic_name;
use crate::store::{Database, Session};

/// Messages that are read at once: a longer transaction would keep a recorder from reusing its log.
const READ_MESSAGES: i64 = 100_000;

/// SQLite knows how long a payload is without reading it.
const SELECT: &str = "SELECT id, elapsed_ns, topic_id, length(payload) FROM packets WHERE id BETWEEN ?1 AND ?2 \
     UNION ALL SELECT id, elapsed_ns, NULL, 0 FROM rejects WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3";

/// When a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its number in the session, from 0.
    pub number: i64,
    /// Since the session began.
    pub elapsed_ns: i64,
    /// The number of its topic; `None` when it is no packet. See [`Database::topic`].
    pub topic_id: Option<i64>,
    /// Bytes of samples in it.
    pub bytes: u64,
}

impl Database {
    /// Give the stamps of a session to `take`, in the order of arrival. `at` is told how many messages were passed, again
    /// and again, and can end it.
    ///
    /// # Errors
    /// When the database cannot be read, or what `at` ends it with.
    pub fn stamps(
        &self,
        session: &Session,
        at: &mut dyn FnMut(u64) -> Result<()>,
        mut take: impl FnMut(Stamp),
    ) -> Result<()> {
        let mut last_read_id = None;
        loop {
            // A damaged session may claim more ids than can be tried, so only those that are there are counted.
            let next_id = last_read_id.map_or(session.first_id, |id: i64| id.saturating_add(1));
            let before = last_read_id;
            let mut read = || -> rusqlite::Result<()> {
                let mut statement = self.connection.prepare_cached(SELECT)?;
                let mut rows = statement.query(params![next_id, session.last_id, READ_MESSAGES])?;
                while let Some(row) = rows.next()? {
                    let id: i64 = row.get(0)?;
                    // A damaged table can give the same rows without end.
                    if id < next_id || last_read_id.replace(id).is_some_and(|before| before >= id) {
                        return Err(damaged("its messages are out of order"));
                    }
                    let number = id.saturating_sub(session.first_id);
                    let bytes = row.get::<_, Option<i64>>(3)?.unwrap_or_default().unsigned_abs();
                    take(Stamp { number, elapsed_ns: row.get(1)?, topic_id: row.get(2)?, bytes });
                }
                Ok(())
            };
            self.bounded(READ_MESSAGES, &mut read).map_err(self.failed("read the times of packets"))?;
            match last_read_id {
                Some(id) if last_read_id != before => at(id.saturating_sub(session.first_id).unsigned_abs() + 1)?,
                _ => return Ok(()),
            }
        }
    }

    /// The name of a topic, byte for byte.
    ///
    /// # Errors
    /// When it has none, or the database cannot be read.
    pub fn topic(&self, topic_id: i64) -> Result<Vec<u8>> {
        self.quick(|| topic_name(&self.connection, topic_id)).map_err(self.failed("read the name of a topic"))
    }

    /// The id of a topic, if the database knows it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn topic_id(&self, name: &[u8]) -> Result<Option<i64>> {
        let name = ToSqlOutput::Borrowed(ValueRef::Text(name));
        let sql = "SELECT id FROM topics WHERE name = ?1";
        let ask = || self.connection.query_row(sql, params![name], |row| row.get(0)).optional();
        self.quick(ask).map_err(self.failed("read a topic"))
    }
}
