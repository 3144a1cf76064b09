//! One device's link: a subscribing socket, and the monitor that says whether it is connected.

use zmq::{Context, SUB, Socket};

use crate::error::{Error, Result};
use crate::socket::monitor::{Monitor, What};
use crate::socket::{Endpoint, raw, socket_error};
use crate::time::clock::monotonic_ns;

/// Messages that libzmq may hold while the receiving thread is not running: a second of a device at 100 kHz. Few would be
/// dangerous: what a device has sent over ipc when it ends is dropped by libzmq as long as it holds so many.
const RECEIVE_QUEUE_MESSAGES: i32 = 100_000;

/// A device that restarts is found again quickly: the first attempt after so many milliseconds (libzmq: 100) ...
const RECONNECT_MS: i32 = 10;

/// ... and, while it stays away, at most so many apart.
const RECONNECT_MAX_MS: i32 = 1_000;

/// A peer that accepts the connection and then says nothing is left after this time (libzmq: 30,000).
const HANDSHAKE_MS: i32 = 2_000;

/// A peer is asked this often whether it is still there ...
const HEARTBEAT_MS: i32 = 2_000;

/// ... and left when it has not answered for so long. A hung peer is never found otherwise.
const HEARTBEAT_TIMEOUT_MS: i32 = 5_000;

/// After a protocol error (a frame over the limit, bytes that are no ZeroMQ) libzmq never connects again. Otherwise it
/// tries at once. So a link that it has not tried to mend for this long is mended by us.
const MEND_AFTER_NS: i64 = 200_000_000;

/// What became of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// From here on messages arrive.
    Up,
    /// From here on messages may be missed.
    Down,
}

/// A link to one device. libzmq connects it in the background, and again after each break.
pub(super) struct Link {
    pub endpoint: Endpoint,
    pub socket: Socket,
    pub monitor: Monitor,
    is_up: bool,
    /// When it broke, as long as libzmq has not tried to mend it.
    broken_ns: Option<i64>,
}

impl Link {
    /// Subscribe and connect. `number` tells the links of a context apart; frames above `frame_max_bytes` break the link.
    pub fn connect(
        context: &Context,
        number: usize,
        endpoint: &Endpoint,
        subscriptions: &[Vec<u8>],
        frame_max_bytes: i64,
    ) -> Result<Self> {
        let set_up = || -> zmq::Result<(Socket, Monitor)> {
            let socket = context.socket(SUB)?;
            socket.set_linger(0)?;
            socket.set_ipv6(endpoint.needs_ipv6())?;
            socket.set_maxmsgsize(frame_max_bytes)?;
            socket.set_rcvhwm(RECEIVE_QUEUE_MESSAGES)?;
            socket.set_reconnect_ivl(RECONNECT_MS)?;
            socket.set_reconnect_ivl_max(RECONNECT_MAX_MS)?;
            socket.set_handshake_ivl(HANDSHAKE_MS)?;
            socket.set_heartbeat_ivl(HEARTBEAT_MS)?;
            socket.set_heartbeat_timeout(HEARTBEAT_TIMEOUT_MS)?;
            // Connected before the link is: events that nobody reads would hold it up.
            let monitor = Monitor::of(context, &socket, &number.to_string())?;
            subscriptions.iter().try_for_each(|prefix| socket.set_subscribe(prefix))?;
            Ok((socket, monitor))
        };
        let (socket, monitor) = set_up().map_err(|cause| socket_error("set up a subscribing socket", cause))?;
        let mut link = Self { endpoint: endpoint.clone(), socket, monitor, is_up: false, broken_ns: None };
        link.dial().map(|()| link)
    }

    fn dial(&mut self) -> Result<()> {
        raw::connect(&mut self.socket, self.endpoint.as_str()).map_err(|cause| Error::Endpoint {
            operation: "connect to",
            endpoint: self.endpoint.to_string(),
            cause,
            hint: "check the address given with --connect",
        })
    }

    /// Read what the monitor says until something changed.
    pub fn next_change(&mut self) -> Result<Option<Change>> {
        while let Some(heard) = self.monitor.next()? {
            if let Some(change) = self.monitor_says(heard.what) {
                return Ok(Some(change));
            }
        }
        Ok(None)
    }

    fn monitor_says(&mut self, what: What) -> Option<Change> {
        match what {
            What::HandshakeSucceeded => {
                self.broken_ns = None;
                self.is_up = true;
                Some(Change::Up)
            }
            What::Connected | What::ConnectDelayed | What::ConnectRetried => {
                self.broken_ns = None;
                None
            }
            What::Disconnected
            | What::HandshakeFailedNoDetail
            | What::HandshakeFailedProtocol
            | What::HandshakeFailedAuth => {
                self.broken_ns = Some(monotonic_ns());
                std::mem::take(&mut self.is_up).then_some(Change::Down)
            }
            What::Accepted | What::Closed => None,
        }
    }

    /// When the link must be mended, if libzmq does nothing until then.
    pub fn mend_due_ns(&self) -> Option<i64> {
        self.broken_ns.map(|broken_ns| broken_ns + MEND_AFTER_NS)
    }

    /// Connect anew a link that libzmq has given up.
    pub fn mend(&mut self) -> Result<()> {
        self.broken_ns = None;
        // Fails when libzmq has already forgotten the endpoint, which is as good.
        let _ = raw::disconnect(&mut self.socket, self.endpoint.as_str());
        self.dial()
    }
}
