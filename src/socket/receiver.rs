//! The receiving side: messages of all links in, stamped records of a batch out.

use std::mem::MaybeUninit;
use std::os::fd::AsFd;

use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use zmq::{Context, DONTWAIT, Message, POLLIN, PollItem};

use crate::error::{Error, Result};
use crate::message::{Batch, FRAME_COST_BYTES, Origin};
use crate::process::signals::Signals;
use crate::socket::alarm::Alarm;
use crate::socket::curve::{Doorkeeper, Keys, Security, of_user_id};
use crate::socket::inlets::Inlets;
use crate::socket::link::Link;
use crate::socket::scout::Scout;
use crate::socket::{hold, raw, socket_error, uninterrupted};
use crate::time::clock::{NS_PER_S, monotonic_ns, unix_ns};

mod links;

pub use links::Unwanted;

/// What an entry of the epoll set is about.
const STOP: u64 = 0;
const RELOAD: u64 = 1;
const MONITOR: u64 = 2;
const SOCKET: u64 = 3;
const SCOUT: u64 = 4;
const CONNECTION: u64 = 5;
const MARK: u64 = 6;

/// What is taken of the epoll set at once. What is left is there again at the next wait, and comes first.
const EVENTS_AT_ONCE: usize = 8;

/// While packets follow each other quickly, a wait is for the next one alone and looks at nothing else, in one call that
/// costs half of what waiting for everything costs. Every so often everything is looked at.
const LOOK_EVERY_NS: i64 = 10_000_000;

/// Whoever waits for everything is woken so late at most by what a monitor says, but on a machine that is very busy.
const WOKEN_LATE_NS: i64 = 15_000_000;

/// A message this long after the one before is taken to be alone: to look whether another one has come already would
/// cost as much as to wait for it.
const ALONE_NS: i64 = 20_000;

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// A message came.
    Message,
    /// A message can be received, a link changed, or the time is over.
    Look,
    /// A reload was asked for.
    Reload,
    /// A mark was asked for.
    Mark,
    /// A stop was asked for.
    Stop,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// There was none.
    Nothing,
    /// It is in the batch.
    Message,
    /// Nobody had asked for it.
    Unwanted,
    /// It was larger than a message may be.
    TooLarge(Oversize),
}

/// How large a message was, and from whom it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oversize {
    /// Where it came from.
    pub origin: Origin,
    /// Bytes of all its frames.
    pub bytes: usize,
    /// How many these were.
    pub frames: usize,
}

/// Links to one or more devices.
pub struct Receiver {
    links: Vec<Link>,
    /// Looks up what takes its time.
    scout: Scout,
    /// Decides who may connect to what is bound, where that is secured.
    doorkeeper: Option<Doorkeeper>,
    /// Everything that a wait ends for: the signals, the monitors, the scout and the sockets.
    epoll: OwnedFd,
    /// Where to look for the next message, so that no device can keep another one waiting.
    next: usize,
    /// Whether a monitor or the scout may have something to say, or a link has something to do.
    monitor_speaks: bool,
    /// Whether the last look found no message. The descriptor of a socket says that something new came, not that
    /// something is there, so only then it can be waited for.
    is_drained: bool,
    /// What the frames of a message may take together, with [`FRAME_COST_BYTES`] for each: the first one alone is bounded by
    /// libzmq.
    bound_bytes: usize,
    /// There is one link, and the alarm interrupts this thread.
    can_wait_for_one: bool,
    /// What libzmq may hold of all peers together.
    hold_max_bytes: u64,
    /// When to look at that again, as long as something comes.
    guard_due_ns: Option<i64>,
    /// Until then, on the monotonic clock, the monitors had nothing to say.
    listened_ns: i64,
    /// When everything was looked at last, on the monotonic clock.
    looked_ns: i64,
    /// When the last message came.
    came: Came,
    /// A wait ended with the first frame of a message, which is in `frame`.
    is_in_hand: bool,
    /// That message came alone: the next look finds nothing, without looking.
    is_alone: bool,
    /// Ends a wait for the next message alone.
    alarm: Alarm,
    frame: Message,
}

/// When a message came, on both clocks.
#[derive(Clone, Copy, Default)]
struct Came {
    unix_ns: i64,
    monotonic_ns: i64,
}

impl Came {
    fn now() -> Self {
        Self { unix_ns: unix_ns(), monotonic_ns: monotonic_ns() }
    }
}

