//! Questions about what was captured or replayed, and their answers.

pub mod diff;
pub mod lateness;
pub mod statistics;
pub mod survey;
