//! Writing a session: one transaction per batch, all or nothing.

use std::path::{Path, PathBuf};

use rusqlite::{TransactionBehavior, params};

use crate::error::{Error, Result, Trouble};
use crate::message::{Digest, FIRST_DIGEST};
use crate::observe::event::Event;
use crate::observe::tally::Tally;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::open::holders;
use crate::store::sqlite::open::space::{Limits, Pages, Space, signed};
use crate::store::sqlite::write::beginning::{self, Closing, Inherited, NewSession, SessionStart};
use crate::store::sqlite::write::durability::Syncs;
use crate::store::sqlite::write::insertion::{Begun, Breaks, Insertion, Missed, ToCommit};
use crate::store::sqlite::write::summing::Summing;
use crate::time::clock::{monotonic_ns, unix_ns};

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
    /// Times in which messages may have been missed.
    pub missed: Missed,
    /// Files in which something of the run may be missing.
    pub files_in_doubt: u64,
    /// Messages of the run that were in files that somebody deleted.
    pub deleted_messages: u64,
    /// Messages that were deleted to make room before they were in the archive.
    pub unarchived_messages: u64,
}

/// A session that is being written. What it says is what the last commit made true.
#[derive(Debug)]
pub struct Recording {
    pub(in crate::store) limits: Limits,
    pub(in crate::store) about: SessionStart,
    pub(in crate::store) file: File,
    pub(in crate::store) session: OpenSession,
    pub(in crate::store) run: Run,
}

/// The file that is written.
#[derive(Debug)]
pub(in crate::store) struct File {
    pub database: Database,
    pub syncs: Syncs,
    /// The first session of this run in it.
    pub first_session_id: i64,
    /// The totals of the sessions of this run in it that are over.
    pub tally: Tally,
    /// Whether something of the run may be missing in it.
    pub is_in_doubt: bool,
    /// Whether its disk failed, so that it is not written any more.
    pub is_suspect: bool,
}

/// The session that is written.
#[derive(Debug)]
pub(in crate::store) struct OpenSession {
    pub id: i64,
    first_id: i64,
    pub next_id: i64,
    pub digest: Digest,
    /// The rows of its streams, in their order.
    stream_ids: Vec<i64>,
    pub begun: Begun,
    breaks: Breaks,
    pub tally: Tally,
    pub summing: Summing,
}

/// What there is of this run beside that.
#[derive(Debug, Default)]
pub(in crate::store) struct Run {
    /// What is in other files.
    pub chapters: Vec<Chapter>,
    pub known: Ended,
    /// The totals of the sessions that are over.
    tally: Tally,
    /// No commit before this row belongs to a session that is gone, as far as room was made.
    pub cleared_row: i64,
    /// Why the last messages could not be stored.
    pub given_up: Option<Event>,
    /// When the session ended, if that was not now.
    pub ended_unix_ns: Option<i64>,
    /// When the next commit was made, if that is not now.
    pub committed_unix_ns: Option<i64>,
}

impl From<NewSession> for OpenSession {
    fn from(new: NewSession) -> Self {
        let NewSession { session_id, first_id, begun } = new;
        let (digest, stream_ids, tally) = (FIRST_DIGEST, Vec::new(), Tally::default());
        let (breaks, summing) = (Breaks::new(), Summing::default());
        Self { id: session_id, first_id, next_id: first_id, digest, stream_ids, begun, breaks, tally, summing }
    }
}

impl OpenSession {
    /// What is known at its end.
    pub fn closing(&self) -> Closing<'_> {
        let Self { id, digest, summing, stream_ids, .. } = self;
        Closing { session_id: *id, digest, summing, stream_ids }
    }
}

