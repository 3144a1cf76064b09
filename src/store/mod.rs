//! The only place that knows SQLite: captures on disk.

mod beginning;
mod copying;
mod database;
mod files;
mod foreign;
mod insertion;
mod packets;
mod pruning;
mod reader;
mod recording;
mod schema;
mod sessions;
mod space;
mod succession;
mod survey;
mod verify;

pub use beginning::{EndReason, SessionStart};
pub use copying::Copied;
pub use database::{Database, Durability};
pub use files::{FILE_MODE, beside, true_path};
pub use packets::Packets;
pub use pruning::Room;
pub use reader::{Reader, Selection};
pub use recording::{Chapter, Ended, Recording};
pub use sessions::Session;
pub use space::{Limits, Space};
pub use survey::Extent;
pub use verify::Damage;
