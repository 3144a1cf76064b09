//! Where the condition of a trigger holds.

use crate::codec::condition::{Bound, Condition};
use crate::codec::stream::Stream;
use crate::codec::topic::shown;
use crate::observe::event::{Event, Kind};
use crate::recorder::Arrivals;
use crate::recorder::trigger::spans::Windows;
use crate::streams::{Streams, Told};
use crate::summary::text;
use crate::time::clock::{NS_PER_S, SessionClock};

/// Places of which one batch tells one by one.
const PLACES_MAX: usize = 100;

/// So long after the first message, the stream that the condition is about should have come.
const UNBOUND_NS: i64 = 10 * NS_PER_S;

/// Looks for the places.
#[derive(Debug)]
pub(super) struct Looking {
    condition: Condition,
    streams: Streams,
    looks: Vec<Look>,
    first_ns: Option<i64>,
    /// Whether it was said what the condition is about.
    is_said: bool,
}

/// What is known of a stream.
#[derive(Debug)]
struct Look {
    /// The condition, if it is about this stream.
    bound: Option<Bound>,
    /// Whether it held in its last message.
    held: bool,
}

impl Looking {
    /// Look for it in streams of which this was told.
    pub fn new(condition: Condition, told: Told) -> Self {
        Self { condition, streams: Streams::new(told), looks: Vec::new(), first_ns: None, is_said: false }
    }

    /// Open a window around each place in what came, and put each beginning into the ledger. Gives when the first window begins
    /// that was opened.
    pub fn at(&mut self, arrivals: &mut Arrivals, clock: SessionClock, windows: &mut Windows) -> Option<i64> {
        let mut from_ns = None;
        let (mut told, mut more) = (0, 0_u64);
        for message in arrivals.batch.messages() {
            let at_ns = clock.origin_ns.saturating_add(message.elapsed_ns);
            self.warn_if_unbound(at_ns);
            let of = self.streams.of(message);
            let Some((stream, look)) = look(&self.condition, &self.streams, &mut self.looks, of) else { continue };
            let Some(bound) = &mut look.bound else { continue };
            let holds = bound.holds(at_ns, message.frames());
            let held = std::mem::replace(&mut look.held, holds);
            if !holds {
                continue;
            }
            let opened_ns = windows.open_around(at_ns);
            from_ns = from_ns.or(Some(opened_ns));
            if held {
                continue;
            }
            if told == PLACES_MAX {
                more += 1;
                continue;
            }
            told += 1;
            let why = bound.why(message.frames()).map_or(String::new(), |why| text::why(&why));
            let detail = format!("{}: {why}", shown(&stream.topic));
            arrivals.events.push(Event {
                detail: Some(detail),
                ..Event::at(message.unix_ns, message.elapsed_ns, Kind::Trigger, Some(0))
            });
        }
        if let Some(last) = arrivals.batch.last().filter(|_| more > 0) {
            let detail = format!("and at {more} more places up to here");
            let event = Event::at(last.unix_ns, last.elapsed_ns, Kind::Trigger, Some(0));
            arrivals.events.push(Event { detail: Some(detail), ..event });
        }
        from_ns
    }

    /// No more comes.
    pub fn finish(&mut self) {
        self.warn_if_unbound(i64::MAX);
    }

    /// Say once what the condition is not about.
    fn warn_if_unbound(&mut self, at_ns: i64) {
        let first_ns = *self.first_ns.get_or_insert(at_ns);
        if self.is_said || at_ns.saturating_sub(first_ns) < UNBOUND_NS {
            return;
        }
        self.is_said = true;
        if let Err(cause) = self.condition.bind_all(self.streams.all().iter().map(|stream| ((), stream))) {
            let what = match self.looks.iter().any(|look| look.bound.is_some()) {
                true => "each of them triggers",
                false => "nothing is kept",
            };
            tracing::warn!("--trigger '{}': {cause}; as long as that is so, {what}", self.condition);
        }
    }
}

/// The stream at this place, and what is known of it.
fn look<'a>(
    condition: &Condition,
    streams: &'a Streams,
    looks: &'a mut Vec<Look>,
    of: usize,
) -> Option<(&'a Stream, &'a mut Look)> {
    let news = streams.all().iter().skip(looks.len());
    let news: Vec<Look> = news.map(|stream| Look { bound: condition.bind(stream), held: false }).collect();
    looks.extend(news);
    streams.all().get(of).zip(looks.get_mut(of))
}
