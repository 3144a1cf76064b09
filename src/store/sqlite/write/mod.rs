//! Writing sessions.

pub(in crate::store) mod beginning;
pub(in crate::store) mod durability;
pub(in crate::store) mod ending;
pub(in crate::store) mod importing;
pub(in crate::store) mod insertion;
pub(in crate::store) mod recording;
pub(in crate::store) mod summing;
