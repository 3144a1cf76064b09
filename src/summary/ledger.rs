//! How entries of a ledger, and other words of somebody else's database, are shown.

use serde_json::{Value, json};

use crate::escape;
use crate::message::Gaps;
use crate::observe::event::Kind;
use crate::time::durations::seconds;

/// Gaps that are named one by one. The others are counted.
pub const NAMED_MAX_GAPS: usize = 10;

/// Say what is missing of a session because its database is damaged.
pub fn warn_of_gaps(gaps: &Gaps) {
    for gap in gaps.iter().take(NAMED_MAX_GAPS) {
        tracing::warn!("missing: {gap}");
    }
    if gaps.iter().len() > NAMED_MAX_GAPS {
        tracing::warn!("missing: ... in all, {gaps}");
    }
}

/// The same for programs.
pub fn gaps_as_json(gaps: &Gaps) -> Value {
    let gaps = gaps.iter().map(|gap| {
        json!({
            "first_number": gap.first_number,
            "last_number": gap.last_number,
            "elapsed_ns": gap.elapsed_ns,
            "until_elapsed_ns": gap.until_elapsed_ns,
            "messages": gap.messages(),
        })
    });
    Value::Array(gaps.collect())
}

/// An entry as a line: when, what, and `lost`, which says what it means for the packets, if it is about them.
pub fn line(entry: &Value, lost: &str) -> String {
    let words = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let until = at(entry, "until_elapsed_ns").map_or(String::new(), |ns| format!(" to {:.3} s", seconds(ns)));
    let comma = if lost.is_empty() { "" } else { "," };
    let line = format!(
        "{:.3} s{until}: {}{comma} {lost} {} {} {}",
        seconds(at(entry, "elapsed_ns").unwrap_or_default()),
        words("kind"),
        words("endpoint"),
        words("peer"),
        words("detail")
    );
    escape::line(&line.split_whitespace().collect::<Vec<_>>().join(" ")).into_owned()
}

/// Whether an entry is of a kind that is never about a loss.
fn is_without_loss(entry: &Value) -> bool {
    let kind = entry.get("kind").and_then(Value::as_str).and_then(Kind::named);
    matches!(kind, Some(Kind::Mark | Kind::Trigger | Kind::NotTriggered | Kind::ArchiveLag))
}

/// A number of an entry.
pub fn at(entry: &Value, name: &str) -> Option<i64> {
    entry.get(name).and_then(Value::as_i64)
}

/// What an entry says of what was lost; nothing of what is never about a loss.
pub fn lost(entry: &Value) -> String {
    match at(entry, "lost") {
        _ if is_without_loss(entry) => String::new(),
        Some(lost) => format!("{lost} lost"),
        None => "unknown loss".to_owned(),
    }
}
