//! What can be typed behind `fancyhwd session cut`.

use clap::Args;

use crate::cli::DatabaseArguments;
use crate::cli::range::SelectionArguments;
use crate::cli::values::{label, to_change};
use crate::command::session::cut;
use crate::error::Result;

/// Options of `session cut`.
#[derive(Args, Debug)]
pub struct CutArguments {
    /// Session to cut from: an id, a label, or `latest`
    #[arg(value_name = "SESSION")]
    pub session: String,
    /// Which of its messages
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Name of the new session, not digits alone, which are an id
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Where the session is, and the new one is to be
    #[command(flatten)]
    pub database: DatabaseArguments,
}

impl CutArguments {
    /// Check what was typed for `session cut`.
    ///
    /// # Errors
    /// [`crate::error::Error::Setting`] for the first value that cannot be used.
    pub fn settings(&self) -> Result<cut::Settings> {
        let label = self.label.as_deref().filter(|text| !text.is_empty()).map(|text| label("--label", text));
        let (selection, sought) = self.selection.selection()?;
        Ok(cut::Settings {
            session: self.session.clone(),
            selection,
            sought,
            label: label.transpose()?,
            database: to_change(&self.database)?,
        })
    }
}
