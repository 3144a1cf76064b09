//! From what was typed to what the program uses: checked values, with every default in place.

mod diff;
mod label;

use std::env;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bytesize::ByteSize;

use crate::cli::{
    DatabaseArguments, ExportArguments, PublishArguments, RecordArguments, ReplayArguments, SendArguments,
};
use crate::codec::envelope::{PACKET_MAX_SAMPLES, Topic, Wanted};
use crate::device::Source;
use crate::error::{Error, Result};
use crate::exporter::{self, Format, SAMPLE_RATE_MAX_HZ, Topics};
use crate::message::MESSAGE_MAX_BYTES;
use crate::message::queue::OnFull;
use crate::publisher;
use crate::recorder::{self, SplitEvery};
use crate::replayer;
use crate::socket::Endpoint;
use crate::store::{Durability, Limits, Selection};
use crate::time::pace::{Cadence, Rhythm};

pub use diff::{DiffSettings, diff};
pub use label::label;

/// The interval of the C program that the simulated device stands for.
const DEFAULT_INTERVAL: &str = "1s";

/// A queue below this could not hold one batch beside the one that is written.
const QUEUE_MIN_BYTES: u64 = 1 << 20;

/// A queue above this is a mistake in the unit.
const QUEUE_MAX_BYTES: u64 = 1 << 40;

/// Less would hold little beside the write-ahead log and the margin in which older sessions are deleted.
const MAX_USE_MIN_BYTES: u64 = 32 << 20;

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabasePath {
    /// The file.
    pub path: PathBuf,
    /// Whether its directory may be made if it is missing: only for the default place, not for one that was typed.
    pub make_directory: bool,
}

/// Where and how to send.
#[derive(Clone, Debug)]
pub struct SendSettings {
    /// Endpoints to bind.
    pub bind: Vec<Endpoint>,
    /// Subscribers to wait for.
    pub wait_subscribers: u64,
    /// What to do when a subscriber is full.
    pub on_full: OnFull,
}

/// What `publish` does.
#[derive(Clone, Debug)]
pub struct PublishSettings {
    /// Where to.
    pub send: SendSettings,
    /// From where.
    pub device: Source,
    /// Seed of the simulated device.
    pub seed: u32,
    /// What, and how fast.
    pub plan: publisher::Plan,
}

/// What `record` does.
#[derive(Clone, Debug)]
pub struct RecordSettings {
    /// From where.
    pub connect: Vec<Endpoint>,
    /// Where to.
    pub database: DatabasePath,
    /// Name of the session.
    pub label: Option<String>,
    /// Remark about the session.
    pub note: Option<String>,
    /// What a commit survives.
    pub durability: Durability,
    /// Memory for packets that wait for the disk.
    pub queue_bytes: usize,
    /// How much room it may take.
    pub limits: Limits,
    /// The largest frame that is received.
    pub frame_max_bytes: i64,
    /// What to take, and when to end.
    pub plan: recorder::Plan,
    /// Whether to print packets.
    pub print: bool,
}

/// What `replay` does.
#[derive(Clone, Debug)]
pub struct ReplaySettings {
    /// An id, a label, or `latest`.
    pub session: String,
    /// From where.
    pub database: PathBuf,
    /// Where to.
    pub send: SendSettings,
    /// Which messages.
    pub selection: Selection,
    /// How.
    pub plan: replayer::Plan,
    /// How late a hundredth of the packets may leave.
    pub lateness_budget_ns: Option<i64>,
    /// Where to say how late they left.
    pub timing_report: Option<PathBuf>,
}

/// What `session export` does.
#[derive(Clone, Debug)]
pub struct ExportSettings {
    /// An id, a label, or `latest`.
    pub session: String,
    /// From where.
    pub database: PathBuf,
    /// Into which file; `None` is standard output.
    pub output: Option<PathBuf>,
    /// Whether the file may be replaced.
    pub replace: bool,
    /// What, and how.
    pub plan: exporter::Plan,
}

/// Check what was typed for `publish`.
///
/// # Errors
/// [`Error::Setting`] for the first value that cannot be used.
pub fn publish(typed: &PublishArguments) -> Result<PublishSettings> {
    if !(1..=PACKET_MAX_SAMPLES).contains(&typed.packet_size) {
        let rule = format!("a packet has 1 to {PACKET_MAX_SAMPLES} samples");
        return Err(refuse("--packet-size", &typed.packet_size.to_string(), rule));
    }
    let cadence = match (&typed.rate, &typed.interval) {
        (Some(rate), _) => Cadence::from_rate(rate).map_err(|cause| refuse("--rate", rate, cause))?,
        (None, interval) => {
            let period_ns = duration_ns("--interval", interval.as_deref().unwrap_or(DEFAULT_INTERVAL))?;
            Cadence::PeriodNs(period_ns as f64)
        }
    };
    Ok(PublishSettings {
        send: send(&typed.send)?,
        device: parse("--device", &typed.device)?,
        seed: typed.seed,
        plan: publisher::Plan {
            topic: parse("--topic", &typed.topic)?,
            packet_samples: typed.packet_size,
            cadence,
            count: typed.count,
            catch_up: typed.send.catch_up,
        },
    })
}

