//! `fancyhwd session list`.

use std::path::PathBuf;

use serde_json::Value;

use crate::command::print;
use crate::error::Result;
use crate::exit::Exit;
use crate::store::{Database, Listed, Session};
use crate::summary::running::recorder;
use crate::summary::text::{cell, duration, end, iso_seconds, pretty_end, pretty_item, rate, size};

/// What `session list` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// From where.
    pub database: PathBuf,
    /// Whether to print JSON.
    pub is_json: bool,
}

/// All sessions, oldest first.
pub fn run(settings: &Settings) -> Result<Exit> {
    let database = Database::for_reading(&settings.database)?;
    let listed = database.list()?;
    let sessions = &listed.sessions;
    let recorder = recorder(&database);
    let recorder = |session: &Session| {
        let is_it = |recorder: &&Value| {
            session.ended_unix_ns.is_none() && recorder.get("session_id") == Some(&session.id.into())
        };
        recorder.as_ref().filter(is_it)
    };
    print(&match settings.is_json {
        true => {
            let item = |(before, session): (usize, &Session)| {
                let mut json = session.as_json();
                if let Some((fields, recorder)) = json.as_object_mut().zip(recorder(session)) {
                    fields.insert("recorder".to_owned(), recorder.clone());
                }
                pretty_item(&json, before)
            };
            sessions.iter().enumerate().map(item).collect::<String>() + pretty_end(sessions.len())
        }
        false => table(sessions, recorder),
    })?;
    Ok(Exit::from_loss(warn_of_damage(&listed)))
}

/// Say which sessions cannot be read. Gives whether there are any.
pub(super) fn warn_of_damage(listed: &Listed) -> bool {
    for ids in &listed.damaged_ids {
        let place = match (*ids.start(), *ids.end()) {
            (i64::MIN, last) => format!("up to {last}"),
            (first, i64::MAX) => format!("from {first} on"),
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first} to {last}"),
        };
        tracing::warn!("sessions {place}: damaged, they cannot be read if there are any");
    }
    !listed.damaged_ids.is_empty()
}

/// One line per session under a heading; numbers stand to the right. Of one that is being recorded, the rate is that of the
/// last second.
fn table<'a>(sessions: &[Session], recorder: impl Fn(&Session) -> Option<&'a Value>) -> String {
    if sessions.is_empty() {
        return "no sessions\n".to_owned();
    }
    let heading = ["ID", "LABEL", "START", "DURATION", "MESSAGES", "RATE", "LOST", "UNDECODABLE", "END", "SIZE"];
    let rate_hz = |session: &Session| recorder(session)?.get("rate_hz")?.as_f64();
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(sessions.iter().map(|session| {
        [
            session.id.to_string(),
            cell(session.label.as_deref().unwrap_or("-")),
            iso_seconds(session.started_unix_ns),
            duration(session),
            session.tally.messages.to_string(),
            rate_hz(session).map_or_else(|| rate(session), |rate_hz| format!("{rate_hz:.1}/s")),
            session.tally.lost.to_string(),
            session.tally.undecodable.to_string(),
            if rate_hz(session).is_some() { "recording".to_owned() } else { cell(end(session)) },
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
