//! The sending socket: an XPUB that knows its subscribers, or a PUSH that knows its peers, which drops nothing or counts what it
//! drops.

use std::fmt;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use zmq::{Context, DONTWAIT, SNDMORE, Socket};

use crate::error::{Error, Result};
use crate::message::Piece;
use crate::message::queue::OnFull;
use crate::process::stop::Stop;
use crate::socket::binding::{self, SEND_SLICE, SUBSCRIBER_QUEUE_BYTES, SendingKind};
use crate::socket::curve::{KeyFiles, Keys};
use crate::socket::guard::Guard;
use crate::socket::in_flight::InFlight;
use crate::socket::monitor::Monitor;
use crate::socket::{Endpoint, raw, socket_error, uninterrupted};
use crate::time::clock::{NS_PER_S, monotonic_ns};

/// A blocked send is reported when it has lasted this long, and again after each further such time. Dropped messages are
/// reported as often.
const STALL_REPORT_NS: i64 = NS_PER_S;

/// How long messages on their way may take to leave after the last one was sent.
const LINGER_MS: i32 = 10_000;

/// The same after a stop was asked for: whoever asked waits.
const LINGER_STOPPED_MS: i32 = 1_000;

/// How often subscriptions are counted while messages are sent. To look for them takes two system calls, as long as to
/// send a message.
const COUNT_EVERY_NS: i64 = NS_PER_S / 100;

/// An attempt to send that took longer was not only waiting: twice [`SEND_SLICE`], so that a busy machine is none of it.
const ATTEMPT_MAX_NS: i64 = 200_000_000;

/// How often to look whether a subscriber has read everything.
const UNREAD_LOOK: Duration = Duration::from_millis(1);

mod subscribers;

/// How messages are sent.
#[derive(Clone, Debug)]
pub struct Outlet {
    /// Endpoints to bind, ...
    pub bind: Vec<Endpoint>,
    /// ... and to connect to.
    pub connect: Vec<Endpoint>,
    /// With which keys.
    pub keys: KeyFiles,
    /// With which kind of socket.
    pub kind: SendingKind,
    /// What to do when a peer has no room.
    pub on_full: OnFull,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// libzmq has it since then, on the monotonic clock: the moment at which it was handed over or, when a subscriber had
    /// to be waited for, the end of that.
    At(i64),
    /// A stop was asked for while a subscriber had no room.
    Stopped,
}

/// What subscribers did not get because they read too slowly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// So many messages.
    pub messages: u64,
    /// And an unknown number more.
    pub and_more: bool,
}

impl Dropped {
    /// Whether there is anything.
    pub fn any(self) -> bool {
        self.messages > 0 || self.and_more
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self { messages: self.messages + other.messages, and_more: self.and_more || other.and_more }
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.messages, self.and_more) {
            (messages, false) => write!(f, "{messages} lost"),
            (0, true) => f.write_str("an unknown number lost"),
            (messages, true) => write!(f, "at least {messages} lost"),
        }
    }
}

/// A socket that sends.
pub struct Sender {
    socket: Socket,
    /// It listens to the socket, and ends before the context does.
    guard: Guard,
    context: Context,
    kind: SendingKind,
    keys: Keys,
    connect: Vec<Endpoint>,
    /// When it was connected anew to a peer that had refused us.
    redialled_ns: i64,
    endpoints: Vec<String>,
    on_full: OnFull,
    /// The size up to which libzmq's own limit bounds the memory for messages.
    usual_bytes: u64,
    /// Larger ones.
    in_flight: InFlight,
    /// What the messages begin with, to tell which subscriptions are for us.
    heads: Vec<Vec<u8>>,
    subscribers: u64,
    /// When they were counted last.
    counted_ns: i64,
    /// There were more than were read then.
    has_unread: bool,
    dropped: Dropped,
    /// When it was said last that messages are dropped.
    reported_ns: Option<i64>,
    /// See [`Sender::take_blocked_ns`].
    blocked_ns: i64,
}

