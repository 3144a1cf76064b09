//! Random streams through every format and back: all values are compared with what others read, and what can be imported is the
//! same session again.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use fancyhwd::codec::channels::Channels;
use fancyhwd::codec::framing::Framing;
use fancyhwd::codec::layout::{Layout, Part};
use fancyhwd::codec::number::Scalar;
use fancyhwd::codec::stream::Stream;
use fancyhwd::codec::topic::{Wanted, trimmed};
use fancyhwd::device::Simulated;
use fancyhwd::message::{Batch, Origin};
use fancyhwd::store::{Database, Durability, EndReason, EndpointStart, Limits, Recording, SessionStart, ToCommit};
use fancyhwd::streams::{About, Streams, Told};
use serde_json::{Value, json};

use crate::support::allowed::python;
use crate::support::kill::seeded;
use crate::support::{Bench, root};

/// Sessions, topics in each, and endpoints that send them. Each of these is a stream.
const SESSIONS: usize = 24;
const TOPICS: usize = 30;
const ENDPOINTS: usize = 3;

/// Messages of each stream at most.
const MESSAGES: usize = 7;

/// Random choices.
struct Dice(Simulated);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        // The lowest bits are the worst ones.
        (self.0.rand() >> 4) as usize % most
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.below(256) as u8).collect()
    }

    /// A topic that no other one of the session is.
    fn topic(&mut self, place: usize, framing: Option<Framing>) -> Vec<u8> {
        let mut topic = self.of(&[
            &b"plain"[..],
            b"a/b.c",
            b"=1+1",
            b"quoted \"it's\", `$x`",
            b"line\nend\ttab\\",
            b"\xff\xfe raw",
            b"{json",
            "gr\u{fc}\u{df}e \u{202e}\u{7}".as_bytes(),
            b"trailing\0",
        ]);
        if self.one_in(20) {
            topic = &[b'x'; 250];
        }
        let mut topic = [format!("{place}").as_bytes(), topic].concat();
        if self.one_in(3) {
            topic.rotate_left(place.to_string().len());
        }
        if framing == Some(Framing::Space) {
            topic.retain(|&byte| byte != b' ');
        }
        topic
    }

    fn fields(&mut self, most: usize) -> String {
        let mut fields = Vec::new();
        for _ in 0..1 + self.below(most) {
            let kind = self.of(&Scalar::ALL).name();
            let order = self.of(&["", "-be"]);
            let count = self.of(&["", "", "x2", "x3"]);
            fields.push(format!("{kind}{order}{count}"));
            if self.one_in(4) {
                fields.push(self.of(&["pad", "padx3"]).to_owned());
            }
        }
        fields.join(",")
    }

    fn part(&mut self) -> String {
        match self.below(8) {
            0 => "bytes".to_owned(),
            1 => "text".to_owned(),
            2 => "json".to_owned(),
            3 => "ndarray".to_owned(),
            4 => format!("{}/{}", self.fields(3), self.fields(3)),
            _ => self.fields(3),
        }
    }

    fn layout(&mut self, framing: Option<Framing>) -> Layout {
        let sounds = ["int16", "int16x2", "int24-be", "int24x3", "int32", "float32x2", "uint8/int16-be"];
        let text = match self.below(6) {
            0 => self.of(&sounds).to_owned(),
            1 if framing != Some(Framing::Space) => format!("{}+{}", self.part(), self.part()),
            2 if framing != Some(Framing::Space) => format!("{}+{}+{}", self.part(), self.part(), self.part()),
            _ => self.part(),
        };
        text.parse().unwrap()
    }

    /// Names, units and scales for some or all numbers, or nothing.
    fn channels(&mut self, layout: &Layout) -> Option<Channels> {
        let count = layout.number_count();
        if count == 0 || self.one_in(2) {
            return None;
        }
        let names = [
            "x",
            "time",
            "records",
            "elapsed_ns",
            "it's",
            "t (\u{b0}C)",
            "\"q\"",
            "+plus",
            "topic",
            "ch1",
            "text",
            "a\\n",
        ];
        let channel = |place: usize, dice: &mut Self| {
            let name =
                if place < names.len() { names[(place * 5 + 1) % names.len()].to_owned() } else { format!("n{place}") };
            let unit = dice.of(&["", "mV", "m/s^2", "\u{b0}C"]);
            let scale = dice.of(&["", "1", "0.1", "-3e-7", "1e300"]);
            let offset = if scale.is_empty() { "" } else { dice.of(&["", "0", "-273.15"]) };
            format!("{name}:{unit}:{scale}:{offset}")
        };
        let channels: Vec<String> = (0..count).map(|place| channel(place, self)).collect();
        Some(channels.join(",").parse().unwrap())
    }

    /// The bytes of a number, least significant first or not: edges are as likely as all others.
    fn number(&mut self, kind: Scalar) -> Vec<u8> {
        let bytes = kind.bytes();
        let mut number = match self.below(9) {
            0 => vec![0; bytes],
            1 => vec![0xff; bytes],
            2 => [&vec![0; bytes - 1][..], &[0x80]].concat(),
            3 => [&vec![0xff; bytes - 1][..], &[0x7f]].concat(),
            4 if kind == Scalar::Float32 => {
                self.of(&[f32::INFINITY, f32::NEG_INFINITY, 0.1, f32::MIN_POSITIVE]).to_le_bytes().into()
            }
            4 if kind == Scalar::Float64 => {
                self.of(&[f64::INFINITY, f64::NEG_INFINITY, 0.1, f64::MIN_POSITIVE]).to_le_bytes().into()
            }
            5 if kind == Scalar::Float32 => 0x7f80_0001_u32.to_le_bytes().into(),
            _ => self.bytes(bytes),
        };
        if self.one_in(2) {
            number.reverse();
        }
        number
    }

    fn text(&mut self) -> String {
        let piece = |dice: &mut Self| {
            dice.of(&[
                "",
                "word",
                "\"",
                "'",
                "\\",
                "\n",
                "\r\n",
                ",",
                "=",
                "\u{fc}",
                "\u{1f600}",
                "\u{1b}[2J",
                "\0",
                "[1]",
            ])
        };
        (0..self.below(6)).map(|_| piece(self)).collect()
    }

    fn json(&mut self) -> Value {
        match self.below(7) {
            0 => json!(null),
            1 => json!(self.one_in(2)),
            2 => json!(self.0.rand() as i64 - (1 << 30)),
            3 => json!(f64::from(self.0.rand()) / 7.0),
            4 => json!({ self.text(): self.text(), "n": u64::MAX }),
            5 => json!([self.text(), [], {}]),
            _ => json!(self.text()),
        }
    }

    /// Frames that a layout can read, unless they are spoilt.
    fn frames(&mut self, layout: &Layout) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let parts = layout.parts();
        let more = if self.one_in(5) { self.below(3) } else { 0 };
        for part in parts.iter().chain(std::iter::repeat_n(&parts[parts.len() - 1], more)) {
            match part {
                Part::Bytes => {
                    let count = self.below(9);
                    frames.push(self.bytes(count));
                }
                Part::Text => frames.push(self.text().into_bytes()),
                Part::Json if self.one_in(3) => frames.push(serde_json::to_vec_pretty(&self.json()).unwrap()),
                Part::Json => frames.push(self.json().to_string().into_bytes()),
                Part::NdArray => {
                    let (kind, rows, columns) = (self.of(&Scalar::ALL), self.below(3), 1 + self.below(3));
                    frames.push(json!({ "dtype": kind.name(), "shape": [rows, columns] }).to_string().into_bytes());
                    frames.push((0..rows * columns).flat_map(|_| self.number(kind)).collect());
                }
                Part::Numbers(numbers) => {
                    let records = self.of(&[0, 1, 1, 1, 2, 5]);
                    let mut frame = self.bytes(numbers.header.bytes() + records * numbers.record.bytes());
                    let headers = numbers.header.numbers().iter().map(|number| (0, number));
                    let record = |at: usize| numbers.header.bytes() + at * numbers.record.bytes();
                    let records = (0..records)
                        .flat_map(|at| numbers.record.numbers().iter().map(move |number| (record(at), number)));
                    for (at, number) in headers.chain(records) {
                        let bytes = self.number(number.of.kind);
                        frame[at + number.offset..][..bytes.len()].copy_from_slice(&bytes);
                    }
                    frames.push(frame);
                }
            }
        }
        match self.below(12) {
            0 => frames.clear(),
            1 => frames.push(Vec::new()),
            2 => frames = vec![self.bytes(3)],
            3 => drop(frames.pop()),
            _ => {}
        }
        frames
    }
}

