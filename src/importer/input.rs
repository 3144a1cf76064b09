//! The file that is read: how far, and its digest.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

/// Read from the disk at once.
const BUFFER_BYTES: usize = 256 << 10;

/// A file that is read from its beginning to its end.
#[derive(Debug)]
pub(super) struct Input {
    file: BufReader<Digesting>,
    passed: u64,
}

#[derive(Debug)]
struct Digesting {
    file: File,
    hasher: Box<blake3::Hasher>,
}

impl Read for Digesting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

impl Input {
    pub fn new(file: File) -> Self {
        let digesting = Digesting { file, hasher: Box::new(blake3::Hasher::new()) };
        Self { file: BufReader::with_capacity(BUFFER_BYTES, digesting), passed: 0 }
    }

    /// What it begins with. It is read again.
    pub fn beginning(&mut self) -> io::Result<&[u8]> {
        self.file.fill_buf()
    }

    /// Bytes that were read.
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// The file itself, to be read at other places.
    pub fn file(&self) -> &File {
        &self.file.get_ref().file
    }

    /// The digest of the file, all of which was read.
    pub fn digest(&self) -> String {
        self.file.get_ref().hasher.finalize().to_hex().to_string()
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.passed += count as u64;
        Ok(count)
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.file.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.file.consume(count);
        self.passed += count as u64;
    }
}

/// A reader that remembers how much was read of it, and the CRC of that.
pub(super) struct Summed<R> {
    pub inner: R,
    pub crc: crc32fast::Hasher,
    pub passed: u64,
}

impl<R> Summed<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, crc: crc32fast::Hasher::new(), passed: 0 }
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.crc.update(buffer.get(..count).unwrap_or_default());
        self.passed += count as u64;
        Ok(count)
    }
}
