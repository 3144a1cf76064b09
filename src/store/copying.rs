//! A session into a database of its own: the same rows with the same ids, so that its digests hold there too.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::store::database::{open, prepare_empty};
use crate::store::foreign::{self, Deadline};
use crate::store::{Database, Session, schema};

/// Everything but the messages, in one transaction, so that totals, events and digests belong together also while the
/// session is being recorded.
const COPY_LEDGER: [&str; 4] = [
    "INSERT INTO main.sessions SELECT * FROM source.sessions WHERE id = ?1",
    "INSERT INTO main.events SELECT * FROM source.events WHERE session_id = ?1 ORDER BY id",
    "INSERT INTO main.batches SELECT * FROM source.batches WHERE session_id = ?1 ORDER BY id",
    // Nobody will end a session in the copy that is open.
    "UPDATE main.sessions SET end_reason = 'interrupted', ended_unix_ns = coalesce( \
         (SELECT committed_unix_ns FROM main.batches ORDER BY id DESC LIMIT 1), started_unix_ns) \
     WHERE id = ?1 AND ended_unix_ns IS NULL",
];

/// Ids that are copied in one transaction: a longer one would keep a recorder from reusing its log.
const WINDOW_IDS: i64 = 50_000;

/// The messages of a range of ids, and the topics of the packets.
const COPY_MESSAGES: [&str; 3] = [
    "INSERT INTO main.packets SELECT * FROM source.packets WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
    "INSERT INTO main.rejects SELECT * FROM source.rejects WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
    "INSERT OR IGNORE INTO main.topics SELECT id, name FROM source.topics \
     WHERE id IN (SELECT topic_id FROM main.packets WHERE id BETWEEN ?1 AND ?2)",
];

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Packets.
    pub packets: u64,
    /// Rejects.
    pub rejected: u64,
    /// Messages that the session's totals count and that were not there.
    pub missing: u64,
}

impl Database {
    /// Copy a session into the empty file `target`, which becomes a database in rollback mode, without side files. It
    /// is not synced. Errors call it `name`. `at` is told how many messages were copied, again and again, and can end
    /// it.
    ///
    /// # Errors
    /// When one cannot be read or the other not be written, or what `at` ends it with. The target is of no use then.
    pub fn copy_session(
        &self,
        session: &Session,
        target: &Path,
        name: &str,
        at: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<Copied> {
        let mut connection = open(target, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let (deadline, rows) = self.begin_copy(&mut connection, session).map_err(failed(name))?;
        let (first_id, last_id, expected) = connection
            .query_row("SELECT first_id, last_id, packets + rejected FROM sessions", [], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
            })
            .map_err(failed(name))?;
        let mut copied = Copied::default();
        let mut next_id = first_id;
        while next_id <= last_id {
            let window_end = next_id.saturating_add(WINDOW_IDS - 1).min(last_id);
            let copy = || copy_messages(&connection, next_id, window_end);
            let (packets, rejected) = deadline.rows(rows, copy).map_err(failed(name))?;
            copied.packets += packets as u64;
            copied.rejected += rejected as u64;
            next_id = match packets + rejected {
                0 => self.next_message(window_end)?.unwrap_or(i64::MAX),
                _ => window_end.saturating_add(1),
            };
            if window_end == i64::MAX {
                break;
            }
            at(next_id.saturating_sub(first_id).unsigned_abs())?;
        }
        copied.missing = expected.unsigned_abs().saturating_sub(copied.packets + copied.rejected);
        connection.close().map_err(|(_, cause)| failed(name)(cause))?;
        Ok(copied)
    }

    /// The first message behind this id, if there is one. A damaged session may claim more ids than can be tried.
    fn next_message(&self, id: i64) -> Result<Option<i64>> {
        let sql = "SELECT min(id) FROM (SELECT min(id) AS id FROM packets WHERE id > ?1 \
             UNION ALL SELECT min(id) FROM rejects WHERE id > ?1)";
        let read = || self.connection.query_row(sql, [id], |row| row.get(0));
        self.bounded(0, read).map_err(self.failed("find a message"))
    }

    /// Gives the deadline of what follows, and how many rows there can be.
    fn begin_copy(&self, connection: &mut Connection, session: &Session) -> rusqlite::Result<(Deadline, i64)> {
        // Nobody else sees the target before it is whole, and its user syncs it then. Without a journal there is no
        // second file that could be left behind.
        connection.pragma_update(Some("main"), "journal_mode", "OFF")?;
        connection.pragma_update(Some("main"), "synchronous", "OFF")?;
        prepare_empty(connection)?;
        schema::migrate(connection)?;
        let (deadline, rows) = foreign::attach(connection, &self.name)?;
        let transaction = connection.transaction()?;
        for sql in COPY_LEDGER {
            deadline.rows(rows, || transaction.execute(sql, [session.id]))?;
        }
        transaction.commit()?;
        Ok((deadline, rows))
    }
}

/// Copy the messages of a range of ids. Gives the numbers of packets and rejects.
fn copy_messages(connection: &Connection, first_id: i64, last_id: i64) -> rusqlite::Result<(usize, usize)> {
    let transaction = connection.unchecked_transaction()?;
    let [packets, rejects, topics] = COPY_MESSAGES;
    let packets = transaction.prepare_cached(packets)?.execute([first_id, last_id])?;
    let rejects = transaction.prepare_cached(rejects)?.execute([first_id, last_id])?;
    transaction.prepare_cached(topics)?.execute([first_id, last_id])?;
    transaction.commit()?;
    Ok((packets, rejects))
}

fn failed(name: &str) -> impl Fn(rusqlite::Error) -> Error {
    move |cause| Error::Export {
        to: name.to_owned(),
        hint: match cause.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => "make room on that disk",
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "see which program holds the database",
            _ => "check whether the database is damaged, and the health of both disks",
        },
        cause: foreign::words(&cause),
        exit: Exit::Failed,
    }
}
