//! Writing a session: one transaction per batch, all or nothing.

use std::collections::HashMap;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde_json::json;

use crate::batch::{Batch, Digest, FIRST_DIGEST, Message};
use crate::clock::unix_ns;
use crate::envelope::Wanted;
use crate::error::Result;
use crate::event::Event;
use crate::store::insertion::{Insertion, insert_event};
use crate::store::{Database, Durability};
use crate::tally::Tally;

/// Topics whose ids are remembered. Beyond that, as when every topic is recorded and each message has its own, the
/// memory is emptied and the table is asked again.
const TOPICS_MAX_REMEMBERED: usize = 4096;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// On request.
    Stopped,
    /// `--count` or `--duration` was reached.
    Limit,
    /// The recording goes on in the next session.
    Split,
    /// Something failed.
    Failed,
}

impl EndReason {
    /// The name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Limit => "limit",
            Self::Split => "split",
            Self::Failed => "failed",
        }
    }
}

/// What is known about a session when it begins.
#[derive(Clone, Debug)]
pub struct SessionStart {
    /// A name for people.
    pub label: Option<String>,
    /// A remark.
    pub note: Option<String>,
    /// When it begins.
    pub started_unix_ns: i64,
    /// What is connected to.
    pub endpoints: Vec<String>,
    /// What is asked for.
    pub wanted: Wanted,
    /// The machine.
    pub host: String,
    /// Which start of the machine.
    pub boot_id: String,
    /// What a commit survives.
    pub durability: Durability,
}

/// A session that is being written. What these fields say is what the last commit made true.
#[derive(Debug)]
pub struct Recording {
    database: Database,
    about: SessionStart,
    /// The first session of this run.
    first_session_id: i64,
    session_id: i64,
    first_id: i64,
    next_id: i64,
    digest: Digest,
    topics: HashMap<Vec<u8>, i64>,
    tally: Tally,
    /// The totals of the sessions of this run that are over.
    past: Tally,
    given_up: Option<Event>,
}

impl Recording {
    /// Begin a session. Sessions that a crash left open are closed first, as `interrupted`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn start(mut database: Database, about: SessionStart) -> Result<Self> {
        let (session_id, first_id) =
            start_session(&mut database.connection, &about).map_err(database.failed("begin a session"))?;
        Ok(Self {
            database,
            about,
            first_session_id: session_id,
            session_id,
            first_id,
            next_id: first_id,
            digest: FIRST_DIGEST,
            topics: HashMap::new(),
            tally: Tally::default(),
            past: Tally::default(),
            given_up: None,
        })
    }

    /// End the session and begin the next one, in one transaction. After an error the session is still the old one, and
    /// it can be tried again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn split(&mut self, started_unix_ns: i64) -> Result<()> {
        self.about.started_unix_ns = started_unix_ns;
        let failed = self.database.failed("begin the next session");
        let (session_id, first_id) =
            next_session(&mut self.database.connection, self.session_id, &self.about).map_err(failed)?;
        (self.session_id, self.first_id, self.next_id) = (session_id, first_id, first_id);
        self.digest = FIRST_DIGEST;
        self.past = self.past.plus(self.tally);
        self.tally = Tally::default();
        Ok(())
    }

    /// The number of the session, and of the first one of this run.
    pub fn session_ids(&self) -> (i64, i64) {
        (self.first_session_id, self.session_id)
    }

    /// The number in the session, from 0, that the next message gets.
    pub fn next_number(&self) -> i64 {
        self.next_id - self.first_id
    }

    /// What is committed in this run.
    pub fn tally(&self) -> Tally {
        self.past.plus(self.tally)
    }

    /// Write a batch in one transaction, together with the event of a stall that has just ended. After an error nothing
    /// of it is written, and it can be given again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn commit(&mut self, batch: &Batch, stall: Option<&Event>) -> Result<()> {
        if self.topics.len() > TOPICS_MAX_REMEMBERED {
            self.topics.clear();
        }
        let digest = batch.digest(&self.digest, self.next_id);
        match self.write(batch, stall, &digest) {
            Ok(tally) => {
                self.next_id += batch.len() as i64;
                self.digest = digest;
                self.tally = tally;
                Ok(())
            }
            Err(cause) => {
                // Topics of the rolled back transaction have no row.
                self.topics.clear();
                Err(self.database.failed("write a batch")(cause))
            }
        }
    }

    fn write(&mut self, batch: &Batch, stall: Option<&Event>, digest: &Digest) -> rusqlite::Result<Tally> {
        let transaction = self.database.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut rows = Insertion { transaction: &transaction, session_id: self.session_id, topics: &mut self.topics };
        let tally = rows.insert(batch, stall, &self.about.wanted, self.next_id, self.tally)?;
        let elapsed_ns = |message: Option<Message<'_>>| message.map(|message| message.elapsed_ns);
        let last_id = self.next_id + batch.len() as i64 - 1;
        if batch.last().is_some() {
            transaction
                .prepare_cached(
                    "INSERT INTO batches (session_id, first_id, last_id, committed_unix_ns, digest) VALUES (?, ?, ?, ?, ?)",
                )?
                .execute(params![self.session_id, self.next_id, last_id, unix_ns(), digest])?;
        }
        transaction
            .prepare_cached(
                "UPDATE sessions SET last_id = ?2, first_elapsed_ns = coalesce(first_elapsed_ns, ?3), \
                 last_elapsed_ns = coalesce(?4, last_elapsed_ns), packets = ?5, rejected = ?6, lost = ?7, bytes = ?8 \
                 WHERE id = ?1",
            )?
            .execute(params![
                self.session_id,
                last_id,
                elapsed_ns(batch.messages().next()),
                elapsed_ns(batch.last()),
                tally.packets as i64,
                tally.rejected as i64,
                tally.lost as i64,
                tally.bytes as i64,
            ])?;
        transaction.commit()?;
        Ok(tally)
    }

    /// Count messages that can no more be stored, together with the event that says why. They are in the totals that
    /// [`Recording::end`] writes.
    pub fn give_up(&mut self, event: Event) {
        self.tally.lost += event.lost.unwrap_or(0);
        self.given_up = Some(event);
    }

    /// End the session, move the write-ahead log into the database and close it. Gives the number of gaps: times when a
    /// link was down and came up again, so that packets may have been missed.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn end(self, reason: EndReason) -> Result<u64> {
        let connection = &self.database.connection;
        connection
            .execute(
                "UPDATE sessions SET ended_unix_ns = ?2, end_reason = ?3, lost = ?4 WHERE id = ?1",
                params![self.session_id, unix_ns(), reason.name(), self.tally.lost as i64],
            )
            .and_then(|_| self.given_up.iter().try_for_each(|event| insert_event(connection, self.session_id, event)))
            .map_err(self.database.failed("end the session"))?;
        let gaps: i64 = connection
            .query_row(
                "SELECT count(*) FROM events WHERE session_id >= ?1 AND kind = 'disconnected' \
                 AND until_elapsed_ns IS NOT NULL",
                [self.first_session_id],
                |row| row.get(0),
            )
            .map_err(self.database.failed("read the ledger"))?;
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(self.database.failed("checkpoint"))?;
        // At rest the database is one file without a write-ahead log, which can be read where nobody may write. Whoever
        // reads it at this moment keeps it from changing; then it stays as it is, and nothing is lost.
        let _ = connection.busy_timeout(Duration::ZERO);
        let _ = connection.pragma_update(None, "journal_mode", "DELETE");
        let failed = self.database.failed("close");
        self.database.connection.close().map_err(|(_, cause)| failed(cause))?;
        Ok(gaps.unsigned_abs())
    }
}

