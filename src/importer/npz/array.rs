//! An array: its head, and its rows one behind the other.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt;

use crate::codec::npy::{self, MAGIC};
use crate::importer::npz::directory::Entry;
use crate::importer::{Read, Refused};

/// The longest head: of rows with as many fields as a layout can have numbers, with long names.
const HEAD_MAX_BYTES: u64 = 64 << 20;

/// Rows that are read from its beginning to its end.
#[derive(Debug)]
pub(super) struct Array<'f> {
    file: &'f File,
    name: String,
    /// Where what is not read yet begins, and where all ends.
    at: u64,
    end: u64,
    /// What was read ahead, and how much of it was given.
    held: Vec<u8>,
    given: usize,
    held_most_bytes: usize,
    crc: crc32fast::Hasher,
    expected_crc: u32,
    dtype: String,
    rows: u64,
    row_bytes: u64,
}

impl<'f> Array<'f> {
    /// The array in an entry. So many bytes of it are read ahead.
    pub fn open(file: &'f File, file_bytes: u64, name: String, entry: &Entry, held_most_bytes: usize) -> Read<Self> {
        let at = entry.begins_at(file, file_bytes)?;
        let mut array = Self {
            file,
            name,
            at,
            end: at + entry.bytes,
            held: Vec::new(),
            given: 0,
            held_most_bytes: held_most_bytes.max(1),
            crc: crc32fast::Hasher::new(),
            expected_crc: entry.crc,
            dtype: String::new(),
            rows: 0,
            row_bytes: 0,
        };
        array.read_head()?;
        Ok(array)
    }

    fn read_head(&mut self) -> Read<()> {
        let mut magic = [0; 8];
        self.fill(&mut magic)?;
        let [.., version, _] = magic;
        if !magic.starts_with(MAGIC) || !(1..=3).contains(&version) {
            return Err(self.damaged("is no NPY file"));
        }
        let mut length = [0; 4];
        self.fill(length.get_mut(..if version == 1 { 2 } else { 4 }).unwrap_or_default())?;
        let length = u64::from(u32::from_le_bytes(length));
        if length > HEAD_MAX_BYTES {
            return Err(self.damaged("has a head that is too long"));
        }
        let mut words = Vec::new();
        self.append(length, &mut words)?;
        let words = String::from_utf8_lossy(&words);
        let Some((dtype, rows)) = npy::read_head(&words) else {
            return Err(self.damaged("is not a list of rows in C order"));
        };
        self.dtype = dtype.to_owned();
        self.rows = rows;
        self.row_bytes = self.left().checked_div(rows).unwrap_or_default();
        match self.row_bytes.checked_mul(rows) {
            Some(bytes) if bytes == self.left() => Ok(()),
            _ => Err(self.damaged(format!("has {} bytes, which are not {rows} rows", self.left()))),
        }
    }

    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many bytes each of them has.
    pub fn row_bytes(&self) -> u64 {
        self.row_bytes
    }

    /// Bytes that were not read.
    pub fn left(&self) -> u64 {
        self.end - self.at + (self.held.len() - self.given) as u64
    }

    /// Check that its rows have this type. It is not kept.
    pub fn expect(&mut self, dtype: &str, of: &str) -> Read<()> {
        let found = std::mem::take(&mut self.dtype);
        match npy::is_same(&found, dtype) {
            true => Ok(()),
            false => Err(Refused::File(
                format!("the rows of its array {} are not those of {of}", self.name.escape_debug()),
                "import what `session export` wrote, with the types as they were",
            )),
        }
    }

    /// Read so many bytes behind those that are in `into`. Nothing is taken for bytes that are not there.
    pub fn append(&mut self, bytes: u64, into: &mut Vec<u8>) -> Read<()> {
        let begin = into.len();
        if bytes > self.left() {
            return Err(self.damaged("is shorter than what it belongs to"));
        }
        into.resize(begin + bytes as usize, 0);
        self.fill(into.get_mut(begin..).unwrap_or_default())
    }

    /// Read as many bytes as there is room.
    pub fn fill(&mut self, into: &mut [u8]) -> Read<()> {
        if into.len() as u64 > self.left() {
            return Err(self.damaged("is shorter than what it belongs to"));
        }
        Ok(self.read_exact(into)?)
    }

    /// All of it must have been read, and be as it was written.
    pub fn end(self) -> Read<()> {
        if self.left() > 0 {
            return Err(self.damaged("is longer than what it belongs to"));
        }
        match self.crc.clone().finalize() == self.expected_crc {
            true => Ok(()),
            false => Err(self.damaged("does not agree with its sum (CRC)")),
        }
    }

    /// It is not as it should be.
    pub fn damaged(&self, cause: impl AsRef<str>) -> Refused {
        Refused::damaged(format!("its array {} {}", self.name.escape_debug(), cause.as_ref()))
    }
}

impl io::Read for Array<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let behind = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let is_given = self.given == self.held.len();
        let count = if is_given && into.len() >= self.held_most_bytes {
            let count = behind.min(into.len());
            self.file.read_exact_at(into.get_mut(..count).unwrap_or_default(), self.at)?;
            self.at += count as u64;
            count
        } else {
            if is_given {
                let count = behind.min(self.held_most_bytes);
                self.held.resize(count, 0);
                self.given = count;
                self.file.read_exact_at(&mut self.held, self.at)?;
                (self.at, self.given) = (self.at + count as u64, 0);
            }
            let count = self.held.get(self.given..).unwrap_or_default().read(into)?;
            self.given += count;
            count
        };
        self.crc.update(into.get(..count).unwrap_or_default());
        Ok(count)
    }
}
