//! What can be typed behind `fancyhwd replay`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use crate::cli::{DatabaseArguments, SendArguments};

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
    #[arg(long, value_name = "FACTOR", env = "FANCYHWD_SPEED", hide_env_values = true)]
    pub speed: Option<String>,
    /// Packets per second at even distances, whatever was recorded
    #[arg(long, value_name = "HZ", env = "FANCYHWD_RATE", hide_env_values = true)]
    pub rate: Option<String>,
    /// Begin at an offset (90s, 1m30s), a packet number (#1500) or a time (2026-11-22T10:00:00Z)
    #[arg(long, value_name = "POSITION", env = "FANCYHWD_FROM", hide_env_values = true)]
    pub from: Option<String>,
    /// End before this position
    #[arg(long, value_name = "POSITION", env = "FANCYHWD_TO", hide_env_values = true)]
    pub to: Option<String>,
    /// Only this topic, exactly; `*` is every topic. May be given several times
    #[arg(long, value_name = "NAME", env = "FANCYHWD_TOPIC", hide_env_values = true)]
    pub topic: Vec<String>,
    /// Send a topic under another name. May be given several times
    #[arg(long, value_name = "OLD=NEW", env = "FANCYHWD_MAP", hide_env_values = true)]
    pub map: Vec<String>,
    /// Leave out messages that were rejected when they were recorded
    #[arg(long, value_parser = BoolishValueParser::new(), env = "FANCYHWD_ONLY_VALID", hide_env_values = true)]
    pub only_valid: bool,
    /// Replay again and again, or N times
    #[arg(
        long = "loop",
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "forever",
        default_value = "1",
        hide_default_value = true,
        env = "FANCYHWD_LOOP",
        hide_env_values = true
    )]
    pub passes: String,
    /// The longest time between two packets, such as 1s: longer gaps are cut
    #[arg(long, value_name = "DURATION", env = "FANCYHWD_MAX_GAP", hide_env_values = true)]
    pub max_gap: Option<String>,
    /// Begin with a pause, which the space bar or SIGUSR1 ends
    #[arg(long, value_parser = BoolishValueParser::new(), env = "FANCYHWD_PAUSED", hide_env_values = true)]
    pub paused: bool,
    /// How to wait: `precise` to the microsecond, or `economical` with less of the processor
    #[arg(long, value_name = "PACING", default_value = "precise", env = "FANCYHWD_PACING", hide_env_values = true)]
    pub pacing: String,
    /// End with exit status 3 when one packet in a hundred left later than this
    #[arg(long, value_name = "DURATION", env = "FANCYHWD_LATENESS_BUDGET", hide_env_values = true)]
    pub lateness_budget: Option<String>,
    /// Write how late the packets left into this file, as JSON
    #[arg(long, value_name = "PATH", env = "FANCYHWD_TIMING_REPORT", hide_env_values = true)]
    pub timing_report: Option<PathBuf>,
}