impl Recording {
    /// Begin a session. Sessions that a crash left open are closed first, as `interrupted`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn start(mut database: Database, about: SessionStart, limits: Limits) -> Result<Self> {
        let inherited = Inherited { begun: &Begun::new(), moved: None, continues: None };
        let here = about.in_file(&database);
        let begun = beginning::start_session(&mut database.connection, &here, inherited)
            .and_then(|begun| limits.limit_log(&database.connection).map(|()| begun))
            .map_err(database.failed("begin a session"))?;
        let file = File::new(database, &about, begun.session_id);
        Ok(Self { limits, about, file, session: begun.into(), run: Run::default() })
    }

    /// Begin a session in a file that nobody else knows yet, which errors call `path`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn build(file: &Path, path: &Path, about: SessionStart) -> Result<Self> {
        Self::start(Database::for_building(file, path)?, about, Limits::default())
    }

    /// End the session and begin the next one, in one transaction, so much later than this one began. After an error the session is still the old one, and
    /// it can be tried again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn split(&mut self, started_unix_ns: i64, later_ns: i64) -> Result<()> {
        self.refuse_suspect()?;
        self.about.started_unix_ns = started_unix_ns;
        let failed = self.file.database.failed("begin the next session");
        let inherited =
            Inherited { begun: &self.session.begun, moved: None, continues: Some((self.session.id, later_ns)) };
        self.session.summing.roll_back();
        let about = self.about.in_file(&self.file.database);
        let connection = &mut self.file.database.connection;
        let begun = self
            .file
            .syncs
            .force(connection)
            .and_then(|()| beginning::next_session(connection, self.session.closing(), &about, inherited));
        self.begin(begun.map_err(failed)?);
        self.file.syncs.committed();
        Ok(())
    }

    /// From here on another session is written.
    pub(in crate::store) fn begin(&mut self, begun: NewSession) {
        let tally = std::mem::replace(&mut self.session, begun.into()).tally;
        self.run.tally = self.run.tally.plus(tally);
        self.file.tally = self.file.tally.plus(tally);
    }

    /// The number of the session.
    pub fn session_id(&self) -> i64 {
        self.session.id
    }

    /// A commit is synced within this time, in nanoseconds.
    pub fn sync_within_ns(&self) -> i64 {
        self.about.durability.sync_within_ns()
    }

    /// The file that is written.
    pub fn path(&self) -> &Path {
        &self.file.database.path
    }

    /// What this run has written, file by file.
    pub fn chapters(&self) -> Vec<Chapter> {
        self.run.chapters.iter().cloned().chain([self.chapter()]).collect()
    }

    /// The sessions of this run in the file.
    pub(in crate::store) fn chapter(&self) -> Chapter {
        Chapter {
            path: self.file.database.path.clone(),
            first_session_id: self.file.first_session_id,
            last_session_id: self.session.id,
        }
    }

    /// The number in the session, from 0, that the next message gets.
    pub fn next_number(&self) -> i64 {
        self.session.next_id - self.session.first_id
    }

    /// What is committed in this run.
    pub fn tally(&self) -> Tally {
        self.run.tally.plus(self.session.tally)
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
        self.file.database.pages(self.limits)
    }

    /// Write a batch in one transaction. After an error nothing of it is written, and it can be given again. Gives how long the
    /// sync took, in nanoseconds, if the disk has it and all before.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn commit(&mut self, what: &ToCommit<'_>) -> Result<Option<i64>> {
        self.refuse_suspect()?;
        let batch = what.batch;
        let digest = batch.digest(&self.session.digest, self.next_number());
        let known = self.session.stream_ids.len();
        match self.write(what, &digest) {
            Ok(sync_ns) => {
                self.file.syncs.committed();
                self.session.next_id += batch.len() as i64;
                // A commit of events alone is no link of the chain: it has no row in `batches`.
                if batch.last().is_some() {
                    self.session.digest = digest;
                }
                Ok(sync_ns)
            }
            Err(cause) => {
                // The others have no row any more.
                self.session.stream_ids.truncate(known);
                Err(self.file.database.failed("write a batch")(cause))
            }
        }
    }

    pub(in crate::store) fn refuse_suspect(&self) -> Result<()> {
        match self.file.is_suspect {
            false => Ok(()),
            true => Err(Error::Database {
                operation: "go on",
                path: self.file.database.path.clone(),
                cause: "its disk has failed".to_owned(),
                hint: "check the disk's health",
                trouble: Trouble::Disk,
            }),
        }
    }

    /// Gives how long the sync took if it is synced.
    fn write(&mut self, what: &ToCommit<'_>, digest: &Digest) -> rusqlite::Result<Option<i64>> {
        let (Self { file, session, run, .. }, batch) = (self, what.batch);
        let is_synced = file.syncs.prepare(&file.database.connection)?;
        let transaction = file.database.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut rows = Insertion {
            transaction: &transaction,
            session_id: session.id,
            stream_ids: &mut session.stream_ids,
            summing: &mut session.summing,
            tally: session.tally,
            begun: session.begun.clone(),
            breaks: session.breaks.clone(),
            missed: run.known.missed,
        };
        rows.insert(what, session.next_id)?;
        let (tally, begun, breaks, missed) = (rows.tally, rows.begun, rows.breaks, rows.missed);
        let last_id = session.next_id + batch.len() as i64 - 1;
        let committed_unix_ns = run.committed_unix_ns.take().unwrap_or_else(unix_ns);
        if batch.last().is_some() {
            transaction
                .prepare_cached(
                    "INSERT INTO batches (session_id, first_id, last_id, committed_unix_ns, digest) VALUES (?, ?, ?, ?, ?)",
                )?
                .execute(params![session.id, session.next_id, last_id, committed_unix_ns, digest])?;
        }
        transaction
            .prepare_cached(
                "UPDATE sessions SET last_id = ?2, first_elapsed_ns = coalesce(first_elapsed_ns, ?3), \
                 last_elapsed_ns = coalesce(?4, last_elapsed_ns), messages = ?5, undecodable = ?6, unwanted = ?7, \
                 lost = ?8, bytes = ?9 WHERE id = ?1",
            )?
            .execute(params![
                session.id,
                last_id,
                batch.messages().next().map(|first| first.elapsed_ns),
                batch.last().map(|last| last.elapsed_ns),
                tally.messages as i64,
                tally.undecodable as i64,
                tally.unwanted as i64,
                tally.lost as i64,
                tally.bytes as i64,
            ])?;
        let began_ns = monotonic_ns();
        transaction.commit()?;
        let sync_ns = is_synced.then(|| monotonic_ns() - began_ns);
        session.summing.commit();
        (session.tally, session.begun, session.breaks, run.known.missed) = (tally, begun, breaks, missed);
        Ok(sync_ns)
    }

    /// Bring to the disk what was committed some time ago, or at the end just now, if no other commit has done so. Gives how
    /// long that took, in nanoseconds.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn sync_if_due(&mut self, is_end: bool) -> Result<Option<i64>> {
        let File { database, syncs, is_suspect, .. } = &mut self.file;
        if !syncs.is_due(is_end) || *is_suspect {
            return Ok(None);
        }
        let began_ns = monotonic_ns();
        let connection = &database.connection;
        let touch = |by: i64| {
            connection
                .prepare_cached("UPDATE sessions SET last_id = last_id + ?2 WHERE id = ?1")?
                .execute([self.session.id, by])
        };
        let touched = syncs.force(connection).and_then(|()| {
            let transaction = connection.unchecked_transaction()?;
            // Only a commit that writes a page is synced, and SQLite does not write what is as it was.
            touch(1).and_then(|_| touch(-1))?;
            transaction.commit()
        });
        touched.map_err(database.failed("sync"))?;
        syncs.committed();
        Ok(Some(monotonic_ns() - began_ns))
    }

    /// Move the write-ahead log into the database when it has grown long. A reader that holds on to an old state of the
    /// database makes it wait: he is named when the log has become twice as long as it should be.
    ///
    /// # Errors
    /// When the disk fails: nothing is lost by that, but the file is not to be relied on any more.
    pub fn checkpoint(&self) -> Result<Option<String>> {
        let max_pages = self.limits.log_max_pages();
        let left_pages = self.file.database.checkpoint(max_pages)?;
        Ok(if left_pages >= 2 * max_pages { holders::of_checkpoint(&self.file.database.path) } else { None })
    }

    /// Count messages that can no more be stored, together with the event that says why. They are in the totals that
    /// [`Recording::end`] writes.
    pub fn give_up(&mut self, event: Event) {
        self.session.tally.lost += event.lost.unwrap_or(0);
        self.run.given_up = Some(event);
    }
}

impl File {
    /// A file in which this session is the first of the run.
    pub fn new(database: Database, about: &SessionStart, first_session_id: i64) -> Self {
        let syncs = Syncs::new(about.durability, !database.is_held());
        Self { database, syncs, first_session_id, tally: Tally::default(), is_in_doubt: false, is_suspect: false }
    }
}
