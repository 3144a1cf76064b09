//! The loop of `session export`: the packets of a session, batch by batch, into a file or standard output.
//!
//! Each format is an `Encoder`. A session that becomes a database of its own is copied row by row instead, by the store.

mod csv;
mod extent;
mod jsonl;
mod output;
mod raw;
mod selection;
mod text;
mod wav;
mod watch;

use std::fmt;
use std::io;

use clap::ValueEnum;

use crate::codec::envelope::{self, Envelope};
use crate::error::Result;
use crate::message::{Batch, Gaps};
use crate::store::{self, Copied, Database, Reader, Session};

pub use output::{Output, Sink};
pub use selection::{Selection, Topics};
pub use watch::Watch;
pub use wav::SAMPLE_RATE_MAX_HZ;

/// What an export is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line per packet.
    Csv,
    /// A JSON object per packet.
    Jsonl,
    /// The samples as mono sound.
    Wav,
    /// The samples and nothing else, as little-endian int16.
    Raw,
    /// A database with this session only.
    Sqlite,
}

impl Format {
    /// Whether it can be written from its beginning to its end, as into a pipe.
    pub fn can_be_piped(self) -> bool {
        matches!(self, Self::Csv | Self::Jsonl | Self::Raw)
    }

    /// Whether it holds samples without the topic that they belong to.
    pub fn hides_topics(self) -> bool {
        matches!(self, Self::Wav | Self::Raw)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Wav => "wav",
            Self::Raw => "raw",
            Self::Sqlite => "sqlite",
        })
    }
}

/// What to export.
#[derive(Clone, Debug)]
pub struct Export {
    /// Into what.
    pub format: Format,
    /// The packets of which topics.
    pub topics: Topics,
    /// Samples in a second, for `wav`; `None` is to be estimated.
    pub sample_rate_hz: Option<u32>,
}

/// What was exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Packets.
    pub packets: u64,
    /// Rejects, which only a database holds.
    pub rejected: u64,
    /// What is missing, because the database is damaged ...
    pub gaps: Gaps,
    /// ... or because the session was deleted meanwhile.
    pub is_deleted: bool,
    /// Whether the ledger, which only a database holds, has entries that cannot be read.
    pub is_ledger_damaged: bool,
}

/// Writes packets in one format.
trait Encoder {
    /// Write one packet.
    fn packet(&mut self, packet: &Packet<'_>) -> io::Result<()>;

    /// Write what follows the last packet. All is handed to the operating system then.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// A packet with its stamps.
#[derive(Clone, Copy, Debug)]
struct Packet<'a> {
    /// Wall clock time of its arrival.
    unix_ns: i64,
    /// Monotonic time of its arrival since the session began.
    elapsed_ns: i64,
    topic: &'a [u8],
    payload: &'a [u8],
}

/// Write the selected packets of a session. What was written is not under its final name yet.
///
/// # Errors
/// When the database cannot be read, the output not be written, or a stop is asked for.
pub fn write_packets(
    database: Database,
    session: &Session,
    format: Format,
    selection: &Selection,
    output: &Output,
    watch: &Watch<'_>,
) -> Result<Exported> {
    let sink = output.sink(watch.stop())?;
    let failed = |cause| if watch.stop().requested() { watch.stopped() } else { output.failed(cause) };
    let mut encoder: Box<dyn Encoder + '_> = match format {
        Format::Csv => Box::new(csv::Csv::new(sink).map_err(failed)?),
        Format::Jsonl => Box::new(jsonl::Jsonl::new(sink)),
        Format::Wav => Box::new(wav::Wav::new(sink, selection.sample_rate_hz).map_err(failed)?),
        Format::Raw | Format::Sqlite => Box::new(raw::Raw::new(sink)),
    };
    let packets = store::Selection { heads: selection.heads.clone(), only_valid: true, ..store::Selection::default() };
    let mut exported = Exported::default();
    if !session.is_empty() {
        let mut reader = Reader::new(database, session, &packets)?;
        let mut batch = Batch::default();
        while reader.step(&mut batch)? {
            for message in batch.messages() {
                let frame = message.frames().next().unwrap_or_default();
                // What is no envelope stands in another table.
                let Ok(Envelope { topic, payload }) = envelope::decode(frame) else { continue };
                let packet = Packet { unix_ns: message.unix_ns, elapsed_ns: message.elapsed_ns, topic, payload };
                encoder.packet(&packet).map_err(failed)?;
                exported.packets += 1;
            }
            batch.gaps().iter().for_each(|gap| exported.gaps.add(*gap));
            watch.at(reader.passed())?;
            batch.clear();
        }
        if exported.packets == 0 && !exported.gaps.is_empty() {
            return Err(reader.gone(session.first_id));
        }
        exported.is_deleted = reader.is_deleted()?;
    }
    encoder.finish().map_err(failed)?;
    Ok(exported)
}

/// Write a session as a database of its own. It is not under its final name yet.
///
/// # Errors
/// When one database cannot be read or the other not be written, or a stop is asked for.
pub fn write_database(database: Database, session: &Session, output: &Output, watch: &Watch<'_>) -> Result<Exported> {
    let copied = database.copy_session(session, output.path(), &output.name(), &mut |done| watch.at(done))?;
    let Copied { packets, rejected, gaps, is_deleted, is_ledger_damaged } = copied;
    Ok(Exported { packets, rejected, gaps, is_deleted, is_ledger_damaged })
}
