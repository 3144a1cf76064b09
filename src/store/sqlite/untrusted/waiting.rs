//! Waiting for another program that holds a database that is read: not for long, however often that happens.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::time::clock::{NS_PER_S, monotonic_ns};

/// All waits of this program together take this long at most: with what it computes, that is less than the five seconds
/// after which it seems to hang.
const WAITS_MAX_NS: i64 = 3 * NS_PER_S;

/// After so long without a wait, as in a replay of hours, the next one has nothing to do with the last.
const FORGOTTEN_AFTER_NS: i64 = 60 * NS_PER_S;

/// Between two looks whether the database is free.
const PAUSE: Duration = Duration::from_millis(10);

/// The waits of this program.
#[derive(Debug)]
struct Waits {
    waited_ns: i64,
    last_ns: i64,
}

static WAITS: Mutex<Waits> = Mutex::new(Waits { waited_ns: 0, last_ns: 0 });

/// Wait a moment for another program. Says whether it may be waited for any longer. SQLite asks this, with the number of
/// looks at the same lock.
pub(in crate::store) fn wait(_looks: i32) -> bool {
    let waits = || WAITS.lock().unwrap_or_else(PoisonError::into_inner);
    let began_ns = monotonic_ns();
    if !waits().may_begin(began_ns) {
        return false;
    }
    thread::sleep(PAUSE);
    waits().ended(began_ns, monotonic_ns());
    true
}

impl Waits {
    fn may_begin(&mut self, now_ns: i64) -> bool {
        if now_ns.saturating_sub(self.last_ns) > FORGOTTEN_AFTER_NS {
            self.waited_ns = 0;
        }
        self.last_ns = now_ns;
        self.waited_ns < WAITS_MAX_NS
    }

    fn ended(&mut self, began_ns: i64, now_ns: i64) {
        self.waited_ns = self.waited_ns.saturating_add(now_ns.saturating_sub(began_ns));
        self.last_ns = now_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_short_waits_take_no_longer_together_than_a_long_one() {
        let mut waits = Waits { waited_ns: 0, last_ns: 0 };
        let mut now_ns = 0;
        let mut times = 0;
        // A second of every four: what lies between two waits does not count.
        while waits.may_begin(now_ns) {
            waits.ended(now_ns, now_ns + NS_PER_S);
            now_ns += 4 * NS_PER_S;
            times += 1;
        }
        assert_eq!(times, 3);
        now_ns += FORGOTTEN_AFTER_NS;
        assert!(!waits.may_begin(now_ns - 1));
        assert!(waits.may_begin(now_ns + FORGOTTEN_AFTER_NS), "much later it is another matter");
    }
}
