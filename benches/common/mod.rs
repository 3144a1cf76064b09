//! What the benchmarks share: where programs run, what is noted, and how it becomes a table.
//!
//! Each benchmark says in its `scale.rs` how much it measures.
#![allow(dead_code, reason = "each benchmark uses its part")]

#[path = "../../tests/support/mod.rs"]
pub mod support;

pub mod flat_out;
pub mod lab;
pub mod series;
pub mod source;
pub mod spacing;
pub mod table;
pub mod usage;
pub mod machine;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use chrono::{DateTime, Utc};

use crate::scale::{FULL, QUICK, Scale};
use lab::{Lab, Section};
use table::Table;

/// The name of the benchmark.
const NAME: &str = env!("CARGO_CRATE_NAME");

/// Measure as much as the words behind `cargo bench --bench NAME` ask for.
pub fn run(sections: fn(Scale) -> Vec<Box<dyn Section>>, notes: &str) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let scale = match words.as_slice() {
        // Cargo adds --bench.
        [] | ["--bench"] => FULL,
        ["--quick"] | ["--quick", "--bench"] | ["--bench", "--quick"] => QUICK,
        _ => {
            eprintln!("usage: cargo bench --bench {NAME} [-- --quick]");
            return ExitCode::from(2);
        }
    };
    measure(scale, sections(scale), notes)
}

/// Measure everything, print the table and keep it. Fails when something could not be measured; a missed target is a
/// result.
fn measure(scale: Scale, mut sections: Vec<Box<dyn Section>>, notes: &str) -> ExitCode {
    let lab = Lab::new(scale);
    let now = Utc::now();
    let machine = machine::describe(now, lab.disk());
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
    let text = format!("{machine}\n{table}\n{notes}");
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

/// Keep the table in a file named after the day, the kind of machine and the benchmark.
fn keep(text: &str, now: DateTime<Utc>) {
    let name = format!("{}-{}-{NAME}.txt", now.format("%Y-%m-%d"), machine::architecture());
    let folder = support::root().join("benches/results");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(&name), text).unwrap();
    eprintln!("kept in benches/results/{name}");
}
