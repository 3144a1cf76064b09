//! The reading thread: keeps the queue to the player full.

use std::str::FromStr;

use crate::batch::{BATCH_MAX_BYTES, Batch};
use crate::error::Result;
use crate::queue::{CloseOnDrop, Queue};
use crate::store::Reader;

/// What is read ahead: enough for seconds at any rate a device has, little enough to forget.
pub const PREFETCH_BYTES: usize = 3 * BATCH_MAX_BYTES;

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

/// Read the session as often as asked, each pass followed by an empty batch, until the player closes the queue.
///
/// # Errors
/// When the database cannot be read.
pub fn prefetch(mut reader: Reader, queue: &Queue, passes: Passes) -> Result<()> {
    let _close = CloseOnDrop(queue);
    let mut batch = Batch::default();
    let mut pass = 0;
    while passes == Passes::Endless || passes != Passes::Times(pass) {
        reader.read(&mut batch)?;
        if batch.is_empty() {
            reader.rewind();
            pass += 1;
        }
        match queue.push(batch) {
            Some(empty) => batch = empty,
            None => break,
        }
    }
    Ok(())
}
