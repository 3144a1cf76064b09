//! Captures in an SQLite database: the only place that knows SQLite.

pub(in crate::store) mod cutting;
pub(in crate::store) mod describing;
pub(in crate::store) mod failover;
pub(in crate::store) mod fields;
pub(in crate::store) mod marking;
pub(in crate::store) mod open;
pub(in crate::store) mod read;
pub(in crate::store) mod recover;
pub(in crate::store) mod retention;
pub(in crate::store) mod schema;
pub(in crate::store) mod seal;
pub(in crate::store) mod untrusted;
pub(in crate::store) mod write;

pub use cutting::Extract;
pub use describing::Description;
pub use marking::NOTE_MAX_BYTES;
pub use open::database::Database;
pub use open::files::{FILE_MODE, STATUS_BYTES, belongs_to, beside, place, status_path, true_path};
pub use open::holders::of_writing as holder_of_writing;
pub use open::space::{Limits, Space};
pub use read::copying::Copied;
pub use read::ledger::Ledger;
pub use read::parts::{Part, Parts};
pub use read::reader::Reader;
pub use read::rows::Selection;
pub use read::sessions::{Listed, Name, Session};
pub use read::stamps::{Asked, Stamp};
pub use read::verify::{Damage, Verdict};
pub use recover::{LOST_ENDPOINT, Piece, Proven, RowState, Salvage, Unread};
pub use retention::pruning::Room;
pub use write::beginning::{EndReason, EndpointStart, SessionStart};
pub use write::durability::Durability;
pub use write::importing::Origin;
pub use write::insertion::{Missed, ToCommit};
pub use write::recording::{Chapter, Ended, Recording};
