//! How messages are received: which endpoints, with which kind of socket, and with which options of libzmq.

use std::time::Duration;

use zmq::{Context, Socket};

use crate::error::{Error, Result};
use crate::socket::curve::KeyFiles;
use crate::socket::probe::{CURVE, Ours};
use crate::socket::raw::{self, IntOption};
use crate::socket::{Endpoint, socket_error};

/// A device that restarts is found again quickly: the first attempt after so many milliseconds (libzmq: 100) ...
const RECONNECT_MS: i32 = 10;

/// ... and, while it stays away, at most so many apart: a device that is switched on late loses no more than this.
const RECONNECT_MAX_MS: i32 = 100;

/// An attempt to connect ends after this time, so that a host that comes back is found at once and not when the operating
/// system tries again, after seconds.
const CONNECT_MS: i32 = 700;

/// A host that is gone without a word is asked after so many seconds without a message, ...
const KEEPALIVE_IDLE_S: i32 = 6;

/// ... then again and again after so many, ...
const KEEPALIVE_EVERY_S: i32 = 3;

/// ... and given up after so many questions: in 15 s. Every peer answers, because its operating system does; heartbeats of
/// ZMTP break the links of those that do not know them.
const KEEPALIVE_COUNT: i32 = 3;

/// What a host does not acknowledge for so many milliseconds ends the connection too.
const UNACKNOWLEDGED_MAX_MS: i32 = 15_000;

/// Messages that libzmq may hold while the receiving thread is not running: a second of a device at 100 kHz. Few would be
/// dangerous over ipc: what a device has sent when it ends is dropped by libzmq as long as it holds so many. When the number is
/// changed on a socket that is connected, its link may stop for good: who waits for room is woken by every so many messages
/// that are taken.
pub const QUEUE_MESSAGES: i32 = 100_000;

/// The kind of the receiving socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ReceivingKind {
    /// It subscribes to topics of publishers.
    Sub,
    /// It takes its share of what pushing peers send.
    Pull,
}

impl ReceivingKind {
    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sub => "sub",
            Self::Pull => "pull",
        }
    }

    /// What we are to a peer, with a key or without one.
    pub(super) fn ours(self, is_secured: bool) -> Ours {
        let mechanism = if is_secured { CURVE } else { "NULL" };
        match self {
            Self::Sub => Ours { kind: "SUB", senders: &["PUB", "XPUB"], mechanism },
            Self::Pull => Ours { kind: "PULL", senders: &["PUSH"], mechanism },
        }
    }
}

/// How messages are received.
#[derive(Clone, Debug)]
pub struct Inlets {
    /// Devices to connect to; their numbers count from 1.
    pub connect: Vec<Endpoint>,
    /// Endpoints to bind, to which devices connect; their numbers go on from there.
    pub bind: Vec<Endpoint>,
    /// With which keys.
    pub keys: KeyFiles,
    /// With which kind of socket.
    pub kind: ReceivingKind,
    /// Prefixes of the messages that are subscribed to.
    pub subscriptions: Vec<Vec<u8>>,
    /// Frames above this are not received; they break the link, which is then mended.
    pub message_max_bytes: usize,
    /// What libzmq may hold of all peers together, in bytes: beyond it the largest is cut off.
    pub hold_max_bytes: u64,
    /// How many whole messages libzmq may hold of each peer: [`QUEUE_MESSAGES`] where these are soon taken, fewer where they wait.
    /// Not over ipc, see there.
    pub queue_messages: i32,
    /// How often a peer is asked whether it is still there, in the way of ZMTP 3.1, which not every peer knows.
    pub heartbeat: Option<Duration>,
}

impl Inlets {
    /// How many endpoints there are.
    pub fn count(&self) -> usize {
        self.connect.len() + self.bind.len()
    }
}

/// A receiving socket that is neither connected nor bound.
pub(super) fn socket(context: &Context, inlets: &Inlets, endpoint: &Endpoint) -> Result<Socket> {
    const OPERATION: &str = "set up a receiving socket";
    let mut socket = with_options(context, inlets, endpoint).map_err(|cause| socket_error(OPERATION, cause))?;
    raw::set_int(&mut socket, IntOption::TcpMaxRetransmitMs, UNACKNOWLEDGED_MAX_MS)
        .map_err(|cause| Error::Socket { operation: OPERATION, cause })?;
    Ok(socket)
}

fn with_options(context: &Context, inlets: &Inlets, endpoint: &Endpoint) -> zmq::Result<Socket> {
    let socket = context.socket(match inlets.kind {
        ReceivingKind::Sub => zmq::SUB,
        ReceivingKind::Pull => zmq::PULL,
    })?;
    socket.set_linger(0)?;
    socket.set_maxmsgsize(inlets.message_max_bytes as i64)?;
    socket.set_rcvhwm(if endpoint.is_ipc() { QUEUE_MESSAGES } else { inlets.queue_messages })?;
    socket.set_reconnect_ivl(RECONNECT_MS)?;
    socket.set_reconnect_ivl_max(RECONNECT_MAX_MS)?;
    socket.set_connect_timeout(CONNECT_MS)?;
    // libzmq cuts peers before ZMTP 3 when this is over, again and again: `peer.rs` watches the handshake instead.
    socket.set_handshake_ivl(0)?;
    socket.set_tcp_keepalive(1)?;
    socket.set_tcp_keepalive_idle(KEEPALIVE_IDLE_S)?;
    socket.set_tcp_keepalive_intvl(KEEPALIVE_EVERY_S)?;
    socket.set_tcp_keepalive_cnt(KEEPALIVE_COUNT)?;
    if let Some(heartbeat) = inlets.heartbeat {
        let every_ms = i32::try_from(heartbeat.as_millis()).unwrap_or(i32::MAX).max(1);
        socket.set_heartbeat_ivl(every_ms)?;
        socket.set_heartbeat_timeout(every_ms.saturating_mul(2))?;
    }
    if inlets.kind == ReceivingKind::Sub {
        inlets.subscriptions.iter().try_for_each(|prefix| socket.set_subscribe(prefix))?;
    }
    Ok(socket)
}
