//! How far a long piece of work is: a bar on the terminal.

use std::cell::Cell;

use bytesize::ByteSize;

use crate::log;
use crate::time::clock::{NS_PER_S, monotonic_ns};
use crate::time::durations::seconds;

/// How often the bar is brought up to date.
const SHOW_EVERY_NS: i64 = NS_PER_S / 10;

/// Shows how much is done. The bar goes when this is dropped.
#[derive(Debug)]
pub struct Progress {
    all: u64,
    of: &'static str,
    is_shown: bool,
    began_ns: i64,
    shown_ns: Cell<i64>,
}

impl Progress {
    /// Of so many messages, with a bar on the terminal if `is_shown`.
    pub fn new(messages: u64, is_shown: bool) -> Self {
        Self::of(messages, "messages", is_shown)
    }

    /// Of so many of something else.
    pub fn of(all: u64, of: &'static str, is_shown: bool) -> Self {
        let began_ns = monotonic_ns();
        Self { all, of, is_shown, began_ns, shown_ns: began_ns.into() }
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
            let elapsed_s = seconds(self.elapsed_ns().max(1));
            let written = bytes().map_or(String::new(), |bytes| format!(", {} written", ByteSize(bytes)));
            let left_s = elapsed_s * self.all.saturating_sub(done) as f64 / done.max(1) as f64;
            let text = format!(
                "{done} of {} {}, {:.0}/s{written}, {left_s:.0} s left",
                self.all,
                self.of,
                done as f64 / elapsed_s
            );
            log::bar(done, self.all, text);
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
