//! The lock that keeps a second recorder out: an flock(2) on a file beside the database. Whoever can open a file can lock
//! it, so nobody but the owner can open this one.

use std::fs::File;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::safe_open;
use crate::store::sqlite::open::files::beside;
use crate::store::sqlite::open::holders;

/// The lock file is for its owner alone: with read access, anybody could hold the lock.
const LOCK_MODE: u32 = 0o600;

/// A program that checks whether a recorder is there holds the lock for an instant: try again after this time.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// After so many tries it is another recorder.
const LOCK_TRIES: u32 = 10;

/// Lock out a second recorder. The database itself must not be opened and closed for this: SQLite's own locks on it would be
/// dropped.
pub(in crate::store) fn lock(path: &Path) -> Result<File> {
    let name = beside(path, "-lock");
    let refuse = |cause: String, hint| Error::OpenDatabase { path: path.to_owned(), cause, hint };
    let file =
        safe_open::to_write_privately(&name, LOCK_MODE).map_err(|cause| match safe_open::is_planted(&cause) {
            true => refuse(format!("its lock file {} cannot be used: {cause}", name.display()), REMOVE),
            false => refuse(cause.to_string(), "check who may write there"),
        })?;
    let mut locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
    for _ in 0..LOCK_TRIES {
        if locked != Err(Errno::WOULDBLOCK) {
            break;
        }
        thread::sleep(LOCK_PAUSE);
        locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
    }
    match locked {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => {
            let (cause, advice) = holders::of_recorder_lock(&name);
            Err(Error::InUse { path: path.to_owned(), cause, advice })
        }
        Err(cause) => Err(refuse(io::Error::from(cause).to_string(), "check who may write there")),
    }
}

/// What to do about a file that is not ours.
pub(in crate::store) const REMOVE: &str = "see who may write in that directory, and remove it";

/// Whether a recorder has locked the database.
pub(in crate::store) fn is_locked(path: &Path) -> Result<bool> {
    let name = beside(path, "-lock");
    let refuse = |cause: io::Error| Error::OpenDatabase {
        path: path.to_owned(),
        cause: format!("whether it is being recorded cannot be seen: {}: {cause}", name.display()),
        hint: "check who may read the file that ends in -lock",
    };
    let file = match safe_open::to_read(&name) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
        // It is for its owner alone, but the kernel tells everybody who holds it.
        Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => return Ok(holders::is_flocked(&name)),
        file => file.map_err(refuse)?,
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(cause) => Err(refuse(cause.into())),
    }
}
