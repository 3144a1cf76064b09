//! `make bench`: a session as a file for another program, beside what a user would write for it, and how large the files are.
//!
//! What it is compared with is `export.py`: pandas, pyarrow, numpy and the MCAP library of Foxglove, from the same database.
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
mod export;
mod sizes;

use std::process::ExitCode;

use common::lab::Section;
use common::{lab, series, source, support, table, usage};
use export::Export;
use scale::Scale;
use sizes::Sizes;

const NOTES: &str = "\
median, min .. max: over n rounds, each of which measures everything once.
ratio: the median of the ratios of the rounds, and its min .. max.
export: from the start of the process to its end, the file on the disk; 16 samples of int16 a packet.
Python: pandas.read_sql in pieces, numpy.frombuffer for each packet, then to_csv, pyarrow.parquet, numpy.savez or
  mcap.writer with json; a tenth of the packets. Python of the view: the same from `decoded_packets`, as the documentation
  shows it; a hundredth of them.
memory: the peak of the process, of all packets.
size: bytes of the file for each packet; `zstd -3 of raw` are the samples alone, without times.
MB: 1,000,000 bytes.
";

fn main() -> ExitCode {
    common::run(sections, NOTES)
}

fn sections(scale: Scale) -> Vec<Box<dyn Section>> {
    vec![Box::new(Export::new(scale)), Box::new(Sizes::new(scale))]
}
