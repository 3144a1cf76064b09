//! The sessions of a database, one by one or all.

use std::ops::{Range, RangeInclusive};

use rusqlite::types::FromSqlResult;
use rusqlite::{OptionalExtension, Row, params};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::observe::tally::Tally;
use crate::store::captures::{Captures, Lineage, Name};
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::read::parts::{Part, Parts};
use crate::store::sqlite::untrusted::damage::{id_from, is_damage, read_past};
use crate::store::sqlite::untrusted::foreign::damaged;
use crate::time::durations::{iso, rate_hz};

/// One capture, as its row says, or the rows of all its parts together.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its number; of several parts, that of the first.
    pub id: i64,
    /// What it consists of.
    pub parts: Parts,
    /// The session that was split before this one, and how much later than that this one began.
    pub continues: Option<(i64, i64)>,
    /// A name for people, several sessions may share it.
    pub label: Option<String>,
    /// A remark.
    pub note: Option<String>,
    /// When it began.
    pub started_unix_ns: i64,
    /// When it ended; `None` while it is open.
    pub ended_unix_ns: Option<i64>,
    /// Why it ended; `None` while it is open.
    pub end_reason: Option<String>,
    /// The topics that were asked for.
    pub topics: Vec<String>,
    /// What was said about where the topics are: `auto`, or a framing.
    pub framing: String,
    /// The machine.
    pub host: String,
    /// Which start of the machine.
    pub boot_id: String,
    /// The program's version.
    pub version: String,
    /// `full` or `normal`.
    pub durability: String,
    /// The first message's id; without messages the id that it would have got.
    pub first_id: i64,
    /// The last message's id; without messages `first_id - 1`.
    pub last_id: i64,
    /// From the first message to the last.
    pub duration_ns: i64,
    /// When the first message came, since the session began; 0 while there is none.
    pub first_elapsed_ns: i64,
    /// The same of the last message.
    pub last_elapsed_ns: i64,
    /// The totals.
    pub tally: Tally,
}

impl Session {
    /// Whether there is nothing to replay.
    pub fn is_empty(&self) -> bool {
        self.last_id < self.first_id
    }

    /// The ids of those messages with these numbers that it has.
    pub(super) fn id_range(&self, numbers: Range<i64>) -> RangeInclusive<i64> {
        let behind_id = self.first_id.saturating_add(numbers.end);
        self.first_id.saturating_add(numbers.start)..=behind_id.saturating_sub(1).min(self.last_id)
    }

    /// Names as in the database, and what follows from them.
    pub fn as_json(&self) -> Value {
        json!({
            "id": self.id,
            "label": self.label,
            "note": self.note,
            "started": iso(self.started_unix_ns),
            "started_unix_ns": self.started_unix_ns,
            "ended": self.ended_unix_ns.map(iso),
            "ended_unix_ns": self.ended_unix_ns,
            "end_reason": self.end_reason,
            "duration_ns": self.duration_ns,
            "messages": self.tally.messages,
            "undecodable": self.tally.undecodable,
            "unwanted": self.tally.unwanted,
            "lost": self.tally.lost,
            "bytes": self.tally.bytes,
            "rate_hz": rate_hz(self.tally.messages, self.duration_ns),
            "first_id": self.first_id,
            "last_id": self.last_id,
            "topics": self.topics,
            "framing": self.framing,
            "host": self.host,
            "boot_id": self.boot_id,
            "version": self.version,
            "durability": self.durability,
            "continues": self.continues.map(|(before_id, _)| before_id),
            "parts": self.parts.iter().map(|part| json!({
                "id": part.id,
                "started_unix_ns": part.started_unix_ns,
                "later_ns": part.later_ns,
                "first_id": part.first_id,
                "last_id": part.last_id,
            })).collect::<Vec<_>>(),
        })
    }

    /// Memory for it, or for it as JSON.
    fn bytes(&self) -> usize {
        // JSON writes six bytes for a control character.
        let bytes = |text: &str| text.len() + 5 * text.bytes().filter(u8::is_ascii_control).count();
        let optional = |text: &Option<String>| text.as_deref().map_or(0, bytes);
        let texts = [&self.framing, &self.host, &self.boot_id, &self.version, &self.durability];
        let optional_texts = [&self.label, &self.note, &self.end_reason];
        size_of::<Self>()
            + texts.map(|text| bytes(text)).iter().sum::<usize>()
            + optional_texts.map(optional).iter().sum::<usize>()
            + self.topics.iter().map(|topic| size_of::<String>() + bytes(topic)).sum::<usize>()
    }
}

