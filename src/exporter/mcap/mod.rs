//! An MCAP file: a channel for each stream, with JSON and its schema, or with the bytes that came.
//!
//! `log_time` is the wall clock at the arrival, `publish_time` when the session began and the monotonic clock since then: a
//! step of the wall clock is between the two. `sequence` is the number in the session.
//!
//! What is no JSON is on a channel of its own. Its metadata says in `data` what the bytes of a message are: a `frame` or
//! the `frames` as they came, a `payload` or the `payloads` behind the topic. Before each of several, or of none, stands
//! its length in 4 bytes, little-endian.

mod lane;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

use mcap::records::{MessageHeader, Metadata};
use mcap::{Attachment, Compression, McapError, WriteOptions};
use serde_json::{Map, Value, json};

use crate::codec::framing::Framing;
use crate::codec::layout::Part;
use crate::codec::stream::Stream;
use crate::codec::topic::printable;
use crate::escape::{self, json};
use crate::exporter::columns::{Cell, Column, Columns, Kind, Style};
use crate::exporter::mcap::lane::Lane;
use crate::exporter::{BUFFER_BYTES, Encoder, Packet, Scope, Sink, content};
use crate::message::Digest;
use crate::store::{Largest, Ledger, Session};

/// A chunk ends when it holds this much: a reader decompresses a whole one for any message in it.
const CHUNK_BYTES: u64 = 4 << 20;

/// How hard it is compressed: more takes longer, and makes JSON of numbers hardly smaller.
const ZSTD_LEVEL: u32 = 1;

/// The encoding of messages that are as they came.
const UNTOUCHED: &str = "fancyhwd";

/// The attachment with the digest of all messages as they came: that which one commit of them would have.
const DIGEST: &str = "fancyhwd.digest";

/// What is known before the first message.
pub(super) struct About<'a> {
    pub session: &'a Session,
    pub endpoints: BTreeMap<u32, String>,
    pub ledger: Ledger,
    pub scope: &'a Scope,
    pub is_untouched: bool,
}

pub(super) struct Mcap {
    lane: Lane,
    started_unix_ns: i64,
    endpoints: BTreeMap<u32, String>,
    is_untouched: bool,
    /// Of all messages as they came, once they all did.
    digest: Option<Digest>,
    streams: BTreeMap<i64, Channels>,
    data: Vec<u8>,
    /// The text of each column of the message, and how many values are in it.
    cells: Vec<(Vec<u8>, usize)>,
}

/// The channels of a stream, each from its first message on.
struct Channels {
    /// What JSON is made of; `None` where messages are bytes.
    columns: Option<Columns>,
    /// The name of each column as JSON, with what follows it.
    keys: Vec<Vec<u8>>,
    json: Option<u16>,
    /// Of messages that are one piece of bytes, ...
    one: Option<u16>,
    /// ... and of the others.
    several: Option<u16>,
}

impl Mcap {
    pub fn new(sink: Sink<'_>, about: About<'_>) -> io::Result<Self> {
        let About { session, endpoints, ledger, scope, is_untouched } = about;
        let Sink::File(file) = sink else { return Err(io::ErrorKind::NotSeekable.into()) };
        // Compressed in the thread that writes.
        let options = WriteOptions::new()
            .compression(Some(Compression::Zstd))
            .compression_threads(0)
            .compression_level(ZSTD_LEVEL)
            .chunk_size(Some(CHUNK_BYTES))
            .library(concat!("fancyhwd ", env!("CARGO_PKG_VERSION")));
        let mut writer = options.create(BufWriter::with_capacity(BUFFER_BYTES, Sink::File(file))).map_err(io_error)?;
        for (name, metadata) in [("session", of_session(session, &endpoints)), ("ledger", of_ledger(&ledger))] {
            writer.write_metadata(&Metadata { name: format!("fancyhwd.{name}"), metadata }).map_err(io_error)?;
        }
        let channels = |stream: &Stream, largest: Option<&Largest>| {
            let is_bytes = is_untouched || stream.layout.parts() == [Part::Bytes];
            let columns = (!is_bytes).then(|| Columns::of(stream, largest.copied(), Style::default()));
            let keys = columns.iter().flat_map(Columns::iter).map(key).collect();
            Channels { columns, keys, json: None, one: None, several: None }
        };
        let streams =
            scope.streams.iter().map(|(&id, stream)| (id, channels(stream, scope.largest.get(&id)))).collect();
        let (data, cells) = (Vec::new(), Vec::new());
        let started_unix_ns = session.started_unix_ns;
        let lane = Lane::new(writer)?;
        Ok(Self { lane, started_unix_ns, endpoints, is_untouched, digest: None, streams, data, cells })
    }

