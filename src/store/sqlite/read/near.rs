//! What is there that is like what was asked for and is not there.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::codec::stream::Stream;
use crate::codec::topic::{Wanted, shown};
use crate::error::Error;
use crate::nearest::all_near;
use crate::store::captures::Captures;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::read::sessions::Session;
use crate::time::durations::iso;

/// It is said of so many sessions that they are the latest: a server runs for long.
const TOLD_MAX: usize = 100;

/// So many topics are named that a session has.
const NAMED_MAX: usize = 5;

impl Database {
    /// The error that there is no such session, with those that may have been meant.
    pub fn no_such_session(&self, wanted: &str) -> Error {
        Error::NoSuchSession { wanted: wanted.to_owned(), database: self.path.clone(), advice: self.advice(wanted) }
    }

    /// Whether it is known that no message of a session has one of these topics.
    pub(in crate::store) fn has_none_of(&self, session: &Session, wanted: &Wanted) -> bool {
        let is_none = |stream: &Stream| !wanted.may_take(stream.framing, &stream.topic);
        *wanted != Wanted::Every
            && self.streams(session).is_ok_and(|streams| !streams.is_empty() && streams.values().all(is_none))
    }

    /// Why nothing of a session is selected that has messages.
    pub fn why_nothing(&self, session: &Session, wanted: &Wanted) -> String {
        let nothing = "nothing in it is as asked for";
        let Wanted::Only(patterns) = wanted else { return nothing.to_owned() };
        let Ok(streams) = self.streams(session) else { return nothing.to_owned() };
        if streams.values().any(|stream| wanted.may_take(stream.framing, &stream.topic)) {
            return nothing.to_owned();
        }
        let topics: BTreeSet<String> =
            streams.values().filter(|stream| !stream.topic.is_empty()).map(|stream| shown(&stream.topic)).collect();
        let asked: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        let near =
            asked.iter().flat_map(|name| all_near(name.trim_end_matches('*'), topics.iter().map(String::as_str), 1));
        let near: BTreeSet<&str> = near.collect();
        let meant = match near.is_empty() {
            true => String::new(),
            false => format!("; did you mean {}?", near.into_iter().collect::<Vec<_>>().join(", ")),
        };
        let more = topics.len().saturating_sub(NAMED_MAX);
        let named: Vec<&str> = topics.iter().take(NAMED_MAX).map(String::as_str).collect();
        let has = match (named.is_empty(), more) {
            (true, _) => "its messages have no topic".to_owned(),
            (false, 0) => format!("its topics are {}", named.join(", ")),
            (false, more) => format!("its topics are {} and {more} more", named.join(", ")),
        };
        format!("{nothing}: it has no topic {}, {has}{meant}", asked.join(", "))
    }
}

/// Which sessions it was said of that they are the latest.
static TOLD: Mutex<BTreeSet<(PathBuf, i64)>> = Mutex::new(BTreeSet::new());

impl Database {
    /// Say once which session is the latest that has messages.
    pub(in crate::store) fn tell_latest(&self, session: &Session) {
        let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
        if session.is_empty() || told.len() >= TOLD_MAX || !told.insert((self.path.clone(), session.id)) {
            return;
        }
        let label = session.label.as_ref().map_or(String::new(), |label| format!(" '{label}'"));
        let sql = "SELECT count(*) FROM sessions WHERE id > ?1 AND ended_unix_ns IS NOT NULL";
        // It is only said by the way.
        let newer = match self.quick(|| self.connection.query_row(sql, [session.id], |row| row.get(0))).unwrap_or(0_i64)
        {
            0 => String::new(),
            1 => "; a newer one has no messages".to_owned(),
            newer => format!("; {newer} newer ones have no messages"),
        };
        let (id, began, messages) = (session.id, iso(session.started_unix_ns), session.tally.messages);
        tracing::info!("the latest session is {id}{label}, which began at {began}: {messages} messages{newer}");
    }
}
