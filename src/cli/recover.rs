//! What can be typed behind `fancyhwd session recover`.

use std::path::PathBuf;

use clap::Args;

use crate::command::session::recover;

/// Options of `session recover`.
#[derive(Args, Debug)]
pub struct RecoverArguments {
    /// Damaged database. It is not changed
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Database to write
    #[arg(long, short, value_name = "PATH")]
    pub output: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl RecoverArguments {
    /// What was typed for `session recover`.
    pub fn settings(&self) -> recover::Settings {
        recover::Settings {
            file: self.file.clone(),
            output: self.output.clone(),
            replace: self.force,
            is_json: self.json,
        }
    }
}
