//! What a deleted session leaves behind: rows that belong to no session. They are deleted in steps that are too small to
//! hold a capture up, and their room is given back.

use rusqlite::{Row, Transaction, params};

use crate::error::Result;
use crate::store::sqlite::open::database::Database;
use crate::time::clock::{NS_PER_S, monotonic_ns};

/// A step ends after this time: a recorder waits no longer than that.
pub(in crate::store) const STEP_NS: i64 = NS_PER_S / 50;

/// Pages that a step gives back to the disk: 4 MiB.
const STEP_PAGES: i64 = 1024;

/// A commit of a session that is not there any more.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Leftover {
    pub id: i64,
    pub session_id: i64,
    pub first_id: i64,
    pub last_id: i64,
}

impl Leftover {
    /// From the columns id, session_id, first_id, last_id.
    pub fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { id: row.get(0)?, session_id: row.get(1)?, first_id: row.get(2)?, last_id: row.get(3)? })
    }
}

/// Delete the row of a session, so that what it leaves belongs to nobody. That it was deleted stays known as long as something
/// is left of it: otherwise it would look as if its row had been lost.
pub(in crate::store) fn delete_session(transaction: &Transaction<'_>, session_id: i64) -> rusqlite::Result<()> {
    let note = "INSERT OR REPLACE INTO deleted SELECT id, first_id, last_id FROM sessions WHERE id = ?1";
    transaction.execute(note, [session_id])?;
    transaction.execute("DELETE FROM archived WHERE session_id = ?1", [session_id])?;
    transaction.execute("DELETE FROM sessions WHERE id = ?1", [session_id]).map(|_| ())
}

/// Forget the sessions before this id of which nothing is left, but that of the newest commit, see [`delete_commits`].
pub(in crate::store) const FORGET_DELETED: &str = "DELETE FROM deleted WHERE last_id < ?1 \
     AND NOT EXISTS (SELECT 1 FROM batches WHERE id = (SELECT max(id) FROM batches) AND session_id = deleted.session_id)";

/// Delete commits with their messages until `until_ns`, or until `next` gives none; it is asked for one only when the
/// one before is deleted. The time is looked at after every `part_messages` and at the end of each commit. Gives the
/// number of rows that were deleted, and whether the last commit still has messages.
///
/// The newest commit of the database loses its messages but not its row while no session is newer: its ids are the
/// highest that were ever given, and the next session begins after them. Otherwise that would get the ids of what is
/// being deleted, and of what somebody may still be reading.
pub(in crate::store) fn delete_commits(
    transaction: &Transaction<'_>,
    until_ns: i64,
    part_messages: i64,
    mut next: impl FnMut() -> rusqlite::Result<Option<Leftover>>,
) -> rusqlite::Result<(usize, bool)> {
    let highest = "SELECT max(id) FROM batches WHERE id = (SELECT max(id) FROM batches) \
                   AND session_id > (SELECT coalesce(max(id), 0) FROM sessions)";
    let highest_id: Option<i64> = transaction.query_row(highest, [], |row| row.get(0))?;
    let mut batch = transaction.prepare_cached("DELETE FROM batches WHERE id = ?1 AND session_id = ?2")?;
    let mut deleted = 0;
    while let Some(commit) = next()? {
        let (rows, is_done) = delete_messages(transaction, commit, until_ns, part_messages)?;
        deleted += rows;
        if !is_done {
            return Ok((deleted, true));
        }
        if highest_id != Some(commit.id) {
            deleted += batch.execute(params![commit.id, commit.session_id])?;
        }
        if monotonic_ns() >= until_ns {
            break;
        }
    }
    Ok((deleted, false))
}

