//! Reading a session: its messages in the order of their arrival, batch by batch.

use rusqlite::{OptionalExtension, params};

use crate::batch::{BATCH_MAX_BYTES, Batch};
use crate::envelope;
use crate::error::{Error, Result, Trouble};
use crate::position::Position;
use crate::store::rows::{Rows, Selection};
use crate::store::{Database, Session};

/// A batch that is read is full with so many bytes: less than one that is recorded, as one more message, which may be large,
/// makes it larger, and several are on their way to whoever plays them.
const FULL_BYTES: usize = BATCH_MAX_BYTES / 8 * 3;

/// Messages that are read at once to find the one before.
const BACKWARDS_MESSAGES: i64 = 1_000;

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
    /// From this id on there was nothing.
    gone_from: Option<i64>,
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
            rows: Rows::new(selection),
            messages: 0,
            gone_from: None,
        };
        let at = |position: Option<Position>| position.map(|position| reader.locate(position)).transpose();
        let (from, to) = (at(selection.from)?, at(selection.to)?);
        reader.first_id = from.unwrap_or(reader.first_id).max(reader.first_id);
        reader.last_id = to.map_or(reader.last_id, |id| id.saturating_sub(1)).min(reader.last_id);
        reader.next_id = Some(reader.first_id);
        if reader.first_id > reader.last_id {
            return Err(reader.nothing());
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
        let fill = || rows.fill(&database.connection, first_id, last_id, FULL_BYTES, batch);
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
    /// # Errors
    /// When the database cannot be read or is damaged, or messages at the end of the selection are not there.
    pub fn read(&mut self, batch: &mut Batch) -> Result<()> {
        while batch.is_empty() && self.step(batch)? {}
        match (batch.is_empty(), self.gone_from, self.messages) {
            (true, Some(id), _) => Err(self.gone(id)),
            (true, None, 0) => Err(self.nothing()),
            _ => Ok(()),
        }
    }

    /// Append to the empty `batch` what is there of the next messages, which may be nothing if many were passed over. Says
    /// whether that was not the end.
    ///
    /// Each call is a read transaction of its own: a longer one would keep a recorder from reusing its log.
    ///
    /// # Errors
    /// When the database cannot be read or is damaged.
    pub fn step(&mut self, batch: &mut Batch) -> Result<bool> {
        let Some(next_id) = self.next_id.filter(|id| *id <= self.last_id) else { return Ok(false) };
        let last_read_id = self.fill(next_id, self.last_id, batch)?;
        if last_read_id.is_none() {
            self.gone_from = Some(next_id);
        }
        self.next_id = last_read_id.and_then(|id| id.checked_add(1));
        self.number_from(batch);
        self.messages += batch.len();
        Ok(last_read_id.is_some())
    }

    /// How many messages of the selection were passed so far, those that are not selected included.
    pub fn passed(&self) -> u64 {
        self.next_id.unwrap_or(self.last_id.saturating_add(1)).saturating_sub(self.first_id).unsigned_abs()
    }

    /// The error that the messages from this id on are not there.
    pub fn gone(&self, from_id: i64) -> Error {
        Error::Database {
            operation: "read packets",
            path: self.database.path.clone(),
            cause: format!("messages {from_id} to {} of the session are not there", self.last_id),
            hint: "somebody deleted them, or the database is damaged",
            trouble: Trouble::Other,
        }
    }

    /// The error that there is nothing to read.
    fn nothing(&self) -> Error {
        let (id, database) = (self.session.id, self.database.path.clone());
        match self.session.is_empty() {
            true => Error::EmptySession { id, database },
            false => Error::EmptySelection { id, database },
        }
    }

    /// From ids to numbers in the session.
    fn number_from(&self, batch: &mut Batch) {
        for number in batch.numbers_mut() {
            *number = number.saturating_sub(self.session.first_id);
        }
    }
}
