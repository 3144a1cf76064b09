//! What can be typed behind `fancyhwd session`.

use std::path::PathBuf;

use crate::cli::archive::{ArchiveArguments, FetchArguments};
use crate::cli::cut::CutArguments;
use crate::cli::export::ExportArguments;
use crate::cli::find::FindArguments;
use crate::cli::import::ImportArguments;
use crate::cli::list::ListArguments;
use crate::cli::range::{SelectionArguments, place, refuse_backwards};
use crate::cli::record::RecordFraming;
use crate::cli::recover::RecoverArguments;
use crate::cli::remark::{MarkArguments, NoteArguments};
use crate::cli::values::{about, duration_ns, label, parse, refuse, to_change, wanted};
use crate::codec::channels::Channels;
use crate::codec::layout::Layout;
use crate::command;
use crate::command::session::{delete, describe, diff, show, verify};
use crate::error::{Error, Result};
use crate::store::Description;
use clap::{Args, Subcommand};

use crate::cli::{DatabaseArguments, SourceArguments};

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
    /// List sessions, the newest last
    ///
    /// Lists what was captured, with what was lost: `>=` stands before a number where a link was down or never up, so that more may
    /// be missing. The state says what is being recorded now, what was cut off, what is damaged and what is in an archive.
    List(ListArguments),
    /// Show all that is known about a session
    Show(ShowArguments),
    /// Check that sessions are as they were recorded
    ///
    /// Reads every message and compares it with the digests of its commits, and with the counts and times of its session.
    Verify(VerifyArguments),
    /// Compare two sessions
    ///
    /// Compares messages byte for byte and in order, and how far apart they came, of two whole sessions or of a part of
    /// each.
    Diff(DiffArguments),
    /// Find where in a session a condition holds
    ///
    /// Lists where a condition such as 'ch3 > 1200', 'gap > 1s' or 'text ~ alarm' begins and ceases to hold. Messages
    /// for which overviews show that it cannot hold are not read.
    Find(FindArguments),
    /// Change how the messages of a session are read
    ///
    /// Corrects where topics are, how bytes are read as numbers or text, and what these measure. No byte of a message
    /// changes. Overviews are rebuilt in any case, even without further options.
    Describe(DescribeArguments),
    /// Give a session another label
    Label(LabelArguments),
    /// Add a line to the note of a session
    Note(NoteArguments),
    /// Set a mark in a session
    ///
    /// Sets a mark in what is being recorded, now, or at a position of any session. It stands in the ledger. SIGUSR1 sets one in
    /// a recorder.
    Mark(MarkArguments),
    /// Delete a session
    ///
    /// Deletes a session with all of its packets, also while another one is recorded into the same database. It cannot be
    /// undone.
    Delete(DeleteArguments),
    /// Write the packets of a session into a file of another format
    ///
    /// Writes a session as text, as MCAP, as sound, as bare samples or as a database of its own. A file gets its name when it is
    /// whole, and never replaces another one unless asked to.
    Export(ExportArguments),
    /// Make a session of a file
    ///
    /// Reads MCAP files, JSON lines and numpy arrays (npz). What `session export` wrote with `--format mcap
    /// --untouched`, `jsonl` or `npz` comes back with the same frames, topics and times. A file is imported as a whole
    /// or not at all.
    Import(ImportArguments),
    /// Make a session of a part of another one
    ///
    /// Copies the messages of a range, of topics or of endpoints into a new session of the same database, with their times, their
    /// streams and the ledger of that range. A session is there when all of it is, or not at all.
    Cut(CutArguments),
    /// Recover what can be read from a damaged database
    ///
    /// Copies a database page by page into a new one, even where its tables are broken, and reports what is proven by
    /// digests, what is not, and what is gone.
    Recover(RecoverArguments),
    /// Send a session to an archive on other machines
    ///
    /// Sends what is not there yet to a cluster of NATS servers, which keep it on several machines. What is captured with `record
    /// --archive` is sent by itself.
    Archive(ArchiveArguments),
    /// Bring a session back from an archive
    ///
    /// Copies a session out of an archive into a database, with the same digests. A session is there when all of it is, or not at
    /// all.
    Fetch(FetchArguments),
}

