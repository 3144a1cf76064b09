//! Which stream a message belongs to, and whether it can be read as that stream is.

use std::collections::{BTreeMap, HashMap};

use crate::codec::channels::Channels;
use crate::codec::counter::Counter;
use crate::codec::framing::{Framed, Framing, Guess, SEPARATOR, TOPICS_MAX, framed};
use crate::codec::layout::Layout;
use crate::codec::stream::{Stream, after_topic, assume};
use crate::codec::topic::{Wanted, shown, trimmed};
use crate::message::{Batch, Message};

/// What somebody said about the streams of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The topics that were asked for.
    pub wanted: Wanted,
    /// Where the topics are; `None` is to be guessed.
    pub framing: Option<Framing>,
    /// How a stream is read, ...
    pub layouts: Vec<About<Layout>>,
    /// ... what its numbers measure, ...
    pub channels: Vec<About<Channels>>,
    /// ... how many records of a message come in a second, ...
    pub sample_rates_hz: Vec<About<f64>>,
    /// ... and where the device's own sequence number is.
    pub counters: Vec<About<Counter>>,
}

/// What was said about the streams of one topic, or about all.
#[derive(Clone, Debug, PartialEq)]
pub struct About<T> {
    /// The topic without a final NUL; `None` is every one.
    pub topic: Option<Vec<u8>>,
    /// What was said.
    pub what: T,
}

/// What was said last about a topic; what was said about it by its name comes first.
pub fn about<'a, T>(said: &'a [About<T>], topic: &[u8]) -> Option<&'a T> {
    let by_name = said.iter().rfind(|about| about.topic.as_deref() == Some(trimmed(topic)));
    by_name.or_else(|| said.iter().rfind(|about| about.topic.is_none())).map(|about| &about.what)
}

/// The streams of a session, of which more are found as messages come.
#[derive(Clone, Debug)]
pub struct Streams {
    told: Told,
    all: Vec<Stream>,
    /// By their numbers.
    endpoints: BTreeMap<u32, Endpoint>,
}

/// What an endpoint has sent so far.
#[derive(Clone, Debug, Default)]
struct Endpoint {
    guess: Guess,
    topics: usize,
    /// The streams, by framing and topic.
    places: HashMap<Framing, HashMap<Vec<u8>, usize>>,
    /// The stream of its last message, to which the next one most likely belongs.
    last: Option<usize>,
}

/// Where the messages of a batch belong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sorted {
    /// Of each message the place of its stream in [`Streams::all`].
    pub streams: Vec<usize>,
    /// The messages that their stream cannot read, by their place in the batch, and why.
    pub faults: Vec<(usize, String)>,
}

impl Streams {
    /// None yet.
    pub fn new(told: Told) -> Self {
        Self { told, all: Vec::new(), endpoints: BTreeMap::new() }
    }

    /// These are known already.
    pub fn resume(told: Told, all: Vec<Stream>) -> Self {
        let mut endpoints: BTreeMap<u32, Endpoint> = BTreeMap::new();
        for (place, stream) in all.iter().enumerate() {
            endpoints.entry(stream.endpoint).or_default().insert(stream.framed(), place);
        }
        Self { told, all, endpoints }
    }

    /// Forget them: a new session begins.
    pub fn restart(&mut self) {
        self.all.clear();
        self.endpoints.clear();
    }

    /// All so far, in the order in which they came.
    pub fn all(&self) -> &[Stream] {
        &self.all
    }

    /// Find the streams of all messages of a batch.
    pub fn sort(&mut self, batch: &Batch) -> Sorted {
        let mut sorted = Sorted { streams: Vec::with_capacity(batch.len()), faults: Vec::new() };
        for (place, message) in batch.messages().enumerate() {
            let of = self.of(message);
            sorted.streams.push(of);
            if let Some(stream) = self.all.get(of)
                && let Err(why) = stream.check(message.frames())
            {
                sorted.faults.push((place, why.to_string()));
            }
        }
        sorted
    }

    /// The place in [`Streams::all`] of the stream of a message.
    pub fn of(&mut self, message: Message<'_>) -> usize {
        let Self { told, all, endpoints } = self;
        let (number, frame_count) = (message.origin.0, message.frame_count as usize);
        let endpoint = endpoints.entry(number).or_default();
        let first = message.frames().next().unwrap_or_default();
        if let Some(last) = endpoint.last
            && let Some(stream) = all.get(last)
            && has_topic_of(stream, first, frame_count)
        {
            endpoint.guess.saw_topic(frame_count);
            return last;
        }
        let places = &endpoint.places;
        let place = |found: Framed<'_>| places.get(&found.framing)?.get(found.topic).copied();
        let found = match (told.wanted.find(told.framing, first, frame_count), told.framing) {
            (Some(named), _) => named,
            (None, Some(framing)) => framed(framing, first, frame_count),
            (None, None) => endpoint.guess.next(first, frame_count, |found| place(found).is_some()),
        };
        let is_one_too_many = endpoint.topics >= TOPICS_MAX && place(found).is_none();
        let found = if is_one_too_many { Framed::WHOLE } else { found };
        let place = place(found).unwrap_or_else(|| {
            endpoint.topics += usize::from(found.framing != Framing::Whole);
            endpoint.insert(found, all.len());
            all.push(told.stream(number, found, message));
            all.len() - 1
        });
        endpoint.last = Some(place);
        place
    }
}

impl Endpoint {
    fn insert(&mut self, found: Framed<'_>, place: usize) {
        self.places.entry(found.framing).or_default().insert(found.topic.to_vec(), place);
    }
}

/// Whether a message has the topic of a stream, in the same place.
fn has_topic_of(stream: &Stream, first: &[u8], frame_count: usize) -> bool {
    match (stream.framing, frame_count) {
        (Framing::Space, 1) => {
            first.strip_prefix(stream.topic.as_slice()).is_some_and(|rest| rest.first() == Some(&SEPARATOR))
        }
        (Framing::Frames, 2..) => first == stream.topic,
        _ => false,
    }
}

impl Told {
    /// A new stream, with its first message.
    fn stream(&self, endpoint: u32, found: Framed<'_>, first: Message<'_>) -> Stream {
        let topic = found.topic;
        let layout = about(&self.layouts, topic);
        let is_asked_for = self.wanted.find(self.framing, topic, 2).is_some();
        let assumed = || assume(topic, is_asked_for, after_topic(found, first.frames()));
        let is_assumed = layout.is_none();
        let layout = layout.cloned().unwrap_or_else(assumed);
        let channels = about(&self.channels, topic).filter(|channels| match channels.fit(&layout) {
            Ok(()) => true,
            Err(cause) => {
                tracing::warn!("topic {}: its channels have no names, because {cause}", shown(topic));
                false
            }
        });
        Stream {
            endpoint,
            framing: found.framing,
            topic: topic.to_vec(),
            is_assumed,
            channels: channels.cloned(),
            layout,
            sample_rate_hz: about(&self.sample_rates_hz, topic).copied(),
            counter: about(&self.counters, topic).cloned(),
        }
    }
}
