//! `make bench`: the replay beside the least that can send the same packets at the same times.
//!
//! As in the other benchmark, everything is measured in one run, round by round. The sessions that are replayed are written
//! by plain SQL, exactly spaced (`common/source.rs`). The programs beside fancyhwd are in C (`sender.c`, `subscriber.c`).
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what cannot be measured ends by panicking"
)]

#[path = "../common/mod.rs"]
mod common;

mod scale;
mod peers;

mod pacing;
mod start;
mod fast;
mod round_trip;

use std::process::ExitCode;

use common::lab::Section;
use common::{lab, series, source, spacing, support, table, usage};
use fast::Fast;
use pacing::{Drift, Pacing};
use round_trip::RoundTrip;
use scale::Scale;
use start::Start;

const NOTES: &str = "\
median, min .. max: over n rounds, each of which measures everything once.
ratio: the median of the ratios of the rounds, and its min .. max.
lateness: the moment at which a packet is handed to libzmq minus the moment at which it was due, for each packet.
bare C loop: the same bytes from memory, the same waiting, zmq_send; no database, no keys, no signals, no report, and no
processors kept awake.
spacing, drift: of arrivals at a subscriber of plain libzmq on the same machine, against the recorded times.
processor time: user and system, of all threads, from READY on.
full speed: at least 1,000,000 packets/s or 0.8 of the bare C loop, which also waits for its subscriber.
MB: 1,000,000 bytes.
";

fn main() -> ExitCode {
    common::run(sections, NOTES)
}

fn sections(scale: Scale) -> Vec<Box<dyn Section>> {
    vec![
        Box::new(Pacing::new(scale)),
        Box::new(Drift::new(scale)),
        Box::new(Start::new(scale)),
        Box::new(Fast::new(scale)),
        Box::new(RoundTrip::new(scale)),
    ]
}
