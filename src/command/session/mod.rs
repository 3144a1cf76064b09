//! `fancyhwd session`: what was captured, as a table for people and as JSON for programs.

mod list;
mod show;
mod text;

use crate::cli::{SessionCommand, SessionOutput};
use crate::error::Result;
use crate::settings;
use crate::store::Database;

/// The text that the command prints.
///
/// # Errors
/// When the database cannot be read or there is no such session.
pub fn run(command: &SessionCommand) -> Result<String> {
    match command {
        SessionCommand::List(typed) => list::run(typed),
        SessionCommand::Show(typed) => show::run(typed),
    }
}

fn open(typed: &SessionOutput) -> Result<Database> {
    Database::for_reading(&settings::database(&typed.database)?.path)
}
