//! What follows the topics, one message after the other, as it came.

use std::io::{self, BufWriter, Write};

use crate::exporter::{BUFFER_BYTES, Encoder, Packet, Sink};

pub(super) struct Raw<'a> {
    out: BufWriter<Sink<'a>>,
}

impl<'a> Raw<'a> {
    pub fn new(sink: Sink<'a>) -> Self {
        Self { out: BufWriter::with_capacity(BUFFER_BYTES, sink) }
    }
}

impl Encoder for Raw<'_> {
    fn message(&mut self, packet: &Packet<'_>) -> io::Result<bool> {
        for frame in packet.stream.after_topic(packet.message.frames()) {
            self.out.write_all(frame)?;
        }
        Ok(true)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}
