//! A database that is damaged, page by page: what can be read of it, and what of that is proven.

mod log;
mod pages;
mod parts;
mod proof;
mod records;
mod salvage;
mod tables;

pub use parts::{LOST_ENDPOINT, Piece, Proven, RowState};
pub use salvage::{Salvage, Unread};
