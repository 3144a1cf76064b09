//! The binding side of a link: many peers on one socket, each with its address.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use rustix::net::getpeername;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::socket::curve::PublicKey;
use crate::socket::hold::Hold;
use crate::socket::monitor::{Heard, What};
use crate::socket::raw::{self, Stands};

/// A peer that says nothing in the handshake is up when its connection has lasted this long and something came: peers before
/// ZMTP 3 have no handshake.
const OLD_GREETING_NS: i64 = 500_000_000;

/// The greeting of ZMTP 3: a handshake is over only behind it.
const GREETING_BYTES: u64 = 64;

/// The most connections of a socket: many more than sensors at a collector, or programs that look at one device.
const CONNECTIONS_MAX: usize = 512;

/// A connection takes libzmq's descriptor and ours, and one while it is accepted or turned away.
const DESCRIPTORS_EACH: u64 = 3;

/// What else has descriptors: the database, signals, libzmq itself.
const OTHER_DESCRIPTORS: u64 = 64;

/// What became of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Became {
    /// It is connected.
    Up,
    /// It ended its connection: all that it sent has come.
    Left,
    /// Its connection broke: messages may be missed.
    Broke,
    /// libzmq ended its connection, because of what it sent.
    Unfit,
    /// It was turned away, because there are too many.
    TooMany,
    /// Its handshake failed.
    Refused(Failure),
}

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// It secures its side in another way than we do ours.
    Mechanism,
    /// It does not know our key.
    Key,
    /// It went, as one does that secures its side in another way, before libzmq had read how.
    Gone,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mechanism => "it was refused: of the two sides one has keys (CURVE) and the other has not",
            Self::Key => "it was refused: it has not our public key; give it our public certificate",
            Self::Gone => {
                "it left while it was greeted: perhaps of the two sides one has keys (CURVE) and the other has not"
            }
        })
    }
}

impl Failure {
    /// What libzmq says: see zmq_socket_monitor(3).
    fn of(value: i32) -> Option<Self> {
        match value {
            0x1100_0001 => Some(Self::Key),
            0x1100_0002 => Some(Self::Mechanism),
            _ => None,
        }
    }
}

/// A connection that was accepted.
#[derive(Debug)]
struct Guest {
    /// Held open, so that it can be asked how it ended. Dropped as soon as libzmq has closed it: the peer would not notice.
    held: Option<OwnedFd>,
    address: String,
    accepted_ns: i64,
    is_up: bool,
    is_cut: bool,
    hold: Hold,
    /// We connected to it.
    is_ours: bool,
    /// Who has it, where connections are secured, as soon as that is known.
    key: Option<PublicKey>,
}

/// The peers of a bound socket.
#[derive(Debug, Default)]
pub(super) struct Bound {
    guests: BTreeMap<i32, Guest>,
    changes: VecDeque<(String, Became)>,
    ticked_ns: i64,
    /// Handshakes of peers that cannot be told from others any more.
    unknown: usize,
    /// Why the next connection that ends has failed.
    failure: Option<Failure>,
    is_secured: bool,
}

impl Bound {
    /// Nobody is there yet. Where connections are secured, whoever leaves in the handshake is told of.
    pub fn new(is_secured: bool) -> Self {
        Self { is_secured, ..Self::default() }
    }

    /// How many peers are connected.
    pub fn count(&self) -> usize {
        self.guests.values().filter(|guest| guest.is_up).count()
    }

    /// Whether there is a connection that we made.
    pub fn is_ours(&self) -> bool {
        self.guests.values().any(|guest| guest.is_ours)
    }

    /// Take what the monitor says.
    pub fn hear(&mut self, heard: Heard, now_ns: i64) {
        match heard.what {
            What::Accepted | What::Connected => {
                let Ok(held) = raw::hold(heard.value) else {
                    raw::turn_away(heard.value);
                    return self.changes.push_back(("somebody".to_owned(), Became::TooMany));
                };
                let address = held.as_ref().map_or_else(|| "a local program".to_owned(), address);
                if self.guests.len() >= connections_max() {
                    held.iter().for_each(|held| raw::cut_off(held.as_fd()));
                    return self.changes.push_back((address, Became::TooMany));
                }
                let guest = Guest {
                    held,
                    address,
                    accepted_ns: now_ns,
                    is_up: false,
                    is_cut: false,
                    hold: Hold::new(now_ns),
                    is_ours: heard.what == What::Connected,
                    key: None,
                };
                self.guests.insert(heard.value, guest);
            }
            What::HandshakeSucceeded => {
                let waiting = self.guests.values_mut().filter(|guest| !guest.is_up);
                let greeted = waiting.filter(|guest| received(guest) >= GREETING_BYTES);
                // libzmq does not say whose it was. Who is about to be refused has not come so far.
                match greeted.max_by_key(|guest| received(guest)) {
                    Some(guest) => {
                        guest.is_up = true;
                        self.changes.push_back((guest.address.clone(), Became::Up));
                    }
                    // It has left already, and its descriptor belongs to another one: its end follows.
                    None => self.unknown += 1,
                }
            }
            What::HandshakeFailedProtocol => self.failure = Failure::of(heard.value),
            What::HandshakeFailedNoDetail if self.is_secured => self.failure = Some(Failure::Gone),
            What::Disconnected | What::Closed => self.leave(heard.value),
            _ => {}
        }
    }

    /// Time has passed: who has been there for long enough is up.
    pub fn tick(&mut self, now_ns: i64) {
        self.ticked_ns = now_ns;
        self.greet(|guest| now_ns - guest.accepted_ns >= OLD_GREETING_NS && received(guest) > 0);
    }

