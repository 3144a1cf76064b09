//! The only place that knows SQLite: captures on disk.

mod beginning;
mod database;
mod deletion;
mod files;
mod foreign;
mod insertion;
mod leftovers;
mod pruning;
mod reader;
mod recording;
mod schema;
mod sessions;
mod space;
mod stamps;
mod succession;
mod verify;

pub use beginning::{EndReason, SessionStart};
pub use database::{Database, Durability};
pub use pruning::Room;
pub use reader::{Reader, Selection};
pub use recording::{Chapter, Ended, Recording};
pub use sessions::Session;
pub use space::{Limits, Space};
pub use stamps::Stamp;
pub use verify::Damage;
