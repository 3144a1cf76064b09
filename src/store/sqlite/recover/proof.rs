//! Which messages of a session are proven: those of a commit whose digest they have, together with the digest before it.

use std::collections::HashMap;

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, params};

use crate::codec::framing::Framing;
use crate::codec::stream::Key;
use crate::error::Result;
use crate::message::{BATCH_MAX_BYTES, BATCH_MAX_MESSAGES, Batch, Digest, Digester, FIRST_DIGEST, Mark};
use crate::store::sqlite::read::rows::{key, put_together};
use crate::store::sqlite::read::sessions::Session;
use crate::store::sqlite::recover::pages::Source;
use crate::store::sqlite::recover::parts::{Each, LOST_ENDPOINT, OF_NONE, Piece};
use crate::store::sqlite::recover::records::Columns;
use crate::store::sqlite::recover::salvage::{MESSAGE_ROW_MAX_BYTES, Salvage};
use crate::store::sqlite::untrusted::damage::sound;

/// Where several messages have the same id, so many choices among them are tried.
const CHOICES_MAX: usize = 64;

/// Digests that are tried as the one before.
const PREVIOUS_MAX: i64 = 4;

/// Messages are read so often at most, on average, and at least so many of them, to find out what is proven. A sound one is read
/// twice; commits that are made to claim the same messages again and again would be read without end.
const READS_PER_MESSAGE: u64 = 32;
const READS_MIN: u64 = 10_000_000;

/// A row of the table of commits, which its messages prove or not.
#[derive(Clone, Copy, Debug)]
struct Claim {
    first_id: i64,
    last_id: i64,
    digest: Digest,
}

/// Where the messages of a commit are, one after the other.
type Located = Vec<(i64, Source, usize)>;

/// A way through the commits of a session.
pub(super) struct Walk<'a> {
    salvage: &'a mut Salvage,
    session: &'a Session,
    /// Ids that may be that of the first message. When one has led to a proof, it is the only one.
    pub bases: Vec<i64>,
    /// Behind what is proven.
    pub next_id: Option<i64>,
    /// The digest of the commit that ends there.
    pub digest: Option<Digest>,
    streams: HashMap<i64, Option<Key>>,
    reads_left: u64,
    row: Vec<u8>,
    batch: Batch,
    each: Each<'a>,
}

impl<'a> Walk<'a> {
    pub fn new(salvage: &'a mut Salvage, session: &'a Session, each: Each<'a>) -> rusqlite::Result<Self> {
        let connection = &salvage.database.connection;
        let number = |sql: &str| connection.query_row(sql, [session.id], |row| row.get::<_, Option<i64>>(0));
        let before = "SELECT max(last_id) + 1 FROM claims WHERE session_id = (SELECT max(session_id) FROM claims WHERE session_id < ?1)";
        let first = "SELECT min(first_id) FROM claims WHERE session_id = ?1";
        let mut bases = vec![session.first_id];
        for base in [number(first)?, number(before)?].into_iter().flatten() {
            if !bases.contains(&base) {
                bases.push(base);
            }
        }
        let found: i64 = connection.query_row("SELECT coalesce(max(id), 0) FROM found", [], |row| row.get(0))?;
        let reads_left = found.unsigned_abs().saturating_mul(READS_PER_MESSAGE).max(READS_MIN);
        let (streams, row, batch) = (HashMap::new(), Vec::new(), Batch::default());
        Ok(Self { salvage, session, bases, next_id: None, digest: None, streams, reads_left, row, batch, each })
    }

    pub fn first_id(&self) -> i64 {
        self.bases.first().copied().unwrap_or(self.session.first_id)
    }

    fn asked<T>(&self, result: rusqlite::Result<T>) -> Result<T> {
        result.map_err(self.salvage.database.failed("read the index"))
    }

