//! `fancyhwd session note`.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::store::{Database, NOTE_MAX_BYTES};

/// What `session note` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// An id, a label, or `latest`.
    pub session: String,
    /// What is added to its note.
    pub line: String,
    /// In which database.
    pub database: PathBuf,
}

/// Add a line to the note of a session.
pub fn run(settings: &Settings) -> Result<Exit> {
    let mut database = Database::for_changing(&settings.database)?;
    let session = database.find_session(&settings.session)?;
    if !database.add_note(&session, &settings.line)? {
        let cause = format!("the note of a session has {NOTE_MAX_BYTES} bytes at most, and that would be more");
        return Err(Error::Setting { option: "TEXT", value: settings.line.clone(), cause });
    }
    tracing::info!("{} has another line in its note", session.title());
    Ok(Exit::Done)
}
