//! `fancyhwd session describe`.

use std::path::PathBuf;

use crate::command::session::figures::name;
use crate::error::Result;
use crate::exit::Exit;
use crate::observe::progress::Progress;
use crate::process::stop::Stop;
use crate::store::{Database, Description};

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
    let mut at = |done| {
        progress.at(done);
        stop.check(|| format!("describe session {}", session.id))
    };
    let streams = database.describe(&session, &settings.description, &mut at)?;
    drop(progress);
    let now = database.find_session(&session.id.to_string())?;
    for stream in streams.values() {
        tracing::info!("{}", name(stream));
    }
    tracing::info!(
        "session {}: {} of {} messages are undecodable; before, {} were",
        now.id,
        now.tally.undecodable,
        now.tally.messages,
        session.tally.undecodable
    );
    Ok(Exit::Done)
}
