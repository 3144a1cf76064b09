//! What can be typed behind `fancyhwd replay`.

use clap::Args;

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
    /// Factor on the speed, such as 0.5 or 10; `max` sends without a pause
    #[arg(long, value_name = "FACTOR", default_value = "1", env = "FANCYHWD_SPEED", hide_env_values = true)]
    pub speed: String,
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
}
