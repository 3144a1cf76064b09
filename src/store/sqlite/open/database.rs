//! Opening a database: for recording, which creates and locks it, or for reading.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, ToSql};

use crate::error::{Error, Result};
use crate::store::sqlite::open::connection::{BUSY_TIMEOUT, open};
use crate::store::sqlite::open::failure::{is_held, not_readable};
use crate::store::sqlite::open::files::{self, Fate, Identity};
use crate::store::sqlite::open::logless::{self, Connected};
use crate::store::sqlite::open::{journal, lock, permission};
use crate::store::sqlite::schema::{self, SCHEMA, Whose};
use crate::store::sqlite::untrusted::foreign::{self, Deadline};

/// An open database of ours.
#[derive(Debug)]
pub struct Database {
    pub(in crate::store) connection: Connection,
    pub(in crate::store) path: PathBuf,
    /// What SQLite is told to open: the path, or a URI that names it.
    pub(in crate::store) name: PathBuf,
    held: Option<Held>,
    /// Of the statements of a reader. What is recorded is our own.
    deadline: Option<Deadline>,
}

/// What is held while recording.
#[derive(Debug)]
struct Held {
    /// The file that was asked for, if this one is its successor.
    asked_for: PathBuf,
    /// Released by the operating system however the process ends.
    #[expect(dead_code, reason = "held, not used")]
    lock: File,
    identity: Identity,
    /// Room for the end of the session.
    reserve: Option<File>,
}

