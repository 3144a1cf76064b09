//! A device whose numbers come raw from a file, a FIFO or standard input.

use std::fs::File;
use std::io::{self, Read, stdin};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::device::{Device, Fill};
use crate::error::{Error, Result};
use crate::process::stop::Stop;

/// An open stream of records.
#[derive(Debug)]
pub struct Stream {
    file: File,
    name: String,
    record_bytes: usize,
    /// Set at the end of the stream: the bytes left over that make no record.
    ended: Option<u64>,
}

impl Stream {
    /// Open a file, or a FIFO whose writer may come later, with records of so many bytes.
    ///
    /// # Errors
    /// When `path` cannot be opened for reading.
    pub fn open(path: &Path, record_bytes: usize) -> Result<Self> {
        let name = path.display().to_string();
        // Opening a FIFO would otherwise wait for its writer, where no signal could end the wait in order.
        let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path);
        Self::of(name, file, record_bytes)
    }

    /// Read standard input, with records of so many bytes.
    ///
    /// # Errors
    /// When standard input is closed.
    pub fn standard_input(record_bytes: usize) -> Result<Self> {
        let file = stdin().as_fd().try_clone_to_owned().map(File::from);
        Self::of("standard input".to_owned(), file, record_bytes)
    }

    fn of(name: String, file: io::Result<File>, record_bytes: usize) -> Result<Self> {
        match file {
            Ok(file) => Ok(Self { file, name, record_bytes: record_bytes.max(1), ended: None }),
            Err(cause) => Err(Error::Device { operation: "open", source_name: name, cause }),
        }
    }
}

impl Device for Stream {
    fn fill(&mut self, payload: &mut [u8], stop: &Stop) -> Result<Fill> {
        if let Some(odd_bytes) = self.ended {
            return Ok(Fill::End { odd_bytes });
        }
        let mut filled = 0;
        while let Some(room) = payload.get_mut(filled..).filter(|room| !room.is_empty()) {
            if stop.wait_readable(self.file.as_fd()) {
                return Ok(Fill::Stopped);
            }
            match self.file.read(room) {
                Ok(0) => {
                    let left = filled % self.record_bytes;
                    let (odd_bytes, whole) = (left as u64, filled - left);
                    self.ended = Some(odd_bytes);
                    return Ok(if whole == 0 { Fill::End { odd_bytes } } else { Fill::Records(whole) });
                }
                Ok(count) => filled += count,
                Err(cause) if matches!(cause.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                Err(cause) => return Err(Error::Device { operation: "read", source_name: self.name.clone(), cause }),
            }
        }
        Ok(Fill::Records(filled))
    }

    fn may_wait(&self) -> bool {
        true
    }
}
