//! How much libzmq holds of what a peer sent, and when that is too much.
//!
//! libzmq bounds frames and whole messages, but no message of endless frames. The kernel knows what came over a connection, and
//! we know what was handed over of it; the difference is what libzmq holds.

use std::cmp::Reverse;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::epoll;

use crate::socket::raw;
use crate::time::clock::NS_PER_S;

/// As long as there is less than this in all, the memory is not looked at.
const SUSPICIOUS_BYTES: u64 = 256 << 10;

/// As long as there is more than this, something is moving, ...
pub(super) const MOVING_BYTES: u64 = 64 << 10;

/// ... and it is looked at again after this time, ...
pub(super) const LOOK_EVERY_NS: i64 = 10_000_000;

/// ... or this one, where somebody was cut off, or much is held.
pub(super) const LOOK_SOON_NS: i64 = 1_000_000;

/// A frame of a few bytes takes 64 in libzmq, and so does one without any: the memory is looked at too. So much of it may be
/// neither in libzmq nor in our queue.
const OTHER_BYTES: u64 = 24 << 20;

/// What comes beside messages (heartbeats, other commands) is not seen here. So much of it is forgiven in a second.
const COMMANDS_PER_S: u64 = 64;

/// What waits in the kernel counts as far as it is no more than so many times what libzmq has of the connection.
const WAITING_TIMES: u64 = 16;

/// The length of a frame takes eight bytes from this size on, else one; one more has its flags.
const LONG_FRAME_BYTES: usize = 256;

/// What CURVE adds to each frame: the name of the command, a nonce, a code that proves it, and flags; see
/// <https://rfc.zeromq.org/spec/25/>.
pub(super) const CURVE_BYTES: usize = 8 + 8 + 16 + 1;

/// What a frame takes on the wire, encrypted or not.
pub(super) fn on_wire(frame_bytes: usize, is_secured: bool) -> u64 {
    let frame_bytes = if is_secured { frame_bytes.saturating_add(CURVE_BYTES) } else { frame_bytes };
    frame_bytes as u64 + if frame_bytes < LONG_FRAME_BYTES { 2 } else { 9 }
}

/// Let `epoll` wake once with `what` when something comes over a connection.
pub(super) fn wake_once(epoll: &OwnedFd, connection: BorrowedFd<'_>, what: u64) {
    let data = epoll::EventData::new_u64(what);
    let once = epoll::EventFlags::IN | epoll::EventFlags::ONESHOT;
    if epoll::modify(epoll, connection, data, once).is_err() {
        // A new one. Where it cannot be watched, it is looked at whenever something else happens.
        let _ = epoll::add(epoll, connection, data, once);
    }
}

/// One connection, and what was handed over of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hold {
    handed_over_bytes: u64,
    /// Of the connection before, what was not handed over yet.
    left_over_bytes: u64,
    begun_ns: i64,
}

impl Hold {
    /// A connection that begins now.
    pub fn new(now_ns: i64) -> Self {
        Self { begun_ns: now_ns, ..Self::default() }
    }

    /// A new connection begins; of the one before so much had come.
    pub fn begin(&mut self, received_bytes: u64, now_ns: i64) {
        let left_over_bytes = self.bytes(received_bytes, now_ns);
        *self = Self { handed_over_bytes: 0, left_over_bytes, begun_ns: now_ns };
    }

    /// So many bytes more were handed over.
    pub fn hand_over(&mut self, bytes: u64) {
        let old = bytes.min(self.left_over_bytes);
        self.left_over_bytes -= old;
        self.handed_over_bytes += bytes - old;
    }

    /// All whole messages were handed over: what is left of the connection before will never be.
    pub fn drained(&mut self) {
        self.left_over_bytes = 0;
    }

    /// How much libzmq holds of the connection, over which so much came.
    pub fn bytes(&self, received_bytes: u64, now_ns: i64) -> u64 {
        let lasted_s = (now_ns.saturating_sub(self.begun_ns) / NS_PER_S).max(0).unsigned_abs();
        received_bytes.saturating_sub(self.handed_over_bytes).saturating_sub(lasted_s.saturating_mul(COMMANDS_PER_S))
    }

    /// The same, if so many of these bytes still wait in the kernel. libzmq may take them at once, so they count, as long as it takes
    /// anything: of a device of small messages that is read slowly, megabytes wait there beside the few kilobytes that libzmq has.
    pub fn bytes_beside(&self, received_bytes: u64, waiting_bytes: u64, now_ns: i64) -> u64 {
        let bytes = self.bytes(received_bytes, now_ns);
        bytes.min(bytes.saturating_sub(waiting_bytes).saturating_mul(WAITING_TIMES))
    }
}

