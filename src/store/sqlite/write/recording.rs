//! Writing a session: one transaction per batch, all or nothing.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{TransactionBehavior, params};

use crate::error::{Error, Result, Trouble};
use crate::message::{Batch, Digest, FIRST_DIGEST, Message};
use crate::observe::event::Event;
use crate::observe::tally::Tally;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::open::space::{Limits, Pages, Space, signed};
use crate::store::sqlite::write::beginning::{self, Begun, Inherited, SessionStart};
use crate::store::sqlite::write::durability::Syncs;
use crate::store::sqlite::write::insertion::{Insertion, LinksDown, Rejects};
use crate::time::clock::{NS_PER_S, monotonic_ns, unix_ns};

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Times when a link was down and came up again, so that packets may have been missed.
    pub gaps: u64,
    /// Files in which something of the run may be missing.
    pub files_in_doubt: u64,
    /// Packets of the run that were in files that somebody deleted.
    pub deleted_packets: u64,
}

/// What a commit has made true.
type Written = (Tally, LinksDown, u64, Option<Rejects>);

/// A session that is being written. What these fields say is what the last commit made true.
#[derive(Debug)]
pub struct Recording {
    pub(in crate::store) database: Database,
    pub(in crate::store) limits: Limits,
    pub(in crate::store) about: SessionStart,
    /// What of this run is in other files.
    pub(in crate::store) chapters: Vec<Chapter>,
    pub(in crate::store) files_in_doubt: u64,
    /// Whether the file of now is one of them.
    pub(in crate::store) is_in_doubt: bool,
    /// Whether its disk failed, so that it is not written any more.
    pub(in crate::store) is_suspect: bool,
    pub(in crate::store) deleted_packets: u64,
    /// The totals of this run in this file.
    pub(in crate::store) in_file: Tally,
    /// The first session of this run in this file.
    pub(in crate::store) first_session_id: i64,
    pub(in crate::store) session_id: i64,
    first_id: i64,
    pub(in crate::store) next_id: i64,
    digest: Digest,
    topics: HashMap<Vec<u8>, i64>,
    pub(in crate::store) links_down: LinksDown,
    pub(in crate::store) gaps: u64,
    /// The entry of the rejects that came last.
    rejects: Option<Rejects>,
    pub(in crate::store) tally: Tally,
    /// The totals of the sessions of this run that are over.
    past: Tally,
    pub(in crate::store) given_up: Option<Event>,
    /// Of the commits in the current file.
    pub(in crate::store) syncs: Syncs,
}

