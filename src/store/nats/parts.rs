//! What is longer than a message of an archive may be: compressed with zstd, and cut into parts.

use std::io::{self, Read, Write};
use std::mem;
use std::vec;

use crate::store::nats::bundle::malformed;

/// A message of NATS has at most 1 MiB by default, with its headers.
pub const PART_MAX_BYTES: usize = 900_000;

/// What is compressed is mostly noise: a higher level takes twice the time, and one or two in a hundred bytes less.
const LEVEL: i32 = 1;

/// The window that a decoder makes room for: 8 MiB, what level 1 never exceeds.
const WINDOW_LOG_MAX: u32 = 23;

/// Takes the parts as they come.
struct Cutter<F> {
    part: Vec<u8>,
    give: F,
}

impl<F: FnMut(Vec<u8>) -> io::Result<()>> Write for Cutter<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.part.len() == PART_MAX_BYTES {
            (self.give)(mem::take(&mut self.part))?;
        }
        let taken = bytes.get(..PART_MAX_BYTES - self.part.len()).unwrap_or(bytes);
        self.part.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Compresses what is written into it, and gives all parts but the last one away as they become full.
pub struct Parts<F: FnMut(Vec<u8>) -> io::Result<()>> {
    encoder: zstd::stream::write::Encoder<'static, Cutter<F>>,
}

impl<F: FnMut(Vec<u8>) -> io::Result<()>> Parts<F> {
    /// Begin.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn new(give: F) -> io::Result<Self> {
        let mut encoder = zstd::stream::write::Encoder::new(Cutter { part: Vec::new(), give }, LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Self { encoder })
    }

    /// The last part, which is never empty.
    ///
    /// # Errors
    /// When the others are not taken.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        Ok(self.encoder.finish()?.part)
    }
}

impl<F: FnMut(Vec<u8>) -> io::Result<()>> Write for Parts<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.encoder.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Parts as one piece.
#[derive(Debug)]
struct Joined<B: AsRef<[u8]>> {
    parts: vec::IntoIter<B>,
    part: Option<(B, usize)>,
}

impl<B: AsRef<[u8]>> Read for Joined<B> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some((part, at)) = &mut self.part else {
                match self.parts.next() {
                    Some(part) => self.part = Some((part, 0)),
                    None => return Ok(0),
                }
                continue;
            };
            match part.as_ref().get(*at..).unwrap_or_default().read(to)? {
                // Memory goes with each part.
                0 if !to.is_empty() => self.part = None,
                bytes => {
                    *at += bytes;
                    return Ok(bytes);
                }
            }
        }
    }
}

/// Reads all parts, decompressed. It takes memory for a window, whatever they say.
pub struct Whole<B: AsRef<[u8]>> {
    decoder: zstd::stream::read::Decoder<'static, io::BufReader<Joined<B>>>,
    is_over: bool,
}

impl<B: AsRef<[u8]>> Whole<B> {
    /// Of these parts, in their order.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn new(parts: Vec<B>) -> io::Result<Self> {
        let joined = Joined { parts: parts.into_iter(), part: None };
        let mut decoder = zstd::stream::read::Decoder::new(joined)?.single_frame();
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        Ok(Self { decoder, is_over: false })
    }
}

impl<B: AsRef<[u8]>> Read for Whole<B> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let bytes = self.decoder.read(to)?;
        if bytes == 0 && !to.is_empty() && !self.is_over {
            self.is_over = true;
            // What stands behind the end was not written by us.
            if self.decoder.get_mut().read(&mut [0])? > 0 {
                return Err(malformed("there is more in it than was written"));
            }
        }
        Ok(bytes)
    }
}
