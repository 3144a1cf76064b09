//! The archive: captures on NATS JetStream, replicated over several machines. The only place that knows NATS.

pub mod bundle;
mod deleting;
mod described;
mod failure;
mod finding;
mod link;
mod made;
mod names;
pub mod parts;
mod reading;
mod sending;

pub use failure::Failure;
pub use finding::Found;
pub use link::Link;
pub use reading::{Archived, Bundles, Reading};
pub use sending::{Acknowledged, Reached, Sending};
