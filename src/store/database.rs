//! Opening a database: for recording, which creates and locks it, or for reading.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, Result};
use crate::store::schema::{self, Kind, NEWEST_SCHEMA};

/// Captures are for their owner and group, never for everybody.
const FILE_MODE: u32 = 0o640;

/// The first SQLite without the WAL-reset bug: until 3.51.2, two connections could corrupt a database between them.
const SQLITE_MIN_VERSION: i32 = 3_051_003;

/// How long a statement waits for another program that holds the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Pages of write-ahead log after which a commit also moves them into the database: 64 MiB, so that this happens about
/// once a second at the highest rates and hardly ever at usual ones.
const CHECKPOINT_PAGES: i64 = 16_384;

/// What a commit survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Also a power cut: each commit waits until the disk has it.
    Full,
    /// A crash of the program; a power cut may take the last commits.
    Normal,
}

impl Durability {
    /// The name in the database and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Normal => "normal",
        }
    }
}

impl FromStr for Durability {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text {
            "full" => Ok(Self::Full),
            "normal" => Ok(Self::Normal),
            _ => Err("`full` or `normal`"),
        }
    }
}

/// An open database of ours.
#[derive(Debug)]
pub struct Database {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    /// Held while recording, released by the operating system however the process ends.
    _lock: Option<File>,
}

impl Database {
    /// Open `path` for recording. It is created if it does not exist; a second recorder is refused.
    ///
    /// # Errors
    /// When the file cannot be created, locked or written, or belongs to another program or a newer version.
    pub fn for_recording(path: &Path, durability: Durability) -> Result<Self> {
        let refuse = |cause: String, hint| Error::OpenDatabase { path: path.to_owned(), cause, hint };
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
            return Err(refuse(
                format!("there is no directory {}", directory.display()),
                "create it, or choose another place with --database",
            ));
        }
        refuse_other_files(path)?;
        let path = &true_path(path).map_err(|cause| refuse(cause.to_string(), "check who may read that directory"))?;
        let lock = lock(path)?;
        create_private(path).map_err(|cause| refuse(cause.to_string(), "check who may write there"))?;
        let mut connection = open(path)?;
        let kind = checked_kind(&connection, path)?;
        let failed =
            |cause: rusqlite::Error| refuse(cause.to_string(), "check who may write there, and the free space");
        set_up(&connection, durability).map_err(failed)?;
        if kind != Kind::Ours(NEWEST_SCHEMA) {
            schema::migrate(&mut connection).map_err(failed)?;
        }
        Ok(Self { connection, path: path.to_owned(), _lock: Some(lock) })
    }

    /// Open `path` for reading, also while it is being recorded.
    ///
    /// # Errors
    /// When there is no such file, or it is no database of this program and version.
    pub fn for_reading(path: &Path) -> Result<Self> {
        let refuse = |cause: &str, hint| Error::OpenDatabase { path: path.to_owned(), cause: cause.to_owned(), hint };
        if !path.exists() {
            return Err(refuse("there is no such file", "record something first, or name a capture with --database"));
        }
        refuse_other_files(path)?;
        let path = &true_path(path).map_err(|cause| refuse(&cause.to_string(), "check who may read that directory"))?;
        let connection = open(path)?;
        if checked_kind(&connection, path)? == Kind::Empty {
            return Err(refuse("it has no tables", "record something into it first"));
        }
        // Not opened read-only, because then SQLite would leave its side files behind.
        connection
            .pragma_update(None, "query_only", true)
            .map_err(|cause| refuse(&cause.to_string(), "check who may read there"))?;
        Ok(Self { connection, path: path.to_owned(), _lock: None })
    }

    /// An error of this database.
    pub(super) fn failed(&self, operation: &'static str) -> impl FnOnce(rusqlite::Error) -> Error + use<> {
        let path = self.path.clone();
        move |cause| {
            let (hint, may_pass) = match cause.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ("see which program holds it", true),
                Some(ErrorCode::DiskFull) => ("make room on that disk", true),
                _ => ("check whether it is damaged, and the disk's health", false),
            };
            Error::Database { operation, path, cause: cause.to_string(), hint, may_pass }
        }
    }
}

/// The path without symbolic links, so that two names of one file have one lock, and so that SQLite takes no name as
/// a special one (`:memory:`). The file itself need not exist.
fn true_path(path: &Path) -> io::Result<PathBuf> {
    match (path.canonicalize(), path.file_name()) {
        (Err(cause), Some(name)) if cause.kind() == io::ErrorKind::NotFound => {
            Ok(std::path::absolute(path)?.parent().unwrap_or(Path::new("/")).canonicalize()?.join(name))
        }
        (canonical, _) => canonical,
    }
}

/// Opening a FIFO would wait for ever, and SQLite's own words for a directory are unclear.
fn refuse_other_files(path: &Path) -> Result<()> {
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
fn lock(path: &Path) -> Result<File> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push("-lock");
    let refuse = |cause: io::Error| Error::OpenDatabase {
        path: path.to_owned(),
        cause: cause.to_string(),
        hint: "check who may write there",
    };
    let file =
        File::options().write(true).create(true).truncate(false).mode(FILE_MODE).open(lock_path).map_err(refuse)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::OpenDatabase {
            path: path.to_owned(),
            cause: "another recorder is writing to it".to_owned(),
            hint: "stop that one, or choose another file with --database",
        }),
        Err(cause) => Err(refuse(cause.into())),
    }
}

fn create_private(path: &Path) -> io::Result<()> {
    match File::options().write(true).create_new(true).mode(FILE_MODE).open(path) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => Err(cause),
        _ => Ok(()),
    }
}

fn open(path: &Path) -> Result<Connection> {
    if rusqlite::version_number() < SQLITE_MIN_VERSION {
        return Err(Error::OpenDatabase {
            path: path.to_owned(),
            cause: format!("SQLite {} can corrupt a database that is read while it is recorded", rusqlite::version()),
            hint: "build fancyhwd with SQLite 3.51.3 or later",
        });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
        .and_then(|connection| connection.busy_timeout(BUSY_TIMEOUT).map(|()| connection))
        .map_err(|cause| Error::OpenDatabase {
            path: path.to_owned(),
            cause: cause.to_string(),
            hint: "check who may read and write it",
        })
}

/// Refuse what is not ours to use.
fn checked_kind(connection: &Connection, path: &Path) -> Result<Kind> {
    let refuse = |cause: String, hint| Err(Error::OpenDatabase { path: path.to_owned(), cause, hint });
    match schema::kind(connection) {
        Ok(Kind::Foreign) => refuse(
            "it belongs to another program (its application_id is not ours)".to_owned(),
            "choose another file with --database",
        ),
        Ok(Kind::Ours(schema)) if schema > NEWEST_SCHEMA => refuse(
            format!("it has schema {schema}, and this program knows schemas up to {NEWEST_SCHEMA}"),
            "a newer fancyhwd wrote it: use that version",
        ),
        Ok(kind) => Ok(kind),
        Err(cause) => match cause.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => {
                refuse("the file is no SQLite database".to_owned(), "choose another file with --database")
            }
            _ => refuse(cause.to_string(), "check who may read it, and whether it is damaged"),
        },
    }
}

fn set_up(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", durability.name())?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)
}
