//! The log: one line per event on standard error, with journal priorities where the journal reads it.

use std::fmt;
use std::io::{self, IsTerminal, stderr};
use std::os::linux::fs::MetadataExt;
use std::sync::OnceLock;

use chrono::{SecondsFormat, Utc};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use crate::escape;

/// The last line of a terminal, which is written again and again. Set only where it can be seen.
static LIVE_LINE: OnceLock<ProgressBar> = OnceLock::new();

/// Start the log of this process. Errors are always shown.
pub fn start(level: Level) {
    if stderr().is_terminal() && level >= Level::INFO {
        let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // The template is valid; if it were not, the line would look different.
        if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
            line.set_style(style);
        }
        // A second start, as in a test, keeps the first line.
        let _ = LIVE_LINE.set(line);
    }
    let format = if journal_reads_stderr() { Format::Journal } else { Format::Plain { color: stderr().is_terminal() } };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(|| AboveLiveLine)
        // Whoever read standard error may have gone; that is no reason to end.
        .log_internal_errors(false)
        .event_format(format)
        .finish()
        // What libraries say of themselves is said here in our own words.
        .with(filter_fn(|about| about.target().starts_with(env!("CARGO_PKG_NAME"))));
    // A second start, as in a test, keeps the first log.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Whether [`live`] is seen by anybody.
pub fn has_live_line() -> bool {
    LIVE_LINE.get().is_some()
}

/// Show this as the last line of the terminal, below all that is logged.
pub fn live(text: String) {
    if let Some(line) = LIVE_LINE.get() {
        line.set_message(escape::line(&text).into_owned());
    }
}

/// Show how much of a piece of work is done, as a bar in the last line of the terminal, and this behind it.
pub fn bar(done: u64, total: u64, text: String) {
    if let Some(line) = LIVE_LINE.get() {
        if line.length() != Some(total) {
            line.set_length(total);
            // As above.
            if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent:>3} %  {msg}") {
                line.set_style(style);
            }
        }
        line.set_message(escape::line(&text).into_owned());
        line.set_position(done);
    }
}

/// Write something to the terminal by other ways than the log, with the live line out of the way meanwhile.
pub fn aside<T>(write: impl FnOnce() -> T) -> T {
    match LIVE_LINE.get() {
        Some(line) => line.suspend(write),
        None => write(),
    }
}

/// Take the live line away.
pub fn end_live() {
    if let Some(line) = LIVE_LINE.get() {
        line.finish_and_clear();
    }
}

/// Standard error, with the live line out of the way while something is written.
struct AboveLiveLine;

impl io::Write for AboveLiveLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        aside(|| stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        stderr().flush()
    }
}

/// Whether standard error is the journal's stream: systemd names its device and inode in `JOURNAL_STREAM`.
fn journal_reads_stderr() -> bool {
    let Ok(journal) = std::env::var("JOURNAL_STREAM") else { return false };
    std::fs::metadata("/proc/self/fd/2")
        .is_ok_and(|stream| journal == format!("{}:{}", stream.st_dev(), stream.st_ino()))
}

/// How a line looks.
enum Format {
    /// `<4>text`: the journal keeps priority and time itself.
    Journal,
    /// `2026-11-22T10:00:00Z warning: text`, the level in colour on a terminal.
    Plain { color: bool },
}

impl<S, N> FormatEvent<S, N> for Format
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let (priority, name, paint) = match *event.metadata().level() {
            Level::ERROR => (3, "error", "\x1b[1;31m"),
            Level::WARN => (4, "warning", "\x1b[1;33m"),
            Level::INFO => (6, "info", "\x1b[32m"),
            Level::DEBUG | Level::TRACE => (7, "debug", "\x1b[2m"),
        };
        match self {
            Self::Journal => write!(out, "<{priority}>")?,
            Self::Plain { color } => {
                let now = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
                let (on, off) = if *color { (paint, "\x1b[0m") } else { ("", "") };
                write!(out, "{now} {on}{name}{off}: ")?;
            }
        }
        let mut words = Words { line: escape::Line(out.by_ref()), written: Ok(()) };
        event.record(&mut words);
        words.written?;
        writeln!(out)
    }
}

/// Writes what an event says. Whatever names and texts are in it, it is one line that a terminal can show.
struct Words<'a> {
    line: escape::Line<Writer<'a>>,
    written: fmt::Result,
}

impl Visit for Words<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write;
        let written = match field.name() {
            "message" => write!(self.line, "{value:?}"),
            name => write!(self.line, " {name}={value:?}"),
        };
        self.written = self.written.and(written);
    }
}
