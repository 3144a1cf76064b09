//! The commits of a session one by one, as they were made, also while more are.

use std::collections::BTreeMap;

use crate::codec::stream::Key;
use crate::error::{Error, Result, Trouble};
use crate::message::{BATCH_MAX_BYTES, Batch, Digester, MESSAGE_MAX_BYTES, Mark};
use crate::store::captures::{self, ProvenCommit};
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::read::commits::Commits;
use crate::store::sqlite::read::rows::{Rows, Selection, key};
use crate::store::sqlite::read::sessions::Session;
use crate::store::sqlite::untrusted::damage::{end_reading, is_damage};
use crate::store::sqlite::untrusted::foreign::{damaged, words};

/// The largest commit that a recorder makes: a full batch and one message more.
const COMMIT_MAX_BYTES: usize = BATCH_MAX_BYTES + MESSAGE_MAX_BYTES;

/// Streams that are kept in memory from one bundle to the next; when there are more, they are read again.
const STREAMS_MAX: usize = 65_536;

/// Reads the commits of a session from some message on.
#[derive(Debug)]
pub struct Unsent {
    session: Session,
    commits: Commits,
    rows: Rows,
    next_id: i64,
    is_lost: bool,
    is_within: bool,
    /// The streams of what was read, by their rows.
    streams: BTreeMap<i64, Key>,
}

/// The commits of a session from some message on, in the database that they are read in.
#[derive(Debug)]
pub struct UnsentCommits<'a> {
    database: &'a Database,
    unsent: &'a mut Unsent,
}

impl Unsent {
    /// Of a session that stands alone, from the message of this number on, with which a commit begins.
    pub fn new(session: &Session, number: i64) -> Self {
        let next_id = session.first_id.saturating_add(number);
        let mut commits = Commits::new(session.parts.clone());
        commits.seek(next_id);
        let rows = Rows::new(session.id, &Selection::default());
        Self {
            session: session.clone(),
            commits,
            rows,
            next_id,
            is_lost: false,
            is_within: false,
            streams: BTreeMap::new(),
        }
    }

    /// The number of the next message.
    pub fn number(&self) -> i64 {
        self.next_id.saturating_sub(self.session.first_id)
    }

    /// Whether the next message is in the middle of a commit, so that it was counted by somebody else.
    pub fn is_within(&self) -> bool {
        self.is_within
    }

    /// The streams of the messages that were read, by their rows.
    pub fn streams(&self) -> &BTreeMap<i64, Key> {
        &self.streams
    }

    /// Read them in this database, which has the session.
    pub fn of<'a>(&'a mut self, database: &'a Database) -> UnsentCommits<'a> {
        UnsentCommits { database, unsent: self }
    }
}

impl captures::Commits for UnsentCommits<'_> {
    type Error = Error;

    fn next(&mut self, batch: &mut Batch) -> Result<Option<ProvenCommit>> {
        self.database.read_unsent(self.unsent, batch)
    }

    fn stream(&self, number: i64) -> Option<&Key> {
        self.unsent.streams.get(&number)
    }
}

impl Database {
    fn read_unsent(&self, unsent: &mut Unsent, batch: &mut Batch) -> Result<Option<ProvenCommit>> {
        let mark = batch.mark();
        if mark.is_beginning() && unsent.streams.len() > STREAMS_MAX {
            unsent.streams.clear();
        }
        let mut read = || -> rusqlite::Result<Option<ProvenCommit>> {
            self.connection.execute_batch("BEGIN")?;
            let done = self.next_unsent(unsent, batch);
            end_reading(&self.connection)?;
            done
        };
        match read() {
            Ok(found) => Ok(found),
            Err(cause) => {
                batch.truncate(mark);
                let number = unsent.number();
                match is_damage(&cause) {
                    true => Err(Error::Database {
                        operation: "archive",
                        path: self.path.clone(),
                        cause: format!(
                            "message {number} of session {} and those that were committed with it are damaged ({})",
                            unsent.session.id,
                            words(&cause)
                        ),
                        hint: "see what `fancyhwd session verify` says; what is behind it is not archived",
                        trouble: Trouble::Other,
                    }),
                    false => Err(self.failed("read messages")(cause)),
                }
            }
        }
    }

    fn next_unsent(&self, unsent: &mut Unsent, batch: &mut Batch) -> rusqlite::Result<Option<ProvenCommit>> {
        let Unsent { session, commits, rows, next_id, is_lost, is_within, streams } = unsent;
        if std::mem::take(is_lost) {
            commits.seek(*next_id);
        }
        let Some(commit) = commits.next(self, *next_id)? else {
            // There may be one the next time.
            *is_lost = true;
            return Ok(None);
        };
        if commit.session_id != session.id {
            // This one has no more.
            *is_lost = true;
            return Ok(None);
        }
        if commit.first_id < *next_id {
            (*is_lost, *is_within) = (true, true);
            return Ok(None);
        }
        let Some(previous) = commit.previous.filter(|_| commit.first_id == *next_id) else {
            return Err(damaged("the commit before it is missing"));
        };
        let first_number = commit.first_id.saturating_sub(session.first_id);
        let mark = batch.mark();
        let fill = || rows.fill(&self.connection, commit.first_id, commit.last_id, COMMIT_MAX_BYTES, batch);
        if self.bounded(0, fill)?.is_some() {
            return Err(damaged("its commit is larger than any that a recorder makes"));
        }
        let mut digester = Digester::new(&previous, first_number);
        digester.add(batch, mark);
        if digester.finish() != commit.digest {
            return Err(damaged("its digest says that it was changed"));
        }
        self.know(session.id, (batch, mark), streams)?;
        commits.pass();
        *next_id = commit.last_id.saturating_add(1);
        let messages = usize::try_from(commit.messages()).unwrap_or_default();
        Ok(Some(ProvenCommit { first_number, messages, unix_ns: commit.unix_ns, previous, digest: commit.digest }))
    }

    /// Read the streams that are not known yet.
    fn know(
        &self,
        session_id: i64,
        (batch, mark): (&mut Batch, Mark),
        streams: &mut BTreeMap<i64, Key>,
    ) -> rusqlite::Result<()> {
        for &row in batch.streams_from_mut(mark).iter() {
            if streams.contains_key(&row) {
                continue;
            }
            streams.insert(row, key(&self.connection, session_id, row)?);
        }
        Ok(())
    }
}
