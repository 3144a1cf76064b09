//! How a session begins, and how the one before it ends.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use serde_json::json;

use crate::codec::framing::Framing;
use crate::escape;
use crate::message::Digest;
use crate::observe::event::{Event, Kind, Phase};
use crate::store::RecorderName;

use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::seal::{interrupt, seal};
use crate::store::sqlite::write::durability::Durability;
use crate::store::sqlite::write::insertion::{Begun, insert_event};
use crate::store::sqlite::write::summing::Summing;
use crate::time::durations::seconds;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// On request.
    Stopped,
    /// `--count` or `--duration` was reached.
    Limit,
    /// The recording goes on in the next session.
    Split,
    /// There was no room left within the limits.
    DiskFull,
    /// Something failed.
    Failed,
    /// It came out of a file, whole.
    Imported,
    /// It was cut out of another session.
    Cut,
    /// It was taken out of a damaged database.
    Recovered,
    /// A crash ended it.
    Interrupted,
}

impl EndReason {
    /// The name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Limit => "limit",
            Self::Split => "split",
            Self::DiskFull => "disk-full",
            Self::Failed => "failed",
            Self::Imported => "imported",
            Self::Cut => "cut",
            Self::Recovered => "recovered",
            Self::Interrupted => "interrupted",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        let all = [
            Self::Stopped,
            Self::Limit,
            Self::Split,
            Self::DiskFull,
            Self::Failed,
            Self::Imported,
            Self::Cut,
            Self::Recovered,
            Self::Interrupted,
        ];
        all.into_iter().find(|reason| reason.name() == name)
    }
}

/// An endpoint of a session that begins.
#[derive(Clone, Debug)]
pub struct EndpointStart {
    /// Its address.
    pub endpoint: String,
    /// Whether connections are encrypted, between peers that prove who they are.
    pub is_secured: bool,
    /// The public key of the peer that is connected to.
    pub peer_key: Option<String>,
}

/// What is known about a session when it begins.
#[derive(Clone, Debug)]
pub struct SessionStart {
    /// Its number, if it has one already that no other session has here.
    pub id: Option<i64>,
    /// A name for people.
    pub label: Option<String>,
    /// A remark.
    pub note: Option<String>,
    /// When it begins.
    pub started_unix_ns: i64,
    /// What is connected to or bound; their numbers count from 1.
    pub endpoints: Vec<EndpointStart>,
    /// How many of them are connected to. The others, behind those, are bound.
    pub connected: usize,
    /// The kind of the sockets.
    pub socket: &'static str,
    /// The topics that are asked for, as they were typed.
    pub topics: Vec<String>,
    /// Where the topics are, if somebody said so.
    pub framing: Option<Framing>,
    /// The machine.
    pub host: String,
    /// Which start of the machine.
    pub boot_id: String,
    /// What a commit survives.
    pub durability: Durability,
    /// The name under which it is to be in an archive, if it is to be in one.
    pub recorder: Option<RecorderName>,
    /// Whether it goes on with what the session before it recorded, as a service does that is started again.
    pub resumes: bool,
}

impl SessionStart {
    /// The same in this file: each file has a name of its own in an archive.
    pub(in crate::store) fn in_file(&self, database: &Database) -> Self {
        let recorder = self.recorder.as_ref().map(|name| match database.successor_number() {
            Some(number) => name.successor(number),
            None => name.clone(),
        });
        Self { recorder, ..self.clone() }
    }
}

/// A session that has begun.
#[derive(Debug)]
pub(in crate::store) struct NewSession {
    pub session_id: i64,
    /// The id of its first message.
    pub first_id: i64,
    /// What has begun before it and is not over, with the rows in its ledger.
    pub begun: Begun,
}

/// What is known of a session at its end.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Closing<'a> {
    pub session_id: i64,
    /// Of its last commit.
    pub digest: &'a Digest,
    pub summing: &'a Summing,
    /// The rows of its streams.
    pub stream_ids: &'a [i64],
}

