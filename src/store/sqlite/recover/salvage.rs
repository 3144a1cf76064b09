//! Finds the rows of a damaged database: each of its pages is read once, and what is on it is put into an index, which is a
//! database with our tables. Of messages the index has only where they are.

use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, params};

use crate::error::{Error, Result};
use crate::message::{BATCH_MAX_MESSAGES, Digest, MESSAGE_MAX_BYTES};
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::open::{files, lock};
use crate::store::sqlite::recover::pages::{Pages, Source};
use crate::store::sqlite::recover::records::Columns;
use crate::store::sqlite::recover::tables::{self, Table};

/// The longest row without a message, and with one.
const TEXT_ROW_MAX_BYTES: usize = 1 << 20;
pub(super) const MESSAGE_ROW_MAX_BYTES: usize = MESSAGE_MAX_BYTES + (64 << 10);

/// Rows with the same id and other content that are kept: one of them may be the right one.
const COPIES_MAX: i64 = 4;

/// Tables whose first page is looked for.
const ROOTS_MAX: usize = 10_000;

/// Messages have ids from 1 to this: far more than anybody has.
const ID_MAX: i64 = i64::MAX / 2;

/// Pages between two looks at whether to stop.
const LOOK_PAGES: u64 = 1024;

/// What is needed beside our tables: where messages are, which commits are claimed, and which messages are not proven.
const INDEX: &str = "PRAGMA cache_size = -16384; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
    CREATE TABLE found (id INTEGER NOT NULL, copy INTEGER NOT NULL, source INTEGER NOT NULL, number INTEGER NOT NULL,
        stream_id INTEGER NOT NULL, PRIMARY KEY (id, copy)) WITHOUT ROWID;
    CREATE TABLE claims (session_id INTEGER NOT NULL, first_id INTEGER NOT NULL, last_id INTEGER NOT NULL, digest BLOB NOT NULL,
        PRIMARY KEY (session_id, first_id, last_id, digest)) WITHOUT ROWID;
    CREATE TABLE unproven (session_id INTEGER NOT NULL, first_id INTEGER NOT NULL, last_id INTEGER NOT NULL,
        PRIMARY KEY (session_id, first_id)) WITHOUT ROWID;
    CREATE TABLE covered (first_id INTEGER NOT NULL, last_id INTEGER NOT NULL);
    BEGIN";

/// What of a file cannot be read, whatever was in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// Pages that hold nothing, though others lead to them, or that the disk does not give.
    pub pages: u64,
    /// Rows between others that make no sense.
    pub rows: u64,
    /// Whether a part of the write-ahead log is damaged.
    pub is_log_damaged: bool,
    /// Whether there should be such a log, and there is none.
    pub is_log_missing: bool,
}

impl Unread {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What was found in a damaged database.
#[derive(Debug)]
pub struct Salvage {
    /// The index.
    pub(super) database: Database,
    pub(super) pages: Pages,
    path: PathBuf,
    unread: Unread,
}

/// Of a row on a page: its place on it, its table, its id, and of a message the stream.
type Row = (usize, Table, i64, i64);

impl Salvage {
    /// Read all pages of a file, which is not changed, into an index in the empty file `index`. Errors in writing call that one
    /// `name`. `at` is told how many pages were read, and of how many, again and again, and can end it.
    ///
    /// # Errors
    /// When the file is being recorded or cannot be opened, the index cannot be written, or what `at` ends it with.
    pub fn open(path: &Path, index: &Path, name: &Path, at: &mut dyn FnMut(u64, u64) -> Result<()>) -> Result<Self> {
        let refuse = |cause: String, hint| Error::OpenDatabase { path: path.to_owned(), cause, hint };
        if !path.exists() {
            return Err(refuse("there is no such file".to_owned(), "name the damaged file"));
        }
        files::refuse_other_files(path)?;
        let path =
            files::true_path(path).map_err(|cause| refuse(cause.to_string(), "check who may read that directory"))?;
        if lock::is_locked(&path).unwrap_or(false) {
            return Err(refuse(
                "it is being recorded".to_owned(),
                "stop the recorder, or copy the file and recover the copy",
            ));
        }
        let pages = Pages::open(&path).map_err(|cause| refuse(cause.to_string(), "check who may read it"))?;
        let database = Database::for_building(index, name)?;
        database.connection.execute_batch(INDEX).map_err(database.failed("make tables"))?;
        let mut salvage = Self { database, pages, path, unread: Unread::default() };
        salvage.scan(at)?;
        salvage.infer_sessions()?;
        let commit = salvage.database.connection.execute_batch("COMMIT");
        commit.map_err(salvage.database.failed("index the pages"))?;
        Ok(salvage)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The index, which has all tables but those of messages and commits.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// How many messages were found.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn messages(&self) -> Result<u64> {
        let count = self.database.connection.query_row("SELECT count(*) FROM found", [], |row| row.get::<_, i64>(0));
        Ok(count.map_err(self.database.failed("read the index"))?.unsigned_abs())
    }

