//! Reading a file that says that it has a write-ahead log and has none, because its recorder was cut off between removing the
//! log and saying so. SQLite would make a new log, which not everybody may who may read the file.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rusqlite::ffi::{SQLITE_READONLY_CANTINIT, SQLITE_READONLY_DIRECTORY};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{Access, access};

use crate::error::Result;
use crate::store::sqlite::open::connection::open;
use crate::store::sqlite::open::files::{beside, has_journal};
use crate::store::sqlite::open::lock::is_locked;
use crate::store::sqlite::untrusted::foreign::{self, Deadline};

/// What a write-ahead log begins with; the first page follows.
const LOG_HEADER_BYTES: u64 = 32;

/// An open file, the deadline of its statements, and what SQLite was told to open: the path, or a URI that names it.
pub(in crate::store) type Connected = (Connection, Deadline, PathBuf);

/// Open what somebody else may have made, and see whether it can be read.
pub(in crate::store) fn connect(path: &Path, mode: OpenFlags) -> Result<rusqlite::Result<Connected>> {
    if !(has_stuck_log(path) && is_logless(path)) {
        match connect_by(path, mode)? {
            Err(cause) if needs_log(&cause) && is_logless(path) => {}
            connected => return Ok(connected),
        }
    }
    // As it is, without locks or files beside it. A recorder that begins meanwhile would be seen half: the digests tell.
    connect_by(&uri(path, "immutable=1"), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)
}

/// The same without changing a byte of any file: SQLite takes the memory that is shared about the log as it is, or makes it in
/// memory of its own.
pub(in crate::store) fn view(path: &Path) -> Result<rusqlite::Result<Connected>> {
    let mode = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    if !(has_stuck_log(path) && is_logless(path)) {
        match connect_by(&uri(path, "readonly_shm=1"), mode)? {
            Err(cause) if needs_log(&cause) && is_logless(path) => {}
            connected => return Ok(connected),
        }
    }
    connect_by(&uri(path, "immutable=1"), mode)
}

fn connect_by(name: &Path, mode: OpenFlags) -> Result<rusqlite::Result<Connected>> {
    let mut connection = open(name, mode)?;
    let deadline = foreign::harden(&mut connection).and_then(|deadline| {
        let read = || connection.query_row("PRAGMA schema_version", [], |_| Ok(()));
        deadline.scan(&connection, 0, read).map(|()| deadline)
    });
    Ok(deadline.map(|deadline| (connection, deadline, name.to_owned())))
}

/// Whether a file cannot be read for want of a write-ahead log, or of the memory that is shared about it.
pub(in crate::store) fn needs_log(cause: &rusqlite::Error) -> bool {
    let extended_code = cause.sqlite_error().map(|error| error.extended_code);
    cause.sqlite_error_code() == Some(ErrorCode::CannotOpen)
        || matches!(extended_code, Some(SQLITE_READONLY_DIRECTORY | SQLITE_READONLY_CANTINIT))
}

/// Whether there is a write-ahead log with something in it.
pub(in crate::store) fn has_log(path: &Path) -> bool {
    log_bytes(path) > LOG_HEADER_BYTES
}

/// Whether all of a database is in its file, and nobody records into it.
fn is_logless(path: &Path) -> bool {
    !has_log(path) && !has_journal(path) && is_locked(path).is_ok_and(|is_locked| !is_locked)
}

/// Whether there is a log of a header alone that may not be written. SQLite tries for ten seconds to make sense of it.
fn has_stuck_log(path: &Path) -> bool {
    (1..=LOG_HEADER_BYTES).contains(&log_bytes(path)) && access(beside(path, "-wal"), Access::WRITE_OK).is_err()
}

fn log_bytes(path: &Path) -> u64 {
    fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len())
}

/// A path as a URI with a parameter.
fn uri(path: &Path, parameter: &str) -> PathBuf {
    let mut uri = b"file:".to_vec();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' | b'?' | b'#' => uri.extend_from_slice(format!("%{byte:02x}").as_bytes()),
            _ => uri.push(*byte),
        }
    }
    uri.push(b'?');
    uri.extend_from_slice(parameter.as_bytes());
    PathBuf::from(OsString::from_vec(uri))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_a_uri_is_still_that_path() {
        assert_eq!(uri(Path::new("/a b/50%?#.db"), "immutable=1"), Path::new("file:/a b/50%25%3f%23.db?immutable=1"));
    }
}
