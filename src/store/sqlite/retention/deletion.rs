//! Changing what was captured: labels, and sessions that are not wanted any more. A recorder may be writing meanwhile.
//!
//! A session is deleted as the recorder does it to make room: first its row, in one transaction, so that it is there
//! whole or not at all; then, in steps, the rows that belong to no session. When this is interrupted, the next deletion
//! goes on with it. Session and message ids are not given again, see [`leftovers`].

use std::thread;
use std::time::Duration;

use rusqlite::{OptionalExtension, TransactionBehavior, params};

use crate::error::{Error, Result};
use crate::process::stop::Stop;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::open::lock;
use crate::store::sqlite::open::space::Limits;
use crate::store::sqlite::read::sessions::Session;
use crate::store::sqlite::retention::leftovers::{self, Leftover, STEP_NS};
use crate::time::clock::monotonic_ns;

/// Rows that are looked up at once.
const LOOKED_UP: i64 = 1000;

/// Half a step, because what follows it, the commit, is not counted.
const HOLD_NS: i64 = STEP_NS / 2;

/// Messages that are deleted before the time is looked at: a whole commit may take longer than a step.
const PART_MESSAGES: i64 = 100;

/// Commits without a session, from one on.
const COMMITS: &str = "SELECT id, session_id, first_id, last_id FROM batches WHERE id > ?1 \
     AND NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.id = batches.session_id) ORDER BY id LIMIT ?2";

/// Entries of the ledger without a session, from one on.
const EVENTS: &str = "SELECT id FROM events WHERE id > ?1 \
     AND NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.id = events.session_id) ORDER BY id LIMIT ?2";

/// Looked at again in the transaction, because a new entry may have the id of one that somebody else deleted.
const DELETE_EVENT: &str = "DELETE FROM events WHERE id = ?1 \
     AND NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.id = events.session_id)";