    /// What cannot be read, whatever was in it.
    pub fn unread(&self) -> Unread {
        self.unread
    }

    fn scan(&mut self, at: &mut dyn FnMut(u64, u64) -> Result<()>) -> Result<()> {
        let count = self.pages.count().into();
        // The definitions of the tables begin on the first page.
        let (mut rows, mut roots) = (Vec::new(), vec![1]);
        for (done, source) in (0..).zip(self.pages.sources()) {
            if done % LOOK_PAGES == 0 {
                at(done, count)?;
            }
            if !self.pages.is_free(source) {
                self.index(source, &mut rows, &mut roots)?;
            }
        }
        // The list of free pages may be what is damaged.
        loop {
            let not_free = self.pages.take_back(&roots);
            if not_free.is_empty() {
                break;
            }
            for source in not_free {
                at(count, count)?;
                self.index(source, &mut rows, &mut roots)?;
            }
        }
        self.unread.pages = self.pages.lost(&roots) + self.pages.unreadable();
        self.unread.is_log_damaged = self.pages.is_log_damaged();
        self.unread.is_log_missing = self.pages.is_log_missing();
        Ok(())
    }

    /// See which rows are on a page.
    fn look_at(&mut self, source: Source, rows: &mut Vec<Row>) {
        rows.clear();
        let mut senseless = 0;
        for (number, cell) in self.pages.cells(source).enumerate() {
            let read = cell.and_then(|cell| Some((cell, Columns::of(cell.local, cell.bytes)?)));
            let Some((cell, columns)) = read else {
                senseless += 1;
                continue;
            };
            if let Some(table) = Table::of(&columns, cell.rowid.is_some()) {
                let stream_id = columns.integer(cell.local, 1).unwrap_or_default();
                rows.push((number, table, cell.rowid.unwrap_or_default(), stream_id));
            }
        }
        if !rows.is_empty() {
            self.unread.rows += senseless;
        }
    }

    fn index(&mut self, source: Source, rows: &mut Vec<Row>, roots: &mut Vec<i64>) -> Result<()> {
        self.look_at(source, rows);
        let failed = self.database.failed("index the pages");
        self.insert(source, rows, roots).map_err(failed)
    }

    fn insert(&mut self, source: Source, rows: &[Row], roots: &mut Vec<i64>) -> rusqlite::Result<()> {
        let mut row = Vec::new();
        for &(number, table, id, stream_id) in rows {
            if table == Table::Messages && (1..=ID_MAX).contains(&id) {
                self.found(id, source, number, stream_id)?;
                continue;
            }
            let is_read = self.pages.row(source, number, TEXT_ROW_MAX_BYTES, &mut row).is_some();
            let columns = Columns::of(&row, row.len()).filter(|_| is_read);
            let is_sound = match (columns, table) {
                (None, _) => false,
                (Some(columns), Table::Definitions) => {
                    roots.extend(columns.integer(&row, 3).filter(|_| roots.len() < ROOTS_MAX));
                    true
                }
                (Some(columns), Table::Batches) => self.claim(&columns, &row)?,
                (_, Table::Copied(place)) => tables::insert(&self.database.connection, place, id, &row)?,
                (_, Table::Messages) => false,
            };
            self.unread.rows += u64::from(!is_sound);
        }
        Ok(())
    }

