//! `fancyhwd session describe`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::observe::progress::Progress;
use crate::process::stop::Stop;
use crate::store::{Database, Description};
use crate::summary::figures::name;

/// What `session describe` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// An id, a label, or `latest`.
    pub session: String,
    /// What is said, and about which streams.
    pub description: Description,
    /// Where it is.
    pub database: PathBuf,
}

/// Say how streams are read, and read them so.
///
/// # Errors
/// When there is no such session or stream, what is said does not fit, or the database cannot be written.
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    let mut database = Database::for_changing(&settings.database)?;
    let session = database.find_session(&settings.session)?;
    let progress = Progress::new(session.tally.messages, true);
    let (mut before, mut streams, mut missing) = (0_u64, BTreeMap::new(), None);
    for part in database.parts(&session)? {
        let mut at = |done| {
            progress.at(before.saturating_add(done));
            stop.check(|| format!("describe session {}", part.id))
        };
        match database.describe(&part, &settings.description, &mut at) {
            // Not every part of a capture needs to have it.
            Err(error @ Error::NoSuchStream { .. }) => missing = Some(error),
            found => streams.extend(found?),
        }
        before = before.saturating_add(part.tally.messages);
    }
    drop(progress);
    if let Some(error) = missing.filter(|_| streams.is_empty()) {
        return Err(error);
    }
    let now = database.find_session(&settings.session)?;
    let names: BTreeSet<String> = streams.values().map(name).collect();
    names.iter().for_each(|name| tracing::info!("{name}"));
    tracing::info!(
        "{}: {} of {} messages are undecodable; before, {} were",
        now.title(),
        now.tally.undecodable,
        now.tally.messages,
        session.tally.undecodable
    );
    Ok(Exit::Done)
}
