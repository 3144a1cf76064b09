//! The sessions of a damaged database in parts: what is proven, what is not, and what is not there.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use crate::codec::stream::Stream;
use crate::error::Result;
use crate::message::{Batch, Digest, FIRST_DIGEST};
use crate::store::sqlite::fields::fields;
use crate::store::sqlite::read::sessions::Session;
use crate::store::sqlite::recover::proof::Walk;
use crate::store::sqlite::recover::salvage::Salvage;
use crate::store::sqlite::seal;
use crate::store::sqlite::untrusted::damage::sound;

/// The number of the endpoint of messages whose stream is lost. Ours count from 1 to 10,000.
pub const LOST_ENDPOINT: u32 = 10_001;

/// The session of messages that are in the range of none.
pub(super) const OF_NONE: i64 = 0;

/// A part of a session, in the order of the ids.
#[derive(Debug)]
pub enum Piece<'a> {
    /// Messages, with their numbers and the rows of their streams.
    Messages(&'a Batch),
    /// From this number to that one there are none.
    Missing(i64, i64),
}

/// What is done with each part.
pub type Each<'a> = &'a mut dyn FnMut(Piece<'_>) -> Result<()>;

/// What became of the row of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowState {
    /// It is as it was sealed, or the session was still open.
    Sound,
    /// Its seal does not agree, or there is no proven end of the session to compare it with.
    Unproven,
    /// There is none.
    Lost,
}

/// What is known of a session when its commits were looked through.
#[derive(Clone, Copy, Debug)]
pub struct Proven {
    /// The id of its first message.
    pub first_id: i64,
    /// Whether what it says of itself is proven.
    pub row: RowState,
}

impl Salvage {
    /// Give the messages of a session that are proven, and what is between them.
    ///
    /// # Errors
    /// When the index cannot be read or written, or what `each` ends it with.
    pub fn proven(&mut self, session: &Session, each: Each<'_>) -> Result<Proven> {
        let is_inferred = self.is_inferred(session.id)?;
        let failed = self.database.failed("read the index");
        let mut walk = match Walk::new(self, session, each) {
            Ok(walk) => walk,
            Err(cause) => return Err(failed(cause)),
        };
        let end_id = walk.run()?;
        let (first_id, last_digest) = (walk.first_id(), walk.digest.filter(|_| walk.next_id == end_id.checked_add(1)));
        let is_empty = session.is_empty() && end_id < first_id;
        let row = match last_digest.or(is_empty.then_some(FIRST_DIGEST)) {
            _ if is_inferred => RowState::Lost,
            // Nobody has sealed it yet.
            _ if session.ended_unix_ns.is_none() => RowState::Sound,
            Some(digest) if self.is_sealed(session, &digest)? => RowState::Sound,
            _ => RowState::Unproven,
        };
        Ok(Proven { first_id, row })
    }

    fn is_sealed(&self, session: &Session, digest: &Digest) -> Result<bool> {
        let connection = &self.database.connection;
        let ask = || -> rusqlite::Result<bool> {
            let found: Option<Option<Vec<u8>>> = connection
                .query_row("SELECT seal FROM sessions WHERE id = ?1", [session.id], |row| row.get(0))
                .optional()?;
            let seal = seal::of(connection, session.id, digest)?;
            Ok(seal.is_some_and(|seal| found.flatten().is_some_and(|found| found == seal)))
        };
        Ok(sound(ask()).map_err(self.database.failed("read the index"))?.unwrap_or(false))
    }

    /// Whether all rows are there that say how these streams are read.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn has_all_fields(&self, streams: &BTreeMap<i64, Stream>) -> Result<bool> {
        let sql = "SELECT count(*) FROM fields WHERE stream_id = ?1";
        for (id, stream) in streams {
            let count = self.database.connection.query_row(sql, [id], |row| row.get::<_, i64>(0));
            let count = count.map_err(self.database.failed("read the index"))?;
            if count != fields(stream).len() as i64 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Give the messages of a session that can be read and are not proven, and what is not there of those. A message whose
    /// stream is lost is what followed its topic.
    ///
    /// # Errors
    /// When the index cannot be read, or what `each` ends it with.
    pub fn unproven(&mut self, session: &Session, first_id: i64, each: Each<'_>) -> Result<()> {
        let sql =
            "SELECT first_id, last_id FROM unproven WHERE session_id = ?1 AND first_id > ?2 ORDER BY first_id LIMIT 1";
        let mut behind_id = i64::MIN;
        loop {
            let ask = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let mut statement =
                self.database.connection.prepare_cached(sql).map_err(self.database.failed("read the index"))?;
            let found: Option<(i64, i64)> = statement
                .query_row(params![session.id, behind_id], ask)
                .optional()
                .map_err(self.database.failed("read the index"))?;
            drop(statement);
            let Some((from_id, to_id)) = found else { return Ok(()) };
            behind_id = from_id;
            let failed = self.database.failed("read the index");
            let mut walk = Walk::new(self, session, &mut *each).map_err(failed)?;
            walk.bases = vec![first_id];
            walk.give_readable(from_id, to_id)?;
        }
    }
}

impl Salvage {
    /// A session that stands for messages in the range of none, if there are some.
    ///
    /// # Errors
    /// When the index cannot be read or written.
    pub fn of_none(&mut self) -> Result<Option<Session>> {
        let connection = &self.database.connection;
        // What was deleted is not looked for.
        let find = || -> rusqlite::Result<Option<(i64, i64)>> {
            connection
                .execute("INSERT INTO covered SELECT first_id, last_id FROM deleted WHERE first_id <= last_id", [])?;
            let mut statement = connection.prepare("SELECT first_id, last_id FROM covered ORDER BY first_id")?;
            let mut rows = statement.query([])?;
            let mut next_id = i64::MIN;
            let add = |from_id: i64, to_id: i64| {
                let sql = "INSERT INTO unproven SELECT ?1, min(id), max(id) FROM found WHERE id BETWEEN ?2 AND ?3 HAVING min(id) IS NOT NULL";
                connection.prepare_cached(sql)?.execute([OF_NONE, from_id, to_id])
            };
            while let Some(row) = rows.next()? {
                let (first_id, last_id): (i64, i64) = (row.get(0)?, row.get(1)?);
                if first_id > next_id {
                    add(next_id, first_id - 1)?;
                }
                next_id = next_id.max(last_id.saturating_add(1));
            }
            add(next_id, i64::MAX)?;
            let ends = "SELECT min(first_id), max(last_id) FROM unproven WHERE session_id = ?1";
            let ends: (Option<i64>, Option<i64>) =
                connection.query_row(ends, [OF_NONE], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(ends.0.zip(ends.1))
        };
        let Some((first_id, last_id)) = find().map_err(self.database.failed("read the index"))? else {
            return Ok(None);
        };
        let sql = "INSERT INTO sessions (id, started_unix_ns, topics, framing, host, boot_id, version, durability, first_id, last_id) \
                   VALUES (?1, 0, '[\"*\"]', 'auto', '', '', '', 'normal', ?2, ?3)";
        let inserted = connection.execute(sql, [OF_NONE, first_id, last_id]);
        inserted.map_err(self.database.failed("read the index"))?;
        self.database.find_session(&OF_NONE.to_string()).map(Some)
    }
}
