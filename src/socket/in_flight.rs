//! What libzmq holds of messages that are large, or larger than usual, in bytes.
//!
//! Its queues are bounded in messages, so that they are as long as fits the usual ones. Of the others it says when it lets
//! each go, so that they can be bounded in bytes: a replay to a subscriber that does not read takes 178 MB without that where
//! messages become large, and less than 40 MB with it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::message::{Frame, Piece};

/// Bytes that were lent to libzmq.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    bytes: Mutex<u64>,
    returned: Condvar,
}

impl InFlight {
    /// A frame, which counts until it is dropped.
    pub fn lend(&self, frame: Piece<'_>) -> Lent {
        *self.bytes() += frame.bytes().len() as u64;
        let frame = match frame {
            Piece::Lent(frame) => Arc::new(frame.to_vec()),
            Piece::Shared(frame) => frame.clone(),
        };
        Lent { frame, in_flight: self.clone() }
    }

    /// Wait until so many bytes more are within `limit_bytes`, or nothing is lent at all, but no longer than `most`. Says
    /// whether that is so.
    pub fn wait_for_room(&self, bytes: u64, limit_bytes: u64, most: Duration) -> bool {
        let is_full = |lent_bytes: &mut u64| *lent_bytes > 0 && lent_bytes.saturating_add(bytes) > limit_bytes;
        let waited = self.0.returned.wait_timeout_while(self.bytes(), most, is_full);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn bytes(&self) -> MutexGuard<'_, u64> {
        // A number is whole at any time.
        self.0.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A frame that libzmq holds.
#[derive(Debug)]
pub(super) struct Lent {
    frame: Arc<dyn Frame>,
    in_flight: InFlight,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.frame
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut bytes = self.in_flight.bytes();
        *bytes = bytes.saturating_sub(self.frame.len() as u64);
        self.in_flight.0.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_within_the_limit_and_always_for_one() {
        let in_flight = InFlight::default();
        let has_room = |bytes| in_flight.wait_for_room(bytes, 100, Duration::ZERO);
        assert!(has_room(1_000));
        let first = in_flight.lend(Piece::Lent(&[0; 40]));
        assert!(has_room(60) && !has_room(61));
        let second = in_flight.lend(Piece::Lent(&[0; 60]));
        assert!(!has_room(1));
        drop(first);
        assert!(has_room(40));
        drop(second);
        assert!(has_room(u64::MAX));
    }

    #[test]
    fn what_comes_back_ends_a_wait() {
        let in_flight = InFlight::default();
        let lent = in_flight.lend(Piece::Lent(&[0; 40]));
        std::thread::scope(|scope| {
            scope.spawn(move || drop(lent));
            assert!(in_flight.wait_for_room(61, 100, Duration::from_secs(60)));
        });
    }
}
