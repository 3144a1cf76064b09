//! Follows the devices' own sequence numbers in the receiving thread, where every message passes, also those that our own full
//! queue drops: what is missing between them was lost on the way, and is counted nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::counter::Counter;
use crate::codec::sequence::{Seen, Sequence};
use crate::codec::stream::Stream;
use crate::codec::topic;
use crate::message::{Message, Origin};
use crate::observe::event::{Event, Kind, Phase};
use crate::streams::{Streams, Told};
use crate::time::clock::{NS_PER_S, SessionClock, monotonic_ns};

/// An entry waits for so long: a message that was only late takes its part of a gap back.
const HOLD_NS: i64 = NS_PER_S / 2;

/// Entries of a stream that are told one by one. Then there is one for each kind and round, whose sum is exact.
const TOLD_ONE_BY_ONE: u64 = 1_000;

/// The numbers of all streams.
#[derive(Debug)]
pub(super) struct Counters {
    streams: Streams,
    /// Of each stream, if it has a counter.
    tracks: Vec<Option<Track>>,
    /// The endpoints, in the order of their numbers.
    endpoints: Vec<String>,
    /// Links that broke, by their origin, until the numbers of all their streams have said what was lost.
    breaks: BTreeMap<u32, Break>,
    /// Messages of an origin with one stream that were counted as lost since its last message, without their number being seen.
    counted: BTreeMap<u32, u64>,
    ready: Vec<Event>,
}

/// The numbers of one stream.
#[derive(Debug)]
struct Track {
    counter: Counter,
    sequence: Sequence,
    /// Of its link.
    link: Link,
    /// A gap was taken for what the broken link has lost, before it was said that the link is up.
    is_taken_early: bool,
    origin: u32,
    topic: String,
    /// Its last message.
    last: Option<Numbered>,
    held: Vec<Held>,
    told: u64,
    /// It was said that a message has no number.
    is_warned: bool,
}

/// A message with its number.
#[derive(Clone, Copy, Debug)]
struct Numbered {
    number: u64,
    unix_ns: i64,
    monotonic_ns: i64,
}

/// How a link is, as the numbers of a stream show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// It is up, and a message has shown that.
    Up,
    /// It is down. What was received before may still be taken.
    Down,
    /// It is up again, and no message was taken since.
    UpAgain,
}

/// An entry that is not in the ledger yet.
#[derive(Debug)]
struct Held {
    event: Event,
    /// The monotonic clock when it ended.
    until_ns: i64,
    /// The gaps that it is about, as the sequence counts them.
    gaps: Option<(u64, u64)>,
    /// Entries that are one with it.
    merged: u64,
}

/// What is known of what a broken link has lost.
#[derive(Debug)]
struct Break {
    /// The streams that have said nothing yet.
    waiting: BTreeSet<usize>,
    lost: u64,
    words: Vec<String>,
    /// The last message before the first gap.
    from: Option<Numbered>,
    until_ns: i64,
}

impl Counters {
    /// Follow what was told of the streams of these endpoints; `None` where no counter was told.
    pub fn new(told: &Told, endpoints: Vec<String>) -> Option<Self> {
        // The sorter says what is wrong with channels, and once is enough.
        let told = Told { channels: Vec::new(), ..told.clone() };
        let has_counters = !told.counters.is_empty();
        has_counters.then(|| Self {
            streams: Streams::new(told),
            tracks: Vec::new(),
            endpoints,
            breaks: BTreeMap::new(),
            counted: BTreeMap::new(),
            ready: Vec::new(),
        })
    }

    /// Take the next message that came, also if it is not kept.
    pub fn see(&mut self, message: Message<'_>, clock: SessionClock) {
        let place = self.streams.of(message);
        let Some(stream) = self.streams.all().get(place) else { return };
        if place >= self.tracks.len() {
            let known = self.tracks.len();
            let new = self.streams.all().iter().skip(known);
            self.tracks
                .extend(new.map(|stream| Some(Track::new(stream.counter.clone()?, stream.endpoint, &stream.topic))));
        }
        let Some(Some(track)) = self.tracks.get_mut(place) else { return };
        let Some(number) = track.counter.read(stream.after_topic(message.frames())) else {
            return track.warn(message);
        };
        let before = track.last;
        let seen = track.sequence.see(number);
        let monotonic_ns = message.elapsed_ns.saturating_add(clock.origin_ns);
        let now = Numbered { number, unix_ns: message.unix_ns, monotonic_ns };
        track.last = Some(now);
        let known = if self.counted.is_empty() { 0 } else { self.counted.remove(&track.origin).unwrap_or(0) };
        if track.link == Link::Up && matches!(seen, Seen::Next | Seen::First) {
            return;
        }
        self.took(place, (seen, known), (before, now), clock);
    }