impl Closing<'_> {
    /// Write what it has not said of itself yet.
    fn write(self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        self.summing.write_rest(transaction, self.stream_ids)?;
        seal(transaction, self.session_id, self.digest)
    }
}

/// What a session begins with in its ledger.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Inherited<'a> {
    /// What has begun and is not over. It goes on in this session too.
    pub begun: &'a Begun,
    /// Why the recording goes on here, if it began in another file.
    pub moved: Option<&'a Event>,
    /// The session that was split, and how much later than that this one begins.
    pub continues: Option<(i64, i64)>,
}

/// Begin a session. Those that a crash left open are closed first, as `interrupted`.
pub(in crate::store) fn start_session(
    connection: &mut Connection,
    about: &SessionStart,
    inherited: Inherited<'_>,
) -> rusqlite::Result<NewSession> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Only one recorder writes at a time, so an open session is the newest one, and the newest batch is its last if it
    // has any.
    let open = "SELECT id FROM sessions WHERE ended_unix_ns IS NULL ORDER BY id";
    let open: Vec<i64> =
        transaction.prepare(open)?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for session_id in &open {
        interrupt(&transaction, *session_id)?;
    }
    let gap = note_gap(&transaction, about, !open.is_empty())?;
    let started = insert_session(&transaction, about, inherited)?;
    transaction.commit()?;
    if let Some(words) = gap {
        tracing::warn!("{words}");
    }
    Ok(started)
}

/// Put into the ledger of the session before that nothing was recorded since its end, if it was to be recorded all the
/// time. Gives that in words.
fn note_gap(
    transaction: &Transaction<'_>,
    about: &SessionStart,
    was_interrupted: bool,
) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT id, started_unix_ns, ended_unix_ns, end_reason FROM sessions \
         WHERE id = (SELECT max(id) FROM sessions WHERE end_reason NOT IN ('imported', 'cut', 'recovered')) \
         AND (?1 OR (?2 AND end_reason <> 'limit'))";
    let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, row.get(3)?));
    let before = transaction.query_row(sql, params![was_interrupted, about.resumes], columns).optional()?;
    let Some((session_id, started_ns, ended_ns, reason)): Option<(i64, i64, i64, String)> = before else {
        return Ok(None);
    };
    // The wall clock, because no other one goes on from one run to the next. It may have been set back.
    let elapsed_ns = ended_ns.saturating_sub(started_ns).max(0);
    let until_ns = about.started_unix_ns.saturating_sub(started_ns).max(elapsed_ns);
    let words = format!(
        "session {session_id} ended ({reason}), and nothing was recorded for {:.3} s after it",
        seconds(until_ns - elapsed_ns)
    );
    let gap = Event { detail: Some(words.clone()), ..Event::at(ended_ns, elapsed_ns, Kind::Gap, None) };
    insert_event(transaction, session_id, &Event { until_elapsed_ns: Some(until_ns), ..gap })?;
    Ok(Some(words))
}

/// End one session as `split` and begin the next.
pub(in crate::store) fn next_session(
    connection: &mut Connection,
    old: Closing<'_>,
    about: &SessionStart,
    inherited: Inherited<'_>,
) -> rusqlite::Result<NewSession> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute(
        "UPDATE sessions SET ended_unix_ns = ?2, end_reason = ?3 WHERE id = ?1",
        params![old.session_id, about.started_unix_ns, EndReason::Split.name()],
    )?;
    old.write(&transaction)?;
    let started = insert_session(&transaction, about, inherited)?;
    transaction.commit()?;
    Ok(started)
}

