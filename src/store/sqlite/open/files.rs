//! The files of a database: their names, their lock, and whether they are still those that were opened.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::fs::{FallocateFlags, FlockOperation, Mode, OFlags, Stat, fallocate, flock, fstat, open, stat};

use crate::error::{Error, Result};
use crate::store::sqlite::untrusted::foreign::one_line;

/// Captures are for their owner and group, never for everybody.
pub const FILE_MODE: u32 = 0o640;

/// Files that a recording may go on in, one after the other. Each one stands for a disk error that somebody should see.
const NUMBER_MAX: u32 = 9_999;

/// Somebody who looks whether a recorder is there holds its lock for an instant: another look after this time.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// So many looks, and it is another recorder.
const LOCK_TRIES: u32 = 10;
/// Room that is kept for the end of a session: some pages of the write-ahead log.
const RESERVE_BYTES: u64 = 128 << 10;

/// What is written to see whether there is room.
const PROBE_BYTES: usize = 64 << 10;

/// What stands beside a database and is read with it.
pub(in crate::store) const BESIDE: [&str; 4] = ["-wal", "-shm", "-journal", "-suspect"];

/// Why a database is suspect is one line.
const SUSPICION_MAX_BYTES: u64 = 1024;

/// The path without symbolic links, so that two names of one file have one lock, and so that SQLite takes no name as
/// a special one (`:memory:`). The file itself need not exist.
///
/// # Errors
/// When its directory does not exist or cannot be read.
pub fn true_path(path: &Path) -> io::Result<PathBuf> {
    match (path.canonicalize(), path.file_name()) {
        (Err(cause), Some(name)) if cause.kind() == io::ErrorKind::NotFound => {
            Ok(std::path::absolute(path)?.parent().unwrap_or(Path::new("/")).canonicalize()?.join(name))
        }
        (canonical, _) => canonical,
    }
}

/// Opening a FIFO would wait for ever, and SQLite's own words for a directory are unclear.
pub(in crate::store) fn refuse_other_files(path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => Err(Error::OpenDatabase {
            path: path.to_owned(),
            cause: "it is no regular file".to_owned(),
            hint: "choose another path with --database",
        }),
        _ => Ok(()),
    }
}

/// Lock out a second recorder through a file beside the database. The database itself must not be opened and closed
/// for this: SQLite's own locks on it would be dropped.
pub(in crate::store) fn lock(path: &Path) -> Result<File> {
    let refuse = |cause: io::Error| Error::OpenDatabase {
        path: path.to_owned(),
        cause: cause.to_string(),
        hint: "check who may write there",
    };
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .open(beside(path, "-lock"))
        .map_err(refuse)?;
    let mut locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
    for _ in 0..LOCK_TRIES {
        if locked != Err(rustix::io::Errno::WOULDBLOCK) {
            break;
        }
        thread::sleep(LOCK_PAUSE);
        locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
    }
    match locked {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::OpenDatabase {
            path: path.to_owned(),
            cause: "another recorder is writing to it".to_owned(),
            hint: "stop that one, or choose another file with --database",
        }),
        Err(cause) => Err(refuse(cause.into())),
    }
}

/// Whether a recorder has locked the database.
pub(in crate::store) fn is_locked(path: &Path) -> Result<bool> {
    let refuse = |cause: io::Error| Error::OpenDatabase {
        path: path.to_owned(),
        cause: format!("whether it is being recorded cannot be seen: {cause}"),
        hint: "check who may read the file that ends in -lock",
    };
    let file = match File::open(beside(path, "-lock")) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file.map_err(refuse)?,
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
        Err(cause) => Err(refuse(cause.into())),
    }
}

