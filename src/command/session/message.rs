//! How one message is written, cut to a readable length.

use std::fmt;

use serde_json::{Value, json};

use crate::analysis::diff::{Content, Placed};
use crate::codec::envelope::{Envelope, decode, samples};
use crate::command::ledger::printable;

/// Samples that fit on a line.
const SAMPLES_MAX: usize = 16;

/// Samples that are shown before the first one that differs.
const SAMPLES_BEFORE: usize = 4;

/// Bytes of a message that is no packet.
const BYTES_MAX: usize = 32;

/// A message as a person reads it.
pub(super) struct Excerpt {
    number: i64,
    elapsed_ns: i64,
    content: Shown,
}

enum Shown {
    Packet { topic: String, sample_count: usize, from: usize, samples: Vec<i16> },
    Other { frame_count: u32, bytes: usize, hex: String },
}

impl Excerpt {
    /// A message, its samples from number `from` on.
    pub fn new(message: &Placed, from: usize) -> Self {
        let content = match envelope(&message.content) {
            Some(Envelope { topic, payload }) => Shown::Packet {
                topic: printable(&String::from_utf8_lossy(topic)),
                sample_count: payload.len() / 2,
                from,
                samples: samples(payload).skip(from).take(SAMPLES_MAX).collect(),
            },
            None => {
                let bytes = || message.content.frames.iter().flatten();
                Shown::Other {
                    frame_count: message.content.frame_count,
                    bytes: bytes().count(),
                    hex: bytes().take(BYTES_MAX).map(|byte| format!("{byte:02x}")).collect(),
                }
            }
        };
        Self { number: message.number, elapsed_ns: message.elapsed_ns, content }
    }

    /// The sample from which on two messages are shown, so that the first difference can be seen.
    pub fn start(a: &Content, b: &Content) -> usize {
        let (Some(a), Some(b)) = (envelope(a), envelope(b)) else { return 0 };
        let same = samples(a.payload).zip(samples(b.payload)).take_while(|(a, b)| a == b).count();
        if same < SAMPLES_MAX { 0 } else { same - SAMPLES_BEFORE }
    }

    pub fn as_json(&self) -> Value {
        match &self.content {
            Shown::Packet { topic, sample_count, from, samples } => json!({
                "number": self.number,
                "elapsed_ns": self.elapsed_ns,
                "topic": topic,
                "sample_count": sample_count,
                "first_sample": from,
                "samples": samples,
            }),
            Shown::Other { frame_count, bytes, hex } => json!({
                "number": self.number,
                "elapsed_ns": self.elapsed_ns,
                "frame_count": frame_count,
                "bytes": bytes,
                "first_bytes": hex,
            }),
        }
    }
}

/// The message taken apart, if it is a packet of any topic.
fn envelope(content: &Content) -> Option<Envelope<'_>> {
    match content.frames.as_slice() {
        [frame] => decode(frame).ok(),
        _ => None,
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} ", self.number)?;
        match &self.content {
            Shown::Packet { topic, sample_count, from, samples } => {
                let numbers: Vec<String> = samples.iter().map(i16::to_string).collect();
                let before = if *from > 0 { format!("... from sample {from} on: ") } else { String::new() };
                let after = if from + samples.len() < *sample_count { ",..." } else { "" };
                write!(f, "{topic} {sample_count} samples {before}[{}{after}]", numbers.join(","))
            }
            Shown::Other { frame_count, bytes, hex } => {
                let after = if 2 * bytes > hex.len() { "..." } else { "" };
                write!(f, "no packet, {bytes} bytes in {frame_count} frames: {hex}{after}")
            }
        }
    }
}
