//! The only place that knows SQLite: captures on disk.

mod beginning;
mod copying;
mod database;
mod deletion;
mod durability;
mod ending;
mod files;
mod foreign;
mod insertion;
mod journal;
mod leftovers;
mod logless;
mod pruning;
mod reader;
mod recording;
mod rows;
mod schema;
mod sessions;
mod space;
mod stamps;
mod succession;
mod verify;
mod waiting;

pub use beginning::{EndReason, SessionStart};
pub use copying::Copied;
pub use database::Database;
pub use durability::Durability;
pub use files::{FILE_MODE, beside, true_path};
pub use pruning::Room;
pub use reader::Reader;
pub use recording::{Chapter, Ended, Recording};
pub use rows::Selection;
pub use sessions::{Name, Session};
pub use space::{Limits, Space};
pub use stamps::Stamp;
pub use verify::{Damage, Verdict};
