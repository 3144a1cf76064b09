//! Into the write-ahead log for changes, and out of it again when a file comes to rest.
//!
//! SQLite marks in the header of the file whether there is a log, and protects that change by a rollback journal. A crash
//! in that moment would leave the journal, which makes the file unreadable to whoever may not write it. The mark is two bytes in
//! the first hundred of the file, so in one sector, and either value is right: it needs no journal on the disk.

use std::time::Duration;

use rusqlite::Connection;
use rusqlite::ffi::{self, SQLITE_IOERR};

use crate::store::sqlite::open::failure::is_held;

/// Let changes go through a write-ahead log from here on.
pub(in crate::store) fn begin_log(connection: &Connection) -> rusqlite::Result<()> {
    begin_log_after(connection, || Ok(()))
}

/// As [`begin_log`], after what else is written into the first page, and nowhere else.
pub(in crate::store) fn begin_log_after(
    connection: &Connection,
    prepare: impl FnOnce() -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if mode == "wal" {
        return Ok(());
    }
    set_mode(connection, "MEMORY")?;
    prepare()?;
    let entered = match set_mode(connection, "WAL") {
        Ok(mode) if mode == "wal" => return Ok(()),
        // When that fails it is not an error but the answer.
        Ok(mode) => Err(rusqlite::Error::SqliteFailure(
            ffi::Error::new(SQLITE_IOERR),
            Some(format!("it stays in journal mode {mode} instead of a write-ahead log")),
        )),
        Err(cause) => Err(cause),
    };
    // More than those two bytes is not changed without a journal on the disk.
    set_mode(connection, "DELETE")?;
    entered
}

/// Leave the file as one without a log, which can be read where nobody may write. Returns whether that was possible:
/// another program that has it open at this moment prevents it, and nothing is lost by that.
pub(in crate::store) fn end_log(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(Duration::ZERO)?;
    match set_mode(connection, "MEMORY") {
        Ok(mode) => Ok(mode != "wal"),
        Err(cause) if is_held(&cause) => Ok(false),
        Err(cause) => Err(cause),
    }
}

fn set_mode(connection: &Connection, mode: &str) -> rusqlite::Result<String> {
    let mut statement = connection.prepare(&format!("PRAGMA journal_mode = {mode}"))?;
    let mut rows = statement.query([])?;
    let mode = rows.next()?.map_or(Ok(String::new()), |row| row.get(0))?;
    // The header is written after the row was given: only the end of the statement says whether that succeeded.
    rows.next()?;
    Ok(mode)
}
