//! Reading the packets of a session without its rejects, all or those of some topics, batch by batch.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, params};

use crate::batch::Batch;
use crate::envelope::SEPARATOR;
use crate::error::Result;
use crate::store::{Database, Session};

/// Ids that are looked at in one read transaction. A packet of a rare topic may be far away, and a transaction that
/// looked for it for long would keep a recorder from reusing its log.
pub(super) const WINDOW_IDS: i64 = 50_000;

/// Topics whose names are remembered. Beyond that, as when each message has its own, the table is asked again.
const TOPICS_MAX_REMEMBERED: usize = 4096;

const SELECT: &str =
    "SELECT id, received_unix_ns, elapsed_ns, topic_id, payload FROM packets WHERE id BETWEEN ?1 AND ?2 ORDER BY id";

/// A place in a session.
#[derive(Debug)]
pub struct Packets<'a> {
    database: &'a Database,
    next_id: i64,
    first_id: i64,
    last_id: i64,
    topic_ids: Option<BTreeSet<i64>>,
    names: HashMap<i64, Vec<u8>>,
}

impl<'a> Packets<'a> {
    /// Stand before the first packet of `session`. Packets of other topics than these are passed over; `None` is every
    /// topic.
    pub fn new(database: &'a Database, session: &Session, topic_ids: Option<BTreeSet<i64>>) -> Self {
        let (first_id, last_id) = (session.first_id, session.last_id);
        Self { database, next_id: first_id, first_id, last_id, topic_ids, names: HashMap::new() }
    }

    /// Fill the empty `batch` with the next packets, each as the envelope that it came in, until it is full or the
    /// session ends. At the end it stays empty.
    ///
    /// # Errors
    /// When the database cannot be read or is damaged.
    pub fn read(&mut self, batch: &mut Batch) -> Result<()> {
        while batch.is_empty() && self.next_id <= self.last_id {
            let window_end = self.next_id.saturating_add(WINDOW_IDS - 1).min(self.last_id);
            let database = self.database;
            let (next_id, is_empty) = database
                .bounded(WINDOW_IDS, || self.fill(window_end, batch))
                .map_err(database.failed("read packets"))?;
            self.next_id = match is_empty {
                true => database.next_message(window_end)?.unwrap_or(i64::MAX),
                false => next_id,
            };
            if window_end == i64::MAX {
                break;
            }
        }
        Ok(())
    }

    /// Messages of the session that were passed so far, those of other topics and rejects included.
    pub fn passed(&self) -> u64 {
        self.next_id.saturating_sub(self.first_id).unsigned_abs()
    }

    /// Append packets up to this id until `batch` is full. Gives the id to go on from, and whether there was no packet.
    fn fill(&mut self, last_id: i64, batch: &mut Batch) -> rusqlite::Result<(i64, bool)> {
        let connection = &self.database.connection;
        let mut statement = connection.prepare_cached(SELECT)?;
        let mut rows = statement.query(params![self.next_id, last_id])?;
        let mut is_empty = true;
        while let Some(row) = rows.next()? {
            if batch.is_full() {
                return Ok((row.get(0)?, false));
            }
            is_empty = false;
            let topic_id = row.get(3)?;
            if self.topic_ids.as_ref().is_none_or(|wanted| wanted.contains(&topic_id)) {
                let name = name(&mut self.names, connection, topic_id)?;
                batch.message(row.get(1)?, row.get(2)?).frame(&[name, &[SEPARATOR], row.get_ref(4)?.as_blob()?]);
            }
        }
        Ok((last_id.saturating_add(1), is_empty))
    }
}

/// The name of a topic, which is remembered.
fn name<'a>(
    names: &'a mut HashMap<i64, Vec<u8>>,
    connection: &Connection,
    topic_id: i64,
) -> rusqlite::Result<&'a [u8]> {
    if names.len() >= TOPICS_MAX_REMEMBERED && !names.contains_key(&topic_id) {
        names.clear();
    }
    match names.entry(topic_id) {
        Entry::Occupied(known) => Ok(known.into_mut()),
        Entry::Vacant(unknown) => {
            let mut statement = connection.prepare_cached("SELECT name FROM topics WHERE id = ?")?;
            let name = statement.query_row([topic_id], |row| Ok(row.get_ref(0)?.as_bytes()?.to_vec()))?;
            Ok(unknown.insert(name))
        }
    }
}
