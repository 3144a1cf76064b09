//! Where a condition begins and ends to hold.
//!
//! Overviews say which messages cannot hold it: those are not read. Of the others that stand alone, a first look at their rows says
//! whether it holds for one of them; what is found is proven by digests.

mod lanes;
mod scan;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::ops::Range;
use std::thread::available_parallelism;

use crate::codec::condition::{Condition, Why};
use crate::codec::stream::Stream;
use crate::error::{Error, Result};
use crate::message::Gaps;
use crate::store::{Database, Reader, Selection, Session};

use lanes::Lanes;
use scan::Scan;

/// Threads that read at most: the one that looks at what they read cannot keep up with more.
const THREADS_MAX: usize = 4;

/// A message of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Its number, from 0.
    pub number: i64,
    /// When it came, since the session began ...
    pub elapsed_ns: i64,
    /// ... and by the wall clock.
    pub unix_ns: i64,
}

/// Messages of a stream, one after the other, for which the condition holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The row of the stream.
    pub stream_id: i64,
    /// The first of them ...
    pub first: Moment,
    /// ... and the last one.
    pub last: Moment,
    /// How many they are.
    pub messages: u64,
    /// Why it holds for the first one.
    pub why: Option<Why>,
    /// Whether a message of the stream before is known, for which it did not hold.
    pub has_begun: bool,
}

/// What was found.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// It holds from here on.
    Begin(&'a Place),
    /// It holds up to there.
    End(&'a Place),
}

/// How far a search came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Searched {
    /// Messages that were read.
    pub read: u64,
    /// What is missing among them, because the database is damaged.
    pub gaps: Gaps,
    /// Whether the session was deleted meanwhile.
    pub is_deleted: bool,
    /// Whether it was ended before the end of the session.
    pub is_cut: bool,
}

/// As many threads as a search may use that nothing else waits for.
pub fn all_threads() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

/// Looks for a condition in a session.
#[derive(Debug)]
pub struct Finder {
    database: Database,
    session: Session,
    scan: Scan,
    streams: BTreeMap<i64, Stream>,
    /// Whether every message is read, whatever overviews say.
    is_full: bool,
}

impl Finder {
    /// In the part of a session that is selected, with so many threads that read; `option` is what the condition was typed for.
    ///
    /// # Errors
    /// When the part is empty, the database cannot be read, or the condition is about none of its streams or about several topics.
    pub fn new(
        database: Database,
        session: &Session,
        (option, condition): (&'static str, &Condition),
        selection: &Selection,
        threads: usize,
    ) -> Result<Self> {
        let all_streams = Selection { from: selection.from, to: selection.to, ..Selection::default() };
        let reader = || Reader::new(Database::for_reading(database.path())?, session, &all_streams);
        let planner = reader()?;
        let is_selected = |stream: &Stream| {
            selection.endpoints.as_ref().is_none_or(|numbers| numbers.contains(&stream.endpoint))
                && stream.is_asked_for(&selection.wanted)
        };
        let mut streams = database.streams(session)?;
        streams.retain(|_, stream| is_selected(stream));
        let refuse = |cause| Error::Setting { option, value: condition.to_string(), cause };
        let bound = condition.bind_all(streams.iter().map(|(&id, stream)| (id, stream))).map_err(refuse)?;
        let (first, last) = planner.numbers();
        let numbers = first..last.saturating_add(1);
        streams.retain(|id, _| bound.iter().any(|(of, _)| of == id));
        let readers = (0..threads.clamp(1, THREADS_MAX)).map(|_| reader()).collect::<Result<Vec<_>>>()?;
        let scan = Scan::new(planner, Lanes::new(readers)?, bound, numbers);
        Ok(Self { database, session: session.clone(), scan, streams, is_full: false })
    }

    /// Read every message, whatever overviews say.
    pub fn read_all(mut self) -> Self {
        self.is_full = true;
        self
    }

    /// The streams that it looks at, by their rows.
    pub fn streams(&self) -> &BTreeMap<i64, Stream> {
        &self.streams
    }

    /// The numbers of the messages that it looks at.
    pub fn numbers(&self) -> Range<i64> {
        self.scan.numbers.clone()
    }

    /// Give what is found to `take`, which says whether to go on. `at` is told how many messages were passed.
    ///
    /// # Errors
    /// When the database cannot be read, or what `take` or `at` end it with.
    pub fn run(
        mut self,
        take: &mut dyn FnMut(Found<'_>) -> Result<bool>,
        at: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<Searched> {
        let Self { database, session, scan, is_full, .. } = &mut self;
        let (mut is_cut, mut last) = (false, -1);
        if !*is_full {
            let done = database.overviews(session, scan.numbers.clone(), &mut |stream_id, overview| {
                last = overview.last.max(last);
                scan.see(stream_id, &overview)?;
                is_cut = !scan.go_on(false, take, at)?;
                // The text is never read.
                if is_cut { Err(Error::Stopped { what: String::new() }) } else { Ok(()) }
            });
            if !is_cut {
                done?;
            }
        }
        if !is_cut {
            let is_open = matches!(session.end_reason.as_deref(), None | Some("interrupted"));
            // Where the last message is summed up, all of a finished session are.
            let is_summed = !*is_full && !is_open && last >= scan.numbers.end.saturating_sub(1);
            scan.look_behind(is_summed);
            is_cut = !(scan.go_on(true, take, at)? && scan.end(take)?);
        }
        let is_deleted = scan.is_deleted()?;
        // A commit is read as a whole, also where it was looked into before.
        let all = scan.numbers.end.saturating_sub(scan.numbers.start).max(0).unsigned_abs();
        Ok(Searched { read: scan.read.min(all), gaps: std::mem::take(&mut scan.gaps), is_deleted, is_cut })
    }

    /// Where it begins to hold first.
    ///
    /// # Errors
    /// As [`Finder::run`].
    pub fn first(self, at: &mut dyn FnMut(u64) -> Result<()>) -> Result<(Option<Place>, Searched)> {
        let mut first = None;
        let mut take = |found: Found<'_>| {
            if let Found::Begin(place) = found {
                first = Some(place.clone());
            }
            Ok(first.is_none())
        };
        let searched = self.run(&mut take, at)?;
        Ok((first, searched))
    }
}
