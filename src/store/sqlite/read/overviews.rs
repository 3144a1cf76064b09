//! What the messages of a session have in common, 256 of a stream at a time: a session is looked through 200 times faster so.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use rusqlite::{Row, params};

use crate::codec::overview::{OVERVIEW_MESSAGES, Overview};
use crate::error::Result;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::read::sessions::Session;
use crate::store::sqlite::untrusted::damage::{id_from, sound};

/// Overviews that are read at once: a longer transaction would keep a recorder from reusing its log.
const READ_OVERVIEWS: i64 = 20_000;

const SELECT: &str = "SELECT last_id, stream_id, first_id, messages, first_elapsed_ns, last_elapsed_ns, bytes, longest_gap_ns, ranges \
     FROM overviews WHERE last_id BETWEEN ?1 AND ?2 ORDER BY last_id LIMIT ?3";

/// From which columns an overview is, whose messages are counted by their ids, and the row of its stream. `None` where it is none
/// that a recorder can have written.
pub(in crate::store) fn from_row(row: &Row<'_>) -> rusqlite::Result<Option<(i64, Overview)>> {
    let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    let overview = Overview {
        first: row.get(2)?,
        last: row.get(0)?,
        messages: count(3)?,
        first_elapsed_ns: row.get(4)?,
        last_elapsed_ns: row.get(5)?,
        bytes: count(6)?,
        longest_gap_ns: row.get(7)?,
        ranges: row.get(8)?,
    };
    let spanned = overview.last.saturating_sub(overview.first).saturating_add(1);
    let can_be = (1..=OVERVIEW_MESSAGES).contains(&overview.messages) && spanned >= overview.messages as i64;
    Ok(can_be.then_some((row.get(1)?, overview)))
}

impl Database {
    /// Give `take` the overviews that have messages with these numbers, in the order of their last messages, with the rows of their
    /// streams; their messages are counted by their numbers in the session. Between two of a stream it has no message. Behind the
    /// last one it may have some: as long as the session is being recorded, and where it was interrupted or is damaged. No digest
    /// proves them.
    ///
    /// # Errors
    /// When the database cannot be read, or what `take` ends it with.
    pub fn overviews(
        &self,
        session: &Session,
        numbers: Range<i64>,
        take: &mut dyn FnMut(i64, Overview) -> Result<()>,
    ) -> Result<()> {
        let same = self.aliases(session)?;
        let mut open: BTreeSet<i64> = self.streams(session)?.into_keys().collect();
        let id = |number: i64| session.first_id.saturating_add(number);
        let number = |id: i64| id.saturating_sub(session.first_id);
        // What came before the first message of a stream in a part is known from the rows before.
        let mut next_id =
            if session.parts.count() > 1 { session.parts.of(id(numbers.start)).first_id } else { id(numbers.start) };
        let mut before = HashMap::<i64, (i64, i64)>::new();
        while !open.is_empty() && next_id <= session.last_id {
            let read = || sound(self.read_overviews(next_id, session.last_id));
            let found = self.bounded(READ_OVERVIEWS, read).map_err(self.failed("read overviews"))?;
            let Some((rows, last_id)) = found else { return Ok(()) };
            for (stream_id, overview) in rows {
                let part = session.parts.of(overview.last);
                let stream_id = same.get(&stream_id).copied().unwrap_or(stream_id);
                let mut overview = Overview {
                    first: number(overview.first),
                    last: number(overview.last),
                    first_elapsed_ns: part.later(overview.first_elapsed_ns),
                    last_elapsed_ns: part.later(overview.last_elapsed_ns),
                    ..overview
                };
                let known = before.insert(stream_id, (part.id, overview.last_elapsed_ns));
                if part.later_ns > 0 && known.is_none_or(|(part_id, _)| part_id != part.id) {
                    // Where that is not known, it is no longer than this.
                    let before_ns = known.map_or(0, |(_, elapsed_ns)| elapsed_ns);
                    let gap_ns = overview.first_elapsed_ns.saturating_sub(before_ns);
                    overview.longest_gap_ns = overview.longest_gap_ns.max(gap_ns);
                }
                if overview.last >= numbers.end.saturating_sub(1) {
                    open.remove(&stream_id);
                }
                if overview.last >= numbers.start && overview.first < numbers.end {
                    take(stream_id, overview)?;
                }
            }
            next_id = last_id.map_or(i64::MAX, |last_id| last_id.saturating_add(1));
        }
        Ok(())
    }

    /// Read some overviews. Gives the id of the last one too, if there may be more.
    #[expect(clippy::type_complexity, reason = "rows, and where to go on")]
    fn read_overviews(&self, from_id: i64, to_id: i64) -> rusqlite::Result<(Vec<(i64, Overview)>, Option<i64>)> {
        let mut statement = self.connection.prepare_cached(SELECT)?;
        let mut rows = statement.query(params![from_id, to_id, READ_OVERVIEWS])?;
        let (mut found, mut last_id, mut count) = (Vec::new(), from_id, 0);
        while let Some(row) = rows.next()? {
            last_id = id_from(row, last_id)?;
            count += 1;
            found.extend(from_row(row)?);
        }
        Ok((found, (count == READ_OVERVIEWS).then_some(last_id)))
    }

    /// The overviews that end among these ids, by the ids.
    pub(in crate::store) fn overviews_between(
        &self,
        first_id: i64,
        last_id: i64,
    ) -> rusqlite::Result<BTreeMap<i64, Option<(i64, Overview)>>> {
        let mut statement = self.connection.prepare_cached(SELECT)?;
        let mut rows =
            statement.query(params![first_id, last_id, last_id.saturating_sub(first_id).saturating_add(1)])?;
        let mut found = BTreeMap::new();
        while let Some(row) = rows.next()? {
            found.insert(row.get(0)?, from_row(row)?);
        }
        Ok(found)
    }
}
