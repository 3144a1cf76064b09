//! Writing a session: one transaction per batch, all or nothing.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{TransactionBehavior, params};

use crate::batch::{Batch, Digest, FIRST_DIGEST, Message};
use crate::clock::{NS_PER_S, unix_ns};
use crate::error::Result;
use crate::event::{Event, Kind};
use crate::store::beginning::{self, EndReason, Inherited, SessionStart};
use crate::store::insertion::{Insertion, Rejects};
use crate::store::{Database, Limits};
use crate::tally::Tally;

/// Topics whose ids are remembered. Beyond that, as when every topic is recorded and each message has its own, the
/// memory is emptied and the table is asked again.
const TOPICS_MAX_REMEMBERED: usize = 4096;

/// Rejects of this time share an entry in the ledger, so that a flood of them is no flood of entries.
const REJECTS_SHARE_NS: i64 = 60 * NS_PER_S;

/// Sessions of one run in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chapter {
    /// The file.
    pub path: PathBuf,
    /// The first session of the run in it.
    pub first_session_id: i64,
    /// The last one.
    pub last_session_id: i64,
}

/// What is known at the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Times when a link was down and came up again, so that packets may have been missed.
    pub gaps: u64,
    /// Files that the run had to leave, so that what is in them may not be whole.
    pub files_in_doubt: u64,
}

/// A session that is being written. What these fields say is what the last commit made true.
#[derive(Debug)]
pub struct Recording {
    pub(super) database: Database,
    pub(super) limits: Limits,
    pub(super) about: SessionStart,
    /// The file that the run began with.
    pub(super) first_path: PathBuf,
    /// What of this run is in other files.
    pub(super) chapters: Vec<Chapter>,
    pub(super) files_in_doubt: u64,
    /// The first session of this run in this file.
    pub(super) first_session_id: i64,
    pub(super) session_id: i64,
    first_id: i64,
    next_id: i64,
    digest: Digest,
    topics: HashMap<Vec<u8>, i64>,
    /// Links that are down, by endpoint.
    pub(super) links_down: BTreeMap<String, Event>,
    gaps: u64,
    /// The entry of the rejects that came last.
    rejects: Option<Rejects>,
    pub(super) tally: Tally,
    /// The totals of the sessions of this run that are over.
    past: Tally,
    given_up: Option<Event>,
}

impl Recording {
    /// Begin a session. Sessions that a crash left open are closed first, as `interrupted`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn start(mut database: Database, about: SessionStart, limits: Limits) -> Result<Self> {
        let inherited = Inherited { links_down: &BTreeMap::new(), moved: None };
        let (session_id, first_id) = beginning::start_session(&mut database.connection, &about, inherited)
            .map_err(database.failed("begin a session"))?;
        Ok(Self {
            first_path: database.path.clone(),
            database,
            limits,
            about,
            chapters: Vec::new(),
            files_in_doubt: 0,
            first_session_id: session_id,
            session_id,
            first_id,
            next_id: first_id,
            digest: FIRST_DIGEST,
            topics: HashMap::new(),
            links_down: BTreeMap::new(),
            gaps: 0,
            rejects: None,
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
        let inherited = Inherited { links_down: &self.links_down, moved: None };
        let started = beginning::next_session(&mut self.database.connection, self.session_id, &self.about, inherited)
            .map_err(failed)?;
        self.begin(started);
        Ok(())
    }

    /// From here on another session is written.
    pub(super) fn begin(&mut self, (session_id, first_id): (i64, i64)) {
        (self.session_id, self.first_id, self.next_id) = (session_id, first_id, first_id);
        self.digest = FIRST_DIGEST;
        self.rejects = None;
        self.past = self.past.plus(self.tally);
        self.tally = Tally::default();
        self.topics.clear();
    }

    /// The number of the session.
    pub fn session_id(&self) -> i64 {
        self.session_id
    }

    /// The file that is written.
    pub fn path(&self) -> &Path {
        &self.database.path
    }

    /// What this run has written, file by file.
    pub fn chapters(&self) -> Vec<Chapter> {
        let last = Chapter {
            path: self.database.path.clone(),
            first_session_id: self.first_session_id,
            last_session_id: self.session_id,
        };
        self.chapters.iter().cloned().chain([last]).collect()
    }

    /// The number in the session, from 0, that the next message gets.
    pub fn next_number(&self) -> i64 {
        self.next_id - self.first_id
    }

    /// What is committed in this run.
    pub fn tally(&self) -> Tally {
        self.past.plus(self.tally)
    }

    /// Write a batch in one transaction, together with an event that has just ended. After an error nothing of it is
    /// written, and it can be given again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn commit(&mut self, batch: &Batch, ended: Option<&Event>) -> Result<()> {
        if self.topics.len() > TOPICS_MAX_REMEMBERED {
            self.topics.clear();
        }
        let digest = batch.digest(&self.digest, self.next_id);
        match self.write(batch, ended, &digest) {
            Ok((tally, rejects)) => {
                self.next_id += batch.len() as i64;
                // A commit of events alone is no link of the chain: it has no row in `batches`.
                if batch.last().is_some() {
                    self.digest = digest;
                }
                self.tally = tally;
                self.rejects = rejects;
                batch.events().iter().for_each(|event| self.follow_link(event));
                Ok(())
            }
            Err(cause) => {
                // Topics of the rolled back transaction have no row.
                self.topics.clear();
                Err(self.database.failed("write a batch")(cause))
            }
        }
    }

