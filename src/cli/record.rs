//! What can be typed behind `fancyhwd record`.

use crate::cli::values::{
    DEFAULT_ENDPOINT, about, binds, bytes, channels, connects, database, duration_ns, is_bare, label, parse, refuse,
    size, wanted,
};
use std::time::Duration;

use crate::codec::framing::Framing;
use crate::codec::stream::REFERENCE_TOPIC;
use crate::command::record::{self, Given};
use crate::error::Result;
use crate::message::MESSAGE_MAX_BYTES;
use crate::recorder::{self, SplitEvery, When};
use crate::socket::{Inlets, QUEUE_MESSAGES, ReceivingKind};
use crate::store::{Durability, Limits, Target};
use crate::streams::{About, Told};
use crate::time::clock::NS_PER_S;
use clap::{Args, ValueEnum};

use crate::cli::{DatabaseArguments, KeepingArguments, KeyArguments};
use crate::message::queue::OnFull;

/// Where the topic is in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RecordFraming {
    /// Detected in each message, with limits on how many topics plain data can be mistaken for.
    Auto,
    /// Before the first space of the only frame.
    Space,
    /// In the first frame, alone.
    Frames,
    /// Nowhere: there is none.
    Whole,
}

impl RecordFraming {
    /// What that says, if it says something.
    pub(super) fn told(self) -> Option<Framing> {
        match self {
            Self::Auto => None,
            Self::Space => Some(Framing::Space),
            Self::Frames => Some(Framing::Frames),
            Self::Whole => Some(Framing::Whole),
        }
    }
}

