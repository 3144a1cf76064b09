//! Questions about what was captured or replayed, and their answers.

pub mod diff;
pub mod find;
pub mod lateness;
pub mod sought;
pub mod statistics;
pub mod survey;