    fn write(
        &mut self,
        batch: &Batch,
        ended: Option<&Event>,
        digest: &Digest,
    ) -> rusqlite::Result<(Tally, Option<Rejects>)> {
        let transaction = self.database.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let elapsed_ns = |message: Option<Message<'_>>| message.map(|message| message.elapsed_ns);
        let (first_ns, last_ns) = (elapsed_ns(batch.messages().next()), elapsed_ns(batch.last()));
        let is_over =
            |rejects: &Rejects| first_ns.is_some_and(|first_ns| first_ns - rejects.elapsed_ns > REJECTS_SHARE_NS);
        let mut rows = Insertion {
            transaction: &transaction,
            session_id: self.session_id,
            topics: &mut self.topics,
            tally: self.tally,
            rejects: self.rejects.clone().filter(|rejects| !is_over(rejects)),
        };
        rows.insert(batch, ended, &self.about.wanted, self.next_id)?;
        let (tally, rejects) = (rows.tally, rows.rejects);
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
                first_ns,
                last_ns,
                tally.packets as i64,
                tally.rejected as i64,
                tally.lost as i64,
                tally.bytes as i64,
            ])?;
        transaction.commit()?;
        Ok((tally, rejects))
    }

    fn follow_link(&mut self, event: &Event) {
        let Some(endpoint) = &event.endpoint else { return };
        match event.kind {
            Kind::Disconnected => drop(self.links_down.insert(endpoint.clone(), event.clone())),
            Kind::Connected => self.gaps += u64::from(self.links_down.remove(endpoint).is_some()),
            _ => {}
        }
    }

    /// Move the write-ahead log into the database when it has grown long. A reader that holds on to an old state of the
    /// database makes it wait.
    ///
    /// # Errors
    /// When the disk fails: nothing is lost by that, but the file is not to be relied on any more.
    pub fn checkpoint(&self) -> Result<()> {
        self.database.checkpoint(self.limits.log_max_pages())
    }

    /// Count messages that can no more be stored, together with the event that says why. They are in the totals that
    /// [`Recording::end`] writes.
    pub fn give_up(&mut self, event: Event) {
        self.tally.lost += event.lost.unwrap_or(0);
        self.given_up = Some(event);
    }

    /// End the session, move the write-ahead log into the database and close it.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn end(self, reason: EndReason) -> Result<Ended> {
        let connection = &self.database.connection;
        beginning::end_session(connection, self.session_id, reason, self.tally.lost, self.given_up.as_ref())
            .map_err(self.database.failed("end the session"))?;
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(self.database.failed("checkpoint"))?;
        // At rest the database is one file without a write-ahead log, which can be read where nobody may write. Whoever
        // reads it at this moment keeps it from changing; then it stays as it is, and nothing is lost.
        let _ = connection.busy_timeout(Duration::ZERO);
        let _ = connection.pragma_update(None, "journal_mode", "DELETE");
        let failed = self.database.failed("close");
        self.database.connection.close().map_err(|(_, cause)| failed(cause))?;
        Ok(Ended { gaps: self.gaps, files_in_doubt: self.files_in_doubt })
    }
}
