//! The numbers of a stream as sound: a RIFF file with a channel for each channel of its records.

mod silence;

use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use crate::codec::layout::Part;
use crate::codec::number::{Scalar, Type};
use crate::codec::stream::Stream;
use crate::exporter::{BUFFER_BYTES, Encoder, Packet, Sink};
use crate::time::clock::NS_PER_S;

pub(super) use silence::{GAPS_MAX, Listener, Silences};

const HEADER_BYTES: u32 = 44;

/// The size in the header has 32 bits and counts what follows it.
pub(super) const SAMPLES_MAX_BYTES: u64 = (u32::MAX - HEADER_BYTES + 8) as u64 & !1;

/// Two bytes for each sample must fit into the header's 32 bits.
pub const SAMPLE_RATE_MAX_HZ: u32 = u32::MAX / 2;

/// What a sound is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sound {
    of: Type,
    channels: u16,
    /// What stands before the records of a message.
    header_bytes: usize,
}

impl Default for Sound {
    /// What a file without samples says.
    fn default() -> Self {
        Self { of: Type { kind: Scalar::Int16, is_big_endian: false }, channels: 1, header_bytes: 0 }
    }
}

impl Sound {
    /// The sound of a stream: all numbers of its records, if they are of one type that sounds have, one behind the other.
    pub fn of(stream: &Stream) -> Option<Self> {
        let [Part::Numbers(numbers)] = stream.layout.parts() else { return None };
        let of = numbers.record.numbers().first()?.of;
        let is_sound = matches!(of.kind, Scalar::Int16 | Scalar::Int24 | Scalar::Int32 | Scalar::Float32);
        let is_same = numbers.record.numbers().iter().all(|number| number.of == of);
        let channels = u16::try_from(numbers.record.numbers().len()).ok()?;
        let is_dense = numbers.record.bytes() == of.bytes() * usize::from(channels);
        // The bytes of a moment stand in the header of the file in 16 bits.
        let fits = u16::try_from(numbers.record.bytes()).is_ok();
        let header_bytes = numbers.header.bytes();
        (is_sound && is_same && is_dense && fits).then_some(Self { of, channels, header_bytes })
    }

    /// Bytes before the samples of each message.
    pub fn header_bytes(self) -> usize {
        self.header_bytes
    }

    /// Bytes of a sample of every channel.
    pub fn record_bytes(self) -> usize {
        self.of.bytes() * usize::from(self.channels)
    }
}

pub(super) struct Wav<'a> {
    out: BufWriter<Sink<'a>>,
    sound: Sound,
    sample_rate_hz: u32,
    bytes: u64,
    swapped: Vec<u8>,
    /// What is to be filled.
    silences: Silences,
}

impl<'a> Wav<'a> {
    /// Sound with these silences.
    pub fn new(sink: Sink<'a>, sound: Sound, sample_rate_hz: u32, silences: Silences) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, sink);
        // How long it becomes is known at the end.
        out.write_all(&header(0, sound, sample_rate_hz))?;
        Ok(Self { out, sound, sample_rate_hz, bytes: 0, swapped: Vec::new(), silences })
    }

    /// Write the silence that follows the message of this number, if there is one.
    fn be_silent_after(&mut self, number: i64) -> io::Result<()> {
        while let Some(&(after, ns)) = self.silences.after.front().filter(|(after, _)| *after <= number) {
            self.silences.after.pop_front();
            if after == number {
                let bytes = silent_bytes(self.sound, self.sample_rate_hz, ns);
                self.bytes = self.bytes.saturating_add(bytes);
                io::copy(&mut io::repeat(0).take(bytes), &mut self.out)?;
            }
        }
        Ok(())
    }
}

/// How many bytes of silence last so long.
pub(super) fn silent_bytes(sound: Sound, sample_rate_hz: u32, ns: i64) -> u64 {
    let samples = (ns as f64 * f64::from(sample_rate_hz) / NS_PER_S as f64).round() as u64;
    samples.saturating_mul(sound.record_bytes() as u64)
}

impl Encoder for Wav<'_> {
    fn message(&mut self, packet: &Packet<'_>) -> io::Result<bool> {
        if packet.stream.check(packet.message.frames()).is_err() {
            return Ok(false);
        }
        for frame in packet.stream.after_topic(packet.message.frames()) {
            let samples = frame.get(self.sound.header_bytes..).unwrap_or_default();
            self.bytes += samples.len() as u64;
            if !self.sound.of.is_big_endian {
                self.out.write_all(samples)?;
                continue;
            }
            // A sound file has the least significant byte first.
            self.swapped.clear();
            for sample in samples.chunks_exact(self.sound.of.bytes()) {
                self.swapped.extend(sample.iter().rev());
            }
            self.out.write_all(&self.swapped)?;
        }
        self.be_silent_after(packet.number)?;
        Ok(true)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        let bytes = u32::try_from(self.bytes).map_err(io::Error::other)?;
        if bytes % 2 == 1 {
            // Chunks are of even length; that byte is not counted.
            self.out.write_all(&[0])?;
        }
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&header(bytes, self.sound, self.sample_rate_hz))?;
        self.out.flush()
    }
}

/// The chunks `RIFF`, `fmt ` and the beginning of `data`.
fn header(samples_bytes: u32, sound: Sound, sample_rate_hz: u32) -> Vec<u8> {
    const PCM: u16 = 1;
    const FLOAT: u16 = 3;
    const FORMAT_BYTES: u32 = 16;
    let format = if sound.of.kind == Scalar::Float32 { FLOAT } else { PCM };
    // Both are bounded where the sound is made.
    let (record_bytes, bits) = (sound.record_bytes() as u16, 8 * sound.of.bytes() as u16);
    let mut header = Vec::with_capacity(HEADER_BYTES as usize);
    header.extend_from_slice(b"RIFF");
    header.extend_from_slice(&(HEADER_BYTES - 8).saturating_add(samples_bytes.next_multiple_of(2)).to_le_bytes());
    header.extend_from_slice(b"WAVEfmt ");
    header.extend_from_slice(&FORMAT_BYTES.to_le_bytes());
    header.extend_from_slice(&format.to_le_bytes());
    header.extend_from_slice(&sound.channels.to_le_bytes());
    header.extend_from_slice(&sample_rate_hz.to_le_bytes());
    header.extend_from_slice(&sample_rate_hz.saturating_mul(u32::from(record_bytes)).to_le_bytes());
    header.extend_from_slice(&record_bytes.to_le_bytes());
    header.extend_from_slice(&bits.to_le_bytes());
    header.extend_from_slice(b"data");
    header.extend_from_slice(&samples_bytes.to_le_bytes());
    header
}