    /// Make the message JSON, if it can be. Says whether it is.
    fn fill_json(&mut self, packet: &Packet<'_>) -> bool {
        let Self { streams, data, cells, .. } = self;
        let Some(Channels { columns: Some(columns), keys, .. }) = streams.get(&packet.stream_id) else { return false };
        cells.resize(columns.iter().count().max(cells.len()), (Vec::new(), 0));
        for (text, count) in &mut *cells {
            text.clear();
            *count = 0;
        }
        let take = |place: usize, cell: Cell<'_>| {
            let Some((text, count)) = cells.get_mut(place) else { return };
            if *count > 0 {
                text.push(b',');
            }
            *count += 1;
            match cell {
                Cell::Number(value) => content::append_number(value, None, text),
                // Writing to a Vec cannot fail.
                Cell::Text(words) => drop(json::append(words, text)),
                Cell::Json(theirs) => json::append_json(theirs, text),
                Cell::Bytes(bytes) => content::append_base64(bytes, text),
            }
        };
        if columns.read(packet, take).is_err() {
            return false;
        }
        data.clear();
        for ((column, key), (text, count)) in columns.iter().zip(keys).zip(&*cells) {
            // One that may be missing and is.
            if *count == 0 && !column.is_list {
                continue;
            }
            data.push(if data.is_empty() { b'{' } else { b',' });
            data.extend_from_slice(key);
            let is_list = column.is_list || *count > 1;
            data.extend_from_slice(if is_list { b"[" } else { b"" });
            data.extend_from_slice(text);
            data.extend_from_slice(if is_list { b"]" } else { b"" });
        }
        data.extend_from_slice(if data.is_empty() { b"{}" } else { b"}" });
        true
    }

    /// Make the message bytes. Says whether it is exactly one piece.
    fn fill_bytes<'b>(&mut self, mut pieces: impl Iterator<Item = &'b [u8]> + Clone) -> bool {
        self.data.clear();
        let mut all = pieces.clone();
        if let (Some(only), None) = (pieces.next(), pieces.next()) {
            self.data.extend_from_slice(only);
            return true;
        }
        // No frame is so long that its length does not fit.
        all.by_ref().for_each(|piece| {
            self.data.extend_from_slice(&(piece.len() as u32).to_le_bytes());
            self.data.extend_from_slice(piece);
        });
        false
    }

    /// The channel of JSON of a stream.
    fn json_channel(&mut self, packet: &Packet<'_>) -> io::Result<u16> {
        let Some(Channels { columns: Some(columns), json, .. }) = self.streams.get_mut(&packet.stream_id) else {
            return Err(io::Error::other("a message has no stream"));
        };
        if let Some(id) = *json {
            return Ok(id);
        }
        let topic = name(packet.stream, &self.endpoints);
        let schema = json::compact(&schema(&topic, columns.iter()));
        let metadata = of_stream(packet.stream, &self.endpoints);
        let id = self.lane.then(move |out| {
            let schema = out.add_schema(&topic, "jsonschema", schema.as_bytes())?;
            out.add_channel(schema, &topic, "json", &metadata)
        })?;
        Ok(*json.insert(id))
    }

    /// The channel of bytes of a stream.
    fn bytes_channel(&mut self, packet: &Packet<'_>, is_one: bool) -> io::Result<u16> {
        let Some(channels) = self.streams.get_mut(&packet.stream_id) else {
            return Err(io::Error::other("a message has no stream"));
        };
        let known = if is_one { &mut channels.one } else { &mut channels.several };
        if let Some(id) = *known {
            return Ok(id);
        }
        let (encoding, data) = match (self.is_untouched, is_one) {
            (true, true) => (UNTOUCHED, "frame"),
            (true, false) => (UNTOUCHED, "frames"),
            (false, true) => ("", "payload"),
            (false, false) => ("", "payloads"),
        };
        let mut metadata = of_stream(packet.stream, &self.endpoints);
        metadata.insert("data".to_owned(), data.to_owned());
        let topic = name(packet.stream, &self.endpoints);
        let id = self.lane.then(move |out| out.add_channel(0, &topic, encoding, &metadata))?;
        Ok(*known.insert(id))
    }
}

impl Encoder for Mcap {
    fn message(&mut self, packet: &Packet<'_>) -> io::Result<bool> {
        let (stream, message) = (packet.stream, packet.message);
        let is_json = self.fill_json(packet);
        let channel_id = match is_json {
            true => self.json_channel(packet)?,
            false => {
                let is_one = match self.is_untouched {
                    true => self.fill_bytes(message.frames()),
                    false => self.fill_bytes(stream.after_topic(message.frames())),
                };
                self.bytes_channel(packet, is_one)?
            }
        };
        let header = MessageHeader {
            channel_id,
            // The lower half of a number that has no end, and the bits of times that no clock shows.
            sequence: packet.number as u32,
            log_time: message.unix_ns as u64,
            publish_time: self.started_unix_ns.wrapping_add(message.elapsed_ns) as u64,
        };
        self.lane.message(header, &mut self.data)?;
        let is_asked = !self.is_untouched && stream.layout.parts() != [Part::Bytes];
        Ok(is_json || !is_asked)
    }

