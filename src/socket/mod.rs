//! The only place that knows ZeroMQ.

use crate::error::Error;

mod alarm;
mod bell;
mod binding;
mod bound;
mod cause;
pub mod curve;
mod dial;
mod endpoint;
mod guard;
mod hold;
mod in_flight;
mod inlets;
mod link;
mod monitor;
mod peer;
mod probe;
mod raw;
mod receiver;
mod scout;
mod sender;

pub use binding::SendingKind;
pub use bound::Failure;
pub use cause::Cause;
pub use endpoint::Endpoint;
pub use inlets::{Inlets, QUEUE_MESSAGES, ReceivingKind};
pub use link::Change;
pub use receiver::{Oversize, Received, Receiver, Unwanted, Woken};
pub use sender::{Dropped, Outlet, Sender, Sent};

/// The state machine of a link, for its fuzz target.
#[doc(hidden)]
pub mod machine {
    pub use super::monitor::What;
    pub use super::peer::{Found, Input, Output, Peer, State};
}

/// Call again as long as a signal interrupts it.
fn uninterrupted<T>(mut call: impl FnMut() -> zmq::Result<T>) -> zmq::Result<T> {
    loop {
        match call() {
            Err(zmq::Error::EINTR) => {}
            done => return done,
        }
    }
}

fn socket_error(operation: &'static str, cause: zmq::Error) -> Error {
    Error::Socket { operation, cause: cause.to_string() }
}
