//! `make bench`: the recorder beside what is possible and what one would write instead.
//!
//! Everything is measured in one run, round by round: each round measures everything once, so that whatever changes on the
//! machine meanwhile meets all alike. The table is printed and kept in `benches/results/`. `--quick` measures little, and
//! only prints.
//!
//! The contenders that are written here are this program again, started with their name as the first argument.
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
mod contender;
mod subscriber;
mod bare;
mod ceiling;

mod throughput;
mod cost;
mod devices;
mod secured;
mod standby;
mod stamps;

use std::path::Path;
use std::process::ExitCode;

use common::lab::Section;
use common::{lab, series, spacing, support, table, usage};
use cost::Cost;
use devices::Devices;
use scale::Scale;
use secured::Secured;
use stamps::Stamps;
use standby::Standby;
use throughput::Throughput;

const NOTES: &str = "\
median, min .. max: over n rounds, each of which measures everything once.
ratio: the median of the ratios of the rounds, and its min .. max.
record rate: from the arrival of the first packet until all are stored and the process has ended. The device waits for
  its subscriber, and runs on the same machine: \"bare subscriber\" shows what it can send. All packets were stored.
ceiling: two threads, the same tables and SQLite settings; no ledger, no digest, no checks, no limit on memory.
Python: pyzmq, json, sqlite3, WAL, 1,000 rows a transaction; a tenth of the packets.
processor time: user and system, from READY until the last packet is stored.
MB: 1,000,000 bytes.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *words.as_slice() {
        ["bare", endpoint, count] => bare::run(endpoint, count.parse().unwrap()),
        ["ceiling", endpoint, database, count] => ceiling::run(endpoint, Path::new(database), count.parse().unwrap()),
        _ => return common::run(sections, NOTES),
    }
    ExitCode::SUCCESS
}

fn sections(_: Scale) -> Vec<Box<dyn Section>> {
    vec![
        Box::new(Throughput::new(16, "space")),
        Box::new(Throughput::new(16, "frames")),
        Box::new(Throughput::new(1_024, "space")),
        Box::new(Cost::new(1_000)),
        Box::new(Cost::new(10_000)),
        Box::new(Cost::new(100_000)),
        Box::new(Devices::default()),
        Box::new(Secured::default()),
        Box::new(Standby::default()),
        Box::new(Stamps::default()),
    ]
}
