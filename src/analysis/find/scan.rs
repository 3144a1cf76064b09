//! What a search reads, and what it passes over.

use std::collections::{BTreeMap, VecDeque};
use std::iter::once;
use std::ops::Range;

use crate::analysis::find::lanes::Lanes;
use crate::analysis::find::{Found, Moment, Place};
use crate::codec::condition::Bound;
use crate::codec::overview::Overview;
use crate::error::Result;
use crate::message::{Batch, Gap, Gaps, Message};
use crate::store::Reader;

/// Fewer messages than that between two ranges are read along: to jump costs as much.
const NEAR_MESSAGES: i64 = 4096;

/// Of this many messages that are to be read at least, the first are read before more overviews are looked at: what is found
/// first is said first. Twice as many the next time, and so on, so that several threads have something to read.
const BITE_MESSAGES: i64 = 16_384;
const BITE_MAX_MESSAGES: i64 = 64 * BITE_MESSAGES;

/// ... or of this many ranges, ...
const RANGES: usize = 8;

/// ... or when overviews of so many messages behind the first range were looked at.
const FAR_MESSAGES: i64 = 1 << 20;

/// A stream in which the condition is looked for.
#[derive(Debug)]
struct Watched {
    bound: Bound,
    /// What overviews said so far is about messages before this number.
    covered: i64,
    /// By an overview of messages before this number, the last one that did, it may hold.
    doubtful: i64,
    /// Messages that cannot hold it, in their order, as far as they were not passed.
    quiet: VecDeque<Quiet>,
    /// Whether more of them would join the last ones.
    is_quiet: bool,
    open: Option<Place>,
    /// Whether a message was looked at, or passed over, behind which nothing is missing.
    has_previous: bool,
}

#[derive(Clone, Copy, Debug)]
struct Quiet {
    first: i64,
    last: i64,
    last_elapsed_ns: i64,
}

impl Watched {
    fn new(bound: Bound, covered: i64) -> Self {
        Self {
            bound,
            covered,
            doubtful: i64::MIN,
            quiet: VecDeque::new(),
            is_quiet: false,
            open: None,
            has_previous: false,
        }
    }

    /// Whether it holds for a message, or is known not to.
    fn holds(&mut self, number: i64, message: Message<'_>) -> bool {
        self.quiet.front().is_none_or(|quiet| number < quiet.first)
            && self.bound.holds(message.elapsed_ns, message.frames())
    }

    /// Whether the rows of these messages say that it holds for none of them. Like an overview, they are not proven: that takes a
    /// whole commit, and the numbers of most messages that have an extreme are not together in one of them.
    fn holds_for_none(
        &mut self,
        stream_id: i64,
        numbers: &Range<i64>,
        planner: &mut Reader,
        read: &mut u64,
    ) -> Result<bool> {
        if !self.bound.is_about_one() || numbers.end.saturating_sub(numbers.start) > NEAR_MESSAGES {
            return Ok(false);
        }
        let mut batch = Batch::default();
        if !planner.glance(numbers, &mut batch)? {
            return Ok(false);
        }
        let mut of_stream = batch.messages().zip(batch.streams()).filter(|(_, of)| **of == stream_id);
        let is_none = !of_stream.any(|(message, _)| self.bound.holds(message.elapsed_ns, message.frames()));
        if is_none {
            // The others are read again.
            *read += batch.len() as u64;
        }
        Ok(is_none)
    }

    /// Pass what is quiet before a message. Says whether there was something.
    fn pass_quiet(&mut self, number: i64) -> bool {
        let mut has_passed = false;
        while let Some(quiet) = self.quiet.front().copied().filter(|quiet| quiet.last < number) {
            self.quiet.pop_front();
            self.bound.pass_over(quiet.last_elapsed_ns);
            (has_passed, self.has_previous) = (true, true);
        }
        has_passed
    }
}

/// Reads what has to be read.
#[derive(Debug)]
pub(super) struct Scan {
    /// Says where commits end.
    planner: Reader,
    lanes: Lanes,
    /// Whoever reads was asked for all before this number that is to be read.
    asked: i64,
    watched: BTreeMap<i64, Watched>,
    /// All messages that it is about.
    pub numbers: Range<i64>,
    /// What is to be read, by the beginnings of the ranges, with their ends.
    ranges: BTreeMap<i64, i64>,
    /// Messages before this number were read or passed over.
    next: i64,
    batch: Batch,
    /// How many messages of the batch were looked at, and their gaps.
    used: (usize, usize),
    /// What is to be read before the first of it is.
    bite: i64,
    /// How far it came, in messages.
    passed: u64,
    /// Messages that were read ...
    pub read: u64,
    /// ... and what is missing among them.
    pub gaps: Gaps,
}

