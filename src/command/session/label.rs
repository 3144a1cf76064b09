//! `fancyhwd session label`.

use crate::error::Result;
use crate::exit::Exit;
use crate::store::Database;
use std::path::PathBuf;

/// What `session label` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// An id, a label, or `latest`.
    pub session: String,
    /// The label, if it is to have one.
    pub label: Option<String>,
    /// From where.
    pub database: PathBuf,
}

/// Give a session another label, or none.
pub fn run(settings: &Settings) -> Result<Exit> {
    let label = settings.label.as_deref();
    let mut database = Database::for_changing(&settings.database)?;
    let session = database.find_session(&settings.session)?;
    database.set_label(&session, label)?;
    let before = session.label.as_deref().map_or("no label".to_owned(), |label| format!("label '{}'", label));
    let now = label.map_or("no label".to_owned(), |label| format!("label '{}'", label));
    tracing::info!("{} has {now}; it had {before}", session.title());
    Ok(Exit::Done)
}
