//! A JSON object per message, each on a line of its own.

use std::io::{self, BufWriter, Write};

use crate::codec::framing::Framing;
use crate::codec::topic::text;
use crate::escape::json;
use crate::exporter::text::{Times, append_seconds};
use crate::exporter::{BUFFER_BYTES, Encoder, Packet, Sink, content};

pub(super) struct Jsonl<'a> {
    out: BufWriter<Sink<'a>>,
    times: Times,
    line: Vec<u8>,
    /// The stream whose members are in `stream_members`, by its row.
    stream_id: Option<i64>,
    /// The members that say where a message came from, which most messages share with the one before.
    stream_members: Vec<u8>,
    framing_member: Vec<u8>,
}

impl<'a> Jsonl<'a> {
    pub fn new(sink: Sink<'a>) -> Self {
        Self {
            out: BufWriter::with_capacity(BUFFER_BYTES, sink),
            times: Times::default(),
            line: Vec::new(),
            stream_id: None,
            stream_members: Vec::new(),
            framing_member: Vec::new(),
        }
    }
}

impl Encoder for Jsonl<'_> {
    fn message(&mut self, packet: &Packet<'_>) -> io::Result<bool> {
        let Packet { message, stream, .. } = packet;
        if self.stream_id.replace(packet.stream_id) != Some(packet.stream_id) {
            self.stream_members = format!(",\"endpoint\":{}", stream.endpoint).into_bytes();
            self.framing_member = format!(",\"framing\":\"{}\",\"frames\":", stream.framing).into_bytes();
            if stream.framing != Framing::Whole {
                self.stream_members.extend(topic_members(&stream.topic)?);
            }
        }
        let line = &mut self.line;
        line.clear();
        line.extend_from_slice(b"{\"time\":\"");
        self.times.append(message.unix_ns, line);
        line.extend_from_slice(b"\",\"elapsed_s\":");
        append_seconds(message.elapsed_ns, line);
        line.extend_from_slice(&self.stream_members);
        line.extend_from_slice(b",\"number\":");
        line.extend_from_slice(itoa::Buffer::new().format(packet.number).as_bytes());
        let begin = line.len();
        line.extend_from_slice(if content::is_list(stream, *message) { b",\"samples\":" } else { b",\"parts\":" });
        let unread = content::append(stream, *message, line).err();
        if let Some(why) = &unread {
            line.truncate(begin);
            line.extend_from_slice(b",\"undecodable\":");
            json::append(&why.to_string(), line)?;
        }
        line.extend_from_slice(&self.framing_member);
        content::append_raw(message.frames(), line);
        line.extend_from_slice(b"}\n");
        self.out.write_all(line)?;
        Ok(unread.is_none())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}

/// `,"topic":"data"`. A topic that is no UTF-8 cannot stand in JSON: its bytes stand behind it in hexadecimal then.
fn topic_members(topic: &[u8]) -> io::Result<Vec<u8>> {
    let (text, hex) = text(topic);
    let mut members = b",\"topic\":".to_vec();
    json::append(&*text, &mut members)?;
    if let Some(hex) = hex {
        write!(members, ",\"topic_hex\":\"{hex}\"")?;
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
