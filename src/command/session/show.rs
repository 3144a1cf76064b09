//! `fancyhwd session show`.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::command::here::{Depth, Here};
use crate::command::print;
use crate::error::Result;
use crate::escape;
use crate::exit::Exit;
use crate::process::stop::Stop;
use crate::store::{Archiving, Database, Ledger, Session, Source};
use crate::summary::figures::{Figures, READ_MAX_MESSAGES};
use crate::summary::text::pretty;
use crate::summary::{card, ledger};

/// What `session show` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// An id, a label, or `latest`.
    pub session: String,
    /// Whether to read every packet, however many there are.
    pub is_full: bool,
    /// From where.
    pub source: Source,
    /// Whether to print JSON.
    pub is_json: bool,
}

/// All that is known about one session.
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    let depth = if settings.is_full { Depth::Messages } else { Depth::Few(READ_MAX_MESSAGES) };
    let here = Here::of(&settings.source, &[&settings.session], depth, stop)?;
    let database = Database::for_reading(&here.path)?;
    let session = database.find_session(here.session())?;
    let is_read = settings.is_full || session.tally.messages <= READ_MAX_MESSAGES;
    let mut at = |_| stop.check(|| format!("show {}", session.title()));
    let figures = is_read.then(|| Figures::of(&database, &session, &mut at)).transpose()?;
    let endpoints = database.endpoints(&session)?;
    let secured = database.secured(&session)?;
    let ledger = database.ledger(&session)?;
    let mut archived = Vec::new();
    for part in session.parts.iter() {
        // Where that is damaged, all else is shown: the archive knows it better.
        archived.extend(database.archiving(part.id).ok().flatten());
    }
    let is_damaged = !here.is_whole || !ledger.is_whole || figures.as_ref().is_some_and(Figures::are_damaged);
    print(&match settings.is_json {
        true => {
            let mut json = session.as_json();
            if let Some(fields) = json.as_object_mut() {
                let damage = figures.as_ref().map(Figures::damage_as_json);
                let (streams, gaps) = figures.map(|figures| figures.as_json()).unzip();
                let endpoints: serde_json::Map<String, Value> =
                    endpoints.iter().map(|(number, text)| (number.to_string(), text.as_str().into())).collect();
                let keys: serde_json::Map<String, Value> =
                    secured.into_iter().map(|(number, key)| (number.to_string(), key.into())).collect();
                fields.insert("endpoints".to_owned(), endpoints.into());
                fields.insert("secured".to_owned(), keys.into());
                let archived = archived.iter().map(|one| {
                    json!({
                        "id": one.session_id,
                        "recorder": one.recorder,
                        "messages": one.archived(),
                        "behind": one.behind(),
                        "is_whole": one.is_whole(),
                    })
                });
                fields.insert("archived".to_owned(), archived.collect());
                fields.insert("streams".to_owned(), streams.unwrap_or_default());
                fields.insert("gaps".to_owned(), gaps.unwrap_or_default());
                fields.insert("damage".to_owned(), damage.unwrap_or_default());
                fields.insert("ledger".to_owned(), Value::Array(ledger.entries));
                fields.insert("ledger_is_cut".to_owned(), ledger.is_cut.into());
                fields.insert("ledger_is_whole".to_owned(), ledger.is_whole.into());
            }
            pretty(&json)
        }
        false => {
            let left_out = || format!("{:<12}streams, rates and gaps: all messages are read with --full\n", "left out");
            card(&session, &endpoints, &secured)
                + &archived.iter().map(archived_line).collect::<String>()
                + &figures.map_or_else(left_out, |figures| figures.lines())
                + &ledger_lines(&ledger)
        }
    })?;
    Ok(Exit::from_loss(is_damaged))
}

/// All about one session, a line each.
fn card(session: &Session, endpoints: &BTreeMap<u32, String>, secured: &BTreeMap<u32, Option<String>>) -> String {
    let mut text = String::new();
    for (name, value) in card::lines(session, endpoints, secured) {
        // A note has a line for each that was added to it.
        let several = if name == "note" { value.as_str() } else { "" };
        let values = several.split_terminator('\n').chain(several.is_empty().then_some(value.as_str()));
        for value in values {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name:<12}{}", escape::line(value));
        }
    }
    text
}

/// How far a session is in an archive.
fn archived_line(of: &Archiving) -> String {
    let recorder = escape::line(&of.recorder);
    let left = match (of.is_whole(), of.behind()) {
        (true, _) => "all of it".to_owned(),
        (false, 0) => format!("all {} messages so far", of.archived()),
        (false, behind) => format!("{} messages, {behind} not yet", of.archived()),
    };
    format!("{:<12}as {recorder}/{}: {left}\n", "archived", of.session_id)
}

/// A line for each entry of the ledger.
fn ledger_lines(ledger: &Ledger) -> String {
    let mut text = String::new();
    for entry in &ledger.entries {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:<12}{}", "ledger", ledger::line(entry, &ledger::lost(entry)));
    }
    if ledger.is_cut {
        text += &format!("{:<12}more entries: the table `events` has them all\n", "ledger");
    }
    if !ledger.is_whole {
        text += &format!("{:<12}damaged, other entries cannot be read\n", "ledger");
    }
    text
}