    /// A number says something, or is the first one since the link was down. So many of a gap are `known` to be lost.
    fn took(
        &mut self,
        place: usize,
        (mut seen, known): (Seen, u64),
        (before, now): (Option<Numbered>, Numbered),
        clock: SessionClock,
    ) {
        let Self { tracks, breaks, .. } = self;
        let Some(Some(track)) = tracks.get_mut(place) else { return };
        // What was received before the link broke says nothing about it.
        let is_old =
            track.link == Link::Down && matches!(seen, Seen::Next | Seen::First | Seen::Repeat | Seen::Late { .. });
        let is_across = track.link != Link::Up && !is_old;
        if is_across {
            // What the link has lost is in the ledger by then, and may be wrong.
            if seen == Seen::Restart && track.is_taken_early {
                seen = Seen::Jump;
            }
            track.is_taken_early = track.link == Link::Down && matches!(seen, Seen::Gap { .. });
            track.link = Link::Up;
            track.sequence.link_holds();
        }
        let origin = track.origin;
        let gap = match seen {
            Seen::Gap { lost, gap } => Some((lost.saturating_sub(known), gap)),
            _ => None,
        };
        let words = track.words(before, now);
        let broken = breaks.get_mut(&origin).filter(|broken| is_across && broken.waiting.contains(&place));
        if let Some(broken) = broken {
            if !matches!(seen, Seen::Restart | Seen::Jump) {
                broken.said(place, gap.map(|(lost, _)| (lost, words)), before, now);
                if broken.waiting.is_empty() {
                    self.settle(origin, Phase::Fills, clock);
                }
                return;
            }
            self.settle(origin, Phase::Whole, clock);
        }
        if let Some(Some(track)) = self.tracks.get_mut(place) {
            let endpoint = self.endpoints.get((origin as usize).wrapping_sub(1)).cloned();
            track.note(seen, gap, words, (before, now), endpoint, clock);
        }
    }

    /// The link of an origin went down. `is_told` says whether the ledger has an entry that waits for what was lost.
    pub fn link_broke(&mut self, origin: Origin, is_told: bool, clock: SessionClock) {
        self.settle(origin.0, Phase::Whole, clock);
        let of_origin = |stream: &Stream| stream.endpoint == origin.0;
        let have_all =
            self.streams.all().iter().filter(|stream| of_origin(stream)).all(|stream| stream.counter.is_some());
        let mut waiting = BTreeSet::new();
        for (place, track) in self.tracks.iter_mut().enumerate() {
            if let Some(track) = track.as_mut().filter(|track| track.origin == origin.0) {
                track.link = if is_told { Link::Down } else { Link::UpAgain };
                track.is_taken_early = false;
                track.sequence.link_broke();
                waiting.insert(place);
            }
        }
        if is_told && have_all && !waiting.is_empty() {
            self.breaks.insert(origin.0, Break { waiting, lost: 0, words: Vec::new(), from: None, until_ns: 0 });
        }
    }

    /// The link of an origin is up.
    pub fn link_is_up(&mut self, origin: Origin) {
        for track in self.tracks.iter_mut().flatten().filter(|track| track.origin == origin.0) {
            track.link = Link::UpAgain;
            track.sequence.link_broke();
        }
    }

    /// So many messages of an origin, whose numbers were not seen, are counted as lost already. Where an origin has several
    /// streams, nobody knows of which one they were, and a loss that is counted twice is better than one that is not.
    pub fn counted_lost(&mut self, origin: Origin, messages: u64) {
        if self.streams.all().iter().filter(|stream| stream.endpoint == origin.0).count() == 1 {
            *self.counted.entry(origin.0).or_default() += messages;
        }
    }

    /// The entries for the ledger that are due; at the end of a session all of them.
    pub fn due(&mut self, is_end: bool, clock: SessionClock) -> Vec<Event> {
        if is_end {
            let origins: Vec<u32> = self.breaks.keys().copied().collect();
            origins.into_iter().for_each(|origin| self.settle(origin, Phase::Whole, clock));
        }
        let before_ns = if is_end { i64::MAX } else { monotonic_ns().saturating_sub(HOLD_NS) };
        for track in self.tracks.iter_mut().flatten() {
            let due = track.held.extract_if(.., |held| held.until_ns <= before_ns);
            self.ready.extend(due.map(Held::told));
        }
        std::mem::take(&mut self.ready)
    }

    /// What a broken link has lost is known, or will not be: then what is known is an entry of its own.
    fn settle(&mut self, origin: u32, phase: Phase, clock: SessionClock) {
        let Some(Break { lost, words, from, until_ns, .. }) = self.breaks.remove(&origin) else { return };
        if lost == 0 && phase == Phase::Whole {
            return;
        }
        let since = |ns: i64| ns.saturating_sub(clock.origin_ns).max(0);
        let (unix_ns, from_ns) = from.map(|from| (from.unix_ns, from.monotonic_ns)).unwrap_or_default();
        let words = if words.is_empty() { "by its counter nothing is missing".to_owned() } else { words.join("; ") };
        self.ready.push(Event {
            endpoint: self.endpoints.get((origin as usize).wrapping_sub(1)).cloned(),
            until_elapsed_ns: Some(since(until_ns)),
            detail: Some(words),
            phase,
            ..Event::at(unix_ns, since(from_ns), Kind::CounterGap, Some(lost))
        });
    }
}

