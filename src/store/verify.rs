//! Is a session as it was recorded? The digests of its commits say so.

use rusqlite::params;

use crate::batch::{BATCH_MAX_MESSAGES, Batch, Digest, FIRST_DIGEST};
use crate::error::Result;
use crate::store::reader::Rows;
use crate::store::{Database, Session};
use crate::tally::Tally;

/// What was found wrong first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The messages among which it is: first and last id.
    pub first_id: i64,
    /// See `first_id`.
    pub last_id: i64,
    /// What does not agree.
    pub what: &'static str,
}

/// One commit, as its row in `batches` says.
struct Commit {
    first_id: i64,
    last_id: i64,
    digest: Vec<u8>,
}

impl Database {
    /// Read the whole session and compare it with the digests of its commits and with its totals. Gives the first
    /// damage; `None` when the session is as it was recorded.
    ///
    /// # Errors
    /// When the database cannot be read at all.
    pub fn verify(&self, session: &Session) -> Result<Option<Damage>> {
        self.try_verify(session).map_err(self.failed("verify a session"))
    }

    fn try_verify(&self, session: &Session) -> rusqlite::Result<Option<Damage>> {
        let mut rows = Rows::default();
        let mut batch = Batch::default();
        let mut digest = FIRST_DIGEST;
        let mut next_id = session.first_id;
        let mut statement = self
            .connection
            .prepare("SELECT first_id, last_id, digest FROM batches WHERE session_id = ?1 ORDER BY id")?;
        let mut commits = statement.query([session.id])?;
        while let Some(row) = self.bounded(0, || commits.next())? {
            let commit = Commit { first_id: row.get(0)?, last_id: row.get(1)?, digest: row.get(2)? };
            let damage = |what| Damage { first_id: commit.first_id, last_id: commit.last_id, what };
            // No more than fits a batch: a damaged row may claim every id that there is.
            let fits = commit.last_id.checked_sub(commit.first_id).is_some_and(|more| more < BATCH_MAX_MESSAGES as i64);
            if commit.first_id != next_id || commit.last_id < commit.first_id || !fits {
                return Ok(Some(damage("the commits do not follow one another")));
            }
            batch.clear();
            // What cannot be read, such as a topic without a name, is damage too.
            let filled = self.bounded(0, || rows.fill(&self.connection, commit.first_id, commit.last_id, &mut batch));
            match filled {
                Ok(_) if self.is_dense(&commit, &batch)? => {}
                Ok(_) => return Ok(Some(damage("a message is missing"))),
                Err(_) => return Ok(Some(damage("a message cannot be read"))),
            }
            let expected: Digest = batch.digest(&digest, commit.first_id);
            if commit.digest != expected {
                return Ok(Some(damage("the digest does not agree with the messages")));
            }
            digest = expected;
            next_id = commit.last_id.saturating_add(1);
        }
        let damage = |what| Damage { first_id: next_id, last_id: session.last_id, what };
        if next_id != session.last_id.saturating_add(1) {
            return Ok(Some(damage("the last commits are missing")));
        }
        Ok((self.count(session)? != session.tally).then(|| damage("the totals do not agree with the messages")))
    }

    /// Whether every id of the commit is there and belongs to one message.
    fn is_dense(&self, commit: &Commit, batch: &Batch) -> rusqlite::Result<bool> {
        let sql = "SELECT (SELECT count(*) FROM packets WHERE id BETWEEN ?1 AND ?2) \
                        + (SELECT count(*) FROM rejects WHERE id BETWEEN ?1 AND ?2), \
                   EXISTS (SELECT 1 FROM packets JOIN rejects USING (id) WHERE id BETWEEN ?1 AND ?2)";
        let (count, is_doubled): (i64, bool) = self.bounded(0, || {
            self.connection
                .prepare_cached(sql)?
                .query_row(params![commit.first_id, commit.last_id], |row| Ok((row.get(0)?, row.get(1)?)))
        })?;
        let expected = commit.last_id.saturating_sub(commit.first_id).saturating_add(1);
        Ok(count == expected && batch.len() as i64 == expected && !is_doubled)
    }

    /// The totals as the rows give them; losses have no rows but events.
    fn count(&self, session: &Session) -> rusqlite::Result<Tally> {
        let sql = "SELECT (SELECT count(*) FROM packets WHERE id BETWEEN ?1 AND ?2 AND session_id = ?3), \
                          (SELECT count(*) FROM rejects WHERE id BETWEEN ?1 AND ?2 AND session_id = ?3), \
                          (SELECT coalesce(sum(lost), 0) FROM events WHERE session_id = ?3), \
                          (SELECT coalesce(sum(length(payload)), 0) FROM packets WHERE id BETWEEN ?1 AND ?2)";
        // The commits cover these ids without a hole, so there are as many rows.
        let rows = session.last_id.saturating_sub(session.first_id);
        self.bounded(rows, || {
            self.connection.query_row(sql, params![session.first_id, session.last_id, session.id], |row| {
                let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
                Ok(Tally { packets: count(0)?, rejected: count(1)?, lost: count(2)?, bytes: count(3)? })
            })
        })
    }
}
