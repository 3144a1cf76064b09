//! What can be typed behind `fancyhwd publish`.

use crate::cli::values::{duration_ns, outlets, parse, refuse, send};
use crate::codec::counter::integer;
use crate::codec::framing::Framing;
use crate::codec::layout::{Layout, Numbers, Part};
use crate::codec::topic::Topic;
use crate::command::publish;
use crate::error::Result;
use crate::publisher;
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
    /// What a record is: types such as int16, float32x8 or int24-be,pad
    #[arg(long, value_name = "LAYOUT", default_value = "int16")]
    pub layout: String,
    /// What to publish: `simulated`, or raw numbers from `stream:PATH` or `stream:-` (standard input)
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
    /// Time between two packets, such as 250ms, 1s or 1m30s [default: 1s]
    #[arg(long, value_name = "DURATION")]
    pub interval: Option<String>,
    /// Packets per second instead of an interval; `max` sends without a pause
    #[arg(long, value_name = "HZ")]
    pub rate: Option<String>,
    /// Stop after so many packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
}

/// The interval of the C program that the simulated device stands for.
const DEFAULT_INTERVAL: &str = "1s";

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
            (Some(rate), _) => Cadence::from_rate(rate).map_err(|cause| refuse("--rate", rate, cause))?,
            (None, interval) => {
                let period_ns = duration_ns("--interval", interval.as_deref().unwrap_or(DEFAULT_INTERVAL))?;
                Cadence::PeriodNs(period_ns as f64)
            }
        };
        let topic: Topic = parse("--topic", &self.topic)?;
        if self.framing == Framing::Space && topic.has_space() {
            let rule = "a space ends the topic in one frame; send it as a frame of its own with --framing frames";
            return Err(refuse("--topic", &self.topic, rule.to_owned()));
        }
        let layout: Layout = parse("--layout", &self.layout)?;
        let [Part::Numbers(Numbers { header, record })] = layout.parts() else {
            return Err(refuse("--layout", &self.layout, "a device sends numbers in one frame".to_owned()));
        };
        if header.bytes() > 0 {
            return Err(refuse("--layout", &self.layout, "a device sends records without a header".to_owned()));
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
            publication: publisher::Publication {
                topic,
                framing: self.framing,
                record: record.clone(),
                packet_records: self.packet_size,
                counter: self
                    .counter
                    .as_deref()
                    .map(|name| integer(name).map_err(|cause| refuse("--counter", name, cause)))
                    .transpose()?,
                cadence,
                count: self.count,
                catch_up: self.send.catch_up,
            },
        })
    }
}
