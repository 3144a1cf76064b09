//! How far an export is: for the terminal, and for whoever asks it to stop.

use crate::error::{Error, Result};
use crate::exporter::Output;
use crate::observe::progress::Progress;
use crate::process::stop::Stop;

/// Watches an export.
#[derive(Debug)]
pub struct Watch<'a> {
    stop: &'a Stop,
    to: String,
    output: &'a Output,
    progress: Progress,
}

impl<'a> Watch<'a> {
    /// Watch an export of so many messages to `output`, which people call `to`, with a bar on the terminal if `is_shown`.
    pub fn new(stop: &'a Stop, (output, to): (&'a Output, &str), messages: u64, is_shown: bool) -> Self {
        Self { stop, to: to.to_owned(), output, progress: Progress::new(messages, is_shown) }
    }

    pub(super) fn stop(&self) -> &'a Stop {
        self.stop
    }

    /// What people call the place that it goes to.
    pub(super) fn to(&self) -> &str {
        &self.to
    }

    /// The next step begins, of so many.
    pub(super) fn begin(&self, doing: &'static str, all: u64, of: &'static str) {
        self.progress.begin(doing, all, of);
    }

    /// So many messages are done.
    ///
    /// # Errors
    /// When a stop is asked for.
    pub fn at(&self, done: u64) -> Result<()> {
        self.stop.check(|| self.what())?;
        self.progress.with(done, || self.output.written_bytes());
        Ok(())
    }

    /// When it began, on the monotonic clock.
    pub fn began_ns(&self) -> i64 {
        self.progress.began_ns()
    }

    fn what(&self) -> String {
        format!("export to {}", self.to)
    }

    /// The error of an export that was stopped.
    pub(super) fn stopped(&self) -> Error {
        Error::Stopped { what: self.what() }
    }
}
