//! What came of one stream.

use std::collections::BTreeSet;

use crate::message::Message;
use crate::time::durations::rate_hz;

/// Messages that are looked at, and as many more that look different, ...
const SAMPLE_MAX_MESSAGES: usize = 64;

/// ... if they are no larger than this together.
const SAMPLE_MAX_BYTES: usize = 1 << 20;

/// Frames whose kinds make messages different.
const SHAPE_MAX_FRAMES: usize = 8;

/// How many messages came, how large they are, and a sample of them.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) messages: u64,
    bytes_min: usize,
    bytes_max: usize,
    first_ns: i64,
    last_ns: i64,
    /// The frames behind the topic of those that came first.
    pub(super) sample: Vec<Vec<Vec<u8>>>,
    /// Those of later ones that look different from all before.
    pub(super) others: Vec<Vec<Vec<u8>>>,
    sample_bytes: usize,
    others_bytes: usize,
    shapes: BTreeSet<Vec<Shape>>,
}

/// What a frame looks like at a glance: text, or how many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    Document,
    Text,
    Bytes(usize),
}

impl Shape {
    fn of(frame: &[u8]) -> Self {
        match std::str::from_utf8(frame) {
            Ok(text) if !text.contains(|char: char| char.is_control() && !char.is_ascii_whitespace()) => {
                match text.trim_ascii_start().as_bytes().first() {
                    Some(b'{' | b'[') => Self::Document,
                    _ => Self::Text,
                }
            }
            _ => Self::Bytes(frame.len()),
        }
    }
}

impl Heard {
    /// A message came, with these frames behind its topic.
    pub(super) fn hear<'a>(&mut self, message: Message<'_>, frames: impl Iterator<Item = &'a [u8]> + Clone) {
        let bytes = message.bytes();
        if self.messages == 0 {
            (self.bytes_min, self.first_ns) = (bytes, message.elapsed_ns);
        }
        self.messages += 1;
        (self.bytes_min, self.bytes_max) = (self.bytes_min.min(bytes), self.bytes_max.max(bytes));
        self.last_ns = message.elapsed_ns;
        let is_first = self.sample.is_empty()
            || self.others.is_empty()
                && self.sample.len() < SAMPLE_MAX_MESSAGES
                && self.sample_bytes + bytes <= SAMPLE_MAX_BYTES;
        let has_room = self.others.len() < SAMPLE_MAX_MESSAGES && self.others_bytes + bytes <= SAMPLE_MAX_BYTES;
        if !is_first && !has_room {
            return;
        }
        let is_new = self.shapes.insert(frames.clone().take(SHAPE_MAX_FRAMES).map(Shape::of).collect());
        let held = || frames.map(<[u8]>::to_vec).collect();
        if is_first {
            self.sample_bytes += bytes;
            self.sample.push(held());
        } else if is_new {
            self.others_bytes += bytes;
            self.others.push(held());
        }
    }

    /// Every message that is held.
    pub(super) fn held(&self) -> impl Iterator<Item = &Vec<Vec<u8>>> {
        self.sample.iter().chain(&self.others)
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.sample_bytes + self.others_bytes
    }

    pub(super) fn rate_hz(&self) -> f64 {
        rate_hz(self.messages, self.last_ns - self.first_ns)
    }

    pub(super) fn sizes(&self) -> String {
        match self.bytes_min == self.bytes_max {
            true => format!("{} bytes each", self.bytes_min),
            false => format!("{} to {} bytes", self.bytes_min, self.bytes_max),
        }
    }
}
