//! What can be typed behind `fancyhwd publish`.

use crate::cli::values::{duration_ns, outlets, parse, refuse, send};
use crate::codec::counter::integer;
use crate::codec::framing::Framing;
use crate::codec::layout::{Fields, Layout, Numbers, Part};
use crate::codec::topic::Topic;
use crate::command::publish;
use crate::error::Result;
use crate::publisher::PACKET_MAX_RECORDS;
use crate::socket::Outlet;
use crate::time::pace::Cadence;
use clap::Args;

use crate::cli::SendArguments;

/// Options of `publish`.
#[derive(Args, Debug)]
pub struct PublishArguments {
    /// Where to send, and to whom
    #[command(flatten)]
    pub send: SendArguments,
    /// Topic of every packet: 1 to 255 bytes
    #[arg(long, value_name = "NAME", default_value = "fancyhw_data")]
    pub topic: String,
    /// Where the topic is
    #[arg(long, value_name = "FRAMING", default_value = "space")]
    pub framing: Framing,
    /// What a record is: types such as int16, float32x8 or int24-be,pad [default: int16, or the samples of a sound file]
    #[arg(long, value_name = "LAYOUT")]
    pub layout: Option<String>,
    /// What to publish: `simulated`, raw numbers from `stream:PATH` or `stream:-` (standard input), or the samples of a sound
    /// file, `wav:PATH`
    #[arg(long, value_name = "DEVICE", default_value = "simulated")]
    pub device: String,
    /// Seed of the simulated device, as for srand()
    #[arg(long, value_name = "N", default_value_t = 12345)]
    pub seed: u32,
    /// Records in a packet: 1 to 65536
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub packet_size: u32,
    /// Count the packets from 0 by a number of this type before the records, such as uint32
    #[arg(long, value_name = "TYPE")]
    pub counter: Option<String>,
    /// Time between two packets, such as 250ms, 1s or 1m30s [default: 1s, or that of the samples of a sound file]
    #[arg(long, value_name = "DURATION")]
    pub interval: Option<String>,
    /// Packets per second instead of an interval; `max` sends without a pause
    #[arg(long, value_name = "HZ")]
    pub rate: Option<String>,
    /// Stop after so many packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
}

impl PublishArguments {
    /// Check what was typed for `publish`.
    ///
    /// # Errors
    /// [`crate::error::Error::Setting`] for the first value that cannot be used.
    pub fn settings(&self) -> Result<publish::Settings> {
        if !(1..=PACKET_MAX_RECORDS).contains(&self.packet_size) {
            let rule = format!("a packet has 1 to {PACKET_MAX_RECORDS} records");
            return Err(refuse("--packet-size", &self.packet_size.to_string(), rule));
        }
        let cadence = match (&self.rate, &self.interval) {
            (Some(rate), _) => Some(Cadence::from_rate(rate).map_err(|cause| refuse("--rate", rate, cause))?),
            (None, Some(interval)) => Some(Cadence::PeriodNs(duration_ns("--interval", interval)? as f64)),
            (None, None) => None,
        };
        let topic: Topic = parse("--topic", &self.topic)?;
        if self.framing == Framing::Space && topic.has_space() {
            let rule = "a space ends the topic in one frame; send it as a frame of its own with --framing frames";
            return Err(refuse("--topic", &self.topic, rule.to_owned()));
        }
        let (bind, connect) = outlets(&self.send)?;
        let send = send(&self.send, connect.len(), bind.len())?;
        Ok(publish::Settings {
            outlet: Outlet {
                keys: send.keys.clone(),
                bind,
                connect,
                kind: self.send.socket,
                on_full: self.send.on_full,
            },
            send,
            device: parse("--device", &self.device)?,
            seed: self.seed,
            record: self.layout.as_deref().map(record).transpose()?,
            cadence,
            topic,
            framing: self.framing,
            packet_records: self.packet_size,
            counter: self
                .counter
                .as_deref()
                .map(|name| integer(name).map_err(|cause| refuse("--counter", name, cause)))
                .transpose()?,
            count: self.count,
            catch_up: self.send.catch_up,
        })
    }
}

/// The numbers of a record.
fn record(text: &str) -> Result<Fields> {
    let layout: Layout = parse("--layout", text)?;
    match layout.parts() {
        [Part::Numbers(Numbers { header, record })] if header.bytes() == 0 => Ok(record.clone()),
        [Part::Numbers(_)] => Err(refuse("--layout", text, "a device sends records without a header".to_owned())),
        _ => Err(refuse("--layout", text, "a device sends numbers in one frame".to_owned())),
    }
}
