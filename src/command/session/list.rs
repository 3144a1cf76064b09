//! `fancyhwd session list`.

use serde_json::Value;

use crate::command::here::Here;
use crate::command::print;
use crate::error::Result;
use crate::exit::Exit;
use crate::process::stop::Stop;
use crate::store::{Database, Listed, Session, Source};
use crate::summary::running::recorder;
use crate::summary::text::{cell, duration, end, iso_seconds, pretty_end, pretty_item, rate, size};

/// What `session list` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// From where.
    pub source: Source,
    /// Whether to print JSON.
    pub is_json: bool,
}

/// A session, and what is said of it beside its row.
struct Listing {
    /// How it is named: its id, or RECORDER/ID in an archive of several recorders.
    name: String,
    session: Session,
    /// The recorder that records it just now.
    recorder: Option<Value>,
}

/// All sessions, oldest first.
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    let (mut all, mut is_damaged) = (Vec::new(), false);
    for here in Here::cards(&settings.source, stop)? {
        let database = Database::for_reading(&here.path)?;
        let listed = database.list()?;
        let recorder = recorder(&database);
        is_damaged |= warn_of_damage(&listed);
        all.extend(listed.sessions.into_iter().map(|session| {
            let is_recorded = |recorder: &Value| {
                session.ended_unix_ns.is_none() && recorder.get("session_id") == Some(&session.id.into())
            };
            let name = here.recorder.as_ref().map_or(String::new(), |recorder| format!("{recorder}/"));
            let recorder = recorder.clone().filter(is_recorded);
            Listing { name: format!("{name}{}", session.id), session, recorder }
        }));
    }
    print(&match settings.is_json {
        true => {
            let is_archive = matches!(settings.source, Source::Archive(_));
            let item = |(before, listing): (usize, &Listing)| pretty_item(&as_json(listing, is_archive), before);
            all.iter().enumerate().map(item).collect::<String>() + pretty_end(all.len())
        }
        false => table(&all),
    })?;
    Ok(Exit::from_loss(is_damaged))
}

fn as_json(listing: &Listing, is_archive: bool) -> Value {
    let mut json = listing.session.as_json();
    if let Some(fields) = json.as_object_mut() {
        if let Some(recorder) = &listing.recorder {
            fields.insert("recorder".to_owned(), recorder.clone());
        }
        if is_archive {
            fields.insert("name".to_owned(), listing.name.as_str().into());
        }
    }
    json
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
fn table(all: &[Listing]) -> String {
    if all.is_empty() {
        return "no sessions\n".to_owned();
    }
    let heading = ["ID", "LABEL", "START", "DURATION", "MESSAGES", "RATE", "LOST", "UNDECODABLE", "END", "SIZE"];
    let rate_hz = |listing: &Listing| listing.recorder.as_ref()?.get("rate_hz")?.as_f64();
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(all.iter().map(|listing| {
        let (session, rate_hz) = (&listing.session, rate_hz(listing));
        [
            listing.name.clone(),
            cell(session.label.as_deref().unwrap_or("-")),
            iso_seconds(session.started_unix_ns),
            duration(session),
            session.tally.messages.to_string(),
            rate_hz.map_or_else(|| rate(session), |rate_hz| format!("{rate_hz:.1}/s")),
            session.tally.lost.to_string(),
            session.tally.undecodable.to_string(),
            if rate_hz.is_some() { "recording".to_owned() } else { cell(end(session)) },
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
