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

/// What the words behind `cargo bench --bench NAME --` ask for.
struct Asked {
    scale: Scale,
    /// Only sections whose name has this in it.
    section: Option<String>,
}

impl Asked {
    fn of(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut asked = Self { scale: FULL, section: None };
        while let Some(word) = words.next() {
            match word.as_str() {
                // Cargo adds it.
                "--bench" => {}
                "--quick" => asked.scale = QUICK,
                "--section" => asked.section = Some(words.next()?),
                "--rounds" => asked.scale.rounds = words.next()?.parse().ok().filter(|rounds| *rounds > 0)?,
                _ => return None,
            }
        }
        Some(asked)
    }
}

/// Measure as much as is asked for.
pub fn run(sections: fn(Scale) -> Vec<Box<dyn Section>>, notes: &str) -> ExitCode {
    let Some(asked) = Asked::of(std::env::args().skip(1)) else {
        eprintln!("usage: cargo bench --bench {NAME} [-- [--quick] [--section WORDS] [--rounds N]]");
        return ExitCode::from(2);
    };
    let mut sections = sections(asked.scale);
    sections.retain(|section| asked.section.as_ref().is_none_or(|name| section.name().contains(name)));
    measure(&asked, sections, notes)
}

/// Measure everything, print the table and keep it. Fails when something could not be measured; a missed target is a
/// result.
fn measure(Asked { scale, section }: &Asked, mut sections: Vec<Box<dyn Section>>, notes: &str) -> ExitCode {
    let lab = Lab::new(*scale);
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
    if *scale == (Scale { rounds: scale.rounds, ..FULL }) {
        keep(&text, now, section.as_deref());
    }
    match failures {
        0 => ExitCode::SUCCESS,
        _ => {
            eprintln!("{failures} measurements failed");
            ExitCode::FAILURE
        }
    }
}

/// Keep the table in a file named after the day, the kind of machine, the benchmark, and the section if it is one alone.
fn keep(text: &str, now: DateTime<Utc>, section: Option<&str>) {
    let section = section.map_or_else(String::new, |section| format!("-{}", section.replace(' ', "-")));
    let name = format!("{}-{}-{NAME}{section}.txt", now.format("%Y-%m-%d"), machine::architecture());
    let folder = support::root().join("benches/results");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(&name), text).unwrap();
    eprintln!("kept in benches/results/{name}");
}
