//! A line per packet, as the view `decoded_packets` shows it.

use std::io;

use crate::exporter::text::{Times, append_samples, append_seconds};
use crate::exporter::{Encoder, Packet, Sink};

/// Handed to the operating system at once.
pub(super) const BUFFER_BYTES: usize = 64 << 10;

pub(super) struct Csv<'a> {
    writer: ::csv::Writer<Sink<'a>>,
    times: Times,
    field: Vec<u8>,
}

impl<'a> Csv<'a> {
    pub fn new(sink: Sink<'a>) -> io::Result<Self> {
        let mut writer = ::csv::WriterBuilder::new().buffer_capacity(BUFFER_BYTES).from_writer(sink);
        writer.write_record(["time", "elapsed_s", "topic", "samples"]).map_err(cause)?;
        Ok(Self { writer, times: Times::default(), field: Vec::new() })
    }

    /// Write a field that is made by `append`.
    fn field(&mut self, append: impl FnOnce(&mut Times, &mut Vec<u8>)) -> io::Result<()> {
        self.field.clear();
        append(&mut self.times, &mut self.field);
        self.writer.write_field(&self.field).map_err(cause)
    }
}

impl Encoder for Csv<'_> {
    fn packet(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        self.field(|times, field| times.append(packet.unix_ns, field))?;
        self.field(|_, field| append_seconds(packet.elapsed_ns, field))?;
        self.writer.write_field(packet.topic).map_err(cause)?;
        self.field(|_, field| append_samples(packet.payload, field))?;
        // Ends the line.
        self.writer.write_record(None::<&[u8]>).map_err(cause)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The operating system's error, which tells whether a reader left. The crate's own conversion hides it.
fn cause(error: ::csv::Error) -> io::Error {
    match error.into_kind() {
        ::csv::ErrorKind::Io(cause) => cause,
        other => io::Error::other(format!("{other:?}")),
    }
}
