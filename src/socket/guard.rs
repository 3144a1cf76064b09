//! Watches who is connected to a sending socket, in a thread of its own: a subscriber sends nothing but subscriptions, and one
//! that sends more than any needs is cut off before it hurts the others.
//!
//! libzmq would queue whatever it sends: one peer could take gigabytes and seconds.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};

use crate::error::{Error, Result};
use crate::socket::bell::Bell;
use crate::socket::bound::{Became, Bound};
use crate::socket::curve::{Doorkeeper, PublicKey};
use crate::socket::hold::wake_once;
use crate::socket::monitor::{Heard, Monitor, What};
use crate::socket::raw;
use crate::time::clock::{NS_PER_S, monotonic_ns};

/// What a subscriber may send at once: ten thousand subscriptions of usual length. What heartbeats take is allowed beside it.
const SUBSCRIBER_MAX_BYTES: u64 = 256 << 10;

/// What all of them may send together, beside one such. libzmq needs fifty times as much for subscriptions that differ, and walks
/// through all of that for each subscriber that leaves, while a message waits: 100 at once took 700 MB and a minute.
const SUBSCRIBERS_MAX_BYTES: u64 = SUBSCRIBER_MAX_BYTES + (128 << 10);

/// Encrypted, a subscription of usual length takes two and a half times as much.
const SECURED_TIMES: u64 = 3;

/// As long as something comes, it is looked at again after this time.
const LOOK_EVERY_NS: i64 = 1_000_000;

/// How often to look whether the socket is closed.
const FINISH_LOOK: Duration = Duration::from_millis(1);

/// So many addresses are named; what others did is counted only.
const NAMED_MAX: usize = 100;

/// So many names of peers are on their way to the guard.
const NAMES_MAX: usize = 256;

/// What an entry of the epoll set is about.
const STOP: u64 = 0;
const MONITOR: u64 = 1;
const CONNECTION: u64 = 2;

/// What is known of the peers.
#[derive(Debug, Default)]
struct Known {
    peers: AtomicU64,
    cut: AtomicU64,
    is_refused: AtomicBool,
    refused: Mutex<Vec<String>>,
}

/// The guard of one socket.
#[derive(Debug)]
pub(super) struct Guard {
    known: Arc<Known>,
    names: mpsc::SyncSender<(i32, PublicKey, i64)>,
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl Guard {
    /// Watch a socket, from before it is connected or bound.
    pub fn of(monitor: Monitor, doorkeeper: Option<Doorkeeper>) -> Result<Self> {
        let failed = |operation| move |cause: std::io::Error| Error::System { operation, cause };
        let (names, named_peers) = mpsc::sync_channel(NAMES_MAX);
        let (known, bell) = (Arc::new(Known::default()), Arc::new(Bell::new()?));
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(|cause| failed("watch the connections")(cause.into()))?;
        let watch = || -> std::io::Result<()> {
            epoll::add(&epoll, &*bell, epoll::EventData::new_u64(STOP), epoll::EventFlags::IN)?;
            if let Some(doorkeeper) = &doorkeeper {
                epoll::add(&epoll, doorkeeper, epoll::EventData::new_u64(MONITOR), epoll::EventFlags::IN)?;
            }
            let monitor = raw::fd(monitor.socket())?;
            Ok(epoll::add(&epoll, monitor, epoll::EventData::new_u64(MONITOR), epoll::EventFlags::IN)?)
        };
        watch().map_err(failed("watch the connections"))?;
        let watcher = Watcher {
            monitor,
            peers: Bound::new(doorkeeper.is_some()),
            doorkeeper,
            named_peers,
            epoll,
            known: Arc::clone(&known),
            came_bytes: 0,
            look_due_ns: None,
            named: BTreeSet::new(),
        };
        let thread =
            Builder::new().name("guard".to_owned()).spawn(move || watcher.run()).map_err(failed("start a thread"))?;
        Ok(Self { known, names, bell, thread: Some(thread) })
    }

    /// How many peers are connected.
    pub fn peers(&self) -> u64 {
        self.known.peers.load(Relaxed)
    }

    /// The socket is being closed: watch it until it is, but no longer than this.
    pub fn finish(self, most: Duration) {
        let end = Instant::now() + most;
        while Instant::now() < end && self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            thread::sleep(FINISH_LOOK);
        }
    }

    /// Who was admitted then has the connection of this number.
    pub fn name(&self, descriptor: i32, key: PublicKey, admitted_ns: i64) {
        // Where too many come at once, those are left out, and treated as unknown.
        let _ = self.names.try_send((descriptor, key, admitted_ns));
    }

    /// Take the endpoints whose peers refused us since this was asked last: libzmq does not connect to them again.
    pub fn take_refused(&self) -> Vec<String> {
        match self.known.is_refused.swap(false, Relaxed) {
            true => std::mem::take(&mut *self.known.refused.lock().unwrap_or_else(PoisonError::into_inner)),
            false => Vec::new(),
        }
    }

    /// How many were cut off.
    pub fn cut(&self) -> u64 {
        self.known.cut.load(Relaxed)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            // It does nothing that could panic.
            let _ = thread.join();
        }
    }
}

struct Watcher {
    monitor: Monitor,
    doorkeeper: Option<Doorkeeper>,
    named_peers: mpsc::Receiver<(i32, PublicKey, i64)>,
    epoll: OwnedFd,
    known: Arc<Known>,
    peers: Bound,
    /// All that had come at the last look.
    came_bytes: u64,
    look_due_ns: Option<i64>,
    named: BTreeSet<String>,
}

