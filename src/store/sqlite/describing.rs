//! What is said about the streams of a session after it was recorded. No byte of a message changes, and so no digest.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::codec::channels::Channels;
use crate::codec::framing::Framing;
use crate::codec::layout::Layout;
use crate::codec::stream::{Stream, stored};
use crate::codec::topic::Wanted;
use crate::error::{Error, Result};
use crate::message::Batch;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::open::lock;
use crate::store::sqlite::read::rows::{Rows, Selection};
use crate::store::sqlite::read::sessions::Session;
use crate::store::sqlite::write::insertion::{insert_fields, insert_stream};
use crate::store::sqlite::write::summing::{Added, Summing};
use crate::streams::{About, Streams, Told};

/// Messages that are read or moved at once: a recorder that writes waits no longer than that takes.
const STEP_BYTES: usize = 1 << 20;

/// What is said, and about which streams. What is `None` stays as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// About messages of these topics ...
    pub wanted: Wanted,
    /// ... from the endpoints of these numbers; `None` is all of them.
    pub endpoints: Option<Vec<u32>>,
    /// Where the topics are; `Some(None)` is to be guessed again.
    pub framing: Option<Option<Framing>>,
    /// How they are read.
    pub layout: Option<Layout>,
    /// What their numbers measure.
    pub channels: Option<Channels>,
    /// Records per second within a message.
    pub sample_rate_hz: Option<f64>,
}

impl Description {
    fn is_about_endpoint(&self, number: u32) -> bool {
        self.endpoints.as_ref().is_none_or(|numbers| numbers.contains(&number))
    }

    fn is_about(&self, stream: &Stream) -> bool {
        self.is_about_endpoint(stream.endpoint) && stream.is_asked_for(&self.wanted)
    }

    /// A stream as it is said to be.
    fn applied(&self, stream: &Stream) -> std::result::Result<Stream, String> {
        let layout = self.layout.clone().unwrap_or_else(|| stream.layout.clone());
        if let Some(channels) = &self.channels {
            channels.fit(&layout)?;
        }
        let channels = self.channels.clone().or_else(|| stream.channels.clone());
        Ok(Stream {
            is_assumed: stream.is_assumed && self.layout.is_none(),
            channels: channels.filter(|channels| channels.fit(&layout).is_ok()),
            sample_rate_hz: self.sample_rate_hz.or(stream.sample_rate_hz),
            layout,
            ..stream.clone()
        })
    }
}

