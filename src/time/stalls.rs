//! A program that was stopped notices it by the clock: time has passed in which it neither ran nor waited.
//!
//! SIGSTOP, Ctrl-Z, a debugger and a virtual machine that is suspended stop it, and nobody tells.

use std::fmt;

use crate::time::durations::seconds;

/// So much is no accident, as when others keep the machine busy.
const STALL_NS: i64 = 250_000_000;

/// How often, and for how long, a schedule was held up because the program was stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stalls {
    /// Whether to send at once what was due meanwhile.
    catch_up: bool,
    /// When it was known to run.
    ran_ns: i64,
    /// So many times.
    pub count: u64,
    /// For so long in all.
    pub total_ns: i64,
}

impl Stalls {
    /// None yet. With `catch_up` the schedule stays as it is.
    pub fn new(catch_up: bool) -> Self {
        Self { catch_up, ..Self::default() }
    }

    /// It ran at this time, or waited for somebody else until then.
    pub fn ran_at(&mut self, now_ns: i64) {
        self.ran_ns = now_ns;
    }

    /// Since it was known to run, it waited so long for somebody else.
    pub fn waited(&mut self, waited_ns: i64) {
        self.ran_ns = self.ran_ns.saturating_add(waited_ns);
    }

    /// It is `now_ns`; since it was known to run it only had to wait until packet `number` was due. Gives by how much the
    /// schedule moves, and says so.
    pub fn look(&mut self, now_ns: i64, due_ns: i64, number: i64) -> i64 {
        let stalled_ns = now_ns.saturating_sub(due_ns.max(self.ran_ns));
        self.ran_ns = now_ns;
        if stalled_ns < STALL_NS {
            return 0;
        }
        self.count += 1;
        self.total_ns = self.total_ns.saturating_add(stalled_ns);
        let (moves_ns, what) = match self.catch_up {
            true => (0, "what was due meanwhile is sent at once"),
            false => (stalled_ns, "the schedule goes on from here"),
        };
        tracing::warn!("was stopped for {:.1} s at message #{number}: {what}", seconds(stalled_ns));
        moves_ns
    }
}

/// `; stopped 2 times, for 3.1 s`, or nothing.
impl fmt::Display for Stalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            0 => Ok(()),
            1 => write!(f, "; stopped once, for {:.1} s", seconds(self.total_ns)),
            count => write!(f, "; stopped {count} times, for {:.1} s", seconds(self.total_ns)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn a_stop_is_told_from_a_wait_and_from_a_busy_machine() {
        let mut stalls = Stalls::new(false);
        stalls.ran_at(0);
        assert_eq!(stalls.look(10 * MS, 10 * MS, 0), 0, "waited until it was due");
        assert_eq!(stalls.look(200 * MS, 11 * MS, 1), 0, "a busy machine");
        assert_eq!(stalls.look(900 * MS, 850 * MS, 2), 0, "due much later");
        assert_eq!(stalls.look(3_900 * MS, 900 * MS, 3), 3_000 * MS, "stopped while it waited");
        assert_eq!(stalls.look(3_901 * MS, 901 * MS, 4), 0, "overdue, and running");
        stalls.waited(5_000 * MS);
        assert_eq!(stalls.look(8_902 * MS, 902 * MS, 5), 0, "a subscriber was waited for");
        assert_eq!(stalls.to_string(), "; stopped once, for 3.0 s");
        let mut catching_up = Stalls::new(true);
        catching_up.ran_at(0);
        assert_eq!(catching_up.look(1_000 * MS, MS, 0), 0);
        assert_eq!((catching_up.count, catching_up.total_ns), (1, 999 * MS));
    }
}
