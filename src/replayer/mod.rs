//! The two threads of `replay`: the reader fetches batches ahead of time, the player sends each message when it is due.
//! An empty batch in the queue between them ends a pass over the session.

mod player;
mod reader;

pub use player::{Played, Player};
pub use reader::{PREFETCH_BYTES, Passes, prefetch};
