//! `fancyhwd session list`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use serde_json::Value;

use crate::command::here::Here;
use crate::command::print;
use crate::error::Result;
use crate::exit::Exit;
use crate::process::stop::Stop;
use crate::store::{Archiving, Database, Listed, Session, Source};
use crate::summary::running::recorder;
use crate::summary::text::{cell, duration, end, iso_seconds, pretty_end, pretty_item, rate, size};
use crate::time::clock::unix_ns;

/// What `session list` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// From where.
    pub source: Source,
    /// Whether to print JSON.
    pub is_json: bool,
    /// Only those of which something is at or after this.
    pub since: Option<Since>,
    /// Only those with this label, or one that begins so if it ends in `*`.
    pub label: Option<String>,
    /// Only so many, the newest.
    pub limit: Option<usize>,
}

/// A time in the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// This moment of the wall clock.
    Unix(i64),
    /// So many nanoseconds ago.
    AgoNs(i64),
}

/// A session, and what is said of it beside its row.
struct Listing {
    /// How it is named: its id, or RECORDER/ID in an archive of several recorders.
    name: String,
    session: Session,
    /// The recorder that records it just now.
    recorder: Option<Value>,
    /// What is being done with it, or was.
    state: &'static str,
    /// Whether more may be missing than was counted.
    is_in_doubt: bool,
}

/// The sessions that are asked for, the newest last.
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    let (mut all, mut damaged_ids, mut is_whole) = (Vec::new(), Vec::new(), true);
    let is_archive = matches!(settings.source, Source::Archive(_));
    for here in Here::cards(&settings.source, stop)? {
        let database = Database::for_reading(&here.path)?;
        let listed = database.list()?;
        is_whole &= here.is_whole;
        let recorder = recorder(&database);
        let in_doubt = in_doubt(&database);
        let archivings = database.archivings().unwrap_or_else(|error| {
            tracing::warn!("{error}: which sessions are archived is not shown");
            BTreeMap::new()
        });
        // A recorder that hangs, or has only begun, says nothing of what it does.
        let is_silent = recorder.is_none() && database.is_recorded().unwrap_or(false);
        let prefix = here.recorder.as_ref().map_or(String::new(), |recorder| format!("{recorder}/"));
        warn_of_damage(&listed);
        damaged_ids.extend(listed.damaged_ids);
        all.extend(listed.sessions.into_iter().map(|session| {
            let is_recorded = |recorder: &Value| {
                session.ended_unix_ns.is_none() && recorder.get("session_id") == Some(&session.id.into())
            };
            let recorder = recorder.clone().filter(is_recorded);
            let state = match is_archive {
                true => state_there(&session),
                false => state(&session, archivings.get(&session.id), recorder.is_some() || is_silent),
            };
            Listing {
                name: format!("{prefix}{}", session.id),
                state,
                is_in_doubt: in_doubt.as_ref().is_none_or(|ids| ids.contains(&session.id)),
                session,
                recorder,
            }
        }));
    }
    let count = all.len();
    settings.select(&mut all);
    print(&match settings.is_json {
        true => {
            let item = |(before, listing): (usize, &Listing)| pretty_item(&as_json(listing, is_archive), before);
            all.iter().enumerate().map(item).collect::<String>() + pretty_end(all.len())
        }
        false if all.is_empty() && count > 0 => format!("no such sessions, of {count}\n"),
        false => table(&all, if settings.is_of_all() { &damaged_ids } else { &[] }),
    })?;
    Ok(Exit::from_loss(!damaged_ids.is_empty() || !is_whole))
}

impl Settings {
    fn is_of_all(&self) -> bool {
        self.since.is_none() && self.label.is_none() && self.limit.is_none()
    }

    fn select(&self, all: &mut Vec<Listing>) {
        let since_ns = self.since.map(|since| match since {
            Since::Unix(unix_ns) => unix_ns,
            Since::AgoNs(ago_ns) => unix_ns().saturating_sub(ago_ns),
        });
        let is_late =
            |session: &Session| since_ns.is_none_or(|since_ns| session.ended_unix_ns.unwrap_or(i64::MAX) >= since_ns);
        let has_label = |session: &Session| {
            let label = session.label.as_deref();
            self.label.as_deref().is_none_or(|wanted| match wanted.strip_suffix('*') {
                Some(begin) => label.is_some_and(|label| label.starts_with(begin)),
                None => label == Some(wanted),
            })
        };
        all.retain(|listing| is_late(&listing.session) && has_label(&listing.session));
        let older = all.len().saturating_sub(self.limit.unwrap_or(usize::MAX));
        all.drain(..older);
    }
}

/// The sessions in which more may be missing than was counted; `None` if that cannot be read.
fn in_doubt(database: &Database) -> Option<BTreeSet<i64>> {
    let in_doubt = database.sessions_in_doubt();
    in_doubt.map_err(|error| tracing::warn!("what may be missing is not known: {error}")).ok()
}

/// What is being done with a session, or was.
fn state(session: &Session, archiving: Option<&Archiving>, is_recorded: bool) -> &'static str {
    match (session.ended_unix_ns, archiving) {
        (None, _) if is_recorded => "recording",
        (None, _) => "cut off",
        (Some(_), Some(archiving)) if archiving.is_whole() => "archived",
        (Some(_), Some(_)) => "archiving",
        (Some(_), None) => "finished",
    }
}

/// The same of one in an archive.
fn state_there(session: &Session) -> &'static str {
    if session.ended_unix_ns.is_some() { "archived" } else { "archiving" }
}

fn as_json(listing: &Listing, is_archive: bool) -> Value {
    let mut json = listing.session.as_json();
    if let Some(fields) = json.as_object_mut() {
        fields.insert("state".to_owned(), listing.state.into());
        fields.insert("loss_possible".to_owned(), listing.is_in_doubt.into());
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
fn table(all: &[Listing], damaged: &[RangeInclusive<i64>]) -> String {
    if all.is_empty() && damaged.is_empty() {
        return "no sessions\n".to_owned();
    }
    let heading =
        ["ID", "LABEL", "START", "DURATION", "MESSAGES", "RATE", "LOST", "UNDECODABLE", "END", "SIZE", "STATE"];
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
            format!("{}{}", if listing.is_in_doubt { ">=" } else { "" }, session.tally.lost),
            session.tally.undecodable.to_string(),
            if rate_hz.is_some() { "recording".to_owned() } else { cell(end(session)) },
            size(session),
            listing.state.to_owned(),
        ]
    }));
    rows.extend(damaged.iter().filter_map(|ids| {
        let (first, last) = (*ids.start(), *ids.end());
        let ids = match first == i64::MIN || last == i64::MAX {
            true => return None,
            false if first == last => first.to_string(),
            false => format!("{first}-{last}"),
        };
        let mut row = heading.map(|name| if name == "STATE" { "damaged" } else { "-" }.to_owned());
        row.first_mut().into_iter().for_each(|cell| cell.clone_from(&ids));
        Some(row)
    }));
    let to_the_left = ["LABEL", "START", "END", "STATE"];
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
