//! A link: one endpoint with its socket, and what libzmq's monitor says of it.

use std::os::fd::BorrowedFd;

use zmq::{Context, Socket};

use crate::codec::framing::{Framing, framed, is_likely_topic};
use crate::error::Result;
use crate::observe::snapshot;
use crate::socket::bound::{Became, Bound, Failure};
use crate::socket::cause::Cause;
use crate::socket::curve::{Keys, PublicKey, Security, Visitor};
use crate::socket::dial::Dial;
use crate::socket::hold::CURVE_BYTES;
use crate::socket::inlets::{Inlets, ReceivingKind, socket};
use crate::socket::monitor::Monitor;
use crate::socket::peer::{Input, Output, State};
use crate::socket::scout::{Answer, Scout};
use crate::socket::{Endpoint, binding, socket_error};

/// What became of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// From here on messages arrive.
    Up,
    /// From then on, on the monotonic clock, messages may be missed.
    Down(i64),
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
    /// The link was broken by something that libzmq cannot take: a frame above the largest message, or no ZeroMQ.
    TooLarge,
    /// A peer of a bound endpoint was turned away, because there are too many.
    TurnedAway(String),
    /// The connection of somebody at a bound endpoint failed before it was up: its address, and why.
    Refused(String, Failure),
    /// Somebody wants to connect to a bound endpoint that is secured, and is admitted or not.
    Visited(Visitor),
    /// A peer of a bound endpoint was cut off, because it is not admitted any more.
    Dismissed(String),
    /// A peer was cut off, because libzmq held so many bytes of it: the peer of a bound endpoint, or the device.
    Cut(Option<String>, u64),
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
    /// The first topics of them.
    pub other_topics: Vec<Vec<u8>>,
}

/// So much of a message that nobody asked for is kept, to be shown.
const BEGINS_BYTES: usize = 32;

/// So many topics are named that nobody asked for.
const OTHER_TOPICS_MAX: usize = 8;

/// Where nothing comes that was asked for, everything is asked for until it is known what else there is, or so much came.
const LOOK_AROUND_MESSAGES: u64 = 1_000;

impl Traffic {
    /// A message came that nobody had asked for, with this first frame of so many.
    pub fn pass_over(&mut self, frame: &[u8], frame_count: usize) {
        if self.unwanted == 0 {
            self.unwanted_begins = frame.get(..BEGINS_BYTES).unwrap_or(frame).to_vec();
        }
        self.unwanted += 1;
        if self.last.is_none() && self.other_topics.len() < OTHER_TOPICS_MAX {
            let framing = if frame_count > 1 { Framing::Frames } else { Framing::Space };
            let topic = framed(framing, frame, frame_count).topic;
            if !topic.is_empty() && is_likely_topic(topic) && !self.other_topics.iter().any(|other| other == topic) {
                self.other_topics.push(topic.to_vec());
            }
        }
    }
}

/// A link to one device, or to all that connect to one endpoint.
pub(super) struct Link {
    pub endpoint: String,
    pub socket: Socket,
    pub monitor: Monitor,
    pub traffic: Traffic,
    pub security: Security,
    side: Side,
    /// Whether the kernel counts what comes over it.
    is_counted: bool,
    /// When it went up, on the monotonic clock, as long as it is.
    up_ns: Option<i64>,
    /// Whether only some topics are asked for, and at the moment everything all the same.
    has_topics: bool,
    looks_around: bool,
}

