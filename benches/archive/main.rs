//! `make bench`: what an archive costs a recording, and how fast captures go there and come back.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what cannot be measured ends by panicking"
)]

#[path = "../common/mod.rs"]
mod common;

mod building;
mod list;
mod rates;
mod recording;
mod replay;
mod scale;

use std::process::ExitCode;

use building::Building;
use common::lab::Section;
use common::{flat_out, lab, series, spacing, support, table, usage};
use list::List;
use rates::Rates;
use recording::Recording;
use replay::Replay;
use scale::Scale;

const NOTES: &str = "\
median, min .. max: over n rounds, each of which measures everything once.
ratio: the median of the ratios of the rounds, and its min .. max.
archive: three nodes of nats-server on this machine at nice 19, `sync_interval: always`, three replicas.
recording: 1,000 packets/s of 16 int16. Error: that of the distance between two stamps. Beside the nodes: they run, and nothing is
  archived. Stopped: one that does not lead, by SIGSTOP. Back: all were killed before the recording, and are started in it.
processor time: of these threads of the recorder, read when the last packet is on the disk.
session: recorded flat out, 16 channels of int16. There: `session archive`. Proven: `session verify` of the archive, which takes all
  of it. Fetched: `session fetch` into a database of this machine.
on the wire: what the nodes took from the client, and gave it.
list: `session list` of all recorders, from the start of the process to its end.
replay: at 1,000 packets/s, as the replay itself says. Killed: one node in the middle of it.
built: `cargo build --release` with nothing there yet, its crates downloaded before.
MB: 1,000,000 bytes.
";

fn main() -> ExitCode {
    common::run(sections, NOTES)
}

fn sections(scale: Scale) -> Vec<Box<dyn Section>> {
    let mut sections: Vec<Box<dyn Section>> =
        vec![Box::<Recording>::default(), Box::<Rates>::default(), Box::<List>::default(), Box::<Replay>::default()];
    if scale.is_building {
        sections.push(Box::<Building>::default());
    }
    sections
}
