//! `fancyhwd session`: what was captured, as a table for people and as JSON for programs.

use std::fmt::Write;

use bytesize::ByteSize;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::cli::{SessionCommand, SessionOutput};
use crate::error::Result;
use crate::settings;
use crate::store::{Database, Session};
use crate::tally::{rate_hz, seconds};

/// The text that the command prints.
///
/// # Errors
/// When the database cannot be read or there is no such session.
pub fn run(command: &SessionCommand) -> Result<String> {
    match command {
        SessionCommand::List(typed) => {
            let sessions = open(&typed.output)?.sessions()?;
            Ok(match typed.output.json {
                true => pretty(&sessions.iter().map(as_json).collect()),
                false => table(&sessions),
            })
        }
        SessionCommand::Show(typed) => {
            let database = open(&typed.output)?;
            let session = database.find_session(&typed.session)?;
            let ledger = database.ledger(session.id)?;
            Ok(match typed.output.json {
                true => {
                    let mut json = as_json(&session);
                    if let Some(fields) = json.as_object_mut() {
                        fields.insert("ledger".to_owned(), Value::Array(ledger));
                    }
                    pretty(&json)
                }
                false => card(&session) + &ledger_lines(&ledger),
            })
        }
    }
}

fn open(typed: &SessionOutput) -> Result<Database> {
    Database::for_reading(&settings::database(&typed.database)?.path)
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Names as in the database, and what follows from them.
fn as_json(session: &Session) -> Value {
    json!({
        "id": session.id,
        "label": session.label,
        "note": session.note,
        "started": iso(session.started_unix_ns),
        "started_unix_ns": session.started_unix_ns,
        "ended": session.ended_unix_ns.map(iso),
        "ended_unix_ns": session.ended_unix_ns,
        "end_reason": session.end_reason,
        "duration_ns": session.duration_ns,
        "packets": session.tally.packets,
        "rejected": session.tally.rejected,
        "lost": session.tally.lost,
        "bytes": session.tally.bytes,
        "rate_hz": rate_hz(session.tally.packets, session.duration_ns),
        "first_id": session.first_id,
        "last_id": session.last_id,
        "endpoints": session.endpoints,
        "topics": session.topics,
        "host": session.host,
        "boot_id": session.boot_id,
        "fancyhwd_version": session.fancyhwd_version,
        "durability": session.durability,
    })
}

/// One line per session under a heading; numbers stand to the right.
fn table(sessions: &[Session]) -> String {
    if sessions.is_empty() {
        return "no sessions\n".to_owned();
    }
    let heading = ["ID", "LABEL", "START", "DURATION", "PACKETS", "RATE", "LOST", "REJECTED", "END", "SIZE"];
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(sessions.iter().map(|session| {
        [
            session.id.to_string(),
            printable(session.label.as_deref().unwrap_or("-")),
            iso_seconds(session.started_unix_ns),
            duration(session),
            session.tally.packets.to_string(),
            rate(session),
            session.tally.lost.to_string(),
            session.tally.rejected.to_string(),
            end(session).to_owned(),
            size(session),
        ]
    }));
    let to_the_left = ["LABEL", "START", "END"];
    let widths: Vec<usize> = (0..heading.len())
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for ((cell, &width), name) in row.iter().zip(&widths).zip(heading) {
            let padded =
                if to_the_left.contains(&name) { format!("{cell:<width$}") } else { format!("{cell:>width$}") };
            line.push_str(&padded);
            line.push_str("  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// All about one session, a line each.
fn card(session: &Session) -> String {
    let list =
        |value: &Value| value.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
    let lines = [
        ("session", session.id.to_string()),
        ("label", session.label.clone().unwrap_or_else(|| "-".to_owned())),
        ("note", session.note.clone().unwrap_or_else(|| "-".to_owned())),
        ("start", iso(session.started_unix_ns)),
        ("end", session.ended_unix_ns.map_or_else(|| "-".to_owned(), iso)),
        ("end reason", end(session).to_owned()),
        ("duration", duration(session)),
        ("packets", session.tally.packets.to_string()),
        ("rate", rate(session)),
        ("lost", session.tally.lost.to_string()),
        ("rejected", session.tally.rejected.to_string()),
        ("size", format!("{} ({} bytes of samples)", size(session), session.tally.bytes)),
        ("ids", format!("{} to {}", session.first_id, session.last_id)),
        ("endpoints", list(&session.endpoints)),
        ("topics", list(&session.topics)),
        ("host", session.host.clone()),
        ("boot id", session.boot_id.clone()),
        ("version", session.fancyhwd_version.clone()),
        ("durability", session.durability.clone()),
    ];
    let mut text = String::new();
    for (name, value) in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<12}{}", printable(&value));
    }
    text
}

/// A line for each entry of the ledger.
fn ledger_lines(ledger: &[Value]) -> String {
    let mut text = String::new();
    for entry in ledger {
        let at = |name: &str| entry.get(name).and_then(Value::as_i64);
        let words = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let until = at("until_elapsed_ns").map_or(String::new(), |ns| format!(" to {:.3} s", seconds(ns)));
        let lost = at("lost").map_or("unknown loss".to_owned(), |lost| format!("{lost} lost"));
        let line = format!(
            "{:.3} s{until}: {}, {lost} {} {}",
            seconds(at("elapsed_ns").unwrap_or_default()),
            words("kind"),
            words("endpoint"),
            words("detail")
        );
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:<12}{}", "ledger", printable(line.trim_end()));
    }
    text
}

/// Without control characters, which a label of somebody else's database may hold.
fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char }).collect()
}

fn end(session: &Session) -> &str {
    session.end_reason.as_deref().unwrap_or("open")
}

fn duration(session: &Session) -> String {
    format!("{:.3} s", seconds(session.duration_ns))
}

fn rate(session: &Session) -> String {
    format!("{:.1}/s", rate_hz(session.tally.packets, session.duration_ns))
}

fn size(session: &Session) -> String {
    ByteSize(session.tally.bytes).to_string()
}

fn iso(unix_ns: i64) -> String {
    DateTime::<Utc>::from_timestamp_nanos(unix_ns).to_rfc3339_opts(SecondsFormat::Nanos, true)
}

fn iso_seconds(unix_ns: i64) -> String {
    DateTime::<Utc>::from_timestamp_nanos(unix_ns).to_rfc3339_opts(SecondsFormat::Secs, true)
}
