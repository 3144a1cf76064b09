//! What happened to a capture, as it is drawn on the time axis.

use serde_json::Value;

use crate::escape;
use crate::observe::event::Kind;

/// What a mark looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// Somebody set it, or a condition held: a flag.
    Flag,
    /// Something else happened: a dot.
    Dot,
    /// Something took longer than it should have, and nothing was lost by that alone: an open box.
    Stall,
    /// Messages were lost, or may have been: a full box.
    Loss,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What it looks like.
    pub shape: Shape,
    /// When it began, since the session began.
    pub from_ns: i64,
    /// When it was over; the same for a moment.
    pub to_ns: i64,
    /// What it is, on one line.
    pub words: String,
}

/// A text on a picture is no longer than this, in characters.
const WORDS_MAX_CHARS: usize = 60;

impl Mark {
    /// Whether it says that messages were lost, or may have been.
    pub fn is_loss(&self) -> bool {
        self.shape == Shape::Loss
    }

    /// An entry of the ledger of a session that ended then. `None` where it says nothing that can be drawn.
    pub fn of(entry: &Value, last_elapsed_ns: i64) -> Option<Self> {
        let kind = entry.get("kind")?.as_str()?;
        let from_ns = entry.get("elapsed_ns")?.as_i64()?;
        let until_ns = entry.get("until_elapsed_ns").and_then(Value::as_i64);
        let lost = entry.get("lost").and_then(Value::as_u64);
        let known = Kind::named(kind);
        let shape = match lost {
            Some(1..) => Shape::Loss,
            _ => known.map_or(Shape::Dot, |known| shape(known, lost.is_some())),
        };
        // What has begun and is not over goes on to the end.
        // Of one peer among several, they are moments.
        let is_of_all = entry.get("peer").is_none_or(Value::is_null);
        let goes_on = is_of_all && until_ns.is_none() && known.is_some_and(Kind::goes_on);
        let to_ns = if goes_on { last_elapsed_ns } else { until_ns.unwrap_or(from_ns) }.max(from_ns);
        let mut words = match (lost, shape) {
            (Some(lost @ 1..), _) => format!("{kind}: {lost} lost"),
            (_, Shape::Flag) => entry.get("detail").and_then(Value::as_str).unwrap_or(kind).to_owned(),
            _ => kind.to_owned(),
        };
        if let Some((at, _)) = words.char_indices().nth(WORDS_MAX_CHARS) {
            words.truncate(at);
            words.push('\u{2026}');
        }
        Some(Self { shape, from_ns, to_ns, words: escape::line(&words).into_owned() })
    }
}

/// What an entry looks like that says of no message that it was lost; `is_counted` where it says that none was.
fn shape(kind: Kind, is_counted: bool) -> Shape {
    match kind {
        Kind::Mark | Kind::Trigger => Shape::Flag,
        Kind::Stall | Kind::OwnStall | Kind::DiskFull | Kind::SyncedLate | Kind::Silence => Shape::Stall,
        Kind::Disconnected
        | Kind::Unreached
        | Kind::Overflow
        | Kind::TooLarge
        | Kind::Cut
        | Kind::CounterGap
        | Kind::CounterJump
        | Kind::Gap
        | Kind::Damaged => match is_counted {
            true => Shape::Dot,
            false => Shape::Loss,
        },
        Kind::Connected
        | Kind::ClockStep
        | Kind::Moved
        | Kind::Admitted
        | Kind::Refused
        | Kind::CounterReorder
        | Kind::CounterRepeat
        | Kind::CounterRestart
        | Kind::ArchiveLag
        | Kind::Deleted
        | Kind::Failed
        | Kind::NotTriggered => Shape::Dot,
    }
}
