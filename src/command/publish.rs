//! `fancyhwd publish`.

use crate::codec::framing::Framing;
use crate::codec::layout::Fields;
use crate::codec::number::Type;
use crate::codec::topic::Topic;
use crate::command::{SendSettings, cut_off};
use crate::device::{Opened, Source};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::message::MESSAGE_MAX_BYTES;
use crate::process::stop::Stop;
use crate::publisher::{self, Publication, Published};
use crate::service;
use crate::socket::{Outlet, Sender};
use crate::time::pace::Cadence;

/// What `publish` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to, ...
    pub outlet: Outlet,
    /// ... and after how many subscribers.
    pub send: SendSettings,
    /// From where.
    pub device: Source,
    /// Seed of the simulated device.
    pub seed: u32,
    /// The numbers of a record, if somebody said so.
    pub record: Option<Fields>,
    /// When packets are due, if somebody said so.
    pub cadence: Option<Cadence>,
    /// The topic of every packet ...
    pub topic: Topic,
    /// ... and where it is.
    pub framing: Framing,
    /// How many records are in a packet.
    pub packet_records: u32,
    /// The type of the number that stands before the records and counts the packets, if there is one.
    pub counter: Option<Type>,
    /// Packets after which to end.
    pub count: Option<u64>,
    /// Whether to send at once what was due while this process was stopped.
    pub catch_up: bool,
}

/// The interval of the C program that the simulated device stands for.
const DEFAULT_CADENCE: Cadence = Cadence::PeriodNs(1e9);

impl Settings {
    /// What to publish of this device, and how fast: unless somebody said so, as its samples were taken.
    fn publication(&self, opened: &Opened) -> Publication {
        let period_ns = |rate_hz: u32| Cadence::PeriodNs(1e9 * f64::from(self.packet_records) / f64::from(rate_hz));
        let own = opened.rate_hz.map_or(DEFAULT_CADENCE, period_ns);
        Publication {
            topic: self.topic.clone(),
            framing: self.framing,
            record: opened.record.clone(),
            packet_records: self.packet_records,
            counter: self.counter,
            cadence: self.cadence.unwrap_or(own),
            count: self.count,
            catch_up: self.catch_up,
        }
    }
}

/// Publish a device until it ends, the count is reached, or a stop is asked for.
///
/// # Errors
/// When the device or an endpoint cannot be opened, or fails later.
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    let mut opened = settings.device.open(settings.seed, settings.record.as_ref())?;
    let publication = settings.publication(&opened);
    let head = publication.head();
    let message_bytes = head.len() as u64 + publication.payload_bytes() as u64;
    if message_bytes > MESSAGE_MAX_BYTES as u64 {
        let cause = format!("a packet would have {message_bytes} bytes, and {MESSAGE_MAX_BYTES} are the most");
        return Err(Error::Setting { option: "--packet-size", value: settings.packet_records.to_string(), cause });
    }
    let mut sender = Sender::open(&settings.outlet, vec![head], message_bytes)?;
    let status = format!(
        "publishing {} on {}, {} records of {} a packet, {}",
        publication.topic,
        sender.endpoints().join(" "),
        publication.packet_records,
        publication.record,
        publication.cadence,
    );
    tracing::info!(event = "started", "{status}");
    service::ready(&status);

    let published = match sender.wait_for_subscribers(settings.send.wait_subscribers, stop)? {
        true => Published::default(),
        false => publisher::run(opened.device.as_mut(), &mut sender, &publication, &status, stop)?,
    };
    service::stopping();
    let subscribers = sender.subscribers()?;
    let cut = cut_off(sender.cut());
    let dropped = sender.close(stop);

    if published.odd_bytes > 0 {
        let bytes = match published.odd_bytes {
            1 => "byte was".to_owned(),
            bytes => format!("{bytes} bytes were"),
        };
        tracing::warn!("the stream ended in the middle of a record: its last {bytes} not sent");
    }
    tracing::info!(
        event = "ended",
        messages = published.tally.messages,
        bytes = published.tally.bytes,
        lost = dropped.messages,
        "published {}, {dropped}; subscribers at the end: {subscribers}{cut}{}",
        published.tally.over(published.elapsed_ns),
        published.stalls,
    );
    Ok(Exit::from_loss(published.odd_bytes > 0 || dropped.any()))
}
