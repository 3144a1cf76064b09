//! A device whose samples come as raw little-endian int16 from a file, a FIFO or standard input.

use std::fs::File;
use std::io::{self, Read, stdin};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::device::{Device, Fill};
use crate::error::{Error, Result};
use crate::process::stop::Stop;

/// An open stream of samples.
#[derive(Debug)]
pub struct Stream {
    file: File,
    name: String,
    /// Set at the end of the stream: the bytes left over that make no sample.
    ended: Option<u64>,
}

impl Stream {
    /// Open a file, or a FIFO whose writer may come later.
    ///
    /// # Errors
    /// When `path` cannot be opened for reading.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        // Opening a FIFO would otherwise wait for its writer, where no signal could end the wait in order.
        Self::of(name, File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path))
    }

    /// Read standard input.
    ///
    /// # Errors
    /// When standard input is closed.
    pub fn standard_input() -> Result<Self> {
        Self::of("standard input".to_owned(), stdin().as_fd().try_clone_to_owned().map(File::from))
    }

    fn of(name: String, file: io::Result<File>) -> Result<Self> {
        match file {
            Ok(file) => Ok(Self { file, name, ended: None }),
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
                    let odd_bytes = filled as u64 % 2;
                    self.ended = Some(odd_bytes);
                    let whole = filled - filled % 2;
                    return Ok(if whole == 0 { Fill::End { odd_bytes } } else { Fill::Samples(whole) });
                }
                Ok(count) => filled += count,
                Err(cause) if matches!(cause.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                Err(cause) => return Err(Error::Device { operation: "read", source_name: self.name.clone(), cause }),
            }
        }
        Ok(Fill::Samples(filled))
    }

    fn may_wait(&self) -> bool {
        true
    }
}
