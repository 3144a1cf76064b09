//! Where in a replay a condition begins to hold: that of `--from`, or the one that was typed last.

use std::path::PathBuf;

use crate::analysis::find::{Finder, Found, Place};
use crate::analysis::sought::scope;
use crate::codec::condition::Condition;
use crate::error::{Error, Result};
use crate::process::stop::Stop;
use crate::replayer::Since;
use crate::store::{Database, Reader, Selection, Session};
use crate::time::position::Position;

/// So many messages before the one from which on something is looked for are looked at too: whether it held there. Backwards, so
/// many are looked at first, then twice as many, and so on.
const BEFORE_MESSAGES: i64 = 65_536;

/// What is looked for, and where.
#[derive(Debug)]
pub struct Places<'a> {
    path: PathBuf,
    session: Session,
    sought: Option<(&'static str, Condition)>,
    selection: Selection,
    /// The first message of the replay, and that behind its last one.
    first: i64,
    behind: i64,
    stop: &'a Stop,
}

impl<'a> Places<'a> {
    /// In what is read by `reader` of a session.
    pub fn new(
        reader: &Reader,
        session: &Session,
        sought: Option<(&'static str, Condition)>,
        selection: &Selection,
        stop: &'a Stop,
    ) -> Self {
        let (first, last) = reader.numbers();
        Self {
            path: reader.database().path().to_owned(),
            session: session.clone(),
            sought,
            selection: selection.clone(),
            first,
            behind: last.saturating_add(1),
            stop,
        }
    }

    /// The number of the message to go on at.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn find(&self, since: Since) -> Result<i64> {
        let Some((_, condition)) = &self.sought else {
            tracing::info!("no condition is looked for: type one behind g");
            return Ok(since.next_number);
        };
        let found = if since.is_forward { self.next(since.number) } else { self.previous(since) };
        let side = if since.is_forward { "behind" } else { "before" };
        Self::tell(condition, found, since.next_number, &format!("begin to hold {side} message #{}", since.number))
    }

    /// Look for another condition from now on. Gives the number of the message to go on at: where it first holds, or `next_number`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn look_for(&mut self, condition: Condition, next_number: i64) -> Result<i64> {
        let before = self.sought.replace(("g", condition.clone()));
        let mut found = None;
        let first = self.each(self.first, self.behind, |place| {
            found = Some(place.clone());
            false
        });
        match first {
            // It is about nothing that is in the session.
            Err(Error::Setting { cause, .. }) => {
                tracing::warn!("cannot go to '{condition}': {cause}");
                self.sought = before;
                Ok(next_number)
            }
            first => Self::tell(&condition, first.map(|()| found), next_number, "hold in what is replayed"),
        }
    }

    fn tell(condition: &Condition, found: Result<Option<Place>>, next_number: i64, what: &str) -> Result<i64> {
        match found {
            Ok(Some(place)) => {
                tracing::info!("'{condition}' begins to hold at message #{}", place.first.number);
                Ok(place.first.number)
            }
            Ok(None) => {
                tracing::info!("'{condition}' does not {what}");
                Ok(next_number)
            }
            // The player ends too.
            Err(Error::Stopped { .. }) => Ok(next_number),
            Err(error) => Err(error),
        }
    }

    fn next(&self, number: i64) -> Result<Option<Place>> {
        let (mut found, begin) = (None, number.saturating_sub(BEFORE_MESSAGES).max(self.first));
        self.each(begin, self.behind, |place| {
            if place.first.number > number {
                found = Some(place.clone());
            }
            found.is_none()
        })?;
        Ok(found)
    }

    fn previous(&self, since: Since) -> Result<Option<Place>> {
        let end = since.number.min(self.behind);
        let mut messages = BEFORE_MESSAGES;
        loop {
            let begin = end.saturating_sub(messages).max(self.first);
            let mut found = None;
            self.each(begin, end, |place| {
                // Where the part that is looked at begins in the middle of a place, that has begun before.
                if (place.has_begun || begin == self.first) && place.first.elapsed_ns < since.before_ns {
                    found = Some(place.clone());
                }
                true
            })?;
            if found.is_some() || begin <= self.first {
                return Ok(found);
            }
            messages = messages.saturating_mul(2);
        }
    }

    /// Give the beginnings of all places from a message to before another one, until `take` has enough.
    fn each(&self, begin: i64, end: i64, mut take: impl FnMut(&Place) -> bool) -> Result<()> {
        let Some((option, condition)) = &self.sought else { return Ok(()) };
        let [from, to] = [begin, end].map(|number| Some(Position::Number(number)));
        let selection = Selection { from, to, ..scope(condition, &self.selection) };
        let database = Database::for_reading(&self.path)?;
        // One thread: a replay may be playing.
        let finder = match Finder::new(database, &self.session, (*option, condition), &selection, 1) {
            Err(Error::EmptySelection { .. }) => return Ok(()),
            finder => finder?,
        };
        let mut take = |found: Found<'_>| {
            Ok(match found {
                Found::Begin(place) => take(place),
                Found::End(_) => true,
            })
        };
        finder.run(&mut take, &mut |_| self.stop.check(|| "find a place".to_owned()))?;
        Ok(())
    }
}
