//! Reading sessions, proven by their digests.

pub(in crate::store) mod commits;
pub(in crate::store) mod copying;
pub(in crate::store) mod ledger;
mod near;
mod overviews;
pub(in crate::store) mod parts;
pub(in crate::store) mod reader;
pub(in crate::store) mod rows;
pub(in crate::store) mod sessions;
pub(in crate::store) mod sizes;
pub(in crate::store) mod stamps;
pub(in crate::store) mod strays;
pub(in crate::store) mod streams;
pub(in crate::store) mod verify;
