//! The two clocks, and waiting for one of them.
//!
//! Wall clock time (`unix_ns`) says when something happened and may be stepped by NTP or by hand; monotonic time says
//! how far apart two things happened and is what every wait uses. Both are integer nanoseconds.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use rustix::thread::{clock_nanosleep_absolute, set_current_timer_slack};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds in a second.
pub const NS_PER_S: i64 = 1_000_000_000;

/// How exactly [`wall_offset_ns`] is known.
const OFFSET_ERROR_NS: i64 = 100_000;

/// Waits longer than this are left to an interruptible wait; what remains is slept to the nanosecond. Short enough
/// that a stop is noticed at once, longer than the slack the kernel grants itself when it polls.
const FINE_WAIT_NS: i64 = 2_000_000;

/// A precise wait wakes this much early: later than that the kernel wakes a thread once in some hundred times.
const SPIN_NS: i64 = 60_000;

/// The wall clock: nanoseconds since 1970-01-01 UTC, below zero before it.
pub fn unix_ns() -> i64 {
    // In 64 bits there is room until the year 2262.
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_nanos() as i64,
        Err(before) => -(before.duration().as_nanos() as i64),
    }
}

/// The monotonic clock: nanoseconds since some moment before this process began.
pub fn monotonic_ns() -> i64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec * NS_PER_S + time.tv_nsec
}

/// The monotonic clock with the time in which the machine was suspended.
pub fn boot_ns() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec * NS_PER_S + time.tv_nsec
}

/// The processor time that this thread has used: it stands still while the thread waits.
pub fn thread_cpu_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * NS_PER_S + time.tv_nsec
}

/// How far the wall clock is ahead of the monotonic clock. It changes only when the wall clock is set, because both are
/// slewed alike. `None` when the two could not be read close enough to each other.
pub fn wall_offset_ns() -> Option<i64> {
    let before_ns = monotonic_ns();
    let unix_ns = unix_ns();
    let after_ns = monotonic_ns();
    (after_ns - before_ns < OFFSET_ERROR_NS).then_some(unix_ns - before_ns)
}

/// Ask the kernel to wake this thread on time instead of up to 50 us later (prctl(2), `PR_SET_TIMERSLACK`).
pub fn sharpen_wakeups() {
    // Where this is refused, waits end a little later and the lateness says so.
    let _ = set_current_timer_slack(std::num::NonZeroU64::new(1));
}

/// How a wait ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Pacing {
    /// Wake a little early and watch the clock: accurate to microseconds, but it uses part of a processor.
    Precise,
    /// Sleep: some tens of microseconds late, but it uses hardly any processor time.
    Economical,
}

/// Wait until the monotonic clock shows `due_ns`, or until `interrupted`, which waits for so many nanoseconds at most,
/// says that something else is to be done. Gives the time at its end; `None` when something else is to be done.
///
/// The deadline is absolute, so that being late once never delays what follows.
pub fn wait_until(due_ns: i64, pacing: Pacing, mut interrupted: impl FnMut(i64) -> bool) -> Option<i64> {
    let mut has_looked = false;
    let mut now_ns;
    loop {
        now_ns = monotonic_ns();
        let left_ns = due_ns.saturating_sub(now_ns);
        let wait_ns = match pacing {
            // The kernel may end a poll 0.1 % late: wait for a part, then look again.
            _ if left_ns > FINE_WAIT_NS => (left_ns - FINE_WAIT_NS / 2).min(left_ns / 100 * 99),
            Pacing::Economical if left_ns > 0 => left_ns,
            _ => break,
        };
        if interrupted(wait_ns) {
            return None;
        }
        has_looked = true;
    }
    if pacing == Pacing::Economical {
        return (has_looked || !interrupted(0)).then_some(now_ns);
    }
    // Looked for now and not at the deadline, when every microsecond counts.
    if interrupted(0) {
        return None;
    }
    let wake_ns = due_ns.saturating_sub(SPIN_NS);
    let wake = Timespec { tv_sec: wake_ns.max(0) / NS_PER_S, tv_nsec: wake_ns.max(0) % NS_PER_S };
    while monotonic_ns() < wake_ns {
        // Ends early when a signal came; the condition above decides.
        let _ = clock_nanosleep_absolute(ClockId::Monotonic, &wake);
    }
    loop {
        now_ns = monotonic_ns();
        if now_ns >= due_ns {
            return Some(now_ns);
        }
        std::hint::spin_loop();
    }
}

/// When a session began, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionClock {
    /// On the wall clock.
    pub unix_ns: i64,
    /// On the monotonic clock: elapsed time counts from here.
    pub origin_ns: i64,
}

impl SessionClock {
    /// A session that begins now.
    pub fn now() -> Self {
        Self { unix_ns: unix_ns(), origin_ns: monotonic_ns() }
    }

    /// Elapsed time now.
    pub fn elapsed_ns(&self) -> i64 {
        monotonic_ns().saturating_sub(self.origin_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::stop::Stop;

    #[test]
    fn a_wait_never_ends_before_its_deadline() {
        let stop = Stop::new().unwrap();
        for pacing in [Pacing::Precise, Pacing::Economical] {
            for wait_ns in [-5, 0, 1, 100_000, 3_000_000, 20_000_000] {
                let due_ns = monotonic_ns() + wait_ns;
                let ended_ns = wait_until(due_ns, pacing, |ns| stop.wait_ns(ns)).unwrap();
                assert!((due_ns..=monotonic_ns()).contains(&ended_ns));
            }
        }
    }

    #[test]
    fn a_stop_ends_a_wait_of_a_year() {
        let stop = Stop::new().unwrap();
        stop.request();
        let next_year_ns = monotonic_ns() + 365 * 86_400 * NS_PER_S;
        assert_eq!(wait_until(next_year_ns, Pacing::Precise, |ns| stop.wait_ns(ns)), None);
    }
}