/// Options of `record`.
#[derive(Args, Debug)]
pub struct RecordArguments {
    /// Endpoint of a device, tcp://HOST:PORT or ipc://PATH. May be given several times [default: tcp://127.0.0.1:5555, unless
    /// there is a --bind]
    #[arg(long, value_name = "ENDPOINT")]
    pub connect: Vec<String>,
    /// Endpoint to bind, for devices that connect to their collector. May be given several times
    #[arg(long, value_name = "ENDPOINT")]
    pub bind: Vec<String>,
    /// Whom to trust
    #[command(flatten)]
    pub keys: KeyArguments,
    /// The kind of socket: `pull` takes its share of what pushing peers send, and has no topics to ask for
    #[arg(long, value_name = "KIND", default_value = "sub")]
    pub socket: ReceivingKind,
    /// Topic to record, matched exactly; `NAME*` matches all that begin with NAME, `*` everything. May be given several
    /// times [default: fancyhw_data; with `--socket pull` or --dry-run everything]
    #[arg(long, value_name = "NAME")]
    pub topic: Vec<String>,
    /// Where the topic is in a message
    #[arg(long, value_name = "FRAMING", default_value = "auto")]
    pub framing: RecordFraming,
    /// How to read the bytes after the topic, such as int16, float32x8 or uint32,uint64/int16x8; NAME=LAYOUT is for one
    /// topic, =LAYOUT for messages without a topic. May be given several times [default: int16 for fancyhw_data, else
    /// guessed from the first message]
    #[arg(long, value_name = "[TOPIC=]LAYOUT")]
    pub layout: Vec<String>,
    /// Names, units and scales of the numbers of a layout: NAME:UNIT:SCALE:OFFSET,...; only the names are required. May
    /// be given several times
    #[arg(long, value_name = "[TOPIC=]LIST")]
    pub channels: Vec<String>,
    /// Sample rate of the records within a message, in records per second. May be given several times
    #[arg(long, value_name = "[TOPIC=]HZ")]
    pub sample_rate: Vec<String>,
    /// Where the device's own sequence number is, to report each gap with the number of lost messages: TYPE@OFFSET
    /// after the topic, TYPE@PART:OFFSET or json:FIELD, with /STEP if it counts in steps. May be given several times
    #[arg(long, value_name = "[TOPIC=]COUNTER")]
    pub counter: Vec<String>,
    /// Where to record
    #[command(flatten)]
    pub database: DatabaseArguments,
    /// Archive to which recorded messages are also sent, such as nats://nas1,nas2,nas3, or tls:// with encryption. They
    /// are stored here first, and wait here while the archive cannot be reached
    #[arg(long, value_name = "URL")]
    pub archive: Option<String>,
    /// How it is kept there
    #[command(flatten)]
    pub keeping: KeepingArguments,
    /// Name of the session; not digits alone, which mean an id
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Remark about the session
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Stop after so many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Stop after this time, such as 90s or 1h30m
    #[arg(long, value_name = "DURATION")]
    pub duration: Option<String>,
    /// Begin a new session after this time or size, such as 1h or 2GB, without losing a message. SIGHUP does so at once
    #[arg(long, value_name = "DURATION|SIZE")]
    pub split_every: Option<String>,
    /// Keep only messages near those for which this condition holds: comparisons [TOPIC.]CHANNEL OP NUMBER, such as
    /// 'ch3 > 1200 and ch4 != 0', joined by `and`, `or` and brackets, or 'gap > 500ms' or 'text ~ REGEX' alone. The
    /// ledger says how many messages were not kept
    #[arg(long, value_name = "CONDITION")]
    pub trigger: Option<String>,
    /// How much to keep before the --trigger condition holds. It waits in memory, up to the size of --queue
    #[arg(long, value_name = "DURATION", default_value = "1s", requires = "trigger")]
    pub before: String,
    /// How much to keep after the --trigger condition held
    #[arg(long, value_name = "DURATION", default_value = "1s", requires = "trigger")]
    pub after: String,
    /// The most that the database may take, such as 20GB: the oldest finished sessions are deleted
    #[arg(long, value_name = "SIZE")]
    pub max_use: Option<String>,
    /// What must stay free on the disk, such as 1GB: the oldest finished sessions are deleted
    #[arg(long, value_name = "SIZE")]
    pub keep_free: Option<String>,
    /// What a commit survives
    #[arg(long, value_name = "LEVEL", default_value = "full")]
    pub durability: Durability,
    /// The longest time until a message is on its way to the disk
    #[arg(long, value_name = "DURATION", default_value = "100ms")]
    pub commit_every: String,
    /// Memory for messages that wait for the disk, such as 64MiB or 2GB
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    pub queue: String,
    /// Largest message to receive, such as 64KiB, at most 900MB; each frame counts 12 bytes more. A larger frame breaks
    /// the link, which is then connected again
    #[arg(long, value_name = "SIZE", default_value = "16MiB")]
    pub max_message: String,
    /// Interval of ZMTP 3.1 heartbeats to peers, such as 5s, or `off`; peers that do not know them break the link
    #[arg(long, value_name = "DURATION|off", default_value = "off")]
    pub heartbeat: String,
    /// Report a connected device that sends nothing for this long, in log, ledger and status, or `off`. A link over
    /// which nothing has come 10 s after it went up is always reported
    #[arg(long, value_name = "DURATION|off", default_value = "off")]
    pub silence: String,
    /// What to do when --queue is full: `block` stops receiving, and peers over TCP wait once libzmq holds as much
    /// again
    #[arg(long, value_name = "POLICY", default_value = "drop")]
    pub on_full: OnFull,
    /// Store nothing: report after --duration (default 5s) who answers, which streams come, and how to record them. It
    /// subscribes to every topic unless --topic is given. With `--socket pull` it takes messages from their real
    /// consumer
    #[arg(long)]
    pub dry_run: bool,
    /// Print each message, read as its layout says, once it is stored
    #[arg(long)]
    pub print: bool,
    /// The options that were given, in the order in which they stand here.
    #[arg(skip)]
    pub given: Vec<Given>,
}

/// A queue below this could not hold one batch beside the one that is written.
const QUEUE_MIN_BYTES: u64 = 1 << 20;

