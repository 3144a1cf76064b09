//! What is known only at the end, how many rows an array has, stands at its beginning: until then rows wait in a file without a name.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What all rows that are on their way to the file take in memory, divided among the streams.
const HELD_BYTES: usize = 32 << 20;

/// Of one stream at most, and at least.
const HELD_EACH_BYTES: (usize, usize) = (4 << 10, 1 << 20);

/// Rows of several streams in one file.
pub(super) struct Spool {
    file: File,
    end: u64,
    held_bytes: usize,
}

/// The rows of one of them.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// The youngest ones.
    held: Vec<u8>,
    /// Where the others are: offset and length.
    pieces: Vec<(u64, u64)>,
}

impl Spool {
    /// An empty one in this directory, for so many streams.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn new(directory: &Path, streams: usize) -> io::Result<Self> {
        let (least, most) = HELD_EACH_BYTES;
        let held_bytes = HELD_BYTES.checked_div(streams).unwrap_or(most).clamp(least, most);
        Ok(Self { file: tempfile::tempfile_in(directory)?, end: 0, held_bytes })
    }

    /// Append to the rows of a stream.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn append(&mut self, rows: &mut Rows, pieces: &[&[u8]]) -> io::Result<()> {
        pieces.iter().for_each(|piece| rows.held.extend_from_slice(piece));
        if rows.held.len() < self.held_bytes {
            return Ok(());
        }
        self.file.write_all(&rows.held)?;
        let bytes = rows.held.len() as u64;
        match rows.pieces.last_mut() {
            Some((offset, length)) if *offset + *length == self.end => *length += bytes,
            _ => rows.pieces.push((self.end, bytes)),
        }
        self.end += bytes;
        rows.held.clear();
        Ok(())
    }

    /// The rows of a stream from the first one on.
    pub fn read<'s>(&'s self, rows: &'s Rows) -> impl Read + 's {
        BufReader::with_capacity(HELD_EACH_BYTES.1, Reader { spool: self, rows, piece: 0, at: 0 })
    }
}

struct Reader<'s> {
    spool: &'s Spool,
    rows: &'s Rows,
    piece: usize,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(&(offset, length)) = self.rows.pieces.get(self.piece) {
            let left = usize::try_from(length - self.at).unwrap_or(usize::MAX).min(into.len());
            if length == self.at {
                (self.piece, self.at) = (self.piece + 1, 0);
                continue;
            }
            let count = self.spool.file.read_at(into.get_mut(..left).unwrap_or_default(), offset + self.at)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.at += count as u64;
            return Ok(count);
        }
        let at = usize::try_from(self.at).unwrap_or(usize::MAX);
        let count = self.rows.held.get(at..).unwrap_or_default().read(into)?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_in_their_order() {
        let mut spool = Spool::new(Path::new("/tmp"), 2_000_000).unwrap();
        let mut streams = [Rows::default(), Rows::default(), Rows::default()];
        let mut expected = [Vec::new(), Vec::new(), Vec::new()];
        for number in 0..20_000_u32 {
            let stream = (number % 7 % 2) as usize;
            let row = [&number.to_le_bytes()[..], &vec![number as u8; number as usize % 9]];
            spool.append(&mut streams[stream], &row).unwrap();
            expected[stream].extend_from_slice(&row.concat());
        }
        for (rows, expected) in streams.iter().zip(&expected) {
            let mut read = Vec::new();
            spool.read(rows).read_to_end(&mut read).unwrap();
            assert!(read == *expected);
        }
        assert!(streams[0].pieces.len() > 1);
    }
}
