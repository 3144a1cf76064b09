//! All about one session, a line each.

use std::collections::BTreeMap;

use crate::store::Session;
use crate::summary::text::{duration, end, rate, size};
use crate::time::durations::{iso, seconds};

/// Name and value of each line. The values are as they were recorded, and may hold anything.
pub fn lines(
    session: &Session,
    endpoints: &BTreeMap<u32, String>,
    secured: &BTreeMap<u32, Option<String>>,
) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("session", session.ids()),
        ("label", or_dash(session.label.as_deref())),
        ("note", or_dash(session.note.as_deref())),
        ("start", iso(session.started_unix_ns)),
        ("end", session.ended_unix_ns.map_or_else(|| "-".to_owned(), iso)),
        ("end reason", end(session).to_owned()),
        ("duration", duration(session)),
        ("messages", session.tally.messages.to_string()),
        ("rate", rate(session)),
        ("lost", session.tally.lost.to_string()),
        ("undecodable", session.tally.undecodable.to_string()),
        ("unwanted", session.tally.unwanted.to_string()),
        ("size", format!("{} ({} bytes)", size(session), session.tally.bytes)),
        ("ids", format!("{} to {}", session.first_id, session.last_id)),
        ("topics", session.topics.join(" ")),
        ("framing", session.framing.clone()),
        // Unknown of what was imported.
        ("host", or_dash(Some(&session.host))),
        ("boot id", or_dash(Some(&session.boot_id))),
        ("version", session.version.clone()),
        ("durability", session.durability.clone()),
    ];
    for part in session.parts.iter().filter(|part| part.id != session.id) {
        let (number, at_s) = (part.first_id.saturating_sub(session.first_id), seconds(part.later_ns));
        let began = iso(part.started_unix_ns);
        lines.push(("part", format!("session {} from #{number} on, at {at_s:.3} s ({began})", part.id)));
    }
    if let Some((before_id, _)) = session.continues {
        lines.push(("continues", format!("session {before_id}, which was split")));
    }
    for (number, endpoint) in endpoints {
        let security = match secured.get(number) {
            None => String::new(),
            Some(Some(key)) => format!(", encrypted, its key {key}"),
            Some(None) => ", encrypted; the ledger has the keys of those who connected".to_owned(),
        };
        lines.push(("endpoint", format!("{number} is {endpoint}{security}")));
    }
    lines
}

fn or_dash(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned()
}
