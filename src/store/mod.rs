//! Captures on disk.

mod sqlite;

pub use sqlite::{
    Chapter, Copied, Damage, Database, Durability, EndReason, Ended, FILE_MODE, Ledger, Limits, Listed, Name, Reader,
    Recording, Room, Selection, Session, SessionStart, Space, Stamp, Verdict, beside, true_path,
};
