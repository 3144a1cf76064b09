//! The only place that knows SQLite: captures on disk.

mod database;
mod insertion;
mod reader;
mod recording;
mod schema;
mod sessions;
mod verify;

pub use database::{Database, Durability};
pub use reader::Reader;
pub use recording::{EndReason, Recording, SessionStart};
pub use sessions::Session;
pub use verify::Damage;
