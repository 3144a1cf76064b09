//! What libzmq says of the connections of a socket: see zmq_socket_monitor(3).

use zmq::{Context, DONTWAIT, Message, PAIR, Socket};

use crate::error::Result;
use crate::socket::{socket_error, uninterrupted};

/// Every event.
const ALL: i32 = 0xffff;

/// What happened to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// We connected; the value is the descriptor.
    Connected,
    /// A connection is under way.
    ConnectDelayed,
    /// The next attempt to connect comes after so many milliseconds.
    ConnectRetried,
    /// A peer connected to us; the value is the descriptor.
    Accepted,
    /// A connection was refused or failed; the value is the descriptor.
    Closed,
    /// A connection that was there has ended; the value is the descriptor that it had.
    Disconnected,
    /// The socket is closed: this is the last event.
    Stopped,
    /// The greeting was exchanged: ZMTP 3 and later only.
    HandshakeSucceeded,
    /// It was not, for a reason of the operating system: the value is an errno.
    HandshakeFailedNoDetail,
    /// It was not, because the peer speaks another protocol: the value is one of `ZMQ_PROTOCOL_ERROR_*`.
    HandshakeFailedProtocol,
    /// It was not, because the peer does not admit us: the value is the status code of ZAP.
    HandshakeFailedAuth,
}

impl What {
    fn of(event: u16) -> Option<Self> {
        Some(match event {
            0x0001 => Self::Connected,
            0x0002 => Self::ConnectDelayed,
            0x0004 => Self::ConnectRetried,
            0x0020 => Self::Accepted,
            0x0080 => Self::Closed,
            0x0200 => Self::Disconnected,
            0x0400 => Self::Stopped,
            0x0800 => Self::HandshakeFailedNoDetail,
            0x1000 => Self::HandshakeSucceeded,
            0x2000 => Self::HandshakeFailedProtocol,
            0x4000 => Self::HandshakeFailedAuth,
            _ => return None,
        })
    }
}

/// An event of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// What happened.
    pub what: What,
    /// What belongs to it: a descriptor, a time or a cause.
    pub value: i32,
}

/// Listens to one socket. It must be read as long as the socket lives: unread events would hold the socket up.
pub(super) struct Monitor {
    socket: Socket,
    frame: Message,
}

impl Monitor {
    /// Listen to `socket`, from before its first connection on. `name` tells the monitors of a context apart.
    pub fn of(context: &Context, socket: &Socket, name: &str) -> zmq::Result<Self> {
        let address = format!("inproc://monitor-{name}");
        let monitor = context.socket(PAIR)?;
        monitor.set_linger(0)?;
        socket.monitor(&address, ALL)?;
        monitor.connect(&address)?;
        Ok(Self { socket: monitor, frame: Message::new() })
    }

    /// The socket that becomes readable when something happened.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The endpoint that the last event was about.
    pub fn endpoint(&self) -> String {
        self.frame.escape_ascii().to_string()
    }

    /// The next event, if there is one.
    pub fn next(&mut self) -> Result<Option<Heard>> {
        let failed = |cause| socket_error("read a socket's monitor", cause);
        loop {
            match uninterrupted(|| self.socket.recv(&mut self.frame, DONTWAIT)) {
                Ok(()) => {}
                Err(zmq::Error::EAGAIN) => return Ok(None),
                Err(cause) => return Err(failed(cause)),
            }
            // Event (u16) and value (i32), both in this machine's order; then, in a frame of its own, the address.
            let event = self.frame.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes));
            let value = self.frame.get(2..).and_then(|rest| rest.first_chunk()).map(|bytes| i32::from_ne_bytes(*bytes));
            while self.frame.get_more() {
                uninterrupted(|| self.socket.recv(&mut self.frame, 0)).map_err(failed)?;
            }
            if let (Some(what), Some(value)) = (event.and_then(What::of), value) {
                return Ok(Some(Heard { what, value }));
            }
        }
    }
}
