//! When: clocks, waiting, schedules and places in time.

pub mod clock;
pub mod durations;
pub mod pace;
pub mod position;
pub mod stalls;
