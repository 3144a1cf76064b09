//! Reading a session: its messages in the order of their arrival, batch by batch.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::batch::{BATCH_MAX_MESSAGES, Batch, MESSAGE_MAX_FRAMES};
use crate::envelope::{self, SEPARATOR, TOPIC_MAX_BYTES};
use crate::error::{Error, Result, Trouble};
use crate::position::Position;
use crate::store::foreign::damaged;
use crate::store::{Database, Session};

/// Packets and rejects of a range of ids, merged. Both tables are in the order of their ids, so nothing is sorted.
const SELECT: &str = "SELECT id, received_unix_ns, elapsed_ns, topic_id, payload, NULL, 1 FROM packets WHERE id BETWEEN ?1 AND ?2 \
     UNION ALL SELECT id, received_unix_ns, elapsed_ns, NULL, frames, frame_bytes, frame_count FROM rejects WHERE id BETWEEN ?1 AND ?2 \
     ORDER BY id";

/// Messages that are read at once to find the one before.
const BACKWARDS_MESSAGES: i64 = 1_000;

/// The longest list of the lengths of a message's frames: a number below 2^32 for each, commas, and brackets.
const FRAME_BYTES_MAX_BYTES: usize = MESSAGE_MAX_FRAMES as usize * 11 + 2;

/// Names of topics that are kept in memory. Devices have a few.
const TOPICS_MAX: usize = 1000;

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

/// Reads a session forwards, from wherever it stands.
#[derive(Debug)]
pub struct Reader {
    database: Database,
    session: Session,
    /// `None` behind the last id that there can be.
    next_id: Option<i64>,
    first_id: i64,
    last_id: i64,
    rows: Rows,
    /// Messages read since the beginning.
    messages: usize,
}

impl Reader {
    /// Stand before the first message of the part of `session` that is selected.
    ///
    /// # Errors
    /// When there is no message in it, or the database cannot be read.
    pub fn new(database: Database, session: &Session, selection: &Selection) -> Result<Self> {
        let mut reader = Self {
            database,
            session: session.clone(),
            next_id: Some(session.first_id),
            first_id: session.first_id,
            last_id: session.last_id,
            rows: Rows { selection: selection.clone(), ..Rows::default() },
            messages: 0,
        };
        let at = |position: Option<Position>| position.map(|position| reader.locate(position)).transpose();
        let (from, to) = (at(selection.from)?, at(selection.to)?);
        reader.first_id = from.unwrap_or(reader.first_id).max(reader.first_id);
        reader.last_id = to.map_or(reader.last_id, |id| id.saturating_sub(1)).min(reader.last_id);
        reader.next_id = Some(reader.first_id);
        if reader.first_id > reader.last_id {
            return Err(Error::EmptySession { id: session.id, database: reader.database.path });
        }
        Ok(reader)
    }

    /// Stand before the first message again.
    pub fn rewind(&mut self) {
        self.next_id = Some(self.first_id);
        self.messages = 0;
    }

