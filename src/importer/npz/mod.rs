//! Arrays for numpy, as an export writes them: a session is put together again out of the arrays of its streams, message by
//! message in the order of their numbers.

mod array;
mod directory;
mod rows;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::fs::File;
use std::io::BufRead;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::codec::framing::Framing;
use crate::codec::layout::{Layout, Part};
use crate::codec::npy::BYTES;
use crate::importer::input::Input;
use crate::importer::intake::{Arrival, ENDPOINTS_MAX, Ended, Intake, READINGS_MAX_BYTES, Reading};
use crate::importer::{Read, Refused};
use crate::store;

use array::Array;
use directory::Entry;
use rows::{Frames, Rows, Stamp};

pub(super) use directory::MAGIC;

/// The array that says what the others are: JSON.
const ABOUT: &str = "fancyhwd";

/// What it may say: of the session, of its ledger and of 65,536 streams.
const ABOUT_MAX_BYTES: u64 = 256 << 20;

/// What is read ahead of all arrays, divided among them.
const HELD_BYTES: usize = 32 << 20;

/// Of one of them at most, and at least.
const HELD_EACH_BYTES: (usize, usize) = (1 << 10, 256 << 10);

/// What to try when a file is of somebody else.
const OURS: &str = "`session export --format npz` writes what can be imported";

/// What the file says.
#[derive(Deserialize)]
struct About<'a> {
    #[serde(borrow)]
    session: Session<'a>,
    #[serde(borrow)]
    streams: Vec<Said<'a>>,
}

/// What it says of the session.
#[derive(Deserialize)]
struct Session<'a> {
    started_unix_ns: i64,
    ended_unix_ns: Option<i64>,
    topics: Vec<String>,
    #[serde(borrow)]
    framing: Text<'a>,
    host: String,
    boot_id: String,
    endpoints: BTreeMap<u32, String>,
}

/// What it says of a stream.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    array: Text<'a>,
    endpoint: u32,
    #[serde(borrow)]
    framing: Text<'a>,
    #[serde(borrow)]
    topic_hex: Text<'a>,
    #[serde(borrow)]
    layout: Text<'a>,
    assumed: bool,
    #[serde(borrow)]
    sample_rate_hz: Option<&'a RawValue>,
    #[serde(borrow)]
    counter: Option<Text<'a>>,
    #[serde(borrow)]
    channels: Vec<Channel<'a>>,
    messages: u64,
}

/// What it says of a channel.
#[derive(Deserialize)]
struct Channel<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    unit: Option<Text<'a>>,
    #[serde(borrow)]
    scale: &'a RawValue,
    #[serde(borrow)]
    offset: &'a RawValue,
}

/// A text that is copied only where it has escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] std::borrow::Cow<'a, str>);

/// A stream of the file.
struct Stream {
    endpoint: u32,
    framing: Framing,
    topic: Vec<u8>,
    reading: Reading,
}

/// Messages of a stream that are read one behind the other, the next of which has this stamp.
struct Queue<'f> {
    stream: usize,
    next: Stamp,
    rows: Rows<'f>,
}

