//! `fancyhwd` stands in for a measuring device that speaks over ZeroMQ, records what it sends and replays it.
//!
//! The way of the data:
//!
//! ```text
//! publish   device -> message -> socket
//! record    socket -> receiver (stamps) -> queue -> writer -> store
//! replay    store -> reader (prefetch) -> queue -> player (pace) -> socket
//! session   store -> table, JSON
//!           store -> batches -> exporter -> file
//!           file -> importer -> batches -> store
//! archive   store -> archiver -> bundles -> other machines, and back by the importer
//! serve     store -> pages, pictures, metrics -> browser
//! ```
//!
//! What moves between the threads, is stored in one transaction and is digested is always the same thing: a
//! [`message::Batch`] of stamped messages.
//!
//! The modules stand in reading order. Imports only go down this list; the edges (`device`, `socket`, `store`) do not know
//! each other.

pub mod run;

pub mod cli;
pub mod command;

pub mod publisher;
pub mod recorder;
pub mod replayer;
pub mod exporter;
pub mod importer;
#[cfg(feature = "archive")]
pub mod archiver;
pub mod server;
pub mod picture;
pub mod summary;
pub mod analysis;

pub mod device;
pub mod socket;
pub mod store;

pub mod streams;

pub mod message;
pub mod codec;
pub mod observe;
pub mod time;

pub mod process;
pub mod service;
pub mod log;
pub mod escape;
pub mod error;
pub mod exit;
pub mod nearest;
pub mod safe_open;
