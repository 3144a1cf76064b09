//! Messages and events into tables: one row each.

use std::collections::{BTreeMap, HashMap};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Transaction, params};
use serde_json::json;

use crate::codec::envelope::{Envelope, Fault, Wanted};
use crate::message::{Batch, Message};
use crate::observe::event::{Event, Kind};
use crate::observe::tally::Tally;

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

/// An entry of the ledger for rejects that came one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Rejects {
    event_id: i64,
    /// When the first one came, since the session began.
    pub elapsed_ns: i64,
    messages: u64,
    first_fault: Fault,
}

/// Puts messages into tables, inside one transaction.
pub(in crate::store) struct Insertion<'a> {
    pub transaction: &'a Transaction<'a>,
    pub session_id: i64,
    pub topics: &'a mut HashMap<Vec<u8>, i64>,
    /// The totals before, and then with all that was inserted.
    pub tally: Tally,
    /// The links that were down before, and then those that are down.
    pub links_down: LinksDown,
    /// Times when a link came up again, before and then with those that were inserted.
    pub gaps: u64,
    /// The entry that more rejects belong to, and then the one that they were put into.
    pub rejects: Option<Rejects>,
}

impl Insertion<'_> {
    /// Insert all messages and events.
    pub fn insert(
        &mut self,
        batch: &Batch,
        ended: Option<&Event>,
        wanted: &Wanted,
        first_id: i64,
    ) -> rusqlite::Result<()> {
        for event in batch.events().iter().chain(ended) {
            self.tally.lost += event.lost.unwrap_or(0);
            let row = insert_event(self.transaction, self.session_id, event)?;
            self.follow_link(event, row)?;
        }
        let mut packets = self.transaction.prepare_cached("INSERT INTO packets VALUES (?, ?, ?, ?, ?, ?)")?;
        let mut last_reject = None;
        for (id, message) in (first_id..).zip(batch.messages()) {
            match wanted.decode(message.frames()) {
                Ok(Envelope { topic, payload }) => {
                    let topic_id = self.topic_id(topic)?;
                    packets.execute(params![
                        id,
                        self.session_id,
                        topic_id,
                        message.unix_ns,
                        message.elapsed_ns,
                        payload
                    ])?;
                    self.tally.packet(payload.len());
                }
                Err(fault) => {
                    self.reject(id, message, fault)?;
                    last_reject = Some(message);
                }
            }
        }
        last_reject.map_or(Ok(()), |message| self.extend_entry(message))
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

    fn reject(&mut self, id: i64, message: Message<'_>, fault: Fault) -> rusqlite::Result<()> {
        let lengths: Vec<usize> = message.frames().map(<[u8]>::len).collect();
        let fault = if lengths.len() == message.frame_count as usize { fault } else { Fault::TooManyFrames };
        self.tally.rejected += 1;
        match &mut self.rejects {
            Some(rejects) => rejects.messages += 1,
            None => {
                let event = Event::at(message.unix_ns, message.elapsed_ns, Kind::Rejected, Some(0));
                self.rejects = Some(Rejects {
                    event_id: insert_event(self.transaction, self.session_id, &event)?,
                    elapsed_ns: message.elapsed_ns,
                    messages: 1,
                    first_fault: fault,
                });
            }
        }
        let frames: Vec<u8> = message.frames().flatten().copied().collect();
        self.transaction.prepare_cached("INSERT INTO rejects VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?.execute(params![
            id,
            self.session_id,
            message.unix_ns,
            message.elapsed_ns,
            fault.name(),
            message.frame_count,
            json!(lengths).to_string(),
            frames,
        ])?;
        Ok(())
    }

    /// Bring the entry of the rejects up to date.
    fn extend_entry(&self, last: Message<'_>) -> rusqlite::Result<()> {
        let Some(rejects) = &self.rejects else { return Ok(()) };
        let detail = format!("{} stored as rejects, the first: {}", rejects.messages, rejects.first_fault.name());
        self.transaction
            .prepare_cached("UPDATE events SET until_elapsed_ns = ?2, detail = ?3 WHERE id = ?1")?
            .execute(params![rejects.event_id, last.elapsed_ns, detail])
            .map(|_| ())
    }

    fn topic_id(&mut self, topic: &[u8]) -> rusqlite::Result<i64> {
        if let Some(&id) = self.topics.get(topic) {
            return Ok(id);
        }
        // Bound as text byte for byte, also when it is no UTF-8.
        let name = ToSqlOutput::Borrowed(ValueRef::Text(topic));
        self.transaction
            .prepare_cached("INSERT INTO topics (name) VALUES (?) ON CONFLICT DO NOTHING")?
            .execute([&name])?;
        let id = self
            .transaction
            .prepare_cached("SELECT id FROM topics WHERE name = ?")?
            .query_row([&name], |row| row.get(0))?;
        self.topics.insert(topic.to_vec(), id);
        Ok(id)
    }
}
