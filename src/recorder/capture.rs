//! What a recording takes, and when it ends.

use crate::message::queue::OnFull;
use crate::recorder::When;
use crate::streams::Told;

/// When a session is followed by the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitEvery {
    /// After this time.
    ElapsedNs(i64),
    /// After so many bytes of messages with their stamps.
    Bytes(u64),
}

/// What to take, and when to end.
#[derive(Clone, Debug)]
pub struct Capture {
    /// Which topics to take, and what is known of them.
    pub told: Told,
    /// What of it to keep; `None` is all.
    pub trigger: Option<When>,
    /// Messages after which to end, if all are kept.
    pub count: Option<u64>,
    /// Time after which to end.
    pub duration_ns: Option<i64>,
    /// When a session is followed by the next one.
    pub split_every: Option<SplitEvery>,
    /// The age at which a batch is handed over.
    pub commit_every_ns: i64,
    /// A link that is silent for longer than this is told of.
    pub silence_ns: Option<i64>,
    /// What to do when the queue is full.
    pub on_full: OnFull,
}