/// Delete messages of one commit until `until_ns`, at least a few. Gives their number, and whether none is left.
fn delete_messages(
    transaction: &Transaction<'_>,
    commit: Leftover,
    until_ns: i64,
    part_messages: i64,
) -> rusqlite::Result<(usize, bool)> {
    // A damaged commit must not reach into other sessions.
    let is_kept = "SELECT EXISTS (SELECT 1 FROM sessions WHERE first_id <= ?2 AND last_id >= ?1)";
    let range = [commit.first_id, commit.last_id];
    if transaction.prepare_cached(is_kept)?.query_row(range, |row| row.get(0))? {
        return Ok((0, true));
    }
    let mut messages = transaction.prepare_cached("DELETE FROM messages WHERE id BETWEEN ?1 AND ?2")?;
    let mut faults = transaction.prepare_cached("DELETE FROM faults WHERE message_id BETWEEN ?1 AND ?2")?;
    let mut overviews = transaction.prepare_cached("DELETE FROM overviews WHERE last_id BETWEEN ?1 AND ?2")?;
    let mut delete = |first_id, last_id| -> rusqlite::Result<usize> {
        overviews.execute([first_id, last_id])?;
        Ok(messages.execute([first_id, last_id])? + faults.execute([first_id, last_id])?)
    };
    if commit.last_id.saturating_sub(commit.first_id) < part_messages {
        return Ok((delete(commit.first_id, commit.last_id)?, true));
    }
    let mut part = transaction.prepare_cached(
        "SELECT max(id) FROM (SELECT id FROM messages WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3)",
    )?;
    let mut next_id = commit.first_id;
    let mut deleted = 0;
    while let Some(end_id) =
        part.query_row([next_id, commit.last_id, part_messages], |row| row.get::<_, Option<i64>>(0))?
    {
        let rows = delete(next_id, end_id)?;
        deleted += rows;
        next_id = end_id.saturating_add(1);
        if rows > 0 && monotonic_ns() >= until_ns {
            return Ok((deleted, end_id >= commit.last_id));
        }
        if end_id >= commit.last_id {
            break;
        }
    }
    Ok((deleted, true))
}

/// Delete at most so many streams without a session, with their fields, and the endpoints of sessions that are gone. Gives
/// the number of rows.
pub(in crate::store) fn delete_streams(transaction: &Transaction<'_>, most: i64) -> rusqlite::Result<usize> {
    let gone = "SELECT id FROM streams WHERE NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.id = streams.session_id) \
                ORDER BY id LIMIT ?1";
    let fields = format!("DELETE FROM fields WHERE stream_id IN ({gone})");
    let streams = format!("DELETE FROM streams WHERE id IN ({gone})");
    let endpoints =
        "DELETE FROM endpoints WHERE NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.id = endpoints.session_id)";
    let fields = transaction.prepare_cached(&fields)?.execute([most])?;
    let streams = transaction.prepare_cached(&streams)?.execute([most])?;
    Ok(fields + streams + transaction.prepare_cached(endpoints)?.execute([])?)
}

impl Database {
    /// Give free pages of the file back to the disk, one step. It becomes shorter when the log is moved into it.
    pub(in crate::store) fn give_back(&self) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare(&format!("PRAGMA incremental_vacuum({STEP_PAGES})"))?;
        let mut pages = statement.query([])?;
        // Each row that is asked for is one page.
        while pages.next()?.is_some() {}
        Ok(())
    }

    /// Move the write-ahead log into the database when it is longer than `log_max_pages`. A reader that holds on to an
    /// old state of the database makes it wait. Gives the length of a log that could not be moved as a whole, in pages.
    ///
    /// # Errors
    /// When the disk fails: nothing is lost by that, but the file is not to be relied on any more.
    pub(in crate::store) fn checkpoint(&self, log_max_pages: i64) -> Result<i64> {
        let checkpoint = |mode: &str| -> rusqlite::Result<(i64, i64)> {
            let mut statement = self.connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
            statement.query_row([], |row| Ok((row.get(1)?, row.get(2)?)))
        };
        let run = || -> rusqlite::Result<i64> {
            let (log_pages, _) = checkpoint("NOOP")?;
            if log_pages < log_max_pages {
                return Ok(0);
            }
            // Where another program holds the lock for it, neither number is known.
            let (pages, moved_pages) = checkpoint("PASSIVE")?;
            Ok(if pages > 0 && moved_pages >= pages { 0 } else { log_pages })
        };
        run().map_err(self.failed("checkpoint"))
    }
}
