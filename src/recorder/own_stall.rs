//! Notices that this process did not run: SIGSTOP, a debugger, a suspended virtual machine. Nobody tells, but the clock does.

use crate::time::clock::{boot_ns, monotonic_ns};

/// A wait that ends so much after what was asked for was not only a wait. Below it a machine may just be busy.
const STALL_NS: i64 = 500_000_000;

/// More than this between two waits takes its time: what was copied meanwhile is no stop.
const COPIED_MAX_BYTES: usize = 32 << 20;

/// A moment, on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moment {
    monotonic_ns: i64,
    /// With the time in which the machine was suspended.
    boot_ns: i64,
}

impl Moment {
    fn now() -> Self {
        Self { monotonic_ns: monotonic_ns(), boot_ns: boot_ns() }
    }
}

/// A time in which the process did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stall {
    /// When it was last seen to run, on the monotonic clock.
    pub from_ns: i64,
    /// When it ran again, on the monotonic clock, which stands still while the machine is suspended.
    pub until_ns: i64,
    /// How long that was, with the time in which the machine was suspended.
    pub lasted_ns: i64,
}

/// When the process was last seen to run.
#[derive(Debug)]
pub(super) struct Runs {
    ran: Moment,
}

impl Runs {
    pub fn new() -> Self {
        Self { ran: Moment::now() }
    }

    /// It runs now, or waited for somebody else until now.
    pub fn now(&mut self) {
        self.ran = Moment::now();
    }

    /// It runs now, and has only taken what had come, of so many bytes, since it was asked last.
    pub fn worked(&mut self, copied_bytes: usize) -> Option<Stall> {
        match copied_bytes > COPIED_MAX_BYTES {
            true => {
                self.now();
                None
            }
            false => self.at(Moment::now(), 0),
        }
    }

    /// It runs now, and has waited for this time at most since it was asked last.
    pub fn waited(&mut self, timeout_ms: i64) -> Option<Stall> {
        self.at(Moment::now(), timeout_ms.saturating_mul(1_000_000))
    }

    fn at(&mut self, now: Moment, allowed_ns: i64) -> Option<Stall> {
        let before = std::mem::replace(&mut self.ran, now);
        let lasted_ns = now.boot_ns - before.boot_ns;
        (lasted_ns.saturating_sub(allowed_ns) >= STALL_NS).then_some(Stall {
            from_ns: before.monotonic_ns,
            until_ns: now.monotonic_ns,
            lasted_ns,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn at(ms: i64, suspended_ms: i64) -> Moment {
        Moment { monotonic_ns: ms * MS, boot_ns: (ms + suspended_ms) * MS }
    }

    #[test]
    fn a_stop_is_told_from_a_wait_from_a_busy_machine_and_from_nothing() {
        let mut runs = Runs { ran: at(0, 0) };
        assert_eq!(runs.at(at(1_001, 0), 1_000 * MS), None, "waited as asked");
        assert_eq!(runs.at(at(1_400, 0), 0), None, "a busy machine");
        let stall = Stall { from_ns: 1_400 * MS, until_ns: 4_400 * MS, lasted_ns: 3_000 * MS };
        assert_eq!(runs.at(at(4_400, 0), 90 * MS), Some(stall));
        let suspended = Stall { from_ns: 4_400 * MS, until_ns: 4_500 * MS, lasted_ns: 60_100 * MS };
        assert_eq!(runs.at(at(4_500, 60_000), 1_000 * MS), Some(suspended));
        assert_eq!(runs.at(at(4_600, 60_000), 0), None);
    }
}