impl Database {
    /// Open `path` for recording, or the first of its successors that can be used, when a disk error has made it suspect.
    /// It is created if it does not exist; a second recorder is refused.
    ///
    /// # Errors
    /// When the file cannot be created, locked or written, or belongs to another program or a newer version.
    pub fn for_recording(path: &Path) -> Result<Self> {
        let refuse = |cause: String, hint| Error::OpenDatabase { path: path.to_owned(), cause, hint };
        permission::to_reach(path)?;
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
            return Err(refuse(
                format!("there is no directory {}", directory.display()),
                "create it, or choose another place with --database",
            ));
        }
        files::refuse_other_files(path)?;
        let asked_for =
            files::true_path(path).map_err(|cause| refuse(cause.to_string(), "check who may read that directory"))?;
        let path = files::usable(&asked_for);
        if let Some(why) = files::unusable(&asked_for) {
            tracing::warn!("{} is not recorded into: {why}; recording into {}", asked_for.display(), path.display());
        }
        Self::create_or_open(asked_for, path)
    }

    /// Open the next file for a recording that was to go into `asked_for` and cannot go on where it is.
    ///
    /// # Errors
    /// As [`Database::for_recording`]; then no file is left behind.
    pub(in crate::store) fn successor_of(asked_for: &Path) -> Result<Self> {
        let next = files::successor(asked_for).ok_or_else(|| Error::OpenDatabase {
            path: asked_for.to_owned(),
            cause: "it has too many successors".to_owned(),
            hint: "check the disk's health",
        })?;
        Self::create_or_open(asked_for.to_owned(), next)
    }

    fn create_or_open(asked_for: PathBuf, path: PathBuf) -> Result<Self> {
        let refuse = |cause: String, hint| Error::OpenDatabase { path: path.clone(), cause, hint };
        files::refuse_other_files(&path)?;
        files::refuse_planted(&path)?;
        permission::to_record(&path)?;
        let lock = lock::lock(&path)?;
        let not_written = |cause: io::Error| refuse(cause.to_string(), "check who may write there");
        let is_new = files::create_private(&path).map_err(not_written)?;
        let set_up = || -> Result<(Connection, Identity)> {
            let identity = Identity::of(&path).map_err(not_written)?;
            let mut connection = open(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            let kind = checked_kind(&connection, &path)?;
            let failed = |cause: rusqlite::Error| match is_held(&cause) {
                true => not_readable(&cause, &path),
                false => refuse(cause.to_string(), "check who may write there, and the free space"),
            };
            set_up(&connection, kind).map_err(failed)?;
            schema::make(&mut connection).map_err(failed)?;
            files::sync_directory(&path).map_err(|cause| refuse(cause.to_string(), "check the disk's health"))?;
            Ok((connection, identity))
        };
        match set_up() {
            Ok((connection, identity)) => {
                let reserve = files::make_reserve(&path);
                let held = Some(Held { asked_for, lock, identity, reserve });
                Ok(Self { connection, name: path.clone(), path, held, deadline: None })
            }
            Err(error) => {
                if is_new {
                    files::remove(&path);
                }
                Err(error)
            }
        }
    }

    /// Open an empty file that nobody else knows, or one that was begun so, to write a database into it that gets its name when it
    /// is whole. Errors call it `path`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(in crate::store) fn for_building(file: &Path, path: &Path) -> Result<Self> {
        let mode = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let mut connection = open(file, mode)?;
        let set_up = |connection: &mut Connection| {
            connection.pragma_update(None, "journal_mode", "MEMORY")?;
            connection.pragma_update(None, "synchronous", "OFF")?;
            prepare_empty(connection)?;
            schema::make(connection)
        };
        let made = set_up(&mut connection);
        let database = Self { connection, path: path.to_owned(), name: file.to_owned(), held: None, deadline: None };
        made.map_err(database.failed("make tables"))?;
        Ok(database)
    }

    /// Whether it is one that recordings go into.
    pub(in crate::store) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Remove it: it was made in vain.
    pub(in crate::store) fn discard(self) {
        files::remove(&self.path);
    }

    /// Use the room that was kept.
    pub(in crate::store) fn release_reserve(&mut self) {
        self.held.as_mut().and_then(|held| held.reserve.take());
    }

    /// The file that recording was to go into.
    pub(in crate::store) fn asked_for(&self) -> &Path {
        self.held.as_ref().map_or(&self.path, |held| &held.asked_for)
    }

    /// Which of the successors of the file that recording was to go into it is, if it is one.
    pub(in crate::store) fn successor_number(&self) -> Option<u32> {
        files::successor_number(&self.path, self.asked_for())
    }

    /// Do not move the log into the file when it is closed, and do not delete it: the disk may not do it rightly, and the
    /// name may belong to another file by now.
    pub(in crate::store) fn leave_log(&self) {
        // Only a library without this feature refuses it.
        let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    }

    /// Move the whole log into the file and cut it. Says whether that could be done: somebody who reads may keep it, and
    /// is waited for only as long as `wait`.
    pub(in crate::store) fn truncate_log(&self, wait: Duration) -> rusqlite::Result<bool> {
        self.connection.busy_timeout(wait)?;
        let is_busy: rusqlite::Result<bool> =
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        self.connection.busy_timeout(BUSY_TIMEOUT)?;
        is_busy.map(|is_busy| !is_busy)
    }

    /// Open `path` for reading, also while it is being recorded. It may be damaged, or made to do harm.
    ///
    /// # Errors
    /// When there is no such file, or it is no database of this program and version.
    pub fn for_reading(path: &Path) -> Result<Self> {
        // Not opened read-only, because then SQLite would leave its side files behind; unless there is a journal, which
        // would be obeyed.
        let mode = match files::true_path(path).is_ok_and(|path| files::has_journal(&path)) {
            true => OpenFlags::SQLITE_OPEN_READ_ONLY,
            false => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let database = Self::existing(path, |path| logless::connect(path, mode))?;
        if let Some(why) = files::suspicion(&database.path) {
            let next = files::usable(&database.path);
            tracing::warn!("{} is suspect: {why}; recordings go on in {}", database.path.display(), next.display());
        }
        Ok(database)
    }

    /// Open `path` for reading as [`Database::for_reading`] does, and change no byte of it or of what stands beside it, whatever
    /// this user may do.
    ///
    /// # Errors
    /// As [`Database::for_reading`].
    pub fn for_viewing(path: &Path) -> Result<Self> {
        Self::existing(path, logless::view)
    }

    /// Why the file is not to be relied on, and where recordings go on, if a disk error has made it suspect.
    pub fn suspicion(&self) -> Option<(String, PathBuf)> {
        files::suspicion(&self.path).map(|why| (why, files::usable(&self.path)))
    }

    /// Open `path` for small changes to what was captured, also while it is being recorded.
    ///
    /// # Errors
    /// As [`Database::for_reading`], and when a disk error has made it suspect: then it is better left as it is.
    pub fn for_changing(path: &Path) -> Result<Self> {
        let database = Self::existing(path, |path| {
            permission::to_change(path)?;
            logless::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        })?;
        if let Some(why) = files::suspicion(&database.path) {
            let cause = format!("it is suspect: {why}");
            return Err(Error::OpenDatabase {
                path: database.path,
                cause,
                hint: "copy what is needed, and change the copy",
            });
        }
        // A recorder that writes at the same time is waited for as often as that happens.
        database.connection.busy_timeout(BUSY_TIMEOUT).map_err(|cause| not_readable(&cause, path))?;
        database.set("query_only", false, "check who may write there")?;
        // As in a recording: the log is moved into the database by itself, where an error of the disk can be seen.
        database.set("wal_autocheckpoint", 0, "check who may write there")?;
        Ok(database)
    }

    /// Open a database that is there.
    fn existing(path: &Path, connect: impl FnOnce(&Path) -> Result<rusqlite::Result<Connected>>) -> Result<Self> {
        let refuse = |cause: &str, hint| Error::OpenDatabase { path: path.to_owned(), cause: cause.to_owned(), hint };
        permission::to_reach(path)?;
        files::refuse_missing(path)?;
        files::refuse_other_files(path)?;
        let path =
            &files::true_path(path).map_err(|cause| refuse(&cause.to_string(), "check who may read that directory"))?;
        files::refuse_planted(path)?;
        permission::to_read(path)?;
        let not_read = |cause: rusqlite::Error| not_readable(&cause, path);
        let (connection, deadline, name) = connect(path)?.map_err(not_read)?;
        let database = Self { connection, path: path.to_owned(), name, held: None, deadline: Some(deadline) };
        if files::suspicion(path).is_some() {
            database.leave_log();
        }
        database.refuse_others()?;
        Ok(database)
    }

    fn set(&self, pragma: &str, value: impl ToSql, hint: &'static str) -> Result<()> {
        self.connection.pragma_update(None, pragma, value).map_err(|cause| Error::OpenDatabase {
            path: self.path.clone(),
            cause: cause.to_string(),
            hint,
        })
    }

    /// Refuse a database that is not as we make it.
    fn refuse_others(&self) -> Result<()> {
        let Self { connection, path, .. } = self;
        let refuse = |cause: String, hint| Err(Error::OpenDatabase { path: path.clone(), cause, hint });
        let not_read = |cause: rusqlite::Error| not_readable(&cause, path);
        if self.quick(|| Ok(checked_kind(connection, path))).map_err(not_read)?? == Whose::Empty {
            return refuse("it has no tables".to_owned(), "record something into it first");
        }
        match self.quick(|| foreign::difference(connection)).map_err(not_read)? {
            Some(what) => refuse(what, "somebody changed it, or it is damaged: choose another file with --database"),
            None => Ok(()),
        }
    }

    /// Run statements that must be done soon and read no message. They have a bound in memory of their own: with that of
    /// messages, a label of 400 MB makes `session list` take 790 MB instead of 11 MB.
    pub(in crate::store) fn quick<T>(&self, work: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        self.scan(0, work)
    }

    /// The same for those that may read so many rows before they give one.
    pub(in crate::store) fn scan<T>(
        &self,
        rows: i64,
        work: impl FnOnce() -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        match &self.deadline {
            Some(deadline) => deadline.scan(&self.connection, rows, work),
            None => work(),
        }
    }

    /// Run statements that may read so many rows before they give one.
    pub(in crate::store) fn bounded<T>(
        &self,
        rows: i64,
        work: impl FnOnce() -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        match &self.deadline {
            Some(deadline) => deadline.rows(rows, work),
            None => work(),
        }
    }

    /// Where it is, without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What became of the file since it was opened for recording.
    pub(in crate::store) fn fate(&self) -> Fate {
        self.held.as_ref().map_or(Fate::There, |held| held.identity.fate(&self.path))
    }
}

/// Refuse what is not ours to use.
fn checked_kind(connection: &Connection, path: &Path) -> Result<Whose> {
    let refuse = |cause: String, hint| Err(Error::OpenDatabase { path: path.to_owned(), cause, hint });
    match schema::kind(connection) {
        Ok(Whose::Foreign) => refuse(
            "it belongs to another program (its application_id is not ours)".to_owned(),
            "choose another file with --database",
        ),
        Ok(Whose::OtherVersion(schema)) => refuse(
            format!("it has the tables of schema {schema}, and this program knows schema {SCHEMA}"),
            "use the version of fancyhwd that recorded it",
        ),
        Ok(kind) => Ok(kind),
        Err(cause) => Err(not_readable(&cause, path)),
    }
}

/// What only an empty database takes: that the room of deleted sessions can be given back in small steps.
pub(in crate::store) fn prepare_empty(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")
}

fn set_up(connection: &Connection, kind: Whose) -> rusqlite::Result<()> {
    journal::begin_log_after(connection, || match kind {
        Whose::Empty => prepare_empty(connection),
        _ => Ok(()),
    })?;
    // A commit only commits. The log is moved into the database by itself, where an error of the disk can be seen.
    connection.pragma_update(None, "wal_autocheckpoint", 0)
}
