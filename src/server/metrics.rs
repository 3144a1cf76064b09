//! What Prometheus asks for, in its text format: what the recorder says of its run, and what the database has.

use std::fmt::{Display, Write};
use std::path::Path;

use serde_json::Value;

use crate::escape;
use crate::observe::event::Kind;
use crate::observe::snapshot::SYNC_BOUNDS_NS;
use crate::store::Database;
use crate::summary::running::recorder;
use crate::time::clock::unix_ns;

/// Endpoints that have series of their own. The status file has no room for many more.
const ENDPOINTS_MAX: usize = 64;

/// Causes of a loss, as the ledger names them. A database of somebody else cannot add one.
const CAUSES: [Kind; 7] =
    [Kind::Overflow, Kind::TooLarge, Kind::CounterGap, Kind::Disconnected, Kind::Stall, Kind::DiskFull, Kind::Failed];

/// All metrics.
pub fn text(path: &Path) -> String {
    let mut metrics = Metrics::default();
    metrics.family("fancyhwd_build_info", "gauge", "The version that answers.");
    metrics.sample("fancyhwd_build_info", &[("version", &env!("CARGO_PKG_VERSION"))], 1);
    let database = Database::for_viewing(path);
    metrics.family("fancyhwd_database_readable", "gauge", "Whether the database can be read.");
    metrics.sample("fancyhwd_database_readable", &[], u8::from(database.is_ok()));
    let said = database.as_ref().ok().and_then(recorder);
    metrics.family("fancyhwd_recorder_up", "gauge", "Whether a recorder writes to the database and says so.");
    metrics.sample("fancyhwd_recorder_up", &[], u8::from(said.is_some()));
    if let Ok(database) = &database {
        of_database(database, &mut metrics);
    }
    if let Some(said) = said {
        of_run(&said, &mut metrics);
        of_links(&said, &mut metrics);
        of_archive(&said, &mut metrics);
    }
    metrics.text
}

/// What all captures of a database hold.
fn of_database(database: &Database, metrics: &mut Metrics) {
    if let Ok(listed) = database.list() {
        metrics.family("fancyhwd_captures", "gauge", "Captures in the database.");
        metrics.sample("fancyhwd_captures", &[], listed.sessions.len());
        metrics.family(
            "fancyhwd_captures_damaged",
            "gauge",
            "Whether rows of captures in the database cannot be read.",
        );
        metrics.sample("fancyhwd_captures_damaged", &[], u8::from(!listed.damaged_ids.is_empty()));
    }
    metrics.family("fancyhwd_database_suspect", "gauge", "Whether a disk error has made the database suspect.");
    metrics.sample("fancyhwd_database_suspect", &[], u8::from(database.suspicion().is_some()));
}

/// How far the recording is archived, if it is to be.
fn of_archive(said: &Value, metrics: &mut Metrics) {
    let Some(archive) = said.get("archive").filter(|archive| archive.is_object()) else { return };
    let count = |name: &str| archive.get(name).and_then(Value::as_u64).unwrap_or(0);
    metrics.family("fancyhwd_archived_total", "counter", "Messages that a quorum of the archive has acknowledged.");
    metrics.sample("fancyhwd_archived_total", &[], count("archived"));
    for (name, value, help) in [
        ("fancyhwd_archive_behind_messages", count("behind"), "Messages that are stored and not archived."),
        ("fancyhwd_archive_behind_seconds", count("behind_s"), "Since when some of them are."),
        (
            "fancyhwd_archive_troubled",
            u64::from(archive.get("trouble").is_some_and(Value::is_string)),
            "Whether nothing can be archived now.",
        ),
    ] {
        metrics.family(name, "gauge", help);
        metrics.sample(name, &[], value);
    }
}

/// What the recorder counted since it was started.
fn of_run(said: &Value, metrics: &mut Metrics) {
    let count = |name: &str| said.get(name).and_then(Value::as_u64).unwrap_or(0);
    let number = |name: &str| said.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    for (name, field, help) in [
        ("fancyhwd_messages_total", "messages", "Messages that are stored, since the recorder was started."),
        ("fancyhwd_bytes_total", "bytes", "Bytes of all frames of these messages."),
        ("fancyhwd_undecodable_total", "undecodable", "Of these messages, those that their layout cannot read."),
        ("fancyhwd_unwanted_total", "unwanted", "Messages that came and that nobody had asked for."),
        ("fancyhwd_not_kept_total", "not_kept", "Messages that the trigger did not keep."),
        ("fancyhwd_commits_total", "commits", "Transactions of messages that were committed."),
    ] {
        metrics.family(name, "counter", help);
        metrics.sample(name, &[], count(field));
    }
    metrics.family("fancyhwd_lost_total", "counter", "Messages that are known to be lost, by cause.");
    let lost = |cause: Kind| said.get("lost_by").and_then(|by| by.get(cause.name())).and_then(Value::as_u64);
    let mut named = 0_u64;
    for cause in CAUSES {
        let lost = lost(cause).unwrap_or(0);
        named = named.saturating_add(lost);
        metrics.sample("fancyhwd_lost_total", &[("cause", &cause.name())], lost);
    }
    metrics.sample("fancyhwd_lost_total", &[("cause", &"other")], count("lost").saturating_sub(named));
    for (name, value, help) in [
        ("fancyhwd_session", number("session_id"), "The session that is recorded now."),
        ("fancyhwd_rate_hertz", number("rate_hz"), "Messages that were stored in the last second."),
        ("fancyhwd_queue_ratio", number("queue_percent") / 100.0, "How full the queue to the disk is."),
        ("fancyhwd_queue_peak_ratio", number("queue_peak_percent") / 100.0, "How full the queue was at most."),
        ("fancyhwd_disk_free_bytes", number("free_bytes"), "Room for the database."),
        (
            "fancyhwd_on_disk_within_seconds",
            number("on_disk_within_ns") / 1e9,
            "The longest time that a message was not on the disk.",
        ),
        (
            "fancyhwd_degraded",
            f64::from(u8::from(said.get("trouble").is_some_and(Value::is_object))),
            "Whether something keeps messages from being stored.",
        ),
    ] {
        metrics.family(name, "gauge", help);
        metrics.sample(name, &[], value);
    }
    metrics.family(
        "fancyhwd_disk_full_in_seconds",
        "gauge",
        "When there is no room for the database any more, at the present rate; +Inf while it does not grow.",
    );
    let full_in_s = said.get("full_in_s").and_then(Value::as_f64);
    metrics.sample("fancyhwd_disk_full_in_seconds", &[], full_in_s.map_or("+Inf".to_owned(), |s| s.to_string()));
    of_syncs(said, metrics);
}

