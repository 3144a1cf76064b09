//! Captures on disk.

mod sqlite;

pub use sqlite::{
    Chapter, Copied, Damage, Database, Description, Durability, EndReason, Ended, EndpointStart, Extract, FILE_MODE,
    Ledger, Limits, Listed, Missed, Name, Origin, Part, Parts, Reader, Recording, Room, STATUS_BYTES, Selection,
    Session, SessionStart, Space, Stamp, ToCommit, Verdict, belongs_to, beside, holder_of_writing, place, status_path,
    true_path,
};