    fn digest(&mut self, digest: Digest) {
        self.digest = Some(digest);
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        let mut out = self.lane.end()?;
        if let Some(digest) = self.digest {
            let attachment = Attachment {
                log_time: self.started_unix_ns as u64,
                create_time: 0,
                name: DIGEST.to_owned(),
                media_type: "text/plain".to_owned(),
                data: escape::hex(&digest).into_bytes().into(),
            };
            out.attach(&attachment).map_err(io_error)?;
        }
        out.finish().map_err(io_error)?;
        out.into_inner().flush()
    }
}

/// What a channel is called: a stream without a topic, as the endpoint that it came from.
fn name(stream: &Stream, endpoints: &BTreeMap<u32, String>) -> String {
    match (stream.framing, endpoints.get(&stream.endpoint)) {
        (Framing::Whole, Some(endpoint)) => endpoint.clone(),
        (Framing::Whole, None) => format!("endpoint {}", stream.endpoint),
        _ => printable(&stream.topic),
    }
}

fn of_stream(stream: &Stream, endpoints: &BTreeMap<u32, String>) -> BTreeMap<String, String> {
    let mut members = BTreeMap::new();
    let mut insert = |name: &str, text: Option<String>| text.map(|text| members.insert(name.to_owned(), text));
    insert("endpoint", endpoints.get(&stream.endpoint).cloned());
    insert("endpoint_number", Some(stream.endpoint.to_string()));
    insert("framing", Some(stream.framing.to_string()));
    insert("topic_hex", Some(escape::hex(&stream.topic)));
    insert("layout", Some(stream.layout.to_string()));
    insert("assumed", Some(stream.is_assumed.to_string()));
    insert("channels", stream.channels.as_ref().map(ToString::to_string));
    insert("sample_rate_hz", stream.sample_rate_hz.map(|rate_hz| rate_hz.to_string()));
    insert("counter", stream.counter.as_ref().map(ToString::to_string));
    members
}

fn of_session(session: &Session, endpoints: &BTreeMap<u32, String>) -> BTreeMap<String, String> {
    let mut members = BTreeMap::new();
    let mut insert = |name: &str, text: Option<String>| text.map(|text| members.insert(name.to_owned(), text));
    insert("id", Some(session.id.to_string()));
    insert("label", session.label.clone());
    insert("note", session.note.clone());
    insert("started_unix_ns", Some(session.started_unix_ns.to_string()));
    insert("ended_unix_ns", session.ended_unix_ns.map(|at| at.to_string()));
    insert("end_reason", session.end_reason.clone());
    insert("topics", Some(json::compact(&json!(session.topics))));
    insert("framing", Some(session.framing.clone()));
    insert("host", Some(session.host.clone()));
    insert("boot_id", Some(session.boot_id.clone()));
    insert("version", Some(session.version.clone()));
    insert("messages", Some(session.tally.messages.to_string()));
    insert("unwanted", Some(session.tally.unwanted.to_string()));
    insert("lost", Some(session.tally.lost.to_string()));
    let endpoints: Map<String, Value> = endpoints.iter().map(|(id, it)| (id.to_string(), json!(it))).collect();
    insert("endpoints", Some(json::compact(&Value::Object(endpoints))));
    members
}

/// An entry has its place in the ledger, so that they stay in order.
fn of_ledger(ledger: &Ledger) -> BTreeMap<String, String> {
    ledger.entries.iter().enumerate().map(|(place, entry)| (format!("{place:06}"), json::compact(entry))).collect()
}

/// The name of a column as JSON, up to its value.
fn key(column: &Column) -> Vec<u8> {
    let mut text = Vec::new();
    // Writing to a Vec cannot fail.
    drop(json::append(&column.name, &mut text));
    text.push(b':');
    text
}

/// The schema of what is made of these columns.
fn schema<'a>(topic: &str, columns: impl Iterator<Item = &'a Column>) -> Value {
    let property = |column: &Column| {
        let mut one = match column.kind {
            Kind::Number(_) => json!({ "type": "number" }),
            Kind::Text => json!({ "type": "string" }),
            Kind::Json => json!({}),
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        };
        if column.is_list {
            one = json!({ "type": "array", "items": one });
        }
        if let (Some(unit), Some(members)) = (&column.unit, one.as_object_mut()) {
            members.insert("description".to_owned(), json!(unit));
        }
        (column.name.clone(), one)
    };
    let properties: Map<String, Value> = columns.map(property).collect();
    json!({ "title": topic, "type": "object", "properties": properties })
}

/// What the system said, as it said it.
fn io_error(error: McapError) -> io::Error {
    match error {
        McapError::Io(cause) => cause,
        McapError::TooManyChannels | McapError::TooManySchemas => {
            io::Error::other("it has more streams than such a file can hold; choose some with --topic or --endpoint")
        }
        other => io::Error::other(other.to_string()),
    }
}
