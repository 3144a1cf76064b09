//! What can be typed behind `fancyhwd replay`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{DatabaseArguments, SendArguments};
use crate::time::clock::Pacing;

/// Options of `replay`.
#[derive(Args, Debug)]
pub struct ReplayArguments {
    /// Session to replay: an id, a label, or `latest` for the newest finished one
    #[arg(value_name = "SESSION", default_value = "latest")]
    pub session: String,
    /// What to replay from
    #[command(flatten)]
    pub database: DatabaseArguments,
    /// Where to send, and to whom
    #[command(flatten)]
    pub send: SendArguments,
    /// Factor on the speed, such as 0.5 or 10; `max` sends without a pause [default: 1]
    #[arg(long, value_name = "FACTOR")]
    pub speed: Option<String>,
    /// Packets per second at even distances, whatever was recorded
    #[arg(long, value_name = "HZ")]
    pub rate: Option<String>,
    /// Begin at an offset (90s, 1m30s), a packet number (#1500) or a time (2026-11-22T10:00:00Z)
    #[arg(long, value_name = "POSITION")]
    pub from: Option<String>,
    /// End before this position
    #[arg(long, value_name = "POSITION")]
    pub to: Option<String>,
    /// Only this topic, exactly; `*` is every topic. May be given several times
    #[arg(long, value_name = "NAME")]
    pub topic: Vec<String>,
    /// Send a topic under another name. May be given several times
    #[arg(long, value_name = "OLD=NEW")]
    pub map: Vec<String>,
    /// Leave out messages that were rejected when they were recorded
    #[arg(long)]
    pub only_valid: bool,
    /// Replay again and again, or N times
    #[arg(
        long = "loop",
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "forever",
        default_value = "1",
        hide_default_value = true
    )]
    pub passes: String,
    /// The longest time between two packets, such as 1s: longer gaps are cut
    #[arg(long, value_name = "DURATION")]
    pub max_gap: Option<String>,
    /// Begin with a pause, which the space bar or SIGUSR1 ends
    #[arg(long)]
    pub paused: bool,
    /// How to wait until a packet is due
    #[arg(long, value_name = "PACING", default_value = "precise")]
    pub pacing: Pacing,
    /// End with exit status 3 when one packet in a hundred left later than this
    #[arg(long, value_name = "DURATION")]
    pub lateness_budget: Option<String>,
    /// Write how late the packets left into this file, as JSON
    #[arg(long, value_name = "PATH")]
    pub timing_report: Option<PathBuf>,
}
