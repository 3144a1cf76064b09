//! How fast a session becomes a file, and that the memory does not grow with it.

use std::time::{Duration, Instant};

use crate::lab::{Lab, Section, pause};
use crate::scale::Scale;
use crate::series::Series;
use crate::source::Source;
use crate::table::{Table, Target, figure};
use crate::usage::peak_mb;

const RATE_PER_S: Target = Target::AtLeast(300_000.0);

/// Memory is looked at so often.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The memory of a session is compared with that of one this much shorter.
const PART: u64 = 10;

/// `session export --format csv`.
pub struct Export {
    scale: Scale,
    rate_per_s: Series,
    whole_mb: Series,
    part_mb: Series,
}

impl Export {
    /// Nothing measured yet.
    pub fn new(scale: Scale) -> Self {
        Self { scale, rate_per_s: Series::default(), whole_mb: Series::default(), part_mb: Series::default() }
    }
}

/// Export a session. Gives packets per second from the start of the process to its end, and its peak of memory.
fn export(lab: &Lab, packets: u64) -> (f64, f64) {
    let (database, folder) = (Source::of(packets).database(lab), lab.folder());
    let run = lab.bench.fancyhwd("--quiet session export --format csv").arg("--database").arg(database);
    let run = run.arg("--output").arg(folder.path().join("packets.csv"));
    let began = Instant::now();
    let export = run.spawn();
    let mut most_mb = 0.0;
    while !export.has_ended() {
        most_mb = peak_mb(export.pid()).unwrap_or(most_mb);
        pause(LOOK_EVERY);
    }
    let took_s = began.elapsed().as_secs_f64();
    export.finish().success();
    (packets as f64 / took_s, most_mb)
}

impl Section for Export {
    fn name(&self) -> String {
        "CSV".to_owned()
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        let (_, part_mb) = export(lab, lab.scale.csv_packets / PART);
        let (rate_per_s, whole_mb) = export(lab, lab.scale.csv_packets);
        eprintln!("    {} packets/s, {} MB", figure(rate_per_s), figure(whole_mb));
        self.rate_per_s.note(round, rate_per_s);
        self.whole_mb.note(round, whole_mb);
        self.part_mb.note(round, part_mb);
    }

    fn report(&self, table: &mut Table) {
        let packets = self.scale.csv_packets;
        let [whole, part] = [packets, packets / PART].map(|packets| format!("{} packets", figure(packets as f64)));
        table.heading("session export --format csv, 16 samples a packet", "packets/s");
        table.row_with_target(&whole, &self.rate_per_s, RATE_PER_S);
        table.heading("Peak memory of session export --format csv", "MB");
        table.row(&part, &self.part_mb);
        table.row(&whole, &self.whole_mb);
        table.ratio(&self.whole_mb.per(&self.part_mb), &part, None);
    }
}
