//! Is a session as it was recorded? The digests of its commits say so, and what no digest covers is compared with what they
//! do.

mod overviews;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::Value;
use rusqlite::{ErrorCode, OptionalExtension, params};

use crate::codec::framing::{Framing, SEPARATOR, TOPIC_MAX_BYTES};
use crate::codec::stream::Stream;
use crate::codec::topic::printable;
use crate::error::Result;
use crate::message::{BATCH_MAX_BYTES, BATCH_MAX_MESSAGES, Batch, Digest, Digester, FIRST_DIGEST, Mark};
use crate::observe::tally::Tally;
use crate::store::sqlite::fields::fields;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::read::rows::{Rows, Selection};
use crate::store::sqlite::read::sessions::Session;
use crate::store::sqlite::read::verify::overviews::Summed;
use crate::store::sqlite::seal;

/// What was found wrong first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The messages among which it is: first and last id. Without any (the first is above the last) it is about the
    /// session as a whole.
    pub first_id: i64,
    /// See `first_id`.
    pub last_id: i64,
    /// What does not agree.
    pub what: Cow<'static, str>,
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
    /// Rows that are read to find its commits among those of other sessions.
    rows_max: i64,
    rows: Rows,
    streams: BTreeMap<i64, Stream>,
    /// Those that have messages.
    seen: BTreeSet<i64>,
    summed: Summed,
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
            rows_max: self.rows_max().map_err(self.failed("verify a session"))?,
            rows: Rows::new(session.id, &Selection::default()),
            streams: self.streams(session)?,
            seen: BTreeSet::new(),
            summed: Summed::default(),
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
            return Err(self.no_such_session(&session.id.to_string()));
        }
        Ok(Verdict { damage, commits: pass.commits })
    }
}