impl Database {
    /// Let streams of a finished session be what they are said to be. `at` is told how many messages were read, again and
    /// again, and can end it: then some messages have their new framing, others the old one. Gives the streams that it was
    /// about, by their rows.
    ///
    /// # Errors
    /// When there is no such stream, what is said does not fit, the session is being recorded, the database cannot be
    /// written, or what `at` ends it with.
    pub fn describe(
        &mut self,
        session: &Session,
        description: &Description,
        at: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<BTreeMap<i64, Stream>> {
        if session.ended_unix_ns.is_none() && lock::is_locked(&self.path)? {
            return Err(Error::SessionIsRecorded { id: session.id, database: self.path.clone() });
        }
        self.change(|database| {
            if let Some(framing) = description.framing {
                database.frame_anew(session, description, framing, at)?;
            }
            let streams = database.streams(session)?;
            let about = streams.iter().filter(|(_, stream)| description.is_about(stream));
            let about: BTreeMap<i64, Stream> = about.map(|(&id, stream)| (id, stream.clone())).collect();
            if about.is_empty() {
                return Err(Error::NoSuchStream { id: session.id, database: database.path.clone() });
            }
            let refuse = |cause| Error::Setting { option: "--channels", value: String::new(), cause };
            let applied = about.iter().map(|(id, stream)| Ok((*id, description.applied(stream).map_err(refuse)?)));
            let applied: BTreeMap<i64, Stream> = applied.collect::<Result<_>>()?;
            let mut anew = applied.clone();
            if description.framing.is_some() {
                // Messages went from one stream to another.
                anew.extend(streams.into_iter().filter(|(id, _)| !applied.contains_key(id)));
            }
            database.read_anew(session, &anew, at)?;
            Ok(applied)
        })
    }

    /// Move messages into the streams of another framing, step by step: each step is whole.
    fn frame_anew(
        &mut self,
        session: &Session,
        description: &Description,
        framing: Option<Framing>,
        at: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        let known = self.streams(session)?;
        let layouts = description.layout.iter().map(|what| About { topic: None, what: what.clone() }).collect();
        let told = Told {
            wanted: Wanted::Every,
            framing,
            layouts,
            channels: Vec::new(),
            sample_rates_hz: Vec::new(),
            counters: Vec::new(),
        };
        let mut moved = Moved {
            session,
            description,
            ids: known.keys().copied().collect(),
            streams: Streams::resume(told, known.values().cloned().collect()),
            rows: Rows::new(session.id, &Selection::default()),
            used: BTreeSet::new(),
        };
        let messages = session.last_id.saturating_sub(session.first_id).saturating_add(1);
        let forget = || {
            let sql = "DELETE FROM overviews WHERE last_id BETWEEN ?1 AND ?2";
            self.connection.execute(sql, [session.first_id, session.last_id])
        };
        self.bounded(messages, forget).map_err(self.failed("describe a session"))?;
        let (mut batch, mut next_id) = (Batch::default(), session.first_id);
        while next_id <= session.last_id {
            batch.clear();
            let step = || -> rusqlite::Result<i64> {
                let transaction = self.connection.unchecked_transaction()?;
                let next_id = moved.step(&transaction, next_id, &mut batch)?;
                transaction.commit()?;
                Ok(next_id)
            };
            next_id = self.bounded(0, step).map_err(self.failed("describe a session"))?;
            at(next_id.saturating_sub(session.first_id).unsigned_abs())?;
        }
        moved.remove_unused(&self.connection).map_err(self.failed("describe a session"))
    }

    /// Let streams be read in another way: what cannot be read then is found first, and their overviews, and all is changed at
    /// once.
    fn read_anew(
        &mut self,
        session: &Session,
        streams: &BTreeMap<i64, Stream>,
        at: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        let failed = |cause| self.failed("describe a session")(cause);
        let found = "DROP TABLE IF EXISTS temp.found; DROP TABLE IF EXISTS temp.found_overviews; \
                     CREATE TEMP TABLE found (message_id INTEGER PRIMARY KEY, reason TEXT); \
                     CREATE TEMP TABLE found_overviews AS SELECT * FROM main.overviews WHERE 0";
        self.connection.execute_batch(found).map_err(failed)?;
        let mut rows = Rows::new(session.id, &Selection::default());
        let mut anew = Anew::new(streams);
        let (mut batch, mut next_id) = (Batch::default(), session.first_id);
        while next_id <= session.last_id {
            batch.clear();
            let fill = || rows.fill(&self.connection, next_id, session.last_id, STEP_BYTES, &mut batch);
            let rest_id = self.bounded(0, fill).map_err(failed)?;
            let insert = || anew.note(&self.connection, &batch);
            self.bounded(0, insert).map_err(failed)?;
            next_id = rest_id.unwrap_or(session.last_id.saturating_add(1));
            at(next_id.saturating_sub(session.first_id).unsigned_abs())?;
        }
        let messages = session.last_id.saturating_sub(session.first_id).saturating_add(1);
        let change = || -> rusqlite::Result<()> {
            anew.summing.write_rest(&self.connection, &anew.ids)?;
            let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            for (id, stream) in streams {
                update_stream(&transaction, *id, stream)?;
                transaction
                    .prepare_cached(
                        "DELETE FROM faults WHERE message_id BETWEEN ?1 AND ?2 \
                         AND (SELECT stream_id FROM messages WHERE id = message_id) = ?3",
                    )?
                    .execute([session.first_id, session.last_id, *id])?;
                transaction
                    .prepare_cached("DELETE FROM overviews WHERE last_id BETWEEN ?1 AND ?2 AND stream_id = ?3")?
                    .execute([session.first_id, session.last_id, *id])?;
            }
            transaction
                .execute("INSERT INTO main.overviews SELECT * FROM temp.found_overviews ORDER BY last_id", [])?;
            transaction.execute("INSERT INTO main.faults SELECT message_id, reason FROM temp.found", [])?;
            transaction.execute(
                "UPDATE sessions SET undecodable = (SELECT count(*) FROM faults WHERE message_id BETWEEN ?2 AND ?3) \
                 WHERE id = ?1",
                [session.id, session.first_id, session.last_id],
            )?;
            transaction.commit()
        };
        self.bounded(messages, change).map_err(failed)?;
        self.connection.execute_batch("DROP TABLE temp.found; DROP TABLE temp.found_overviews").map_err(failed)
    }
}

/// Messages on their way into other streams.
struct Moved<'a> {
    session: &'a Session,
    description: &'a Description,
    streams: Streams,
    /// The rows of the streams, in their order.
    ids: Vec<i64>,
    rows: Rows,
    /// The streams that have messages.
    used: BTreeSet<i64>,
}

