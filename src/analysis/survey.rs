//! What a part of a session looks like, column by column of a picture: how many messages came, how long none came, and the least
//! and the greatest value of each channel.
//!
//! Nothing is left out: a column has each value of its time. Where overviews are wider than a column it may have one of their
//! neighbours too.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::codec::channels::Channel;
use crate::codec::overview::{OVERVIEW_MESSAGES, Overview, Summary};
use crate::codec::stream::Stream;
use crate::error::{Error, Result};
use crate::message::Batch;
use crate::store::{Database, Reader, Selection, Session};
use crate::time::clock::NS_PER_S;
use crate::time::position::Position;

/// The most columns, as of the widest screen.
pub const COLUMNS_MAX: usize = 8192;

/// The most channels of all streams that are looked at.
pub const CHANNELS_MAX: usize = 64;

/// So far back from its newest message, a session that is being recorded may have messages that are in no overview.
const NOT_SUMMED_NS: i64 = 90 * NS_PER_S;

/// What is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// From this time on, since the session began ...
    pub from_ns: i64,
    /// ... to before this one.
    pub to_ns: i64,
    /// How many columns that makes, at most [`COLUMNS_MAX`].
    pub columns: usize,
    /// The rows of the streams; empty: the first ones, as many as have room.
    pub streams: Vec<i64>,
    /// Which channels of each.
    pub channels: Range<usize>,
}

/// A part of a session.
#[derive(Clone, Debug)]
pub struct Survey {
    /// From when on, since the session began.
    pub from_ns: i64,
    /// To before when.
    pub to_ns: i64,
    /// What was looked at, by the rows of the streams.
    pub streams: BTreeMap<i64, Surveyed>,
    /// How many streams there are beside.
    pub streams_left: usize,
}

/// A stream in it.
#[derive(Clone, Debug)]
pub struct Surveyed {
    /// The stream.
    pub stream: Stream,
    /// From left to right.
    pub columns: Vec<Column>,
    /// Channels, with the least and the greatest physical value of each column.
    pub channels: Vec<Band>,
    /// How many channels there are beside.
    pub channels_left: usize,
    first_channel: usize,
}

/// What came in the time of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Column {
    /// Messages. Those of an overview that is wider are shared out.
    pub messages: f64,
    /// The longest time between two of them, in nanoseconds.
    pub longest_gap_ns: i64,
}

/// The values of a channel.
#[derive(Clone, Debug)]
pub struct Band {
    /// What it measures.
    pub channel: Channel,
    /// The least and the greatest value of each column; `None` where there is none.
    pub columns: Vec<Option<(f64, f64)>>,
}

impl Band {
    /// The least and the greatest value of all.
    pub fn range(&self) -> Option<(f64, f64)> {
        self.columns.iter().copied().fold(None, both)
    }
}

fn both(one: Option<(f64, f64)>, other: Option<(f64, f64)>) -> Option<(f64, f64)> {
    match (one, other) {
        (Some((least, greatest)), Some((low, high))) => Some((least.min(low), greatest.max(high))),
        (one, other) => one.or(other),
    }
}

impl Survey {
    /// Look at a part of a session. `at` is asked again and again whether it goes on.
    ///
    /// # Errors
    /// When the database cannot be read, or what `at` ends it with.
    pub fn of(database: Database, session: &Session, view: &View, at: &mut dyn FnMut() -> Result<()>) -> Result<Self> {
        let mut survey = Self::empty(database.streams(session)?, view);
        let positions = [view.from_ns, view.to_ns].map(|ns| Some(Position::Elapsed(ns)));
        let numbers = database.numbers(session, positions[0], positions[1])?;
        let columns = view.columns.clamp(1, COLUMNS_MAX);
        // Fewer messages than that are in overviews that are wider than a column.
        if numbers.end.saturating_sub(numbers.start) <= OVERVIEW_MESSAGES as i64 * columns as i64 {
            survey.read(database, session, numbers, &BTreeMap::new(), at)?;
            return Ok(survey);
        }
        let mut known: BTreeMap<i64, i64> = survey.streams.keys().map(|id| (*id, numbers.start - 1)).collect();
        database.overviews(session, numbers.clone(), &mut |stream_id, overview| {
            if let Some(last) = known.get_mut(&stream_id) {
                *last = overview.last.max(*last);
                survey.add(stream_id, &overview);
            }
            at()
        })?;
        let newest = known.values().copied().min().unwrap_or(numbers.end).saturating_add(1);
        if matches!(session.end_reason.as_deref(), None | Some("interrupted")) {
            let since = Position::Elapsed(session.last_elapsed_ns.saturating_sub(NOT_SUMMED_NS));
            let since = database.numbers(session, Some(since), None)?.start;
            survey.read(database, session, newest.max(since).max(numbers.start)..numbers.end, &known, at)?;
        }
        Ok(survey)
    }

