//! `make bench`: how long it takes to see a large session and to find a place in it, and what that costs a recording.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what cannot be measured ends by panicking"
)]

#[path = "../common/mod.rs"]
mod common;

mod pictures;
mod places;
mod scale;
mod watched;

use std::process::ExitCode;

use common::lab::Section;
use common::{flat_out, lab, series, spacing, support, table};
use pictures::Pictures;
use places::Places;
use scale::Scale;
use watched::Watched;

const NOTES: &str = "\
median, min .. max: over n rounds, each of which measures everything once.
ratio: the median of the ratios of the rounds, and its min .. max.
session: recorded flat out, 16 channels of int16.
picture: the page of the session with its pictures, from the request to the last byte. Cold: a server that was just started,
  nothing of the database in the page cache. Zoom: the slowest of 20 windows of a thousandth of the session to all of it.
find: from the start of the process to its end. Bare scan: one loop over the rows in SQLite that looks at one sample of each.
overviews: what their table takes in the file.
watched: a recording at 10,000 packets/s of which 20 clients show windows, by a `serve` at nice 19, beside the same one with two
  busy loops at nice 19. Error: that of the distance between two stamps.
";

fn main() -> ExitCode {
    common::run(sections, NOTES)
}

fn sections(scale: Scale) -> Vec<Box<dyn Section>> {
    vec![Box::new(Pictures::new(scale)), Box::new(Places::new(scale)), Box::<Watched>::default()]
}