/// How each session is told where its topics are, by turns.
const FRAMINGS: [Option<Framing>; 6] =
    [None, Some(Framing::Frames), Some(Framing::Space), None, Some(Framing::Frames), Some(Framing::Whole)];

/// Write a session of random streams. Gives them, and how many messages there are.
fn write(dice: &mut Dice, framing: Option<Framing>, database: &Path, sent: &Path) -> (Vec<Stream>, usize) {
    let mut told = Told {
        wanted: Wanted::Every,
        framing,
        layouts: Vec::new(),
        channels: Vec::new(),
        sample_rates_hz: Vec::new(),
        counters: Vec::new(),
    };
    let mut given = Vec::new();
    for place in 0..TOPICS {
        let (topic, layout) = (dice.topic(place, framing), dice.layout(framing));
        let about = |topic: &[u8]| Some(trimmed(topic).to_vec());
        told.layouts.push(About { topic: about(&topic), what: layout.clone() });
        if let Some(channels) = dice.channels(&layout) {
            told.channels.push(About { topic: about(&topic), what: channels });
        }
        given.push((topic, layout));
    }
    let mut batch = Batch::default();
    let (mut unix_ns, mut elapsed_ns) = (1_700_000_000_123_456_789, 0);
    let rounds = 1 + dice.below(MESSAGES);
    let mut order: Vec<(usize, usize)> =
        (0..TOPICS).flat_map(|topic| (0..ENDPOINTS).map(move |endpoint| (topic, endpoint))).collect();
    for _ in 0..rounds {
        for last in (1..order.len()).rev() {
            let other = dice.below(last + 1);
            order.swap(last, other);
        }
        for &(topic, endpoint) in &order {
            let (topic, layout) = &given[topic];
            unix_ns += dice.of(&[0, 1, 999, 1_000_000_000, -3_600_000_000_000]);
            elapsed_ns += dice.of(&[0, 1, 1_000_000]);
            let mut entry = batch.message(Origin(endpoint as u32 + 1), unix_ns, elapsed_ns);
            let mut frames = dice.frames(layout);
            match framing {
                Some(Framing::Space) => {
                    let payload = frames.drain(..).next().unwrap_or_default();
                    entry.frame(&[&[&topic[..], b" ", &payload].concat()]);
                }
                Some(Framing::Whole) => frames.iter().for_each(|frame| entry.frame(&[frame])),
                // One frame alone may be a topic before a space.
                _ => {
                    entry.frame(&[topic]);
                    frames.iter().for_each(|frame| entry.frame(&[frame]));
                }
            }
        }
    }
    let mut streams = Streams::new(told);
    let sorted = streams.sort(&batch);
    let start = SessionStart {
        id: None,
        label: None,
        note: None,
        started_unix_ns: 1_700_000_000_000_000_000,
        endpoints: (0..ENDPOINTS)
            .map(|number| EndpointStart { endpoint: format!("ipc://{number}"), is_secured: false, peer_key: None })
            .collect(),
        connected: ENDPOINTS,
        socket: "sub",
        topics: vec!["*".to_owned()],
        framing,
        host: "host".to_owned(),
        boot_id: "boot".to_owned(),
        durability: Durability::Normal,
        recorder: None,
        resumes: false,
    };
    let mut recording = Recording::start(Database::for_recording(database).unwrap(), start, Limits::default()).unwrap();
    let what =
        ToCommit { batch: &batch, streams: streams.all(), sorted: &sorted, unwanted: 0, events: &[], ended: None };
    recording.commit(&what).unwrap();
    recording.end(EndReason::Stopped).unwrap();

    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let messages: Vec<Value> = batch
        .messages()
        .zip(&sorted.streams)
        .map(|(message, stream)| {
            let frames: Vec<String> = message.frames().map(hex).collect();
            json!({ "stream": stream, "unix_ns": message.unix_ns, "elapsed_ns": message.elapsed_ns, "frames": frames })
        })
        .collect();
    let about = |stream: &Stream| {
        let channels = stream.channels.iter().flat_map(|channels| channels.iter());
        let channels: Vec<Value> =
            channels.map(|channel| json!([channel.name, channel.unit, channel.scale, channel.offset])).collect();
        json!({
            "endpoint": stream.endpoint, "framing": stream.framing.name(), "topic_hex": hex(&stream.topic),
            "layout": stream.layout.to_string(), "channels": channels,
        })
    };
    let all: Vec<Value> = streams.all().iter().map(about).collect();
    let sounds: serde_json::Map<String, Value> =
        sounds(streams.all()).into_iter().map(|place| (format!("{place}.wav"), json!(place))).collect();
    let text = json!({ "streams": all, "messages": messages, "sounds": sounds }).to_string();
    fs::create_dir(sent).unwrap();
    fs::write(sent.join("sent.json"), text).unwrap();
    (streams.all().to_vec(), batch.len())
}