/// Read a file of so many bytes.
pub(super) fn read(mut input: Input, file_bytes: u64, intake: &mut Intake<'_>) -> Read<Ended> {
    // Arrays stand one behind the other, and are read beside each other: the digest is made before.
    loop {
        let count = input.fill_buf()?.len();
        if count == 0 {
            break;
        }
        input.consume(count);
        intake.at(input.passed() / 2)?;
    }
    let file = input.file();
    let mut arrays = Arrays { file, file_bytes, entries: directory::read(file, file_bytes)?, held_bytes: 1 };
    let about = arrays.about()?;
    let about: About<'_> = serde_json::from_slice(&about)
        .map_err(|cause| Refused::File(format!("its array {ABOUT} does not say what the others are: {cause}"), OURS))?;
    let ended = about.session.ended(input.digest());
    let (least, most) = HELD_EACH_BYTES;
    arrays.held_bytes = HELD_BYTES.checked_div(arrays.entries.len()).unwrap_or(most).clamp(least, most);
    let (mut streams, mut queues, mut readings_bytes) = (Vec::new(), Vec::new(), 0);
    for said in &about.streams {
        let stream = Stream::of(said)?;
        let messages = arrays.queues(&said.array.0, &stream, streams.len(), &mut queues)?;
        if messages != said.messages {
            let name = said.array.0.escape_debug();
            let cause = format!("stream {name} has {} messages, and {messages} are in its arrays", said.messages);
            return Err(Refused::damaged(cause));
        }
        readings_bytes += stream.reading.bytes();
        if readings_bytes > READINGS_MAX_BYTES {
            return Err(Refused::damaged("its streams say more than can be remembered"));
        }
        streams.push(stream);
    }
    if !arrays.entries.is_empty() {
        tracing::warn!("{} of its arrays are of no stream, and are not imported", arrays.entries.len());
    }
    drop(about);
    merge(&streams, queues, file_bytes, intake)?;
    Ok(ended)
}

/// Give all messages in the order of their numbers.
fn merge(streams: &[Stream], queues: Vec<Queue<'_>>, file_bytes: u64, intake: &mut Intake<'_>) -> Read<()> {
    let mut places: BinaryHeap<_> =
        queues.iter().enumerate().map(|(place, queue)| Reverse((queue.next.number, place))).collect();
    let mut queues: Vec<_> = queues.into_iter().map(Some).collect();
    let (mut frames, mut last, mut read_bytes) = (Frames::default(), None, file_bytes / 2);
    while let Some(Reverse((number, place))) = places.pop() {
        if last.replace(number).is_some_and(|last| last >= number) {
            return Err(Refused::damaged(format!("message {number} is in it twice, or behind a later one")));
        }
        let Some(slot) = queues.get_mut(place) else { continue };
        let Some(queue) = slot else { continue };
        let Some(stream) = streams.get(queue.stream) else { continue };
        let Stamp { unix_ns, elapsed_ns, .. } = queue.next;
        queue.rows.frames(stream.framing, &stream.topic, &mut frames)?;
        let arrival = Arrival { endpoint: stream.endpoint, framing: stream.framing, unix_ns, elapsed_ns };
        intake.take(arrival, frames.iter(), &stream.reading)?;
        read_bytes += frames.bytes.len() as u64 / 2;
        intake.at(read_bytes.min(file_bytes))?;
        match queue.rows.next()? {
            Some(next) => {
                queue.next = next;
                places.push(Reverse((next.number, place)));
            }
            None => slot.take().map_or(Ok(()), |queue| queue.rows.end())?,
        }
    }
    Ok(())
}

/// The arrays of a file that nobody has asked for yet.
struct Arrays<'f> {
    file: &'f File,
    file_bytes: u64,
    entries: HashMap<String, Entry>,
    /// So much is read ahead of each.
    held_bytes: usize,
}

