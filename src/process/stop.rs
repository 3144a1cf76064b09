//! The request to stop, as a file descriptor that any thread can wait for beside its data.
//!
//! Whoever asks writes a byte into a pipe, which a signal handler may do too. The byte is never read, so the pipe stays
//! readable for everybody who asks, now and later.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use signal_hook::consts::SIGUSR1;
use signal_hook::low_level;

use crate::error::{Error, Result};

/// The request to stop: set once, by a signal or by [`Stop::request`], and never taken back.
#[derive(Debug)]
pub struct Stop {
    readable_when_stopping: OwnedFd,
    asker: Asker,
}

impl Stop {
    /// A stop that [`Stop::request`] sets, or whoever has its other end.
    ///
    /// # Errors
    /// When the operating system has no pipe for us.
    pub fn new() -> Result<Self> {
        let (readable_when_stopping, asker) = pipe()?;
        Ok(Self { readable_when_stopping, asker })
    }

    /// Somebody else who may set it.
    pub(crate) fn asker(&self) -> io::Result<Asker> {
        self.asker.try_clone()
    }

    /// Ask everybody who watches this stop to finish.
    pub fn request(&self) {
        self.asker.ask();
    }

    /// Whether a stop was asked for.
    pub fn requested(&self) -> bool {
        self.wait_ns(0)
    }

    /// Go on, unless a stop was asked for.
    ///
    /// # Errors
    /// When one was: `what` was stopped before its end.
    pub fn check(&self, what: impl FnOnce() -> String) -> Result<()> {
        if self.requested() { Err(Error::Stopped { what: what() }) } else { Ok(()) }
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
    /// A request that the other one of the two makes.
    ///
    /// # Errors
    /// When the operating system has no pipe for us.
    pub(crate) fn with_asker() -> Result<(Self, Asker)> {
        let (readable_when_asked, asker) = pipe()?;
        Ok((Self { readable_when_asked }, asker))
    }

    /// To pause or to go on: SIGUSR1.
    ///
    /// # Errors
    /// When the operating system has no pipe or no handler for us.
    pub fn to_pause() -> Result<Self> {
        let (request, asker) = Self::with_asker()?;
        asker.ask_at(SIGUSR1).map_err(|cause| Error::System { operation: "catch signals", cause })?;
        Ok(request)
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

/// The end of a pipe into which a byte is written to ask for something.
#[derive(Debug)]
pub(crate) struct Asker(OwnedFd);

impl Asker {
    fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Ask.
    pub fn ask(&self) {
        // A full pipe is as readable as one with a single byte, and no other error can happen while both ends are ours.
        let _ = rustix::io::write(&self.0, b"s");
    }

    /// Ask whenever this signal comes.
    pub fn ask_at(&self, signal: i32) -> io::Result<()> {
        low_level::pipe::register(signal, self.0.try_clone()?).map(|_| ())
    }
}

fn pipe() -> Result<(OwnedFd, Asker)> {
    let (read_end, write_end) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
        .map_err(|cause| Error::System { operation: "make a pipe", cause: cause.into() })?;
    Ok((read_end, Asker(write_end)))
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
