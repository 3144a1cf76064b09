//! What is going on: what is counted, what happens beside the messages, how far it is.

pub mod event;
pub mod progress;
pub mod snapshot;
pub mod tally;
