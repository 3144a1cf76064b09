//! How the parts of a session are written.

use bytesize::ByteSize;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use crate::codec::condition::{Measured, Why};
use crate::escape::{self, json};
use crate::store::Session;
use crate::time::durations::{rate_hz, seconds, span};

/// A value over several lines, and the end of the last one.
pub fn pretty(value: &Value) -> String {
    json::pretty(value) + "\n"
}

/// The next item of an array, behind so many others, of which [`pretty_end`] is the end. All at once, those of many
/// sessions would take much memory.
pub fn pretty_item(value: &Value, before: usize) -> String {
    let begin = if before == 0 { "[\n  " } else { ",\n  " };
    // A text in JSON has no line ends.
    begin.to_owned() + &json::pretty(value).replace('\n', "\n  ")
}

/// The end of an array of so many items.
pub fn pretty_end(items: usize) -> &'static str {
    if items == 0 { "[]\n" } else { "\n]\n" }
}

/// Text for a cell of a table, which a long text would make unreadable.
pub fn cell(text: &str) -> String {
    const CELL_MAX_CHARS: usize = 64;
    let begin =
        |text: &str| text.char_indices().nth(CELL_MAX_CHARS).and_then(|(end, _)| text.get(..end)).map(str::to_owned);
    let (text, is_cut) = begin(text).map_or_else(|| (text.to_owned(), false), |begin| (begin, true));
    let shown = escape::line(&text);
    match begin(&shown) {
        Some(begin) => begin + "...",
        None if is_cut => shown.into_owned() + "...",
        None => shown.into_owned(),
    }
}

/// Why a condition holds: `ch0 = 1203 mV`.
pub fn why(why: &Why) -> String {
    match why {
        Why::Record(_, measured) => {
            let word = |it: &Measured| {
                let unit = it.unit.as_ref().map(|unit| format!(" {}", escape::line(unit))).unwrap_or_default();
                format!("{} = {}{unit}", escape::line(&it.channel), it.value)
            };
            measured.iter().map(word).collect::<Vec<_>>().join(", ")
        }
        Why::Gap(gap_ns) => format!("{:.6} s after the one before", seconds(*gap_ns)),
        Why::Text(text) => format!("\"{}\"", cell(text)),
    }
}

/// Why a session ended.
pub fn end(session: &Session) -> &str {
    session.end_reason.as_deref().unwrap_or("open")
}

/// From its first message to its last.
pub fn duration(session: &Session) -> String {
    span(session.duration_ns)
}

/// How many messages came in a second, on average.
pub fn rate(session: &Session) -> String {
    format!("{:.1}/s", rate_hz(session.tally.messages, session.duration_ns))
}

/// How many bytes its messages have.
pub fn size(session: &Session) -> String {
    ByteSize(session.tally.bytes).to_string()
}

/// A moment of the wall clock, without parts of a second.
pub fn iso_seconds(unix_ns: i64) -> String {
    DateTime::<Utc>::from_timestamp_nanos(unix_ns).to_rfc3339_opts(SecondsFormat::Secs, true)
}
