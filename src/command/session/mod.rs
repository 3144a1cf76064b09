//! `fancyhwd session`: what was captured, as a table for people, as JSON for programs, and in files of other formats.

pub mod archive;
mod counted;
pub mod cut;
pub mod delete;
pub mod describe;
pub mod diff;
pub mod export;
pub mod fetch;
pub mod find;
pub mod import;
pub mod label;
pub mod list;
pub(super) mod making;
pub mod mark;
mod message;
pub mod note;
pub mod recover;
pub mod show;
pub mod verify;
