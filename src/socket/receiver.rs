//! The receiving side: messages of all links in, stamped records of a batch out.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use zmq::{Context, DONTWAIT, Message, POLLIN, PollItem};

use crate::batch::Batch;
use crate::clock::{monotonic_ns, unix_ns};
use crate::error::Result;
use crate::socket::link::{Change, Link};
use crate::socket::{Endpoint, socket_error};
use crate::stop::{Request, Stop};

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// A message can be received, a link changed, or the time is over.
    Look,
    /// A reload was asked for.
    Reload,
    /// A stop was asked for.
    Stop,
}

/// Links to one or more devices.
pub struct Receiver {
    links: Vec<Link>,
    /// Where to look for the next message, so that no device can keep another one waiting.
    next: usize,
    /// Whether the last wait saw a monitor with something to say.
    monitor_speaks: bool,
    frame: Message,
}

impl Receiver {
    /// Subscribe and connect to all endpoints. libzmq connects in the background and again after each break. Frames
    /// above `frame_max_bytes` are not received; they break the link, which is then mended.
    ///
    /// # Errors
    /// When an endpoint cannot be connected to at all.
    pub fn connect(endpoints: &[Endpoint], subscriptions: &[Vec<u8>], frame_max_bytes: i64) -> Result<Self> {
        let context = Context::new();
        let link = |(number, endpoint)| Link::connect(&context, number, endpoint, subscriptions, frame_max_bytes);
        let links = endpoints.iter().enumerate().map(link).collect::<Result<_>>()?;
        Ok(Self { links, next: 0, monitor_speaks: false, frame: Message::new() })
    }

    /// Wait for a message, a change of a link, a stop, a reload, or the end of `timeout_ms` (-1: no end).
    ///
    /// # Errors
    /// When a socket fails.
    pub fn wait(&mut self, stop: &Stop, reload: &Request, timeout_ms: i64) -> Result<Woken> {
        let signal = |fd: BorrowedFd<'_>| PollItem::from_fd(fd.as_raw_fd(), POLLIN);
        let mut items = vec![signal(stop.as_fd()), signal(reload.as_fd())];
        items.extend(self.links.iter().map(|link| link.monitor.as_poll_item(POLLIN)));
        items.extend(self.links.iter().map(|link| link.socket.as_poll_item(POLLIN)));
        match zmq::poll(&mut items, timeout_ms) {
            Ok(_) => {
                let mut ready = items.iter().map(PollItem::is_readable);
                let (stopped, reloaded) = (ready.next() == Some(true), ready.next() == Some(true));
                self.monitor_speaks = ready.take(self.links.len()).any(|speaks| speaks);
                Ok(match (stopped, reloaded) {
                    (true, _) => Woken::Stop,
                    (false, true) => Woken::Reload,
                    (false, false) => Woken::Look,
                })
            }
            // A signal that was ours made the stop readable: the next wait sees it.
            Err(zmq::Error::EINTR) => Ok(Woken::Look),
            Err(cause) => Err(socket_error("wait for a socket", cause)),
        }
    }

    /// Wait for a message, whatever was asked for, `timeout_ms` at most.
    ///
    /// # Errors
    /// When a socket fails.
    pub fn wait_quiet(&self, timeout_ms: i64) -> Result<()> {
        let mut items: Vec<PollItem<'_>> = self.links.iter().map(|link| link.socket.as_poll_item(POLLIN)).collect();
        match zmq::poll(&mut items, timeout_ms) {
            Ok(_) | Err(zmq::Error::EINTR) => Ok(()),
            Err(cause) => Err(socket_error("wait for a socket", cause)),
        }
    }

    /// When a link must be mended, on the monotonic clock.
    pub fn mend_due_ns(&self) -> Option<i64> {
        self.links.iter().filter_map(Link::mend_due_ns).min()
    }

    /// A link that came up or went down, if there is one that was not told yet. Mends links that are due.
    ///
    /// # Errors
    /// When a socket fails.
    pub fn next_change(&mut self) -> Result<Option<(&Endpoint, Change)>> {
        if self.mend_due_ns().is_some_and(|due_ns| monotonic_ns() >= due_ns) {
            for link in &mut self.links {
                if link.mend_due_ns().is_some_and(|due_ns| monotonic_ns() >= due_ns) {
                    link.mend()?;
                }
            }
        }
        if !self.monitor_speaks {
            return Ok(None);
        }
        for link in &mut self.links {
            if let Some(change) = link.next_change()? {
                return Ok(Some((&link.endpoint, change)));
            }
        }
        self.monitor_speaks = false;
        Ok(None)
    }

    /// Append the next message to `batch`, stamped now, if one is there. Says whether one was.
    ///
    /// # Errors
    /// When a socket fails.
    pub fn receive(&mut self, batch: &mut Batch, origin_ns: i64) -> Result<bool> {
        for _ in 0..self.links.len() {
            let Some(link) = self.links.get(self.next) else { break };
            match link.socket.recv(&mut self.frame, DONTWAIT) {
                Ok(()) => {}
                Err(zmq::Error::EAGAIN | zmq::Error::EINTR) => {
                    self.next = (self.next + 1) % self.links.len();
                    continue;
                }
                Err(cause) => return Err(socket_error("receive", cause)),
            }
            let mut entry = batch.message(unix_ns(), monotonic_ns().saturating_sub(origin_ns));
            entry.frame(&[&self.frame]);
            // The other frames of a message are there as soon as the first one is.
            while self.frame.get_more() {
                link.socket.recv(&mut self.frame, 0).map_err(|cause| socket_error("receive", cause))?;
                entry.frame(&[&self.frame]);
            }
            self.next = (self.next + 1) % self.links.len();
            return Ok(true);
        }
        Ok(false)
    }
}
