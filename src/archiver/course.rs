//! One session on its way into an archive.

use crate::archiver::Standing;
use crate::error::{Error, Trouble};
use crate::message::{Batch, Digest};
use crate::store::nats::bundle::{Bundle, COMMITS_MAX, Committed, FULL_BYTES, FULL_MESSAGES};
use crate::store::nats::{Acknowledged, Failure, Sending};
use crate::store::{Archiving, Commits, Database, Session, Unsent};
use crate::time::clock::{NS_PER_S, monotonic_ns};

/// What is known of a session that is being recorded is sent again after this time, if it is another by then, ...
const DESCRIBE_NS: i64 = 10 * NS_PER_S;

/// ... and later where it is much: it may take so many bytes in a second.
const DESCRIBE_BYTES_PER_S: u64 = 10_000;

/// Where it is.
pub struct Course {
    session: Session,
    unsent: Unsent,
    /// The digest that the archive has up to where this begins.
    expected: Option<Digest>,
    archived_id: i64,
    is_described: bool,
    /// What was noted in the database.
    noted: (i64, bool),
    /// What was said of the session last: its digest, how long it was, and when.
    described: Option<(Digest, u64, i64)>,
    batch: Batch,
    commits: Vec<Committed>,
}

impl Course {
    /// Stand where the archive is with a session.
    pub fn begin(database: &Database, of: &Archiving, sending: &mut Sending<'_>) -> Result<Self, Failure> {
        let session = database.find_session(&of.session_id.to_string())?;
        let reached = sending.resume(session.id)?;
        let archived_id = session.first_id.saturating_add(reached.number).saturating_sub(1);
        if archived_id > session.last_id {
            return Err(Failure::refused_session(
                format!(
                    "it has {} messages of session {} of database {}, and there are {} here",
                    reached.number,
                    session.id,
                    database.path().display(),
                    session.tally.messages
                ),
                "this is an older copy of the database: choose another name with --recorder",
            ));
        }
        if archived_id < of.archived_id {
            tracing::error!(
                "the archive has {} messages of session {} less than it had acknowledged; they are sent again",
                of.archived_id.saturating_sub(archived_id),
                session.id
            );
        }
        Ok(Self {
            unsent: Unsent::new(&session, reached.number),
            expected: reached.digest,
            archived_id,
            is_described: false,
            noted: (of.archived_id, of.is_described),
            described: None,
            batch: Batch::default(),
            commits: Vec::new(),
            session,
        })
    }

    /// Which session.
    pub fn session_id(&self) -> i64 {
        self.session.id
    }

    /// Send the next commits in one bundle. Gives how many messages they have, 0 when there are none yet.
    pub fn send_some(&mut self, database: &Database, sending: &mut Sending<'_>) -> Result<u64, Failure> {
        let Self { unsent, batch, commits, expected, session, .. } = self;
        batch.clear();
        commits.clear();
        let mut begin: Option<(i64, Digest)> = None;
        while batch.bytes() < FULL_BYTES && batch.len() < FULL_MESSAGES && commits.len() < COMMITS_MAX {
            let Some(proven) = unsent.of(database).next(batch)? else { break };
            begin.get_or_insert((proven.first_number, proven.previous));
            commits.push(Committed { messages: proven.messages, unix_ns: proven.unix_ns, digest: proven.digest });
        }
        let is_ours = match &begin {
            Some((_, previous)) => expected.take().is_none_or(|expected| expected == *previous),
            None => !unsent.is_within(),
        };
        if !is_ours {
            let number = begin.map_or_else(|| unsent.number(), |(first_number, _)| first_number);
            return Err(Failure::refused_session(
                format!("its first {number} messages of session {} are not those of this database", session.id),
                "this is a copy that went on by itself: choose another name with --recorder",
            ));
        }
        let Some((first_number, previous)) = begin else { return Ok(0) };
        let bundle = Bundle { first_number, previous: &previous, commits, batch, streams: unsent.streams() };
        sending.send_bundle(session.id, &bundle)?;
        Ok(batch.len() as u64)
    }

