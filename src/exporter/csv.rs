//! A line per message.

use std::io::{self, BufWriter, Write};

use crate::codec::topic::trimmed;
use crate::exporter::text::{Times, append_seconds};
use crate::exporter::{Encoder, Packet, Sink, content};

/// Handed to the operating system at once.
pub(super) const BUFFER_BYTES: usize = 64 << 10;

/// What is given to the encoder at once: it looks for quotes in all of it, however little it has room for.
const PIECE_BYTES: usize = 4 << 10;

pub(super) struct Csv<'a> {
    lines: Lines<BufWriter<Sink<'a>>>,
    times: Times,
    field: Vec<u8>,
}

impl<'a> Csv<'a> {
    pub fn new(sink: Sink<'a>) -> io::Result<Self> {
        let mut lines = Lines {
            out: BufWriter::with_capacity(BUFFER_BYTES, sink),
            encoder: csv_core::Writer::new(),
            // Room for quotes alone, which are doubled, and one more before them.
            encoded: vec![0; 2 * PIECE_BYTES + 1],
        };
        lines.field(b"time")?;
        for column in ["elapsed_s", "endpoint", "topic", "number", "samples"] {
            lines.next_field(column.as_bytes())?;
        }
        lines.end()?;
        Ok(Self { lines, times: Times::default(), field: Vec::new() })
    }
}

impl Encoder for Csv<'_> {
    fn message(&mut self, packet: &Packet<'_>) -> io::Result<bool> {
        let Self { lines, times, field } = self;
        let mut integer = itoa::Buffer::new();
        field.clear();
        times.append(packet.message.unix_ns, field);
        lines.field(field)?;
        field.clear();
        append_seconds(packet.message.elapsed_ns, field);
        lines.next_field(field)?;
        lines.next_field(integer.format(packet.stream.endpoint).as_bytes())?;
        lines.next_field(trimmed(&packet.stream.topic))?;
        lines.next_field(integer.format(packet.number).as_bytes())?;
        field.clear();
        let is_read = content::append(packet.stream, packet.message, field).is_ok();
        lines.next_field(field)?;
        lines.end()?;
        Ok(is_read)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.lines.out.flush()
    }
}

/// Writes fields, quoted where they must be.
struct Lines<W> {
    out: W,
    encoder: csv_core::Writer,
    encoded: Vec<u8>,
}

impl<W: Write> Lines<W> {
    /// The first field of a line. Whether it is quoted is seen in its first piece.
    fn field(&mut self, field: &[u8]) -> io::Result<()> {
        for piece in field.chunks(PIECE_BYTES) {
            let (_, _, bytes) = self.encoder.field(piece, &mut self.encoded);
            self.write(bytes)?;
        }
        Ok(())
    }

    /// Another one.
    fn next_field(&mut self, field: &[u8]) -> io::Result<()> {
        let (_, bytes) = self.encoder.delimiter(&mut self.encoded);
        self.write(bytes)?;
        self.field(field)
    }

    /// The end of a line.
    fn end(&mut self) -> io::Result<()> {
        let (_, bytes) = self.encoder.terminator(&mut self.encoded);
        self.write(bytes)
    }

    fn write(&mut self, bytes: usize) -> io::Result<()> {
        self.out.write_all(self.encoded.get(..bytes).unwrap_or_default())
    }
}