    /// Give all that is proven. Gives the id of the last message that the session can have.
    pub fn run(&mut self) -> Result<i64> {
        let mut claim = None;
        loop {
            claim = self.asked(self.next_claim(claim))?;
            let Some(claim) = claim else { break };
            if self.next_id.is_none_or(|next_id| claim.first_id >= next_id) {
                self.prove(claim)?;
            }
        }
        let from_id = self.next_id.unwrap_or(self.first_id());
        let end_id = self.asked(self.end_id(from_id))?;
        self.miss(from_id, end_id)?;
        let sql = "INSERT INTO covered VALUES (?, ?)";
        let covered = self.salvage.database.connection.execute(sql, [self.first_id(), end_id]);
        self.asked(covered)?;
        Ok(end_id)
    }

    /// Where the next session begins.
    fn behind_id(&self) -> rusqlite::Result<i64> {
        let sql = "SELECT first_id FROM sessions WHERE id > ?1 AND first_id > ?2 ORDER BY first_id LIMIT 1";
        let params = [self.session.id, self.session.first_id];
        let next = self.salvage.database.connection.query_row(sql, params, |row| row.get(0)).optional()?;
        Ok(next.unwrap_or(i64::MAX))
    }

    /// The last message that the session can have. Its row may be older than that, and damaged.
    fn end_id(&self, next_id: i64) -> rusqlite::Result<i64> {
        let behind_id = self.behind_id()?;
        let told_id = self.session.last_id.min(behind_id - 1).max(next_id - 1);
        if self.session.ended_unix_ns.is_some() {
            return Ok(told_id);
        }
        let sql = "SELECT max(id) FROM found WHERE id < ?1";
        let found: Option<i64> = self.salvage.database.connection.query_row(sql, [behind_id], |row| row.get(0))?;
        Ok(found.map_or(told_id, |found| found.max(told_id)))
    }

    fn next_claim(&self, behind: Option<Claim>) -> rusqlite::Result<Option<Claim>> {
        let sql = "SELECT first_id, last_id, digest FROM claims WHERE session_id = ?1 AND (first_id, last_id, digest) > (?2, ?3, ?4) \
                   ORDER BY first_id, last_id, digest LIMIT 1";
        let behind = behind.unwrap_or(Claim { first_id: i64::MIN, last_id: 0, digest: FIRST_DIGEST });
        let mut statement = self.salvage.database.connection.prepare_cached(sql)?;
        let found = statement
            .query_row(params![self.session.id, behind.first_id, behind.last_id, behind.digest], |row| {
                Ok(Claim { first_id: row.get(0)?, last_id: row.get(1)?, digest: row.get(2)? })
            });
        found.optional()
    }