    /// A message came, from a peer that may not be known to be up yet.
    pub fn message(&mut self) {
        self.greet(|guest| received(guest) > 0);
    }

    /// When somebody may be up, on the monotonic clock.
    pub fn due_ns(&self) -> Option<i64> {
        let waiting = self.guests.values().filter(|guest| !guest.is_up);
        // Who has said nothing by then is looked at when something else happens.
        let waiting = waiting.map(|guest| guest.accepted_ns + OLD_GREETING_NS);
        waiting.filter(|due_ns| *due_ns > self.ticked_ns).min()
    }

    /// What became of whom, one after the other.
    pub fn change(&mut self) -> Option<(String, Became)> {
        self.changes.pop_front()
    }

    /// So many bytes came from the connection of this number.
    pub fn hand_over(&mut self, descriptor: Option<i32>, bytes: u64) {
        if let Some(guest) = descriptor.and_then(|descriptor| self.guests.get_mut(&descriptor)) {
            guest.hold.hand_over(bytes);
        }
    }

    /// How much libzmq holds of each connection, by its number.
    pub fn held_bytes(&self, now_ns: i64) -> impl Iterator<Item = (i32, u64)> {
        let bytes = move |guest: &Guest| {
            let held = guest.held.as_ref().map(AsFd::as_fd);
            let received = held.and_then(raw::bytes_received).unwrap_or(0);
            guest.hold.bytes_beside(received, held.map_or(0, raw::bytes_waiting), now_ns)
        };
        self.guests.iter().map(move |(descriptor, guest)| (*descriptor, bytes(guest)))
    }

    /// Cut a connection off. Gives whose it was, if that was not done before.
    pub fn cut(&mut self, descriptor: i32) -> Option<String> {
        let guest = self.guests.get_mut(&descriptor).filter(|guest| !guest.is_cut)?;
        guest.is_cut = true;
        if let Some(held) = &guest.held {
            raw::cut_off(held.as_fd());
        }
        Some(guest.address.clone())
    }

    /// Whether it is not known yet who has the connection of this number.
    pub fn is_nameless(&self, descriptor: i32) -> bool {
        self.guests.get(&descriptor).is_some_and(|guest| guest.key.is_none())
    }

    /// Who was admitted then has the connection of this number. One that was admitted before this connection began had another
    /// one of the same number.
    pub fn name(&mut self, descriptor: i32, key: PublicKey, admitted_ns: i64) {
        if let Some(guest) = self.guests.get_mut(&descriptor).filter(|guest| guest.accepted_ns <= admitted_ns) {
            guest.key = Some(key);
        }
    }

    /// Cut off who is not admitted any more; also those of whom it is not known who they are, who come back if they are admitted.
    /// Gives their addresses.
    pub fn dismiss(&mut self, admits: impl Fn(&PublicKey) -> bool) -> Vec<String> {
        let is_out = |guest: &Guest| !guest.is_ours && guest.key.as_ref().is_none_or(|key| !admits(key));
        let out: Vec<i32> =
            self.guests.iter().filter(|(_, guest)| is_out(guest)).map(|(descriptor, _)| *descriptor).collect();
        out.into_iter().filter_map(|descriptor| self.cut(descriptor)).collect()
    }

    /// The connections.
    pub fn connections(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.guests.values().filter_map(|guest| guest.held.as_ref().map(AsFd::as_fd))
    }

    fn greet(&mut self, is_up: impl Fn(&Guest) -> bool) {
        for guest in self.guests.values_mut() {
            if !guest.is_up && is_up(guest) {
                guest.is_up = true;
                self.changes.push_back((guest.address.clone(), Became::Up));
            }
        }
    }

    fn leave(&mut self, descriptor: i32) {
        let failure = self.failure.take();
        let Some(guest) = self.guests.remove(&descriptor) else { return };
        if !guest.is_up {
            if let Some(failure) = failure {
                return self.changes.push_back((guest.address, Became::Refused(failure)));
            }
            if self.unknown == 0 {
                return;
            }
            self.unknown -= 1;
            self.changes.push_back((guest.address.clone(), Became::Up));
        }
        let became = match guest.held.as_ref().filter(|_| !guest.is_cut).map(|held| raw::stands(held.as_fd())) {
            Some(Stands::Open) => Became::Unfit,
            Some(Stands::Broken) => Became::Broke,
            Some(Stands::Ended) | None => Became::Left,
        };
        self.changes.push_back((guest.address, became));
    }
}

/// How many connections there may be, so that no stranger takes the descriptors of the others.
fn connections_max() -> usize {
    static MAX: OnceLock<usize> = OnceLock::new();
    *MAX.get_or_init(|| {
        let before = getrlimit(Resource::Nofile);
        // Root and most services may have more than they begin with.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: before.maximum, ..before });
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let connections = descriptors.saturating_sub(OTHER_DESCRIPTORS) / DESCRIPTORS_EACH;
        usize::try_from(connections).unwrap_or(usize::MAX).min(CONNECTIONS_MAX)
    })
}

fn address(held: &OwnedFd) -> String {
    let address = getpeername(held).ok().flatten().and_then(|address| SocketAddr::try_from(address).ok());
    address.map_or_else(|| "a local program".to_owned(), |address| address.to_string())
}

/// What a peer has sent so far; of a connection that cannot say so, enough.
fn received(guest: &Guest) -> u64 {
    guest.held.as_ref().and_then(|held| raw::bytes_received(held.as_fd())).unwrap_or(u64::MAX)
}