impl Database {
    /// Give a session another label, or none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn set_label(&mut self, session: &Session, label: Option<&str>) -> Result<()> {
        self.change(|database| {
            let failed = database.failed("set a label");
            let transaction = database.connection.transaction_with_behavior(TransactionBehavior::Immediate);
            let set = transaction.and_then(|transaction| {
                for part in session.parts.iter() {
                    transaction.execute("UPDATE sessions SET label = ?2 WHERE id = ?1", params![part.id, label])?;
                }
                transaction.commit()
            });
            set.map_err(failed)
        })
    }

    /// Whether a recorder has this database open.
    ///
    /// # Errors
    /// When its lock cannot be looked at.
    pub fn is_recorded(&self) -> Result<bool> {
        lock::is_locked(&self.path)
    }

    /// Delete a session, and what else belongs to no session: its room is given back to the disk unless a recorder has the
    /// file open, which uses the room again.
    ///
    /// # Errors
    /// When it is being recorded, or the database cannot be written. What is done so far stays done.
    pub fn delete_session(&mut self, session_id: i64, stop: &Stop) -> Result<()> {
        self.change(|database| {
            let failed = database.failed("delete a session");
            database.try_delete(session_id).map_err(failed)??;
            database.clear(stop).map(|_| ())
        })
    }

    fn try_delete(&mut self, session_id: i64) -> rusqlite::Result<Result<()>> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let is_open: Option<bool> = transaction
            .query_row("SELECT ended_unix_ns IS NULL FROM sessions WHERE id = ?1", [session_id], |row| row.get(0))
            .optional()?;
        if is_open == Some(true) {
            // A session that a crash left open is not locked.
            match lock::is_locked(&self.path) {
                Ok(false) => {}
                Ok(true) => {
                    return Ok(Err(Error::SessionIsRecorded { id: session_id, database: self.path.clone() }));
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        leftovers::delete_session(&transaction, session_id)?;
        transaction.commit()?;
        Ok(Ok(()))
    }

    /// Delete what belongs to no session. Gives the number of rows that were deleted.
    ///
    /// # Errors
    /// When the database cannot be written, or a stop is requested. What is done so far stays done.
    pub fn clear_leftovers(&mut self, stop: &Stop) -> Result<usize> {
        self.change(|database| database.clear(stop))
    }

    fn clear(&mut self, stop: &Stop) -> Result<usize> {
        let mode: rusqlite::Result<String> = self.connection.query_row("PRAGMA journal_mode", [], |row| row.get(0));
        if mode.is_ok_and(|mode| mode == "wal") {
            // So that no step waits for the disk while it holds a recorder up. Those that a power cut takes are made again.
            let _ = self.connection.pragma_update(None, "synchronous", "NORMAL");
        }
        let rows = self.delete_leftover_commits(stop)?
            + self.delete_leftover_events(stop)?
            + self.delete_leftover_streams(stop)?;
        self.connection
            .execute(leftovers::FORGET_DELETED, [i64::MAX])
            .map_err(self.failed("delete what is left over"))?;
        if rows > 0 {
            self.give_all_back(stop)?;
        }
        Ok(rows)
    }

    fn delete_leftover_commits(&mut self, stop: &Stop) -> Result<usize> {
        let (mut deleted, mut last_id) = (0, i64::MIN);
        loop {
            let commits = self
                .connection
                .prepare_cached(COMMITS)
                .and_then(|mut statement| statement.query_map([last_id, LOOKED_UP], Leftover::from_row)?.collect())
                .map_err(self.failed("look for what is left over"))?;
            let commits: Vec<Leftover> = commits;
            let Some(last) = commits.last() else { return Ok(deleted) };
            last_id = last.id;
            let mut rest = commits.as_slice();
            while !rest.is_empty() {
                let (rows, left) = self.step(stop, |transaction, until_ns| {
                    let mut taken = 0;
                    let next = || {
                        taken += 1;
                        Ok(rest.get(taken - 1).copied())
                    };
                    let (rows, has_messages) = leftovers::delete_commits(transaction, until_ns, PART_MESSAGES, next)?;
                    let done = if has_messages { taken - 1 } else { taken };
                    Ok((rows, rest.get(done..).unwrap_or_default()))
                })?;
                deleted += rows;
                rest = left;
            }
        }
    }

    fn delete_leftover_events(&mut self, stop: &Stop) -> Result<usize> {
        let (mut deleted, mut last_id) = (0, i64::MIN);
        loop {
            let ids = self
                .connection
                .prepare_cached(EVENTS)
                .and_then(|mut statement| statement.query_map([last_id, LOOKED_UP], |row| row.get(0))?.collect())
                .map_err(self.failed("look for what is left over"))?;
            let ids: Vec<i64> = ids;
            let Some(last) = ids.last() else { return Ok(deleted) };
            last_id = *last;
            deleted += self.step(stop, |transaction, _| {
                let mut delete = transaction.prepare_cached(DELETE_EVENT)?;
                let mut rows = 0;
                for id in &ids {
                    rows += delete.execute([id])?;
                }
                Ok(rows)
            })?;
        }
    }

    fn delete_leftover_streams(&mut self, stop: &Stop) -> Result<usize> {
        let mut deleted = 0;
        loop {
            match self.step(stop, |transaction, _| leftovers::delete_streams(transaction, PART_MESSAGES))? {
                0 => return Ok(deleted),
                rows => deleted += rows,
            }
        }
    }

    /// One short transaction, and then as long a pause, in which a recorder can write.
    fn step<T>(
        &mut self,
        stop: &Stop,
        work: impl FnOnce(&rusqlite::Transaction<'_>, i64) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.go_on(stop)?;
        let failed = self.failed("delete what is left over");
        let run = || -> rusqlite::Result<(T, i64)> {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let began_ns = monotonic_ns();
            let done = work(&transaction, began_ns + HOLD_NS)?;
            transaction.commit()?;
            Ok((done, monotonic_ns() - began_ns))
        };
        let (done, held_ns) = run().map_err(failed)?;
        self.checkpoint(Limits::default().log_max_pages())?;
        if self.is_recorded()? {
            thread::sleep(Duration::from_nanos(held_ns.unsigned_abs()));
        }
        Ok(done)
    }

    fn give_all_back(&self, stop: &Stop) -> Result<()> {
        let free_pages = || -> Result<i64> {
            let free = self.connection.query_row("PRAGMA freelist_count", [], |row| row.get(0));
            free.map_err(self.failed("see how large it is"))
        };
        let mut free = free_pages()?;
        while free > 0 && !self.is_recorded()? {
            self.go_on(stop)?;
            self.give_back().map_err(self.failed("give room back"))?;
            // Whoever reads now is not waited for: then the file becomes shorter later.
            self.truncate_log(Duration::ZERO).map_err(self.failed("give room back"))?;
            let before = std::mem::replace(&mut free, free_pages()?);
            if free >= before {
                break;
            }
        }
        Ok(())
    }
    fn go_on(&self, stop: &Stop) -> Result<()> {
        stop.check(|| format!("give back all room of what was deleted from {}", self.path.display()))
    }
}
