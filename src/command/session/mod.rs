//! `fancyhwd session`: what was captured, as a table for people, as JSON for programs, and in files of other formats.

mod export;
mod list;
mod show;
mod text;

use crate::cli::{SessionCommand, SessionOutput};
use crate::command::print;
use crate::error::Result;
use crate::exit::Exit;
use crate::settings;
use crate::stop::Stop;
use crate::store::Database;

/// Do what is asked for.
///
/// # Errors
/// When the database cannot be read, there is no such session, or the output cannot be written.
pub fn run(command: &SessionCommand) -> Result<Exit> {
    match command {
        SessionCommand::List(typed) => print(&list::run(typed)?),
        SessionCommand::Show(typed) => print(&show::run(typed)?),
        SessionCommand::Export(typed) => export::run(&settings::export(typed)?, &Stop::on_signals()?),
    }
}

fn open(typed: &SessionOutput) -> Result<Database> {
    Database::for_reading(&settings::database(&typed.database)?.path)
}
