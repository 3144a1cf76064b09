//! A capture that was split is several sessions, of which each one goes on from the one before. Where it is named by its label, all
//! of them are read as one: the numbers and the times of its messages count from the beginning of the first.

use std::collections::{BTreeMap, HashMap};

use rusqlite::params;

use crate::codec::stream::{Key, Stream};
use crate::error::Result;
use crate::observe::tally::Tally;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::read::sessions::{SELECT, Session};
use crate::store::sqlite::untrusted::damage::is_damage;

/// One session of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its number.
    pub id: i64,
    /// The id of its first message.
    pub first_id: i64,
    /// The id of its last message.
    pub last_id: i64,
    /// When it began, since the first part did.
    pub later_ns: i64,
    /// When it began.
    pub started_unix_ns: i64,
}

impl Part {
    /// A time in it as one in the whole capture.
    pub(in crate::store) fn later(self, elapsed_ns: i64) -> i64 {
        elapsed_ns.saturating_add(self.later_ns)
    }
}

/// The parts of a capture, in their order; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    first: Part,
    more: Vec<Part>,
}

impl Parts {
    /// Of a session that stands alone.
    pub(in crate::store) fn one(first: Part) -> Self {
        Self { first, more: Vec::new() }
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Part> + Clone + '_ {
        std::iter::once(self.first).chain(self.more.iter().copied())
    }

    /// How many.
    pub fn count(&self) -> usize {
        1 + self.more.len()
    }

    /// The id of the first message of the first part.
    pub(in crate::store) fn first_id(&self) -> i64 {
        self.first.first_id
    }

    /// The part that a message is of, or would be of.
    pub(in crate::store) fn of(&self, message_id: i64) -> Part {
        let place = self.more.partition_point(|part| part.first_id <= message_id);
        place.checked_sub(1).and_then(|place| self.more.get(place)).copied().unwrap_or(self.first)
    }

    /// Whether a message of this id is the first one of a part.
    pub(in crate::store) fn has_first(&self, message_id: i64) -> bool {
        self.of(message_id).first_id == message_id
    }
}

/// Streams of the parts that are the same one: which row stands for the other rows.
pub(in crate::store) type SameStreams = HashMap<i64, i64>;

impl Session {
    /// `session 3`, or `sessions 3 to 5` of a capture that was split.
    pub fn title(&self) -> String {
        format!("session{} {}", if self.parts.count() > 1 { "s" } else { "" }, self.ids())
    }

    /// `3`, or `3 to 5`.
    pub fn ids(&self) -> String {
        match self.parts.more.last() {
            Some(last) => format!("{} to {}", self.id, last.id),
            None => self.id.to_string(),
        }
    }

    /// A part and all that goes on from it as one.
    pub(super) fn followed_by(self, next: Self) -> Self {
        let later_ns = next.continues.map_or(0, |(_, later_ns)| later_ns);
        let moved = |ns: i64| ns.saturating_add(later_ns);
        let mut parts = self.parts;
        parts.more.extend(next.parts.iter().map(|part| Part { later_ns: moved(part.later_ns), ..part }));
        let last_elapsed_ns = match next.last_id < next.first_id {
            true => self.last_elapsed_ns,
            false => moved(next.last_elapsed_ns),
        };
        let first_elapsed_ns = match self.last_id < self.first_id {
            true => moved(next.first_elapsed_ns),
            false => self.first_elapsed_ns,
        };
        Self {
            parts,
            note: next.note.or(self.note),
            ended_unix_ns: next.ended_unix_ns,
            end_reason: next.end_reason,
            last_id: next.last_id,
            first_elapsed_ns,
            last_elapsed_ns,
            duration_ns: last_elapsed_ns.saturating_sub(first_elapsed_ns),
            tally: Tally {
                messages: self.tally.messages.saturating_add(next.tally.messages),
                undecodable: self.tally.undecodable.saturating_add(next.tally.undecodable),
                unwanted: self.tally.unwanted.saturating_add(next.tally.unwanted),
                lost: self.tally.lost.saturating_add(next.tally.lost),
                bytes: self.tally.bytes.saturating_add(next.tally.bytes),
            },
            ..self
        }
    }
}

impl Database {
    /// The session with this id alone; `None` if it is not there, or damaged.
    pub(super) fn part(&self, id: i64) -> Result<Option<Session>> {
        match self.first(&format!("{SELECT} WHERE id = ?1"), params![id]) {
            Err(cause) if is_damage(&cause) => {
                tracing::warn!(
                    "session {id} of {} is damaged, and what it goes on from is left out",
                    self.path.display()
                );
                Ok(None)
            }
            found => found.map_err(self.failed("read the sessions")),
        }
    }

    /// The sessions that a capture was split into, each for itself.
    ///
    /// # Errors
    /// When the database cannot be read, or one is not there any more.
    pub fn parts(&self, session: &Session) -> Result<Vec<Session>> {
        session.parts.iter().map(|part| self.find_session(&part.id.to_string())).collect()
    }

    /// Which streams of the parts stand for others.
    pub(in crate::store) fn aliases(&self, session: &Session) -> Result<SameStreams> {
        if session.parts.count() == 1 { Ok(SameStreams::new()) } else { Ok(self.same_streams(session)?.1) }
    }

    /// The streams of all parts, and which of them stand for others.
    pub(in crate::store) fn same_streams(&self, session: &Session) -> Result<(BTreeMap<i64, Stream>, SameStreams)> {
        let (mut streams, mut same) = (BTreeMap::<i64, Stream>::new(), SameStreams::new());
        let mut known = HashMap::<Key, Vec<i64>>::new();
        for part in session.parts.iter() {
            for (id, stream) in self.streams_of(part.id)? {
                if session.parts.count() == 1 {
                    streams.insert(id, stream);
                    continue;
                }
                let rows = known.entry(stream.key()).or_default();
                match rows.iter().find(|row| streams.get(*row) == Some(&stream)) {
                    Some(row) => drop(same.insert(id, *row)),
                    None => {
                        rows.push(id);
                        streams.insert(id, stream);
                    }
                }
            }
        }
        Ok((streams, same))
    }
}
