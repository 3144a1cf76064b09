//! `fancyhwd session list`.

use crate::command::print;
use crate::command::session::text::{as_json, cell, duration, end, iso_seconds, pretty_end, pretty_item, rate, size};
use crate::error::Result;
use crate::exit::Exit;
use crate::store::{Database, Listed, Session};
use std::path::PathBuf;

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
    let listed = Database::for_reading(&settings.database)?.list()?;
    let sessions = &listed.sessions;
    print(&match settings.is_json {
        true => {
            let items = sessions.iter().enumerate().map(|(before, session)| pretty_item(&as_json(session), before));
            items.collect::<String>() + pretty_end(sessions.len())
        }
        false => table(sessions),
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
            cell(session.label.as_deref().unwrap_or("-")),
            iso_seconds(session.started_unix_ns),
            duration(session),
            session.tally.packets.to_string(),
            rate(session),
            session.tally.lost.to_string(),
            session.tally.rejected.to_string(),
            cell(end(session)),
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
