//! What can be typed behind `fancyhwd publish`.

use crate::cli::values::{duration_ns, parse, refuse, send};
use crate::codec::envelope::PACKET_MAX_SAMPLES;
use crate::command::publish;
use crate::error::Result;
use crate::publisher;
use crate::time::pace::Cadence;
use clap::Args;

use crate::cli::SendArguments;

/// Options of `publish`.
#[derive(Args, Debug)]
pub struct PublishArguments {
    /// Where to send, and to whom
    #[command(flatten)]
    pub send: SendArguments,
    /// Topic of every packet: 1 to 255 bytes, no space
    #[arg(long, value_name = "NAME", default_value = "fancyhw_data")]
    pub topic: String,
    /// What to publish: `simulated`, or raw little-endian int16 from `stream:PATH` or `stream:-` (standard input)
    #[arg(long, value_name = "DEVICE", default_value = "simulated")]
    pub device: String,
    /// Seed of the simulated device, as for srand()
    #[arg(long, value_name = "N", default_value_t = 12345)]
    pub seed: u32,
    /// Samples in a packet: 1 to 65536
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub packet_size: u32,
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
        if !(1..=PACKET_MAX_SAMPLES).contains(&self.packet_size) {
            let rule = format!("a packet has 1 to {PACKET_MAX_SAMPLES} samples");
            return Err(refuse("--packet-size", &self.packet_size.to_string(), rule));
        }
        let cadence = match (&self.rate, &self.interval) {
            (Some(rate), _) => Cadence::from_rate(rate).map_err(|cause| refuse("--rate", rate, cause))?,
            (None, interval) => {
                let period_ns = duration_ns("--interval", interval.as_deref().unwrap_or(DEFAULT_INTERVAL))?;
                Cadence::PeriodNs(period_ns as f64)
            }
        };
        Ok(publish::Settings {
            send: send(&self.send)?,
            device: parse("--device", &self.device)?,
            seed: self.seed,
            publication: publisher::Publication {
                topic: parse("--topic", &self.topic)?,
                packet_samples: self.packet_size,
                cadence,
                count: self.count,
                catch_up: self.send.catch_up,
            },
        })
    }
}
