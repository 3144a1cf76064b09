//! The loop of `session export`: the messages of a session, batch by batch, into a file or standard output.
//!
//! Each format is an `Encoder`. A session that becomes a database of its own is copied row by row instead, by the store.

mod ahead;
mod columns;
mod content;
mod csv;
mod extent;
mod html;
mod jsonl;
mod mcap;
mod npz;
mod output;
mod parquet;
mod raw;
mod records;
mod scope;
mod text;
mod wav;
mod watch;

use std::fmt;
use std::io;

use clap::ValueEnum;

use crate::codec::stream::Stream;
use crate::codec::topic::Wanted;
use crate::error::Result;
use crate::message::{Batch, Digest, Digester, FIRST_DIGEST, Gap, Gaps, Message};
use crate::store::{Copied, Database, Reader, Session};
use crate::time::position::Position;

use ahead::each_batch;
use columns::Style;
use records::each_record;

pub use html::write_page;
pub use output::{Output, Sink};
pub use scope::Scope;
pub use watch::Watch;
pub use wav::SAMPLE_RATE_MAX_HZ;

/// Handed to the operating system at once.
const BUFFER_BYTES: usize = 64 << 10;

/// What an export is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line per message, with a column for each channel.
    Csv,
    /// A row per message with a typed column for each channel, for pandas, DuckDB, Polars and Spark; a cell is a list
    /// where a message has several records. The session and its ledger are in the metadata.
    Parquet,
    /// A JSON object per message.
    Jsonl,
    /// Arrays for numpy.
    Npz,
    /// A channel per stream, for Foxglove, PlotJuggler and ROS tools.
    Mcap,
    /// The samples as sound, with all channels.
    Wav,
    /// What follows the topics, and nothing else.
    Raw,
    /// A database with this session only.
    Sqlite,
    /// A page with pictures, figures and ledger, in one file without scripts.
    Html,
}

impl Format {
    /// Whether it can be written from its beginning to its end, as into a pipe.
    pub fn can_be_piped(self) -> bool {
        matches!(self, Self::Csv | Self::Parquet | Self::Jsonl | Self::Raw | Self::Html)
    }

    /// What names of such files end with.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Sqlite => "db",
            other => other.name(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Jsonl => "jsonl",
            Self::Npz => "npz",
            Self::Mcap => "mcap",
            Self::Wav => "wav",
            Self::Raw => "raw",
            Self::Sqlite => "sqlite",
            Self::Html => "html",
        }
    }

    /// Whether it holds samples without the topic that they belong to.
    pub fn hides_topics(self) -> bool {
        matches!(self, Self::Wav | Self::Raw)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What to export.
#[derive(Clone, Debug)]
pub struct Export {
    /// Into what.
    pub format: Format,
    /// The messages of which topics; `None`: nobody said.
    pub wanted: Option<Wanted>,
    /// From the endpoints of these numbers; `None` is all of them.
    pub endpoints: Option<Vec<u32>>,
    /// From there on; `None` is the beginning.
    pub from: Option<Position>,
    /// Up to there; `None` is the end.
    pub to: Option<Position>,
    /// Whether numbers stay as they came, where channels are scaled.
    pub is_raw: bool,
    /// Whether each record is a row of its own, in `csv` and `parquet`.
    pub is_exploded: bool,
    /// Whether messages stay the bytes that came, in `mcap`.
    pub is_untouched: bool,
    /// Whether `wav` has silence where samples are missing.
    pub fills_gaps: bool,
    /// Samples in a second, for `wav`; `None` is to be estimated.
    pub sample_rate_hz: Option<u32>,
}

/// What was exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Messages.
    pub messages: u64,
    /// Of them, those that their layout cannot read, so that their values are left out.
    pub undecodable: u64,
    /// What is missing, because the database is damaged ...
    pub gaps: Gaps,
    /// ... or because the session was deleted meanwhile.
    pub is_deleted: bool,
    /// Whether the ledger, where the format holds it, has entries that cannot be read.
    pub is_ledger_damaged: bool,
}

