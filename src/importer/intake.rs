//! Messages of a file into the batches and streams of a session.

use std::collections::{BTreeMap, HashMap};

use crate::codec::channels::Channels;
use crate::codec::counter::Counter;
use crate::codec::framing::{Framed, Framing, TOPICS_MAX, framed};
use crate::codec::layout::{Layout, Placed};
use crate::codec::stream::{Stream, after_topic, assume};
use crate::importer::gathering::Gathering;
use crate::importer::{Imported, Read, Refused, Watch};
use crate::message::{FRAME_COST_BYTES, MESSAGE_MAX_BYTES, Origin};
use crate::store::{self, Recording};

/// Endpoints of a session: more are not given on a command line.
pub(super) const ENDPOINTS_MAX: u32 = 10_000;

/// How all streams of a file are read, in memory. A few words say that a message has 65,536 numbers.
pub(super) const READINGS_MAX_BYTES: usize = 256 << 20;

/// What a channel takes: its name, unit, scale and offset.
const CHANNEL_BYTES: usize = 128;

/// A stop is looked for after so many messages.
const LOOK_MESSAGES: u64 = 1024;

/// Where and when a message arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub endpoint: u32,
    pub framing: Framing,
    pub unix_ns: i64,
    pub elapsed_ns: i64,
}

/// How the messages of a stream are read.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// `None` is to be seen from the first of them.
    pub layout: Option<Layout>,
    pub is_assumed: bool,
    pub channels: Option<Channels>,
    pub sample_rate_hz: Option<f64>,
    pub counter: Option<Counter>,
}

impl Reading {
    /// How much memory it takes.
    pub fn bytes(&self) -> usize {
        let numbers = self.layout.as_ref().map_or(0, Layout::number_count);
        let channels = self.channels.as_ref().map_or(0, |channels| channels.iter().len());
        size_of::<Self>() + numbers * size_of::<Placed>() + channels * CHANNEL_BYTES
    }
}

/// What is known at the end of a file.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// What it says of the session, without endpoints and note.
    pub origin: store::Origin,
    /// The endpoints by their numbers, as far as it names them.
    pub endpoints: BTreeMap<u32, String>,
    /// The digest of the file.
    pub digest: String,
    /// Whether its messages are not those that it was made of.
    pub is_changed: bool,
}

/// Streams by endpoint and framing, and then by topic.
type Places = HashMap<(u32, Framing), HashMap<Vec<u8>, usize>>;

/// Takes the messages of a file.
pub(super) struct Intake<'a> {
    gathering: Gathering<'a>,
    watch: &'a Watch<'a>,
    readings_bytes: usize,
    places: Places,
    last_place: Option<usize>,
    /// Bytes of the file that are read.
    passed: u64,
    last_unix_ns: i64,
    last_elapsed_ns: i64,
    last_endpoint: u32,
}

impl<'a> Intake<'a> {
    pub fn new(recording: &'a mut Recording, watch: &'a Watch<'a>) -> Self {
        Self {
            gathering: Gathering::new(recording),
            watch,
            readings_bytes: 0,
            places: Places::new(),
            last_place: None,
            passed: 0,
            last_unix_ns: 0,
            last_elapsed_ns: 0,
            last_endpoint: 0,
        }
    }

    /// How many messages were taken.
    pub fn messages(&self) -> u64 {
        self.gathering.messages()
    }

    /// So many bytes of the file are read.
    pub fn at(&mut self, passed: u64) -> Read<()> {
        self.passed = passed;
        Ok(self.watch.at(passed)?)
    }