impl Watcher {
    fn run(mut self) {
        loop {
            // First heard, then waited for: the descriptor says that something new came since it was last asked.
            let now_ns = monotonic_ns();
            while let Ok(Some(heard)) = self.monitor.next() {
                if heard.what == What::Stopped {
                    return;
                }
                self.peers.hear(heard, now_ns);
                self.refused(heard);
                if matches!(heard.what, What::Accepted | What::Connected) {
                    self.look_due_ns = Some(now_ns);
                }
            }
            self.peers.tick(now_ns);
            self.admit();
            self.tell();
            if self.look_due_ns.is_some_and(|due_ns| now_ns >= due_ns) {
                self.look(now_ns);
            }
            match self.wait() {
                Ok(true) => return,
                Ok(false) => {}
                // Without it the socket is not guarded, but it goes on.
                Err(cause) => return tracing::warn!("cannot watch the connections: {cause}"),
            }
        }
    }

    /// Wait until there is something to do. Returns whether that is to end.
    fn wait(&mut self) -> rustix::io::Result<bool> {
        let due_ns = [self.look_due_ns, self.peers.due_ns()].into_iter().flatten().min();
        let left_ns = due_ns.map(|due_ns| (due_ns - monotonic_ns()).max(0));
        let timeout = left_ns.map(|ns| Timespec { tv_sec: ns / NS_PER_S, tv_nsec: ns % NS_PER_S });
        let mut events = [const { MaybeUninit::uninit() }; 8];
        let (events, _) = match epoll::wait(&self.epoll, &mut events, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(false),
            events => events?,
        };
        for event in events {
            match event.data.u64() {
                STOP => return Ok(true),
                CONNECTION => _ = self.look_due_ns.get_or_insert(monotonic_ns() + LOOK_EVERY_NS),
                _ => {}
            }
        }
        Ok(false)
    }

    /// Say who was not admitted, and cut off who is not any more.
    fn admit(&mut self) {
        for (descriptor, key, admitted_ns) in self.named_peers.try_iter() {
            self.peers.name(descriptor, key, admitted_ns);
        }
        let Some(doorkeeper) = self.doorkeeper.take() else { return };
        while let Some(visitor) = doorkeeper.visitor() {
            match visitor.is_admitted {
                true => tracing::info!("admitted {}: {visitor}", visitor.address),
                false => tracing::warn!("no connection with {}: {visitor}", visitor.address),
            }
        }
        if doorkeeper.was_shortened() {
            for address in self.peers.dismiss(|key| doorkeeper.admits(key)) {
                tracing::warn!("cut off {address}: it is not admitted any more, or it was not known to be");
            }
        }
        self.doorkeeper = Some(doorkeeper);
    }

    /// A peer that we connect to does not take us.
    fn refused(&mut self, heard: Heard) {
        if heard.what == What::HandshakeFailedAuth && self.peers.is_ours() {
            let endpoint = self.monitor.endpoint();
            self.name_refused(
                &endpoint,
                "it does not admit our key: our public certificate must be among those that it allows",
            );
            self.known.refused.lock().unwrap_or_else(PoisonError::into_inner).push(endpoint);
            self.known.is_refused.store(true, Relaxed);
        }
    }

    fn tell(&mut self) {
        while let Some((address, became)) = self.peers.change() {
            match became {
                Became::TooMany => self.name(&address, "there are too many connections"),
                Became::Unfit => self.name(&address, "it sent a frame of more than 1024 bytes, or what is no ZeroMQ"),
                Became::Refused(failure) => self.name_refused(&address, &failure.to_string()),
                Became::Up | Became::Left | Became::Broke => {}
            }
        }
        self.known.peers.store(self.peers.count() as u64, Relaxed);
    }

    /// Cut off who has sent too much; go on looking as long as something comes.
    fn look(&mut self, now_ns: i64) {
        let mut held: Vec<(i32, u64)> = self.peers.held_bytes(now_ns).collect();
        held.sort_unstable_by_key(|(_, bytes)| Reverse(*bytes));
        let came_bytes = held.iter().fold(0_u64, |sum, (_, bytes)| sum.saturating_add(*bytes));
        let times = if self.doorkeeper.is_some() { SECURED_TIMES } else { 1 };
        let mut left_bytes = came_bytes;
        for &(connection, bytes) in &held {
            let why = match (bytes > times * SUBSCRIBER_MAX_BYTES, left_bytes > times * SUBSCRIBERS_MAX_BYTES) {
                (true, _) => format!("it sent {} KiB of subscriptions, more than a subscriber needs", bytes >> 10),
                (_, true) => {
                    format!("subscribers sent {} KiB of subscriptions together, it the most", left_bytes >> 10)
                }
                _ => break,
            };
            left_bytes -= bytes;
            if let Some(address) = self.peers.cut(connection) {
                self.name(&address, &why);
            }
        }
        if came_bytes > self.came_bytes {
            self.look_due_ns = Some(now_ns + LOOK_EVERY_NS);
        } else {
            self.look_due_ns = None;
            self.peers.connections().for_each(|connection| wake_once(&self.epoll, connection, CONNECTION));
        }
        self.came_bytes = came_bytes;
    }

    /// Say once of each host that there is no connection with it.
    fn name_refused(&mut self, address: &str, why: &str) {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        if self.named.len() < NAMED_MAX && self.named.insert(format!("{host} {why}")) {
            tracing::warn!("no connection with {address}: {why}");
        }
    }

    /// Say once of each host that it was cut off.
    fn name(&mut self, address: &str, why: &str) {
        self.known.cut.fetch_add(1, Relaxed);
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host).to_owned();
        if self.named.len() < NAMED_MAX && self.named.insert(host) {
            tracing::warn!("cut off {address}: {why}; the others go on");
        }
    }
}
