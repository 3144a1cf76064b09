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

/// Puts messages into tables, inside one transaction.
pub(super) struct Insertion<'a> {
    pub transaction: &'a Transaction<'a>,
    pub session_id: i64,
    pub topics: &'a mut HashMap<Vec<u8>, i64>,
}

impl Insertion<'_> {
    /// Insert all messages and events. Gives `tally` with them added.
    pub fn insert(
        &mut self,
        batch: &Batch,
        stall: Option<&Event>,
        wanted: &Wanted,
        first_id: i64,
        tally: Tally,
    ) -> rusqlite::Result<Tally> {
        let mut tally = tally;
        for event in batch.events().iter().chain(stall) {
            tally.lost += event.lost.unwrap_or(0);
            insert_event(self.transaction, self.session_id, event)?;
        }
        let mut packets = self.transaction.prepare_cached("INSERT INTO packets VALUES (?, ?, ?, ?, ?, ?)")?;
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
                    tally.packet(payload.len());
                }
                Err(fault) => {
                    self.reject(id, message, fault)?;
                    tally.rejected += 1;
                }
            }
        }
        Ok(tally)
    }

    fn reject(&self, id: i64, message: Message<'_>, fault: Fault) -> rusqlite::Result<()> {
        let lengths: Vec<usize> = message.frames().map(<[u8]>::len).collect();
        let frames: Vec<u8> = message.frames().flatten().copied().collect();
        self.transaction.prepare_cached("INSERT INTO rejects VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?.execute(params![
            id,
            self.session_id,
            message.unix_ns,
            message.elapsed_ns,
            match lengths.len() == message.frame_count as usize {
                true => fault,
                false => Fault::TooManyFrames,
            }
            .name(),
            message.frame_count,
            json!(lengths).to_string(),
            frames,
        ])?;
        Ok(())
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
