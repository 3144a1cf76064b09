//! What can be typed behind `fancyhwd session find`.

use clap::Args;

use crate::cli::range::SelectionArguments;
use crate::cli::session::SessionOutput;
use crate::cli::values::{duration_ns, parse};
use crate::command::session::find;
use crate::error::Result;

/// Options of `session find`.
#[derive(Args, Debug)]
pub struct FindArguments {
    /// Session to look through: an id, a label, or `latest`
    #[arg(value_name = "SESSION")]
    pub session: String,
    /// What to look for: comparisons [TOPIC.]CHANNEL OP NUMBER, such as 'ch3 > 1200 and ch4 != 0', joined by `and`, `or` and brackets;
    /// or alone 'gap > 500ms', or 'text ~ REGEX'
    #[arg(value_name = "CONDITION")]
    pub condition: String,
    /// Where to look
    #[command(flatten)]
    pub output: SessionOutput,
    /// Among which messages
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Stop after this many places
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Merge places that are no further apart than this, such as 500ms, and print the --from and --to that show each
    /// one with this much around it
    #[arg(long, value_name = "DURATION")]
    pub context: Option<String>,
    /// Read and verify every message, even those for which overviews show that the condition cannot hold
    #[arg(long)]
    pub full: bool,
}

impl FindArguments {
    /// Check what was typed for `session find`.
    ///
    /// # Errors
    /// [`crate::error::Error::Setting`] for the first value that cannot be used.
    pub fn settings(&self) -> Result<find::Settings> {
        let (selection, sought) = self.selection.selection()?;
        Ok(find::Settings {
            session: self.session.clone(),
            condition: parse("CONDITION", &self.condition)?,
            selection,
            sought,
            limit: self.limit,
            context_ns: self.context.as_deref().map(|text| duration_ns("--context", text)).transpose()?,
            is_full: self.full,
            is_json: self.output.json,
            // Last, as it looks at files.
            source: self.output.source.source()?,
        })
    }
}