/// Insert a session after all that there are.
fn insert_session(
    transaction: &Transaction<'_>,
    about: &SessionStart,
    inherited: Inherited<'_>,
) -> rusqlite::Result<NewSession> {
    // Also after what a deleted session has left behind, which would be taken for a part of this one.
    let (session_id, first_id): (i64, i64) = transaction.query_row(
        "SELECT coalesce(?1, max(id) + 1, 1), coalesce(max(last_id), 0) + 1 FROM ( \
             SELECT id, last_id FROM sessions \
             UNION ALL SELECT session_id, last_id FROM batches WHERE id = (SELECT max(id) FROM batches) \
             UNION ALL SELECT session_id, 0 FROM events WHERE id = (SELECT max(id) FROM events))",
        [about.id],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    transaction.execute(
        // What was added to the note of a session is said of what goes on from it too.
        "INSERT INTO sessions (id, label, note, started_unix_ns, topics, framing, host, boot_id, version, durability, \
         continues, continues_elapsed_ns, first_id, last_id) VALUES (?1, ?2, \
         coalesce((SELECT note FROM sessions WHERE id = ?11), ?3), ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        params![
            session_id,
            about.label,
            about.note,
            about.started_unix_ns,
            escape::json::compact(&json!(about.topics)),
            about.framing.map_or("auto", Framing::name),
            about.host,
            about.boot_id,
            env!("CARGO_PKG_VERSION"),
            about.durability.name(),
            inherited.continues.map(|(before_id, _)| before_id),
            inherited.continues.map(|(_, later_ns)| later_ns),
            first_id,
            first_id - 1,
        ],
    )?;
    for (number, endpoint) in (1_i64..).zip(&about.endpoints) {
        transaction.execute(
            "INSERT INTO endpoints VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![
                session_id,
                number,
                endpoint.endpoint,
                about.socket,
                if number <= about.connected as i64 { "connect" } else { "bind" },
                if endpoint.is_secured { "curve" } else { "none" },
                endpoint.peer_key,
            ],
        )?;
    }
    if let Some(recorder) = &about.recorder {
        // In the same transaction, so that none is forgotten.
        want_archived(transaction, session_id, recorder.as_str())?;
    }
    if let Some(event) = inherited.moved {
        insert_event(transaction, session_id, event)?;
    }
    let mut begun = Begun::new();
    for (key, (before, _)) in inherited.begun {
        let words =
            if key.0 == Kind::Disconnected { "down since the session before" } else { "since the session before" };
        let goes_on = Event {
            endpoint: before.endpoint.clone(),
            detail: Some(words.to_owned()),
            phase: Phase::Begins,
            ..Event::at(about.started_unix_ns, 0, key.0, before.lost.map(|_| 0))
        };
        let row = insert_event(transaction, session_id, &goes_on)?;
        begun.insert(key.clone(), (goes_on, row));
    }
    Ok(NewSession { session_id, first_id, begun })
}

/// End a session.
pub(in crate::store) fn end_session(
    connection: &Connection,
    session: Closing<'_>,
    (reason, ended_unix_ns): (EndReason, i64),
    lost: u64,
    last_event: Option<&Event>,
) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute(
        "UPDATE sessions SET ended_unix_ns = ?2, end_reason = ?3, lost = ?4 WHERE id = ?1",
        params![session.session_id, ended_unix_ns, reason.name(), lost as i64],
    )?;
    session.write(&transaction)?;
    if let Some(event) = last_event {
        insert_event(&transaction, session.session_id, event)?;
    }
    transaction.commit()
}

/// Note in the transaction that a session is to be archived, and who this database is in the archive.
pub(in crate::store) fn want_archived(
    connection: &Connection,
    session_id: i64,
    recorder: &str,
) -> rusqlite::Result<()> {
    // First, so that there is never a session that is to be archived by nobody.
    let name = "INSERT INTO archive SELECT lower(hex(randomblob(16))) WHERE NOT EXISTS (SELECT 1 FROM archive)";
    connection.execute(name, [])?;
    // Where nothing of it is there yet, it may get another name: the one before may have been a mistake.
    let insert = "INSERT INTO archived SELECT id, ?2, first_id - 1, 0 FROM sessions WHERE id = ?1 \
                  ON CONFLICT (session_id) DO UPDATE SET is_described = 0, recorder = iif(is_described = 0 AND \
                  last_id = excluded.last_id, excluded.recorder, recorder)";
    connection.execute(insert, params![session_id, recorder]).map(|_| ())
}