impl Moved<'_> {
    /// Move some messages from this id on. Gives the id to go on at.
    fn step(&mut self, transaction: &Connection, next_id: i64, batch: &mut Batch) -> rusqlite::Result<i64> {
        let last_id = self.session.last_id;
        let rest_id = self.rows.fill(transaction, next_id, last_id, STEP_BYTES, batch)?;
        let mut undecodable = 0;
        let mut scratch = Vec::new();
        for ((message, &id), &old_id) in batch.messages().zip(batch.numbers()).zip(batch.streams()) {
            let first = message.frames().next().unwrap_or_default();
            if !self.description.is_about_endpoint(message.origin.0)
                || !self.description.wanted.takes(first, message.frame_count as usize)
            {
                self.used.insert(old_id);
                continue;
            }
            let place = self.streams.of(message);
            let Some(stream) = self.streams.all().get(place) else { continue };
            if place >= self.ids.len() {
                self.ids.push(insert_stream(transaction, self.session.id, stream)?);
            }
            let Some(&new_id) = self.ids.get(place) else { continue };
            self.used.insert(new_id);
            if new_id == old_id {
                continue;
            }
            let (payload, parts) = stored(stream.framed(), message.frames(), &mut scratch);
            transaction
                .prepare_cached("UPDATE messages SET stream_id = ?2, payload = ?3, parts = ?4 WHERE id = ?1")?
                .execute(params![id, new_id, payload, parts])?;
            let was_fault = transaction.prepare_cached("DELETE FROM faults WHERE message_id = ?1")?.execute([id])?;
            let fault = stream.check(message.frames()).err();
            if let Some(why) = &fault {
                let insert = "INSERT INTO faults VALUES (?1, ?2)";
                transaction.prepare_cached(insert)?.execute(params![id, why.to_string()])?;
            }
            undecodable += i64::from(fault.is_some()) - was_fault as i64;
        }
        transaction
            .prepare_cached("UPDATE sessions SET undecodable = undecodable + ?2 WHERE id = ?1")?
            .execute([self.session.id, undecodable])?;
        Ok(rest_id.unwrap_or(last_id.saturating_add(1)))
    }

    /// Remove the streams that have no messages any more.
    fn remove_unused(&self, connection: &Connection) -> rusqlite::Result<()> {
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        for id in self.ids.iter().filter(|id| !self.used.contains(id)) {
            transaction.prepare_cached("DELETE FROM fields WHERE stream_id = ?1")?.execute([id])?;
            transaction.prepare_cached("DELETE FROM streams WHERE id = ?1")?.execute([id])?;
        }
        transaction.commit()
    }
}

/// What is found of streams that are read anew.
struct Anew {
    streams: Vec<Stream>,
    /// Their rows, in rising order.
    ids: Vec<i64>,
    summing: Summing,
}

impl Anew {
    fn new(streams: &BTreeMap<i64, Stream>) -> Self {
        let (ids, streams) = streams.iter().map(|(&id, stream)| (id, stream.clone())).unzip();
        Self { streams, ids, summing: Summing::temporary() }
    }

    /// Note which messages in a batch cannot be read, and what they have in common.
    fn note(&mut self, connection: &Connection, batch: &Batch) -> rusqlite::Result<()> {
        self.summing.begin(&self.streams);
        for ((message, &id), &stream_id) in batch.messages().zip(batch.numbers()).zip(batch.streams()) {
            let Ok(place) = self.ids.binary_search(&stream_id) else { continue };
            let Some(stream) = self.streams.get(place) else { continue };
            let fault = stream.check(message.frames()).err();
            if let Some(why) = &fault {
                connection
                    .prepare_cached("INSERT INTO temp.found VALUES (?1, ?2)")?
                    .execute(params![id, why.to_string()])?;
            }
            let (of, is_decodable) = ((place, stream_id), fault.is_none());
            let added = Added { stream: of, id, elapsed_ns: message.elapsed_ns, is_decodable };
            self.summing.add(connection, added, stream.after_topic(message.frames()))?;
        }
        if let Some(last) = batch.last() {
            self.summing.tidy(connection, &self.ids, last.elapsed_ns)?;
        }
        self.summing.commit();
        Ok(())
    }
}

fn update_stream(transaction: &Transaction<'_>, id: i64, stream: &Stream) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("UPDATE streams SET layout = ?2, assumed = ?3, sample_rate_hz = ?4 WHERE id = ?1")?
        .execute(params![id, stream.layout.to_string(), stream.is_assumed, stream.sample_rate_hz])?;
    transaction.prepare_cached("DELETE FROM fields WHERE stream_id = ?1")?.execute([id])?;
    insert_fields(transaction, id, stream)
}
