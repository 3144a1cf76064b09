//! The files of a database: their names, and whether they are still those that were opened.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{FallocateFlags, Mode, OFlags, Stat, fallocate, fstat, open, stat};
use tempfile::tempfile_in;

use crate::error::{Error, Result};
use crate::safe_open;
use crate::store::sqlite::open::lock::REMOVE;
use crate::store::sqlite::untrusted::foreign::one_line;

/// Captures are for their owner and group, never for everybody.
pub const FILE_MODE: u32 = 0o640;

/// Files that a recording may go on in, one after the other. Each one stands for a disk error that somebody should see.
const NUMBER_MAX: u32 = 9_999;

/// Room that is kept for the end of a session: some pages of the write-ahead log.
const RESERVE_BYTES: u64 = 128 << 10;

/// What is written to see whether there is room.
const PROBE_BYTES: usize = 64 << 10;

/// What stands beside a database and is read with it.
const BESIDE: [&str; 4] = ["-wal", "-shm", "-journal", "-suspect"];

/// All that is made beside a database.
const ENDINGS: [&str; 8] = ["", "-wal", "-shm", "-journal", "-suspect", "-lock", "-status", "-reserve"];

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

/// Refuse what is not there, or is where this user may not look.
pub(in crate::store) fn refuse_missing(path: &Path) -> Result<()> {
    let refuse = |cause: String, hint| Err(Error::OpenDatabase { path: path.to_owned(), cause, hint });
    match path.try_exists() {
        Ok(true) => Ok(()),
        Ok(false) => {
            refuse("there is no such file".to_owned(), "record something first, or name a capture with --database")
        }
        Err(cause) => refuse(cause.to_string(), "check who may read that directory"),
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

/// Refuse what stands beside a database and is no regular file. SQLite follows no link there either.
pub(in crate::store) fn refuse_planted(path: &Path) -> Result<()> {
    for beside in BESIDE.map(|ending| beside(path, ending)) {
        safe_open::check(&beside).map_err(|cause| Error::OpenDatabase {
            path: path.to_owned(),
            cause: format!("{} belongs to it, and {cause}", beside.display()),
            hint: REMOVE,
        })?;
    }
    Ok(())
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
    File::open(directory(path))?.sync_all()
}

fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
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

/// Whether a path is that of a database, or of a file beside it.
pub fn belongs_to(path: &Path, database: &Path) -> bool {
    let path = place(path);
    ENDINGS.iter().any(|ending| path == beside(database, ending))
}

/// The path with a directory that is reached by no links. What stands there itself may be one.
pub fn place(path: &Path) -> PathBuf {
    let in_directory =
        |name| -> io::Result<PathBuf> { Ok(directory(&std::path::absolute(path)?).canonicalize()?.join(name)) };
    path.file_name().and_then(|name| in_directory(name).ok()).unwrap_or_else(|| path.to_owned())
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

/// The place of a file among the successors of another one, if it is one of them.
pub(in crate::store) fn successor_number(path: &Path, of: &Path) -> Option<u32> {
    if path == of { None } else { (1..=NUMBER_MAX).find(|number| numbered(of, *number) == path) }
}

/// The file to go on in when `path` cannot be written any more: the first number that is free.
pub(in crate::store) fn successor(path: &Path) -> Option<PathBuf> {
    (1..=NUMBER_MAX).map(|number| numbered(path, number)).find(|path| is_free(path))
}

fn is_free(path: &Path) -> bool {
    path.symlink_metadata().is_err() && suspicion(path).is_none() && has_nothing_planted(path)
}

/// Whether nothing keeps a successor from being used. Nobody asked for it by its name, so it is a file and no link to one.
fn has_nothing_planted(path: &Path) -> bool {
    ["", "-wal", "-shm", "-journal", "-lock"].iter().all(|ending| safe_open::check(&beside(path, ending)).is_ok())
}

/// The file that is recorded into when `path` is asked for: itself, or the first of its successors that can be used.
pub(in crate::store) fn usable(path: &Path) -> PathBuf {
    let successors = (1..=NUMBER_MAX).map(|number| numbered(path, number));
    let successors = successors.filter(|path| has_nothing_planted(path));
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
    for ending in ["", "-wal", "-shm", "-journal", "-lock"] {
        // What is left over is empty, and does no harm.
        let _ = fs::remove_file(beside(path, ending));
    }
}

/// Keep some room until the file that is returned is closed, so that the end of a session can be written when there is none
/// left. The file has no name: nobody can put another one in its place, and a crash leaves nothing behind.
pub(in crate::store) fn make_reserve(path: &Path) -> Option<File> {
    let left_by_an_older_version = beside(path, "-reserve");
    if left_by_an_older_version.symlink_metadata().is_ok_and(|there| there.is_file()) {
        // It does no harm.
        let _ = fs::remove_file(left_by_an_older_version);
    }
    let reserve = || -> io::Result<File> {
        let file = tempfile_in(directory(path))?;
        fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES)?;
        Ok(file)
    };
    reserve().map_err(|cause| tracing::debug!("no room is kept for the end of the session: {cause}")).ok()
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

/// Whether there is no room where this file is, be it the disk's or a quota's: SQLite does not tell them from errors. The
/// file that is written for this has no name.
pub(in crate::store) fn is_full(path: &Path) -> bool {
    let written = tempfile_in(directory(path)).and_then(|mut probe| probe.write_all(&[0; PROBE_BYTES]));
    written.is_err_and(|cause| matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
}

/// Why a database is suspect, if it is: a file beside it says so.
pub(in crate::store) fn suspicion(path: &Path) -> Option<String> {
    let mark = beside(path, "-suspect");
    let read = || -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        safe_open::to_read(&mark)?.take(SUSPICION_MAX_BYTES).read_to_end(&mut text)?;
        Ok(text)
    };
    match read() {
        Ok(text) => Some(one_line(String::from_utf8_lossy(&text).lines().next().unwrap_or_default())),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
        Err(cause) => Some(format!("why cannot be read in {}: {cause}", mark.display())),
    }
}

/// Mark a database as suspect, in a file beside it: after a disk error nobody knows what of it is on the disk, and
/// writing into it would not help.
pub(in crate::store) fn mark_suspect(path: &Path, why: &str) -> io::Result<()> {
    let name = beside(path, "-suspect");
    let mut mark = safe_open::to_write_privately(&name, FILE_MODE)?;
    mark.set_len(0)?;
    writeln!(mark, "{why}")?;
    if let Err(cause) = mark.sync_all() {
        tracing::error!("wrote {}, but cannot sync it: {cause}; a power cut may take it", name.display());
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
