//! The binding side of a link: many peers on one socket, each with its address.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::getpeername;

use crate::socket::hold::Hold;
use crate::socket::monitor::{Heard, What};
use crate::socket::raw;

/// A peer that says nothing in the handshake is up when its connection has lasted this long and something came: peers before
/// ZMTP 3 have no handshake.
const OLD_GREETING_NS: i64 = 500_000_000;

/// The greeting of ZMTP 3: a handshake is over only behind it.
const GREETING_BYTES: u64 = 64;

/// What became of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Became {
    /// It is connected.
    Up,
    /// It ended its connection: all that it sent has come.
    Left,
    /// Its connection broke: messages may be missed.
    Broke,
}

/// A connection that was accepted.
#[derive(Debug)]
struct Guest {
    /// Held open, so that it can be asked how it ended. Dropped as soon as libzmq has closed it: the peer would not notice.
    held: Option<OwnedFd>,
    address: String,
    accepted_ns: i64,
    is_up: bool,
    hold: Hold,
}

/// The peers of a bound socket.
#[derive(Debug, Default)]
pub(super) struct Bound {
    guests: BTreeMap<i32, Guest>,
    changes: VecDeque<(String, Became)>,
}

impl Bound {
    /// How many peers are connected.
    pub fn count(&self) -> usize {
        self.guests.values().filter(|guest| guest.is_up).count()
    }

    /// Take what the monitor says.
    pub fn hear(&mut self, heard: Heard, now_ns: i64) {
        match heard.what {
            What::Accepted => {
                let held = raw::hold(heard.value);
                let address = held.as_ref().map_or_else(|| "a local program".to_owned(), address);
                let guest = Guest { held, address, accepted_ns: now_ns, is_up: false, hold: Hold::default() };
                self.guests.insert(heard.value, guest);
            }
            What::HandshakeSucceeded => self.greet(|guest| received(guest) >= GREETING_BYTES),
            What::Disconnected | What::Closed => self.leave(heard.value),
            _ => {}
        }
    }

    /// Time has passed: who has been there for long enough is up.
    pub fn tick(&mut self, now_ns: i64) {
        self.greet(|guest| now_ns - guest.accepted_ns >= OLD_GREETING_NS && received(guest) > 0);
    }

    /// A message came, from a peer that may not be known to be up yet.
    pub fn message(&mut self) {
        self.greet(|guest| received(guest) > 0);
    }

    /// When somebody may be up, on the monotonic clock.
    pub fn due_ns(&self) -> Option<i64> {
        let waiting = self.guests.values().filter(|guest| !guest.is_up);
        waiting.map(|guest| guest.accepted_ns + OLD_GREETING_NS).min()
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
            let received = guest.held.as_ref().and_then(|held| raw::bytes_received(held.as_fd()));
            guest.hold.bytes(received.unwrap_or(0), now_ns)
        };
        self.guests.iter().map(move |(descriptor, guest)| (*descriptor, bytes(guest)))
    }

    /// Cut a connection off. Gives whose it was.
    pub fn cut(&mut self, descriptor: i32) -> Option<String> {
        let guest = self.guests.get_mut(&descriptor)?;
        guest.held.as_ref().map(|held| raw::shut_down(held.as_fd()));
        Some(guest.address.clone())
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
        let Some(guest) = self.guests.remove(&descriptor) else { return };
        if !guest.is_up {
            return;
        }
        let has_ended = guest.held.as_ref().is_none_or(|held| raw::has_ended(held.as_fd()));
        let became = if has_ended { Became::Left } else { Became::Broke };
        self.changes.push_back((guest.address, became));
    }
}

fn address(held: &OwnedFd) -> String {
    let address = getpeername(held).ok().flatten().and_then(|address| SocketAddr::try_from(address).ok());
    address.map_or_else(|| "a local program".to_owned(), |address| address.to_string())
}

/// What a peer has sent so far; of a connection that cannot say so, enough.
fn received(guest: &Guest) -> u64 {
    guest.held.as_ref().and_then(|held| raw::bytes_received(held.as_fd())).unwrap_or(u64::MAX)
}