    fn empty(streams: BTreeMap<i64, Stream>, view: &View) -> Self {
        let columns = view.columns.clamp(1, COLUMNS_MAX);
        let to_ns = view.to_ns.max(view.from_ns.saturating_add(1));
        let mut survey = Self { from_ns: view.from_ns, to_ns, streams: BTreeMap::new(), streams_left: 0 };
        let mut room = CHANNELS_MAX;
        for (id, stream) in streams {
            let is_wanted = view.streams.is_empty() || view.streams.contains(&id);
            if !is_wanted || room == 0 {
                survey.streams_left += 1;
                continue;
            }
            let named = stream.all_channels();
            let all = named.iter().count();
            let chosen = named.iter().skip(view.channels.start).take(view.channels.len().min(room)).cloned();
            let channels: Vec<Band> = chosen.map(|channel| Band { channel, columns: vec![None; columns] }).collect();
            room -= channels.len().max(1);
            let surveyed = Surveyed {
                stream,
                columns: vec![Column::default(); columns],
                channels_left: all - channels.len(),
                channels,
                first_channel: view.channels.start,
            };
            survey.streams.insert(id, surveyed);
        }
        survey
    }

    /// The column of a time, which may be outside.
    fn column(&self, elapsed_ns: i64) -> i64 {
        let columns = self.streams.values().next().map_or(1, |surveyed| surveyed.columns.len());
        let behind_ns = i128::from(elapsed_ns) - i128::from(self.from_ns);
        let column = (behind_ns * columns as i128).div_euclid(i128::from(self.to_ns) - i128::from(self.from_ns));
        column.clamp(-1, columns as i128) as i64
    }

    fn add(&mut self, stream_id: i64, overview: &Overview) {
        let (first, last) = (self.column(overview.first_elapsed_ns), self.column(overview.last_elapsed_ns));
        let Some(surveyed) = self.streams.get_mut(&stream_id) else { return };
        let inside = first.max(0) as usize..(last.min(surveyed.columns.len() as i64 - 1) + 1).max(0) as usize;
        // Of one that is partly outside, only a part is here.
        let messages = overview.messages as f64 / (last - first + 1).max(1) as f64;
        for column in surveyed.columns.get_mut(inside.clone()).unwrap_or_default() {
            column.messages += messages;
            column.longest_gap_ns = column.longest_gap_ns.max(overview.longest_gap_ns);
        }
        let ranges = overview.ranges().skip(surveyed.first_channel);
        for (band, range) in surveyed.channels.iter_mut().zip(ranges) {
            let Some((least, greatest)) = range else { continue };
            let Channel { scale, offset, .. } = band.channel;
            let values = [least, greatest].map(|raw| raw.as_f64() * scale + offset);
            let range = Some((values[0].min(values[1]), values[0].max(values[1])));
            for column in band.columns.get_mut(inside.clone()).unwrap_or_default() {
                *column = both(*column, range);
            }
        }
    }

    /// Read messages of these numbers, of each stream those behind the last one that is known.
    fn read(
        &mut self,
        database: Database,
        session: &Session,
        numbers: Range<i64>,
        known: &BTreeMap<i64, i64>,
        at: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        if numbers.is_empty() || session.is_empty() {
            return Ok(());
        }
        let [from, to] = [numbers.start, numbers.end].map(|number| Some(Position::Number(number)));
        let mut reader = match Reader::new(database, session, &Selection { from, to, ..Selection::default() }) {
            Err(Error::EmptySession { .. } | Error::EmptySelection { .. }) => return Ok(()),
            reader => reader?,
        };
        let mut summaries = BTreeMap::<i64, (i64, Summary)>::new();
        let mut batch = Batch::default();
        while reader.step(&mut batch)? {
            for ((message, &number), &stream_id) in batch.messages().zip(batch.numbers()).zip(batch.streams()) {
                let Some(surveyed) = self.streams.get(&stream_id) else { continue };
                if known.get(&stream_id).is_some_and(|&last| number <= last) {
                    continue;
                }
                let column = self.column(message.elapsed_ns);
                let entry = summaries.entry(stream_id);
                let (at_column, summary) = entry.or_insert_with(|| (column, Summary::new(&surveyed.stream)));
                let frames = surveyed.stream.after_topic(message.frames());
                let is_decodable = surveyed.stream.check(message.frames()).is_ok();
                if std::mem::replace(at_column, column) != column {
                    let overview = summary.overview();
                    summary.restart();
                    overview.iter().for_each(|overview| self.add(stream_id, overview));
                }
                if let Some((_, summary)) = summaries.get_mut(&stream_id) {
                    summary.add((number, message.elapsed_ns), frames, is_decodable);
                }
            }
            batch.clear();
            at()?;
        }
        for (stream_id, (_, summary)) in summaries {
            summary.overview().iter().for_each(|overview| self.add(stream_id, overview));
        }
        Ok(())
    }
}
