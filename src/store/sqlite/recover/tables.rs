//! Which table a row is of, by its columns alone: the definition of the tables may be what is damaged.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode};

use crate::store::sqlite::recover::records::Columns;

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Messages,
    Batches,
    /// The definitions of all tables.
    Definitions,
    /// One whose rows are copied as they are: its place in [`COPIED`].
    Copied(usize),
}

/// What each column of a row is: n(ull), i(nteger), r(eal), t(ext), b(lob), in capitals where it may be null. A real number
/// without a fraction is stored as an integer.
const MESSAGES: &[u8] = b"niiibT";
const BATCHES: &[u8] = b"niiiib";
const DEFINITIONS: &[u8] = b"tttiT";

/// The tables that are copied, whether they have row ids, and how a row gets into one. The columns of the primary key come first
/// where it takes the place of the row id.
const COPIED: [(&[u8], bool, &str); 6] = [
    (
        b"nTTiITttttttIIiiIIiiiiiB",
        true,
        "INSERT OR IGNORE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    ),
    (b"niitbttiRT", true, "INSERT OR IGNORE INTO streams VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
    (b"niiiItTTIT", true, "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
    (b"nii", true, "INSERT OR IGNORE INTO deleted VALUES (?, ?, ?)"),
    (b"iittttT", false, "INSERT OR IGNORE INTO endpoints VALUES (?, ?, ?, ?, ?, ?, ?)"),
    (
        b"iitiiitTTRRiI",
        false,
        "INSERT OR IGNORE INTO fields (stream_id, part, place, position, every, byte_offset, type, channel, unit, scale, \"offset\", \
         header_bytes, record_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    ),
];

impl Table {
    /// The table of a row.
    pub fn of(columns: &Columns, has_rowid: bool) -> Option<Self> {
        let is = |pattern: &[u8]| {
            columns.count() == pattern.len()
                && columns.letters().zip(pattern).all(|(letter, wanted)| match wanted {
                    b'R' => matches!(letter, b'n' | b'r' | b'i'),
                    wanted if wanted.is_ascii_uppercase() => letter == b'n' || letter == wanted.to_ascii_lowercase(),
                    wanted => letter == *wanted,
                })
        };
        match has_rowid {
            true if is(MESSAGES) => Some(Self::Messages),
            true if is(BATCHES) => Some(Self::Batches),
            true if is(DEFINITIONS) => Some(Self::Definitions),
            _ => COPIED.iter().position(|(pattern, has, _)| *has == has_rowid && is(pattern)).map(Self::Copied),
        }
    }
}

/// Insert a row into the table that it is of. Says whether it is a row that a recorder can have written.
pub(super) fn insert(connection: &Connection, place: usize, rowid: i64, row: &[u8]) -> rusqlite::Result<bool> {
    let (Some(columns), Some((_, has_rowid, sql))) = (Columns::of(row, row.len()), COPIED.get(place)) else {
        return Ok(false);
    };
    let mut insert = connection.prepare_cached(sql)?;
    for column in 0..columns.count() {
        let value = columns.value(row, column).unwrap_or(ValueRef::Null);
        match column {
            0 if *has_rowid => insert.raw_bind_parameter(1, rowid)?,
            _ => insert.raw_bind_parameter(column + 1, ToSqlOutput::Borrowed(value))?,
        }
    }
    match insert.raw_execute() {
        Err(cause) if cause.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => Ok(false),
        done => done.map(|_| true),
    }
}