/// Writes messages in one format.
trait Encoder {
    /// Write one message. Says whether its layout could read it, where that is asked.
    fn message(&mut self, packet: &Packet<'_>) -> io::Result<bool>;

    /// What the digest of all messages is, in a format that holds it: said before the end.
    fn digest(&mut self, _: Digest) {}

    /// Write what follows the last message. All is handed to the operating system then.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// A message with what is known of it.
#[derive(Clone, Copy, Debug)]
struct Packet<'a> {
    /// Its number in the session, from 0.
    number: i64,
    message: Message<'a>,
    /// The row of its stream.
    stream_id: i64,
    stream: &'a Stream,
    /// Of its records, only the one of this number is written; `None`: all are.
    record: Option<usize>,
}

impl Export {
    /// How numbers become rows.
    fn style(&self) -> Style {
        Style { is_raw: self.is_raw, is_exploded: self.is_exploded }
    }
}

/// Write the selected messages of a session. What was written is not under its final name yet.
///
/// # Errors
/// When the database cannot be read, the output not be written, or a stop is asked for.
pub fn write_messages(
    database: Database,
    session: &Session,
    export: &Export,
    scope: &Scope,
    output: &Output,
    watch: &Watch<'_>,
) -> Result<Exported> {
    let failed = |cause| if watch.stop().requested() { watch.stopped() } else { output.failed(cause) };
    let mut exported = Exported::default();
    let streams = &scope.streams;
    let sink = || output.sink(watch.stop());
    let mut encoder: Box<dyn Encoder + '_> = match export.format {
        Format::Csv if output.is_directory() => {
            Box::new(csv::CsvFiles::new(output.path(), streams, export.style()).map_err(failed)?)
        }
        Format::Csv => Box::new(csv::Csv::new(sink()?, streams, export.style()).map_err(failed)?),
        Format::Parquet => Box::new(parquet::Parquet::new(sink()?, scope, export.style()).map_err(failed)?),
        Format::Jsonl => Box::new(jsonl::Jsonl::new(sink()?)),
        Format::Npz => Box::new(npz::Npz::new(sink()?, output.directory(), scope).map_err(failed)?),
        Format::Mcap => {
            let (endpoints, ledger) = (database.endpoints(session)?, database.ledger(session)?);
            exported.is_ledger_damaged = !ledger.is_whole;
            let about = mcap::About { session, endpoints, ledger, scope, is_untouched: export.is_untouched };
            Box::new(mcap::Mcap::new(sink()?, about).map_err(failed)?)
        }
        Format::Wav => {
            Box::new(wav::Wav::new(sink()?, scope.sound, scope.sample_rate_hz, scope.filled()).map_err(failed)?)
        }
        Format::Raw | Format::Sqlite | Format::Html => Box::new(raw::Raw::new(sink()?)),
    };
    let mut digester = (export.format == Format::Mcap).then(|| Digester::new(&FIRST_DIGEST, 0));
    if !session.is_empty() {
        let reader = Reader::new(database, session, &scope.messages)?;
        let (first, last) = reader.numbers();
        watch.begin("", last.saturating_sub(first).saturating_add(1).max(0).unsigned_abs(), "messages");
        let see = |batch: &Batch| {
            let Some(digester) = &mut digester else { return };
            let known = batch.messages().zip(batch.streams()).filter(|(_, stream_id)| streams.contains_key(stream_id));
            known.for_each(|(message, _)| {
                digester.add_message(message.origin, (message.unix_ns, message.elapsed_ns), message.frames());
            });
        };
        let reader = each_batch(reader, see, |batch, passed| {
            for ((message, &number), &stream_id) in batch.messages().zip(batch.numbers()).zip(batch.streams()) {
                let Some(stream) = scope.streams.get(&stream_id) else {
                    // What it is cannot be read.
                    exported.gaps.add(Gap::of(number, message.elapsed_ns));
                    continue;
                };
                let packet = Packet { number, message, stream_id, stream, record: None };
                let is_read = match export.is_exploded {
                    true => each_record(&packet, |record| encoder.message(record)),
                    false => encoder.message(&packet),
                };
                let is_read = is_read.map_err(failed)?;
                exported.messages += 1;
                exported.undecodable += u64::from(!is_read);
            }
            batch.gaps().iter().for_each(|gap| exported.gaps.add(*gap));
            watch.at(passed)
        })?;
        if exported.messages == 0 && !exported.gaps.is_empty() {
            return Err(reader.gone(session.first_id));
        }
        exported.is_deleted = reader.is_deleted()?;
    }
    if let Some(digester) = digester {
        encoder.digest(digester.finish());
    }
    encoder.finish().map_err(failed)?;
    exported.is_ledger_damaged |= scope.about.is_ledger_damaged;
    Ok(exported)
}

/// Write a session as a database of its own. It is not under its final name yet.
///
/// # Errors
/// When one database cannot be read or the other not be written, or a stop is asked for.
pub fn write_database(database: Database, session: &Session, output: &Output, watch: &Watch<'_>) -> Result<Exported> {
    let copied = database.copy_session(session, output.path(), &output.name(), &mut |done| watch.at(done))?;
    let Copied { messages, gaps, is_deleted, is_ledger_damaged } = copied;
    Ok(Exported { messages, undecodable: 0, gaps, is_deleted, is_ledger_damaged })
}
