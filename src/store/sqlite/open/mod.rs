//! Files, locks and connections: opening a database, and what it is when nobody has it open.

pub(in crate::store) mod changing;
pub(in crate::store) mod connection;
pub(in crate::store) mod database;
mod failure;
pub(in crate::store) mod files;
pub(in crate::store) mod holders;
pub(in crate::store) mod journal;
pub(in crate::store) mod lock;
pub(in crate::store) mod logless;
mod owner;
mod permission;
pub mod services;
pub(in crate::store) mod space;
