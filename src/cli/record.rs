//! What can be typed behind `fancyhwd record`.

use clap::Args;

use crate::cli::DatabaseArguments;
use crate::message::queue::OnFull;
use crate::store::Durability;

/// Options of `record`.
#[derive(Args, Debug)]
pub struct RecordArguments {
    /// Endpoint of a device, tcp://HOST:PORT or ipc://PATH. May be given several times
    #[arg(long, value_name = "ENDPOINT", default_value = "tcp://127.0.0.1:5555")]
    pub connect: Vec<String>,
    /// Topic to record, exactly; `*` records every topic. May be given several times
    #[arg(long, value_name = "NAME", default_value = "fancyhw_data")]
    pub topic: Vec<String>,
    /// Where to record
    #[command(flatten)]
    pub database: DatabaseArguments,
    /// Name of the session, not digits alone, which are an id
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Remark about the session
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Stop after so many packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Stop after this time, such as 90s or 1h30m
    #[arg(long, value_name = "DURATION")]
    pub duration: Option<String>,
    /// Begin a new session after this time or size, such as 1h or 2GB, without losing a packet. SIGHUP does so at once
    #[arg(long, value_name = "DURATION|SIZE")]
    pub split_every: Option<String>,
    /// The most that the database may take, such as 20GB: the oldest finished sessions are deleted
    #[arg(long, value_name = "SIZE")]
    pub max_use: Option<String>,
    /// What must stay free on the disk, such as 1GB: the oldest finished sessions are deleted
    #[arg(long, value_name = "SIZE")]
    pub keep_free: Option<String>,
    /// What a commit survives
    #[arg(long, value_name = "LEVEL", default_value = "full")]
    pub durability: Durability,
    /// The longest time until a packet is on its way to the disk
    #[arg(long, value_name = "DURATION", default_value = "100ms")]
    pub commit_every: String,
    /// Memory for packets that wait for the disk, such as 64MiB or 2GB
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    pub queue: String,
    /// The largest message that is received, such as 64KiB, up to 16MiB; a larger one breaks the link, which is mended
    #[arg(long, value_name = "SIZE", default_value = "1MiB")]
    pub max_message: String,
    /// What to do when that memory is full
    #[arg(long, value_name = "POLICY", default_value = "drop")]
    pub on_full: OnFull,
    /// Print each packet, decoded, once it is stored
    #[arg(long)]
    pub print: bool,
}