impl Break {
    /// A stream says what it has lost.
    fn said(&mut self, place: usize, gap: Option<(u64, String)>, before: Option<Numbered>, now: Numbered) {
        self.waiting.remove(&place);
        let Some((lost, words)) = gap else { return };
        self.lost = self.lost.saturating_add(lost);
        self.words.push(words);
        self.from = self.from.or(before);
        self.until_ns = now.monotonic_ns;
    }
}

impl Track {
    fn new(counter: Counter, origin: u32, topic: &[u8]) -> Self {
        Self {
            sequence: Sequence::new(&counter),
            counter,
            link: Link::Up,
            is_taken_early: false,
            origin,
            topic: topic::title(topic),
            last: None,
            held: Vec::new(),
            told: 0,
            is_warned: false,
        }
    }

    /// A message has no number.
    fn warn(&mut self, message: Message<'_>) {
        if !std::mem::replace(&mut self.is_warned, true) {
            let (topic, counter, bytes) = (&self.topic, &self.counter, message.bytes());
            tracing::warn!(
                "{topic}: there is no counter {counter} in a message of {bytes} bytes; it is stored all the same"
            );
        }
    }

    /// `topic t: the counter went from 4 to 9`.
    fn words(&self, before: Option<Numbered>, now: Numbered) -> String {
        let before = before.map_or(String::new(), |before| format!(" from {}", self.counter.words(before.number)));
        format!("{}: the counter went{before} to {}", self.topic, self.counter.words(now.number))
    }

    /// Hold an entry about what was seen.
    fn note(
        &mut self,
        seen: Seen,
        gap: Option<(u64, u64)>,
        words: String,
        (before, now): (Option<Numbered>, Numbered),
        endpoint: Option<String>,
        clock: SessionClock,
    ) {
        let (kind, lost, words) = match seen {
            Seen::First | Seen::Next => return,
            Seen::Gap { .. } => (Kind::CounterGap, gap.map(|(lost, _)| lost), words),
            Seen::Late { gap } => match self.take_back(gap) {
                true => (Kind::CounterReorder, Some(0), words),
                false => (Kind::CounterReorder, Some(0), format!("{words}; it is in the ledger as lost")),
            },
            Seen::Repeat => (Kind::CounterRepeat, Some(0), words),
            Seen::Restart => (Kind::CounterRestart, Some(0), format!("{words}; the link had broken")),
            Seen::Jump => (Kind::CounterJump, None, format!("{words}; it is not known how many are missing")),
        };
        if kind == Kind::CounterGap && lost == Some(0) {
            return;
        }
        let since = |ns: i64| ns.saturating_sub(clock.origin_ns).max(0);
        let before = before.unwrap_or(now);
        let event = Event {
            endpoint,
            until_elapsed_ns: Some(since(now.monotonic_ns)),
            detail: Some(words),
            ..Event::at(before.unix_ns, since(before.monotonic_ns), kind, lost)
        };
        self.hold(Held { event, until_ns: now.monotonic_ns, gaps: gap.map(|(_, gap)| (gap, gap)), merged: 0 });
    }

    /// Hold an entry, as one with another where there are very many.
    fn hold(&mut self, held: Held) {
        let is_same = |other: &&mut Held| other.event.kind == held.event.kind;
        if self.told >= TOLD_ONE_BY_ONE
            && let Some(other) = self.held.iter_mut().rfind(is_same)
        {
            other.merge(held);
            return;
        }
        self.told += 1;
        self.held.push(held);
    }

    /// A message of a gap came late. Says whether the gap is not in the ledger yet.
    fn take_back(&mut self, gap: u64) -> bool {
        let is_it = |held: &&mut Held| held.gaps.is_some_and(|(first, last)| (first..=last).contains(&gap));
        let Some(held) = self.held.iter_mut().find(is_it) else { return false };
        held.event.lost = held.event.lost.map(|lost| lost.saturating_sub(1));
        self.held.retain(|held| held.event.kind != Kind::CounterGap || held.event.lost != Some(0));
        true
    }
}

impl Held {
    fn merge(&mut self, next: Self) {
        let sum = |(a, b): (u64, u64)| a.saturating_add(b);
        self.event.lost = self.event.lost.zip(next.event.lost).map(sum);
        self.event.until_elapsed_ns = next.event.until_elapsed_ns;
        // It stays as old as its first one, so that it becomes due.
        self.gaps = self.gaps.zip(next.gaps).map(|((first, _), (_, last))| (first, last));
        self.merged += 1;
    }

    /// The entry, which says how many it stands for.
    fn told(self) -> Event {
        let Self { mut event, merged, .. } = self;
        if merged > 0 {
            event.detail = event.detail.map(|detail| format!("{detail}; and {merged} more like it"));
        }
        event
    }
}

#[cfg(test)]
mod tests;
