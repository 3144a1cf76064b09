//! Whether a replay stands still: because somebody paused it, or because the process that it goes with is stopped.

use std::fmt;

use crate::replayer::companion::{Companion, LOOK_EVERY_NS, State};
use crate::time::clock::NS_PER_S;
use crate::time::durations::seconds;

/// What is shorter is not told of: a debugger stops a program for a moment at each step, and strace(1) at each call.
const TOLD_NS: i64 = NS_PER_S / 10;

/// How often, and for how long, the process that the replay goes with was stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// So many times.
    pub count: u64,
    /// For so long in all.
    pub total_ns: i64,
}

/// `; stood still 2 times, for 3.1 s, as its process was stopped`, or nothing.
impl fmt::Display for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = match self.count {
            0 => return Ok(()),
            1 => "once".to_owned(),
            count => format!("{count} times"),
        };
        write!(f, "; stood still {times}, for {:.1} s, as its process was stopped", seconds(self.total_ns))
    }
}

/// Whether the replay stands still, and since when.
#[derive(Debug)]
pub struct Standing {
    is_paused: bool,
    companion: Option<Companion>,
    /// Since when the companion is stopped, and whether that was told.
    held: Option<(i64, bool)>,
    /// Since when it stands, for either reason.
    since_ns: Option<i64>,
    holds: Holds,
}

impl Standing {
    /// It begins with a pause, or does not, and goes with a process, if any.
    pub fn new(is_paused: bool, companion: Option<Companion>, now_ns: i64) -> Self {
        let since_ns = is_paused.then_some(now_ns);
        Self { is_paused, companion, held: None, since_ns, holds: Holds::default() }
    }

    /// Whether it stands still.
    pub fn is_still(&self) -> bool {
        self.since_ns.is_some()
    }

    /// Whether somebody paused it.
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// How often it stood still for the process that it goes with.
    pub fn holds(&self) -> Holds {
        self.holds
    }

    /// Why it stands, as a part of a line; empty if it does not.
    pub fn words(&self) -> String {
        let held = self.companion.as_ref().filter(|_| self.held.is_some());
        match (self.is_paused, held) {
            (true, _) => "paused ".to_owned(),
            (false, Some(companion)) => format!("still, as {} is stopped, ", companion.name()),
            (false, None) => String::new(),
        }
    }

    /// Pause it, or go on. Gives by how much the schedule moves.
    pub fn pause(&mut self, on: bool, now_ns: i64) -> i64 {
        self.is_paused = on;
        self.settle(now_ns)
    }

    /// How long a wait of `ns` may be, so that the companion is looked at in time.
    pub fn limit_ns(&self, ns: i64) -> i64 {
        if self.companion.is_some() { ns.min(LOOK_EVERY_NS) } else { ns }
    }

    /// Whether the companion was stopped or goes on, and [`Standing::follow`] is to be called.
    pub fn has_changed(&mut self, now_ns: impl FnOnce() -> i64) -> bool {
        let is_held = self.held.is_some();
        self.companion.as_mut().is_some_and(|it| (it.state(now_ns()) == State::Stopped) != is_held)
    }

    /// Stand still while the companion does, and say so. `delay` is told by how much the schedule moves. Says whether it stands, or
    /// goes on, since then.
    pub fn follow(&mut self, now_ns: impl FnOnce() -> i64, number: i64, delay: impl FnOnce(i64)) -> bool {
        let Some(companion) = &mut self.companion else { return false };
        let was_held = self.held.is_some();
        let now_ns = now_ns();
        let (state, name) = (companion.state(now_ns), companion.name());
        match (&mut self.held, state) {
            (None, State::Stopped) => {
                self.held = Some((now_ns, false));
                self.holds.count += 1;
            }
            (Some((since_ns, is_told)), State::Stopped) => {
                if !*is_told && now_ns.saturating_sub(*since_ns) >= TOLD_NS {
                    *is_told = true;
                    tracing::info!("stands still at message #{number}: {name} is stopped");
                }
            }
            (Some((since_ns, is_told)), _) => {
                let held_ns = now_ns.saturating_sub(*since_ns);
                if *is_told && state == State::Runs {
                    tracing::info!("goes on at message #{number}: {name} runs again after {:.3} s", seconds(held_ns));
                }
                self.holds.total_ns = self.holds.total_ns.saturating_add(held_ns);
                self.held = None;
            }
            (None, _) => {}
        }
        if state == State::Ended {
            tracing::warn!("{name} has ended: the replay goes on without it");
            self.companion = None;
        }
        delay(self.settle(now_ns));
        self.held.is_some() != was_held
    }

    fn settle(&mut self, now_ns: i64) -> i64 {
        match (self.is_paused || self.held.is_some(), self.since_ns) {
            (true, None) => self.since_ns = Some(now_ns),
            (false, Some(since_ns)) => {
                self.since_ns = None;
                return now_ns.saturating_sub(since_ns);
            }
            _ => {}
        }
        0
    }
}