/// How much libzmq holds of each connection, where the kernel does not count what came over some of them: these have what the
/// memory has beyond the others, in equal parts.
pub(super) fn with_uncounted(held_bytes: &[Option<u64>], in_libzmq_bytes: impl FnOnce() -> u64) -> Vec<u64> {
    let uncounted = held_bytes.iter().filter(|bytes| bytes.is_none()).count() as u64;
    let part_bytes = match uncounted {
        0 => 0,
        _ => in_libzmq_bytes().saturating_sub(held_bytes.iter().flatten().sum()) / uncounted,
    };
    held_bytes.iter().map(|bytes| bytes.unwrap_or(part_bytes)).collect()
}

/// What libzmq holds, as the memory says, if this process knows of `own_bytes` beside it.
pub(super) fn in_libzmq_bytes(own_bytes: u64) -> u64 {
    raw::used_bytes().saturating_sub(own_bytes).saturating_sub(OTHER_BYTES)
}

/// Which connections are to be cut, if `held_bytes` of all of them are more than `limit_bytes`, or what the memory says is: the
/// largest, until the others fit.
pub(super) fn too_much(held_bytes: &[u64], limit_bytes: u64, in_libzmq_bytes: impl FnOnce() -> u64) -> Vec<usize> {
    let mut sum = held_bytes.iter().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes));
    let mut fitting = limit_bytes;
    if sum > SUSPICIOUS_BYTES {
        let in_libzmq_bytes = in_libzmq_bytes();
        // libzmq lets go of what was cut off only later, while the others go on.
        let limit_bytes = limit_bytes - limit_bytes / 8;
        if in_libzmq_bytes > limit_bytes {
            // A byte takes so much more memory than it has on the wire.
            fitting = fitting.min((u128::from(sum) * u128::from(limit_bytes) / u128::from(in_libzmq_bytes)) as u64);
        }
    }
    let mut largest: Vec<usize> = (0..held_bytes.len()).collect();
    let bytes = |place: &usize| held_bytes.get(*place).copied().unwrap_or(0);
    largest.sort_unstable_by_key(|place| Reverse(bytes(place)));
    largest.retain(|place| {
        let is_too_much = sum > fitting;
        sum -= if is_too_much { bytes(place).min(sum) } else { 0 };
        is_too_much
    });
    largest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encrypted_frame_is_longer() {
        assert_eq!((on_wire(222, false), on_wire(222, true)), (224, 257));
        assert_eq!((on_wire(223, true), on_wire(256, false)), (265, 265));
    }

    #[test]
    fn what_came_and_was_not_handed_over_is_held() {
        let mut hold = Hold::default();
        hold.hand_over(on_wire(45, false) + on_wire(1_000, false));
        assert_eq!(hold.bytes(47 + 1_009, 0), 0);
        assert_eq!(hold.bytes(5_000, 0), 5_000 - 1_056);
        assert_eq!(hold.bytes(5_000, 10 * NS_PER_S), 5_000 - 1_056 - 640);
        // What waits in the kernel counts where libzmq takes something of it.
        assert_eq!(hold.bytes_beside(5_056, 1_000, 0), 4_000);
        assert_eq!(hold.bytes_beside(5_056, 3_900, 0), 1_600);
        assert_eq!(hold.bytes_beside(5_056, 9_000, 0), 0);
        // The connection ends; what is left of it is handed over first.
        hold.begin(2_056, 0);
        hold.hand_over(600);
        assert_eq!(hold.bytes(100, 0), 100);
        hold.hand_over(450);
        assert_eq!(hold.bytes(100, 0), 50);
        // An unfinished message never is.
        hold.begin(1_000_050, 0);
        hold.drained();
        hold.hand_over(30);
        assert_eq!(hold.bytes(100, 0), 70);
    }

    #[test]
    fn the_largest_is_cut_when_all_together_are_too_much() {
        let of = |held: &[u64], limit, in_libzmq| too_much(held, limit, || in_libzmq);
        assert!(of(&[10, 60, 30], 100, 0).is_empty());
        assert_eq!(of(&[10, 60, 31], 100, 0), [1]);
        assert_eq!(of(&[10, 60, 31, 80], 60, 0), [3, 1]);
        assert!(of(&[], 100, u64::MAX).is_empty());
        // Small frames, of which each takes more memory than it has on the wire.
        assert!(of(&[1 << 20, 5], 80 << 20, 69 << 20).is_empty());
        assert_eq!(of(&[1 << 20, 5], 80 << 20, 71 << 20), [0]);
        assert_eq!(of(&[1 << 20, 5, 2 << 20, 3 << 20], 80 << 20, 139 << 20), [3]);
        assert_eq!(of(&[1 << 20, 5, 2 << 20, 3 << 20], 80 << 20, 212 << 20), [3, 2]);
    }

    #[test]
    fn what_is_not_counted_has_the_rest() {
        assert_eq!(with_uncounted(&[Some(10), None, None], || 70), [10, 30, 30]);
        assert_eq!(with_uncounted(&[Some(10), None], || 5), [10, 0]);
        assert_eq!(with_uncounted(&[Some(10)], || unreachable!()), [10]);
    }
}