    /// Take a message.
    pub fn take<'f>(
        &mut self,
        arrival: Arrival,
        frames: impl Iterator<Item = &'f [u8]> + Clone,
        reading: &Reading,
    ) -> Read<()> {
        let Arrival { endpoint, framing, unix_ns, .. } = arrival;
        let number = self.messages();
        if !(1..=ENDPOINTS_MAX).contains(&endpoint) {
            let cause = format!("message {number} is from endpoint {endpoint}, and there are at most {ENDPOINTS_MAX}");
            return Err(Refused::damaged(cause));
        }
        let (mut bytes, mut frame_count) = (0, 0);
        for frame in frames.clone() {
            frame_count += 1;
            bytes += frame.len() + FRAME_COST_BYTES;
        }
        if bytes > MESSAGE_MAX_BYTES {
            let cause = format!("message {number} is larger than {MESSAGE_MAX_BYTES} bytes");
            return Err(Refused::File(cause, "it cannot be stored"));
        }
        // Times of a session never go back: what comes late came when the one before it did.
        self.last_elapsed_ns = self.last_elapsed_ns.max(arrival.elapsed_ns);
        self.last_unix_ns = unix_ns;
        self.last_endpoint = self.last_endpoint.max(endpoint);
        let mut entry = self.gathering.message(Origin(endpoint), unix_ns, self.last_elapsed_ns);
        frames.clone().for_each(|frame| entry.frame(&[frame]));
        let found = framed(framing, frames.clone().next().unwrap_or_default(), frame_count);
        let place = self.place(endpoint, found, frames.clone(), reading)?;
        self.gathering.place(place, frames)?;
        if self.messages().is_multiple_of(LOOK_MESSAGES) { self.at(self.passed) } else { Ok(()) }
    }

    /// The place of the stream of a message.
    fn place<'f>(
        &mut self,
        endpoint: u32,
        found: Framed<'_>,
        frames: impl Iterator<Item = &'f [u8]> + Clone,
        reading: &Reading,
    ) -> Read<usize> {
        let is_it = |stream: &Stream| stream.endpoint == endpoint && stream.framed() == found;
        if let Some(place) = self.last_place
            && self.gathering.streams().get(place).is_some_and(is_it)
        {
            return Ok(place);
        }
        let known = |places: &Places, of: Framed<'_>| places.get(&(endpoint, of.framing))?.get(of.topic).copied();
        let is_one_too_many = self.gathering.streams().len() >= TOPICS_MAX && known(&self.places, found).is_none();
        let found = if is_one_too_many { Framed::WHOLE } else { found };
        let place = match known(&self.places, found) {
            Some(place) => place,
            None => self.open(endpoint, found, frames, reading)?,
        };
        self.last_place = Some(place);
        Ok(place)
    }

    /// Begin a stream. Gives its place.
    fn open<'f>(
        &mut self,
        endpoint: u32,
        found: Framed<'_>,
        frames: impl Iterator<Item = &'f [u8]> + Clone,
        reading: &Reading,
    ) -> Read<usize> {
        self.readings_bytes += reading.bytes();
        if self.readings_bytes > READINGS_MAX_BYTES {
            return Err(Refused::damaged("its streams say more than can be remembered"));
        }
        let assumed = || assume(found.topic, false, after_topic(found, frames));
        let layout = reading.layout.clone().unwrap_or_else(assumed);
        let place = self.gathering.add(Stream {
            endpoint,
            framing: found.framing,
            topic: found.topic.to_vec(),
            is_assumed: reading.is_assumed || reading.layout.is_none(),
            channels: reading.channels.clone().filter(|channels| channels.fit(&layout).is_ok()),
            layout,
            sample_rate_hz: reading.sample_rate_hz,
            counter: reading.counter.clone(),
        });
        self.places.entry((endpoint, found.framing)).or_default().insert(found.topic.to_vec(), place);
        Ok(place)
    }

    /// All of the file is read.
    pub fn finish(self, file: &str, ended: Ended) -> Read<Imported> {
        let Ended { mut origin, mut endpoints, digest, is_changed } = ended;
        let messages = self.messages();
        if messages == 0 {
            return Err(Refused::File("there is no message in it".to_owned(), "choose another one"));
        }
        let named = endpoints.range(..=ENDPOINTS_MAX).next_back().map_or(0, |(&number, _)| number);
        let name = |number: u32| endpoints.remove(&number).unwrap_or_else(|| format!("endpoint {number} of {file}"));
        origin.endpoints = (1..=named.max(self.last_endpoint)).map(name).collect();
        origin.note = format!("imported from {file}, BLAKE3 {digest}");
        if origin.ended_unix_ns == 0 {
            origin.ended_unix_ns = self.last_unix_ns;
        }
        if origin.topics.is_empty() {
            origin.topics.push("*".to_owned());
        }
        self.gathering.finish()?.set_origin(&origin)?;
        Ok(Imported { messages, is_changed })
    }
}
