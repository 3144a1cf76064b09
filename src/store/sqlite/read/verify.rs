//! Is a session as it was recorded? The digests of its commits say so.

use rusqlite::{ErrorCode, OptionalExtension, params};

use crate::error::{Error, Result};
use crate::message::{BATCH_MAX_BYTES, BATCH_MAX_MESSAGES, Batch, Digest, FIRST_DIGEST};
use crate::observe::tally::Tally;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::read::rows::Rows;
use crate::store::sqlite::read::sessions::Session;

/// What was found wrong first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The messages among which it is: first and last id. Without any (the first is above the last) it is about the
    /// session as a whole.
    pub first_id: i64,
    /// See `first_id`.
    pub last_id: i64,
    /// What does not agree.
    pub what: &'static str,
}

/// What became of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The first damage; `None` when the session is as it was recorded.
    pub damage: Option<Damage>,
    /// Commits that are as they were recorded, from the first one on.
    pub commits: u64,
}

/// One commit, as its row in `batches` says.
struct Commit {
    id: i64,
    first_id: i64,
    last_id: i64,
    digest: Vec<u8>,
}

impl Commit {
    fn messages(&self) -> i64 {
        self.last_id.saturating_sub(self.first_id).saturating_add(1)
    }
}

/// A pass over a session: what is known from the commits so far.
struct Pass<'a> {
    database: &'a Database,
    session: &'a Session,
    rows: Rows,
    batch: Batch,
    digest: Digest,
    commit_id: i64,
    next_id: i64,
    commits: u64,
    tally: Tally,
    first_elapsed_ns: Option<i64>,
    last_elapsed_ns: Option<i64>,
}

impl Database {
    /// Read the whole session and compare it with the digests of its commits and with its totals. Of a session that is
    /// being recorded, what `session` says is committed is compared. `at` is told how many messages were compared, again
    /// and again, and can end it.
    ///
    /// Each commit is read in a transaction of its own: a longer one would keep a recorder from reusing its log.
    ///
    /// # Errors
    /// When the database cannot be read at all, the session was deleted meanwhile, or what `at` ends it with.
    pub fn verify(&self, session: &Session, at: &mut dyn FnMut(u64) -> Result<()>) -> Result<Verdict> {
        let mut pass = Pass {
            database: self,
            session,
            rows: Rows::default(),
            batch: Batch::default(),
            digest: FIRST_DIGEST,
            commit_id: i64::MIN,
            next_id: session.first_id,
            commits: 0,
            tally: Tally::default(),
            first_elapsed_ns: None,
            last_elapsed_ns: None,
        };
        let damage = match pass.run(at) {
            Err(cause) if cause.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                Some(pass.rest("the file is damaged so that SQLite cannot read it"))
            }
            found => found.map_err(self.failed("verify a session"))??,
        };
        if damage.is_some() && !self.has_session(session.id)? {
            return Err(Error::NoSuchSession { wanted: session.id.to_string(), database: self.path.clone() });
        }
        Ok(Verdict { damage, commits: pass.commits })
    }
}

