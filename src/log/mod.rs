//! The log: one line per event on standard error, for people, for the journal or for a collector.
//!
//! What happens to a capture has fields beside its words: `event` names its kind, `message_id` is the same for all of a kind.

mod fields;
mod live;
mod minute;

use std::env;
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, stderr};
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{SecondsFormat, Utc};
use systemd_journal_logger::{JournalLog, connected_to_journal, current_exe_identifier};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use crate::escape;
use crate::log::fields::Fields;

pub use live::{aside, bar, cells, end_live, has_live_line, live};
pub use minute::Minute;

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people, or entries with fields where the systemd journal reads the log.
    #[default]
    Text,
    /// A JSON object on each line.
    Json,
}

impl LogFormat {
    /// What the environment says, for what is said before a command line was understood.
    pub fn of_environment() -> Self {
        let is_json = env::var_os("FANCYHWD_LOG_FORMAT").is_some_and(|format| format == "json");
        if is_json { Self::Json } else { Self::Text }
    }
}

/// The session that is recorded or replayed, for all that is said from then on; 0 is none.
static SESSION: AtomicI64 = AtomicI64::new(0);

/// Start the log of this process. Errors are always shown.
pub fn start(level: Level, format: LogFormat) {
    let is_terminal = stderr().is_terminal();
    if level >= Level::INFO && format == LogFormat::Text {
        live::start();
    }
    let format = match format {
        LogFormat::Json => Format::Json,
        LogFormat::Text if connected_to_journal() => Format::Journal(journal()),
        LogFormat::Text => Format::Plain { color: has_colors(is_terminal) },
    };
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

/// The journal itself, which takes fields. Without it, lines go to standard error, which it reads.
fn journal() -> Option<JournalLog> {
    let journal = JournalLog::empty().ok()?;
    Some(journal.with_syslog_identifier(current_exe_identifier().unwrap_or_default()))
}

/// Whether to write colours on a terminal: not where `NO_COLOR` says so, nor where none are known.
pub fn has_colors(is_terminal: bool) -> bool {
    is_terminal && env::var_os("NO_COLOR").is_none_or(|said| said.is_empty()) && !live::is_dumb()
}

/// What is said from now on is about this session.
pub fn about_session(id: i64) {
    SESSION.store(id, Ordering::Relaxed);
}

/// Standard error, with the live lines out of the way while something is written.
struct AboveLiveLine;

impl io::Write for AboveLiveLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        aside(|| stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        stderr().flush()
    }
}

/// How a line looks.
enum Format {
    /// `<4>text`: the journal keeps priority and time itself. What has a kind goes there with its fields.
    Journal(Option<JournalLog>),
    /// `2026-11-22T10:00:00Z warning: text`, the level in colour on a terminal.
    Plain { color: bool },
    /// `{"time":"2026-11-22T10:00:00.000000Z","level":"warning","event":"disconnected","fields":{...},"message":"text"}`.
    Json,
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
        let mut fields = Fields::of(event);
        let session = SESSION.load(Ordering::Relaxed);
        if session != 0 {
            fields.values.insert("session".to_owned(), session.into());
        }
        match self {
            Self::Journal(Some(journal)) if fields.to_journal(journal, priority).is_some() => return Ok(()),
            Self::Journal(_) => write!(out, "<{priority}>")?,
            Self::Plain { color } => {
                let now = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
                let (on, off) = if *color { (paint, "\x1b[0m") } else { ("", "") };
                write!(out, "{now} {on}{name}{off}: ")?;
            }
            Self::Json => return writeln!(out, "{}", fields.into_json(name)),
        }
        write!(escape::Line(out.by_ref()), "{}", fields.message)?;
        writeln!(out)
    }
}
