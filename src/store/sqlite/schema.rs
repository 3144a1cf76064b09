//! Whose database is it, and which tables does it have?

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// Marks a database as ours: "fhwd" in ASCII, the `PRAGMA application_id`.
const APPLICATION_ID: i32 = 0x6668_7764;

/// Migration n makes schema n + 1 out of schema n.
const MIGRATIONS: [&str; 1] = [include_str!("../../../migrations/0001_initial.sql")];

/// The tables that are read.
pub const TABLES: [&str; 6] = ["sessions", "topics", "packets", "rejects", "batches", "events"];

/// What a database file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An empty database: it can become ours.
    Empty,
    /// Ours, with this schema number.
    Ours(usize),
    /// Written by another program.
    Foreign,
}

/// The newest schema that this program knows.
pub const NEWEST_SCHEMA: usize = MIGRATIONS.len();

/// Look at a database without changing it.
pub fn kind(connection: &Connection) -> rusqlite::Result<Kind> {
    let application_id: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let schema: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    // Not counted: SQLite counts without looking at the clock.
    let has_objects: bool =
        connection.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
    Ok(match application_id {
        APPLICATION_ID => Kind::Ours(usize::try_from(schema).unwrap_or(usize::MAX)),
        0 if !has_objects && schema == 0 => Kind::Empty,
        _ => Kind::Foreign,
    })
}

/// Bring an empty or older database to the newest schema, in one transaction.
pub fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Looked at again inside the transaction: another program may just have done it.
    let from = match kind(&transaction)? {
        Kind::Ours(schema) => schema,
        Kind::Empty | Kind::Foreign => 0,
    };
    for migration in MIGRATIONS.iter().skip(from) {
        transaction.execute_batch(migration)?;
    }
    mark(&transaction)?;
    transaction.commit()
}

/// An empty database in memory with the tables of a schema.
pub fn in_memory(schema: usize) -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    for migration in MIGRATIONS.iter().take(schema) {
        connection.execute_batch(migration)?;
    }
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

fn mark(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", NEWEST_SCHEMA as i64)
}
