//! What the messages of each stream of a session have in common, as they are written: rows of `overviews`.

use rusqlite::{Connection, params};

use crate::codec::overview::{OVERVIEW_MESSAGES, STATE_MAX_BYTES, Summary};
use crate::codec::stream::Stream;
use crate::time::clock::NS_PER_S;

/// What was begun so long ago is written, however few messages it has: whoever looks at a recording that goes on finds the rest
/// among the newest messages of all streams.
const AGE_MAX_NS: i64 = 60 * NS_PER_S;

/// How often it is looked for that.
const LOOK_NS: i64 = 10 * NS_PER_S;

/// Sums up the messages of a session, stream by stream.
#[derive(Debug, Default)]
pub(in crate::store) struct Summing {
    /// Whether rows are for a temporary table, which takes the place of some of the real one.
    is_temporary: bool,
    streams: Vec<OfStream>,
    /// What the transaction has changed, as it was before, each stream once.
    before: Vec<(usize, Summary)>,
    /// When it was looked for what is old.
    looked_ns: i64,
    state_bytes: usize,
}

#[derive(Debug)]
struct OfStream {
    summary: Summary,
    is_changed: bool,
}

impl From<Summary> for OfStream {
    fn from(summary: Summary) -> Self {
        Self { summary, is_changed: false }
    }
}

/// A message as it is written.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Added {
    /// The place of its stream, and the row of it.
    pub stream: (usize, i64),
    pub id: i64,
    pub elapsed_ns: i64,
    pub is_decodable: bool,
}

impl Summing {
    /// Into the temporary table `found_overviews`.
    pub fn temporary() -> Self {
        Self { is_temporary: true, ..Self::default() }
    }

    /// A transaction begins: what one that failed has changed is as it was. These are the streams so far.
    pub fn begin(&mut self, streams: &[Stream]) {
        self.roll_back();
        self.streams.extend(streams.iter().skip(self.streams.len()).map(|stream| Summary::new(stream).into()));
    }

    /// The transaction is committed.
    pub fn commit(&mut self) {
        for (place, _) in self.before.drain(..) {
            if let Some(stream) = self.streams.get_mut(place) {
                stream.is_changed = false;
            }
        }
    }

    /// The transaction has failed, if there was one.
    pub fn roll_back(&mut self) {
        for (place, before) in self.before.drain(..) {
            if let Some(stream) = self.streams.get_mut(place) {
                *stream = before.into();
            }
        }
    }

    /// Add a message, with its frames behind the topic.
    pub fn add<'a>(
        &mut self,
        connection: &Connection,
        added: Added,
        frames: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> rusqlite::Result<()> {
        let (place, stream_id) = added.stream;
        let insert = self.insert();
        let Some(summary) = self.change(place) else { return Ok(()) };
        let has_state = summary.has_state();
        summary.add((added.id, added.elapsed_ns), frames, added.is_decodable);
        let more_bytes = if has_state { 0 } else { summary.state_bytes() };
        if summary.messages() >= OVERVIEW_MESSAGES {
            write(connection, insert, stream_id, summary)?;
            summary.restart();
        }
        self.state_bytes += more_bytes;
        Ok(())
    }

    /// Write what became too much or too old. These are the rows of the streams.
    pub fn tidy(&mut self, connection: &Connection, stream_ids: &[i64], elapsed_ns: i64) -> rusqlite::Result<()> {
        let is_too_much = self.state_bytes > STATE_MAX_BYTES;
        if !is_too_much && elapsed_ns.saturating_sub(self.looked_ns) < LOOK_NS {
            return Ok(());
        }
        self.looked_ns = elapsed_ns;
        for (place, &stream_id) in stream_ids.iter().enumerate() {
            let is_due = |summary: &Summary| {
                let begun_ns = summary.begun_ns();
                begun_ns.is_some_and(|begun_ns| is_too_much || elapsed_ns.saturating_sub(begun_ns) >= AGE_MAX_NS)
            };
            if !self.streams.get(place).is_some_and(|stream| is_due(&stream.summary)) {
                continue;
            }
            let insert = self.insert();
            if let Some(summary) = self.change(place) {
                write(connection, insert, stream_id, summary)?;
                summary.forget();
            }
        }
        self.state_bytes = self.streams.iter().map(|stream| stream.summary.state_bytes()).sum();
        Ok(())
    }

    /// Write what is left, at the end of the session. All stays as it is, so that it can be done again.
    pub fn write_rest(&self, connection: &Connection, stream_ids: &[i64]) -> rusqlite::Result<()> {
        let mut all = self.streams.iter().zip(stream_ids);
        all.try_for_each(|(stream, &stream_id)| write(connection, self.insert(), stream_id, &stream.summary))
    }

    /// The statement that inserts a row.
    fn insert(&self) -> &'static str {
        match self.is_temporary {
            true => "INSERT INTO temp.found_overviews VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            false => "INSERT INTO main.overviews VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        }
    }

    /// A stream to change. What it is before the first change of a transaction is kept.
    fn change(&mut self, place: usize) -> Option<&mut Summary> {
        let OfStream { summary, is_changed } = self.streams.get_mut(place)?;
        if !std::mem::replace(is_changed, true) {
            self.before.push((place, summary.clone()));
        }
        Some(summary)
    }
}

/// Insert what was summed up, if there is something.
fn write(connection: &Connection, insert: &'static str, stream_id: i64, summary: &Summary) -> rusqlite::Result<()> {
    let Some(overview) = summary.overview() else { return Ok(()) };
    let mut insert = connection.prepare_cached(insert)?;
    insert.execute(params![
        overview.last,
        stream_id,
        overview.first,
        overview.messages as i64,
        overview.first_elapsed_ns,
        overview.last_elapsed_ns,
        overview.bytes as i64,
        overview.longest_gap_ns,
        overview.ranges,
    ])?;
    Ok(())
}
