//! The commits of a session, as their rows in `batches` say, one after the other.
//!
//! A row is a claim that its digest proves or does not: one that makes no sense is passed over, and so are those that
//! cannot be read.

use std::collections::VecDeque;

use rusqlite::{OptionalExtension, Row, params};

use crate::message::{BATCH_MAX_MESSAGES, Digest, FIRST_DIGEST};
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::read::parts::Parts;
use crate::store::sqlite::untrusted::damage::{id_from, is_damage, lowest, pass_over, sound};

/// Rows that are read at once.
const AHEAD_ROWS: i64 = 64;

/// One commit.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Commit {
    pub first_id: i64,
    pub last_id: i64,
    /// When it was made.
    pub unix_ns: i64,
    /// The session that it is of, as its row says.
    pub session_id: i64,
    pub digest: Digest,
    /// The digest of the commit before, which this one's is made with; `None` when that is not known.
    pub previous: Option<Digest>,
}

impl Commit {
    /// How many messages it has.
    pub fn messages(&self) -> u64 {
        self.last_id.abs_diff(self.first_id).saturating_add(1)
    }

    /// Whether it can be as its row says. A damaged one may claim every id that there is.
    fn makes_sense(&self) -> bool {
        self.first_id <= self.last_id && self.messages() <= BATCH_MAX_MESSAGES as u64
    }
}

/// Reads the rows of commits.
#[derive(Debug)]
pub(in crate::store) struct Commits {
    /// The parts of the session: the commit of the first message of one has none before it.
    parts: Parts,
    /// The message whose commit is to be found.
    sought_id: Option<i64>,
    /// Rows that were read, those first that come first.
    ahead: VecDeque<Commit>,
    /// The id of the next row to read; `None` behind the last one.
    next_row: Option<i64>,
    /// The digest in the row before that.
    last_digest: Option<Digest>,
}

impl Commits {
    /// Those of a session that consists of these parts.
    pub fn new(parts: Parts) -> Self {
        let (ahead, next_row, last_digest) = Default::default();
        let sought_id = Some(parts.first_id());
        Self { sought_id, parts, ahead, next_row, last_digest }
    }

    /// Go to the commit of this message, or to the first one behind it.
    pub fn seek(&mut self, message_id: i64) {
        self.sought_id = Some(message_id);
    }

    /// The next commit with messages from this id on. It stays the next one until it is [passed](Self::pass).
    pub fn next(&mut self, database: &Database, from_id: i64) -> rusqlite::Result<Option<Commit>> {
        if let Some(message_id) = self.sought_id {
            self.find(database, message_id)?;
            self.sought_id = None;
        }
        loop {
            while let Some(commit) = self.ahead.front() {
                if commit.last_id >= from_id && commit.makes_sense() {
                    return Ok(Some(*commit));
                }
                self.pass();
            }
            let Some(next_row) = self.next_row else { return Ok(None) };
            self.fetch(database, next_row)?;
        }
    }

    /// Go on behind the next commit.
    pub fn pass(&mut self) {
        self.ahead.pop_front();
    }

    /// Stand before the row of the commit of a message, or before an earlier one.
    fn find(&mut self, database: &Database, message_id: i64) -> rusqlite::Result<()> {
        self.ahead.clear();
        // What cannot be read is taken for late enough: from too early a row the right one is found all the same.
        let first_at = |row| sound(database.quick(|| first_row(database, row)));
        let row = lowest(i64::MIN, i64::MAX, |row| {
            Ok(first_at(row)?.flatten().and_then(|(row, commit)| (commit.last_id < message_id).then_some(row)))
        })?;
        let is_there = match first_at(row)? {
            Some(Some((_, commit))) => commit.first_id <= message_id,
            Some(None) => false,
            None => true,
        };
        // A damaged row may have led astray.
        let row = if is_there { row } else { i64::MIN };
        self.next_row = Some(row);
        self.last_digest = sound(database.quick(|| digest_before(database, row)))?.flatten();
        Ok(())
    }

    /// Read some rows from this one on, or pass over those that cannot be read.
    fn fetch(&mut self, database: &Database, next_row: i64) -> rusqlite::Result<()> {
        match database.quick(|| self.read(database, next_row)) {
            Err(cause) if is_damage(&cause) => {
                let damaged_row = self.next_row.unwrap_or(i64::MAX);
                let ask = |row| database.quick(|| first_row(database, row));
                let found = pass_over(damaged_row, i64::MAX, ask)?;
                self.next_row = found.and_then(|(_, row)| row).map(|(row, _)| row);
                self.last_digest = None;
                Ok(())
            }
            result => result,
        }
    }

    fn read(&mut self, database: &Database, next_row: i64) -> rusqlite::Result<()> {
        let sql = "SELECT id, first_id, last_id, digest, committed_unix_ns, session_id FROM batches WHERE id >= ?1 ORDER BY id LIMIT ?2";
        let mut statement = database.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![next_row, AHEAD_ROWS])?;
        let mut last_row = None;
        while let Some(row) = rows.next()? {
            let (row, commit) = parsed(row, last_row.map_or(next_row, |row: i64| row.saturating_add(1)))?;
            let previous = if self.parts.has_first(commit.first_id) { Some(FIRST_DIGEST) } else { self.last_digest };
            self.ahead.push_back(Commit { previous, ..commit });
            self.last_digest = Some(commit.digest);
            last_row = Some(row);
            self.next_row = row.checked_add(1);
        }
        if last_row.is_none() {
            self.next_row = None;
        }
        Ok(())
    }
}

/// A row that has this id or a later one.
fn parsed(row: &Row<'_>, from_row: i64) -> rusqlite::Result<(i64, Commit)> {
    let id = id_from(row, from_row)?;
    let (first_id, last_id, digest) = (row.get(1)?, row.get(2)?, row.get(3)?);
    Ok((id, Commit { first_id, last_id, unix_ns: row.get(4)?, session_id: row.get(5)?, digest, previous: None }))
}

/// The first row with this id or a later one.
fn first_row(database: &Database, row: i64) -> rusqlite::Result<Option<(i64, Commit)>> {
    let sql = "SELECT id, first_id, last_id, digest, committed_unix_ns, session_id FROM batches WHERE id >= ?1 ORDER BY id LIMIT 1";
    database.connection.prepare_cached(sql)?.query_row([row], |found| parsed(found, row)).optional()
}

/// The digest in the row before this one.
fn digest_before(database: &Database, row: i64) -> rusqlite::Result<Option<Digest>> {
    let sql = "SELECT digest FROM batches WHERE id < ?1 ORDER BY id DESC LIMIT 1";
    database.connection.prepare_cached(sql)?.query_row([row], |row| row.get(0)).optional()
}
