//! A device whose samples come from a sound file: what stands in it before them, and where they are.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::codec::number::{Scalar, Type};

/// More chunks stand before no samples.
const CHUNKS_MAX: usize = 10_000;

/// What is read of `fmt ` at most: with all that WAVE_FORMAT_EXTENSIBLE has.
const FORMAT_BYTES: usize = 40;

/// What it has at least.
const FORMAT_MIN_BYTES: usize = 16;

const PCM: u16 = 1;
const FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xfffe;

/// What follows the format in the GUID of the samples of an extensible file.
const GUID_REST: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

/// A program that writes into a pipe does not know how long the samples become: it says nothing, all, or half of what can be
/// said.
const LENGTHS_UNKNOWN_FROM: u64 = 0x7fff_0000;

/// Samples in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sound {
    /// The type of each of them.
    pub of: Type,
    /// How many are of one moment.
    pub channels: u16,
    /// Moments in a second.
    pub rate_hz: u32,
    /// Where they begin in the file, ...
    pub at: u64,
    /// ... and how many bytes they have.
    pub bytes: u64,
}

impl Sound {
    /// The layout of the samples of a moment.
    pub fn layout(&self) -> String {
        match self.channels {
            1 => self.of.to_string(),
            channels => format!("{}x{channels}", self.of),
        }
    }

    /// Find the samples in a file of so many bytes.
    ///
    /// # Errors
    /// When the file cannot be read, or there are none, or none that can be published.
    pub fn of(file: &File, file_bytes: u64) -> io::Result<Self> {
        let mut head = [0; 12];
        let is_large = match read(file, 0, &mut head) {
            Ok(()) if head.ends_with(b"WAVE") && head.starts_with(b"RIFF") => false,
            Ok(()) if head.ends_with(b"WAVE") && head.starts_with(b"RF64") => true,
            Err(cause) if cause.kind() != io::ErrorKind::UnexpectedEof => return Err(cause),
            _ => return Err(io::Error::other("it is no wav file")),
        };
        let (mut at, mut format, mut large_bytes) = (head.len() as u64, None, None);
        for _ in 0..CHUNKS_MAX {
            let mut chunk = [0; 8];
            read(file, at, &mut chunk)?;
            let [n, a, m, e, length @ ..] = chunk;
            let bytes = u64::from(u32::from_le_bytes(length));
            at += chunk.len() as u64;
            match &[n, a, m, e] {
                b"fmt " => format = Some(self::format(file, at, bytes)?),
                b"ds64" if is_large => {
                    let mut sizes = [[0; 8]; 2];
                    read(file, at, sizes.as_flattened_mut())?;
                    let [_, samples] = sizes;
                    large_bytes = Some(u64::from_le_bytes(samples));
                }
                b"data" => {
                    let (of, channels, rate_hz) =
                        format.ok_or_else(|| io::Error::other("its samples come before their format"))?;
                    let said = large_bytes.filter(|_| bytes == u64::from(u32::MAX)).unwrap_or(bytes);
                    let bytes = samples_bytes(said, file_bytes.saturating_sub(at))?;
                    return Ok(Self { of, channels, rate_hz, at, bytes });
                }
                _ => {}
            }
            // Chunks are of even length; the byte behind an odd one is not counted.
            at += bytes.next_multiple_of(2);
        }
        Err(io::Error::other(format!("there are no samples behind its first {CHUNKS_MAX} chunks")))
    }
}

/// How many bytes the samples have, of which the header says so many and the file has so many.
fn samples_bytes(said: u64, there: u64) -> io::Result<u64> {
    let is_unknown = said == 0 || (LENGTHS_UNKNOWN_FROM..=u64::from(u32::MAX)).contains(&said);
    match said <= there && said > 0 {
        true => Ok(said),
        false if there == 0 => Err(io::Error::other("there are no samples in it")),
        false if is_unknown => Ok(there),
        false => Err(io::Error::other(format!("it is cut off: {there} of {said} bytes of samples are there"))),
    }
}

/// Type, channels and rate, as a chunk of so many bytes says.
fn format(file: &File, at: u64, bytes: u64) -> io::Result<(Type, u16, u32)> {
    let mut chunk = [0; FORMAT_BYTES];
    let length = usize::try_from(bytes).unwrap_or(usize::MAX).min(FORMAT_BYTES);
    if length < FORMAT_MIN_BYTES {
        return Err(io::Error::other("what it says of its format is too short"));
    }
    read(file, at, chunk.get_mut(..length).unwrap_or_default())?;
    let word = |at: usize| chunk.get(at..at + 2).and_then(|two| two.try_into().ok()).map_or(0, u16::from_le_bytes);
    let (channels, record_bytes, bits) = (word(2), word(12), word(14));
    let rate_hz = u32::from(word(4)) | u32::from(word(6)) << 16;
    let codec = match word(0) {
        EXTENSIBLE if length == FORMAT_BYTES && chunk.ends_with(&GUID_REST) => word(24),
        codec => codec,
    };
    let kind = match (codec, bits) {
        (PCM, 8) => Scalar::UInt8,
        (PCM, 16) => Scalar::Int16,
        (PCM, 24) => Scalar::Int24,
        (PCM, 32) => Scalar::Int32,
        (FLOAT, 32) => Scalar::Float32,
        (PCM | FLOAT, _) => return Err(unsupported(format!("numbers of {bits} bits"))),
        _ => return Err(unsupported(format!("compressed or of another kind (format {codec:#06x})"))),
    };
    if channels == 0 || rate_hz == 0 {
        return Err(io::Error::other("it has no channel, or no sample rate"));
    }
    if usize::from(record_bytes) != usize::from(channels) * kind.bytes() {
        return Err(unsupported(format!("of {record_bytes} bytes for {channels} channels of {bits} bits")));
    }
    Ok((Type { kind, is_big_endian: false }, channels, rate_hz))
}

fn unsupported(what: String) -> io::Error {
    let taken = "integers of 8, 16, 24 or 32 bits or floats of 32 are taken";
    io::Error::other(format!("its samples are {what}, and {taken}"))
}

/// Fill `into` from this place on.
fn read(file: &File, at: u64, into: &mut [u8]) -> io::Result<()> {
    file.read_exact_at(into, at).map_err(|cause| match cause.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::new(cause.kind(), "it ends before its samples"),
        _ => cause,
    })
}