impl Recording {
    /// Begin a session. Sessions that a crash left open are closed first, as `interrupted`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn start(mut database: Database, about: SessionStart, limits: Limits) -> Result<Self> {
        let inherited = Inherited { links_down: &LinksDown::new(), moved: None };
        let begun = beginning::start_session(&mut database.connection, &about, inherited)
            .and_then(|begun| limits.limit_log(&database.connection).map(|()| begun))
            .map_err(database.failed("begin a session"))?;
        let syncs = Syncs::new(about.durability);
        Ok(Self {
            database,
            limits,
            about,
            chapters: Vec::new(),
            files_in_doubt: 0,
            is_in_doubt: false,
            is_suspect: false,
            deleted_packets: 0,
            in_file: Tally::default(),
            first_session_id: begun.session_id,
            session_id: begun.session_id,
            first_id: begun.first_id,
            next_id: begun.first_id,
            digest: FIRST_DIGEST,
            topics: HashMap::new(),
            links_down: LinksDown::new(),
            gaps: 0,
            rejects: None,
            tally: Tally::default(),
            past: Tally::default(),
            given_up: None,
            syncs,
        })
    }

    /// End the session and begin the next one, in one transaction. After an error the session is still the old one, and
    /// it can be tried again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn split(&mut self, started_unix_ns: i64) -> Result<()> {
        self.refuse_suspect()?;
        self.about.started_unix_ns = started_unix_ns;
        let failed = self.database.failed("begin the next session");
        let inherited = Inherited { links_down: &self.links_down, moved: None };
        let connection = &mut self.database.connection;
        let begun = self
            .syncs
            .force(connection)
            .and_then(|()| beginning::next_session(connection, self.session_id, &self.about, inherited));
        self.begin(begun.map_err(failed)?);
        self.syncs.committed();
        Ok(())
    }

    /// From here on another session is written.
    pub(in crate::store) fn begin(&mut self, begun: Begun) {
        (self.session_id, self.first_id, self.next_id) = (begun.session_id, begun.first_id, begun.first_id);
        self.links_down = begun.links_down;
        self.digest = FIRST_DIGEST;
        self.rejects = None;
        self.past = self.past.plus(self.tally);
        self.in_file = self.in_file.plus(self.tally);
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

    /// How much the database takes and may still take.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn space(&self) -> Result<Space> {
        let pages = self.pages()?;
        let room_bytes = pages.below_full_bytes.saturating_add(signed(pages.reusable_bytes)).min(pages.room_bytes());
        Ok(Space {
            used_bytes: pages.file_bytes.saturating_sub(pages.reusable_bytes),
            room_bytes: u64::try_from(room_bytes).unwrap_or(0),
        })
    }

    pub(in crate::store) fn pages(&self) -> Result<Pages> {
        self.database.pages(self.limits)
    }

    /// Write a batch in one transaction, together with an event that has just ended. After an error nothing of it is
    /// written, and it can be given again. Gives how long the sync took, in nanoseconds, if the disk has it and all before.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn commit(&mut self, batch: &Batch, ended: Option<&Event>) -> Result<Option<i64>> {
        self.refuse_suspect()?;
        if self.topics.len() > TOPICS_MAX_REMEMBERED {
            self.topics.clear();
        }
        let digest = batch.digest(&self.digest, self.next_id);
        match self.write(batch, ended, &digest) {
            Ok((written, sync_ns)) => {
                self.syncs.committed();
                self.next_id += batch.len() as i64;
                // A commit of events alone is no link of the chain: it has no row in `batches`.
                if batch.last().is_some() {
                    self.digest = digest;
                }
                (self.tally, self.links_down, self.gaps, self.rejects) = written;
                Ok(sync_ns)
            }
            Err(cause) => {
                // Topics of the rolled back transaction have no row.
                self.topics.clear();
                Err(self.database.failed("write a batch")(cause))
            }
        }
    }

    pub(in crate::store) fn refuse_suspect(&self) -> Result<()> {
        match self.is_suspect {
            false => Ok(()),
            true => Err(Error::Database {
                operation: "go on",
                path: self.database.path.clone(),
                cause: "its disk has failed".to_owned(),
                hint: "check the disk's health",
                trouble: Trouble::Disk,
            }),
        }
    }

    /// Gives what is true when it is committed, and how long the sync took if it is synced.
    fn write(
        &mut self,
        batch: &Batch,
        ended: Option<&Event>,
        digest: &Digest,
    ) -> rusqlite::Result<(Written, Option<i64>)> {
        let is_synced = self.syncs.prepare(&self.database.connection)?;
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
            links_down: self.links_down.clone(),
            gaps: self.gaps,
            rejects: self.rejects.clone().filter(|rejects| !is_over(rejects)),
        };
        rows.insert(batch, ended, &self.about.wanted, self.next_id)?;
        let written = (rows.tally, rows.links_down, rows.gaps, rows.rejects);
        let tally = written.0;
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
        let began_ns = monotonic_ns();
        transaction.commit()?;
        Ok((written, is_synced.then(|| monotonic_ns() - began_ns)))
    }

    /// Bring to the disk what was committed some time ago, or at the end just now, if no other commit has done so. Gives how
    /// long that took, in nanoseconds.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn sync_if_due(&mut self, is_end: bool) -> Result<Option<i64>> {
        if !self.syncs.is_due(is_end) || self.is_suspect {
            return Ok(None);
        }
        let began_ns = monotonic_ns();
        let connection = &self.database.connection;
        let touch = |by: i64| {
            connection
                .prepare_cached("UPDATE sessions SET last_id = last_id + ?2 WHERE id = ?1")?
                .execute([self.session_id, by])
        };
        let touched = self.syncs.force(connection).and_then(|()| {
            let transaction = connection.unchecked_transaction()?;
            // Only a commit that writes a page is synced, and SQLite does not write what is as it was.
            touch(1).and_then(|_| touch(-1))?;
            transaction.commit()
        });
        touched.map_err(self.database.failed("sync"))?;
        self.syncs.committed();
        Ok(Some(monotonic_ns() - began_ns))
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
}
