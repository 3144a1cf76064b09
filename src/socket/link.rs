//! A link: one endpoint with its socket, and what libzmq's monitor says of it.

use std::time::Duration;

use zmq::{Context, Socket};

use crate::error::Result;
use crate::observe::snapshot;
use crate::socket::bound::{Became, Bound};
use crate::socket::cause::Cause;
use crate::socket::dial::Dial;
use crate::socket::monitor::Monitor;
use crate::socket::peer::{Input, Output, State};
use crate::socket::probe::Ours;
use crate::socket::scout::{Answer, Scout};
use crate::socket::{Endpoint, binding, raw, socket_error};

/// Messages that libzmq may hold while the receiving thread is not running: a second of a device at 100 kHz. Few would be
/// dangerous: what a device has sent over ipc when it ends is dropped by libzmq as long as it holds so many.
const RECEIVE_QUEUE_MESSAGES: i32 = 100_000;

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

    fn ours(self) -> Ours {
        match self {
            Self::Sub => Ours { kind: "SUB", senders: &["PUB", "XPUB"] },
            Self::Pull => Ours { kind: "PULL", senders: &["PUSH"] },
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
    /// With which kind of socket.
    pub kind: ReceivingKind,
    /// Prefixes of the messages that are subscribed to.
    pub subscriptions: Vec<Vec<u8>>,
    /// Frames above this are not received; they break the link, which is then mended.
    pub message_max_bytes: usize,
    /// How often a peer is asked whether it is still there, in the way of ZMTP 3.1, which not every peer knows.
    pub heartbeat: Option<Duration>,
}

impl Inlets {
    /// How many endpoints there are.
    pub fn count(&self) -> usize {
        self.connect.len() + self.bind.len()
    }
}

/// What became of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// From here on messages arrive.
    Up,
    /// From here on messages may be missed.
    Down,
    /// The device is not reached, for so long since then on the monotonic clock, and why, as far as it is known.
    Away {
        /// Since when.
        since_ns: i64,
        /// Why.
        cause: Option<Cause>,
        /// Whether it never was up.
        is_first: bool,
    },
    /// A peer of a bound endpoint is connected: its address.
    Joined(String),
    /// A peer of a bound endpoint ended its connection.
    Left(String),
    /// The connection of a peer of a bound endpoint broke.
    Broke(String),
}

/// What came over a link.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic {
    /// When the last message that was asked for came, on both clocks.
    pub last: Option<(i64, i64)>,
    /// Messages that nobody had asked for.
    pub unwanted: u64,
    /// What the first of them began with.
    pub unwanted_begins: Vec<u8>,
}

/// So much of a message that nobody asked for is kept, to be shown.
const BEGINS_BYTES: usize = 32;

impl Traffic {
    /// A message came that nobody had asked for.
    pub fn pass_over(&mut self, frame: &[u8]) {
        if self.unwanted == 0 {
            self.unwanted_begins = frame.get(..BEGINS_BYTES).unwrap_or(frame).to_vec();
        }
        self.unwanted += 1;
    }
}

/// A link to one device, or to all that connect to one endpoint.
pub(super) struct Link {
    pub endpoint: String,
    pub socket: Socket,
    pub monitor: Monitor,
    pub traffic: Traffic,
    side: Side,
    /// When it went up, on the monotonic clock, as long as it is.
    up_ns: Option<i64>,
}

enum Side {
    Dialled(Dial),
    Bound(Bound),
}

impl Link {
    /// Connect, or bind if `is_bound`. `number` tells the links of a context apart.
    pub fn open(
        context: &Context,
        number: usize,
        endpoint: &Endpoint,
        is_bound: bool,
        inlets: &Inlets,
        now_ns: i64,
    ) -> Result<Self> {
        let set_up = || -> zmq::Result<(Socket, Monitor)> {
            let socket = socket(context, inlets)?;
            // Before the first connection: events that nobody reads would hold it up.
            let monitor = Monitor::of(context, &socket, &number.to_string())?;
            Ok((socket, monitor))
        };
        let (mut socket, monitor) = set_up().map_err(|cause| socket_error("set up a receiving socket", cause))?;
        raw::set_int(&mut socket, raw::IntOption::TcpMaxRetransmitMs, UNACKNOWLEDGED_MAX_MS)
            .map_err(|cause| crate::error::Error::Socket { operation: "set up a receiving socket", cause })?;
        let (endpoint, side) = match is_bound {
            true => (binding::bind(&mut socket, endpoint)?, Side::Bound(Bound::default())),
            false => {
                let dial = Dial::new(number, endpoint, inlets.kind.ours(), &mut socket, now_ns)?;
                (endpoint.to_string(), Side::Dialled(dial))
            }
        };
        Ok(Self { endpoint, socket, monitor, traffic: Traffic::default(), side, up_ns: None })
    }

    /// Whether messages are expected, as far as is known: cheap enough to be asked for each one.
    pub fn is_up(&self) -> bool {
        self.up_ns.is_some()
    }