    /// Stand before the message at this position, or at the end that is nearer to it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn seek(&mut self, position: Position) -> Result<()> {
        self.next_id = Some(self.locate(position)?.clamp(self.first_id, self.last_id));
        Ok(())
    }

    /// Stand before the last message with a number below this one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn seek_before(&mut self, number: i64) -> Result<()> {
        let mut batch = Batch::default();
        let mut end_id = self.session.first_id.saturating_add(number).min(self.last_id.saturating_add(1));
        // Messages that are not selected are passed over, so many at a time.
        while end_id > self.first_id {
            let begin_id = end_id.saturating_sub(BACKWARDS_MESSAGES).max(self.first_id);
            let (mut next_id, mut last_id, mut last_read_id) = (begin_id, None, None);
            // Large messages fill more than one batch.
            while next_id < end_id {
                batch.clear();
                let Some(read_id) = self.fill(next_id, end_id.saturating_sub(1), &mut batch)? else { break };
                last_id = batch.numbers().last().copied().or(last_id);
                last_read_id = Some(read_id);
                next_id = read_id.saturating_add(1);
            }
            if let Some(last_id) = last_id {
                self.next_id = Some(last_id);
                return Ok(());
            }
            // A damaged session may claim more ids than can be tried.
            end_id = match last_read_id {
                Some(_) => begin_id,
                None => self.last_id_before(begin_id)?.map_or(self.first_id, |id| id.saturating_add(1)),
            };
        }
        self.next_id = Some(self.first_id);
        Ok(())
    }

    fn last_id_before(&self, id: i64) -> Result<Option<i64>> {
        let sql = "SELECT max(id) FROM (SELECT max(id) AS id FROM packets WHERE id < ?1 \
             UNION ALL SELECT max(id) FROM rejects WHERE id < ?1)";
        let ask = || self.database.connection.query_row(sql, [id], |row| row.get(0));
        self.database.bounded(0, ask).map_err(self.database.failed("read packets"))
    }

    fn fill(&mut self, first_id: i64, last_id: i64, batch: &mut Batch) -> Result<Option<i64>> {
        let Self { database, rows, .. } = self;
        let fill = || rows.fill(&database.connection, first_id, last_id, batch);
        database.bounded(0, fill).map_err(database.failed("read packets"))
    }

    /// The id of the first message at or after a position: a binary search over the ids, which are in the order of time.
    fn locate(&self, position: Position) -> Result<i64> {
        let (column, wanted) = match position {
            Position::Number(number) => return Ok(self.session.first_id.saturating_add(number)),
            Position::Elapsed(elapsed_ns) => ("elapsed_ns", elapsed_ns),
            Position::Unix(unix_ns) => ("received_unix_ns", unix_ns),
        };
        // The next message at or after an id, and its time.
        let sql = format!(
            "SELECT * FROM (SELECT id, {column} FROM packets WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT 1) \
             UNION ALL SELECT * FROM (SELECT id, {column} FROM rejects WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT 1) \
             ORDER BY 1 LIMIT 1"
        );
        let search = || -> rusqlite::Result<i64> {
            let mut next = self.database.connection.prepare_cached(&sql)?;
            // Before `low` all are too early; `high` is late enough, or behind the end.
            let (mut low, mut high) = (self.session.first_id, self.session.last_id.saturating_add(1));
            while low < high {
                // As the difference of two ids may be larger than any id.
                let middle = low.saturating_add((high.abs_diff(low) / 2) as i64);
                let found = next
                    .query_row(params![middle, self.session.last_id], |row| {
                        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
                    })
                    .optional()?;
                match found {
                    Some((id, time)) if wanted > time => low = id.max(middle).saturating_add(1),
                    _ => high = middle,
                }
            }
            Ok(low)
        };
        self.database.bounded(0, search).map_err(self.database.failed("find a position"))
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
        let ask = || self.database.connection.query_row(sql, range, |row| row.get::<_, Option<i64>>(0));
        let bytes = self.database.bounded(0, ask).map_err(self.database.failed("read packets"))?.unwrap_or_default();
        Ok(bytes.unsigned_abs().saturating_add(envelope::TOPIC_MAX_BYTES as u64 + 1))
    }

    /// Fill the empty `batch` with the next messages until it is full or the selection ends. At the end it stays empty.
    ///
    /// Each call is a read transaction of its own: a longer one would keep a recorder from reusing its log.
    ///
    /// # Errors
    /// When the database cannot be read or is damaged.
    pub fn read(&mut self, batch: &mut Batch) -> Result<()> {
        let mut missing_from = None;
        while batch.is_empty()
            && missing_from.is_none()
            && let Some(next_id) = self.next_id.filter(|id| *id <= self.last_id)
        {
            match self.fill(next_id, self.last_id, batch)? {
                Some(last_read_id) => self.next_id = last_read_id.checked_add(1),
                None => missing_from = Some(next_id),
            }
        }
        self.number_from(batch);
        self.messages += batch.len();
        if let Some(wanted_id) = missing_from {
            return Err(Error::Database {
                operation: "read packets",
                path: self.database.path.clone(),
                cause: format!("messages {wanted_id} to {} of the session are not there", self.last_id),
                hint: "somebody deleted them, or the database is damaged",
                trouble: Trouble::Other,
            });
        }
        if self.messages == 0 && batch.is_empty() {
            return Err(Error::EmptySession { id: self.session.id, database: self.database.path.clone() });
        }
        Ok(())
    }

    /// From ids to numbers in the session.
    fn number_from(&self, batch: &mut Batch) {
        for number in batch.numbers_mut() {
            *number = number.saturating_sub(self.session.first_id);
        }
    }
}

/// Makes batches out of rows again.
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
    /// Append the selected messages of a range of ids to `batch`, each with its id as its number, until it is full or many
    /// were passed over. Gives the last id that was read.
    ///
    /// Ids only grow, so that damaged tables, which can give the same rows again and again, come to an end too.
    pub fn fill(
        &mut self,
        connection: &Connection,
        first_id: i64,
        last_id: i64,
        batch: &mut Batch,
    ) -> rusqlite::Result<Option<i64>> {
        let mut last_read_id = None;
        let mut seen = 0;
        let mut statement = connection.prepare_cached(SELECT)?;
        let mut rows = statement.query(params![first_id, last_id])?;
        while !batch.is_full()
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
                // A name that is too long is not even read.
                let mut statement =
                    connection.prepare_cached("SELECT name FROM topics WHERE id = ? AND octet_length(name) <= ?")?;
                let name = statement
                    .query_row(params![topic_id, TOPIC_MAX_BYTES as i64], |row| {
                        Ok(row.get_ref(0)?.as_bytes()?.to_vec())
                    })
                    .optional()?
                    .ok_or_else(|| damaged("a packet has no topic, or one that is too long"))?;
                let is_selected = self.selection.takes(&envelope::head(&name));
                Ok(unknown.insert(Topic { name, is_selected }))
            }
        }
    }
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
