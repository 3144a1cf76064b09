//! Whose database is it, and which tables does it have?

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// Marks a database as ours: "fhwd" in ASCII, the `PRAGMA application_id`.
const APPLICATION_ID: i32 = 0x6668_7764;

/// Migration n makes schema n + 1 out of schema n.
const MIGRATIONS: [&str; 1] = [include_str!("../../migrations/0001_initial.sql")];

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
    let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match application_id {
        APPLICATION_ID => Kind::Ours(usize::try_from(schema).unwrap_or(usize::MAX)),
        0 if objects == 0 && schema == 0 => Kind::Empty,
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

fn mark(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", NEWEST_SCHEMA as i64)
}
