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

#[path = "../tests/support/mod.rs"]
mod support;

mod lab;
mod contender;
mod subscriber;
mod bare;
mod ceiling;

mod throughput;
mod cost;
mod standby;
mod stamps;

mod series;
mod table;
mod usage;
mod machine;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;

use chrono::{DateTime, Utc};

use cost::Cost;
use lab::{FULL, Lab, QUICK, Scale, Section};
use stamps::Stamps;
use standby::Standby;
use table::Table;
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
        // Cargo adds --bench.
        [] | ["--bench"] => return measure(FULL),
        ["--quick"] | ["--quick", "--bench"] | ["--bench", "--quick"] => return measure(QUICK),
        _ => {
            eprintln!("usage: cargo bench --bench record [-- --quick]");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Measure everything, print the table and keep it. Fails when something could not be measured; a missed target is a
/// result.
fn measure(scale: Scale) -> ExitCode {
    let lab = Lab::new(scale);
    let now = Utc::now();
    let machine = machine::describe(now, lab.disk());
    let mut sections: Vec<Box<dyn Section>> = vec![
        Box::new(Throughput::new(16)),
        Box::new(Throughput::new(1_024)),
        Box::new(Cost::new(1_000)),
        Box::new(Cost::new(10_000)),
        Box::new(Cost::new(100_000)),
        Box::new(Standby::default()),
        Box::new(Stamps::default()),
    ];
    let mut failures = 0;
    for round in 0..scale.rounds {
        for section in &mut sections {
            eprintln!("round {} of {}: {}", round + 1, scale.rounds, section.name());
            // The others are measured all the same.
            failures += u32::from(catch_unwind(AssertUnwindSafe(|| section.measure(&lab, round))).is_err());
        }
    }
    let mut table = Table::default();
    sections.iter().for_each(|section| section.report(&mut table));
    let text = format!("{machine}\n{table}\n{NOTES}");
    print!("{text}");
    if scale == FULL {
        keep(&text, now);
    }
    match failures {
        0 => ExitCode::SUCCESS,
        _ => {
            eprintln!("{failures} measurements failed");
            ExitCode::FAILURE
        }
    }
}

/// Keep the table in a file named after the day and the kind of machine.
fn keep(text: &str, now: DateTime<Utc>) {
    let name = format!("{}-{}.txt", now.format("%Y-%m-%d"), machine::architecture());
    let folder = Path::new(support::ROOT).join("benches/results");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(&name), text).unwrap();
    eprintln!("kept in benches/results/{name}");
}