/// Which sessions a database has.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Those that can be read, oldest first.
    pub sessions: Vec<Session>,
    /// The ids among which there may be others, whose rows are damaged.
    pub damaged_ids: Vec<RangeInclusive<i64>>,
}

/// Memory for all sessions together. Some hundred bytes for each are enough for a hundred thousand sessions.
const SESSIONS_MAX_BYTES: usize = 64 << 20;

/// The columns of [`Session`], in the order in which `from_row` reads them.
pub(in crate::store) const SELECT: &str = "SELECT id, label, note, started_unix_ns, ended_unix_ns, end_reason, topics, framing, host, boot_id, \
    version, durability, first_id, last_id, coalesce(first_elapsed_ns, 0), coalesce(last_elapsed_ns, 0), messages, undecodable, \
    unwanted, lost, bytes, continues, continues_elapsed_ns FROM sessions";

impl Database {
    /// All sessions that can be read, oldest first.
    ///
    /// # Errors
    /// As [`Database::list`].
    pub fn sessions(&self) -> Result<Vec<Session>> {
        Ok(self.list()?.sessions)
    }

    /// All sessions that can be read, and where there may be others.
    ///
    /// # Errors
    /// When none can be read, though there are some, or they are more than can be shown.
    pub fn list(&self) -> Result<Listed> {
        let (mut sessions, mut bytes) = (Vec::<Session>::new(), 0);
        let sql = format!("{SELECT} WHERE id >= ?1 ORDER BY id");
        let read = |next_id: &mut i64| -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut rows = statement.query([*next_id])?;
            while bytes <= SESSIONS_MAX_BYTES
                && let Some(row) = rows.next()?
            {
                let id = id_from(row, *next_id)?;
                let session = from_row(row)?;
                bytes += session.bytes();
                sessions.push(session);
                *next_id = id.saturating_add(1);
            }
            Ok(())
        };
        let ask = |from_id: i64| {
            self.connection.prepare_cached(&sql)?.query_row([from_id], |row| id_from(row, from_id)).optional()
        };
        let damaged_ids = self.quick(|| read_past(i64::MIN, i64::MAX, read, ask));
        let damaged_ids = damaged_ids.map_err(self.failed("read the sessions"))?;
        if bytes > SESSIONS_MAX_BYTES {
            return Err(self.failed("read the sessions")(damaged("its sessions are more than can be shown")));
        }
        if sessions.is_empty() && !damaged_ids.is_empty() {
            // Then this says why.
            self.first(&format!("{SELECT} ORDER BY id LIMIT 1"), []).map_err(self.failed("read the sessions"))?;
        }
        Ok(Listed { sessions, damaged_ids })
    }

    /// The capture that `wanted` means, as in [`Captures::capture`], as one session.
    ///
    /// # Errors
    /// When there is none, or the database cannot be read.
    pub fn find_session(&self, wanted: &str) -> Result<Session> {
        let parts = self.capture(wanted)?.into_iter();
        let found = parts.reduce(|capture, before| before.followed_by(capture));
        let found = found.ok_or_else(|| self.no_such_session(wanted))?;
        if Name::of(wanted) == Name::Latest {
            self.tell_latest(&found);
        }
        Ok(found)
    }

    /// As [`Database::find_session`], for what cannot be undone: a label must be that of one session alone.
    ///
    /// # Errors
    /// When there is none, or several have that label, or the database cannot be read.
    pub fn find_only_session(&self, wanted: &str) -> Result<Session> {
        let found = self.newest(wanted)?.ok_or_else(|| self.no_such_session(wanted))?;
        let sql = format!("{SELECT} WHERE label = ?1 AND id <> ?2 LIMIT 1");
        let other = || self.first(&sql, params![wanted, found.id]).map_err(self.failed("read the sessions"));
        match Name::of(wanted) == Name::Label && other()?.is_some() {
            true => Err(Error::SeveralSessions { wanted: wanted.to_owned(), database: self.path.clone() }),
            false => Ok(found),
        }
    }

    /// Whether a session is still there. One that cannot be read is.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(in crate::store) fn has_session(&self, id: i64) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM sessions WHERE id = ?1)";
        match self.quick(|| self.connection.query_row(sql, [id], |row| row.get(0))) {
            Err(cause) if is_damage(&cause) => Ok(true),
            is_there => is_there.map_err(self.failed("read the sessions")),
        }
    }

    /// The first session that a query finds.
    pub(in crate::store) fn first(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
    ) -> rusqlite::Result<Option<Session>> {
        self.quick(|| self.connection.prepare(sql)?.query_row(params, from_row).optional())
    }

    /// The newest of the sessions that can be read, when others cannot.
    fn newest_readable(&self, mut is_it: impl FnMut(&Session) -> bool) -> Result<Option<Session>> {
        let sessions = self.sessions()?;
        tracing::warn!("some sessions of {} are damaged: a newer one may have been meant", self.path.display());
        Ok(sessions.into_iter().rev().find(|session| is_it(session)))
    }
}