    /// A message came while the link is not known to be up.
    pub fn message_came(&mut self, now_ns: i64) {
        match &mut self.side {
            Side::Dialled(dial) => dial.take(Input::Message, now_ns),
            Side::Bound(bound) => bound.message(),
        }
    }

    /// Take what was looked up.
    pub fn answer(&mut self, answer: Answer, now_ns: i64) -> Result<()> {
        match &mut self.side {
            Side::Dialled(dial) => dial.answer(answer, &mut self.socket, now_ns),
            Side::Bound(_) => Ok(()),
        }
    }

    /// Hear the monitor, do what is due, and give what became of the link, if there is something.
    pub fn tend(&mut self, scout: &Scout, now_ns: i64) -> Result<Option<Change>> {
        let change = match &mut self.side {
            Side::Dialled(dial) => loop {
                if let Some(output) = dial.tend(&mut self.socket, scout, now_ns)? {
                    break Some(told(output, dial));
                }
                match self.monitor.next()? {
                    Some(heard) => dial.hear(heard, now_ns),
                    None => break None,
                }
            },
            Side::Bound(bound) => loop {
                bound.tick(now_ns);
                if let Some((address, became)) = bound.change() {
                    break Some(match became {
                        Became::Up => Change::Joined(address),
                        Became::Left => Change::Left(address),
                        Became::Broke => Change::Broke(address),
                    });
                }
                match self.monitor.next()? {
                    Some(heard) => bound.hear(heard, now_ns),
                    None => break None,
                }
            },
        };
        let is_up = match &self.side {
            Side::Dialled(dial) => dial.peer().is_up(),
            Side::Bound(bound) => bound.due_ns().is_none() && bound.count() > 0,
        };
        match is_up {
            true => _ = self.up_ns.get_or_insert(now_ns),
            false => self.up_ns = None,
        }
        Ok(change)
    }

    /// When there is something to do, on the monotonic clock.
    pub fn due_ns(&self) -> Option<i64> {
        match &self.side {
            Side::Dialled(dial) => dial.due_ns(),
            Side::Bound(bound) => bound.due_ns(),
        }
    }

    /// Since when a device is not reached, on the monotonic clock.
    pub fn away_ns(&self) -> Option<i64> {
        match &self.side {
            Side::Dialled(dial) if !dial.peer().is_up() => Some(dial.peer().away_ns()),
            _ => None,
        }
    }

    /// Since when nothing came that was asked for, as long as the link is up, on the monotonic clock.
    pub fn quiet_ns(&self) -> Option<i64> {
        let last_ns = self.traffic.last.map_or(i64::MIN, |(_, last_ns)| last_ns);
        self.up_ns.map(|up_ns| up_ns.max(last_ns))
    }

    /// Whether nothing that was asked for came since it went up.
    pub fn is_silent_since_up(&self) -> bool {
        self.up_ns.is_some_and(|up_ns| self.traffic.last.is_none_or(|(_, last_ns)| last_ns < up_ns))
    }

    /// How it is, for people.
    pub fn status(&self) -> snapshot::Link {
        let (state, cause) = match &self.side {
            Side::Dialled(dial) => (dial.peer().state(), dial.peer().cause().map(ToString::to_string)),
            Side::Bound(_) if self.is_up() => (State::Up, None),
            Side::Bound(_) => (State::Connecting, None),
        };
        let peers = match &self.side {
            Side::Dialled(_) => None,
            Side::Bound(bound) => Some(bound.count() as u64),
        };
        snapshot::Link {
            endpoint: self.endpoint.clone(),
            is_up: state == State::Up,
            state: match (state, &self.side) {
                (State::Up, _) => "up",
                (_, Side::Bound(_)) => "waiting for peers",
                (State::Resolving, _) => "looking up its name",
                (State::Greeting, _) => "in the handshake",
                (State::Connecting | State::Broken, _) => "not connected",
            },
            was_up: match &self.side {
                Side::Dialled(dial) => dial.peer().was_up(),
                Side::Bound(_) => true,
            },
            cause,
            peers,
            last_message_unix_ns: self.traffic.last.map(|(unix_ns, _)| unix_ns),
            unwanted: self.traffic.unwanted,
            is_silent: false,
        }
    }
}

fn told(output: Output, dial: &Dial) -> Change {
    match output {
        Output::Up => Change::Up,
        Output::Down => Change::Down,
        Output::Away | Output::Ask | Output::Redial => Change::Away {
            since_ns: dial.peer().away_ns(),
            cause: dial.peer().cause().cloned(),
            is_first: !dial.peer().was_up(),
        },
    }
}

/// A receiving socket that is neither connected nor bound.
fn socket(context: &Context, inlets: &Inlets) -> zmq::Result<Socket> {
    let socket = context.socket(match inlets.kind {
        ReceivingKind::Sub => zmq::SUB,
        ReceivingKind::Pull => zmq::PULL,
    })?;
    socket.set_linger(0)?;
    socket.set_maxmsgsize(inlets.message_max_bytes as i64)?;
    socket.set_rcvhwm(RECEIVE_QUEUE_MESSAGES)?;
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