enum Side {
    Dialled(Box<Dial>),
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
        keys: &Keys,
        now_ns: i64,
    ) -> Result<Self> {
        let mut socket = socket(context, inlets, endpoint)?;
        // Before the first connection: events that nobody reads would hold it up.
        let monitor = Monitor::of(context, &socket, &number.to_string())
            .map_err(|cause| socket_error("watch a socket's connections", cause))?;
        let is_counted = !endpoint.is_ipc();
        let security = keys.security(number + 1, is_bound);
        if security != Security::None {
            let most_bytes = inlets.message_max_bytes.saturating_add(CURVE_BYTES) as i64;
            socket.set_maxmsgsize(most_bytes).map_err(|cause| socket_error("set up a receiving socket", cause))?;
        }
        let (endpoint, side) = match is_bound {
            true => {
                keys.for_binding(&mut socket, number)?;
                (binding::bind(&mut socket, endpoint)?, Side::Bound(Bound::new(security != Security::None)))
            }
            false => {
                let dial = Dial::new(number, endpoint, inlets.kind, keys, &mut socket, now_ns)?;
                (endpoint.to_string(), Side::Dialled(Box::new(dial)))
            }
        };
        Ok(Self {
            endpoint,
            socket,
            monitor,
            traffic: Traffic::default(),
            security,
            side,
            is_counted,
            up_ns: None,
            has_topics: inlets.kind == ReceivingKind::Sub && !inlets.subscriptions.iter().any(Vec::is_empty),
            looks_around: false,
        })
    }

    /// Ask for every topic, or for those alone that are wanted. What comes beyond them is still passed over.
    pub fn look_around(&mut self, is_on: bool) {
        let is_on = is_on && self.has_topics && self.traffic.unwanted < LOOK_AROUND_MESSAGES;
        if is_on != self.looks_around {
            let done = if is_on { self.socket.set_subscribe(b"") } else { self.socket.set_unsubscribe(b"") };
            // If it fails, it is tried again.
            self.looks_around = if done.is_ok() { is_on } else { self.looks_around };
        }
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

    /// Hear the monitor, do what is due, and give what became of the link, if there is something. Until `listened_ns` the monitor
    /// had nothing to say.
    pub fn tend(&mut self, scout: &Scout, listened_ns: i64, now_ns: i64) -> Result<Option<Change>> {
        let change = match &mut self.side {
            Side::Dialled(dial) => loop {
                if let Some(output) = dial.tend(&mut self.socket, scout, now_ns)? {
                    break Some(told(output, dial, self.up_ns.unwrap_or(i64::MIN).max(listened_ns)));
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
                        // Of a short visit it cannot be told who ended it: its descriptor may belong to another one.
                        Became::Left | Became::Unfit => Change::Left(address),
                        Became::Broke => Change::Broke(address),
                        Became::Refused(failure) => Change::Refused(address, failure),
                        Became::TooMany => Change::TurnedAway(address),
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

    /// A frame of so many bytes was taken.
    pub fn hand_over(&mut self, source: Option<i32>, wire_bytes: u64) {
        match &mut self.side {
            Side::Dialled(dial) => dial.hold.hand_over(wire_bytes),
            Side::Bound(bound) => bound.hand_over(source, wire_bytes),
        }
    }

    /// Whether several peers have this endpoint.
    pub fn is_bound(&self) -> bool {
        matches!(self.side, Side::Bound(_))
    }

    /// How much libzmq holds of each connection, by its number; `None` over ipc, where the kernel does not count. `is_drained`:
    /// all whole messages were taken.
    pub fn held_bytes(&mut self, is_drained: bool, now_ns: i64) -> Vec<(i32, Option<u64>)> {
        let held: Vec<(i32, u64)> = match &mut self.side {
            Side::Dialled(dial) => {
                if is_drained {
                    dial.hold.drained();
                }
                vec![(0, dial.held_bytes(now_ns))]
            }
            Side::Bound(bound) => bound.held_bytes(now_ns).collect(),
        };
        held.into_iter().map(|(connection, bytes)| (connection, self.is_counted.then_some(bytes))).collect()
    }

    /// Do this with each connection.
    pub fn for_each_connection(&self, act: impl FnMut(BorrowedFd<'_>)) {
        match &self.side {
            Side::Dialled(dial) => dial.connection().into_iter().for_each(act),
            Side::Bound(bound) => bound.connections().for_each(act),
        }
    }

    /// Cut a connection off, of which libzmq holds so much.
    pub fn cut(&mut self, descriptor: i32, bytes: u64, now_ns: i64) -> Option<Change> {
        match &mut self.side {
            Side::Dialled(dial) => {
                dial.cut(&mut self.socket, now_ns);
                Some(Change::Cut(None, bytes))
            }
            Side::Bound(bound) => bound.cut(descriptor).map(|peer| Change::Cut(Some(peer), bytes)),
        }
    }

    /// Whether it is not known yet who has the connection of this number, of a bound endpoint.
    pub fn is_nameless(&self, descriptor: Option<i32>) -> bool {
        match &self.side {
            Side::Dialled(_) => false,
            Side::Bound(bound) => descriptor.is_some_and(|descriptor| bound.is_nameless(descriptor)),
        }
    }

    /// Who was admitted then has the connection of this number.
    pub fn name(&mut self, descriptor: Option<i32>, key: PublicKey, admitted_ns: i64) {
        if let (Side::Bound(bound), Some(descriptor)) = (&mut self.side, descriptor) {
            bound.name(descriptor, key, admitted_ns);
        }
    }

    /// Cut off who is not admitted any more, or may be one of them.
    pub fn dismiss(&mut self, admits: impl Fn(&PublicKey) -> bool) -> Vec<String> {
        match &mut self.side {
            Side::Dialled(_) => Vec::new(),
            Side::Bound(bound) => bound.dismiss(admits),
        }
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

/// What is told of an output, if the link went down at this time at the earliest.
fn told(output: Output, dial: &Dial, down_ns: i64) -> Change {
    match output {
        Output::Up => Change::Up,
        Output::GaveUp => Change::TooLarge,
        Output::Down => Change::Down(down_ns),
        Output::Away | Output::Ask | Output::Redial | Output::LeaveAlone => Change::Away {
            since_ns: dial.peer().away_ns(),
            cause: dial.peer().cause().cloned(),
            is_first: !dial.peer().was_up(),
        },
    }
}