impl Sender {
    /// Bind and connect all endpoints. `heads` are the beginnings of the messages to come (a topic and its space),
    /// `message_bytes` their usual size.
    ///
    /// # Errors
    /// When an endpoint cannot be bound.
    pub fn open(outlet: &Outlet, heads: Vec<Vec<u8>>, message_bytes: u64) -> Result<Self> {
        let context = Context::new();
        let mut socket = binding::open(&context, outlet.kind, message_bytes)?;
        let monitor = Monitor::of(&context, &socket, "sender")
            .map_err(|cause| socket_error("watch a socket's connections", cause))?;
        let keys = Keys::load(&outlet.keys)?;
        let guard = Guard::of(monitor, keys.doorkeeper(&context)?)?;
        // First, because what is set for binding cannot be taken back for a connection in the clear.
        for (number, endpoint) in (1..).zip(&outlet.connect) {
            keys.for_connecting(&mut socket, number)?;
            binding::connect(&mut socket, endpoint)?;
        }
        keys.for_binding(&mut socket, 0)?;
        keys.warn_of_strangers(&outlet.bind, "can read what is sent");
        let bound = outlet.bind.iter().map(|endpoint| binding::bind(&mut socket, endpoint));
        let mut endpoints: Vec<String> = bound.collect::<Result<_>>()?;
        endpoints.extend(outlet.connect.iter().map(ToString::to_string));
        Ok(Self {
            socket,
            guard,
            context,
            kind: outlet.kind,
            keys,
            connect: outlet.connect.clone(),
            redialled_ns: 0,
            endpoints,
            on_full: outlet.on_full,
            usual_bytes: message_bytes.min(binding::QUEUED_MESSAGE_MAX_BYTES),
            in_flight: InFlight::default(),
            heads,
            subscribers: 0,
            counted_ns: 0,
            has_unread: false,
            dropped: Dropped::default(),
            reported_ns: None,
            blocked_ns: 0,
        })
    }

