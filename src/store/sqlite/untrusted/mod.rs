//! What somebody else wrote is bounded, and what is damaged is told from what fails.

pub(in crate::store) mod damage;
pub(in crate::store) mod foreign;
pub(in crate::store) mod waiting;