impl Receiver {
    /// Connect to, or bind, all endpoints, whose numbers count from 1. libzmq connects in the background and again after each
    /// break.
    ///
    /// # Errors
    /// When an endpoint cannot be connected to at all, or not be bound.
    pub fn open(inlets: &Inlets, signals: &Signals) -> Result<Self> {
        raw::give_back_large_memory();
        let (context, now_ns) = (Context::new(), monotonic_ns());
        let sides = inlets.connect.iter().map(|endpoint| (endpoint, false));
        let sides = sides.chain(inlets.bind.iter().map(|endpoint| (endpoint, true)));
        let keys = Keys::load(&inlets.keys)?;
        keys.warn_of_strangers(&inlets.bind, "can send what is recorded");
        let doorkeeper = keys.doorkeeper(&context)?;
        let open =
            |(number, (endpoint, is_bound))| Link::open(&context, number, endpoint, is_bound, inlets, &keys, now_ns);
        let links: Vec<Link> = sides.enumerate().map(open).collect::<Result<_>>()?;
        let scout = Scout::new()?;
        let watch = || -> std::io::Result<OwnedFd> {
            let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            let add = |fd, what| epoll::add(&epoll, fd, epoll::EventData::new_u64(what), epoll::EventFlags::IN);
            add(signals.stop.as_fd(), STOP)?;
            add(signals.reload.as_fd(), RELOAD)?;
            add(signals.marks.as_fd(), MARK)?;
            add(scout.as_fd(), SCOUT)?;
            if let Some(doorkeeper) = &doorkeeper {
                add(doorkeeper.as_fd(), SCOUT)?;
            }
            for link in &links {
                add(raw::fd(link.monitor.socket())?, MONITOR)?;
                add(raw::fd(&link.socket)?, SOCKET)?;
            }
            Ok(epoll)
        };
        let epoll = watch().map_err(|cause| Error::System { operation: "watch the sockets", cause })?;
        Ok(Self {
            can_wait_for_one: links.len() == 1 && Alarm::is_mine(),
            links,
            scout,
            doorkeeper,
            epoll,
            next: 0,
            monitor_speaks: true,
            is_drained: false,
            bound_bytes: inlets.message_max_bytes.saturating_add(FRAME_COST_BYTES),
            hold_max_bytes: inlets.hold_max_bytes,
            guard_due_ns: Some(now_ns),
            listened_ns: now_ns,
            looked_ns: 0,
            came: Came::default(),
            is_in_hand: false,
            is_alone: false,
            alarm: Alarm::new()?,
            frame: Message::new(),
        })
    }

    /// Wait for a message, a change of a link, a request of a signal, or the end of `timeout_ms`. It may end before any
    /// of them.
    ///
    /// # Errors
    /// When waiting fails.
    pub fn wait(&mut self, timeout_ms: i64) -> Result<Woken> {
        let now_ns = monotonic_ns();
        let follows_quickly = self.can_wait_for_one
            && now_ns - self.came.monotonic_ns < LOOK_EVERY_NS
            && self.links.iter().all(|link| link.due_ns().is_none())
            && !self.monitor_speaks;
        if !follows_quickly {
            self.alarm.clear();
        } else if now_ns - self.looked_ns < LOOK_EVERY_NS {
            self.alarm.set(now_ns + timeout_ms.saturating_mul(1_000_000).min(LOOK_EVERY_NS));
            return self.wait_for_next();
        }
        self.looked_ns = now_ns;
        self.wait_for_all(timeout_ms)
    }

    /// Wait for the next message of the only link, or the alarm.
    fn wait_for_next(&mut self) -> Result<Woken> {
        let Some(link) = self.links.first() else { return Ok(Woken::Look) };
        match link.socket.recv(&mut self.frame, 0) {
            Ok(()) => {
                let before_ns = self.came.monotonic_ns;
                self.came = Came::now();
                self.is_in_hand = true;
                self.is_alone = self.came.monotonic_ns - before_ns >= ALONE_NS;
                Ok(Woken::Message)
            }
            Err(zmq::Error::EINTR) => {
                // Whatever the signal was for: the next wait sees it.
                self.looked_ns = 0;
                Ok(Woken::Look)
            }
            Err(cause) => Err(socket_error("receive", cause)),
        }
    }

    fn wait_for_all(&mut self, timeout_ms: i64) -> Result<Woken> {
        let timeout_ns = if self.is_drained && !self.monitor_speaks { timeout_ms.saturating_mul(1_000_000) } else { 0 };
        let timeout = Timespec { tv_sec: timeout_ns / NS_PER_S, tv_nsec: timeout_ns % NS_PER_S };
        let mut events = [const { MaybeUninit::uninit() }; EVENTS_AT_ONCE];
        let events = match epoll::wait(&self.epoll, &mut events, Some(&timeout)) {
            Ok((events, _)) => &*events,
            // A signal that was ours made the stop readable: the next wait sees it.
            Err(rustix::io::Errno::INTR) => &[],
            Err(cause) => return Err(Error::System { operation: "wait for a socket", cause: cause.into() }),
        };
        let (mut woken, now_ns) = (Woken::Look, monotonic_ns());
        let monitor_spoke = events.iter().any(|event| event.data.u64() == MONITOR);
        self.listened_ns = if monitor_spoke { self.listened_ns.max(now_ns - WOKEN_LATE_NS) } else { now_ns };
        for event in events {
            match event.data.u64() {
                STOP => woken = Woken::Stop,
                RELOAD if woken == Woken::Look => woken = Woken::Reload,
                MARK if woken == Woken::Look => woken = Woken::Mark,
                MONITOR | SCOUT => self.monitor_speaks = true,
                CONNECTION => self.guard_due_ns = Some(monotonic_ns() + 2 * hold::LOOK_SOON_NS),
                _ => {}
            }
        }
        Ok(woken)
    }

