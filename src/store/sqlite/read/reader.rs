//! Reading a session: its messages in the order of their arrival, as far as the digests of its commits prove them.
//!
//! What is damaged is passed over, and stands as a gap in the batch in whose place it is. A commit is proven as a whole
//! before any of its messages is given: small ones are read once, and several make a batch; of one that is larger than a
//! batch, a first pass only makes the digest.

mod proving;
mod seeking;

use rusqlite::params;

use std::collections::BTreeMap;

use crate::codec::framing::TOPIC_MAX_BYTES;
use crate::codec::stream::Stream;
use crate::error::{Error, Result, Trouble};
use crate::message::{BATCH_MAX_BYTES, BATCH_MAX_MESSAGES, Batch, Gap, Mark};
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::read::commits::{Commit, Commits};
use crate::store::sqlite::read::parts::{Part, SameStreams};
use crate::store::sqlite::read::reader::proving::{Proof, times_ns};
use crate::store::sqlite::read::rows::{Rows, Selection};
use crate::store::sqlite::read::sessions::Session;
use crate::store::sqlite::untrusted::damage::{end_reading, is_damage};
use crate::time::position::Position;

/// A batch that is read is full with so many bytes: less than one that is recorded, as one more message, which may be large,
/// makes it larger, and several are on their way to whoever plays them.
const FULL_BYTES: usize = BATCH_MAX_BYTES / 8 * 3;

/// Reads a session forwards, from wherever it stands.
#[derive(Debug)]
pub struct Reader {
    database: Database,
    session: Session,
    /// Behind what was given or is missing so far; `None` behind the last id that there can be.
    next_id: Option<i64>,
    first_id: i64,
    last_id: i64,
    commits: Commits,
    rows: Rows,
    /// The streams that stand for the same ones of other parts.
    same_streams: SameStreams,
    /// Up to this id, messages were proven in a pass before, and are read again to be given.
    proven_to_id: Option<i64>,
    /// When the message before the next one came, if it was read.
    elapsed_ns: Option<i64>,
    /// The way from the beginning, or from a jump, has led to a message that is selected.
    has_messages: bool,
    has_jumped: bool,
    /// From this id on messages are missing ...
    missing_from: Option<i64>,
    /// ... and why the first of them cannot be read, if that is so.
    unreadable: Option<String>,
}

impl Reader {
    /// Stand before the first message of the part of `session` that is selected.
    ///
    /// # Errors
    /// When there is no message in it, or the database cannot be read.
    pub fn new(database: Database, session: &Session, selection: &Selection) -> Result<Self> {
        let mut reader = Self {
            same_streams: database.aliases(session)?,
            database,
            session: session.clone(),
            next_id: None,
            first_id: session.first_id,
            last_id: session.last_id,
            commits: Commits::new(session.parts.clone()),
            rows: Rows::new(session.id, selection),
            proven_to_id: None,
            elapsed_ns: None,
            has_messages: false,
            has_jumped: false,
            missing_from: None,
            unreadable: None,
        };
        let at =
            |position: Option<Position>| position.map(|position| reader.database.locate(session, position)).transpose();
        let (from, to) = (at(selection.from)?, at(selection.to)?);
        let is_backwards = from.zip(to).is_some_and(|(from, to)| from > to);
        reader.first_id = from.unwrap_or(reader.first_id).max(reader.first_id);
        reader.last_id = to.map_or(reader.last_id, |id| id.saturating_sub(1)).min(reader.last_id);
        if reader.first_id > reader.last_id {
            return Err(match (selection.from, selection.to) {
                (Some(from), Some(to)) if is_backwards && !session.is_empty() => Error::EmptySelection {
                    id: session.id,
                    cause: format!("--from {from} is behind --to {to} there, so nothing is between them"),
                    database: reader.database.path,
                },
                _ => reader.nothing(),
            });
        }
        // It is known before anything is begun.
        if reader.database.has_none_of(session, &selection.wanted) {
            return Err(reader.nothing());
        }
        reader.rewind();
        Ok(reader)
    }

    /// Stand before the first message again.
    pub fn rewind(&mut self) {
        self.go_to(self.first_id);
        (self.has_messages, self.has_jumped) = (false, false);
    }

    fn go_to(&mut self, id: i64) {
        self.next_id = Some(id);
        self.commits.seek(id);
        (self.proven_to_id, self.elapsed_ns) = (None, None);
        if id == self.session.first_id {
            self.elapsed_ns = Some(0);
        }
    }