impl Captures for Database {
    type Session = Session;
    type Error = Error;

    fn lineage(session: &Session) -> Lineage<'_> {
        Lineage {
            id: session.id,
            label: session.label.as_deref(),
            continues: session.continues.map(|(before_id, _)| before_id),
            end_reason: session.end_reason.as_deref(),
        }
    }

    fn newest(&self, wanted: &str) -> Result<Option<Session>> {
        let found = match Name::of(wanted) {
            Name::Id(id) => self.first(&format!("{SELECT} WHERE id = ?1"), params![id]),
            Name::Latest => {
                let finished = |more: &str| {
                    let sql = format!("{SELECT} WHERE ended_unix_ns IS NOT NULL {more} ORDER BY id DESC LIMIT 1");
                    self.first(&sql, [])
                };
                // Where none has messages, an empty one says more than none.
                finished("AND last_id >= first_id")
                    .and_then(|found| found.map_or_else(|| finished(""), |it| Ok(Some(it))))
            }
            Name::Label => self.first(&format!("{SELECT} WHERE label = ?1 ORDER BY id DESC LIMIT 1"), params![wanted]),
        };
        match (Name::of(wanted), found) {
            (Name::Latest, Err(cause)) if is_damage(&cause) => {
                self.newest_readable(|session| session.ended_unix_ns.is_some() && !session.is_empty())
            }
            (Name::Label, Err(cause)) if is_damage(&cause) => {
                self.newest_readable(|session| session.label.as_deref() == Some(wanted))
            }
            (_, found) => found.map_err(self.failed("read the sessions")),
        }
    }

    fn before(&self, id: i64, next: &Session) -> Result<Option<Session>> {
        Ok(self.part(id)?.filter(|before| before.last_id.checked_add(1) == Some(next.first_id)))
    }

    fn names(&self) -> Result<Vec<(i64, Option<String>)>> {
        Ok(self.sessions()?.into_iter().map(|session| (session.id, session.label)).collect())
    }
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Session> {
    // What is no list of text stands for damage, and is shown as nothing.
    let list = |column| -> rusqlite::Result<Vec<String>> {
        Ok(serde_json::from_slice(row.get_ref(column)?.as_bytes()?).unwrap_or_default())
    };
    let text = |column| Ok::<_, rusqlite::Error>(optional_text(row, column)?.unwrap_or_default());
    let count = |column| row.get(column).map(|number: i64| number.max(0) as u64);
    let (id, started_unix_ns, first_id, last_id) = (row.get(0)?, row.get(3)?, row.get(12)?, row.get(13)?);
    let (first_elapsed_ns, last_elapsed_ns): (i64, i64) = (row.get(14)?, row.get(15)?);
    let (before_id, later_ns): (Option<i64>, Option<i64>) = (row.get(21)?, row.get(22)?);
    Ok(Session {
        id,
        parts: Parts::one(Part { id, first_id, last_id, later_ns: 0, started_unix_ns }),
        continues: before_id.zip(later_ns),
        label: optional_text(row, 1)?,
        note: optional_text(row, 2)?,
        started_unix_ns,
        ended_unix_ns: row.get(4)?,
        end_reason: optional_text(row, 5)?,
        topics: list(6)?,
        framing: text(7)?,
        host: text(8)?,
        boot_id: text(9)?,
        version: text(10)?,
        durability: text(11)?,
        first_id,
        last_id,
        duration_ns: last_elapsed_ns.saturating_sub(first_elapsed_ns),
        first_elapsed_ns,
        last_elapsed_ns,
        tally: Tally {
            messages: count(16)?,
            undecodable: count(17)?,
            unwanted: count(18)?,
            lost: count(19)?,
            bytes: count(20)?,
        },
    })
}

/// Text that may not be UTF-8, because somebody else wrote it or a bit of it was flipped.
fn optional_text(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    let bytes: FromSqlResult<_> = row.get_ref(column)?.as_bytes_or_null();
    Ok(bytes?.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}
