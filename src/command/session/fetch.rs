//! `fancyhwd session fetch`.

use crate::command::record::DatabasePath;
use crate::error::Result;
use crate::exit::Exit;
use crate::process::stop::Stop;
use crate::store::Access;

/// What `session fetch` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// An id there, a label, or `latest`, perhaps behind the name of a recorder and `/`.
    pub session: String,
    /// Where from.
    pub access: Access,
    /// Where to.
    pub database: DatabasePath,
}

/// Bring a session back, with all its parts if it was split and is named by its label.
///
/// # Errors
/// When the archive cannot be read or is damaged, or the database not be written.
#[cfg(feature = "archive")]
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    use crate::command::fetching::{Onto, connected};
    use crate::command::record::make_directory;

    connected(&settings.access, stop, |shelves| {
        let (shelf, parts) = shelves.find(&settings.session)?;
        make_directory(&settings.database)?;
        let is_whole = shelves.fetch(&shelf, &parts, Onto::Kept(&settings.database.path))?;
        Ok(Exit::from_loss(!is_whole))
    })
}

/// Say that this binary cannot do it. The command line has refused it before.
///
/// # Errors
/// Always.
#[cfg(not(feature = "archive"))]
pub fn run(settings: &Settings, _: &Stop) -> Result<Exit> {
    Err(crate::command::here::not_built(&settings.access))
}
