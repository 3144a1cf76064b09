//! What can be typed behind `fancyhwd session`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::DatabaseArguments;
use crate::exporter::Format;

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
    /// Check that sessions are as they were recorded
    ///
    /// Reads every message and compares it with the digests of its commits, and with the counts and times of its session.
    Verify(VerifyArguments),
    /// Compare two sessions
    ///
    /// Compares the messages byte for byte and in their order, and how far apart they came.
    Diff(DiffArguments),
    /// Give a session another label
    Label(LabelArguments),
    /// Delete a session
    ///
    /// Deletes a session with all of its packets, also while another one is recorded into the same database. It cannot be
    /// undone.
    Delete(DeleteArguments),
    /// Write the packets of a session into a file of another format
    ///
    /// Writes a session as text, as sound, as bare samples or as a database of its own. A file gets its name when it is
    /// whole, and never replaces another one unless asked to.
    Export(ExportArguments),
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
    /// Read every packet for the rates of topics and for gaps, also of a session with more than 1,000,000 of them
    #[arg(long)]
    pub full: bool,
    /// Where to look
    #[command(flatten)]
    pub output: SessionOutput,
}

/// Options of `session export`.
#[derive(Args, Debug)]
pub struct ExportArguments {
    /// Session to export: an id, a label, or `latest` for the newest finished one
    #[arg(value_name = "SESSION", default_value = "latest")]
    pub session: String,
    /// What to write
    #[arg(long, value_name = "FORMAT")]
    pub format: Format,
    /// File to write; without it, or with `-`, standard output, which wav and sqlite cannot be written to
    #[arg(long, short, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
    /// Topic to export, exactly; `*` exports every topic [default: every topic]. May be given several times
    #[arg(long, value_name = "NAME")]
    pub topic: Vec<OsString>,
    /// Samples per second of a wav file [default: as many as came per second]
    #[arg(long, value_name = "HZ")]
    pub sample_rate: Option<u32>,
    /// What to export from
    #[command(flatten)]
    pub database: DatabaseArguments,
}

/// Options of the session commands that print.
#[derive(Args, Debug)]
pub struct SessionOutput {
    /// Where to look
    #[command(flatten)]
    pub database: DatabaseArguments,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `session verify`.
#[derive(Args, Debug)]
pub struct VerifyArguments {
    /// Session to verify: an id, a label, or `latest` for the newest finished one, which is the default
    #[arg(value_name = "SESSION")]
    pub session: Option<String>,
    /// Verify every session
    #[arg(long)]
    pub all: bool,
    /// Where to look
    #[command(flatten)]
    pub output: SessionOutput,
}

/// Options of `session diff`.
#[derive(Args, Debug)]
pub struct DiffArguments {
    /// One session: an id, a label, or `latest`
    #[arg(value_name = "A")]
    pub a: String,
    /// The session to compare it with
    #[arg(value_name = "B")]
    pub b: String,
    /// Where to look
    #[command(flatten)]
    pub output: SessionOutput,
    /// The database of B, if it is another one
    #[arg(long, value_name = "PATH")]
    pub other: Option<PathBuf>,
    /// Differ also when p99 of the difference between the spacings is above this, such as 1ms
    #[arg(long, value_name = "DURATION")]
    pub timing_tolerance: Option<String>,
}

/// Options of `session label`.
#[derive(Args, Debug)]
pub struct LabelArguments {
    /// Session to label: an id, a label, or `latest`
    #[arg(value_name = "SESSION")]
    pub session: String,
    /// The label, not digits alone, which are an id; an empty one is removed
    #[arg(value_name = "TEXT")]
    pub text: String,
    /// Where to look
    #[command(flatten)]
    pub database: DatabaseArguments,
}

/// Options of `session delete`.
#[derive(Args, Debug)]
pub struct DeleteArguments {
    /// Session to delete: an id, a label that no other session has, or `latest`
    #[arg(value_name = "SESSION")]
    pub session: String,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Where to look
    #[command(flatten)]
    pub database: DatabaseArguments,
}