    /// A message is here.
    fn found(&mut self, id: i64, source: Source, number: usize, stream_id: i64) -> rusqlite::Result<()> {
        let insert = |copy: i64| {
            let sql = "INSERT OR IGNORE INTO found VALUES (?, ?, ?, ?, ?)";
            let row = params![id, copy, source, number as i64, stream_id];
            self.database.connection.prepare_cached(sql)?.execute(row)
        };
        if insert(0)? > 0 {
            return Ok(());
        }
        let (mut this, mut other) = (Vec::new(), Vec::new());
        let is_read = self.pages.row(source, number, MESSAGE_ROW_MAX_BYTES, &mut this).is_some();
        let places = self.places(id, id)?;
        for (_, copy, place, number) in &places {
            let is_there = self.pages.row(*place, *number, MESSAGE_ROW_MAX_BYTES, &mut other).is_some();
            if !is_read || (is_there && this == other) {
                return Ok(());
            }
            if *copy + 1 >= COPIES_MAX {
                self.unread.rows += 1;
                return Ok(());
            }
        }
        let copy = places.len() as i64;
        let sql = "INSERT OR IGNORE INTO found VALUES (?, ?, ?, ?, ?)";
        let row = params![id, copy, source, number as i64, stream_id];
        self.database.connection.prepare_cached(sql)?.execute(row).map(|_| ())
    }

    /// Where the messages of a range of ids are: id, copy, and the place.
    pub(super) fn places(&self, first_id: i64, last_id: i64) -> rusqlite::Result<Vec<(i64, i64, Source, usize)>> {
        let sql = "SELECT id, copy, source, number FROM found WHERE id BETWEEN ?1 AND ?2 ORDER BY id, copy";
        let mut statement = self.database.connection.prepare_cached(sql)?;
        let place = |row: &rusqlite::Row<'_>| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, i64>(3)?.unsigned_abs() as usize))
        };
        statement.query_map([first_id, last_id], place)?.collect()
    }

    /// A commit is claimed. Says whether that is a row that a recorder can have written.
    fn claim(&self, columns: &Columns, row: &[u8]) -> rusqlite::Result<bool> {
        let integer = |column| columns.integer(row, column);
        let Some(ValueRef::Blob(digest)) = columns.value(row, 5) else { return Ok(false) };
        let (Some(session_id), Some(first_id), Some(last_id)) = (integer(1), integer(2), integer(3)) else {
            return Ok(false);
        };
        let is_sound =
            0 < first_id && first_id <= last_id && last_id <= ID_MAX && last_id - first_id < BATCH_MAX_MESSAGES as i64;
        if digest.len() != size_of::<Digest>() || !is_sound {
            return Ok(false);
        }
        let sql = "INSERT OR IGNORE INTO claims VALUES (?, ?, ?, ?)";
        self.database.connection.prepare_cached(sql)?.execute(params![session_id, first_id, last_id, digest])?;
        Ok(true)
    }

    /// Give sessions a row of which only commits or streams are left. What was deleted stays so.
    fn infer_sessions(&mut self) -> Result<()> {
        let failed = self.database.failed("index the pages");
        self.try_infer().map_err(failed)
    }

