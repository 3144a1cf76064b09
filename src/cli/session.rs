//! What can be typed behind `fancyhwd session`.

use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};

use crate::cli::DatabaseArguments;

/// Options of `session`.
#[derive(Args, Debug)]
#[command(disable_help_subcommand = true)]
pub struct SessionArguments {
    /// What to do
    #[command(subcommand)]
    pub command: SessionCommand,
}

/// What can be done with sessions.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List all sessions, oldest first
    List(ListArguments),
    /// Show all that is known about a session
    Show(ShowArguments),
}

/// Options of `session list`.
#[derive(Args, Debug)]
pub struct ListArguments {
    /// Where to look
    #[command(flatten)]
    pub output: SessionOutput,
}

/// Options of `session show`.
#[derive(Args, Debug)]
pub struct ShowArguments {
    /// Session to show: an id, a label, or `latest` for the newest finished one
    #[arg(value_name = "SESSION", default_value = "latest")]
    pub session: String,
    /// Where to look
    #[command(flatten)]
    pub output: SessionOutput,
}

/// Options of every session command.
#[derive(Args, Debug)]
pub struct SessionOutput {
    /// Where to look
    #[command(flatten)]
    pub database: DatabaseArguments,
    /// Print JSON
    #[arg(long, value_parser = BoolishValueParser::new(), env = "FANCYHWD_JSON", hide_env_values = true)]
    pub json: bool,
}
