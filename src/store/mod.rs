//! Captures on disk.

mod sqlite;

pub use sqlite::{
    Asked, Chapter, Copied, Damage, Database, Description, Durability, EndReason, Ended, EndpointStart, Extract,
    FILE_MODE, LOST_ENDPOINT, Ledger, Limits, Listed, Missed, NOTE_MAX_BYTES, Name, Origin, Part, Parts, Piece, Proven,
    Reader, Recording, Room, RowState, STATUS_BYTES, Salvage, Selection, Session, SessionStart, Space, Stamp, ToCommit,
    Unread, Verdict, belongs_to, beside, holder_of_writing, place, status_path, true_path,
};
