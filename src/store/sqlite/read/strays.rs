//! What `verify` looks at beside the sessions: rows that belong to none, and the tables with which the views read numbers.

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OptionalExtension};

use crate::error::Result;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::schema;
use crate::store::sqlite::untrusted::damage::end_reading;

/// The ids that sessions have or had, as long as something is left of those that were deleted.
const RANGES: &str = "SELECT first_id, last_id FROM sessions WHERE last_id >= first_id \
     UNION ALL SELECT first_id, last_id FROM deleted WHERE last_id >= first_id ORDER BY 1";

/// Tables whose rows have the id of a message, and how it is called.
const BY_MESSAGE: [(&str, &str); 3] = [("messages", "id"), ("faults", "message_id"), ("overviews", "last_id")];

/// Tables whose rows have the id of a session or stream, what that is of, and how a row is called.
const BY_OWNER: [(&str, &str, &str); 5] = [
    ("endpoints", "session_id", "session_id"),
    ("streams", "session_id", "id"),
    ("batches", "session_id", "id"),
    ("events", "session_id", "id"),
    ("fields", "stream_id", "stream_id"),
];

/// Tables that are alike in each database, and their columns.
const FIXED: [(&str, &str); 2] = [("powers_of_two", "exponent, value"), ("types", "name, kind, big_endian, bytes")];

/// What looking at a page takes, in rows, generously.
const ROWS_PER_PAGE: i64 = 10;

impl Database {
    /// What is wrong with the views, and with the tables with which they read numbers, in words.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn compare_fixed(&self) -> Result<Vec<String>> {
        let compare = || -> rusqlite::Result<Vec<String>> {
            let ours = schema::in_memory()?;
            let mut found = Vec::new();
            for view in schema::VIEWS {
                if schema::definition(&self.connection, view)? != schema::definition(&ours, view)? {
                    found.push(format!("the view {view} is not as fancyhwd makes it, and may show something else"));
                }
            }
            for (table, columns) in FIXED {
                let is_sound = unsound(&self.connection, Some(table))?.is_none();
                if !is_sound || rows(&self.connection, table, columns) != rows(&ours, table, columns) {
                    found.push(format!(
                        "the table {table} is not as fancyhwd makes it, so that views may show other numbers"
                    ));
                }
            }
            Ok(found)
        };
        self.quick(compare).map_err(self.failed("compare tables"))
    }

    /// What keeps SQLite from finding all rows by their keys, and the first row of each table that belongs to no session, in
    /// words.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn strays(&self) -> Result<Vec<String>> {
        let find = || -> rusqlite::Result<Vec<String>> {
            // As of one moment: a recorder may be adding to it.
            self.connection.execute_batch("BEGIN")?;
            let found = self.find_strays();
            end_reading(&self.connection)?;
            found
        };
        // It takes as long as the file is large.
        match self.rows_max().and_then(|rows| self.bounded(rows, find)) {
            Err(cause) if cause.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                Ok(vec!["it is damaged so that SQLite cannot read all of it".to_owned()])
            }
            found => found.map_err(self.failed("look for rows without a session")),
        }
    }

    /// So many rows can the file hold, about.
    pub(super) fn rows_max(&self) -> rusqlite::Result<i64> {
        let pages = self.connection.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0))?;
        Ok(pages.saturating_mul(ROWS_PER_PAGE))
    }

    fn find_strays(&self) -> rusqlite::Result<Vec<String>> {
        let connection = &self.connection;
        let mut found: Vec<String> = unsound(connection, None)?.into_iter().collect();
        let mut name = |table: &str, key: &str, value: Option<Value>| match value {
            None => {}
            Some(Value::Integer(value)) => found.push(format!("a row of {table} belongs to no session: {key} {value}")),
            Some(_) => found.push(format!("a row of {table} belongs to no session: its {key} is no number")),
        };
        let ranges: Vec<(i64, i64)> = connection
            .prepare(RANGES)?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        for (table, key) in BY_MESSAGE {
            let sql = format!("SELECT {key} FROM {table} WHERE {key} > ?1 AND {key} < ?2 ORDER BY {key} LIMIT 1");
            let mut between = connection.prepare(&sql)?;
            let mut after = i64::MIN;
            for (first_id, last_id) in ranges.iter().copied().chain([(i64::MAX, i64::MAX)]) {
                let stray: Option<Value> = between.query_row([after, first_id], |row| row.get(0)).optional()?;
                if stray.is_some() {
                    name(table, key, stray);
                    break;
                }
                after = after.max(last_id);
            }
        }
        for (table, owner, key) in BY_OWNER {
            let is_owned = match owner {
                "stream_id" => "EXISTS (SELECT 1 FROM streams WHERE streams.id = stream_id)",
                _ => {
                    "EXISTS (SELECT 1 FROM sessions WHERE sessions.id = session_id) \
                     OR EXISTS (SELECT 1 FROM deleted WHERE deleted.session_id = the.session_id)"
                }
            };
            // SQLite takes it for granted that a column is not NULL that was declared so.
            let sql = format!(
                "SELECT {key} FROM {table} AS the WHERE typeof({owner}) <> 'integer' OR NOT ({is_owned}) LIMIT 1"
            );
            name(table, key, connection.query_row(&sql, [], |row| row.get(0)).optional()?);
        }
        Ok(found)
    }
}

/// What is wrong with the tree of a table, or with the file, in words. Where its keys are out of order, all rows can be read
/// one after the other, and none of them be found.
fn unsound(connection: &Connection, table: Option<&str>) -> rusqlite::Result<Option<String>> {
    let mut found = None;
    connection.pragma(
        None,
        "quick_check",
        table.map_or(Value::Integer(1), |table| Value::Text(table.to_owned())),
        |row| {
            let answer: String = row.get(0)?;
            if answer != "ok" {
                let words = answer.trim_start_matches("*** in database main ***").split_whitespace();
                let words = words.collect::<Vec<_>>().join(" ");
                found.get_or_insert(format!("it is damaged, as SQLite finds: {words}"));
            }
            Ok(())
        },
    )?;
    Ok(found)
}

/// All rows of a small table; `None` when they cannot be read.
fn rows(connection: &Connection, table: &str, columns: &str) -> Option<Vec<Vec<Value>>> {
    /// More are not ours.
    const ROWS_MAX: usize = 10_000;
    let mut statement = connection.prepare(&format!("SELECT {columns} FROM {table} ORDER BY 1")).ok()?;
    let width = statement.column_count();
    let rows = statement.query_map([], |row| (0..width).map(|column| row.get(column)).collect()).ok()?;
    rows.take(ROWS_MAX).collect::<rusqlite::Result<_>>().ok()
}
