//! What to play, and what was played.

use crate::analysis::lateness::Lateness;
use crate::codec::topic::Topic;
use crate::message::Gaps;
use crate::observe::tally::Tally;
use crate::replayer::{Holds, Passes};
use crate::time::clock::Pacing;
use crate::time::pace::Rhythm;
use crate::time::stalls::Stalls;

/// How to play.
#[derive(Clone, Debug)]
pub struct Playback {
    /// How far apart messages are sent.
    pub rhythm: Rhythm,
    /// The longest time between two messages.
    pub max_gap_ns: Option<i64>,
    /// How often the session is played.
    pub passes: Passes,
    /// Whether to begin with a pause.
    pub paused: bool,
    /// How to wait.
    pub pacing: Pacing,
    /// Topics that are sent under another name: the old one and the new one.
    pub renamed: Vec<(Topic, Topic)>,
    /// Whether to send at once what was due while this process was stopped.
    pub catch_up: bool,
}

/// What was played.
#[derive(Debug, Default)]
pub struct Played {
    /// The totals.
    pub tally: Tally,
    /// From the first message to the last.
    pub elapsed_ns: i64,
    /// How late messages left.
    pub lateness: Lateness,
    /// How often the next message was not read yet when it was wanted.
    pub underruns: u64,
    /// Whether the processors stayed awake for messages.
    pub kept_awake: bool,
    /// What was missing, because the database is damaged.
    pub gaps: Gaps,
    /// Whether a stop ended it.
    pub stopped: bool,
    /// When this process was stopped.
    pub stalls: Stalls,
    /// When the one that it goes with was.
    pub holds: Holds,
}
