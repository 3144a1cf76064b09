//! `fancyhwd completions`.

use crate::command::print_help;
use crate::error::Result;
use crate::exit::Exit;

/// What `completions` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What a shell reads.
    pub script: String,
}

/// Print what lets a shell complete command lines.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(settings: &Settings) -> Result<Exit> {
    print_help(&settings.script)
}
