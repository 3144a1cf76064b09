//! Overviews are made anew of the messages, and compared: no digest covers them.

use std::collections::BTreeMap;

use crate::codec::overview::{Overview, STATE_MAX_BYTES, Summary};
use crate::codec::stream::Stream;
use crate::message::Message;
use crate::store::sqlite::open::database::Database;

const OTHER: &str = "an overview does not agree with its messages; pictures and searches may miss something: `session describe` makes \
                     overviews anew";
const MISSING: &str =
    "messages are in no overview, so that pictures and searches may miss them: `session describe` makes overviews anew";

/// What was summed up so far.
#[derive(Default)]
pub(super) struct Summed {
    summaries: BTreeMap<i64, Summary>,
    /// What is there of the messages that come next, by the id of its last one.
    stored: BTreeMap<i64, Option<(i64, Overview)>>,
    state_bytes: usize,
}

impl Summed {
    /// Messages of these ids come next.
    pub fn expect(&mut self, database: &Database, first_id: i64, last_id: i64) -> rusqlite::Result<()> {
        self.stored = database.overviews_between(first_id, last_id)?;
        Ok(())
    }

    /// Add a message of a stream with this row. Says what is wrong. While it `is_open`, the recorder may write an overview of
    /// messages that were passed already.
    pub fn add(
        &mut self,
        (stream_id, stream): (i64, &Stream),
        id: i64,
        message: &Message<'_>,
        is_decodable: bool,
        is_open: bool,
    ) -> Option<&'static str> {
        let summary = self.summaries.entry(stream_id).or_insert_with(|| Summary::new(stream));
        let has_state = summary.has_state();
        summary.add((id, message.elapsed_ns), stream.after_topic(message.frames()), is_decodable);
        if !has_state {
            self.state_bytes += summary.state_bytes();
        }
        let Some(stored) = self.stored.remove(&id) else {
            // More is in memory than a recorder keeps there.
            return (self.state_bytes > 4 * STATE_MAX_BYTES).then_some(MISSING);
        };
        let found = summary.overview();
        self.state_bytes = self.state_bytes.saturating_sub(summary.state_bytes());
        summary.forget();
        match (stored, found) {
            (Some((of, stored)), Some(found)) if of == stream_id && stored == found => None,
            (Some((of, stored)), Some(found)) if is_open && of == stream_id && stored.first > found.first => None,
            _ => Some(OTHER),
        }
    }

    /// All messages that were expected have come. Says what is wrong.
    pub fn end_of_piece(&self) -> Option<&'static str> {
        (!self.stored.is_empty()).then_some(OTHER)
    }

    /// The session is over. Says what is wrong, if all of it has to be in overviews.
    pub fn end(&self) -> Option<&'static str> {
        self.summaries.values().any(|summary| summary.messages() > 0).then_some(MISSING)
    }
}