    /// The endpoints, with the port that `*` became.
    pub fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    /// Number of subscriptions for our messages now, or of peers that pull.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn subscribers(&mut self) -> Result<u64> {
        self.take_subscriptions()?;
        Ok(self.subscribers)
    }

    /// How many peers were cut off, because they sent more than a subscriber needs.
    pub fn cut(&self) -> u64 {
        self.guard.cut()
    }

    /// What was dropped so far.
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// How long subscribers were waited for since this was asked last. The time in which this process was stopped
    /// meanwhile does not count.
    pub fn take_blocked_ns(&mut self) -> i64 {
        std::mem::take(&mut self.blocked_ns)
    }

    /// Send one message of `frames`. It is `now_ns` on the monotonic clock, or a little later.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn send<'a>(
        &mut self,
        frames: impl Iterator<Item = Piece<'a>> + Clone,
        now_ns: i64,
        stop: &Stop,
    ) -> Result<Sent> {
        let mut at_ns = now_ns;
        let bytes = frames.clone().map(|frame| frame.bytes().len() as u64).sum();
        let is_large = bytes > self.usual_bytes;
        if is_large && !self.has_room(bytes, Duration::ZERO)? {
            match self.on_full {
                OnFull::Drop => {
                    self.note_dropped();
                    return Ok(Sent::At(at_ns));
                }
                OnFull::Block => match self.wait(stop, |sender| sender.has_room(bytes, SEND_SLICE))? {
                    Sent::At(later_ns) => at_ns = later_ns,
                    Sent::Stopped => return Ok(Sent::Stopped),
                },
            }
        }
        let mut frames = frames.peekable();
        while let Some(frame) = frames.next() {
            let more = if frames.peek().is_some() { SNDMORE } else { 0 };
            // Only the first frame can find a subscriber full: libzmq takes or drops whole messages.
            if self.hand_over(frame, more | DONTWAIT, is_large)? {
                continue;
            }
            match self.when_full() {
                OnFull::Drop => {
                    if !self.send_or_drop(frame, more, is_large)? {
                        return Ok(Sent::At(at_ns));
                    }
                }
                OnFull::Block => match self.wait(stop, |sender| sender.hand_over(frame, more, is_large))? {
                    Sent::At(later_ns) => at_ns = later_ns,
                    Sent::Stopped => return Ok(Sent::Stopped),
                },
            }
        }
        if self.has_unread || at_ns - self.counted_ns >= COUNT_EVERY_NS {
            self.take_subscriptions()?;
        }
        Ok(Sent::At(at_ns))
    }

    /// What to do with a message for which there is no room. Where nobody pulls, it is nobody's fault: somebody is waited for.
    fn when_full(&self) -> OnFull {
        match self.kind {
            SendingKind::Push if self.guard.peers() == 0 => OnFull::Block,
            _ => self.on_full,
        }
    }

    /// Give a frame to libzmq. Says whether there was room for it.
    fn hand_over(&mut self, frame: Piece<'_>, flags: i32, is_large: bool) -> Result<bool> {
        if is_large {
            return raw::lend(&mut self.socket, self.in_flight.lend(frame), flags)
                .map_err(|cause| Error::Socket { operation: "send", cause });
        }
        match uninterrupted(|| self.socket.send(frame.bytes(), flags)) {
            Ok(()) => Ok(true),
            Err(zmq::Error::EAGAIN) => Ok(false),
            Err(cause) => Err(socket_error("send", cause)),
        }
    }

    /// Whether there is room for a large message within that time.
    fn has_room(&mut self, bytes: u64, most: Duration) -> Result<bool> {
        if self.in_flight.wait_for_room(bytes, SUBSCRIBER_QUEUE_BYTES, most) {
            return Ok(true);
        }
        // What a subscriber holds that has left is let go here.
        self.take_subscriptions()?;
        Ok(self.in_flight.wait_for_room(bytes, SUBSCRIBER_QUEUE_BYTES, Duration::ZERO))
    }

    /// Send to those who have room. Says whether there was anybody.
    fn send_or_drop(&mut self, frame: Piece<'_>, more: i32, is_large: bool) -> Result<bool> {
        // libzmq hears once a millisecond what was read meanwhile, but at each of these.
        self.take_subscriptions()?;
        if self.hand_over(frame, more | DONTWAIT, is_large)? {
            return Ok(true);
        }
        self.note_dropped();
        if self.kind == SendingKind::Push || self.subscribers <= 1 {
            return Ok(false);
        }
        // libzmq passes over those who are full, and says nothing of them until they have read half of what they hold. If it
        // were not told to, whoever reads would get as little as the slowest: 95 messages of 400 in a test.
        self.dropped.and_more = true;
        binding::refuse_when_full(&mut self.socket, false)?;
        let sent = self.hand_over(frame, more | DONTWAIT, is_large);
        binding::refuse_when_full(&mut self.socket, true)?;
        sent
    }

    fn note_dropped(&mut self) {
        self.dropped.messages += 1;
        let now_ns = monotonic_ns();
        if self.reported_ns.is_none_or(|reported_ns| now_ns - reported_ns >= STALL_REPORT_NS) {
            self.reported_ns = Some(now_ns);
            tracing::warn!("a subscriber reads too slowly: {}; --on-full block waits for it", self.dropped);
        }
    }

    /// Try again and again until it is done, and report how long that takes. Each attempt takes a moment.
    fn wait(&mut self, stop: &Stop, mut attempt: impl FnMut(&mut Self) -> Result<bool>) -> Result<Sent> {
        let blocked_since_ns = monotonic_ns();
        let (mut reported_ns, mut attempted_ns) = (0, blocked_since_ns);
        loop {
            let is_done = attempt(self)?;
            let now_ns = monotonic_ns();
            self.blocked_ns += (now_ns - attempted_ns).min(ATTEMPT_MAX_NS);
            attempted_ns = now_ns;
            if is_done {
                return Ok(Sent::At(now_ns));
            }
            if stop.requested() {
                return Ok(Sent::Stopped);
            }
            let blocked_ns = now_ns - blocked_since_ns;
            if blocked_ns - reported_ns >= STALL_REPORT_NS {
                reported_ns = blocked_ns;
                let blocked_s = blocked_ns / NS_PER_S;
                match self.kind == SendingKind::Push && self.guard.peers() == 0 {
                    true => tracing::warn!("waiting for a PULL peer on {} for {blocked_s} s", self.endpoints.join(" ")),
                    false => {
                        tracing::warn!("a subscriber has not read for {blocked_s} s; waiting for it (--on-full block)")
                    }
                }
            }
        }
    }

    /// Close the socket after the messages on their way have left, for which they have ten seconds, or one second when
    /// a stop was asked for. Gives what was dropped in all.
    pub fn close(self, stop: &Stop) -> Dropped {
        let Self { socket, guard, mut context, dropped, .. } = self;
        let linger_ms = if stop.requested() { LINGER_STOPPED_MS } else { LINGER_MS };
        // Refused only for a value below -1.
        let _ = socket.set_linger(linger_ms);
        let end_ns = monotonic_ns() + i64::from(linger_ms) * 1_000_000;
        // When an ipc connection ends, libzmq on the other side drops what it has not yet read, if it had to stop reading
        // because its queue was full. So the connections stay open until all is read.
        let connections = raw::ipc_connections();
        drop(socket);
        // What is on its way has as long; nobody is to hurt us meanwhile.
        guard.finish(Duration::from_nanos(end_ns.saturating_sub(monotonic_ns()).max(0).unsigned_abs()));
        while context.destroy() == Err(zmq::Error::EINTR) {}
        let is_unread = |stream: &UnixStream| raw::unread_bytes(stream).is_ok_and(|bytes| bytes > 0);
        while monotonic_ns() < end_ns {
            if !connections.iter().any(is_unread) {
                return dropped;
            }
            thread::sleep(UNREAD_LOOK);
        }
        tracing::warn!("a subscriber did not read the last packets, which are lost for it");
        Dropped { and_more: true, ..dropped }
    }
}
