//! Standing elsewhere in a session, at a position or before a message; and looking at rows that no digest proves.

use std::ops::Range;

use rusqlite::{OptionalExtension, params};

use crate::error::Result;
use crate::message::{Batch, Mark};
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::read::reader::Reader;
use crate::store::sqlite::read::sessions::Session;
use crate::store::sqlite::untrusted::damage::{is_damage, lowest, pass_over, sound};
use crate::store::sqlite::untrusted::foreign::damaged;
use crate::time::position::{Place, Position};

/// Messages that are read at once to find the one before. Twice as many if there is none among them, and so on.
const BACKWARDS_MESSAGES: i64 = 1_000;

impl Reader {
    /// Stand before the message at this position, or at the end that is nearer to it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn seek(&mut self, position: Position) -> Result<()> {
        let id = self.database.locate(&self.session, position)?.clamp(self.first_id, self.last_id);
        self.go_to(id);
        self.has_jumped = true;
        Ok(())
    }

    /// Stand before the message of this number, and end before that of another one.
    pub fn go_between(&mut self, numbers: &Range<i64>) {
        let id = |number: i64| self.session.first_id.saturating_add(number);
        let (first_id, last_id) = (id(numbers.start).max(self.first_id), id(numbers.end).saturating_sub(1));
        self.last_id = last_id.min(self.session.last_id);
        self.go_to(first_id);
        self.has_jumped = true;
    }

    /// Stand behind the commit of the message of this number, and behind those that follow until they are so many messages; gives
    /// the number of the next message. A commit is read as a whole, so that parts which end there share none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn pass_commits(&mut self, number: i64, messages: i64) -> Result<i64> {
        let first_id = self.session.first_id.saturating_add(number);
        if self.next_id != Some(first_id) {
            self.go_to(first_id);
        }
        let mut next_id = first_id;
        while next_id.saturating_sub(first_id) < messages && next_id <= self.last_id {
            let commit = self.commits.next(&self.database, next_id).map_err(self.database.failed("read messages"))?;
            self.commits.pass();
            next_id = commit.map_or(self.last_id, |commit| commit.last_id).saturating_add(1);
        }
        self.next_id = Some(next_id);
        Ok(next_id.min(self.last_id.saturating_add(1)).saturating_sub(self.session.first_id))
    }

    /// Append the messages of these numbers as their rows have them, which no digest proves. Says whether all are there and fit:
    /// otherwise what was appended is of no use.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn glance(&mut self, numbers: &Range<i64>, batch: &mut Batch) -> Result<bool> {
        let id = |number: i64| self.session.first_id.saturating_add(number);
        let (first_id, last_id) = (id(numbers.start), id(numbers.end).saturating_sub(1));
        let part = self.session.parts.of(first_id);
        if part != self.session.parts.of(last_id) {
            return Ok(false);
        }
        let rest = sound(self.at_one_moment(|reader| reader.fill(first_id, last_id, batch)));
        let is_whole = rest.map_err(self.database.failed("read messages"))? == Some(None);
        if is_whole {
            self.place(part, Mark::default(), batch);
        }
        Ok(is_whole)
    }

    /// Stand before the last message with a number below this one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn seek_before(&mut self, number: i64) -> Result<()> {
        let mut end_id = self.session.first_id.saturating_add(number).min(self.last_id.saturating_add(1));
        let (mut messages, mut found) = (BACKWARDS_MESSAGES, None);
        // Messages that are not selected, or damaged, are passed over.
        while found.is_none() && end_id > self.first_id {
            let begin_id = end_id.saturating_sub(messages).max(self.first_id);
            found = self.last_number(begin_id, end_id.saturating_sub(1))?;
            end_id = begin_id;
            messages = messages.saturating_mul(2);
        }
        self.go_to(found.map_or(self.first_id, |number| self.session.first_id.saturating_add(number)));
        self.has_jumped = true;
        Ok(())
    }

    /// The number of the last message in a range of ids that is given.
    fn last_number(&mut self, first_id: i64, last_id: i64) -> Result<Option<i64>> {
        let (mut batch, mut last_number) = (Batch::default(), None);
        let end_id = std::mem::replace(&mut self.last_id, last_id);
        self.go_to(first_id);
        let mut read = || -> Result<()> {
            while self.step(&mut batch)? {
                last_number = batch.numbers().last().copied().or(last_number);
                batch.clear();
            }
            Ok(())
        };
        let done = read();
        self.last_id = end_id;
        done.map(|()| last_number)
    }
}

impl Database {
    /// The numbers of the messages of a session from one position to before another.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn numbers(&self, session: &Session, from: Option<Position>, to: Option<Position>) -> Result<Range<i64>> {
        let number = |position: Position| Ok(self.locate(session, position)?.saturating_sub(session.first_id));
        let behind = session.last_id.saturating_add(1).saturating_sub(session.first_id);
        Ok(from.map_or(Ok(0), number)?..to.map_or(Ok(behind), number)?)
    }

    /// The id of the first message at or after a position: a binary search over the ids, which are in the order of time.
    pub(in crate::store) fn locate(&self, session: &Session, position: Position) -> Result<i64> {
        let (first_id, mut last_id) = (session.first_id, session.last_id);
        let (column, first_id, wanted) = match position.place(session.started_unix_ns, session.last_elapsed_ns) {
            Place::Number(number) => return Ok(first_id.saturating_add(number)),
            Place::Elapsed(elapsed_ns) => {
                // Those of a part that begins later are later too.
                let part = session.parts.iter().rfind(|part| part.later_ns <= elapsed_ns);
                let found = part.map_or((first_id, elapsed_ns), |part| {
                    last_id = last_id.min(part.last_id);
                    (part.first_id, elapsed_ns.saturating_sub(part.later_ns))
                });
                ("elapsed_ns", found.0, found.1)
            }
            Place::Unix(unix_ns) => ("received_unix_ns", first_id, unix_ns),
        };
        // The next message at or after an id, and its time.
        let sql = format!("SELECT id, {column} FROM messages WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT 1");
        let next = |id: i64| -> rusqlite::Result<Option<(i64, i64)>> {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let found = statement.query_row(params![id, last_id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            match found {
                Some((found_id, _)) if found_id < id => Err(damaged("its messages are out of order")),
                found => Ok(found),
            }
        };
        let too_early = |id| {
            // Of what is damaged, the time of the next message behind it is taken.
            let found = match next(id) {
                Err(cause) if is_damage(&cause) => pass_over(id, last_id, next)?.and_then(|(_, found)| found),
                found => found?,
            };
            Ok(found.and_then(|(id, time)| (time < wanted).then_some(id)))
        };
        let search = || lowest(first_id, last_id.saturating_add(1), too_early);
        self.bounded(0, search).map_err(self.failed("find a position"))
    }
}