/// The places of some streams that can be a sound file, and are chosen by topic and endpoint alone.
fn sounds(streams: &[Stream]) -> Vec<usize> {
    let is_sound = |stream: &Stream| match stream.layout.parts() {
        [Part::Numbers(numbers)] => {
            let (of, numbers) = (numbers.record.numbers()[0].of, &numbers.record);
            matches!(of.kind, Scalar::Int16 | Scalar::Int24 | Scalar::Int32 | Scalar::Float32)
                && numbers.numbers().iter().all(|number| number.of == of)
                && numbers.bytes() == of.bytes() * numbers.numbers().len()
        }
        _ => false,
    };
    let is_chosen = |stream: &&Stream| {
        let topic = trimmed(&stream.topic);
        // A NUL cannot be typed; where the topic stands before a space, a final one is a part of it.
        !topic.contains(&0) && (stream.framing == Framing::Frames || topic == stream.topic)
    };
    // Messages without a topic are chosen too, if they look as if they had it.
    let has_whole = streams.iter().any(|stream| stream.framing == Framing::Whole);
    let places = streams.iter().enumerate().filter(|(_, stream)| !has_whole && is_chosen(stream) && is_sound(stream));
    places.map(|(place, _)| place).take(2).collect()
}

#[test]
fn random_streams_are_the_same_in_every_format() {
    let Some(python) = python() else { return };
    let mut dice = Dice(seeded());
    let bench = Bench::new();
    let (mut all_streams, mut all_messages) = (0, 0);
    let mut folders = Vec::new();
    for id in 1..=SESSIONS {
        let folder = bench.path(&format!("{id}"));
        let (streams, messages) = write(&mut dice, FRAMINGS[id % FRAMINGS.len()], &bench.path("c.db"), &folder);
        all_streams += streams.len();
        all_messages += messages;
        for (file, format) in [
            ("x.csv", "csv"),
            ("raw.csv", "csv --raw"),
            ("x.parquet", "parquet"),
            ("x.jsonl", "jsonl"),
            ("x.mcap", "mcap"),
            ("untouched.mcap", "mcap --untouched"),
            ("x.npz", "npz"),
            ("x.raw", "raw --topic *"),
            ("x.db", "sqlite"),
        ] {
            let line = format!("session export {id} --database c.db --format {format} -o {id}/{file}");
            bench.fancyhwd(&line).run().success();
        }
        for place in sounds(&streams) {
            let stream = &streams[place];
            let line =
                format!("session export {id} --database c.db --format wav --sample-rate 8000 -o {id}/{place}.wav");
            let run = bench.fancyhwd(&format!("{line} --endpoint {} --topic", stream.endpoint));
            run.arg(OsStr::from_bytes(trimmed(&stream.topic))).run().success();
        }
        bench.fancyhwd(&format!("session diff {id} {id} --database c.db --other {id}/x.db")).run().success();
        for file in ["untouched.mcap", "x.jsonl", "x.npz"] {
            let database = format!("{file}.db");
            bench.fancyhwd(&format!("session import {id}/{file} --database {database}")).run().success();
            bench.fancyhwd(&format!("session diff {id} {id} --database c.db --other {database}")).run().success();
        }
        folders.push(folder);
    }
    for database in ["c.db", "x.npz.db"] {
        bench.fancyhwd(&format!("session verify --all --database {database}")).run().success();
    }
    let readings = "SELECT session_id, endpoint, framing, hex(topic), layout, assumed, channel, unit, scale, \"offset\" FROM streams \
                    LEFT JOIN fields ON stream_id = streams.id ORDER BY streams.id, fields.part, fields.position, fields.channel";
    for database in ["x.npz.db", "untouched.mcap.db"] {
        assert!(
            bench.sqlite3("c.db", readings) == bench.sqlite3(database, readings),
            "{database}: read in another way"
        );
    }
    let script = root().join("tests/peers/formats.py");
    let compared = bench.program(python).arg(script).args(&folders).run().success().stdout;
    println!("{all_streams} streams: {compared}");
    let compared: Value = serde_json::from_str(&compared).unwrap();
    assert_eq!(compared["messages"], json!(all_messages));
    assert!(all_streams > 1_000 && compared["numbers"].as_u64() > Some(20_000), "{all_streams} streams: {compared}");
}
