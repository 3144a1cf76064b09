//! Room: what may stay, and how the rest goes.

pub(in crate::store) mod deletion;
pub(in crate::store) mod discarding;
pub(in crate::store) mod leftovers;
pub(in crate::store) mod pruning;