/// Create a file if there is none. Says whether it is new.
pub(in crate::store) fn create_private(path: &Path) -> io::Result<bool> {
    match File::options().write(true).create_new(true).mode(FILE_MODE).open(path) {
        Ok(_) => Ok(true),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// Bring the name of a file to the disk.
pub(in crate::store) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// How large the file is in which others see what a recorder is doing.
pub const STATUS_BYTES: usize = 4 << 10;

/// That file, beside the database that is recorded.
pub fn status_path(database: &Path) -> PathBuf {
    beside(database, "-status")
}

/// The file beside a database that has this ending behind its name.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// `captures.db` and 2: `captures.2.db`.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// The file to go on in when `path` cannot be written any more: the first number that is free.
pub(in crate::store) fn successor(path: &Path) -> Option<PathBuf> {
    (1..=NUMBER_MAX).map(|number| numbered(path, number)).find(|path| !path.exists() && suspicion(path).is_none())
}

/// The file that is recorded into when `path` is asked for: itself, or the first of its successors that can be used.
pub(in crate::store) fn usable(path: &Path) -> PathBuf {
    let successors = (1..=NUMBER_MAX).map(|number| numbered(path, number));
    std::iter::once(path.to_owned()).chain(successors).find(|path| unusable(path).is_none()).unwrap_or(path.to_owned())
}

/// Why a file must not be recorded into, if that is so.
pub(in crate::store) fn unusable(path: &Path) -> Option<String> {
    let bytes = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    let log = beside(path, "-wal");
    if let Some(why) = suspicion(path) {
        Some(format!("it is suspect: {why}"))
    } else if bytes(path) == 0 && bytes(&log) > 0 {
        // SQLite would delete the log, and with it what a database has not got yet that was moved away.
        Some(format!("{} belongs to a database that is not there any more", log.display()))
    } else {
        None
    }
}

/// Remove a database that was made in vain.
pub(in crate::store) fn remove(path: &Path) {
    for ending in ["", "-wal", "-shm", "-journal", "-reserve", "-lock"] {
        // What is left over is empty, and does no harm.
        let _ = fs::remove_file(beside(path, ending));
    }
}

/// Keep some room, so that the end of a session can be written when there is none left.
pub(in crate::store) fn make_reserve(path: &Path) {
    let reserve = || -> io::Result<()> {
        let file =
            File::options().write(true).create(true).truncate(false).mode(FILE_MODE).open(beside(path, "-reserve"))?;
        Ok(fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES)?)
    };
    if let Err(cause) = reserve() {
        tracing::debug!("no room is kept for the end of the session: {cause}");
    }
}

/// Use the room that was kept.
pub(in crate::store) fn release_reserve(path: &Path) {
    let reserve = beside(path, "-reserve");
    match fs::remove_file(&reserve) {
        // Where none could be made, there is none.
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            tracing::warn!("cannot remove {}: {cause}; remove it, nothing needs it", reserve.display());
        }
        _ => {}
    }
}

/// Say which files are still beside a database that does not need them any more, because they could not be removed.
pub(in crate::store) fn tell_of_leftovers(path: &Path) {
    for left in ["-wal", "-shm"].map(|ending| beside(path, ending)).iter().filter(|left| left.exists()) {
        tracing::warn!(
            "cannot remove {}; all is saved in {}, and the next recording removes it",
            left.display(),
            path.display()
        );
    }
}

/// Whether there is no room where this file is, be it the disk's or a quota's: SQLite does not tell them from errors.
pub(in crate::store) fn is_full(path: &Path) -> bool {
    let probe = beside(path, "-probe");
    let written = fs::write(&probe, [0; PROBE_BYTES]);
    let _ = fs::remove_file(&probe);
    let full = [rustix::io::Errno::DQUOT, rustix::io::Errno::NOSPC].map(|errno| Some(errno.raw_os_error()));
    written.is_err_and(|cause| full.contains(&cause.raw_os_error()))
}