impl Pass<'_> {
    fn run(&mut self, at: &mut dyn FnMut(u64) -> Result<()>) -> rusqlite::Result<Result<Option<Damage>>> {
        if let Some(what) = self.compare_streams()? {
            return Ok(Ok(Some(self.rest(what))));
        }
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
        Damage { first_id: self.next_id, last_id: self.session.last_id, what: what.into() }
    }

    /// Compare what is said twice of streams. Their topics and framings are in the messages, and so in the digests.
    fn compare_streams(&self) -> rusqlite::Result<Option<&'static str>> {
        let sql = "SELECT count(*) FROM streams WHERE session_id = ?1";
        let count: i64 =
            self.database.quick(|| self.database.connection.query_row(sql, [self.session.id], |row| row.get(0)))?;
        if count != self.streams.len() as i64 {
            return Ok(Some("a stream cannot be read"));
        }
        for (&id, stream) in &self.streams {
            let topic_bytes = stream.topic.len();
            let is_sound = match stream.framing {
                Framing::Space => (1..=TOPIC_MAX_BYTES).contains(&topic_bytes) && !stream.topic.contains(&SEPARATOR),
                Framing::Frames => (1..=TOPIC_MAX_BYTES).contains(&topic_bytes),
                Framing::Whole => topic_bytes == 0,
            };
            if !is_sound {
                return Ok(Some("a stream has no topic that fits its framing"));
            }
            if !self.database.quick(|| self.has_its_fields(id, stream))? {
                return Ok(Some("a stream's name or fields do not agree with its topic and layout"));
            }
        }
        Ok(None)
    }

    fn has_its_fields(&self, id: i64, stream: &Stream) -> rusqlite::Result<bool> {
        let connection = &self.database.connection;
        let texts = "SELECT name, layout, EXISTS (SELECT 1 FROM endpoints WHERE session_id = ?2 AND number = ?3) \
                     FROM streams WHERE id = ?1";
        let (name, layout, has_endpoint): (String, String, bool) =
            connection.prepare_cached(texts)?.query_row(params![id, self.session.id, stream.endpoint], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        if name != printable(&stream.topic) || layout != stream.layout.to_string() || !has_endpoint {
            return Ok(false);
        }
        let sql = "SELECT part, every, place, position, byte_offset, type, channel, unit, scale, \"offset\", header_bytes, \
                   record_bytes FROM fields WHERE stream_id = ?1 ORDER BY part, place, position";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([id])?;
        for field in fields(stream) {
            let Some(row) = rows.next()? else { return Ok(false) };
            let text = |text: Option<String>| text.map_or(Value::Null, Value::Text);
            let expected = [
                Value::Integer(field.part as i64),
                Value::Integer(field.every as i64),
                Value::Text(field.place.to_owned()),
                Value::Integer(field.position as i64),
                Value::Integer(field.byte_offset as i64),
                Value::Text(field.of),
                text(field.channel),
                text(field.unit),
                field.scale.map_or(Value::Null, Value::Real),
                field.offset.map_or(Value::Null, Value::Real),
                Value::Integer(field.header_bytes as i64),
                field.record_bytes.map_or(Value::Null, |bytes| Value::Integer(bytes as i64)),
            ];
            for (column, expected) in expected.into_iter().enumerate() {
                if row.get::<_, Value>(column)? != expected {
                    return Ok(false);
                }
            }
        }
        Ok(rows.next()?.is_none())
    }

    fn next_commit(&self) -> rusqlite::Result<Option<Commit>> {
        let sql =
            "SELECT id, first_id, last_id, digest FROM batches WHERE session_id = ?1 AND id > ?2 ORDER BY id LIMIT 1";
        self.database.scan(self.rows_max, || {
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
        let among =
            |what| Some(Damage { first_id: commit.first_id, last_id: commit.last_id, what: Cow::Borrowed(what) });
        let at = |id, what| Some(Damage { first_id: id, last_id: id, what: Cow::Borrowed(what) });
        let follows = commit.first_id == self.next_id && commit.last_id >= commit.first_id;
        // No more than fits a batch: a damaged row may claim every id that there is.
        let fits = commit.messages() <= BATCH_MAX_MESSAGES as i64;
        if !follows || !fits || commit.last_id > self.session.last_id {
            return Ok(Some(self.rest("the commits do not follow one another")));
        }
        if let Some((id, what)) = self.database.bounded(0, || self.first_hole(commit))? {
            return Ok(at(id, what));
        }
        let first_number = commit.first_id.saturating_sub(self.session.first_id);
        let mut digester = Digester::new(&self.digest, first_number);
        let mut next_id = Some(commit.first_id);
        while let Some(piece_id) = next_id {
            self.batch.clear();
            let Self { database, rows, batch, .. } = self;
            let fill = || rows.fill(&database.connection, piece_id, commit.last_id, BATCH_MAX_BYTES, batch);
            match database.bounded(0, fill) {
                Ok(rest_id) => next_id = rest_id,
                // What makes no sense, such as a message without a stream, is damage too; a disk that fails is not.
                Err(cause) => {
                    return match cause.sqlite_error_code() {
                        None
                        | Some(ErrorCode::DatabaseCorrupt | ErrorCode::OperationInterrupted | ErrorCode::TooBig) => {
                            Ok(at(piece_id.saturating_add(batch.len() as i64), "it cannot be read"))
                        }
                        Some(_) => Err(cause),
                    };
                }
            }
            digester.add(&self.batch, Mark::default());
            if let Some((id, what)) = self.compare_readings(piece_id)? {
                return Ok(at(id, what));
            }
        }
        self.digest = digester.finish();
        if commit.digest != self.digest {
            return Ok(among("the digest does not agree with the messages"));
        }
        (self.commit_id, self.next_id) = (commit.id, commit.last_id.saturating_add(1));
        Ok(None)
    }

    /// Compare what is known of the messages in the batch beside their bytes: their order, and whether their layout can
    /// read them.
    fn compare_readings(&mut self, first_id: i64) -> rusqlite::Result<Option<(i64, &'static str)>> {
        let sql = "SELECT stream_id, reason FROM messages LEFT JOIN faults ON message_id = id \
                   WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
        let last_id = first_id.saturating_add(self.batch.len() as i64).saturating_sub(1);
        let is_open = self.session.ended_unix_ns.is_none();
        self.summed.expect(self.database, first_id, last_id)?;
        let mut statement = self.database.connection.prepare_cached(sql)?;
        let mut rows = statement.query([first_id, last_id])?;
        for (id, message) in (first_id..).zip(self.batch.messages()) {
            let Some(row) = rows.next()? else { return Ok(Some((id, "it is gone"))) };
            let (stream_id, reason): (i64, Option<String>) = (row.get(0)?, row.get(1)?);
            let Some(stream) = self.streams.get(&stream_id) else {
                return Ok(Some((id, "it has no stream of its session")));
            };
            self.seen.insert(stream_id);
            let fault = stream.check(message.frames()).err();
            if fault.as_ref().map(ToString::to_string) != reason {
                return Ok(Some((id, "whether its layout can read it is not what the database says")));
            }
            if self.last_elapsed_ns.is_some_and(|last_ns| message.elapsed_ns < last_ns) {
                return Ok(Some((id, "its time is before that of the one before it")));
            }
            let of = (stream_id, stream);
            if let Some(what) = self.summed.add(of, id, &message, fault.is_none(), is_open) {
                return Ok(Some((id, what)));
            }
            self.tally.message(message.bytes());
            self.tally.undecodable += u64::from(fault.is_some());
            self.first_elapsed_ns.get_or_insert(message.elapsed_ns);
            self.last_elapsed_ns = Some(message.elapsed_ns);
        }
        Ok(self.summed.end_of_piece().map(|what| (last_id, what)))
    }

    fn has_its_seal(&self) -> rusqlite::Result<bool> {
        let connection = &self.database.connection;
        let found = "SELECT seal FROM sessions WHERE id = ?1";
        let found: Option<Value> = connection.query_row(found, [self.session.id], |row| row.get(0)).optional()?;
        let seal = seal::of(connection, self.session.id, &self.digest)?;
        Ok(found == seal.map(|seal| Value::Blob(seal.to_vec())))
    }

    fn first_hole(&self, commit: &Commit) -> rusqlite::Result<Option<(i64, &'static str)>> {
        let sql = "SELECT id FROM messages WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
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
        let agree: Option<(bool, bool)> = self.database.scan(self.rows_max, ask).optional()?;
        let is_sealed = self.session.ended_unix_ns.is_none() || self.database.quick(|| self.has_its_seal())?;
        // While it is being recorded, one may be there before its first message is counted.
        let is_empty_stream = |id| !self.seen.contains(id) && self.session.ended_unix_ns.is_some();
        let counted = Tally { lost: self.session.tally.lost, unwanted: self.session.tally.unwanted, ..self.tally };
        let is_cut_off = matches!(self.session.end_reason.as_deref(), None | Some("interrupted"));
        let not_summed = self.summed.end().filter(|_| !is_cut_off);
        Ok(match agree {
            _ if counted != self.session.tally => Some(self.rest("the totals do not agree with the messages")),
            _ if duration_ns != self.session.duration_ns => {
                Some(self.rest("the first and last time do not agree with the messages"))
            }
            _ if self.streams.keys().any(is_empty_stream) => Some(self.rest("there is a stream without messages")),
            Some((true, true)) if !is_sealed => {
                Some(self.rest("what it says of itself is not what it was sealed with"))
            }
            Some((true, true)) => not_summed.map(|what| self.rest(what)),
            Some((_, false)) => Some(self.rest("there are commits beyond its end")),
            Some((false, _)) => Some(self.rest("the number of lost messages does not agree with the ledger")),
            None => Some(self.rest("it is gone")),
        })
    }
}
