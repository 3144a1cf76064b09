//! How one message is written, cut to a readable length.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use crate::analysis::diff::{Content, Placed};
use crate::codec::reading;
use crate::codec::stream::Stream;
use crate::codec::topic;
use crate::codec::{number, words};

/// Numbers that fit on a line.
const NUMBERS_MAX: usize = 16;

/// Numbers that are shown before the first one that differs.
const NUMBERS_BEFORE: usize = 4;

/// Characters of a message that is no list of numbers.
const CHARACTERS_MAX: usize = 64;

/// A message as a person reads it.
pub(super) struct Excerpt {
    number: i64,
    elapsed_ns: i64,
    endpoint: u32,
    topic: Vec<u8>,
    bytes: usize,
    content: Shown,
}

enum Shown {
    Numbers { count: usize, from: usize, numbers: Vec<String> },
    Words(String),
}

impl Excerpt {
    /// A message of one of these streams, its numbers from this one on.
    pub fn new(message: &Placed, streams: &BTreeMap<i64, Stream>, from: usize) -> Self {
        let frames = || message.content.frames.iter().map(Vec::as_slice);
        let stream = streams.get(&message.stream_id);
        let content = match (stream, numbers(&message.content, stream)) {
            (_, Some(shown)) => Shown::Numbers {
                from,
                count: numbers(&message.content, stream).map_or(0, Iterator::count),
                numbers: shown.skip(from).take(NUMBERS_MAX).map(|number| number.to_string()).collect(),
            },
            (Some(stream), None) => {
                let mut text = String::new();
                words::append(stream, frames(), CHARACTERS_MAX, &mut text);
                Shown::Words(text)
            }
            (None, None) => Shown::Words("its stream cannot be read".to_owned()),
        };
        Self {
            number: message.number,
            elapsed_ns: message.elapsed_ns,
            endpoint: stream.map_or(0, |stream| stream.endpoint),
            topic: stream.map_or_else(Vec::new, |stream| stream.topic.clone()),
            bytes: frames().map(<[u8]>::len).sum(),
            content,
        }
    }

    /// The number from which on two messages are shown, so that the first difference can be seen.
    pub fn start(a: (&Content, Option<&Stream>), b: (&Content, Option<&Stream>)) -> usize {
        let (Some(a), Some(b)) = (numbers(a.0, a.1), numbers(b.0, b.1)) else { return 0 };
        let same = a.zip(b).take_while(|(a, b)| a == b).count();
        if same < NUMBERS_MAX { 0 } else { same - NUMBERS_BEFORE }
    }

    pub fn as_json(&self) -> Value {
        let (topic, topic_hex) = topic::text(&self.topic);
        let mut json = json!({
            "number": self.number,
            "elapsed_ns": self.elapsed_ns,
            "endpoint": self.endpoint,
            "topic": topic,
            "bytes": self.bytes,
        });
        if let Some(fields) = json.as_object_mut() {
            if let Some(hex) = topic_hex {
                fields.insert("topic_hex".to_owned(), hex.into());
            }
            match &self.content {
                Shown::Numbers { count, from, numbers } => {
                    // As they are written: a number of JSON may be too small for them.
                    fields.insert("sample_count".to_owned(), (*count).into());
                    fields.insert("first_sample".to_owned(), (*from).into());
                    fields.insert("samples".to_owned(), numbers.clone().into());
                }
                Shown::Words(words) => drop(fields.insert("content".to_owned(), words.clone().into())),
            }
        }
        json
    }
}

/// The numbers of a message that holds one frame of them and no header, if its layout can read it.
fn numbers<'a>(content: &'a Content, stream: Option<&'a Stream>) -> Option<impl Iterator<Item = number::Value> + 'a> {
    let stream = stream?;
    let frames = content.frames.iter().map(Vec::as_slice);
    let mut contents = stream.read(frames);
    match (contents.next(), contents.next()) {
        (Some(Ok(reading::Content::Numbers(numbers, frame))), None) if numbers.header.numbers().is_empty() => {
            Some(numbers.records_of(frame).flatten())
        }
        _ => None,
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = topic::cell(&self.topic);
        write!(f, "#{} {topic} {} bytes ", self.number, self.bytes)?;
        match &self.content {
            Shown::Numbers { count, from, numbers } => {
                let before = if *from > 0 { format!("... from sample {from} on: ") } else { String::new() };
                let after = if from + numbers.len() < *count { ",..." } else { "" };
                write!(f, "{count} samples {before}[{}{after}]", numbers.join(","))
            }
            Shown::Words(words) => f.write_str(words),
        }
    }
}
