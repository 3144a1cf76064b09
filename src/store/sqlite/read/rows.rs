//! Makes batches out of rows again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::codec::envelope::{self, SEPARATOR, TOPIC_MAX_BYTES};
use crate::message::{Batch, MESSAGE_MAX_FRAMES};
use crate::store::sqlite::untrusted::foreign::damaged;
use crate::time::position::Position;

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
pub(in crate::store) struct Rows {
    selection: Selection,
    topics: HashMap<i64, Topic>,
    /// Of the messages that were appended last, whether they are selected.
    taken: Vec<bool>,
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
        Self { selection: selection.clone(), ..Self::default() }
    }

    /// Append all messages of a range of ids to `batch`, each with its id as its number, until it has so many bytes. Gives
    /// the id to go on at, if that was not the end of the range.
    pub fn fill(
        &mut self,
        connection: &Connection,
        first_id: i64,
        last_id: i64,
        full_bytes: usize,
        batch: &mut Batch,
    ) -> rusqlite::Result<Option<i64>> {
        self.taken.clear();
        let mut statement = connection.prepare_cached(SELECT)?;
        let mut rows = statement.query(params![first_id, last_id])?;
        for id in first_id..=last_id {
            if batch.bytes() >= full_bytes {
                return Ok(Some(id));
            }
            let row = rows.next()?.ok_or_else(|| damaged("some of its messages are missing"))?;
            // A damaged table can give the same rows without end.
            if row.get::<_, i64>(0)? != id {
                return Err(damaged("its messages do not follow one another"));
            }
            let is_taken = match row.get_ref(3)? {
                ValueRef::Null => self.append_reject(row, batch)?,
                _ => self.append_packet(connection, row, batch)?,
            };
            self.taken.push(is_taken);
            batch.push_number(id);
        }
        Ok(None)
    }

    /// Whether messages are left out at all.
    pub fn are_selected(&self) -> bool {
        self.selection.only_valid || self.selection.heads.is_some()
    }

    /// Which of the messages that were appended last are selected.
    pub fn taken(&self) -> &[bool] {
        &self.taken
    }

    /// Says whether it is selected.
    fn append_packet(&mut self, connection: &Connection, row: &Row<'_>, batch: &mut Batch) -> rusqlite::Result<bool> {
        let payload = row.get_ref(4)?.as_blob()?;
        let topic = self.topic(connection, row.get(3)?)?;
        batch.message(row.get(1)?, row.get(2)?).frame(&[&topic.name, &[SEPARATOR], payload]);
        Ok(topic.is_selected)
    }

    /// Says whether it is selected. A reject belongs to the topic that it begins with.
    fn append_reject(&self, row: &Row<'_>, batch: &mut Batch) -> rusqlite::Result<bool> {
        append_reject(row, batch)?;
        Ok(!self.selection.only_valid && self.selection.takes(row.get_ref(4)?.as_blob()?))
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
pub(in crate::store) fn topic_name(connection: &Connection, topic_id: i64) -> rusqlite::Result<Vec<u8>> {
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