/// A queue above this is a mistake in the unit.
const QUEUE_MAX_BYTES: u64 = 1 << 40;

/// Less would hold little beside the write-ahead log and the margin in which older sessions are deleted.
const MAX_USE_MIN_BYTES: u64 = 32 << 20;

impl RecordArguments {
    /// Check what was typed for `record`.
    ///
    /// # Errors
    /// [`crate::error::Error::Setting`] for the first value that cannot be used.
    pub fn settings(&self) -> Result<record::Settings> {
        Ok(record::Settings {
            inlets: self.inlets()?,
            database: database(&self.database)?,
            label: self
                .label
                .as_deref()
                .filter(|text| !text.is_empty())
                .map(|text| label("--label", text))
                .transpose()?,
            note: self.note.clone(),
            durability: self.durability,
            queue_bytes: self.queue_bytes()? as usize,
            limits: Limits {
                max_use_bytes: size("--max-use", self.max_use.as_deref(), MAX_USE_MIN_BYTES..=u64::MAX)?,
                keep_free_bytes: size("--keep-free", self.keep_free.as_deref(), 1..=u64::MAX)?,
            },
            capture: recorder::Capture {
                told: self.told()?,
                trigger: self.trigger()?,
                count: self.count.filter(|_| self.trigger.is_none()),
                duration_ns: self.duration.as_deref().map(|text| duration_ns("--duration", text)).transpose()?,
                split_every: self.split_every.as_deref().map(split_every).transpose()?,
                commit_every_ns: duration_ns("--commit-every", &self.commit_every)?,
                silence_ns: or_off("--silence", &self.silence)?,
                on_full: self.on_full,
            },
            archive: self.target()?,
            topics: self.topics(),
            print: self.print,
            dry_run: self.dry_run.then(|| self.given.clone()),
        })
    }

    /// Where it is archived.
    fn target(&self) -> Result<Option<Target>> {
        let Some(typed) = self.archive.as_deref().filter(|typed| !typed.is_empty()) else {
            return self.keeping.refuse_without_archive().map(|()| None);
        };
        self.keeping.target(typed, &database(&self.database)?.path).map(Some)
    }

    /// Where messages come from.
    fn inlets(&self) -> Result<Inlets> {
        let default = [DEFAULT_ENDPOINT.to_owned()];
        let is_default = self.connect.is_empty() && self.bind.is_empty();
        let told = self.told()?;
        let message_max_bytes = bytes("--max-message", &self.max_message, 1..=MESSAGE_MAX_BYTES as u64)?;
        let queue_bytes = self.queue_bytes()?;
        let connect = connects(if is_default { &default } else { &self.connect })?;
        let bind = binds(&self.bind)?;
        let (queue_messages, hold_max_bytes) = match self.on_full {
            OnFull::Drop => (QUEUE_MESSAGES, message_max_bytes + queue_bytes),
            // Whole messages wait in libzmq, one at least, while the next one comes.
            OnFull::Block => {
                let each_bytes = queue_bytes / (connect.len() + bind.len()) as u64;
                let messages = (each_bytes / message_max_bytes).clamp(1, QUEUE_MESSAGES as u64);
                (messages as i32, 2 * message_max_bytes + queue_bytes)
            }
        };
        Ok(Inlets {
            keys: self.keys.settings(connect.len(), bind.len())?,
            connect,
            bind,
            kind: self.socket,
            subscriptions: told.wanted.subscriptions(told.framing),
            message_max_bytes: message_max_bytes as usize,
            hold_max_bytes,
            queue_messages,
            heartbeat: or_off("--heartbeat", &self.heartbeat)?
                .map(|every_ns| Duration::from_nanos(every_ns.unsigned_abs())),
        })
    }

    /// What of it to keep.
    fn trigger(&self) -> Result<Option<When>> {
        let Some(condition) = &self.trigger else { return Ok(None) };
        Ok(Some(When {
            condition: parse("--trigger", condition)?,
            before_ns: duration_or_zero_ns("--before", &self.before)?,
            after_ns: duration_or_zero_ns("--after", &self.after)?,
            count: self.count,
            held_max_bytes: self.queue_bytes()? as usize,
        }))
    }

