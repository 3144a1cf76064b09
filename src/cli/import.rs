//! What can be typed behind `fancyhwd session import`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::DatabaseArguments;
use crate::cli::values::{database, label};
use crate::command::session::import;
use crate::error::Result;

/// Options of `session import`.
#[derive(Args, Debug)]
pub struct ImportArguments {
    /// File to import: MCAP, JSON lines or arrays for numpy
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Name of the new session, not digits alone, which are an id
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Where the session is to be
    #[command(flatten)]
    pub database: DatabaseArguments,
}

impl ImportArguments {
    /// Check what was typed for `session import`.
    ///
    /// # Errors
    /// [`crate::error::Error::Setting`] for the first value that cannot be used.
    pub fn settings(&self) -> Result<import::Settings> {
        let label = self.label.as_deref().filter(|text| !text.is_empty()).map(|text| label("--label", text));
        Ok(import::Settings { file: self.file.clone(), label: label.transpose()?, database: database(&self.database)? })
    }
}
