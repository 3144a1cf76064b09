//! A connection to SQLite.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::{Error, Result};

/// The first SQLite without the WAL-reset bug: until 3.51.2, two connections could corrupt a database between them.
const SQLITE_MIN_VERSION: i32 = 3_051_003;

/// How long a statement that writes waits for another program that holds the database.
pub(in crate::store) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Open a file with a library that does not damage it.
pub(in crate::store) fn open(path: &Path, mode: OpenFlags) -> Result<Connection> {
    if rusqlite::version_number() < SQLITE_MIN_VERSION {
        return Err(Error::OpenDatabase {
            path: path.to_owned(),
            cause: format!("SQLite {} can corrupt a database that is read while it is recorded", rusqlite::version()),
            hint: "build fancyhwd with SQLite 3.51.3 or later",
        });
    }
    Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .and_then(|connection| connection.busy_timeout(BUSY_TIMEOUT).map(|()| connection))
        .map_err(|cause| Error::OpenDatabase {
            path: path.to_owned(),
            cause: cause.to_string(),
            hint: "check who may read and write it",
        })
}
