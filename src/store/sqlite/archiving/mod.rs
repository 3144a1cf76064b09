//! What an archive needs of a database: how far its sessions are in one, their commits, and all that is known of them.

mod card;
mod description;
mod fetched;
mod unsent;

pub use description::Restored;
pub use unsent::Unsent;

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, params};

use crate::error::Result;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::write::beginning::want_archived;

/// Sessions that are looked at once: the others follow when these are archived.
const SESSIONS_MAX: i64 = 1000;

/// How far a session is in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archiving {
    /// The session.
    pub session_id: i64,
    /// The name under which it is there.
    pub recorder: String,
    /// The id of its first message.
    pub first_id: i64,
    /// A quorum has acknowledged all messages up to this one.
    pub archived_id: i64,
    /// What is committed here.
    pub last_id: i64,
    /// Whether it has ended.
    pub has_ended: bool,
    /// Whether all that is known of it is there too.
    pub is_described: bool,
}

impl Archiving {
    /// How many messages are there.
    pub fn archived(&self) -> u64 {
        self.archived_id.saturating_add(1).saturating_sub(self.first_id).max(0).unsigned_abs()
    }

    /// How many are not there yet.
    pub fn behind(&self) -> u64 {
        self.last_id.saturating_sub(self.archived_id).max(0).unsigned_abs()
    }

    /// Whether there is nothing more to send.
    pub fn is_whole(&self) -> bool {
        self.is_described && self.behind() == 0
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            session_id: row.get(0)?,
            recorder: row.get(1)?,
            first_id: row.get(2)?,
            archived_id: row.get(3)?,
            last_id: row.get(4)?,
            has_ended: row.get(5)?,
            is_described: row.get(6)?,
        })
    }
}

const SELECT: &str = "SELECT session_id, substr(recorder, 1, 256), sessions.first_id, archived.last_id, sessions.last_id, \
     ended_unix_ns IS NOT NULL, is_described FROM archived JOIN sessions ON sessions.id = session_id";

impl Database {
    /// Who this database is in an archive, where a session of it is to be.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn archive_id(&self) -> Result<String> {
        let ask =
            || self.connection.query_row("SELECT lower(substr(id, 1, 32)) FROM archive LIMIT 1", [], |row| row.get(0));
        self.quick(ask).map_err(self.failed("read who it is in an archive"))
    }

    /// The oldest sessions that are to be in an archive and are not there as a whole.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn unarchived(&self) -> Result<Vec<Archiving>> {
        let sql = format!(
            "{SELECT} WHERE is_described = 0 OR archived.last_id < sessions.last_id ORDER BY session_id LIMIT ?1"
        );
        let ask = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            statement.query_map([SESSIONS_MAX], Archiving::from_row)?.collect()
        };
        self.quick(ask).map_err(self.failed("read what is archived"))
    }

    /// How far a session is in an archive; `None` if it is not to be in one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn archiving(&self, session_id: i64) -> Result<Option<Archiving>> {
        let sql = format!("{SELECT} WHERE session_id = ?1");
        let ask = || self.connection.prepare_cached(&sql)?.query_row([session_id], Archiving::from_row).optional();
        self.quick(ask).map_err(self.failed("read what is archived"))
    }

    /// How far all sessions are that are to be in an archive, by their ids.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn archivings(&self) -> Result<BTreeMap<i64, Archiving>> {
        let ask = || {
            let mut statement = self.connection.prepare_cached(SELECT)?;
            let rows = statement.query_map([], |row| Archiving::from_row(row).map(|one| (one.session_id, one)))?;
            rows.collect()
        };
        self.quick(ask).map_err(self.failed("read what is archived"))
    }

    /// Let a session be archived under this name. One of which something is there keeps its name; what is known of it is sent again.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn want_archived(&mut self, session_id: i64, recorder: &str) -> Result<()> {
        let write = || want_archived(&self.connection, session_id, recorder);
        write().map_err(self.failed("note what is to be archived"))
    }

    /// Note what a quorum has acknowledged of a session.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_archived(&mut self, session_id: i64, archived_id: i64, is_described: bool) -> Result<()> {
        let sql = "UPDATE archived SET last_id = ?2, is_described = ?3 WHERE session_id = ?1";
        let done = self.connection.prepare_cached(sql);
        let done = done.and_then(|mut update| update.execute(params![session_id, archived_id, is_described]));
        done.map(|_| ()).map_err(self.failed("note what is archived"))
    }

    /// Open `path` for archiving what is in it, also while it is being recorded. A power cut may take what is noted of it, which
    /// the archive knows better.
    ///
    /// # Errors
    /// As [`Database::for_changing`].
    pub fn for_archiving(path: &std::path::Path) -> Result<Self> {
        let database = Self::for_changing(path)?;
        // A sync under the lock of a writer would hold the recorder up.
        let set = database.connection.pragma_update(None, "synchronous", "NORMAL");
        set.map_err(database.failed("note what is archived"))?;
        Ok(database)
    }
}
