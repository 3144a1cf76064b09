//! How much of which topic is in a session, counted from its packets.

use std::collections::BTreeMap;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension, params};

use crate::error::Result;
use crate::store::packets::WINDOW_IDS;
use crate::store::{Database, Session};

/// How much there is of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Packets.
    pub packets: u64,
    /// Bytes of samples in them.
    pub bytes: u64,
    /// Bytes of samples in the first of them.
    pub first_bytes: u64,
    /// When the first one came, since the session began.
    pub first_elapsed_ns: i64,
    /// When the last one came.
    pub last_elapsed_ns: i64,
}

impl Extent {
    /// One packet.
    fn of(bytes: i64, elapsed_ns: i64) -> Self {
        let bytes = bytes.unsigned_abs();
        Self { packets: 1, bytes, first_bytes: bytes, first_elapsed_ns: elapsed_ns, last_elapsed_ns: elapsed_ns }
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        let (first, second) = match (self.packets, other.packets) {
            (0, _) => return other,
            (_, 0) => return self,
            _ if other.first_elapsed_ns < self.first_elapsed_ns => (other, self),
            _ => (self, other),
        };
        Self {
            packets: first.packets + second.packets,
            bytes: first.bytes + second.bytes,
            last_elapsed_ns: first.last_elapsed_ns.max(second.last_elapsed_ns),
            ..first
        }
    }
}

impl Database {
    /// Count the packets of a session by topic: the id of each topic that occurs, and how much there is of it. `at` is
    /// told how many messages were looked at, again and again, and can end it.
    ///
    /// # Errors
    /// When the database cannot be read, or what `at` ends it with.
    pub fn survey(&self, session: &Session, at: &mut dyn FnMut(u64) -> Result<()>) -> Result<BTreeMap<i64, Extent>> {
        let mut topics = BTreeMap::new();
        let mut next_id = session.first_id;
        while next_id <= session.last_id {
            let window_end = next_id.saturating_add(WINDOW_IDS - 1).min(session.last_id);
            let window = || self.survey_window(next_id, window_end, &mut topics);
            let is_empty = self.bounded(WINDOW_IDS, window).map_err(self.failed("count packets"))? == 0;
            if window_end == i64::MAX {
                break;
            }
            next_id = match is_empty {
                true => self.next_message(window_end)?.unwrap_or(i64::MAX),
                false => window_end.saturating_add(1),
            };
            at(next_id.saturating_sub(session.first_id).unsigned_abs())?;
        }
        Ok(topics)
    }

    fn survey_window(&self, first_id: i64, last_id: i64, topics: &mut BTreeMap<i64, Extent>) -> rusqlite::Result<u64> {
        let sql = "SELECT topic_id, length(payload), elapsed_ns FROM packets WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![first_id, last_id])?;
        let mut packets = 0;
        while let Some(row) = rows.next()? {
            packets += 1;
            let so_far = topics.entry(row.get(0)?).or_default();
            *so_far = so_far.and(Extent::of(row.get(1)?, row.get(2)?));
        }
        Ok(packets)
    }

    /// The first message behind this id, if there is one. A damaged session may claim more ids than can be tried.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn next_message(&self, id: i64) -> Result<Option<i64>> {
        let sql = "SELECT min(id) FROM (SELECT min(id) AS id FROM packets WHERE id > ?1 \
             UNION ALL SELECT min(id) FROM rejects WHERE id > ?1)";
        let read = || self.connection.query_row(sql, [id], |row| row.get(0));
        self.bounded(0, read).map_err(self.failed("find a message"))
    }

    /// The id of a topic, if the database knows it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn topic_id(&self, name: &[u8]) -> Result<Option<i64>> {
        let name = ToSqlOutput::Borrowed(ValueRef::Text(name));
        self.connection
            .query_row("SELECT id FROM topics WHERE name = ?1", params![name], |row| row.get(0))
            .optional()
            .map_err(self.failed("read a topic"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_add_up_in_any_order() {
        let (early, late) = (Extent::of(10, 1), Extent::of(20, 5));
        let both = Extent { packets: 2, bytes: 30, first_bytes: 10, first_elapsed_ns: 1, last_elapsed_ns: 5 };
        assert_eq!(early.and(late), both);
        assert_eq!(late.and(early), both);
        assert_eq!(Extent::default().and(late), late);
        assert_eq!(late.and(Extent::default()), late);
    }
}
