//! Captures: in a database here, and in an archive on other machines.

mod address;
mod captures;
#[cfg(feature = "archive")]
pub mod nats;
mod sqlite;

pub use address::{Access, Address, Keeping, RecorderName, Source, Target};
pub use captures::{Captures, Commits, Lineage, Name, ProvenCommit};

pub use sqlite::{
    Archiving, Asked, Chapter, Copied, Damage, Database, Description, Durability, EndReason, Ended, EndpointStart,
    Extract, FILE_MODE, LOST_ENDPOINT, Largest, Ledger, Limits, Listed, Missed, NOTE_MAX_BYTES, Origin, Part, Parts,
    Piece, Proven, Reader, Recording, Restored, Room, RowState, STATUS_BYTES, Salvage, Selection, Session,
    SessionStart, Space, Stamp, ToCommit, Unread, Unsent, Verdict, belongs_to, beside, free_bytes, holder_of_writing,
    place, services, status_path, true_path,
};
