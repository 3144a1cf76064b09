//! Messages and events into tables: one row each.

use std::collections::BTreeMap;

use rusqlite::blob::ZeroBlob;
use rusqlite::{Connection, Transaction, params};

use crate::codec::stream::{Stream, list_of_lengths, stored};
use crate::codec::topic::printable;
use crate::message::Batch;
use crate::observe::event::{Event, Kind, Phase};
use crate::observe::tally::Tally;
use crate::store::sqlite::fields::fields;
use crate::store::sqlite::write::summing::{Added, Summing};
use crate::streams::Sorted;

/// A message of several frames with this many bytes is not put together in memory: SQLite makes a place for it, into which the
/// frames are written.
const IN_PLACE_MIN_BYTES: usize = 16 << 20;

/// What has begun and is not over, by its kind and endpoint: the entry of the ledger, and its row.
pub(in crate::store) type Begun = BTreeMap<(Kind, String), (Event, i64)>;

/// Rows of links that were down and are up again, and of which nobody knows yet what was lost meanwhile.
pub(in crate::store) type Breaks = BTreeMap<String, i64>;

/// An entry of the ledger, and its session before it.
pub(in crate::store) const INSERT_EVENT: &str = "INSERT INTO events \
    (session_id, unix_ns, elapsed_ns, until_elapsed_ns, kind, endpoint, peer, lost, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Insert an entry of the ledger. Gives its row.
pub(in crate::store) fn insert_event(connection: &Connection, session_id: i64, event: &Event) -> rusqlite::Result<i64> {
    connection.prepare_cached(INSERT_EVENT)?.execute(params![
        session_id,
        event.unix_ns,
        event.elapsed_ns,
        event.until_elapsed_ns,
        event.kind.name(),
        event.endpoint,
        event.peer,
        event.lost.map(|lost| lost as i64),
        event.detail,
    ])?;
    Ok(connection.last_insert_rowid())
}

/// Times in which messages may have been missed, and nobody knows how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// A device's own numbers jumped.
    pub jumps: u64,
    /// A link was down and came up again, or the connection of a peer broke.
    pub gaps: u64,
    /// The recorder itself did not run.
    pub stalls: u64,
}

/// What is written in one transaction.
#[derive(Clone, Copy, Debug)]
pub struct ToCommit<'a> {
    /// The messages.
    pub batch: &'a Batch,
    /// The streams of the session so far.
    pub streams: &'a [Stream],
    /// Which of them each message belongs to.
    pub sorted: &'a Sorted,
    /// Messages that nobody had asked for, and that came beside these.
    pub unwanted: u64,
    /// Entries of the ledger.
    pub events: &'a [Event],
    /// One more that has just ended.
    pub ended: Option<&'a Event>,
}

/// Puts messages into tables, inside one transaction.
pub(in crate::store) struct Insertion<'a> {
    pub transaction: &'a Transaction<'a>,
    pub session_id: i64,
    /// The rows of those streams that have one.
    pub stream_ids: &'a mut Vec<i64>,
    /// What their messages have in common.
    pub summing: &'a mut Summing,
    /// The totals before, and then with all that was inserted.
    pub tally: Tally,
    /// What had begun and was not over before, and then what is so.
    pub begun: Begun,
    /// The last time that each link was down, by its endpoint: the row, as long as its loss is not known.
    pub breaks: Breaks,
    /// Times in which messages may have been missed, before and then with those that were inserted.
    pub missed: Missed,
}

/// What the statement that inserts messages has for the next one.
struct Bound {
    stream_id: Option<i64>,
    has_parts: bool,
}

