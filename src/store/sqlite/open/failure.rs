//! What went wrong with a database, in words that can be acted on.

use std::path::Path;

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

use crate::error::{Error, Trouble};
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::open::{files, holders, logless};
use crate::store::sqlite::untrusted::foreign;

impl Database {
    /// An error of this database.
    pub(in crate::store) fn failed(&self, operation: &'static str) -> impl FnOnce(rusqlite::Error) -> Error + use<> {
        let (path, is_recorded) = (self.path.clone(), self.is_held());
        move |cause| {
            let extended_code = cause.sqlite_error().map(|error| error.extended_code);
            let trouble = match cause.sqlite_error_code() {
                _ if is_held(&cause) => Trouble::Locked,
                Some(ErrorCode::DiskFull) => Trouble::DiskFull,
                // The index of the write-ahead log could not grow, which is what a full disk looks like there.
                _ if extended_code == Some(SQLITE_IOERR_SHMSIZE) => Trouble::DiskFull,
                // SQLite takes a used-up quota for an error of the disk.
                Some(ErrorCode::SystemIoFailure) if is_recorded && files::is_full(&path) => Trouble::DiskFull,
                Some(
                    ErrorCode::SystemIoFailure
                    | ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::ReadOnly
                    | ErrorCode::CannotOpen
                    | ErrorCode::OperationInterrupted,
                ) => Trouble::Disk,
                _ => Trouble::Other,
            };
            let hint = match trouble {
                Trouble::Locked => "wait until that is over, or end that program",
                Trouble::DiskFull => "make room on that disk",
                Trouble::Disk => "check whether it is damaged, and the disk's health",
                Trouble::Other => "see what is in it, and what was to be stored",
            };
            let words = foreign::words(&cause);
            let cause = if trouble == Trouble::Locked { holders::with_holder(words, &path) } else { words };
            Error::Database { operation, path, cause, hint, trouble }
        }
    }
}

/// Whether somebody else holds the database.
pub(super) fn is_held(cause: &rusqlite::Error) -> bool {
    matches!(
        cause.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed)
    )
}

/// The error that it cannot be read.
pub(super) fn not_readable(cause: &rusqlite::Error, path: &Path) -> Error {
    let (cause, hint) = match cause.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            ("the file is no SQLite database".to_owned(), "choose another file with --database")
        }
        _ if is_held(cause) => {
            (holders::with_holder(foreign::words(cause), path), "wait until that is over, or end that program")
        }
        _ if logless::needs_log(cause) && logless::has_log(path) => (
            "its recording was cut off, and reading its write-ahead log takes a file beside it that cannot be made"
                .to_owned(),
            "`fancyhwd session list --database FILE`, run by a user who may write there, mends it",
        ),
        Some(ErrorCode::ReadOnly) => (foreign::words(cause), "if it is yours, `sqlite3 FILE .tables` mends it"),
        _ => (foreign::words(cause), "check who may read it, and whether it is damaged"),
    };
    Error::OpenDatabase { path: path.to_owned(), cause, hint }
}
