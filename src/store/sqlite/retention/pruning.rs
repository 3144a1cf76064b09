//! Making room: the oldest sessions are deleted in steps that are too small to hold a capture up.

use std::time::Duration;

use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};

use crate::error::Result;
use crate::observe::event::Event;
use crate::store::sqlite::open::space::signed;
use crate::store::sqlite::retention::leftovers::{self, Leftover, STEP_NS};
use crate::store::sqlite::write::insertion::insert_event;
use crate::store::sqlite::write::recording::Recording;
use crate::time::clock::monotonic_ns;

/// With less room than this, older sessions are deleted: two of the largest batches.
const MARGIN_BYTES: i64 = 8 << 20;

/// How SQLite names a database that gives pages back when it is asked to.
const AUTO_VACUUM_INCREMENTAL: i64 = 2;

/// What a row takes beside its payload, about.
const ROW_BYTES: i64 = 28;

/// Entries of the ledger that a step deletes.
const STEP_EVENTS: i64 = 1000;

/// Rows of commits that a step looks at.
const STEP_COMMITS: i64 = 10_000;

/// Streams that a step deletes.
const STEP_STREAMS: i64 = 100;

/// How many messages of a session an archive has not acknowledged.
const UNARCHIVED: &str = "SELECT sessions.last_id - coalesce(archived.last_id, sessions.first_id - 1) FROM sessions \
     LEFT JOIN archived ON session_id = sessions.id WHERE sessions.id = ?1";

/// The next commit between two rows that belongs to no session.
const SCATTERED: &str = "SELECT id, session_id, first_id, last_id FROM batches WHERE id > ?1 AND id <= ?2 \
     AND NOT EXISTS (SELECT 1 FROM sessions WHERE id = batches.session_id) ORDER BY id LIMIT 1";

/// What a step has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is enough, or nothing can be done about it now: somebody reads an old state of the database, and nothing can
    /// be given back or used again until that is over.
    Enough,
    /// More will be made by another step.
    Growing,
    /// This session was deleted: in words. More will be made by another step.
    Deleted(Event),
    /// There is none within `--max-use`, and nothing is left that could be deleted.
    Exhausted,
    /// The same for `--keep-free`, or deleting all that could be deleted would not be enough, so nothing is deleted.
    DiskExhausted,
}

impl Recording {
    /// Make one step towards the room that the limits ask for. `now` is the entry for the ledger of a session that is
    /// deleted, to be completed.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn make_room(&mut self, now: Event) -> Result<Room> {
        if !self.limits.are_set() {
            return Ok(Room::Enough);
        }
        let pages = self.pages()?;
        let can_shrink = pages.growable_bytes() < 0 && pages.reusable_bytes > 0 && self.can_shrink()?;
        if pages.room_bytes() >= MARGIN_BYTES && !can_shrink {
            return Ok(Room::Enough);
        }
        let failed = |cause| self.file.database.failed("make room")(cause);
        // What is written now would only make the log longer, as long as that cannot begin anew.
        if !self.file.database.truncate_log(Duration::ZERO).map_err(failed)? {
            return Ok(Room::Enough);
        }
        if can_shrink {
            self.file.database.give_back().map_err(failed)?;
            self.file.database.truncate_log(Duration::ZERO).map_err(failed)?;
            return Ok(Room::Growing);
        }
        if pages.below_free_bytes < MARGIN_BYTES {
            let could_be_bytes = self.deletable_bytes().map_err(failed)?.saturating_add(signed(pages.reusable_bytes));
            if pages.below_free_bytes.saturating_add(could_be_bytes) <= 0 {
                return Ok(Room::DiskExhausted);
            }
        }
        Ok(match self.delete_some(now).map_err(self.file.database.failed("make room"))? {
            Step::Rows => Room::Growing,
            Step::Session(event, unarchived) => {
                self.run.known.unarchived_messages += unarchived;
                self.run.cleared_row = 0;
                Room::Deleted(event)
            }
            Step::Nothing if pages.room_bytes() > 0 => Room::Enough,
            Step::Nothing if pages.below_use_bytes <= pages.below_free_bytes => Room::Exhausted,
            Step::Nothing => Room::DiskExhausted,
        })
    }

    /// Whether the file can become shorter. One that was not made by this program may not.
    fn can_shrink(&self) -> Result<bool> {
        let mode: rusqlite::Result<i64> =
            self.file.database.connection.query_row("PRAGMA auto_vacuum", [], |row| row.get(0));
        mode.map(|mode| mode == AUTO_VACUUM_INCREMENTAL).map_err(self.file.database.failed("make room"))
    }

    /// What the older sessions take, about.
    fn deletable_bytes(&self) -> rusqlite::Result<i64> {
        self.file.database.connection.query_row(
            "SELECT coalesce(sum(bytes + (last_id - first_id + 1) * ?2), 0) FROM sessions WHERE id < ?1",
            params![self.session.id, ROW_BYTES],
            |row| row.get(0),
        )
    }

    /// Delete the rows of a deleted session, or else delete a session: without its row in `sessions`, the others belong
    /// to nobody. So a session is there whole or not at all, and after a crash the next step goes on.
    fn delete_some(&mut self, now: Event) -> rusqlite::Result<Step> {
        let transaction = self.file.database.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let step = match delete_leftovers(&transaction)? || delete_scattered(&transaction, &mut self.run.cleared_row)? {
            true => Step::Rows,
            false => delete_oldest_session(&transaction, self.session.id, self.about.recorder.is_some(), now)?,
        };
        transaction.commit()?;
        Ok(step)
    }
}

