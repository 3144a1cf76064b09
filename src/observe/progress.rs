//! How far a long piece of work is: a bar on the terminal.

use std::cell::Cell;

use bytesize::ByteSize;

use crate::log;
use crate::time::clock::{NS_PER_S, monotonic_ns};
use crate::time::durations::{seconds, whole};

/// How often the bar is brought up to date.
const SHOW_EVERY_NS: i64 = NS_PER_S / 10;

/// Shows how much is done. The bar goes when this is dropped.
#[derive(Debug)]
pub struct Progress {
    is_shown: bool,
    began_ns: i64,
    shown_ns: Cell<i64>,
    step: Cell<Step>,
}

/// What is being done now.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// In words that stand before the figures; empty where there is only one step.
    doing: &'static str,
    all: u64,
    of: &'static str,
    began_ns: i64,
}

impl Progress {
    /// Of so many messages, with a bar on the terminal if `is_shown`.
    pub fn new(messages: u64, is_shown: bool) -> Self {
        Self::of(messages, "messages", is_shown)
    }

    /// Of so many of something else.
    pub fn of(all: u64, of: &'static str, is_shown: bool) -> Self {
        let began_ns = monotonic_ns();
        let step = Step { doing: "", all, of, began_ns };
        Self { is_shown, began_ns, shown_ns: began_ns.into(), step: step.into() }
    }

    /// The next step begins, of so many: the bar and the time that is left are about that one.
    pub fn begin(&self, doing: &'static str, all: u64, of: &'static str) {
        self.step.set(Step { doing, all, of, began_ns: monotonic_ns() });
    }

    /// So many are done.
    pub fn at(&self, done: u64) {
        self.with(done, || None);
    }

    /// So many are done, and so many bytes are written.
    pub fn with(&self, done: u64, bytes: impl FnOnce() -> Option<u64>) {
        let now_ns = monotonic_ns();
        if self.is_shown && now_ns - self.shown_ns.get() >= SHOW_EVERY_NS {
            self.shown_ns.set(now_ns);
            let Step { doing, all, of, began_ns } = self.step.get();
            let elapsed_s = seconds((now_ns - began_ns).max(1));
            let rate_hz = done as f64 / elapsed_s;
            let written = bytes().map_or(String::new(), |bytes| format!(", {} written", ByteSize(bytes)));
            let left = match done {
                0 => String::new(),
                _ => format!(", {} left", whole((all.saturating_sub(done) as f64 / rate_hz).ceil() as u64)),
            };
            let text = format!("{doing}{done} of {all} {of}, {rate_hz:.0}/s{written}{left}");
            log::bar(done, all, &text);
        }
    }

    /// When it began, on the monotonic clock.
    pub fn began_ns(&self) -> i64 {
        self.began_ns
    }

    /// How long it has taken so far.
    pub fn elapsed_ns(&self) -> i64 {
        monotonic_ns() - self.began_ns
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            log::end_live();
        }
    }
}
