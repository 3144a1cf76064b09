//! When the messages of a session came, how large they were and in which stream: without what was in them, which takes
//! most of the time.

use std::ops::Range;

use rusqlite::{OptionalExtension, params};

use crate::codec::stream::lengths;
use crate::error::Result;
use crate::message::{Gap, Gaps};
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::read::sessions::Session;
use crate::store::sqlite::untrusted::damage::{id_from, is_damage, pass_over};
use crate::time::position::{Place, Position};

/// Messages that are read at once: a longer transaction would keep a recorder from reusing its log.
pub(super) const READ_MESSAGES: i64 = 100_000;

/// What is done here, for an error.
pub(super) const OPERATION: &str = "read the times of messages";

/// SQLite knows how long a payload is without reading it. The lengths of its frames lie behind it.
const SELECT: &str = "SELECT id, elapsed_ns, stream_id, length(payload), \
     ?5 AND EXISTS (SELECT 1 FROM faults WHERE message_id = messages.id), iif(?4 AND parts IS NOT NULL, parts, NULL) FROM messages WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3";

/// When a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its number in the session, from 0.
    pub number: i64,
    /// Since the session began.
    pub elapsed_ns: i64,
    /// The row of its stream.
    pub stream_id: i64,
    /// Bytes behind its topic.
    pub bytes: u64,
    /// Frames behind its topic, where they are counted; else 1.
    pub frames: u64,
    /// Whether its layout cannot read it, where that is asked; else `false`.
    pub is_undecodable: bool,
}

/// What else is asked of each message: it takes time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// How many frames it has: the large ones that have several are read for that.
    pub frames: bool,
    /// Whether its layout can read it.
    pub faults: bool,
}

impl Database {
    /// Give the stamps of the messages of a session with these numbers to `take`, in the order of arrival, as far as they can be
    /// read: no digest proves them. `at` is told up to which number messages were passed, again and again, and can end it. Gives
    /// the ranges of numbers that cannot be read.
    ///
    /// # Errors
    /// When the database cannot be read, or what `at` ends it with.
    pub fn stamps(
        &self,
        session: &Session,
        numbers: Range<i64>,
        asked: Asked,
        at: &mut dyn FnMut(u64) -> Result<()>,
        mut take: impl FnMut(Stamp),
    ) -> Result<Gaps> {
        let same = self.aliases(session)?;
        let (mut next_id, last_id) = session.id_range(numbers).into_inner();
        let (mut gaps, mut elapsed_ns) = (Gaps::default(), Some(0));
        let later_ns = |id: i64, elapsed_ns: i64| session.parts.of(id).later(elapsed_ns);
        let number = |id: i64| id.saturating_sub(session.first_id);
        loop {
            let from_id = next_id;
            // A damaged session may claim more ids than can be tried, so only those that are there are counted.
            let read = || {
                self.read_stamps(session, asked, (&mut next_id, last_id), &mut |stamp| {
                    let id = session.first_id.saturating_add(stamp.number);
                    let stamp = Stamp {
                        elapsed_ns: later_ns(id, stamp.elapsed_ns),
                        stream_id: same.get(&stamp.stream_id).copied().unwrap_or(stamp.stream_id),
                        ..stamp
                    };
                    elapsed_ns = Some(stamp.elapsed_ns);
                    take(stamp);
                })
            };
            match self.bounded(READ_MESSAGES, read) {
                Err(cause) if is_damage(&cause) => {
                    let ask = |id| self.first_stamp(id, last_id);
                    let found = self.bounded(0, || pass_over(next_id, last_id, ask)).map_err(self.failed(OPERATION))?;
                    let found = found.and_then(|(_, found)| found);
                    let last_id = found.map_or(last_id, |(id, _)| id.saturating_sub(1));
                    let until_elapsed_ns = found.map(|(id, elapsed_ns)| later_ns(id, elapsed_ns));
                    gaps.add(Gap {
                        first_number: number(next_id),
                        last_number: number(last_id),
                        elapsed_ns,
                        until_elapsed_ns,
                    });
                    next_id = last_id.saturating_add(1);
                }
                read => read.map_err(self.failed(OPERATION))?,
            }
            if next_id == from_id || next_id > last_id {
                return Ok(gaps);
            }
            at(number(next_id).unsigned_abs())?;
        }
    }

    /// When the first message at or behind a position came, since the session began; behind the last one, a nanosecond after it. A
    /// position that is a time since then is that time, whether there is a message or not.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn elapsed_at(&self, session: &Session, position: Position) -> Result<i64> {
        if let Place::Elapsed(elapsed_ns) = position.place(session.started_unix_ns, session.last_elapsed_ns) {
            return Ok(elapsed_ns);
        }
        let id = self.locate(session, position)?;
        let ask = |id| self.first_stamp(id, session.last_id);
        let find = || match ask(id) {
            Err(cause) if is_damage(&cause) => Ok(pass_over(id, session.last_id, ask)?.and_then(|(_, found)| found)),
            found => found,
        };
        let found = self.bounded(0, find).map_err(self.failed(OPERATION))?;
        let behind_ns = session.last_elapsed_ns.saturating_add(1);
        Ok(found.map_or(behind_ns, |(id, elapsed_ns)| session.parts.of(id).later(elapsed_ns)))
    }

    /// From when to before when a part of a session is, since the session began.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn window(&self, session: &Session, from: Option<Position>, to: Option<Position>) -> Result<Range<i64>> {
        let at = |position| self.elapsed_at(session, position);
        let from_ns = from.map_or(Ok(session.first_elapsed_ns), at)?;
        let to_ns = to.map_or_else(|| Ok(session.last_elapsed_ns.saturating_add(1)), at)?;
        Ok(from_ns..to_ns.max(from_ns))
    }

    /// Read some stamps from an id on, and move it behind the last one.
    fn read_stamps(
        &self,
        session: &Session,
        asked: Asked,
        (next_id, last_id): (&mut i64, i64),
        take: &mut dyn FnMut(Stamp),
    ) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(SELECT)?;
        let mut rows = statement.query(params![*next_id, last_id, READ_MESSAGES, asked.frames, asked.faults])?;
        while let Some(row) = rows.next()? {
            let id = id_from(row, *next_id)?;
            let bytes = row.get::<_, Option<i64>>(3)?.unwrap_or_default().unsigned_abs();
            let number = id.saturating_sub(session.first_id);
            let (elapsed_ns, stream_id) = (row.get(1)?, row.get(2)?);
            let frames = row.get_ref(5)?.as_bytes_or_null()?.map_or(1, |parts| lengths(parts).count() as u64);
            take(Stamp { number, elapsed_ns, stream_id, bytes, frames, is_undecodable: row.get(4)? });
            *next_id = id.saturating_add(1);
        }
        Ok(())
    }

    /// The id and the time of the first message at or behind an id, and up to another.
    pub(super) fn first_stamp(&self, id: i64, last_id: i64) -> rusqlite::Result<Option<(i64, i64)>> {
        let mut statement = self.connection.prepare_cached(SELECT)?;
        let stamp =
            statement.query_row(params![id, last_id, 1, false, false], |row| Ok((id_from(row, id)?, row.get(1)?)));
        stamp.optional()
    }
}