/// What was deleted.
enum Step {
    Nothing,
    Rows,
    /// With how many messages that were to be in an archive first, and are not.
    Session(Event, u64),
}

/// Delete rows from before the oldest session, for the time of one step.
fn delete_leftovers(transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
    let until_ns = monotonic_ns() + STEP_NS;
    let (oldest_id, first_id): (i64, i64) =
        transaction.query_row("SELECT id, first_id FROM sessions ORDER BY id LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let mut oldest =
        transaction.prepare_cached("SELECT id, session_id, first_id, last_id FROM batches ORDER BY id LIMIT 1")?;
    let next = || {
        let commit = oldest.query_row([], Leftover::from_row).optional()?;
        Ok(commit.filter(|commit| commit.first_id < first_id))
    };
    let (rows, _) = leftovers::delete_commits(transaction, until_ns, i64::MAX, next)?;
    let events = transaction.execute(
        "DELETE FROM events WHERE session_id < ?1 AND id < (SELECT min(id) FROM events) + ?2",
        params![oldest_id, STEP_EVENTS],
    )?;
    let streams = leftovers::delete_streams(transaction, STEP_STREAMS)?;
    let is_more = rows > 0 || events > 0 || streams > 0;
    if !is_more {
        transaction.execute(leftovers::FORGET_DELETED, [first_id])?;
    }
    Ok(is_more)
}

/// Delete commits of a session that was younger than one that is still there, as one is that waits for the archive. They are
/// looked for behind `cleared_row`, some rows in a step. Says whether there may be more.
fn delete_scattered(transaction: &Transaction<'_>, cleared_row: &mut i64) -> rusqlite::Result<bool> {
    let is_any = "SELECT EXISTS (SELECT 1 FROM deleted), coalesce((SELECT max(id) FROM batches), 0)";
    let (is_any, last_row): (bool, i64) = transaction.query_row(is_any, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if !is_any || *cleared_row >= last_row {
        return Ok(false);
    }
    let until_ns = monotonic_ns() + STEP_NS;
    let end_row = cleared_row.saturating_add(STEP_COMMITS);
    let mut scattered = transaction.prepare_cached(SCATTERED)?;
    let mut next = *cleared_row;
    let (_, has_messages) = leftovers::delete_commits(transaction, until_ns, i64::MAX, || {
        let found = scattered.query_row(params![next, end_row], Leftover::from_row).optional()?;
        next = found.map_or(end_row, |found| found.id);
        Ok(found)
    })?;
    // What was not finished is looked for again.
    *cleared_row = if has_messages { next.saturating_sub(1) } else { next };
    Ok(true)
}

/// Delete a session, of those that the archive has if there are any, the oldest.
fn delete_oldest_session(
    transaction: &Transaction<'_>,
    current_id: i64,
    is_archiving: bool,
    now: Event,
) -> rusqlite::Result<Step> {
    let oldest: Option<(i64, i64, String)> = transaction
        .query_row(
        "SELECT id, messages, strftime('%Y-%m-%dT%H:%M:%SZ', started_unix_ns / 1000000000, 'unixepoch') FROM sessions \
         WHERE id < ?1 ORDER BY ?2 AND NOT EXISTS (SELECT 1 FROM archived WHERE session_id = sessions.id AND is_described \
         AND archived.last_id >= sessions.last_id), id LIMIT 1",
        params![current_id, is_archiving],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
        .optional()?;
    let Some((id, messages, started)) = oldest else { return Ok(Step::Nothing) };
    let behind = match is_archiving {
        true => transaction.query_row(UNARCHIVED, [id], |row| row.get::<_, i64>(0))?.max(0).unsigned_abs(),
        false => 0,
    };
    leftovers::delete_session(transaction, id)?;
    let unarchived = match behind {
        0 => String::new(),
        behind => format!(", {behind} of which are not in the archive"),
    };
    let detail = format!("session {id} of {started} with {messages} messages{unarchived} was deleted to make room");
    let event = Event { detail: Some(detail), ..now };
    insert_event(transaction, current_id, &event)?;
    Ok(Step::Session(event, behind))
}
