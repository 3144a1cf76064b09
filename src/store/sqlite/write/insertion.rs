//! Messages and events into tables: one row each.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, params};

use crate::codec::stream::{Stream, stored};
use crate::codec::topic::printable;
use crate::message::Batch;
use crate::observe::event::{Event, Kind};
use crate::observe::tally::Tally;
use crate::store::sqlite::fields::fields;
use crate::streams::Sorted;

/// The links that are down, by endpoint: the entry of the ledger, and its row.
pub(in crate::store) type LinksDown = BTreeMap<String, (Event, i64)>;

/// Insert an entry of the ledger. Gives its row.
pub(in crate::store) fn insert_event(connection: &Connection, session_id: i64, event: &Event) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO events (session_id, unix_ns, elapsed_ns, until_elapsed_ns, kind, endpoint, lost, detail) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            session_id,
            event.unix_ns,
            event.elapsed_ns,
            event.until_elapsed_ns,
            event.kind.name(),
            event.endpoint,
            event.lost.map(|lost| lost as i64),
            event.detail,
        ])?;
    Ok(connection.last_insert_rowid())
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
    /// The totals before, and then with all that was inserted.
    pub tally: Tally,
    /// The links that were down before, and then those that are down.
    pub links_down: LinksDown,
    /// Times when a link came up again, before and then with those that were inserted.
    pub gaps: u64,
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
            let row = insert_event(self.transaction, self.session_id, event)?;
            self.follow_link(event, row)?;
        }
        for stream in streams.get(self.stream_ids.len()..).unwrap_or_default() {
            self.stream_ids.push(insert_stream(self.transaction, self.session_id, stream)?);
        }
        let mut insert = self.transaction.prepare_cached("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)")?;
        let mut bound = Bound { stream_id: None, has_parts: true };
        let mut scratch = Vec::new();
        for ((id, message), &place) in (first_id..).zip(batch.messages()).zip(&sorted.streams) {
            let (Some(stream), Some(stream_id)) = (streams.get(place), self.stream_ids.get(place)) else {
                continue;
            };
            let (payload, parts) = stored(stream.framed(), message.frames(), &mut scratch);
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
            insert.raw_bind_parameter(5, payload)?;
            insert.raw_execute()?;
            self.tally.message(message.bytes());
        }
        for (place, reason) in &sorted.faults {
            self.transaction
                .prepare_cached("INSERT INTO faults VALUES (?, ?)")?
                .execute(params![first_id + *place as i64, reason])?;
        }
        self.tally.undecodable += sorted.faults.len() as u64;
        self.tally.unwanted += unwanted;
        Ok(())
    }

    /// A link that comes up ends the entry of the time when it was down.
    fn follow_link(&mut self, event: &Event, row: i64) -> rusqlite::Result<()> {
        let Some(endpoint) = &event.endpoint else { return Ok(()) };
        match event.kind {
            Kind::Disconnected => {
                self.links_down.insert(endpoint.clone(), (event.clone(), row));
            }
            Kind::Connected => {
                if let Some((_, row)) = self.links_down.remove(endpoint) {
                    self.gaps += 1;
                    self.transaction
                        .prepare_cached("UPDATE events SET until_elapsed_ns = ?2 WHERE id = ?1")?
                        .execute(params![row, event.elapsed_ns])?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Insert a stream with its fields. Gives its id.
pub(in crate::store) fn insert_stream(
    connection: &Connection,
    session_id: i64,
    stream: &Stream,
) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO streams (session_id, endpoint, framing, topic, name, layout, assumed, sample_rate_hz) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
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