/// Check what was typed for `record`.
///
/// # Errors
/// [`Error::Setting`] for the first value that cannot be used.
pub fn record(typed: &RecordArguments) -> Result<RecordSettings> {
    Ok(RecordSettings {
        connect: connect(&typed.connect)?,
        database: database(&typed.database)?,
        label: typed.label.as_deref().filter(|text| !text.is_empty()).map(|text| label("--label", text)).transpose()?,
        note: typed.note.clone(),
        durability: typed.durability,
        queue_bytes: bytes("--queue", &typed.queue, QUEUE_MIN_BYTES..=QUEUE_MAX_BYTES)? as usize,
        limits: Limits {
            max_use_bytes: size("--max-use", typed.max_use.as_deref(), MAX_USE_MIN_BYTES..=u64::MAX)?,
            keep_free_bytes: size("--keep-free", typed.keep_free.as_deref(), 1..=u64::MAX)?,
        },
        frame_max_bytes: bytes("--max-message", &typed.max_message, 1..=MESSAGE_MAX_BYTES as u64)? as i64,
        plan: recorder::Plan {
            wanted: wanted(&typed.topic)?,
            count: typed.count,
            duration_ns: typed.duration.as_deref().map(|text| duration_ns("--duration", text)).transpose()?,
            split_every: typed.split_every.as_deref().map(split_every).transpose()?,
            commit_every_ns: duration_ns("--commit-every", &typed.commit_every)?,
            on_full: typed.on_full,
        },
        print: typed.print,
    })
}

/// Check what was typed for `replay`.
///
/// # Errors
/// [`Error::Setting`] for the first value that cannot be used.
pub fn replay(typed: &ReplayArguments) -> Result<ReplaySettings> {
    let rhythm = match (&typed.rate, &typed.speed) {
        (Some(rate), _) => match Cadence::from_rate(rate).map_err(|cause| refuse("--rate", rate, cause))? {
            Cadence::PeriodNs(period_ns) => Rhythm::EveryNs(period_ns),
            Cadence::Max => Rhythm::Max,
        },
        (None, Some(speed)) => Rhythm::from_speed(speed).map_err(|cause| refuse("--speed", speed, cause))?,
        (None, None) => Rhythm::Recorded(1.0),
    };
    let heads = match wanted(&typed.topic)? {
        Wanted::Only(topics) if !topics.is_empty() => Some(topics.iter().map(Topic::head).collect()),
        _ => None,
    };
    Ok(ReplaySettings {
        session: typed.session.clone(),
        database: database(&typed.database)?.path,
        send: send(&typed.send)?,
        selection: Selection {
            heads,
            only_valid: typed.only_valid,
            from: typed.from.as_deref().map(|text| parse("--from", text)).transpose()?,
            to: typed.to.as_deref().map(|text| parse("--to", text)).transpose()?,
        },
        plan: replayer::Plan {
            rhythm,
            max_gap_ns: typed.max_gap.as_deref().map(|text| duration_ns("--max-gap", text)).transpose()?,
            passes: parse("--loop", &typed.passes)?,
            paused: typed.paused,
            pacing: typed.pacing,
            renamed: typed.map.iter().map(|text| renamed(text)).collect::<Result<_>>()?,
            catch_up: typed.send.catch_up,
        },
        lateness_budget_ns: typed
            .lateness_budget
            .as_deref()
            .map(|text| duration_ns("--lateness-budget", text))
            .transpose()?,
        timing_report: typed.timing_report.clone(),
    })
}

/// `OLD=NEW` as the beginnings of messages. A topic may hold `=`; the first one divides.
fn renamed(text: &str) -> Result<(Vec<u8>, Vec<u8>)> {
    const OPTION: &str = "--map";
    let (old, new) = text
        .split_once('=')
        .ok_or_else(|| refuse(OPTION, text, "a topic is renamed with OLD=NEW, such as a=b".to_owned()))?;
    Ok((parse::<Topic>(OPTION, old)?.head(), parse::<Topic>(OPTION, new)?.head()))
}

/// Check what was typed for `session export`.
///
/// # Errors
/// For the first value that cannot be used, and for options that do not go together.
pub fn export(typed: &ExportArguments) -> Result<ExportSettings> {
    let format = typed.format;
    let output = typed.output.clone().filter(|path| path != Path::new("-"));
    let topics = export_topics(typed);
    if output.is_none() && !format.can_be_piped() {
        let text = format!("--format {format} needs --output: only a file can be written in this format");
        return Err(Error::CommandLine(text));
    }
    if format == Format::Sqlite && matches!(topics, Topics::Only(_)) {
        let text = "--topic cannot be used with --format sqlite: the digests hold for whole sessions only";
        return Err(Error::CommandLine(text.to_owned()));
    }
    if let Some(rate_hz) = typed.sample_rate {
        if format != Format::Wav {
            return Err(Error::CommandLine(format!(
                "--sample-rate cannot be used with --format {format}, only with wav"
            )));
        }
        if !(1..=SAMPLE_RATE_MAX_HZ).contains(&rate_hz) {
            let rule = format!("a sample rate is from 1 to {SAMPLE_RATE_MAX_HZ}");
            return Err(refuse("--sample-rate", &rate_hz.to_string(), rule));
        }
    }
    Ok(ExportSettings {
        session: typed.session.clone(),
        database: database(&typed.database)?.path,
        output,
        replace: typed.force,
        plan: exporter::Plan { format, topics, sample_rate_hz: typed.sample_rate },
    })
}