    /// Wait for a message, whatever was asked for, `timeout_ms` at most. Says whether none came.
    ///
    /// # Errors
    /// When a socket fails.
    pub fn wait_quiet(&self, timeout_ms: i64) -> Result<bool> {
        let mut items: Vec<PollItem<'_>> = self.links.iter().map(|link| link.socket.as_poll_item(POLLIN)).collect();
        match zmq::poll(&mut items, timeout_ms) {
            Ok(ready) => Ok(ready == 0),
            Err(zmq::Error::EINTR) => Ok(false),
            Err(cause) => Err(socket_error("wait for a socket", cause)),
        }
    }

    /// Append the next message to `batch`, stamped now, if one is there and `accepts` its first frame, which may be one of so
    /// many: 1, or 2 for more than that.
    ///
    /// # Errors
    /// When a socket fails.
    pub fn receive(
        &mut self,
        batch: &mut Batch,
        origin_ns: i64,
        accepts: impl Fn(&[u8], usize) -> bool,
    ) -> Result<Received> {
        self.is_drained = false;
        if std::mem::take(&mut self.is_in_hand) {
            return self.take(batch, origin_ns, accepts);
        }
        if std::mem::take(&mut self.is_alone) {
            return Ok(Received::Nothing);
        }
        for _ in 0..self.links.len() {
            let Some(link) = self.links.get(self.next) else { break };
            match link.socket.recv(&mut self.frame, DONTWAIT) {
                Ok(()) => {
                    self.came = Came::now();
                    return self.take(batch, origin_ns, accepts);
                }
                Err(zmq::Error::EAGAIN | zmq::Error::EINTR) => self.next = (self.next + 1) % self.links.len(),
                Err(cause) => return Err(socket_error("receive", cause)),
            }
        }
        self.is_drained = true;
        Ok(Received::Nothing)
    }

    /// Append the message that begins with `frame` and came from the link `next`.
    fn take(&mut self, batch: &mut Batch, origin_ns: i64, accepts: impl Fn(&[u8], usize) -> bool) -> Result<Received> {
        let links = self.links.len();
        let Some(link) = self.links.get_mut(self.next) else { return Ok(Received::Nothing) };
        if !link.is_up() {
            // Peers before ZMTP 3 say in no other way that they are there.
            link.message_came(self.came.monotonic_ns);
            self.monitor_speaks = true;
        }
        let origin = Origin(self.next as u32 + 1);
        self.next = (self.next + 1) % links;
        let mark = batch.mark();
        let source = if link.is_bound() { self.frame.gets("__fd").and_then(|fd| fd.parse().ok()) } else { None };
        if self.doorkeeper.is_some()
            && link.is_nameless(source)
            && let Some((key, admitted_ns)) = self.frame.gets("User-Id").and_then(of_user_id)
        {
            link.name(source, key, admitted_ns);
        }
        let is_secured = link.security != Security::None;
        let mut wire_bytes = hold::on_wire(self.frame.len(), is_secured);
        let frame_count = if self.frame.get_more() { 2 } else { 1 };
        let is_wanted = accepts(&self.frame, frame_count);
        if !is_wanted {
            link.traffic.pass_over(&self.frame, frame_count);
        }
        let mut entry = batch.message(origin, self.came.unix_ns, self.came.monotonic_ns.saturating_sub(origin_ns));
        let (mut bytes, mut frames, mut goes_on) = (self.frame.len(), 1, self.frame.get_more());
        let bound_bytes = self.bound_bytes;
        let fits = move |bytes: usize, frames: usize| bytes.saturating_add(frames * FRAME_COST_BYTES) <= bound_bytes;
        if is_wanted {
            entry.take(&mut self.frame, Message::new);
        }
        // The other frames of a message are there as soon as the first one is.
        while goes_on {
            uninterrupted(|| link.socket.recv(&mut self.frame, 0)).map_err(|cause| socket_error("receive", cause))?;
            goes_on = self.frame.get_more();
            bytes = bytes.saturating_add(self.frame.len());
            wire_bytes += hold::on_wire(self.frame.len(), is_secured);
            frames += 1;
            if is_wanted && fits(bytes, frames) {
                entry.take(&mut self.frame, Message::new);
            }
        }
        link.hand_over(source, wire_bytes);
        if !is_wanted {
            batch.truncate(mark);
            return Ok(Received::Unwanted);
        }
        link.traffic.last = Some((self.came.unix_ns, self.came.monotonic_ns));
        if !fits(bytes, frames) {
            batch.truncate(mark);
            return Ok(Received::TooLarge(Oversize { origin, bytes, frames }));
        }
        Ok(Received::Message)
    }
}
