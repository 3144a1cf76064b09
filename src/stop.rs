//! The request to stop, as a file descriptor that any thread can wait for beside its data.
//!
//! A signal handler only writes a byte into a pipe. The byte is never read, so the pipe stays readable for everybody
//! who asks, now and later. The second SIGINT or SIGTERM kills the process as if nobody had caught it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::{flag, low_level};

use crate::error::{Error, Result};

/// The request to stop: set once, by a signal or by [`Stop::request`], and never taken back.
#[derive(Debug)]
pub struct Stop {
    readable_when_stopping: OwnedFd,
    write_end: OwnedFd,
}

impl Stop {
    /// A stop that SIGINT and SIGTERM set.
    ///
    /// # Errors
    /// When the operating system has no pipe or no handler for us.
    pub fn on_signals() -> Result<Self> {
        let stop = Self::new()?;
        stop.register().map_err(|cause| Error::System { operation: "catch signals", cause })?;
        Ok(stop)
    }

    /// A stop that only [`Stop::request`] sets.
    ///
    /// # Errors
    /// When the operating system has no pipe for us.
    pub fn new() -> Result<Self> {
        let (readable_when_stopping, write_end) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
            .map_err(|cause| Error::System { operation: "make a pipe", cause: cause.into() })?;
        Ok(Self { readable_when_stopping, write_end })
    }

    fn register(&self) -> io::Result<()> {
        let asked_before = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag unset and only sets it, the second one dies of it.
            flag::register_conditional_default(signal, Arc::clone(&asked_before))?;
            flag::register(signal, Arc::clone(&asked_before))?;
            low_level::pipe::register(signal, self.write_end.try_clone()?)?;
        }
        Ok(())
    }

    /// Ask everybody who watches this stop to finish.
    pub fn request(&self) {
        // A full pipe is as readable as one with a single byte, and no other error can happen while we own both ends.
        let _ = rustix::io::write(&self.write_end, b"s");
    }

    /// Whether a stop was asked for.
    pub fn requested(&self) -> bool {
        self.wait_ns(0)
    }

    /// Wait until a stop is asked for, `timeout_ns` at most. Says whether it was.
    pub fn wait_ns(&self, timeout_ns: i64) -> bool {
        let mut fds = [PollFd::new(&self.readable_when_stopping, PollFlags::IN)];
        // An interrupted wait was interrupted by a signal: look whether it was ours.
        poll(&mut fds, Some(&timespec(timeout_ns))).is_ok_and(|ready| ready > 0)
    }

    /// Wait until `fd` can be read or a stop is asked for. Says whether to stop.
    pub fn wait_readable(&self, fd: BorrowedFd<'_>) -> bool {
        loop {
            let mut fds =
                [PollFd::new(&self.readable_when_stopping, PollFlags::IN), PollFd::from_borrowed_fd(fd, PollFlags::IN)];
            if poll(&mut fds, None).is_ok() {
                return !fds[0].revents().is_empty();
            }
        }
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readable_when_stopping.as_fd()
    }
}

/// A request that a signal makes: taken once, and may come again.
#[derive(Debug)]
pub struct Request {
    readable_when_asked: OwnedFd,
}

impl Request {
    /// To begin a new session: SIGHUP.
    ///
    /// # Errors
    /// When the operating system has no pipe or no handler for us.
    pub fn to_reload() -> Result<Self> {
        Self::by(SIGHUP)
    }

    /// To pause or to go on: SIGUSR1.
    ///
    /// # Errors
    /// When the operating system has no pipe or no handler for us.
    pub fn to_pause() -> Result<Self> {
        Self::by(SIGUSR1)
    }

    fn by(signal: i32) -> Result<Self> {
        let (readable_when_asked, write_end) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
            .map_err(|cause| Error::System { operation: "make a pipe", cause: cause.into() })?;
        low_level::pipe::register(signal, write_end)
            .map_err(|cause| Error::System { operation: "catch signals", cause })?;
        Ok(Self { readable_when_asked })
    }

    /// Take the request, so that the next one can be seen. Several that came together count as one. Says whether there
    /// was one.
    pub fn take(&self) -> bool {
        let mut bytes = [0; 64];
        let mut asked = false;
        while let Ok(count @ 1..) = rustix::io::read(&self.readable_when_asked, &mut bytes) {
            asked = true;
            if count < bytes.len() {
                break;
            }
        }
        asked
    }
}

impl AsFd for Request {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readable_when_asked.as_fd()
    }
}

fn timespec(ns: i64) -> Timespec {
    let ns = ns.max(0);
    Timespec { tv_sec: ns / 1_000_000_000, tv_nsec: ns % 1_000_000_000 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_seen_by_everybody_and_stays() {
        let stop = Stop::new().unwrap();
        assert!(!stop.requested());
        stop.request();
        assert!(stop.requested());
        assert!(stop.requested());
        assert!(stop.wait_ns(i64::MAX));
    }
}
