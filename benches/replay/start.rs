//! How soon a packet from the middle of a long session is there.

use std::fs::File;

use fancyhwd::time::clock::monotonic_ns;
use rustix::fs::{Advice, fadvise};

use crate::lab::{Lab, Section};
use crate::peers::Subscriber;
use crate::scale::Scale;
use crate::series::Series;
use crate::source::Source;
use crate::table::{Table, Target, figure};

const FIRST_PACKET_MS: Target = Target::AtMost(100.0);

/// The start of a replay.
pub struct Start {
    scale: Scale,
    cached_ms: Series,
    uncached_ms: Series,
}

impl Start {
    /// Nothing measured yet.
    pub fn new(scale: Scale) -> Self {
        Self { scale, cached_ms: Series::default(), uncached_ms: Series::default() }
    }
}

/// Replay from the middle on. From the start of the process to the arrival of the first packet, in milliseconds.
fn first_packet_ms(lab: &Lab, is_cached: bool) -> f64 {
    let source = Source::of(lab.scale.long_packets);
    let (database, endpoint) = (source.database(lab), lab.endpoint());
    if !is_cached {
        rustix::fs::sync();
        fadvise(File::open(&database).unwrap(), 0, None, Advice::DontNeed).unwrap();
    }
    let subscriber = Subscriber::start(lab, &endpoint, 1);
    let line = format!("replay --wait-subscribers 1 --bind {endpoint} --from #{}", source.packets / 2);
    let run = lab.bench.fancyhwd(&line).arg("--database").arg(database);
    let began_ns = monotonic_ns();
    let replay = run.spawn();
    let came_ns = subscriber.finish()[0];
    replay.stop().success();
    (came_ns - began_ns) as f64 / 1e6
}

impl Section for Start {
    fn name(&self) -> String {
        "first packet of a long session".to_owned()
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        let uncached_ms = first_packet_ms(lab, false);
        let cached_ms = first_packet_ms(lab, true);
        eprintln!("    {} ms, {} ms", figure(cached_ms), figure(uncached_ms));
        self.cached_ms.note(round, cached_ms);
        self.uncached_ms.note(round, uncached_ms);
    }

    fn report(&self, table: &mut Table) {
        let packets = figure(self.scale.long_packets as f64);
        table.heading(&format!("From the start of the process to the first packet, middle of {packets}"), "ms");
        table.row_with_target("database in memory", &self.cached_ms, FIRST_PACKET_MS);
        table.row("database on the disk only", &self.uncached_ms);
    }
}
