//! What can be typed behind `fancyhwd record`.

use clap::Args;
use clap::builder::BoolishValueParser;

use crate::cli::DatabaseArguments;

/// Options of `record`.
#[derive(Args, Debug)]
pub struct RecordArguments {
    /// Endpoint of a device, tcp://HOST:PORT or ipc://PATH. May be given several times
    #[arg(
        long,
        value_name = "ENDPOINT",
        default_value = "tcp://127.0.0.1:5555",
        env = "FANCYHWD_CONNECT",
        hide_env_values = true
    )]
    pub connect: Vec<String>,
    /// Topic to record, exactly; `*` records every topic. May be given several times
    #[arg(long, value_name = "NAME", default_value = "fancyhw_data", env = "FANCYHWD_TOPIC", hide_env_values = true)]
    pub topic: Vec<String>,
    /// Where to record
    #[command(flatten)]
    pub database: DatabaseArguments,
    /// Name of the session, not digits alone, which are an id
    #[arg(long, value_name = "TEXT", env = "FANCYHWD_LABEL", hide_env_values = true)]
    pub label: Option<String>,
    /// Remark about the session
    #[arg(long, value_name = "TEXT", env = "FANCYHWD_NOTE", hide_env_values = true)]
    pub note: Option<String>,
    /// Stop after so many packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), env = "FANCYHWD_COUNT", hide_env_values = true)]
    pub count: Option<u64>,
    /// Stop after this time, such as 90s or 1h30m
    #[arg(long, value_name = "DURATION", env = "FANCYHWD_DURATION", hide_env_values = true)]
    pub duration: Option<String>,
    /// Begin a new session after this time or size, such as 1h or 2GB, without losing a packet. SIGHUP does so at once
    #[arg(long, value_name = "DURATION|SIZE", env = "FANCYHWD_SPLIT_EVERY", hide_env_values = true)]
    pub split_every: Option<String>,
    /// The most that the database may take, such as 20GB: the oldest finished sessions are deleted
    #[arg(long, value_name = "SIZE", env = "FANCYHWD_MAX_USE", hide_env_values = true)]
    pub max_use: Option<String>,
    /// What must stay free on the disk, such as 1GB: the oldest finished sessions are deleted
    #[arg(long, value_name = "SIZE", env = "FANCYHWD_KEEP_FREE", hide_env_values = true)]
    pub keep_free: Option<String>,
    /// What a commit survives: `full` also a power cut, `normal` a crash of the program; a power cut takes five seconds at most
    #[arg(long, value_name = "LEVEL", default_value = "full", env = "FANCYHWD_DURABILITY", hide_env_values = true)]
    pub durability: String,
    /// The longest time until a packet is on its way to the disk
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "100ms",
        env = "FANCYHWD_COMMIT_EVERY",
        hide_env_values = true
    )]
    pub commit_every: String,
    /// Memory for packets that wait for the disk, such as 64MiB or 2GB
    #[arg(long, value_name = "SIZE", default_value = "256MiB", env = "FANCYHWD_QUEUE", hide_env_values = true)]
    pub queue: String,
    /// The largest message that is received, such as 64KiB, up to 16MiB; a larger one breaks the link, which is mended
    #[arg(long, value_name = "SIZE", default_value = "1MiB", env = "FANCYHWD_MAX_MESSAGE", hide_env_values = true)]
    pub max_message: String,
    /// When that memory is full: `drop` the newest packets and count them, or `block` the device, if it can wait
    #[arg(long, value_name = "POLICY", default_value = "drop", env = "FANCYHWD_ON_OVERFLOW", hide_env_values = true)]
    pub on_overflow: String,
    /// Print each packet, decoded, once it is stored
    #[arg(long, value_parser = BoolishValueParser::new(), env = "FANCYHWD_PRINT", hide_env_values = true)]
    pub print: bool,
}
