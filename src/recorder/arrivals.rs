//! What the receiver hands over: a batch, and what happened beside its messages.

use crate::message::queue::Load;
use crate::message::{BATCH_MAX_BYTES, Batch};
use crate::observe::event::Event;
use crate::time::clock::SessionClock;

/// What an entry of the ledger takes, with its texts, about.
const EVENT_BYTES: usize = 512;

/// What is being stored is in memory so many times at most: here, bound to a statement of SQLite, and as a row.
pub const STORING_TIMES: u64 = 3;

/// What came until it was handed over. It is stored in one transaction.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// The messages.
    pub batch: Batch,
    /// Entries for the ledger.
    pub events: Vec<Event>,
    /// Messages that nobody had asked for.
    pub unwanted: u64,
    /// A session begins with this, if one does.
    pub session_start: Option<SessionClock>,
    /// The number in its session, from 0, of the first message, once it is stored.
    pub first_number: i64,
}

impl Arrivals {
    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.unwanted == 0 && self.events.is_empty() && self.session_start.is_none()
    }

    /// Whether it should be handed over instead of growing.
    pub fn is_full(&self) -> bool {
        self.batch.is_full() || self.bytes() >= BATCH_MAX_BYTES
    }
}

impl Load for Arrivals {
    fn bytes(&self) -> usize {
        self.batch.bytes() + EVENT_BYTES * self.events.len()
    }

    fn clear(&mut self) {
        self.batch.clear();
        self.events.clear();
        (self.unwanted, self.session_start, self.first_number) = (0, None, 0);
    }
}