    fn try_infer(&mut self) -> rusqlite::Result<()> {
        let connection = &self.database.connection;
        let senseless = "DELETE FROM sessions WHERE first_id NOT BETWEEN 1 AND ?1 OR last_id NOT BETWEEN first_id - 1 AND ?1 OR id < 1";
        self.unread.rows += connection.execute(senseless, [ID_MAX])? as u64;
        connection.execute_batch(
            "CREATE INDEX ends ON claims (session_id, last_id);
             CREATE INDEX begins ON sessions (first_id);
             CREATE TABLE inferred (session_id INTEGER PRIMARY KEY, first_id INTEGER, last_id INTEGER);
             INSERT INTO inferred SELECT session_id, min(first_id), max(last_id) FROM claims
                 WHERE session_id > 0 AND session_id NOT IN (SELECT id FROM sessions UNION ALL SELECT session_id FROM deleted)
                     -- Otherwise it is more likely that the number of the session is what is damaged.
                     AND (session_id IN (SELECT session_id FROM streams) OR claims.first_id > coalesce((SELECT last_id FROM sessions
                         WHERE sessions.first_id <= claims.first_id ORDER BY sessions.first_id DESC LIMIT 1), 0))
                 GROUP BY session_id;",
        )?;
        // The messages are looked through only where a stream is all that is left of a session.
        let sql = "SELECT EXISTS (SELECT 1 FROM streams WHERE session_id > 0 AND session_id NOT IN (SELECT id FROM sessions \
                   UNION ALL SELECT session_id FROM deleted UNION ALL SELECT session_id FROM inferred))";
        if connection.query_row(sql, [], |row| row.get(0))? {
            connection.execute_batch(
                "INSERT INTO inferred SELECT session_id, min(found.id), max(found.id) FROM found JOIN streams ON streams.id = stream_id
                     WHERE session_id > 0 AND session_id NOT IN (SELECT id FROM sessions UNION ALL SELECT session_id FROM deleted
                         UNION ALL SELECT session_id FROM inferred) GROUP BY session_id",
            )?;
        }
        // A session begins behind the one before it.
        connection.execute_batch(
            "UPDATE inferred SET first_id = min(first_id, coalesce((SELECT max(last_id) + 1 FROM sessions WHERE id = \
                 (SELECT max(id) FROM sessions WHERE id < session_id) AND last_id < inferred.first_id), first_id));
             INSERT INTO sessions (id, started_unix_ns, topics, framing, host, boot_id, version, durability, first_id, last_id, messages)
                 SELECT session_id, 0, '[\"*\"]', 'auto', '', '', '', 'normal', first_id, last_id, last_id - first_id + 1 FROM inferred;",
        )?;
        let inferred = "SELECT session_id, first_id, last_id FROM inferred ORDER BY session_id";
        let inferred: Vec<[i64; 3]> = connection
            .prepare(inferred)?
            .query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?
            .collect::<rusqlite::Result<_>>()?;
        let mut row = Vec::new();
        for [session_id, first_id, last_id] in inferred {
            let first = "SELECT min(id) FROM found WHERE id BETWEEN ?1 AND ?2";
            let first: Option<i64> =
                self.database.connection.query_row(first, [first_id, last_id], |row| row.get(0))?;
            let Some(id) = first else { continue };
            for (_, _, source, number) in self.places(id, id)?.into_iter().take(1) {
                self.pages.row(source, number, MESSAGE_ROW_MAX_BYTES, &mut row);
                let times = Columns::of(&row, row.len())
                    .and_then(|columns| Some((columns.integer(&row, 2)?, columns.integer(&row, 3)?)));
                if let Some((unix_ns, elapsed_ns)) = times {
                    let sql = "UPDATE sessions SET started_unix_ns = ?2 WHERE id = ?1";
                    self.database.connection.execute(sql, params![session_id, unix_ns.saturating_sub(elapsed_ns)])?;
                }
            }
        }
        Ok(())
    }

    /// Whether the row of a session is lost, and only what is left of it says that there was one.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn is_inferred(&self, session_id: i64) -> Result<bool> {
        let sql = "SELECT 1 FROM inferred WHERE session_id = ?1";
        let found = self.database.connection.query_row(sql, [session_id], |_| Ok(())).optional();
        Ok(found.map_err(self.database.failed("read the index"))?.is_some())
    }
}
