//! A device whose numbers come raw from a file, a FIFO or standard input, or from a part of a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, stdin};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::device::wav::Sound;
use crate::device::{Device, Fill};
use crate::error::{Error, Result};
use crate::process::stop::Stop;

/// Why a stream without a byte is no device.
const EMPTY: &str = "it is empty";

/// An open stream of records.
#[derive(Debug)]
pub struct Stream {
    file: File,
    name: String,
    record_bytes: usize,
    /// What of a part of a file is not read yet.
    left_bytes: Option<u64>,
    /// Whether anything was read.
    has_begun: bool,
    /// Set at the end of the stream: the bytes left over that make no record.
    ended: Option<u64>,
}

impl Stream {
    /// Open a file, or a FIFO whose writer may come later, with records of so many bytes.
    ///
    /// # Errors
    /// When `path` cannot be opened for reading, or is a directory or an empty file.
    pub fn open(path: &Path, record_bytes: usize) -> Result<Self> {
        let name = format!("stream {}", path.display());
        // Opening a FIFO would otherwise wait for its writer, where no signal could end the wait in order.
        let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path);
        Self::of(name, file, record_bytes)
    }

    /// Read standard input, with records of so many bytes.
    ///
    /// # Errors
    /// When standard input is closed, or is a directory or an empty file.
    pub fn standard_input(record_bytes: usize) -> Result<Self> {
        let file = stdin().as_fd().try_clone_to_owned().map(File::from);
        Self::of("stream from standard input".to_owned(), file, record_bytes)
    }

    /// Read the samples of a sound file. Gives also how they are records, and how many of these are of one second.
    ///
    /// # Errors
    /// When it cannot be opened or is no such file, or has no samples that can be published.
    pub(super) fn sound(path: &Path) -> Result<(Self, Sound)> {
        let name = format!("sound {}", path.display());
        let begin = |mut file: File| {
            let about = file.metadata()?;
            if !about.is_file() {
                return Err(io::Error::other("it is no regular file"));
            }
            let sound = Sound::of(&file, about.len())?;
            file.seek(SeekFrom::Start(sound.at))?;
            Ok((file, sound))
        };
        let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path);
        match file.and_then(begin) {
            Ok((file, sound)) => {
                let record_bytes = sound.of.bytes() * usize::from(sound.channels);
                Ok((Self { left_bytes: Some(sound.bytes), ..Self::whole(name, file, record_bytes) }, sound))
            }
            Err(cause) => Err(Error::Device { operation: "open", source_name: name, cause }),
        }
    }

    fn of(name: String, file: io::Result<File>, record_bytes: usize) -> Result<Self> {
        let check = |file: File| {
            let about = file.metadata()?;
            match about.is_file() && about.len() == 0 {
                _ if about.is_dir() => Err(Errno::ISDIR.into()),
                true => Err(io::Error::other(EMPTY)),
                false => Ok(file),
            }
        };
        match file.and_then(check) {
            Ok(file) => Ok(Self::whole(name, file, record_bytes)),
            Err(cause) => Err(Error::Device { operation: "open", source_name: name, cause }),
        }
    }

    fn whole(name: String, file: File, record_bytes: usize) -> Self {
        let record_bytes = record_bytes.max(1);
        Self { file, name, record_bytes, left_bytes: None, has_begun: false, ended: None }
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
            match (&self.file).take(self.left_bytes.unwrap_or(u64::MAX)).read(room) {
                Ok(0) if self.left_bytes.is_some_and(|left_bytes| left_bytes > 0) => {
                    return Err(self.failed(io::Error::other("it has become shorter")));
                }
                Ok(0) if self.has_begun => {
                    let left = filled % self.record_bytes;
                    let (odd_bytes, whole) = (left as u64, filled - left);
                    self.ended = Some(odd_bytes);
                    return Ok(if whole == 0 { Fill::End { odd_bytes } } else { Fill::Records(whole) });
                }
                Ok(0) => return Err(self.failed(io::Error::other(EMPTY))),
                Ok(count) => {
                    filled += count;
                    self.left_bytes = self.left_bytes.map(|left_bytes| left_bytes - count as u64);
                    self.has_begun = true;
                }
                Err(cause) if matches!(cause.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                Err(cause) => return Err(self.failed(cause)),
            }
        }
        Ok(Fill::Records(filled))
    }

    fn may_wait(&self) -> bool {
        true
    }
}

impl Stream {
    fn failed(&self, cause: io::Error) -> Error {
        Error::Device { operation: "read", source_name: self.name.clone(), cause }
    }
}
