//! How far an export is: for the terminal, and for whoever asks it to stop.

use std::cell::Cell;

use crate::clock::{NS_PER_S, monotonic_ns};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::log;
use crate::stop::Stop;
use crate::tally::seconds;

/// How often the bar is brought up to date.
const SHOW_EVERY_NS: i64 = NS_PER_S / 10;

/// Watches an export.
#[derive(Debug)]
pub struct Watch<'a> {
    stop: &'a Stop,
    to: String,
    messages: u64,
    is_shown: bool,
    began_ns: i64,
    shown_ns: Cell<i64>,
}

impl<'a> Watch<'a> {
    /// Watch an export of so many messages to `to`, with a bar on the terminal if `is_shown`.
    pub fn new(stop: &'a Stop, to: &str, messages: u64, is_shown: bool) -> Self {
        let began_ns = monotonic_ns();
        Self { stop, to: to.to_owned(), messages, is_shown, began_ns, shown_ns: began_ns.into() }
    }

    pub(super) fn stop(&self) -> &'a Stop {
        self.stop
    }

    /// What people call the place that it goes to.
    pub(super) fn to(&self) -> &str {
        &self.to
    }

    /// So many messages are done.
    ///
    /// # Errors
    /// When a stop is asked for.
    pub fn at(&self, done: u64) -> Result<()> {
        if self.stop.requested() {
            return Err(self.stopped());
        }
        let now_ns = monotonic_ns();
        if self.is_shown && now_ns - self.shown_ns.get() >= SHOW_EVERY_NS {
            self.shown_ns.set(now_ns);
            let rate_hz = done as f64 / seconds(self.elapsed_ns().max(1));
            log::bar(done, self.messages, format!("{done} of {} messages, {rate_hz:.0}/s", self.messages));
        }
        Ok(())
    }

    /// How long it has taken so far.
    pub fn elapsed_ns(&self) -> i64 {
        monotonic_ns() - self.began_ns
    }

    /// The error of an export that was stopped.
    pub(super) fn stopped(&self) -> Error {
        Error::Export {
            to: self.to.clone(),
            cause: "it was stopped by a signal before its end".to_owned(),
            hint: "start it again",
            exit: Exit::Failed,
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if self.is_shown {
            log::end_live();
        }
    }
}
