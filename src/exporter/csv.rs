//! A line per message.

use std::io;

use crate::codec::topic::trimmed;
use crate::escape::csv::cell;
use crate::exporter::text::{Times, append_seconds};
use crate::exporter::{Encoder, Packet, Sink, content};

/// What the writer holds: it looks for quotes in all of a field each time when that is full, so that long ones need more of it.
const HELD_BYTES: usize = 1 << 20;

pub(super) struct Csv<'a> {
    out: csv::Writer<Sink<'a>>,
    times: Times,
    field: Vec<u8>,
    /// The stream whose topic is in `topic`, by its row.
    stream_id: Option<i64>,
    topic: Vec<u8>,
}

impl<'a> Csv<'a> {
    pub fn new(sink: Sink<'a>) -> io::Result<Self> {
        let mut out = csv::WriterBuilder::new().buffer_capacity(HELD_BYTES).from_writer(sink);
        out.write_record(["time", "elapsed_s", "endpoint", "topic", "number", "samples"]).map_err(io_error)?;
        Ok(Self { out, times: Times::default(), field: Vec::new(), stream_id: None, topic: Vec::new() })
    }
}

impl Csv<'_> {
    fn line(&mut self, packet: &Packet<'_>) -> csv::Result<bool> {
        let Self { out, times, field, stream_id, topic } = self;
        if stream_id.replace(packet.stream_id) != Some(packet.stream_id) {
            *topic = cell(trimmed(&packet.stream.topic)).into_owned();
        }
        let mut integer = itoa::Buffer::new();
        field.clear();
        times.append(packet.message.unix_ns, field);
        out.write_field(&*field)?;
        field.clear();
        append_seconds(packet.message.elapsed_ns, field);
        out.write_field(&*field)?;
        out.write_field(integer.format(packet.stream.endpoint))?;
        out.write_field(&*topic)?;
        out.write_field(integer.format(packet.number))?;
        field.clear();
        let is_read = content::append(packet.stream, packet.message, field).is_ok();
        out.write_field(&*field)?;
        out.write_record(None::<&[u8]>)?;
        Ok(is_read)
    }
}

impl Encoder for Csv<'_> {
    fn message(&mut self, packet: &Packet<'_>) -> io::Result<bool> {
        self.line(packet).map_err(io_error)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}

/// What the system said, as it said it.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(cause) => cause,
        other => io::Error::other(format!("{other:?}")),
    }
}
