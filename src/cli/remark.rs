//! What can be typed behind `fancyhwd session mark` and `fancyhwd session note`.

use clap::Args;

use crate::analysis::sought::Sought;
use crate::cli::DatabaseArguments;
use crate::cli::range::place;
use crate::cli::values::{refuse, to_change};
use crate::command::session::{mark, note};
use crate::error::Result;

/// The longest text of a mark or of a line of a note: the ledger shows a kilobyte for each entry.
const TEXT_MAX_BYTES: usize = 1000;

/// Options of `session mark`.
#[derive(Args, Debug)]
pub struct MarkArguments {
    /// Session to mark: an id, a label, or `latest` [default: the one that is being recorded; a single argument is the text then,
    /// and with --at the session]
    #[arg(value_name = "SESSION")]
    pub session: Option<String>,
    /// What the mark says
    #[arg(value_name = "TEXT")]
    pub text: Option<String>,
    /// Where in the session: an offset (90s, or -5s from the end), a message number (n1500), a time (2026-11-22T10:00:00Z, or
    /// 10:00 for the first one, in UTC), or where a condition first holds ('ch3 > 1200') [default: now]
    #[arg(long, value_name = "POSITION", allow_hyphen_values = true)]
    pub at: Option<String>,
    /// Where to look
    #[command(flatten)]
    pub database: DatabaseArguments,
}

/// Options of `session note`.
#[derive(Args, Debug)]
pub struct NoteArguments {
    /// Session to write a note about: an id, a label, or `latest`
    #[arg(value_name = "SESSION")]
    pub session: String,
    /// The line that is added to its note
    #[arg(value_name = "TEXT")]
    pub text: String,
    /// Where to look
    #[command(flatten)]
    pub database: DatabaseArguments,
}

impl MarkArguments {
    /// Check what was typed for `session mark`.
    ///
    /// # Errors
    /// [`crate::error::Error::Setting`] for the first value that cannot be used.
    pub fn settings(&self) -> Result<mark::Settings> {
        // Without a place, only what is being recorded can be meant.
        let (session, words) = match (&self.session, &self.text, &self.at) {
            (words, None, None) => (None, words),
            (session, words, _) => (session.clone(), words),
        };
        let (at, from) = place("--at", self.at.as_deref())?;
        Ok(mark::Settings {
            session,
            text: words.as_deref().map(text).transpose()?.unwrap_or_default(),
            at: self.at.clone(),
            position: at,
            sought: Sought { from, to: None },
            database: to_change(&self.database)?,
        })
    }
}

impl NoteArguments {
    /// Check what was typed for `session note`.
    ///
    /// # Errors
    /// [`crate::error::Error::Setting`] for the first value that cannot be used.
    pub fn settings(&self) -> Result<note::Settings> {
        let line = text(&self.text)?;
        if line.is_empty() {
            return Err(refuse("TEXT", &self.text, "a note says something".to_owned()));
        }
        Ok(note::Settings { session: self.session.clone(), line, database: to_change(&self.database)? })
    }
}

/// A text of one line.
fn text(typed: &str) -> Result<String> {
    match typed.trim() {
        text if text.len() > TEXT_MAX_BYTES => {
            let begin = text.chars().take(20).collect::<String>() + "...";
            Err(refuse("TEXT", &begin, format!("it has {} bytes; {TEXT_MAX_BYTES} are allowed", text.len())))
        }
        text if text.contains(['\n', '\r']) => Err(refuse("TEXT", text, "it is one line".to_owned())),
        text => Ok(text.to_owned()),
    }
}
