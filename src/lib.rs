//! `fancyhwd` stands in for a measuring device that speaks over ZeroMQ, records what it sends and replays it.
//!
//! The way of the data:
//!
//! ```text
//! publish   device -> envelope -> socket
//! record    socket -> receiver (stamps) -> queue -> writer -> store
//! replay    store -> reader (prefetch) -> queue -> player (pace) -> socket
//! session   store -> table, JSON
//!           store -> batches -> exporter -> file
//! ```
//!
//! What moves between the threads, is stored in one transaction and is digested is always the same thing: a
//! [`batch::Batch`] of stamped messages.
//!
//! The modules stand in reading order. Imports only go down this list of layers: entry (`run`), wiring (`command`), what
//! is asked for (`settings`, `cli`), loops (`publisher`, `recorder`, `replayer`, `exporter`, `comparison`), edges (`device`, `socket`, `store`,
//! which do not know each other), core (`envelope`, `event`, `batch`, `queue`, `pace`, `tally`, `gap`, `statistics`, `progress`, `alarm`, `awake`, `clock`,
//! `stalls`), ground (`stop`, `signals`, `leavings`, `terminal`, `masks`, `service`, `log`, `error`, `exit`).

pub mod run;

pub mod command;

pub mod settings;
pub mod cli;

pub mod publisher;
pub mod recorder;
pub mod replayer;
pub mod exporter;
pub mod comparison;

pub mod device;
pub mod socket;
pub mod store;

pub mod envelope;
pub mod event;
pub mod batch;
pub mod queue;
pub mod pace;
pub mod position;
pub mod lateness;
pub mod tally;
pub mod gap;
pub mod statistics;
pub mod progress;
pub mod alarm;
pub mod awake;
pub mod clock;
pub mod stalls;

pub mod stop;
pub mod signals;
pub mod leavings;
pub mod terminal;
pub mod masks;
pub mod service;
pub mod log;
pub mod error;
pub mod exit;
