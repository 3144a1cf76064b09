//! How much of which stream is in a session.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::error::Result;
use crate::exporter::Watch;
use crate::store::{Asked, Database, Largest, Session, Stamp};
use crate::time::position::Position;

/// How much there is of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// Messages.
    pub messages: u64,
    /// Bytes behind their topics.
    pub bytes: u64,
    /// The same of the first of them.
    pub first_bytes: u64,
    /// When the first one came, since the session began.
    pub first_elapsed_ns: i64,
    /// When the last one came.
    pub last_elapsed_ns: i64,
}

impl Extent {
    /// One message.
    fn of(stamp: Stamp) -> Self {
        let Stamp { bytes, elapsed_ns, .. } = stamp;
        Self { messages: 1, bytes, first_bytes: bytes, first_elapsed_ns: elapsed_ns, last_elapsed_ns: elapsed_ns }
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        let (first, second) = match (self.messages, other.messages) {
            (0, _) => return other,
            (_, 0) => return self,
            _ if other.first_elapsed_ns < self.first_elapsed_ns => (other, self),
            _ => (self, other),
        };
        Self {
            messages: first.messages + second.messages,
            bytes: first.bytes.saturating_add(second.bytes),
            last_elapsed_ns: first.last_elapsed_ns.max(second.last_elapsed_ns),
            ..first
        }
    }
}

/// Count the messages of a part of a session by stream: the row of each stream that has some, and how much there is of it. `each` sees
/// every message.
///
/// # Errors
/// When the database cannot be read, or a stop is asked for.
pub(super) fn by_stream(
    database: &Database,
    session: &Session,
    (from, to): (Option<Position>, Option<Position>),
    counts_frames: bool,
    watch: &Watch<'_>,
    mut each: impl FnMut(&Stamp),
) -> Result<BTreeMap<i64, Extent>> {
    let numbers = database.numbers(session, from, to)?;
    let mut streams = BTreeMap::<i64, Extent>::new();
    begin_measuring(watch, &numbers);
    let asked = Asked { frames: counts_frames, faults: false };
    database.stamps(session, numbers, asked, &mut |done| watch.at(done), |stamp| {
        let so_far = streams.entry(stamp.stream_id).or_default();
        *so_far = so_far.and(Extent::of(stamp));
        each(&stamp);
    })?;
    Ok(streams)
}

/// How large the messages of each stream in a part of a session are at most, by the rows of the streams.
///
/// # Errors
/// When the database cannot be read, or a stop is asked for.
pub(super) fn largest(
    database: &Database,
    session: &Session,
    (from, to): (Option<Position>, Option<Position>),
    watch: &Watch<'_>,
) -> Result<BTreeMap<i64, Largest>> {
    let numbers = database.numbers(session, from, to)?;
    begin_measuring(watch, &numbers);
    database.largest(session, numbers, &mut |done| watch.at(done))
}

fn begin_measuring(watch: &Watch<'_>, numbers: &Range<i64>) {
    watch.begin("measuring: ", numbers.end.max(0).unsigned_abs(), "messages");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_add_up_in_any_order() {
        let of = |bytes, elapsed_ns| {
            Extent::of(Stamp { number: 0, elapsed_ns, stream_id: 1, bytes, frames: 1, is_undecodable: false })
        };
        let (early, late) = (of(10, 1), of(20, 5));
        let both = Extent { messages: 2, bytes: 30, first_bytes: 10, first_elapsed_ns: 1, last_elapsed_ns: 5 };
        assert_eq!(early.and(late), both);
        assert_eq!(late.and(early), both);
        assert_eq!(Extent::default().and(late), late);
        assert_eq!(late.and(Extent::default()), late);
    }
}
