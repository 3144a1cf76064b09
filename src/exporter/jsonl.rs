//! A JSON object per packet, each on a line of its own.

use std::io::{self, BufWriter, Write};

use crate::exporter::csv::BUFFER_BYTES;
use crate::exporter::text::{Times, append_samples, append_seconds, printable};
use crate::exporter::{Encoder, Packet, Sink};

pub(super) struct Jsonl<'a> {
    out: BufWriter<Sink<'a>>,
    times: Times,
    line: Vec<u8>,
    topic: Vec<u8>,
    /// The members that say the topic, which most packets share with the one before.
    topic_members: Vec<u8>,
}

impl<'a> Jsonl<'a> {
    pub fn new(sink: Sink<'a>) -> Self {
        Self {
            out: BufWriter::with_capacity(BUFFER_BYTES, sink),
            times: Times::default(),
            line: Vec::new(),
            topic: Vec::new(),
            topic_members: Vec::new(),
        }
    }
}

impl Encoder for Jsonl<'_> {
    fn packet(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        if self.topic != packet.topic || self.topic_members.is_empty() {
            self.topic.clear();
            self.topic.extend_from_slice(packet.topic);
            self.topic_members = topic_members(packet.topic)?;
        }
        let line = &mut self.line;
        line.clear();
        line.extend_from_slice(b"{\"time\":\"");
        self.times.append(packet.unix_ns, line);
        line.extend_from_slice(b"\",\"elapsed_s\":");
        append_seconds(packet.elapsed_ns, line);
        line.extend_from_slice(&self.topic_members);
        line.extend_from_slice(b",\"samples\":");
        append_samples(packet.payload, line);
        line.extend_from_slice(b"}\n");
        self.out.write_all(line)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}

/// `,"topic":"data"`. A topic that is no UTF-8 cannot stand in JSON: its bytes stand behind it in hexadecimal then.
fn topic_members(topic: &[u8]) -> io::Result<Vec<u8>> {
    let mut members = b",\"topic\":".to_vec();
    match std::str::from_utf8(topic) {
        Ok(text) => serde_json::to_writer(&mut members, text)?,
        Err(_) => {
            serde_json::to_writer(&mut members, &printable(topic))?;
            members.extend_from_slice(b",\"topic_hex\":\"");
            for byte in topic {
                write!(members, "{byte:02x}")?;
            }
            members.push(b'"');
        }
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_can_be_told_from_every_other() {
        let members = |topic: &[u8]| String::from_utf8(topic_members(topic).unwrap()).unwrap();
        assert_eq!(members(b"data"), r#","topic":"data""#);
        assert_eq!(members("a\"\n\u{fc}".as_bytes()), ",\"topic\":\"a\\\"\\n\u{fc}\"");
        assert_eq!(members(b"a\xff"), r#","topic":"a\\xff","topic_hex":"61ff""#);
        assert_eq!(members(br"a\xff"), r#","topic":"a\\xff""#);
    }
}
