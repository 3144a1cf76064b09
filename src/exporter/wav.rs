//! The samples as mono sound of 16 bit: a RIFF file.

use std::io::{self, BufWriter, Seek, SeekFrom, Write};

use crate::exporter::{BUFFER_BYTES, Encoder, Packet, Sink};

const HEADER_BYTES: u32 = 44;

/// The size in the header has 32 bits and counts what follows it.
pub(super) const SAMPLES_MAX_BYTES: u64 = (u32::MAX - HEADER_BYTES + 8) as u64 & !1;

/// Two bytes for each sample must fit into the header's 32 bits.
pub const SAMPLE_RATE_MAX_HZ: u32 = u32::MAX / 2;

pub(super) struct Wav<'a> {
    out: BufWriter<Sink<'a>>,
    sample_rate_hz: u32,
    bytes: u64,
}

impl<'a> Wav<'a> {
    pub fn new(sink: Sink<'a>, sample_rate_hz: u32) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, sink);
        // How long it becomes is known at the end.
        out.write_all(&header(0, sample_rate_hz))?;
        Ok(Self { out, sample_rate_hz, bytes: 0 })
    }
}

impl Encoder for Wav<'_> {
    fn message(&mut self, packet: &Packet<'_>) -> io::Result<bool> {
        if packet.stream.check(packet.message.frames()).is_err() {
            return Ok(false);
        }
        for frame in packet.stream.after_topic(packet.message.frames()) {
            self.bytes += frame.len() as u64;
            self.out.write_all(frame)?;
        }
        Ok(true)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        let bytes = u32::try_from(self.bytes).map_err(io::Error::other)?;
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&header(bytes, self.sample_rate_hz))?;
        self.out.flush()
    }
}

/// The chunks `RIFF`, `fmt ` and the beginning of `data`.
fn header(samples_bytes: u32, sample_rate_hz: u32) -> Vec<u8> {
    const SAMPLE_BYTES: u16 = 2;
    const MONO: u16 = 1;
    const PCM: u16 = 1;
    const FORMAT_BYTES: u32 = 16;
    let mut header = Vec::with_capacity(HEADER_BYTES as usize);
    header.extend_from_slice(b"RIFF");
    header.extend_from_slice(&(HEADER_BYTES - 8).saturating_add(samples_bytes).to_le_bytes());
    header.extend_from_slice(b"WAVEfmt ");
    header.extend_from_slice(&FORMAT_BYTES.to_le_bytes());
    header.extend_from_slice(&PCM.to_le_bytes());
    header.extend_from_slice(&MONO.to_le_bytes());
    header.extend_from_slice(&sample_rate_hz.to_le_bytes());
    header.extend_from_slice(&sample_rate_hz.saturating_mul(u32::from(SAMPLE_BYTES)).to_le_bytes());
    header.extend_from_slice(&SAMPLE_BYTES.to_le_bytes());
    header.extend_from_slice(&(8 * SAMPLE_BYTES).to_le_bytes());
    header.extend_from_slice(b"data");
    header.extend_from_slice(&samples_bytes.to_le_bytes());
    header
}