impl Scan {
    /// Nothing was read yet.
    pub fn new(planner: Reader, lanes: Lanes, bound: Vec<(i64, Bound)>, numbers: Range<i64>) -> Self {
        Self {
            planner,
            lanes,
            asked: numbers.start,
            watched: bound.into_iter().map(|(id, bound)| (id, Watched::new(bound, numbers.start))).collect(),
            next: numbers.start,
            numbers,
            ranges: BTreeMap::new(),
            batch: Batch::default(),
            used: (0, 0),
            bite: BITE_MESSAGES,
            passed: 0,
            read: 0,
            gaps: Gaps::default(),
        }
    }

    /// Whether the session is not there any more.
    pub fn is_deleted(&self) -> Result<bool> {
        Ok(!self.gaps.is_empty() && self.planner.is_gone()?)
    }

    /// Messages with this in common come next of a stream.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn see(&mut self, stream_id: i64, overview: &Overview) -> Result<()> {
        let Some(watched) = self.watched.get_mut(&stream_id) else { return Ok(()) };
        let (first, behind) = (overview.first.max(watched.covered), overview.last.saturating_add(1));
        if behind <= watched.covered {
            return Ok(());
        }
        watched.covered = behind;
        if watched.bound.may_hold(overview) {
            let is_alone = first.saturating_sub(watched.doubtful) >= NEAR_MESSAGES;
            watched.doubtful = behind;
            if !(is_alone && watched.holds_for_none(stream_id, &(first..behind), &mut self.planner, &mut self.read)?) {
                watched.is_quiet = false;
                self.add(first, behind);
                return Ok(());
            }
        }
        let quiet = Quiet { first, last: overview.last, last_elapsed_ns: overview.last_elapsed_ns };
        match watched.quiet.back_mut().filter(|_| watched.is_quiet) {
            Some(before) => *before = Quiet { first: before.first, ..quiet },
            None => watched.quiet.push_back(quiet),
        }
        watched.is_quiet = true;
        Ok(())
    }

    /// No more overviews come. What is behind the last one of a stream is read, unless all messages are in one.
    pub fn look_behind(&mut self, is_summed: bool) {
        let behind: Vec<i64> = self.watched.values().map(|watched| watched.covered).collect();
        if !is_summed {
            behind.into_iter().for_each(|first| self.add(first, self.numbers.end));
        }
        for watched in self.watched.values_mut() {
            watched.covered = i64::MAX;
        }
    }

    /// These messages have to be read.
    fn add(&mut self, first: i64, behind: i64) {
        let (mut first, mut behind) = (first.max(self.next), behind.min(self.numbers.end));
        if first >= behind {
            return;
        }
        // What is before, with it, and what lies in it and behind.
        if let Some((&before, &end)) = self.ranges.range(..=first).next_back()
            && end.saturating_add(NEAR_MESSAGES) >= first
        {
            (first, behind) = (before, behind.max(end));
        }
        while let Some((&from, &end)) = self.ranges.range(first..=behind.saturating_add(NEAR_MESSAGES)).next() {
            self.ranges.remove(&from);
            behind = behind.max(end);
        }
        self.ranges.insert(first, behind);
    }

    /// Read what has to be, as far as overviews say what: to the end, or only what is not likely to become longer. Says whether more
    /// is wanted.
    pub fn go_on(
        &mut self,
        is_end: bool,
        take: &mut dyn FnMut(Found<'_>) -> Result<bool>,
        at: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<bool> {
        let known = self.watched.values().map(|watched| watched.covered).min().unwrap_or(i64::MAX);
        while let Some((&first, &behind)) = self.ranges.first_key_value() {
            if !is_end && !self.is_due(behind, known) {
                break;
            }
            let end = if is_end { behind } else { behind.min(known) };
            self.ranges.remove(&first);
            if end < behind {
                self.ranges.insert(end, behind);
            }
            self.next = end;
            if !self.scan(&(first..end), take, at)? {
                return Ok(false);
            }
            self.bite = BITE_MAX_MESSAGES.min(2 * self.bite);
        }
        Ok(true)
    }

    /// Whether the first range is to be read, which ends before `behind`, if overviews are known of the messages before `known`.
    fn is_due(&self, behind: i64, known: i64) -> bool {
        let messages = |(&first, &behind): (&i64, &i64)| behind.min(known).saturating_sub(first).max(0);
        known.saturating_sub(behind) > FAR_MESSAGES
            || self.ranges.len() > RANGES
            || self.ranges.iter().map(messages).sum::<i64>() >= self.bite
    }

    /// Ask for what comes next, first of this range, as far as it is known and there is room.
    fn ask(&mut self, range: &Range<i64>) -> Result<()> {
        for (first, behind) in
            once((range.start, range.end)).chain(self.ranges.iter().map(|(&first, &end)| (first, end)))
        {
            while self.asked < behind {
                if !self.lanes.has_room() {
                    return Ok(());
                }
                let first = first.max(self.asked);
                let end = self.planner.pass_commits(first, behind.saturating_sub(first).min(BITE_MESSAGES))?;
                // It goes on in any case, whatever the rows of commits say.
                self.asked = end.min(self.numbers.end).max(first.saturating_add(1));
                self.lanes.ask(first..self.asked);
            }
        }
        Ok(())
    }

    /// Look at the messages of a range. Says whether more is wanted.
    fn scan(
        &mut self,
        range: &Range<i64>,
        take: &mut dyn FnMut(Found<'_>) -> Result<bool>,
        at: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<bool> {
        loop {
            if !self.look(range, take)? {
                return Ok(false);
            }
            let last = self.batch.numbers().last().copied().unwrap_or(range.start);
            self.passed = self.passed.max(last.saturating_sub(self.numbers.start).unsigned_abs());
            at(self.passed)?;
            if self.used.0 < self.batch.len() {
                return Ok(true);
            }
            self.clear();
            self.ask(range)?;
            if self.lanes.front().is_none_or(|next| next.start >= range.end) {
                return Ok(true);
            }
            self.lanes.step(&mut self.batch)?;
        }
    }

    fn clear(&mut self) {
        self.batch.clear();
        self.used = (0, 0);
    }

    /// Look at the messages of the batch that are in a range. Says whether more is wanted.
    fn look(&mut self, range: &Range<i64>, take: &mut dyn FnMut(Found<'_>) -> Result<bool>) -> Result<bool> {
        let Self { batch, watched, used, gaps, read, .. } = self;
        let places = batch.numbers().iter().zip(batch.streams());
        for ((&number, &stream_id), message) in places.zip(batch.messages()).skip(used.0) {
            if number >= range.end {
                return Ok(true);
            }
            while let Some(gap) = batch.gaps().get(used.1).filter(|gap| gap.first_number < number) {
                used.1 += 1;
                if !miss(watched, gaps, *gap, take)? {
                    return Ok(false);
                }
            }
            used.0 += 1;
            *read += 1;
            let Some(watched) = watched.get_mut(&stream_id).filter(|_| number >= range.start) else { continue };
            if watched.pass_quiet(number) && !end(watched, take)? {
                return Ok(false);
            }
            if !watched.holds(number, message) {
                watched.has_previous = true;
                if !end(watched, take)? {
                    return Ok(false);
                }
                continue;
            }
            let moment = Moment { number, elapsed_ns: message.elapsed_ns, unix_ns: message.unix_ns };
            if let Some(place) = &mut watched.open {
                (place.last, place.messages) = (moment, place.messages + 1);
                continue;
            }
            let (why, has_begun) = (watched.bound.why(message.frames()), watched.has_previous);
            let place = Place { stream_id, first: moment, last: moment, messages: 1, why, has_begun };
            let goes_on = take(Found::Begin(&place))?;
            watched.open = Some(place);
            if !goes_on {
                return Ok(false);
            }
        }
        while let Some(gap) = batch.gaps().get(used.1) {
            used.1 += 1;
            if !miss(watched, gaps, *gap, take)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The end of the session. Says whether more is wanted.
    pub fn end(&mut self, take: &mut dyn FnMut(Found<'_>) -> Result<bool>) -> Result<bool> {
        for watched in self.watched.values_mut() {
            if !end(watched, take)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// It holds no longer. Says whether more is wanted.
fn end(watched: &mut Watched, take: &mut dyn FnMut(Found<'_>) -> Result<bool>) -> Result<bool> {
    match watched.open.take() {
        Some(place) => take(Found::End(&place)),
        None => Ok(true),
    }
}

/// Damaged messages may have been of each stream. Says whether more is wanted.
fn miss(
    all: &mut BTreeMap<i64, Watched>,
    gaps: &mut Gaps,
    gap: Gap,
    take: &mut dyn FnMut(Found<'_>) -> Result<bool>,
) -> Result<bool> {
    gaps.add(gap);
    for watched in all.values_mut() {
        watched.pass_quiet(gap.first_number);
        watched.bound.lose_sight();
        watched.has_previous = false;
        if !end(watched, take)? {
            return Ok(false);
        }
    }
    Ok(true)
}
