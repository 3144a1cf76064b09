//! A database that somebody else sent may be damaged, or made to do harm. It is opened so that SQLite runs nothing that
//! stands in it, reads from tables that are as we make them, and ends soon whatever the file claims.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytesize::ByteSize;
use rusqlite::config::DbConfig;
use rusqlite::ffi::{self, SQLITE_CORRUPT, SQLITE_READONLY_ROLLBACK};
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, params};

use crate::escape;
use crate::message::MESSAGE_MAX_BYTES;
use crate::store::sqlite::schema;
use crate::store::sqlite::untrusted::waiting::wait;
use crate::time::clock::{NS_PER_S, thread_cpu_ns};

/// What is asked of a database in one go takes this much computing at most: a hundred times what it should, and less
/// than the five seconds after which a program seems to hang. The time of the processor counts, so that neither a slow
/// disk nor a busy machine is taken for damage.
const STATEMENT_MAX_CPU_NS: i64 = 3 * NS_PER_S;

/// What a row may take beyond that in a statement that reads many of them and gives none.
const ROW_MAX_CPU_NS: i64 = 20_000;

/// Instructions of SQLite between two looks at the clock: less than a millisecond, and more than the look costs.
const INSTRUCTIONS_PER_LOOK: i32 = 4000;

/// The longest row with a message, and room for what stands beside it.
const MESSAGE_ROW_MAX_BYTES: i32 = MESSAGE_MAX_BYTES as i32 + (64 << 10);

/// The longest row without a message, and the longest definition of a table. A label or a note comes from a command
/// line, where Linux takes 128 KiB for one argument.
const TEXT_ROW_MAX_BYTES: i32 = 1 << 20;

/// Tables, indices and views in a file. We make fifteen, and whoever reads captures may have added some.
const OBJECTS_MAX: i32 = 1000;

/// No row of ours is shorter than this.
const ROW_MIN_BYTES: i64 = 16;

/// Pages that are kept in memory. The file says how many it would like, which may be all of them.
const CACHE_KIB: i64 = 4 << 10;

/// The processor time at which a statement is broken off, on the clock of the thread that runs it.
#[derive(Clone, Debug)]
pub(in crate::store) struct Deadline {
    at_cpu_ns: Arc<AtomicI64>,
}

impl Deadline {
    /// A deadline for the statements of this connection, not set yet.
    fn of(connection: &mut Connection) -> rusqlite::Result<Self> {
        let deadline = Self { at_cpu_ns: Arc::new(AtomicI64::new(i64::MAX)) };
        let seen = deadline.clone();
        let is_over = move || match seen.at_cpu_ns.load(Ordering::Relaxed) {
            i64::MAX => false,
            at_cpu_ns => thread_cpu_ns() > at_cpu_ns,
        };
        connection.progress_handler(INSTRUCTIONS_PER_LOOK, Some(is_over))?;
        Ok(deadline)
    }

    /// Run statements that read no message, and so many rows before they give one.
    pub fn scan<T>(
        &self,
        connection: &Connection,
        rows: i64,
        work: impl FnOnce() -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, TEXT_ROW_MAX_BYTES)?;
        let result = self.rows(rows, work);
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MESSAGE_ROW_MAX_BYTES)?;
        result
    }

    /// Run statements that may read so many rows before they give one.
    pub fn rows<T>(&self, rows: i64, work: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let allowed_ns = rows.max(0).saturating_mul(ROW_MAX_CPU_NS).saturating_add(STATEMENT_MAX_CPU_NS);
        self.at_cpu_ns.store(thread_cpu_ns().saturating_add(allowed_ns), Ordering::Relaxed);
        let result = work();
        self.at_cpu_ns.store(i64::MAX, Ordering::Relaxed);
        result
    }
}

/// Let a connection that nothing was read from yet run nothing but our own statements, within bounds.
pub(in crate::store) fn harden(connection: &mut Connection) -> rusqlite::Result<Deadline> {
    for (config, is_on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    ] {
        connection.set_db_config(config, is_on)?;
    }
    let deadline = bound(connection, 0)?;
    connection.execute_batch("PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA query_only = ON")?;
    Ok(deadline)
}

/// Let a connection, to which so many databases are attached, read no value that is too large, and not wait for ever.
fn bound(connection: &mut Connection, attached: i32) -> rusqlite::Result<Deadline> {
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_LENGTH, MESSAGE_ROW_MAX_BYTES),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, TEXT_ROW_MAX_BYTES),
        (Limit::SQLITE_LIMIT_SCHEMA, OBJECTS_MAX),
        (Limit::SQLITE_LIMIT_ATTACHED, attached),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, most)?;
    }
    connection.busy_handler(Some(wait))?;
    Deadline::of(connection)
}

/// Attach a database that was found to be ours as `source`, to copy from it. Gives the deadline of the connection's
/// statements, and how many rows the file can have at most.
pub(in crate::store) fn attach(connection: &mut Connection, path: &Path) -> rusqlite::Result<(Deadline, i64)> {
    let deadline = bound(connection, 1)?;
    let path = ToSqlOutput::Borrowed(ValueRef::Text(path.as_os_str().as_encoded_bytes()));
    deadline.rows(0, || {
        connection.pragma_update(None, "cell_size_check", true)?;
        connection.execute("ATTACH ?1 AS source", params![path])?;
        connection.pragma_update(Some("source"), "cache_size", -CACHE_KIB)?;
        let ask = |what: &str| connection.pragma_query_value(Some("source"), what, |row| row.get::<_, i64>(0));
        let rows = ask("page_count")?.saturating_mul(ask("page_size")?) / ROW_MIN_BYTES;
        Ok((deadline.clone(), rows))
    })
}

/// What only a database of ours can be asked, and why it is none if it is not as we make it.
pub(in crate::store) fn difference(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    let ours = schema::in_memory()?;
    for table in schema::TABLES {
        let found = schema::definition(connection, table)?;
        if found.is_empty() {
            return Ok(Some(format!("it has no table {table}")));
        }
        if found != schema::definition(&ours, table)? {
            return Ok(Some(format!("its table {table} is not as fancyhwd makes it")));
        }
    }
    Ok(None)
}

/// A row that no recorder writes.
pub(in crate::store) fn damaged(what: &str) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(SQLITE_CORRUPT), Some(what.to_owned()))
}

/// An error of SQLite in words on one line: a damaged file has a say in what they are.
pub(in crate::store) fn words(cause: &rusqlite::Error) -> String {
    let text = match cause.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => "reading it finds no end".to_owned(),
        Some(ErrorCode::TooBig) => {
            format!(
                "a value in it is larger than any that is recorded ({} for a message)",
                ByteSize(MESSAGE_MAX_BYTES as u64)
            )
        }
        Some(ErrorCode::ReadOnly) if extended_code(cause) == Some(SQLITE_READONLY_ROLLBACK) => {
            "its last change was cut off, and reading it would undo that".to_owned()
        }
        _ => cause.to_string(),
    };
    one_line(&text)
}

fn extended_code(cause: &rusqlite::Error) -> Option<i32> {
    cause.sqlite_error().map(|error| error.extended_code)
}

/// The beginning of a text, without what a terminal would obey.
pub(in crate::store) fn one_line(text: &str) -> String {
    const LINE_MAX_CHARS: usize = 300;
    escape::line(&text.chars().take(LINE_MAX_CHARS).collect::<String>()).into_owned()
}
