//! `fancyhwd session`: what was captured, as a table for people, as JSON for programs, and in files of other formats.

mod delete;
mod diff;
mod export;
mod figures;
mod label;
mod list;
mod message;
mod show;
mod text;
mod verify;

use crate::cli::{SessionCommand, SessionOutput};
use crate::error::Result;
use crate::exit::Exit;
use crate::process::stop::Stop;
use crate::settings;
use crate::store::Database;

/// Do what is asked for, unless a stop is asked for.
///
/// # Errors
/// When the database cannot be read, there is no such session, or the output cannot be written.
pub fn run(command: &SessionCommand, stop: &Stop) -> Result<Exit> {
    match command {
        SessionCommand::List(typed) => list::run(typed),
        SessionCommand::Show(typed) => show::run(typed, stop),
        SessionCommand::Export(typed) => export::run(&settings::export(typed)?, stop),
        SessionCommand::Verify(typed) => verify::run(typed, stop),
        SessionCommand::Diff(typed) => diff::run(typed, stop),
        SessionCommand::Label(typed) => label::run(typed),
        SessionCommand::Delete(typed) => delete::run(typed, stop),
    }
}

fn open(typed: &SessionOutput) -> Result<Database> {
    Database::for_reading(&settings::database(&typed.database)?.path)
}