    /// Send what is known of the session, if that is due.
    pub fn describe(&mut self, database: &Database, sending: &mut Sending<'_>, has_ended: bool) -> Result<(), Failure> {
        let session = database.find_session(&self.session.id.to_string())?;
        let sent_id = session.first_id.saturating_add(self.unsent.number()).saturating_sub(1);
        let is_end = has_ended && session.ended_unix_ns.is_some();
        if is_end && sent_id < session.last_id {
            if self.commits.is_empty() {
                // Nothing more can be read, and there should be something.
                return Err(Failure::Here(Error::Database {
                    operation: "archive",
                    path: database.path().to_owned(),
                    cause: format!(
                        "the messages behind number {} of session {} are not there",
                        self.unsent.number(),
                        session.id
                    ),
                    hint: "see what `fancyhwd session verify` says",
                    trouble: Trouble::Other,
                }));
            }
            return Ok(());
        }
        let now_ns = monotonic_ns();
        let is_due = match &self.described {
            _ if is_end => true,
            None => true,
            Some((_, bytes, at_ns)) => {
                let wait_ns = DESCRIBE_NS.saturating_add((bytes / DESCRIBE_BYTES_PER_S) as i64 * NS_PER_S);
                now_ns - at_ns >= wait_ns
            }
        };
        if !is_due {
            return Ok(());
        }
        let (mut hasher, mut bytes) = (blake3::Hasher::new(), 0);
        database.describe_lines(&session, &mut |line| {
            hasher.update(line);
            bytes += line.len() as u64;
            Ok(())
        })?;
        let digest = *hasher.finalize().as_bytes();
        let is_known = self.described.as_ref().is_some_and(|(before, ..)| *before == digest);
        self.described = Some((digest, bytes, now_ns));
        if is_known && !is_end {
            return Ok(());
        }
        let mut failed = None;
        let sent = sending.send_description(session.id, session.ended_unix_ns.filter(|_| is_end), &mut |to| {
            let mut write = |line: &[u8]| {
                let written = to.write_all(line).and_then(|()| to.write_all(b"\n"));
                written.map_err(|cause| Error::Archive {
                    operation: "write into",
                    archive: String::new(),
                    cause: cause.to_string(),
                    hint: String::new(),
                })
            };
            let described = database.describe_lines(&session, &mut write);
            described.map_err(|error| {
                let cause = std::io::Error::other(error.to_string());
                failed = Some(error);
                cause
            })
        });
        match failed {
            Some(error) => Err(Failure::Here(error)),
            None => sent,
        }
    }

    /// What was acknowledged.
    pub fn take(&mut self, acknowledged: Vec<Acknowledged>, standing: &mut Standing) {
        let (number, is_described) = of_session(acknowledged, self.session.id);
        if let Some(number) = number {
            let archived_id = self.session.first_id.saturating_add(number).saturating_sub(1);
            standing.archived += archived_id.saturating_sub(self.archived_id).max(0).unsigned_abs();
            self.archived_id = archived_id;
        }
        self.is_described |= is_described;
    }

    /// Note it in the database.
    pub fn note(&mut self, database: &mut Database) -> Result<(), Failure> {
        let now = (self.archived_id, self.is_described);
        if now != self.noted {
            database.note_archived(self.session.id, now.0, now.1)?;
            self.noted = now;
        }
        Ok(())
    }
}

/// What was acknowledged, for one session.
fn of_session(acknowledged: Vec<Acknowledged>, session_id: i64) -> (Option<i64>, bool) {
    let (mut number, mut is_described) = (None, false);
    for one in acknowledged {
        match one {
            Acknowledged::Bundle(id, to) if id == session_id => number = Some(to),
            Acknowledged::Description(id, is_end) if id == session_id => is_described = is_end,
            _ => {}
        }
    }
    (number, is_described)
}
