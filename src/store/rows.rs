//! Makes batches out of rows again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::batch::{BATCH_MAX_MESSAGES, Batch, MESSAGE_MAX_FRAMES};
use crate::envelope::{self, SEPARATOR, TOPIC_MAX_BYTES};
use crate::position::Position;
use crate::store::foreign::damaged;

/// Packets and rejects of a range of ids, merged. Both tables are in the order of their ids, so nothing is sorted.
const SELECT: &str = "SELECT id, received_unix_ns, elapsed_ns, topic_id, payload, NULL, 1 FROM packets WHERE id BETWEEN ?1 AND ?2 \
     UNION ALL SELECT id, received_unix_ns, elapsed_ns, NULL, frames, frame_bytes, frame_count FROM rejects WHERE id BETWEEN ?1 AND ?2 \
     ORDER BY id";

/// The longest list of the lengths of a message's frames: a number below 2^32 for each, commas, and brackets.
const FRAME_BYTES_MAX_BYTES: usize = MESSAGE_MAX_FRAMES as usize * 11 + 2;

/// Names of topics that are kept in memory. Devices have a few; when each message has its own, the table is asked again.
const TOPICS_MAX: usize = 4096;

/// Which messages of a session are read.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// What they begin with (a topic and its space); `None` is all of them.
    pub heads: Option<Vec<Vec<u8>>>,
    /// Only envelopes, not what was rejected.
    pub only_valid: bool,
    /// Where to begin; the beginning of the session if it is not said.
    pub from: Option<Position>,
    /// Where to end, before that message; the end of the session if it is not said.
    pub to: Option<Position>,
}

/// Reads rows, and remembers the names of topics.
#[derive(Debug, Default)]
pub(super) struct Rows {
    selection: Selection,
    topics: HashMap<i64, Topic>,
}

/// A topic's name, and whether it is selected.
#[derive(Debug)]
struct Topic {
    name: Vec<u8>,
    is_selected: bool,
}

impl Rows {
    /// Of the messages that are selected.
    pub fn new(selection: &Selection) -> Self {
        Self { selection: selection.clone(), topics: HashMap::new() }
    }

    /// Append the selected messages of a range of ids to `batch`, each with its id as its number, until it has so many bytes
    /// or many were passed over. Gives the last id that was read.
    ///
    /// Ids only grow, so that damaged tables, which can give the same rows again and again, come to an end too.
    pub fn fill(
        &mut self,
        connection: &Connection,
        first_id: i64,
        last_id: i64,
        full_bytes: usize,
        batch: &mut Batch,
    ) -> rusqlite::Result<Option<i64>> {
        let mut last_read_id = None;
        let mut seen = 0;
        let mut statement = connection.prepare_cached(SELECT)?;
        let mut rows = statement.query(params![first_id, last_id])?;
        while batch.bytes() < full_bytes
            && seen < BATCH_MAX_MESSAGES
            && let Some(row) = rows.next()?
        {
            let id = row.get(0)?;
            if id < first_id || id > last_id || last_read_id.is_some_and(|before| before >= id) {
                return Err(damaged("its messages are out of order"));
            }
            last_read_id = Some(id);
            seen += 1;
            match row.get_ref(3)? {
                ValueRef::Null if !self.selection.takes_reject(row)? => continue,
                ValueRef::Null => append_reject(row, batch)?,
                _ => {
                    let payload = row.get_ref(4)?.as_blob()?;
                    let topic = self.topic(connection, row.get(3)?)?;
                    if !topic.is_selected {
                        continue;
                    }
                    batch.message(row.get(1)?, row.get(2)?).frame(&[&topic.name, &[SEPARATOR], payload]);
                }
            }
            batch.push_number(id);
        }
        Ok(last_read_id)
    }

    fn topic(&mut self, connection: &Connection, topic_id: i64) -> rusqlite::Result<&Topic> {
        if self.topics.len() >= TOPICS_MAX && !self.topics.contains_key(&topic_id) {
            self.topics.clear();
        }
        match self.topics.entry(topic_id) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let name = topic_name(connection, topic_id)?;
                let is_selected = self.selection.takes(&envelope::head(&name));
                Ok(unknown.insert(Topic { name, is_selected }))
            }
        }
    }
}

/// The name of a topic, byte for byte. One that is too long is not even read.
pub(super) fn topic_name(connection: &Connection, topic_id: i64) -> rusqlite::Result<Vec<u8>> {
    let sql = "SELECT name FROM topics WHERE id = ?1 AND octet_length(name) <= ?2";
    connection
        .prepare_cached(sql)?
        .query_row(params![topic_id, TOPIC_MAX_BYTES as i64], |row| Ok(row.get_ref(0)?.as_bytes()?.to_vec()))
        .optional()?
        .ok_or_else(|| damaged("a packet has no topic, or one that is too long"))
}

impl Selection {
    fn takes(&self, message: &[u8]) -> bool {
        self.heads.as_ref().is_none_or(|heads| heads.iter().any(|head| message.starts_with(head)))
    }

    /// A reject belongs to the topic that it begins with.
    fn takes_reject(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        Ok(!self.only_valid && self.takes(row.get_ref(4)?.as_blob()?))
    }
}

/// Nothing is appended when it cannot be read.
fn append_reject(row: &Row<'_>, batch: &mut Batch) -> rusqlite::Result<()> {
    let no_frames = || damaged("the frames of a message do not agree with their lengths");
    let mut rest = row.get_ref(4)?.as_blob()?;
    let lengths = row.get_ref(5)?.as_bytes()?;
    if lengths.len() > FRAME_BYTES_MAX_BYTES {
        return Err(no_frames());
    }
    let lengths: Vec<usize> = serde_json::from_slice(lengths).map_err(|_| no_frames())?;
    let mut frames = Vec::with_capacity(lengths.len());
    for length_bytes in lengths {
        let (frame, after) = rest.split_at_checked(length_bytes).ok_or_else(no_frames)?;
        frames.push(frame);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(no_frames());
    }
    let frame_count = row.get(6)?;
    let mut entry = batch.message(row.get(1)?, row.get(2)?);
    frames.iter().for_each(|frame| entry.frame(&[frame]));
    entry.set_frame_count(frame_count);
    Ok(())
}