impl Insertion<'_> {
    /// Insert all messages and events.
    pub fn insert(&mut self, what: &ToCommit<'_>, first_id: i64) -> rusqlite::Result<()> {
        let ToCommit { batch, streams, sorted, unwanted, events, ended } = *what;
        for event in events.iter().chain(ended) {
            self.tally.lost += event.lost.unwrap_or(0);
            self.insert_event(event)?;
        }
        for stream in streams.get(self.stream_ids.len()..).unwrap_or_default() {
            self.stream_ids.push(insert_stream(self.transaction, self.session_id, stream)?);
        }
        self.summing.begin(streams);
        let mut faults = sorted.faults.iter().map(|(place, _)| *place).peekable();
        let mut insert = self.transaction.prepare_cached("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)")?;
        let mut bound = Bound { stream_id: None, has_parts: true };
        let mut scratch = Vec::new();
        for (number, (message, &place)) in batch.messages().zip(&sorted.streams).enumerate() {
            let id = first_id + number as i64;
            let (Some(stream), Some(stream_id)) = (streams.get(place), self.stream_ids.get(place)) else {
                continue;
            };
            let frames = stream.after_topic(message.frames());
            let is_in_place = message.bytes() >= IN_PLACE_MIN_BYTES && frames.clone().nth(1).is_some();
            let (payload, parts) = match is_in_place {
                true => (&[][..], Some(list_of_lengths(frames.clone()))),
                false => stored(stream.framed(), message.frames(), &mut scratch),
            };
            // One by one, and only what is another than before: this is where a recorder spends its time.
            if bound.stream_id != Some(*stream_id) {
                insert.raw_bind_parameter(2, stream_id)?;
                bound.stream_id = Some(*stream_id);
            }
            if bound.has_parts || parts.is_some() {
                bound.has_parts = parts.is_some();
                insert.raw_bind_parameter(6, parts)?;
            }
            insert.raw_bind_parameter(1, id)?;
            insert.raw_bind_parameter(3, message.unix_ns)?;
            insert.raw_bind_parameter(4, message.elapsed_ns)?;
            match is_in_place {
                true => insert.raw_bind_parameter(5, ZeroBlob(frames.clone().map(|frame| frame.len() as u64).sum()))?,
                false => insert.raw_bind_parameter(5, payload)?,
            }
            insert.raw_execute()?;
            if is_in_place {
                write_in_place(self.transaction, id, frames.clone())?;
            }
            let is_decodable = faults.next_if_eq(&number).is_none();
            let added = Added { stream: (place, *stream_id), id, elapsed_ns: message.elapsed_ns, is_decodable };
            self.summing.add(self.transaction, added, frames)?;
            self.tally.message(message.bytes());
        }
        for (place, reason) in &sorted.faults {
            self.transaction
                .prepare_cached("INSERT INTO faults VALUES (?, ?)")?
                .execute(params![first_id + *place as i64, reason])?;
        }
        if let Some(last) = batch.last() {
            self.summing.tidy(self.transaction, self.stream_ids, last.elapsed_ns)?;
        }
        self.tally.undecodable += sorted.faults.len() as u64;
        self.tally.unwanted += unwanted;
        Ok(())
    }

    /// An entry begins, is whole, or ends one that has begun.
    fn insert_event(&mut self, event: &Event) -> rusqlite::Result<()> {
        let key = |kind| event.endpoint.clone().map(|endpoint| (kind, endpoint));
        match event.phase {
            Phase::GoesOn => return Ok(()),
            Phase::Fills => return self.fill(event),
            Phase::Ends => return key(event.kind).map_or(Ok(()), |key| self.end(&key, event.elapsed_ns)),
            Phase::Begins => {
                let row = insert_event(self.transaction, self.session_id, event)?;
                self.begun.extend(key(event.kind).map(|key| (key, (event.clone(), row))));
            }
            Phase::Whole => {
                insert_event(self.transaction, self.session_id, event)?;
                self.missed.stalls += u64::from(event.kind == Kind::OwnStall);
                self.missed.gaps += u64::from(event.kind == Kind::Disconnected && event.lost.is_none());
                self.missed.jumps += u64::from(event.kind == Kind::CounterJump);
            }
        }
        if event.kind == Kind::Connected && event.peer.is_none() {
            for key in [Kind::Disconnected, Kind::Unreached].into_iter().filter_map(key) {
                if key.0 == Kind::Disconnected
                    && let Some((begun, row)) = self.begun.get(&key)
                    && begun.lost.is_none()
                {
                    self.missed.gaps += 1;
                    self.breaks.insert(key.1.clone(), *row);
                }
                self.end(&key, event.elapsed_ns)?;
            }
        }
        Ok(())
    }

    /// How many messages were lost while a link was down is known now. Where that has no row in this session, as behind a
    /// split, it is an entry of its own.
    fn fill(&mut self, event: &Event) -> rusqlite::Result<()> {
        let endpoint = event.endpoint.clone().unwrap_or_default();
        let row = match self.begun.get_mut(&(Kind::Disconnected, endpoint.clone())) {
            Some((begun, row)) => {
                begun.lost = event.lost;
                *row
            }
            None => match self.breaks.remove(&endpoint) {
                Some(row) => {
                    self.missed.gaps = self.missed.gaps.saturating_sub(1);
                    row
                }
                None if event.lost == Some(0) => return Ok(()),
                None => return insert_event(self.transaction, self.session_id, event).map(|_| ()),
            },
        };
        let sql = "UPDATE events SET lost = ?2, detail = coalesce(detail || '; ', '') || ?3 WHERE id = ?1";
        let lost = event.lost.map(|lost| lost as i64);
        self.transaction.prepare_cached(sql)?.execute(params![row, lost, event.detail]).map(|_| ())
    }

    fn end(&mut self, key: &(Kind, String), elapsed_ns: i64) -> rusqlite::Result<()> {
        if let Some((_, row)) = self.begun.remove(key) {
            self.transaction
                .prepare_cached("UPDATE events SET until_elapsed_ns = ?2 WHERE id = ?1")?
                .execute(params![row, elapsed_ns])?;
        }
        Ok(())
    }
}

/// Write frames one after the other into the payload of a message, which has room for them.
fn write_in_place<'a>(
    connection: &Connection,
    id: i64,
    frames: impl Iterator<Item = &'a [u8]>,
) -> rusqlite::Result<()> {
    let mut payload = connection.blob_open("main", "messages", "payload", id, false)?;
    let mut offset = 0;
    for frame in frames {
        payload.write_at(frame, offset)?;
        offset += frame.len();
    }
    payload.close()
}

/// Insert a stream with its fields. Gives its id.
pub(in crate::store) fn insert_stream(
    connection: &Connection,
    session_id: i64,
    stream: &Stream,
) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO streams (session_id, endpoint, framing, topic, name, layout, assumed, sample_rate_hz, counter) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            session_id,
            stream.endpoint,
            stream.framing.name(),
            stream.topic,
            printable(&stream.topic),
            stream.layout.to_string(),
            stream.is_assumed,
            stream.sample_rate_hz,
            stream.counter.as_ref().map(ToString::to_string),
        ])?;
    let stream_id = connection.last_insert_rowid();
    insert_fields(connection, stream_id, stream)?;
    Ok(stream_id)
}

/// Insert the layout of a stream, taken apart.
pub(in crate::store) fn insert_fields(
    connection: &Connection,
    stream_id: i64,
    stream: &Stream,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT INTO fields VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
    for field in fields(stream) {
        insert.execute(params![
            stream_id,
            field.part as i64,
            field.every as i64,
            field.place,
            field.position as i64,
            field.byte_offset as i64,
            field.of,
            field.channel,
            field.unit,
            field.scale,
            field.offset,
            field.header_bytes as i64,
            field.record_bytes.map(|bytes| bytes as i64),
        ])?;
    }
    Ok(())
}
