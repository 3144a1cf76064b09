//! The file of `replay --timing-report`.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::escape;
use crate::process::stop::Stop;
use crate::safe_open;
use crate::store::{FILE_MODE, belongs_to};
use crate::time::clock::{NS_PER_S, monotonic_ns};

/// After a stop request, whoever reads the report has so long to take it.
const READ_WITHIN_NS: i64 = NS_PER_S;

/// A file that is opened before the replay begins, so that a wrong path does not cost one.
#[derive(Debug)]
pub struct Report {
    file: File,
    path: PathBuf,
}

impl Report {
    /// Open it, and empty it.
    ///
    /// # Errors
    /// When it cannot be written, belongs to the database that is replayed, or is no regular file of ours.
    pub fn create(path: &Path, database: &Path) -> Result<Self> {
        let opened = match names_a_descriptor(path) {
            true => open_descriptor(path),
            false if belongs_to(path, database) => Err(io::Error::other("it belongs to the database that is replayed")),
            false => safe_open::to_write(path, FILE_MODE).and_then(|file| file.set_len(0).map(|()| file)),
        };
        match opened {
            Ok(file) => Ok(Self { file, path: path.to_owned() }),
            Err(cause) => Err(Error::Report { path: path.to_owned(), cause }),
        }
    }

    /// Write it.
    ///
    /// # Errors
    /// When that fails, or a stop is requested and nobody reads it.
    pub fn write(mut self, report: &Value, stop: &Stop) -> Result<()> {
        let text = format!("{}\n", escape::json::pretty(report));
        self.write_all(text.as_bytes(), stop).map_err(|cause| Error::Report { path: self.path, cause })
    }

    /// As [`Write::write_all`], for a pipe too that nobody reads.
    fn write_all(&mut self, mut bytes: &[u8], stop: &Stop) -> io::Result<()> {
        let mut deadline_ns = None;
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => self.wait(stop, &mut deadline_ns)?,
                Err(cause) => return Err(cause),
            }
        }
        Ok(())
    }

    /// Wait until it can be written, or a signal comes.
    fn wait(&self, stop: &Stop, deadline_ns: &mut Option<i64>) -> io::Result<()> {
        let is_writable = PollFd::new(&self.file, PollFlags::OUT);
        if !stop.requested() {
            return match poll(&mut [is_writable, PollFd::new(stop, PollFlags::IN)], None) {
                Ok(_) | Err(Errno::INTR) => Ok(()),
                Err(cause) => Err(cause.into()),
            };
        }
        let now_ns = monotonic_ns();
        let left_ns = deadline_ns.get_or_insert(now_ns + READ_WITHIN_NS).saturating_sub(now_ns).max(0);
        let timeout = Timespec { tv_sec: left_ns / NS_PER_S, tv_nsec: left_ns % NS_PER_S };
        match poll(&mut [is_writable], Some(&timeout)) {
            Ok(0) => Err(io::Error::other("nobody reads it")),
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(cause) => Err(cause.into()),
        }
    }
}

/// Whether this is the null device or a name for one of our own descriptors, as a shell makes one for `>(command)`. All of them
/// are links or devices, and none can be planted.
fn names_a_descriptor(path: &Path) -> bool {
    let Some(text) = path.to_str() else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbered = text.strip_prefix("/dev/fd/").or_else(|| text.strip_prefix("/proc/self/fd/"));
    matches!(text, "/dev/null" | "/dev/stdout" | "/dev/stderr") || numbered.is_some_and(is_number)
}

fn open_descriptor(path: &Path) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(open(path, flags, Mode::empty())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_descriptors_and_the_null_device_are_followed() {
        for name in ["/dev/null", "/dev/stdout", "/dev/stderr", "/dev/fd/63", "/proc/self/fd/1"] {
            assert!(names_a_descriptor(Path::new(name)), "{name}");
        }
        for name in ["/dev/fd/", "/dev/fd/1/../x", "/dev/sda", "/dev/shm/report", "stdout", "/proc/self/fd/a"] {
            assert!(!names_a_descriptor(Path::new(name)), "{name}");
        }
    }
}