    /// The digests that the commit before this id may have.
    fn previous(&self, base: i64, first_id: i64) -> rusqlite::Result<Vec<Digest>> {
        let mut previous = if first_id == base { vec![FIRST_DIGEST] } else { Vec::new() };
        let sql = "SELECT digest FROM claims WHERE session_id = ?1 AND last_id = ?2 LIMIT ?3";
        let mut statement = self.salvage.database.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![self.session.id, first_id - 1, PREVIOUS_MAX], |row| row.get(0))?;
        for digest in rows {
            previous.push(digest?);
        }
        Ok(previous)
    }

    /// Give the messages of a commit if they are proven.
    fn prove(&mut self, claim: Claim) -> Result<()> {
        let Claim { first_id, last_id, digest } = claim;
        if self.reads_left == 0 {
            return Ok(());
        }
        let places = self.asked(self.salvage.places(first_id, last_id))?;
        self.reads_left = self.reads_left.saturating_sub(places.len() as u64);
        for base in self.bases.clone() {
            if base > first_id {
                continue;
            }
            for previous in self.asked(self.previous(base, first_id))? {
                for located in choices(&places, first_id, last_id) {
                    if self.digest_of(&previous, base, &located)? == Some(digest) {
                        self.bases = vec![base];
                        self.miss(self.next_id.unwrap_or(base), first_id - 1)?;
                        return self.give(claim, &located);
                    }
                }
            }
            if self.bridge(base, claim, &places)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Where the row of one commit is lost, and its messages are not: together with them, the next one is proven, and they with it.
    fn bridge(&mut self, base: i64, claim: Claim, places: &[(i64, i64, Source, usize)]) -> Result<bool> {
        let next_id = self.next_id.unwrap_or(base);
        let Some(previous) = self.digest.or((next_id == base).then_some(FIRST_DIGEST)) else { return Ok(false) };
        let (from_id, to_id) = (next_id, claim.first_id - 1);
        if to_id < from_id || to_id - from_id >= BATCH_MAX_MESSAGES as i64 {
            return Ok(false);
        }
        let between = self.asked(self.salvage.places(from_id, to_id))?;
        let (Some(before), Some(located)) =
            (choices(&between, from_id, to_id).next(), choices(places, claim.first_id, claim.last_id).next())
        else {
            return Ok(false);
        };
        let Some(digest) = self.digest_of(&previous, base, &before)? else { return Ok(false) };
        if self.digest_of(&digest, base, &located)? != Some(claim.digest) {
            return Ok(false);
        }
        self.bases = vec![base];
        self.give(Claim { first_id: from_id, last_id: to_id, digest }, &before)?;
        self.give(claim, &located)?;
        Ok(true)
    }

    /// The digest of these messages behind another one; `None` if some of them make no sense.
    fn digest_of(&mut self, previous: &Digest, base: i64, located: &Located) -> Result<Option<Digest>> {
        let Some((first_id, ..)) = located.first() else { return Ok(None) };
        let mut digester = Digester::new(previous, first_id - base);
        self.batch.clear();
        for &(id, source, number) in located {
            if self.reads_left == 0 || !self.append(id, source, number)? {
                return Ok(None);
            }
            self.reads_left = self.reads_left.saturating_sub(1);
            if self.batch.bytes() >= BATCH_MAX_BYTES {
                digester.add(&self.batch, Mark::default());
                self.batch.clear();
            }
        }
        digester.add(&self.batch, Mark::default());
        Ok(Some(digester.finish()))
    }

    /// Append a message to the batch. Says whether it makes sense.
    fn append(&mut self, id: i64, source: Source, number: usize) -> Result<bool> {
        let read = self.salvage.pages.row(source, number, MESSAGE_ROW_MAX_BYTES, &mut self.row);
        let Some(columns) = Columns::of(&self.row, self.row.len()).filter(|_| read == Some(id)) else {
            return Ok(false);
        };
        let integer = |column| columns.integer(&self.row, column);
        let (Some(stream_id), Some(unix_ns), Some(elapsed_ns)) = (integer(1), integer(2), integer(3)) else {
            return Ok(false);
        };
        let Some(ValueRef::Blob(payload)) = columns.value(&self.row, 4) else { return Ok(false) };
        let parts = match columns.value(&self.row, 5) {
            Some(ValueRef::Text(parts)) => Some(parts),
            Some(ValueRef::Null) => None,
            _ => return Ok(false),
        };
        let stream = match self.streams.get(&stream_id) {
            Some(known) => known,
            None => {
                let found = sound(key(&self.salvage.database.connection, self.session.id, stream_id));
                let found = found.map_err(self.salvage.database.failed("read the index"))?;
                self.streams.entry(stream_id).or_insert(found)
            }
        };
        let Some(stream) = stream else { return Ok(false) };
        let is_sound = put_together(stream, (unix_ns, elapsed_ns), payload, parts, &mut self.batch).is_ok();
        if is_sound {
            self.batch.push_place(id - self.bases.first().copied().unwrap_or_default(), stream_id);
        }
        Ok(is_sound)
    }

    /// Give messages that are proven.
    fn give(&mut self, claim: Claim, located: &Located) -> Result<()> {
        self.batch.clear();
        for &(id, source, number) in located {
            if !self.append(id, source, number)? {
                // The disk has become worse.
                self.miss(id, id)?;
            }
            if self.batch.bytes() >= BATCH_MAX_BYTES {
                self.give_batch()?;
            }
        }
        self.give_batch()?;
        (self.next_id, self.digest) = (claim.last_id.checked_add(1), Some(claim.digest));
        Ok(())
    }

    /// No message of a range of ids is proven.
    fn miss(&mut self, first_id: i64, last_id: i64) -> Result<()> {
        if first_id > last_id {
            return Ok(());
        }
        let sql = "INSERT OR REPLACE INTO unproven VALUES (?, ?, ?)";
        let noted = self.salvage.database.connection.prepare_cached(sql);
        self.asked(noted.and_then(|mut insert| insert.execute(params![self.session.id, first_id, last_id])))?;
        let base = self.first_id();
        (self.each)(Piece::Missing(first_id.saturating_sub(base), last_id.saturating_sub(base)))
    }

    /// Give what can be read of a range of ids, in which nothing is proven.
    pub fn give_readable(&mut self, from_id: i64, to_id: i64) -> Result<()> {
        let base = self.first_id();
        let mut next_id = from_id;
        while next_id <= to_id {
            let until_id = to_id.min(next_id.saturating_add(BATCH_MAX_MESSAGES as i64 - 1));
            let places = self.asked(self.salvage.places(next_id, until_id))?;
            if places.is_empty() {
                // Behind a hole that may be of any size.
                let sql = "SELECT min(id) FROM found WHERE id BETWEEN ?1 AND ?2";
                let found = self.salvage.database.connection.query_row(sql, [next_id, to_id], |row| row.get(0));
                let found: Option<i64> = self.asked(found)?;
                let behind_id = found.unwrap_or(to_id.saturating_add(1));
                (self.each)(Piece::Missing(next_id - base, behind_id - 1 - base))?;
                next_id = behind_id;
                continue;
            }
            for (id, copy, source, number) in places {
                // Which of several is the right one, nothing says.
                if copy > 0 {
                    continue;
                }
                if id > next_id {
                    self.give_batch()?;
                    (self.each)(Piece::Missing(next_id - base, id - 1 - base))?;
                }
                if !self.append_whole(id, source, number)? {
                    self.give_batch()?;
                    (self.each)(Piece::Missing(id - base, id - base))?;
                }
                if self.batch.is_full() {
                    self.give_batch()?;
                }
                next_id = id.saturating_add(1);
            }
            self.give_batch()?;
            if next_id <= until_id {
                (self.each)(Piece::Missing(next_id - base, until_id - base))?;
                next_id = until_id.saturating_add(1);
            }
        }
        Ok(())
    }

    /// Give the messages in the batch.
    fn give_batch(&mut self) -> Result<()> {
        if !self.batch.is_empty() {
            (self.each)(Piece::Messages(&self.batch))?;
            self.batch.clear();
        }
        Ok(())
    }

    /// Append a message to the batch, also where its stream is lost. One of another session is none of this one.
    fn append_whole(&mut self, id: i64, source: Source, number: usize) -> Result<bool> {
        if self.append(id, source, number)? {
            return Ok(true);
        }
        let stream_id = Columns::of(&self.row, self.row.len()).and_then(|columns| columns.integer(&self.row, 1));
        let Some(stream_id) = stream_id else { return Ok(false) };
        let connection = &self.salvage.database.connection;
        let sql = "SELECT session_id FROM streams WHERE id = ?1";
        let of = self.asked(connection.query_row(sql, [stream_id], |row| row.get::<_, i64>(0)).optional())?;
        let stream = match of {
            None => Some(Key { endpoint: LOST_ENDPOINT, framing: Framing::Whole, topic: Vec::new() }),
            Some(session_id) if self.session.id == OF_NONE => {
                self.asked(sound(key(connection, session_id, stream_id)))?
            }
            Some(_) => None,
        };
        self.streams.insert(stream_id, stream);
        self.append(id, source, number)
    }
}

/// Where the messages of a range of ids are, in all ways that there are to choose among those with the same id. None if some are
/// not there.
fn choices(places: &[(i64, i64, Source, usize)], first_id: i64, last_id: i64) -> impl Iterator<Item = Located> {
    let of_each: Vec<&[_]> = places.chunk_by(|one, other| one.0 == other.0).collect();
    let is_whole = of_each.len() as i64 == last_id - first_id + 1;
    let all = of_each.iter().fold(1_usize, |all, copies| all.saturating_mul(copies.len()));
    (0..all.min(CHOICES_MAX)).filter(move |_| is_whole).map(move |choice| {
        let mut rest = choice;
        let chosen = |copies: &&[(i64, i64, Source, usize)]| {
            let copy = rest % copies.len();
            rest /= copies.len();
            copies.get(copy).map(|(id, _, source, number)| (*id, *source, *number))
        };
        of_each.iter().filter_map(chosen).collect()
    })
}