    /// The size of the largest of the session's first messages, in bytes: what to expect. Of those that are damaged,
    /// nothing is expected.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn message_bytes(&self) -> Result<u64> {
        let sql = "SELECT max(bytes) FROM (SELECT length(payload) AS bytes FROM messages WHERE id BETWEEN ?1 AND ?2 LIMIT 1000)";
        let range = params![self.first_id, self.last_id];
        let ask = || self.database.connection.query_row(sql, range, |row| row.get::<_, Option<i64>>(0));
        let bytes = match self.database.bounded(0, ask) {
            Err(cause) if is_damage(&cause) => None,
            bytes => bytes.map_err(self.database.failed("read messages"))?,
        };
        Ok(bytes.unwrap_or_default().unsigned_abs().saturating_add(TOPIC_MAX_BYTES as u64 + 1))
    }

    /// What is read from.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The numbers of the first and the last message that are read.
    pub fn numbers(&self) -> (i64, i64) {
        let number = |id: i64| id.saturating_sub(self.session.first_id);
        (number(self.first_id), number(self.last_id))
    }

    /// The streams that are read.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn streams(&self) -> Result<Vec<Stream>> {
        let streams = self.database.streams(&self.session)?.into_values();
        Ok(streams.filter(|stream| self.rows.selects(stream.endpoint)).collect())
    }

    /// The endpoints of the session by their numbers.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn endpoints(&self) -> Result<BTreeMap<u32, String>> {
        self.database.endpoints(&self.session)
    }

    /// Fill the empty `batch` with the next messages, and what is missing between them, until it is full or the selection
    /// ends. At the end it stays empty.
    ///
    /// # Errors
    /// When the database cannot be read, the session was deleted meanwhile, or nothing of the selection can be proven.
    pub fn read(&mut self, batch: &mut Batch) -> Result<()> {
        while batch.is_empty() && self.step(batch)? {}
        match self.missing_from {
            Some(id) if self.is_deleted()? => Err(self.gone(id)),
            Some(id) if self.is_at_end() && !self.has_messages && !self.has_jumped => Err(self.gone(id)),
            None if batch.is_empty() && !self.has_messages && !self.has_jumped => Err(self.nothing()),
            _ => Ok(()),
        }
    }

    fn is_at_end(&self) -> bool {
        self.next_id.is_none_or(|id| id > self.last_id)
    }

    /// Append to the empty `batch` what is there of the next messages, which may be nothing if many were passed over. Says
    /// whether that was not the end.
    ///
    /// Each call is a read transaction of its own: a longer one would keep a recorder from reusing its log.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn step(&mut self, batch: &mut Batch) -> Result<bool> {
        let Some(next_id) = self.next_id.filter(|id| *id <= self.last_id) else { return Ok(false) };
        self.read_on(next_id, batch).map_err(self.database.failed("read messages"))?;
        self.has_messages |= batch.last().is_some();
        Ok(true)
    }

    fn read_on(&mut self, next_id: i64, batch: &mut Batch) -> rusqlite::Result<()> {
        self.at_one_moment(|reader| match reader.proven_to_id {
            Some(proven_to_id) => reader.read_again(next_id, proven_to_id, batch),
            None => reader.read_commits(next_id, batch),
        })
    }

    /// Read in one transaction.
    fn at_one_moment<T>(&mut self, read: impl FnOnce(&mut Self) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        self.database.connection.execute_batch("BEGIN")?;
        let done = read(self);
        end_reading(&self.database.connection)?;
        done
    }

    /// Read commits until the batch is full, or many messages were passed over.
    fn read_commits(&mut self, mut next_id: i64, batch: &mut Batch) -> rusqlite::Result<()> {
        let (mut seen_messages, mut read_bytes) = (0, 0_usize);
        while seen_messages < BATCH_MAX_MESSAGES as u64 && next_id <= self.last_id {
            let Some(commit) = self.commits.next(&self.database, next_id)? else {
                let until_ns = (self.last_id == self.session.last_id).then_some(self.session.last_elapsed_ns);
                self.miss(next_id, self.last_id, until_ns, batch);
                self.next_id = None;
                return Ok(());
            };
            if seen_messages > 0 && read_bytes + likely_bytes(commit, read_bytes, seen_messages) > FULL_BYTES {
                break;
            }
            let mark = batch.mark();
            let part = self.session.parts.of(commit.first_id);
            let proof = self.prove(commit, batch)?;
            if !matches!(proof, Proof::Whole) {
                batch.truncate(mark);
            }
            if let Proof::NoRoom = proof {
                break;
            }
            self.commits.pass();
            seen_messages += commit.messages();
            let times_ns = match proof {
                Proof::Large(first_ns, last_ns) => (part.later(first_ns), part.later(last_ns)),
                Proof::Whole => {
                    self.place(part, mark, batch);
                    times_ns(batch, mark)
                }
                Proof::NoRoom | Proof::Damaged => continue,
            };
            read_bytes += batch.bytes_from(mark);
            self.arrive(next_id, commit, times_ns, batch);
            if let Proof::Large(..) = proof {
                // Its messages are read again from here.
                (self.next_id, self.proven_to_id) = (Some(next_id.max(commit.first_id)), Some(commit.last_id));
                return Ok(());
            }
            self.select(next_id, mark, batch);
            self.next_id = commit.last_id.checked_add(1);
            let Some(behind_id) = self.next_id else { return Ok(()) };
            next_id = behind_id;
        }
        Ok(())
    }

    /// The next proven messages are those of `commit`: what lies before it is missing.
    fn arrive(&mut self, next_id: i64, commit: Commit, (first_ns, last_ns): (i64, i64), batch: &mut Batch) {
        if commit.first_id > next_id {
            let last_id = commit.first_id.saturating_sub(1);
            self.miss(next_id, last_id.min(self.last_id), Some(first_ns), batch);
        }
        self.elapsed_ns = Some(last_ns);
    }

    /// Note that these messages are missing.
    fn miss(&mut self, first_id: i64, last_id: i64, until_elapsed_ns: Option<i64>, batch: &mut Batch) {
        let number = |id: i64| id.saturating_sub(self.session.first_id);
        let (first_number, last_number) = (number(first_id), number(last_id));
        batch.push_gap(Gap { first_number, last_number, elapsed_ns: self.elapsed_ns, until_elapsed_ns });
        self.missing_from.get_or_insert(first_id);
    }

    /// Give a part of a commit that was proven in a pass before.
    fn read_again(&mut self, next_id: i64, proven_to_id: i64, batch: &mut Batch) -> rusqlite::Result<()> {
        let last_id = proven_to_id.min(self.last_id);
        let piece_id = match self.fill(next_id, last_id, batch) {
            // It was deleted meanwhile, or the disk has become worse: what is left of it is missing.
            Err(cause) if is_damage(&cause) => {
                batch.truncate(Mark::default());
                self.proven_to_id = None;
                return Ok(());
            }
            piece_id => piece_id?,
        };
        self.place(self.session.parts.of(next_id), Mark::default(), batch);
        self.select(next_id, Mark::default(), batch);
        if piece_id.is_none() {
            self.proven_to_id = None;
        }
        self.next_id = piece_id.or(last_id.checked_add(1));
        Ok(())
    }

    /// Let the messages behind a place be what they are among those of all parts.
    fn place(&self, part: Part, mark: Mark, batch: &mut Batch) {
        if part.later_ns != 0 {
            batch.delay_from(mark, part.later_ns);
        }
        if !self.same_streams.is_empty() {
            for stream_id in batch.streams_from_mut(mark) {
                *stream_id = self.same_streams.get(stream_id).copied().unwrap_or(*stream_id);
            }
        }
    }

    /// Of the messages behind a place, leave those that are selected, and number them as in the session.
    fn select(&self, next_id: i64, mark: Mark, batch: &mut Batch) {
        let (first_id, last_id) = (next_id.max(self.first_id), self.last_id);
        let is_cut = match batch.numbers_from_mut(mark) {
            [first, .., last] => *first < first_id || *last > last_id,
            [only] => *only < first_id || *only > last_id,
            [] => false,
        };
        if is_cut || self.rows.are_selected() {
            let mut taken = self.rows.taken().iter();
            batch.retain_from(mark, |id| taken.next() == Some(&true) && first_id <= id && id <= last_id);
        }
        for number in batch.numbers_from_mut(mark) {
            *number = number.saturating_sub(self.session.first_id);
        }
    }

    /// How many messages of the selection were passed so far, those that are not selected included.
    pub fn passed(&self) -> u64 {
        self.next_id.unwrap_or(self.last_id.saturating_add(1)).saturating_sub(self.first_id).unsigned_abs()
    }

    /// Whether the session is not there any more. One that cannot be read is not known to be gone.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn is_deleted(&self) -> Result<bool> {
        match self.missing_from {
            Some(_) => self.is_gone(),
            None => Ok(false),
        }
    }

    /// The same, whether something was missing so far or not.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn is_gone(&self) -> Result<bool> {
        let is_gone = |part: Part| self.database.has_session(part.id).map(|is_there| !is_there);
        self.session.parts.iter().try_fold(false, |is_deleted, part| Ok(is_deleted || is_gone(part)?))
    }

    /// The error that the messages from this id on are not there.
    pub fn gone(&self, from_id: i64) -> Error {
        Error::Database {
            operation: "read messages",
            path: self.database.path.clone(),
            cause: format!(
                "messages {from_id} to {} of the session are not there as they were recorded{}",
                self.last_id,
                self.unreadable.as_ref().map_or(String::new(), |why| format!(" ({why})")),
            ),
            hint: "somebody deleted them, or the database is damaged",
            trouble: Trouble::Other,
        }
    }

    /// The error that there is nothing to read.
    fn nothing(&self) -> Error {
        let (id, database) = (self.session.id, self.database.path.clone());
        match self.session.is_empty() {
            true => Error::EmptySession { id, database },
            false => Error::EmptySelection {
                id,
                cause: self.database.why_nothing(&self.session, self.rows.wanted()),
                database,
            },
        }
    }
}

/// The size of a commit, from that of the messages before it.
fn likely_bytes(commit: Commit, read_bytes: usize, read_messages: u64) -> usize {
    (read_bytes as u64 * commit.messages() / read_messages) as usize
}