/// Options of `session show`.
#[derive(Args, Debug)]
pub struct ShowArguments {
    /// Session to show: an id, a label, or `latest` for the newest finished one that has messages
    #[arg(value_name = "SESSION", default_value = "latest")]
    pub session: String,
    /// Read every packet for the rates of topics and for gaps, also of a session with more than 1,000,000 of them
    #[arg(long)]
    pub full: bool,
    /// Where to look
    #[command(flatten)]
    pub output: SessionOutput,
}

/// Options of the session commands that print.
#[derive(Args, Debug)]
pub struct SessionOutput {
    /// Where to look
    #[command(flatten)]
    pub source: SourceArguments,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `session verify`.
#[derive(Args, Debug)]
pub struct VerifyArguments {
    /// Session to verify: an id, a label, or `latest` for the newest finished one that has messages, which is the default
    #[arg(value_name = "SESSION")]
    pub session: Option<String>,
    /// Verify every session
    #[arg(long)]
    pub all: bool,
    /// Also count what is missing by the device's own sequence number: TYPE@OFFSET behind the topic, TYPE@PART:OFFSET or
    /// json:FIELD, with /STEP where it counts in steps. May be given several times
    #[arg(long, value_name = "[TOPIC=]COUNTER")]
    pub counter: Vec<String>,
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
    /// Which messages of both
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Begin in B at this position; --from and --to then apply to A only
    #[arg(long, value_name = "POSITION", allow_hyphen_values = true)]
    pub other_from: Option<String>,
    /// End in B before this position; --from and --to then apply to A only
    #[arg(long, value_name = "POSITION", allow_hyphen_values = true)]
    pub other_to: Option<String>,
    /// Also report a difference when p99 of the differences in spacing is above this, such as 1ms
    #[arg(long, value_name = "DURATION")]
    pub timing_tolerance: Option<String>,
}

/// Options of `session describe`.
#[derive(Args, Debug)]
pub struct DescribeArguments {
    /// Session to describe: an id, a label, or `latest`
    #[arg(value_name = "SESSION")]
    pub session: String,
    /// Only the streams of this topic; `NAME*` is all that begin so [default: all streams]
    #[arg(value_name = "TOPIC")]
    pub topic: Vec<String>,
    /// Only what came from the endpoint of this number, as `session show` counts them. May be given several times
    #[arg(long, value_name = "N", value_delimiter = ' ')]
    pub endpoint: Vec<u32>,
    /// Where the topic is in a message
    #[arg(long, value_name = "FRAMING")]
    pub framing: Option<RecordFraming>,
    /// How the bytes behind the topic are read, such as int16, float32x8 or uint32,uint64/int16x8
    #[arg(long, value_name = "LAYOUT")]
    pub layout: Option<String>,
    /// Names, units and scales of the numbers of the layout: NAME:UNIT:SCALE:OFFSET,...; only the names are required
    #[arg(long, value_name = "LIST")]
    pub channels: Option<String>,
    /// Sample rate of the records within a message, in records per second
    #[arg(long, value_name = "HZ")]
    pub sample_rate: Option<f64>,
    /// Where to look
    #[command(flatten)]
    pub database: DatabaseArguments,
}

/// Options of `session label`.
#[derive(Args, Debug)]
pub struct LabelArguments {
    /// Session to label: an id, a label, or `latest`
    #[arg(value_name = "SESSION")]
    pub session: String,
    /// The label; not digits alone, which mean an id. An empty text removes the label
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
    /// Skip the confirmation
    #[arg(long)]
    pub yes: bool,
    /// Where to look
    #[command(flatten)]
    pub source: SourceArguments,
}

impl ShowArguments {
    /// Check what was typed for `session show`.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first value that cannot be used.
    pub fn settings(&self) -> Result<show::Settings> {
        Ok(show::Settings {
            session: self.session.clone(),
            is_full: self.full,
            source: self.output.source.source()?,
            is_json: self.output.json,
        })
    }
}

impl VerifyArguments {
    /// Check what was typed for `session verify`.
    ///
    /// # Errors
    /// For the first value that cannot be used, and for options that do not go together.
    pub fn settings(&self) -> Result<verify::Settings> {
        let session = match (&self.session, self.all) {
            (Some(_), true) => {
                return Err(Error::CommandLine("--all and a session cannot be used together; choose one".to_owned()));
            }
            (None, true) => None,
            (wanted, false) => Some(wanted.as_deref().unwrap_or("latest").to_owned()),
        };
        Ok(verify::Settings {
            session,
            counters: about("--counter", &self.counter)?,
            is_json: self.output.json,
            source: self.output.source.source()?,
        })
    }
}

impl DescribeArguments {
    /// Check what was typed for `session describe`.
    ///
    /// # Errors
    /// For the first value that cannot be used.
    pub fn settings(&self) -> Result<describe::Settings> {
        let (layout, channels) = (self.layout.as_deref(), self.channels.as_deref());
        // As `record` takes it.
        for (option, value) in [("--layout", layout), ("--channels", channels)] {
            if let Some((value, (topic, rest))) = value.and_then(|value| Some((value, value.split_once('=')?))) {
                let cause = format!("the topic follows the session: {} {topic} {option} {rest}", self.session);
                return Err(refuse(option, value, cause));
            }
        }
        let layout: Option<Layout> = layout.map(|text| parse("--layout", text)).transpose()?;
        let channels: Option<Channels> = channels.map(|text| parse("--channels", text)).transpose()?;
        if let (Some(layout), Some(channels)) = (&layout, &channels) {
            channels.fit(layout).map_err(|cause| refuse("--channels", &channels.to_string(), cause))?;
        }
        if let Some(rate_hz) = self.sample_rate.filter(|rate_hz| !rate_hz.is_finite() || *rate_hz <= 0.0) {
            return Err(refuse("--sample-rate", &rate_hz.to_string(), "a sample rate is above zero".to_owned()));
        }
        Ok(describe::Settings {
            session: self.session.clone(),
            description: Description {
                wanted: wanted(&self.topic)?,
                endpoints: Some(self.endpoint.clone()).filter(|numbers| !numbers.is_empty()),
                framing: self.framing.map(RecordFraming::told),
                layout,
                channels,
                sample_rate_hz: self.sample_rate,
            },
            database: to_change(&self.database)?,
        })
    }
}

impl LabelArguments {
    /// Check what was typed for `session label`.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first value that cannot be used.
    pub fn settings(&self) -> Result<command::session::label::Settings> {
        let text = Some(self.text.as_str()).filter(|text| !text.is_empty());
        Ok(command::session::label::Settings {
            session: self.session.clone(),
            label: text.map(|text| label("TEXT", text)).transpose()?,
            database: to_change(&self.database)?,
        })
    }
}

impl DeleteArguments {
    /// Check what was typed for `session delete`.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first value that cannot be used.
    pub fn settings(&self) -> Result<delete::Settings> {
        Ok(delete::Settings { session: self.session.clone(), is_meant: self.yes, source: self.source.to_change()? })
    }
}

impl DiffArguments {
    /// Check what was typed for `session diff`.
    ///
    /// # Errors
    /// [`crate::error::Error::Setting`] for the first value that cannot be used.
    pub fn settings(&self) -> Result<diff::Settings> {
        const TOLERANCE: &str = "--timing-tolerance";
        let (in_a, sought_in_a) = self.selection.selection()?;
        let (mut in_b, mut sought_in_b) = (in_a.clone(), sought_in_a.clone());
        let (other_from, other_to) = (self.other_from.as_deref(), self.other_to.as_deref());
        if other_from.is_some() || other_to.is_some() {
            (in_b.from, sought_in_b.from) = place("--other-from", other_from)?;
            (in_b.to, sought_in_b.to) = place("--other-to", other_to)?;
            refuse_backwards(("--other-from", other_from, in_b.from), ("--other-to", other_to, in_b.to))?;
        }
        let timing_tolerance_ns =
            self.timing_tolerance.as_deref().map(|text| duration_ns(TOLERANCE, text)).transpose()?;
        let source = self.output.source.source()?;
        Ok(diff::Settings {
            a: self.a.clone(),
            b: self.b.clone(),
            other: match &self.other {
                Some(_) => self.output.source.of(self.other.as_deref())?,
                None => source.clone(),
            },
            source,
            selections: [(in_a, sought_in_a), (in_b, sought_in_b)],
            is_json: self.output.json,
            timing_tolerance_ns,
        })
    }
}