/// How long syncs took.
fn of_syncs(said: &Value, metrics: &mut Metrics) {
    const NAME: &str = "fancyhwd_sync_seconds";
    let syncs = said.get("syncs");
    let bucket = |place: usize| syncs.and_then(|syncs| syncs.get("buckets")?.get(place)?.as_u64()).unwrap_or(0);
    metrics.family(NAME, "histogram", "How long the disk took for a sync.");
    let mut below = 0_u64;
    for (place, bound_ns) in SYNC_BOUNDS_NS.into_iter().enumerate() {
        below = below.saturating_add(bucket(place));
        metrics.sample("fancyhwd_sync_seconds_bucket", &[("le", &(bound_ns as f64 / 1e9))], below);
    }
    below = below.saturating_add(bucket(SYNC_BOUNDS_NS.len()));
    metrics.sample("fancyhwd_sync_seconds_bucket", &[("le", &"+Inf")], below);
    let total_ns = syncs.and_then(|syncs| syncs.get("total_ns")?.as_f64()).unwrap_or(0.0);
    metrics.sample("fancyhwd_sync_seconds_sum", &[], total_ns / 1e9);
    metrics.sample("fancyhwd_sync_seconds_count", &[], below);
}

/// How the links are.
fn of_links(said: &Value, metrics: &mut Metrics) {
    let links = said.get("links").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    // Two links may have one endpoint, and a series comes once.
    let mut seen: Vec<&str> = Vec::new();
    let mut known: Vec<(&str, &Value)> = Vec::new();
    for link in links {
        let endpoint = link.get("endpoint").and_then(Value::as_str).unwrap_or_default();
        if !seen.contains(&endpoint) && seen.len() < ENDPOINTS_MAX {
            seen.push(endpoint);
            known.push((endpoint, link));
        }
    }
    let flag = |link: &Value, name: &str| u8::from(link.get(name).and_then(Value::as_bool).unwrap_or(false));
    metrics.family("fancyhwd_link_up", "gauge", "Whether the link to an endpoint is up.");
    for (endpoint, link) in &known {
        metrics.sample("fancyhwd_link_up", &[("endpoint", endpoint)], flag(link, "is_up"));
    }
    metrics.family("fancyhwd_link_silent", "gauge", "Whether an endpoint is silent for longer than it may be.");
    for (endpoint, link) in &known {
        metrics.sample("fancyhwd_link_silent", &[("endpoint", endpoint)], flag(link, "is_silent"));
    }
    metrics.family(
        "fancyhwd_last_message_age_seconds",
        "gauge",
        "How long ago the last message came from an endpoint.",
    );
    for (endpoint, link) in &known {
        if let Some(last_ns) = link.get("last_message_unix_ns").and_then(Value::as_i64) {
            let age_s = unix_ns().saturating_sub(last_ns).max(0) as f64 / 1e9;
            metrics.sample("fancyhwd_last_message_age_seconds", &[("endpoint", endpoint)], age_s);
        }
    }
}

/// The text format of Prometheus.
#[derive(Debug, Default)]
struct Metrics {
    text: String,
}

impl Metrics {
    /// The samples that follow are of this family.
    fn family(&mut self, name: &'static str, kind: &'static str, help: &'static str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &'static str, labels: &[(&'static str, &dyn Display)], value: impl Display) {
        self.text.push_str(name);
        for (place, (label, value)) in labels.iter().enumerate() {
            self.text.push(if place == 0 { '{' } else { ',' });
            // First what nobody should see as it is, then what would end the value.
            let value = escape::line(&value.to_string()).replace('\\', "\\\\").replace('"', "\\\"");
            let _ = write!(self.text, "{label}=\"{value}\"");
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_from_outside_stays_a_label() {
        let mut metrics = Metrics::default();
        metrics.sample("up", &[("endpoint", &"a\"} 1\nup{x=\"\\"), ("b", &"")], 1.5);
        assert_eq!(metrics.text, "up{endpoint=\"a\\\"} 1\\\\nup{x=\\\"\\\\\",b=\"\"} 1.5\n");
    }
}