fn start_session(connection: &mut Connection, about: &SessionStart) -> rusqlite::Result<(i64, i64)> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Only one recorder writes at a time, so an open session is the newest one, and the newest batch is its last if it
    // has any.
    transaction.execute(
        "UPDATE sessions SET end_reason = 'interrupted', ended_unix_ns = coalesce( \
             (SELECT committed_unix_ns FROM batches WHERE id = (SELECT max(id) FROM batches) AND session_id = sessions.id), \
             started_unix_ns) \
         WHERE ended_unix_ns IS NULL",
        [],
    )?;
    let started = insert_session(&transaction, about)?;
    transaction.commit()?;
    Ok(started)
}

/// End one session as `split` and begin the next. A link that is down now is down in the next one too.
fn next_session(connection: &mut Connection, old_id: i64, about: &SessionStart) -> rusqlite::Result<(i64, i64)> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute(
        "UPDATE sessions SET ended_unix_ns = ?2, end_reason = ?3 WHERE id = ?1",
        params![old_id, about.started_unix_ns, EndReason::Split.name()],
    )?;
    let started = insert_session(&transaction, about)?;
    transaction.execute(
        "INSERT INTO events (session_id, unix_ns, elapsed_ns, kind, endpoint, lost, detail) \
         SELECT ?2, ?3, 0, kind, endpoint, lost, 'down since the session before' FROM events \
         WHERE session_id = ?1 AND kind = 'disconnected' AND until_elapsed_ns IS NULL",
        params![old_id, started.0, about.started_unix_ns],
    )?;
    transaction.commit()?;
    Ok(started)
}

/// Insert a session after all that there are. Gives its id and the id of its first message.
fn insert_session(transaction: &Transaction<'_>, about: &SessionStart) -> rusqlite::Result<(i64, i64)> {
    let first_id: i64 =
        transaction.query_row("SELECT coalesce(max(last_id), 0) + 1 FROM sessions", [], |row| row.get(0))?;
    transaction.execute(
        "INSERT INTO sessions (label, note, started_unix_ns, endpoints, topics, host, boot_id, fancyhwd_version, \
         durability, first_id, last_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            about.label,
            about.note,
            about.started_unix_ns,
            json!(about.endpoints).to_string(),
            json!(about.wanted.names()).to_string(),
            about.host,
            about.boot_id,
            env!("CARGO_PKG_VERSION"),
            about.durability.name(),
            first_id,
            first_id - 1,
        ],
    )?;
    Ok((transaction.last_insert_rowid(), first_id))
}
