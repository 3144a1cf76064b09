//! Whose database is it, and which tables does it have?

use rusqlite::{Connection, TransactionBehavior};

/// Marks a database as ours: "fhwd" in ASCII, the `PRAGMA application_id`.
const APPLICATION_ID: i32 = 0x6668_7764;

/// All tables and views.
const TABLES_SQL: &str = include_str!("../../../migrations/0001_initial.sql");

/// The number of these tables, the `PRAGMA user_version`.
pub const SCHEMA: i32 = 5;

/// The tables that are read.
pub const TABLES: [&str; 14] = [
    "sessions",
    "endpoints",
    "streams",
    "fields",
    "messages",
    "faults",
    "batches",
    "overviews",
    "deleted",
    "archive",
    "archived",
    "events",
    "types",
    "powers_of_two",
];

/// The views, which nothing here reads.
pub const VIEWS: [&str; 5] = ["numbers", "samples", "decoded_packets", "texts", "undecodable"];

/// What a database file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// An empty database: it can become ours.
    Empty,
    /// Ours, with these tables.
    Ours,
    /// Ours, with the tables of another version.
    OtherVersion(i32),
    /// Written by another program.
    Foreign,
}

/// Look at a database without changing it.
pub fn kind(connection: &Connection) -> rusqlite::Result<Whose> {
    let application_id: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let schema: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    // Not counted: SQLite counts without looking at the clock.
    let has_objects: bool =
        connection.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
    Ok(match application_id {
        APPLICATION_ID if schema == SCHEMA => Whose::Ours,
        APPLICATION_ID => Whose::OtherVersion(schema),
        0 if !has_objects && schema == 0 => Whose::Empty,
        _ => Whose::Foreign,
    })
}

/// Make the tables of an empty database, in one transaction.
pub fn make(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Looked at again inside the transaction: another program may just have done it.
    if kind(&transaction)? == Whose::Empty {
        transaction.execute_batch(TABLES_SQL)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", SCHEMA)?;
    }
    transaction.commit()
}

/// An empty database in memory with all tables.
pub fn in_memory() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(TABLES_SQL)?;
    Ok(connection)
}

/// All that goes by the name of a table or belongs to it, as type and SQL. Indices are left out: one that somebody
/// added changes no answer.
pub fn definition(connection: &Connection, table: &str) -> rusqlite::Result<Vec<(String, String)>> {
    let sql = "SELECT type, sql FROM sqlite_schema WHERE (name = ?1 COLLATE NOCASE OR tbl_name = ?1 COLLATE NOCASE) \
               AND NOT (type = 'index' AND (sql IS NULL OR sql LIKE 'CREATE INDEX %' OR sql LIKE 'CREATE UNIQUE INDEX %'))";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([table], |row| {
        Ok((row.get(0)?, without_comments(&row.get::<_, Option<String>>(1)?.unwrap_or_default())))
    })?;
    rows.collect()
}

/// SQL without comments and line ends, so that a better comment makes no other table. Our definitions have no `--` in a
/// text.
fn without_comments(sql: &str) -> String {
    let code = sql.lines().filter_map(|line| line.split("--").next());
    code.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}
