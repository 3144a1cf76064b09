//! The payloads one after the other: little-endian int16, as they came.

use std::io::{self, BufWriter, Write};

use crate::exporter::csv::BUFFER_BYTES;
use crate::exporter::{Encoder, Packet, Sink};

pub(super) struct Raw<'a> {
    out: BufWriter<Sink<'a>>,
}

impl<'a> Raw<'a> {
    pub fn new(sink: Sink<'a>) -> Self {
        Self { out: BufWriter::with_capacity(BUFFER_BYTES, sink) }
    }
}

impl Encoder for Raw<'_> {
    fn packet(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        self.out.write_all(packet.payload)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}
