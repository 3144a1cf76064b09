//! The reading thread: keeps the queue to the player full.

use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use crate::codec::condition::Condition;
use crate::error::Result;
use crate::message::queue::{CloseOnDrop, Queue};
use crate::message::{BATCH_MAX_BYTES, Batch};
use crate::replayer::Places;
use crate::store::Reader;
use crate::time::position::Position;

/// What is read ahead, beside the batch that is played and the one that is read: enough for most of a second at 100,000
/// packets a second, little enough to forget.
pub const PREFETCH_BYTES: usize = BATCH_MAX_BYTES / 2 * 3;

/// How often a session is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    /// So many times.
    Times(u64),
    /// Until stopped.
    Endless,
}

impl FromStr for Passes {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text.parse() {
            Ok(0) => Err("a session is replayed at least once"),
            Ok(times) => Ok(Self::Times(times)),
            Err(_) if text == "forever" => Ok(Self::Endless),
            Err(_) => Err("a number of passes, or `forever`"),
        }
    }
}

/// Where the player wants to go on.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// At this position.
    At(Position),
    /// At the last message before the one with this number.
    Before(i64),
    /// Where what is looked for begins to hold next.
    Place(Since),
    /// Where this first holds, which is looked for from now on; else at the message of this number.
    Condition(Condition, i64),
}

/// From where on a place is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// Whether behind it.
    pub is_forward: bool,
    /// The message that is waited for, or was sent last.
    pub number: i64,
    /// A place before begins before that time.
    pub before_ns: i64,
    /// Where the replay goes on if there is none.
    pub next_number: i64,
}

/// The jumps that the player asks for. What was read before a jump is known by its number and thrown away.
#[derive(Debug, Default)]
pub struct Jumps {
    asked: Mutex<(u64, Option<Target>)>,
}

impl Jumps {
    /// Ask for a jump. Gives the number that the batches have that were read after it.
    pub fn ask(&self, target: Target) -> u64 {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        *asked = (asked.0 + 1, Some(target));
        asked.0
    }

    /// The number of the last jump, and where it goes if that was not taken yet.
    fn take(&self) -> (u64, Option<Target>) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        (asked.0, asked.1.take())
    }
}

/// Read the session again and again, each pass followed by an empty batch, until the player closes the queue. It knows
/// how many passes it wants, and may jump back at the very end.
///
/// # Errors
/// When the database cannot be read.
pub fn prefetch(mut reader: Reader, mut places: Places<'_>, queue: &Queue<Batch>, jumps: &Jumps) -> Result<()> {
    let _close = CloseOnDrop(queue);
    let behind = reader.numbers().1.saturating_add(1);
    let mut batch = Batch::default();
    let mut usual_bytes = 0;
    // What is read earlier than there is room waits in memory too, beside what is played and what is in the queue.
    while queue.wait_for_room(usual_bytes) {
        let (jump, target) = jumps.take();
        match target {
            Some(Target::At(position)) => reader.seek(position)?,
            Some(Target::Before(number)) => reader.seek_before(number)?,
            Some(Target::Place(since)) => reader.go_between(&(places.find(since)?..behind)),
            Some(Target::Condition(condition, next_number)) => {
                reader.go_between(&(places.look_for(condition, next_number)?..behind));
            }
            None => {}
        }
        reader.read(&mut batch)?;
        batch.set_jump(jump);
        if batch.is_empty() {
            reader.rewind();
        }
        usual_bytes = batch.bytes();
        match queue.push(batch) {
            Some(empty) => batch = empty,
            None => break,
        }
    }
    Ok(())
}