impl Pass<'_> {
    fn run(&mut self, at: &mut dyn FnMut(u64) -> Result<()>) -> rusqlite::Result<Result<Option<Damage>>> {
        while self.next_id <= self.session.last_id {
            let Some(commit) = self.next_commit()? else {
                return Ok(Ok(Some(self.rest("the last commits are missing"))));
            };
            if let Some(damage) = self.compare(&commit)? {
                return Ok(Ok(Some(damage)));
            }
            self.commits += 1;
            if let Err(ended) = at(self.next_id.saturating_sub(self.session.first_id).unsigned_abs()) {
                return Ok(Err(ended));
            }
        }
        self.compare_totals().map(Ok)
    }

    /// Damage somewhere in what was not compared yet.
    fn rest(&self, what: &'static str) -> Damage {
        Damage { first_id: self.next_id, last_id: self.session.last_id, what }
    }

    fn next_commit(&self) -> rusqlite::Result<Option<Commit>> {
        let sql =
            "SELECT id, first_id, last_id, digest FROM batches WHERE session_id = ?1 AND id > ?2 ORDER BY id LIMIT 1";
        self.database.quick(|| {
            self.database
                .connection
                .prepare_cached(sql)?
                .query_row(params![self.session.id, self.commit_id], |row| {
                    Ok(Commit { id: row.get(0)?, first_id: row.get(1)?, last_id: row.get(2)?, digest: row.get(3)? })
                })
                .optional()
        })
    }

    /// Compare one commit with its messages.
    fn compare(&mut self, commit: &Commit) -> rusqlite::Result<Option<Damage>> {
        let among = |what| Some(Damage { first_id: commit.first_id, last_id: commit.last_id, what });
        let at = |id, what| Some(Damage { first_id: id, last_id: id, what });
        let follows = commit.first_id == self.next_id && commit.last_id >= commit.first_id;
        // No more than fits a batch: a damaged row may claim every id that there is.
        let fits = commit.messages() <= BATCH_MAX_MESSAGES as i64;
        if !follows || !fits || commit.last_id > self.session.last_id {
            return Ok(Some(self.rest("the commits do not follow one another")));
        }
        if let Some((id, what)) = self.count(commit)? {
            return Ok(at(id, what));
        }
        self.batch.clear();
        let Self { database, rows, batch, .. } = self;
        let fill = || rows.fill(&database.connection, commit.first_id, commit.last_id, BATCH_MAX_BYTES, batch);
        let filled = database.bounded(0, fill);
        if let Err(cause) = filled {
            // What makes no sense, such as a packet without a topic, is damage too; a disk that fails is not.
            return match cause.sqlite_error_code() {
                None | Some(ErrorCode::DatabaseCorrupt | ErrorCode::OperationInterrupted | ErrorCode::TooBig) => {
                    Ok(at(self.first_unreadable(commit), "it cannot be read"))
                }
                Some(_) => Err(cause),
            };
        }
        if self.batch.len() as i64 != commit.messages() {
            return Ok(among("they are more than a commit can have"));
        }
        self.digest = self.batch.digest(&self.digest, commit.first_id);
        if commit.digest != self.digest {
            return Ok(among("the digest does not agree with the messages"));
        }
        for (id, message) in (commit.first_id..).zip(self.batch.messages()) {
            if self.last_elapsed_ns.is_some_and(|last_ns| message.elapsed_ns < last_ns) {
                return Ok(at(id, "its time is before that of the one before it"));
            }
            self.first_elapsed_ns.get_or_insert(message.elapsed_ns);
            self.last_elapsed_ns = Some(message.elapsed_ns);
        }
        (self.commit_id, self.next_id) = (commit.id, commit.last_id.saturating_add(1));
        Ok(None)
    }

    /// The first message of a commit that cannot be read. Those that were read before it are known, but for one that
    /// SQLite had not given yet when it met this one in the other table.
    fn first_unreadable(&mut self, commit: &Commit) -> i64 {
        let Self { database, rows, batch, .. } = self;
        let from_id = commit.first_id.saturating_add(batch.len() as i64);
        let mut is_unreadable = |id: &i64| {
            batch.clear();
            database.bounded(0, || rows.fill(&database.connection, *id, *id, BATCH_MAX_BYTES, batch)).is_err()
        };
        (from_id..=commit.last_id).find(&mut is_unreadable).unwrap_or(from_id)
    }

    /// Count the messages of a commit. Gives the first id that has not one message of this session.
    fn count(&mut self, commit: &Commit) -> rusqlite::Result<Option<(i64, &'static str)>> {
        let sql = "SELECT count(*), coalesce(sum(length(payload)), 0), min(id) FILTER (WHERE session_id <> ?3), \
                   (SELECT count(*) FROM rejects WHERE id BETWEEN ?1 AND ?2), \
                   (SELECT min(id) FROM rejects WHERE id BETWEEN ?1 AND ?2 AND session_id <> ?3) \
                   FROM packets WHERE id BETWEEN ?1 AND ?2";
        let range = params![commit.first_id, commit.last_id, self.session.id];
        let (packets, bytes, rejected, stray_id) = self.database.bounded(0, || {
            self.database.connection.prepare_cached(sql)?.query_row(range, |row| {
                let stray_ids: [Option<i64>; 2] = [row.get(2)?, row.get(4)?];
                let stray_id = stray_ids.into_iter().flatten().min();
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(3)?, stray_id))
            })
        })?;
        if let Some(id) = stray_id {
            return Ok(Some((id, "it belongs to another session")));
        }
        self.tally.packets = self.tally.packets.saturating_add(packets.unsigned_abs());
        self.tally.bytes = self.tally.bytes.saturating_add(bytes.unsigned_abs());
        self.tally.rejected = self.tally.rejected.saturating_add(rejected.unsigned_abs());
        let is_whole = packets.saturating_add(rejected) == commit.messages();
        match is_whole && rejected == 0 {
            true => Ok(None),
            false => self.database.bounded(0, || self.first_hole(commit)),
        }
    }

    fn first_hole(&self, commit: &Commit) -> rusqlite::Result<Option<(i64, &'static str)>> {
        let sql = "SELECT id FROM packets WHERE id BETWEEN ?1 AND ?2 \
                   UNION ALL SELECT id FROM rejects WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
        let mut statement = self.database.connection.prepare_cached(sql)?;
        let mut ids = statement.query(params![commit.first_id, commit.last_id])?;
        let mut expected_id = commit.first_id;
        while let Some(row) = ids.next()? {
            match row.get::<_, i64>(0)? {
                id if id > expected_id => return Ok(Some((expected_id, "it is missing"))),
                id if id < expected_id => return Ok(Some((id, "it is there twice"))),
                _ => expected_id = expected_id.saturating_add(1),
            }
        }
        Ok((expected_id <= commit.last_id).then_some((expected_id, "it is missing")))
    }

    /// Compare what the session says of itself with what was counted, once all of it was read.
    fn compare_totals(&self) -> rusqlite::Result<Option<Damage>> {
        let duration_ns =
            self.last_elapsed_ns.zip(self.first_elapsed_ns).map_or(0, |(last, first)| last.saturating_sub(first));
        // Both in one statement, as of one moment: a recorder may be adding to them.
        let sql = "SELECT lost = (SELECT coalesce(sum(lost), 0) FROM events WHERE session_id = ?1), \
                   NOT EXISTS (SELECT 1 FROM batches WHERE session_id = ?1 AND batches.last_id > sessions.last_id) \
                   FROM sessions WHERE id = ?1";
        let ask = || self.database.connection.query_row(sql, [self.session.id], |row| Ok((row.get(0)?, row.get(1)?)));
        let agree: Option<(bool, bool)> = self.database.quick(ask).optional()?;
        let counted = Tally { lost: self.session.tally.lost, ..self.tally };
        Ok(match agree {
            _ if counted != self.session.tally => Some(self.rest("the totals do not agree with the messages")),
            _ if duration_ns != self.session.duration_ns => {
                Some(self.rest("the first and last time do not agree with the messages"))
            }
            Some((true, true)) => None,
            Some((_, false)) => Some(self.rest("there are commits beyond its end")),
            Some((false, _)) => Some(self.rest("the number of lost packets does not agree with the ledger")),
            None => Some(self.rest("it is gone")),
        })
    }
}
