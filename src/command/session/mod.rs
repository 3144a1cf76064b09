//! `fancyhwd session`: what was captured, as a table for people and as JSON for programs.

mod delete;
mod diff;
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
use crate::settings;
use crate::store::Database;

/// What a session command found out.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What it prints.
    pub text: String,
    /// Whether all is well with the sessions.
    pub exit: Exit,
}

impl From<String> for Answer {
    /// A text, and all is well.
    fn from(text: String) -> Self {
        Self { text, exit: Exit::Done }
    }
}

/// Run the command.
///
/// # Errors
/// When the database cannot be read or there is no such session.
pub fn run(command: &SessionCommand) -> Result<Answer> {
    match command {
        SessionCommand::List(typed) => list::run(typed).map(Answer::from),
        SessionCommand::Show(typed) => show::run(typed).map(Answer::from),
        SessionCommand::Verify(typed) => verify::run(typed),
        SessionCommand::Diff(typed) => diff::run(typed),
        SessionCommand::Label(typed) => label::run(typed),
        SessionCommand::Delete(typed) => delete::run(typed),
    }
}

fn open(typed: &SessionOutput) -> Result<Database> {
    Database::for_reading(&settings::database(&typed.database)?.path)
}
