//! What can be typed behind `fancyhwd publish`.

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
