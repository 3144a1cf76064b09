//! The process among others: signals, the terminal, and what must not be left behind.

pub mod leavings;
pub mod marks;
pub mod masks;
pub mod signals;
pub mod stop;
pub mod terminal;