    /// Memory for messages that wait for the disk.
    fn queue_bytes(&self) -> Result<u64> {
        bytes("--queue", &self.queue, QUEUE_MIN_BYTES..=QUEUE_MAX_BYTES)
    }

    /// The topics that were asked for.
    fn topics(&self) -> Vec<String> {
        match (self.topic.is_empty(), self.socket) {
            (false, _) => self.topic.clone(),
            (true, ReceivingKind::Sub) if self.dry_run => vec!["*".to_owned()],
            (true, ReceivingKind::Sub) => vec![REFERENCE_TOPIC.to_owned()],
            (true, ReceivingKind::Pull) => vec!["*".to_owned()],
        }
    }

    /// What was said of the streams.
    fn told(&self) -> Result<Told> {
        if self.socket == ReceivingKind::Pull && self.topic.iter().any(|topic| topic != "*") {
            let rule = "a PULL socket has no subscriptions: it takes what it is given; leave --topic out".to_owned();
            return Err(refuse("--topic", &self.topic.join(" "), rule));
        }
        let told = Told {
            wanted: wanted(&self.topics())?,
            framing: self.framing.told(),
            layouts: about("--layout", &self.layout)?,
            channels: channels("--channels", &self.channels)?,
            sample_rates_hz: about("--sample-rate", &self.sample_rate)?,
            counters: about("--counter", &self.counter)?,
        };
        for About { topic, what } in &told.channels {
            // Where the layout is known too, it is known now whether they fit; else when the stream comes.
            let layout = told.layouts.iter().rfind(|layout| layout.topic == *topic || layout.topic.is_none());
            if let Some(layout) = layout {
                what.fit(&layout.what).map_err(|cause| refuse("--channels", &what.to_string(), cause))?;
            }
        }
        if let Some(rate) = told.sample_rates_hz.iter().find(|rate| !rate.what.is_finite() || rate.what <= 0.0) {
            return Err(refuse("--sample-rate", &rate.what.to_string(), "a sample rate is above zero".to_owned()));
        }
        Ok(told)
    }
}

/// A duration, or nothing.
fn or_off(option: &'static str, text: &str) -> Result<Option<i64>> {
    if text == "off" { Ok(None) } else { duration_ns(option, text).map(Some) }
}

/// A duration, which may be none.
fn duration_or_zero_ns(option: &'static str, text: &str) -> Result<i64> {
    if ["0", "0s"].contains(&text) { Ok(0) } else { duration_ns(option, text) }
}

/// Shorter or smaller sessions are a mistake: each costs some pages of the database, and a line of every list.
const SPLIT_MIN_NS: i64 = NS_PER_S;
const SPLIT_MIN_BYTES: u64 = 1 << 20;

/// A duration, or else a size.
fn split_every(text: &str) -> Result<SplitEvery> {
    const OPTION: &str = "--split-every";
    // For a duration it would be months.
    let megabytes = text.strip_suffix('M').filter(|number| is_bare(number));
    if let Some(number) = megabytes.or_else(|| is_bare(text).then_some(text)) {
        let cause = format!("a size or a time needs its unit: {number}MB or {number}MiB, or {number}min or {number}s");
        return Err(refuse(OPTION, text, cause));
    }
    match humantime::parse_duration(text).is_ok() {
        true => match duration_ns(OPTION, text)? {
            ..SPLIT_MIN_NS => Err(refuse(OPTION, text, "a session lasts at least 1s, such as 10min or 1h".to_owned())),
            every_ns => Ok(SplitEvery::ElapsedNs(every_ns)),
        },
        false => bytes(OPTION, text, SPLIT_MIN_BYTES..=u64::MAX).map(SplitEvery::Bytes),
    }
}