impl<'f> Arrays<'f> {
    /// The array of this name, if there is one.
    fn open(&mut self, name: String) -> Read<Option<Array<'f>>> {
        let Some(entry) = self.entries.remove(&format!("{name}.npy")) else { return Ok(None) };
        Array::open(self.file, self.file_bytes, name, &entry, self.held_bytes).map(Some)
    }

    /// What the file says of itself.
    fn about(&mut self) -> Read<Vec<u8>> {
        let Some(mut array) = self.open(ABOUT.to_owned())? else {
            let cause = format!("there is no array {ABOUT} in it, which says what the others are");
            return Err(Refused::File(cause, OURS));
        };
        array.expect(BYTES, "bytes")?;
        if array.left() > ABOUT_MAX_BYTES {
            return Err(array.damaged(format!("is larger than {ABOUT_MAX_BYTES} bytes")));
        }
        let mut about = Vec::new();
        array.append(array.left(), &mut about)?;
        array.end()?;
        Ok(about)
    }

    /// Append the messages of a stream, which are in these arrays. Gives how many these are.
    fn queues(&mut self, name: &str, stream: &Stream, place: usize, queues: &mut Vec<Queue<'f>>) -> Read<u64> {
        let mut messages = 0_u64;
        let mut push = |mut rows: Rows<'f>| {
            messages = messages.saturating_add(rows.left());
            match rows.next()? {
                Some(next) => {
                    queues.push(Queue { stream: place, next, rows });
                    Ok(())
                }
                None => rows.end(),
            }
        };
        if let Some(array) = self.open(name.to_owned())? {
            let layout = stream.reading.layout.as_ref();
            let Some([Part::Numbers(numbers)]) = layout.map(Layout::parts) else {
                return Err(array.damaged("has numbers, and its stream has none"));
            };
            let records = self.open(format!("{name}.records"))?;
            let layout = layout.map(ToString::to_string).unwrap_or_default();
            push(Rows::of_numbers(array, records, numbers, &layout)?)?;
        }
        if let Some(stamps) = self.open(format!("{name}.messages"))? {
            let mut beside = |what: &str| {
                let array = self.open(format!("{name}.{what}"))?;
                array.ok_or_else(|| stamps.damaged(format!("stands without its {what}")))
            };
            let (lengths, bytes) = (beside("frames")?, beside("bytes")?);
            push(Rows::of_frames(stamps, lengths, bytes)?)?;
        }
        Ok(messages)
    }
}

impl Stream {
    fn of(said: &Said<'_>) -> Read<Self> {
        let name = said.array.0.escape_debug();
        let unknown = |what: &str| Refused::damaged(format!("array {ABOUT}: the {what} of stream {name} is none"));
        let framing = Framing::named(&said.framing.0).ok_or_else(|| unknown("framing"))?;
        let topic = match framing {
            Framing::Whole => Vec::new(),
            _ => bytes_of(&said.topic_hex.0).ok_or_else(|| unknown("topic_hex"))?,
        };
        let layout = said.layout.0.parse().map_err(|_| unknown("layout"))?;
        let rate_hz = said.sample_rate_hz.and_then(|text| text.get().parse().ok());
        let channels: Vec<String> = said.channels.iter().map(Channel::text).collect();
        let reading = Reading {
            layout: Some(layout),
            is_assumed: said.assumed,
            channels: channels.join(",").parse().ok(),
            sample_rate_hz: rate_hz.filter(|rate_hz: &f64| rate_hz.is_finite() && *rate_hz > 0.0),
            counter: said.counter.as_ref().and_then(|text| text.0.parse().ok()),
        };
        Ok(Self { endpoint: said.endpoint, framing, topic, reading })
    }
}

impl Channel<'_> {
    /// As it is typed.
    fn text(&self) -> String {
        let unit = self.unit.as_ref().map_or("", |unit| &*unit.0);
        format!("{}:{unit}:{}:{}", self.name.0, self.scale.get(), self.offset.get())
    }
}

/// The bytes that stand in hexadecimal.
fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    pairs.iter().map(|&[high, low]| Some((digit(high)? << 4 | digit(low)?) as u8)).collect()
}

impl Session<'_> {
    /// What is known of the session at its end.
    fn ended(&self, digest: String) -> Ended {
        let endpoints = self.endpoints.iter().filter(|(number, _)| (1..=ENDPOINTS_MAX).contains(*number));
        Ended {
            origin: store::Origin {
                started_unix_ns: self.started_unix_ns,
                ended_unix_ns: self.ended_unix_ns.unwrap_or_default(),
                host: self.host.clone(),
                boot_id: self.boot_id.clone(),
                framing: Framing::named(&self.framing.0),
                topics: self.topics.clone(),
                ..store::Origin::default()
            },
            endpoints: endpoints.map(|(&number, text)| (number, text.clone())).collect(),
            digest,
            is_changed: false,
        }
    }
}
