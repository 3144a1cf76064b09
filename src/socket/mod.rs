//! The only place that knows ZeroMQ.

use std::os::fd::{AsFd, AsRawFd};

use crate::error::{Error, Result};
use crate::stop::Stop;

mod endpoint;
mod raw;
mod receiver;
mod sender;

pub use endpoint::Endpoint;
pub use receiver::{Receiver, Woken};
pub use sender::{Flushed, OnFull, Sender, Sent};

fn socket_error(operation: &'static str, cause: zmq::Error) -> Error {
    Error::Socket { operation, cause: cause.to_string() }
}

/// Wait until `socket` has something to receive, a stop is asked for, or `timeout_ms` is over (-1: no end).
fn wait(socket: &zmq::Socket, stop: &Stop, timeout_ms: i64) -> Result<Woken> {
    let stop_fd = stop.as_fd().as_raw_fd();
    let mut items = [zmq::PollItem::from_fd(stop_fd, zmq::POLLIN), socket.as_poll_item(zmq::POLLIN)];
    match zmq::poll(&mut items, timeout_ms) {
        Ok(_) if items[0].is_readable() => Ok(Woken::Stop),
        // A signal that was ours made the stop readable: the next wait sees it.
        Ok(_) | Err(zmq::Error::EINTR) => Ok(Woken::Look),
        Err(cause) => Err(socket_error("wait for a socket", cause)),
    }
}
