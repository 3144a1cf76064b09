//! When the messages of a session came, and on which topic: without what was in them, which takes most of the time.

use rusqlite::params;

use crate::error::Result;
use crate::store::foreign::damaged;
use crate::store::{Database, Session};

/// Messages that are read at once: a longer transaction would keep a recorder from reusing its log.
const READ_MESSAGES: i64 = 100_000;

const SELECT: &str = "SELECT id, elapsed_ns, topic_id FROM packets WHERE id BETWEEN ?1 AND ?2 \
     UNION ALL SELECT id, elapsed_ns, NULL FROM rejects WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3";

/// When a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its number in the session, from 0.
    pub number: i64,
    /// Since the session began.
    pub elapsed_ns: i64,
    /// The number of its topic; `None` when it is no packet. See [`Database::topic`].
    pub topic_id: Option<i64>,
}

impl Database {
    /// Give the stamps of a session to `take`, in the order of arrival.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn stamps(&self, session: &Session, mut take: impl FnMut(Stamp)) -> Result<()> {
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
                    take(Stamp { number, elapsed_ns: row.get(1)?, topic_id: row.get(2)? });
                }
                Ok(())
            };
            self.bounded(READ_MESSAGES, &mut read).map_err(self.failed("read the times of packets"))?;
            if last_read_id == before {
                return Ok(());
            }
        }
    }

    /// The name of a topic, byte for byte.
    ///
    /// # Errors
    /// When it has none, or the database cannot be read.
    pub fn topic(&self, topic_id: i64) -> Result<Vec<u8>> {
        let sql = "SELECT name FROM topics WHERE id = ?1";
        let name = || self.connection.query_row(sql, [topic_id], |row| Ok(row.get_ref(0)?.as_bytes()?.to_vec()));
        self.quick(name).map_err(self.failed("read the name of a topic"))
    }
}