/// Why a database is suspect, if it is: a file beside it says so.
pub(in crate::store) fn suspicion(path: &Path) -> Option<String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        File::open(beside(path, "-suspect"))?.take(SUSPICION_MAX_BYTES).read_to_end(&mut text)?;
        Ok(text)
    };
    match read() {
        Ok(text) => Some(one_line(String::from_utf8_lossy(&text).lines().next().unwrap_or_default())),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
        Err(cause) => Some(cause.to_string()),
    }
}

/// Mark a database as suspect, in a file beside it: after a disk error nobody knows what of it is on the disk, and
/// writing into it would not help.
pub(in crate::store) fn mark_suspect(path: &Path, why: &str) -> io::Result<()> {
    let mark = beside(path, "-suspect");
    fs::write(&mark, format!("{why}\n"))?;
    if let Err(cause) = File::open(&mark).and_then(|mark| mark.sync_all()) {
        tracing::error!("wrote {}, but cannot sync it: {cause}; a power cut may take it", mark.display());
    }
    Ok(())
}

/// What became of a file under the name by which it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Fate {
    /// It is where it was.
    There,
    /// It goes by another name now.
    Renamed,
    /// It has no name any more, and is gone once it is closed.
    Deleted,
}

/// A file that is held so that it can be recognised, without being opened: SQLite's locks would be dropped when such a
/// second descriptor is closed.
#[derive(Debug)]
pub(in crate::store) struct Identity {
    held: OwnedFd,
}

impl Identity {
    pub fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { held: open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())? })
    }

    /// What became of it.
    pub fn fate(&self, path: &Path) -> Fate {
        let Ok(held) = fstat(&self.held) else { return Fate::There };
        let same = |there: Stat| there.st_dev == held.st_dev && there.st_ino == held.st_ino;
        match stat(path) {
            // Also where its name is kept by a mount.
            _ if held.st_nlink == 0 => Fate::Deleted,
            Ok(there) if same(there) => Fate::There,
            // A directory that cannot be read now does not mean that the file is gone.
            Err(cause) if !matches!(cause, rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Fate::There,
            _ => Fate::Renamed,
        }
    }
}

/// Whether a change of the file was perhaps cut off, which SQLite would undo. The journal for that names files to
/// delete, so it is not believed when it may have come with the file.
pub(in crate::store) fn has_journal(path: &Path) -> bool {
    beside(path, "-journal").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successors_are_numbered_before_the_ending() {
        assert_eq!(numbered(Path::new("/a.b/captures.db"), 2), Path::new("/a.b/captures.2.db"));
        assert_eq!(numbered(Path::new("/a.b/captures"), 10), Path::new("/a.b/captures.10"));
    }

    #[test]
    fn a_file_is_recognised_by_what_it_is_not_by_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("a"), directory.path().join("b"));
        fs::write(&path, "").unwrap();
        let identity = Identity::of(&path).unwrap();
        assert_eq!(identity.fate(&path), Fate::There);
        fs::rename(&path, &other).unwrap();
        assert_eq!(identity.fate(&path), Fate::Renamed);
        fs::write(&path, "").unwrap();
        assert_eq!(identity.fate(&path), Fate::Renamed);
        fs::remove_file(&other).unwrap();
        assert_eq!(identity.fate(&path), Fate::Deleted);
    }

    #[test]
    fn a_suspect_file_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        assert_eq!(usable(&path), path);
        mark_suspect(&path, "fsync failed").unwrap();
        assert_eq!(suspicion(&path).unwrap(), "fsync failed");
        assert_eq!(usable(&path), directory.path().join("c.1.db"));
        assert_eq!(successor(&path).unwrap(), directory.path().join("c.1.db"));
        fs::write(directory.path().join("c.1.db"), "").unwrap();
        assert_eq!(successor(&path).unwrap(), directory.path().join("c.2.db"));
        // A log without its database.
        fs::write(directory.path().join("c.1.db-wal"), "log").unwrap();
        assert_eq!(usable(&path), directory.path().join("c.2.db"));
    }
}
