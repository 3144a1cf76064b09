//! Messages and events into tables: one row each.

use std::collections::HashMap;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Transaction, params};
use serde_json::json;

use crate::batch::{Batch, Message};
use crate::envelope::{Envelope, Fault, Wanted};
use crate::event::{Event, Kind};
use crate::tally::Tally;

/// Insert an entry of the ledger.
pub(super) fn insert_event(connection: &Connection, session_id: i64, event: &Event) -> rusqlite::Result<()> {
    if event.kind == Kind::Connected {
        // The link was down until now.
        connection.execute(
            "UPDATE events SET until_elapsed_ns = ?3 WHERE session_id = ?1 AND endpoint = ?2 \
             AND kind = 'disconnected' AND until_elapsed_ns IS NULL",
            params![session_id, event.endpoint, event.elapsed_ns],
        )?;
    }
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
        ])
        .map(|_| ())
}

/// An entry of the ledger for rejects that came one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rejects {
    event_id: i64,
    /// When the first one came, since the session began.
    pub elapsed_ns: i64,
    messages: u64,
    first_fault: Fault,
}

/// Puts messages into tables, inside one transaction.
pub(super) struct Insertion<'a> {
    pub transaction: &'a Transaction<'a>,
    pub session_id: i64,
    pub topics: &'a mut HashMap<Vec<u8>, i64>,
    /// The totals before, and then with all that was inserted.
    pub tally: Tally,
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
            insert_event(self.transaction, self.session_id, event)?;
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

    fn reject(&mut self, id: i64, message: Message<'_>, fault: Fault) -> rusqlite::Result<()> {
        let lengths: Vec<usize> = message.frames().map(<[u8]>::len).collect();
        let fault = if lengths.len() == message.frame_count as usize { fault } else { Fault::TooManyFrames };
        self.tally.rejected += 1;
        match &mut self.rejects {
            Some(rejects) => rejects.messages += 1,
            None => {
                let event = Event::at(message.unix_ns, message.elapsed_ns, Kind::Rejected, Some(0));
                insert_event(self.transaction, self.session_id, &event)?;
                self.rejects = Some(Rejects {
                    event_id: self.transaction.last_insert_rowid(),
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
