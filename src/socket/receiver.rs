//! The subscribing socket: messages in, stamped records of a batch out.

use zmq::{Context, DONTWAIT, Message, SUB, Socket};

use crate::batch::Batch;
use crate::clock::{monotonic_ns, unix_ns};
use crate::error::{Error, Result};
use crate::socket::{Endpoint, raw, socket_error};
use crate::stop::Stop;

/// Messages that libzmq may hold while the receiving thread is not running: a second of a device at 100 kHz.
const RECEIVE_QUEUE_MESSAGES: i32 = 100_000;

/// The largest frame that is received: SQLite stores a value of up to 1 GB.
const FRAME_MAX_BYTES: i64 = 512 << 20;

/// A device that restarts is found again quickly: the first attempt after so many milliseconds (libzmq: 100) ...
const RECONNECT_MS: i32 = 10;

/// ... and, while it stays away, at most so many apart.
const RECONNECT_MAX_MS: i32 = 1_000;

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// A message can be received, or the time is over.
    Look,
    /// A stop was asked for.
    Stop,
}

/// A connected subscribing socket.
pub struct Receiver {
    socket: Socket,
    frame: Message,
}

impl Receiver {
    /// Subscribe and connect to all endpoints. libzmq connects in the background and again after each break.
    ///
    /// # Errors
    /// When an endpoint cannot be connected to at all.
    pub fn connect(endpoints: &[Endpoint], subscriptions: &[Vec<u8>]) -> Result<Self> {
        let mut socket =
            Context::new().socket(SUB).map_err(|cause| socket_error("open a subscribing socket", cause))?;
        let set = || -> zmq::Result<()> {
            socket.set_linger(0)?;
            socket.set_maxmsgsize(FRAME_MAX_BYTES)?;
            socket.set_rcvhwm(RECEIVE_QUEUE_MESSAGES)?;
            socket.set_reconnect_ivl(RECONNECT_MS)?;
            socket.set_reconnect_ivl_max(RECONNECT_MAX_MS)?;
            subscriptions.iter().try_for_each(|prefix| socket.set_subscribe(prefix))
        };
        set().map_err(|cause| socket_error("set up a subscribing socket", cause))?;
        for endpoint in endpoints {
            socket
                .set_ipv6(endpoint.needs_ipv6())
                .map_err(|cause| socket_error("choose the kind of address", cause))?;
            raw::connect(&mut socket, endpoint.as_str()).map_err(|cause| Error::Endpoint {
                operation: "connect to",
                endpoint: endpoint.to_string(),
                cause,
                hint: "check the address given with --connect",
            })?;
        }
        Ok(Self { socket, frame: Message::new() })
    }

    /// Wait for a message, a stop, or the end of `timeout_ms` (-1: no end).
    ///
    /// # Errors
    /// When the socket fails.
    pub fn wait(&self, stop: &Stop, timeout_ms: i64) -> Result<Woken> {
        super::wait(&self.socket, stop, timeout_ms)
    }

    /// Wait for a message, whether or not a stop was asked for. Says whether one came within `timeout_ms`.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn wait_quiet(&self, timeout_ms: i64) -> Result<bool> {
        match self.socket.poll(zmq::POLLIN, timeout_ms) {
            Ok(ready) => Ok(ready > 0),
            Err(zmq::Error::EINTR) => Ok(true),
            Err(cause) => Err(socket_error("wait for a socket", cause)),
        }
    }

    /// Append the next message to `batch`, stamped now, if one is there. Says whether one was.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn receive(&mut self, batch: &mut Batch, origin_ns: i64) -> Result<bool> {
        match self.socket.recv(&mut self.frame, DONTWAIT) {
            Ok(()) => {}
            Err(zmq::Error::EAGAIN | zmq::Error::EINTR) => return Ok(false),
            Err(cause) => return Err(socket_error("receive", cause)),
        }
        let mut entry = batch.message(unix_ns(), monotonic_ns() - origin_ns);
        entry.frame(&[&self.frame]);
        // The other frames of a message are there as soon as the first one is.
        while self.frame.get_more() {
            self.socket.recv(&mut self.frame, 0).map_err(|cause| socket_error("receive", cause))?;
            entry.frame(&[&self.frame]);
        }
        Ok(true)
    }
}