fn export_topics(typed: &ExportArguments) -> Topics {
    match typed.topic.as_slice() {
        [] => Topics::Unsaid,
        topics if topics.iter().any(|topic| topic == "*") => Topics::Every,
        topics => Topics::Only(topics.iter().map(|topic| topic.as_bytes().to_vec()).collect()),
    }
}

/// The database that was typed, or the default one.
///
/// # Errors
/// When there is no default because no home directory is known.
pub fn database(typed: &DatabaseArguments) -> Result<DatabasePath> {
    if let Some(path) = &typed.database {
        return Ok(DatabasePath { path: path.clone(), make_directory: false });
    }
    // An empty variable counts as unset, as the XDG specification says.
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = match variable("STATE_DIRECTORY") {
        Some(directories) => Some(first_directory(directories)),
        None => variable("XDG_STATE_HOME")
            .or_else(|| variable("HOME").map(|home| home.join(".local/state")))
            .map(|state| state.join("fancyhwd")),
    };
    match directory {
        Some(directory) => Ok(DatabasePath { path: directory.join("captures.db"), make_directory: true }),
        None => Err(refuse("--database", "", "no default is known without $HOME; name a file".to_owned())),
    }
}

/// systemd names several state directories with colons between them.
fn first_directory(directories: PathBuf) -> PathBuf {
    match directories.to_str().and_then(|list| list.split(':').next()) {
        Some(first) => PathBuf::from(first),
        None => directories,
    }
}

fn send(typed: &SendArguments) -> Result<SendSettings> {
    Ok(SendSettings {
        bind: typed.bind.iter().map(|text| parse("--bind", text)).collect::<Result<_>>()?,
        wait_subscribers: typed.wait_subscribers,
        on_full: typed.on_full,
    })
}

fn connect(typed: &[String]) -> Result<Vec<Endpoint>> {
    let peer = |text: &String| match parse::<Endpoint>("--connect", text)? {
        endpoint if endpoint.names_a_peer() => Ok(endpoint),
        _ => Err(refuse("--connect", text, "`*` names no device; give its host and port".to_owned())),
    };
    typed.iter().map(peer).collect()
}

fn wanted(typed: &[String]) -> Result<Wanted> {
    if typed.iter().any(|topic| topic == "*") {
        return Ok(Wanted::Every);
    }
    typed.iter().map(|text| parse("--topic", text)).collect::<Result<Vec<Topic>>>().map(Wanted::Only)
}

fn bytes(option: &'static str, text: &str, range: RangeInclusive<u64>) -> Result<u64> {
    let size: ByteSize = parse(option, text)?;
    match range.contains(&size.as_u64()) {
        true => Ok(size.as_u64()),
        false => {
            let (least, most) = (ByteSize(*range.start()), ByteSize(*range.end()));
            Err(refuse(option, text, format!("the size is from {least} to {most}")))
        }
    }
}

/// A size, if one was typed.
fn size(option: &'static str, text: Option<&str>, range: RangeInclusive<u64>) -> Result<Option<u64>> {
    text.map(|text| bytes(option, text, range)).transpose()
}

/// A duration, or else a size.
fn split_every(text: &str) -> Result<SplitEvery> {
    const OPTION: &str = "--split-every";
    match humantime::parse_duration(text).is_ok() {
        true => duration_ns(OPTION, text).map(SplitEvery::ElapsedNs),
        false => bytes(OPTION, text, 1..=u64::MAX).map(SplitEvery::Bytes),
    }
}

/// A duration above zero in nanoseconds. 292 years are the limit.
fn duration_ns(option: &'static str, text: &str) -> Result<i64> {
    let duration = humantime::parse_duration(text).map_err(|cause| refuse(option, text, cause.to_string()))?;
    match i64::try_from(duration.as_nanos()) {
        Ok(0) => Err(refuse(option, text, "a duration is above zero, such as 250ms, 1s or 1h30m".to_owned())),
        Ok(duration_ns) => Ok(duration_ns),
        Err(_) => Err(refuse(option, text, "a duration is below 292 years".to_owned())),
    }
}

fn parse<T: FromStr<Err: Display>>(option: &'static str, text: &str) -> Result<T> {
    text.parse().map_err(|cause: T::Err| refuse(option, text, cause.to_string()))
}

fn refuse(option: &'static str, value: &str, cause: String) -> Error {
    Error::Setting { option, value: value.to_owned(), cause }
}
