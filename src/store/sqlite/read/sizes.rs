//! How large the messages of each stream are at most.

use std::collections::BTreeMap;
use std::ops::Range;

use rusqlite::params;

use crate::error::Result;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::read::sessions::Session;
use crate::store::sqlite::read::stamps::{Asked, OPERATION, READ_MESSAGES};
use crate::store::sqlite::untrusted::damage::sound;

/// How large messages are at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Largest {
    /// Frames behind the topic.
    pub frames: u64,
    /// Bytes in them together.
    pub bytes: u64,
}

impl Largest {
    fn add(&mut self, other: Self) {
        self.frames = self.frames.max(other.frames);
        self.bytes = self.bytes.max(other.bytes);
    }
}

/// Messages that lie together: of which streams they are, how large, and whether some have several frames.
const SELECT: &str = "SELECT min(stream_id), max(stream_id), coalesce(max(length(payload)), 0), count(parts) \
     FROM messages WHERE id BETWEEN ?1 AND ?2";

impl Database {
    /// How large the messages of a session with these numbers are at most, by the rows of their streams, as far as they can be
    /// read. `at` is told up to which number messages were passed, again and again, and can end it.
    ///
    /// # Errors
    /// When the database cannot be read, or what `at` ends it with.
    pub fn largest(
        &self,
        session: &Session,
        numbers: Range<i64>,
        at: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<BTreeMap<i64, Largest>> {
        let same = self.aliases(session)?;
        let mut streams = BTreeMap::<i64, Largest>::new();
        let (mut next_id, last_id) = session.id_range(numbers).into_inner();
        let number = |id: i64| id.saturating_sub(session.first_id);
        // A damaged session may claim more ids than can be tried, so it is asked which ones are there.
        while let Some(first) =
            self.bounded(0, || sound(self.first_stamp(next_id, last_id))).map_err(self.failed(OPERATION))?
        {
            let Some((first_id, _)) = first else { return Ok(streams) };
            let end_id = first_id.saturating_add(READ_MESSAGES - 1).min(last_id);
            let found = self.bounded(READ_MESSAGES, || sound(self.of_one_stream(first_id, end_id)));
            match found.map_err(self.failed(OPERATION))?.flatten() {
                Some((stream_id, largest)) => {
                    streams.entry(same.get(&stream_id).copied().unwrap_or(stream_id)).or_default().add(largest);
                }
                None => self.add_each(session, number(first_id)..number(end_id).saturating_add(1), at, &mut streams)?,
            }
            next_id = end_id.saturating_add(1);
            at(number(next_id).unsigned_abs())?;
        }
        // There is damage right here.
        self.add_each(session, number(next_id)..number(last_id).saturating_add(1), at, &mut streams)?;
        Ok(streams)
    }

    /// Look at messages one by one.
    fn add_each(
        &self,
        session: &Session,
        numbers: Range<i64>,
        at: &mut dyn FnMut(u64) -> Result<()>,
        streams: &mut BTreeMap<i64, Largest>,
    ) -> Result<()> {
        let asked = Asked { frames: true, faults: false };
        let passed = self.stamps(session, numbers, asked, at, |stamp| {
            let largest = Largest { frames: stamp.frames, bytes: stamp.bytes };
            streams.entry(stamp.stream_id).or_default().add(largest);
        });
        passed.map(|_| ())
    }

    /// How large messages are, if all are of one stream and of one frame.
    fn of_one_stream(&self, first_id: i64, last_id: i64) -> rusqlite::Result<Option<(i64, Largest)>> {
        let mut statement = self.connection.prepare_cached(SELECT)?;
        statement.query_row(params![first_id, last_id], |row| {
            let [first, last]: [Option<i64>; 2] = [row.get(0)?, row.get(1)?];
            let (bytes, of_several): (i64, i64) = (row.get(2)?, row.get(3)?);
            let is_one = first == last && of_several == 0;
            let largest = Largest { frames: 1, bytes: bytes.max(0).unsigned_abs() };
            Ok(first.filter(|_| is_one).map(|stream_id| (stream_id, largest)))
        })
    }
}
