//! Making room: the oldest sessions are deleted in steps that are too small to hold a capture up.

use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};

use crate::clock::monotonic_ns;
use crate::error::Result;
use crate::event::Event;
use crate::store::Recording;
use crate::store::insertion::insert_event;
use crate::store::leftovers::{self, Leftover, STEP_NS};

/// With less room than this, older sessions are deleted: two of the largest batches.
const MARGIN_BYTES: i64 = 8 << 20;

/// Entries of the ledger that a step deletes.
const STEP_EVENTS: i64 = 1000;

/// What a step has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is enough.
    Enough,
    /// More will be made by another step.
    Growing,
    /// There is none, and nothing is left that could be deleted.
    Exhausted,
}

impl Recording {
    /// Make one step towards the room that the limits ask for. `deleted` is put into the ledger, completed, when a
    /// session is deleted.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn make_room(&mut self, deleted: impl FnOnce(String) -> Event) -> Result<Room> {
        if self.limits.max_use_bytes.is_none() && self.limits.keep_free_bytes.is_none() {
            return Ok(Room::Enough);
        }
        let pages = self.pages()?;
        let failed = self.database.failed("make room");
        if pages.growable_bytes < 0 && pages.reusable_bytes > 0 {
            return self.database.give_back().map_err(failed).map(|()| Room::Growing);
        }
        if pages.room_bytes() >= MARGIN_BYTES {
            return Ok(Room::Enough);
        }
        match self.delete_some(deleted).map_err(failed)? {
            true => Ok(Room::Growing),
            false if pages.room_bytes() > 0 => Ok(Room::Enough),
            false => Ok(Room::Exhausted),
        }
    }

    /// Delete the rows of a deleted session, or else delete a session: without its row in `sessions`, the others belong
    /// to nobody. So a session is there whole or not at all, and after a crash the next step goes on. Says whether
    /// there was something to delete.
    fn delete_some(&mut self, deleted: impl FnOnce(String) -> Event) -> rusqlite::Result<bool> {
        let transaction = self.database.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let some = delete_leftovers(&transaction)? || delete_oldest_session(&transaction, self.session_id, deleted)?;
        transaction.commit()?;
        Ok(some)
    }
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
    let (rows, _) = leftovers::delete_commits(transaction, until_ns, next)?;
    let events = transaction.execute(
        "DELETE FROM events WHERE session_id < ?1 AND id < (SELECT min(id) FROM events) + ?2",
        params![oldest_id, STEP_EVENTS],
    )?;
    Ok(rows > 0 || events > 0)
}

fn delete_oldest_session(
    transaction: &Transaction<'_>,
    current_id: i64,
    deleted: impl FnOnce(String) -> Event,
) -> rusqlite::Result<bool> {
    let oldest = transaction.query_row(
        "SELECT id, packets, strftime('%Y-%m-%dT%H:%M:%SZ', started_unix_ns / 1000000000, 'unixepoch') FROM sessions \
         WHERE id < ?1 ORDER BY id LIMIT 1",
        [current_id],
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?)),
    );
    let (id, packets, started) = match oldest {
        Ok(oldest) => oldest,
        Err(rusqlite::Error::QueryReturnedNoRows) => return Ok(false),
        Err(cause) => return Err(cause),
    };
    transaction.execute("DELETE FROM sessions WHERE id = ?1", [id])?;
    let event = deleted(format!("session {id} of {started} with {packets} packets was deleted to make room"));
    tracing::info!("{}", event.detail.as_deref().unwrap_or_default());
    insert_event(transaction, current_id, &event)?;
    Ok(true)
}
