//! What is recorded, replayed and recorded again is the same, byte for byte and nearly as far apart.

use std::path::Path;

use serde_json::Value;

use crate::lab::{Lab, Section};
use crate::scale::Scale;
use crate::series::Series;
use crate::source::RATE_HZ;
use crate::table::{Table, Target, figure};

const DIFFERENCES: Target = Target::AtMost(0.0);
const SPACING_P99_US: Target = Target::AtMost(200.0);

/// A device at 1 kHz.
pub struct RoundTrip {
    scale: Scale,
    differences: Series,
    p50_us: Series,
    p99_us: Series,
}

impl RoundTrip {
    /// Nothing measured yet.
    pub fn new(scale: Scale) -> Self {
        Self { scale, differences: Series::default(), p50_us: Series::default(), p99_us: Series::default() }
    }
}

/// What `session diff` says about two databases with a session each.
fn difference(lab: &Lab, database: &Path, other: &Path) -> Value {
    let run = lab.bench.fancyhwd("session diff 1 1 --json").arg("--database").arg(database);
    let finished = run.arg("--other").arg(other).run();
    // What differs is a result, not a failure of the measurement.
    assert!(matches!(finished.status.code(), Some(0 | 3)), "{}", finished.stderr);
    serde_json::from_str(&finished.stdout).unwrap()
}

impl Section for RoundTrip {
    fn name(&self) -> String {
        "record, replay, record".to_owned()
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        let folder = lab.folder();
        let (first, second) = (folder.path().join("first.db"), folder.path().join("second.db"));
        let packets = lab.scale.round_trip_s * RATE_HZ + 1;
        let limit = format!("--count {packets}");

        let endpoint = lab.endpoint();
        let recorder = lab.record(&endpoint, &first, &limit);
        lab.publish(&endpoint, &format!("--rate {RATE_HZ} {limit}")).finish().success();
        recorder.finish().success();

        let endpoint = lab.endpoint();
        let recorder = lab.record(&endpoint, &second, &limit);
        let replay = lab.bench.fancyhwd(&format!("replay --wait-subscribers 1 --bind {endpoint}"));
        replay.arg("--database").arg(&first).run().success();
        recorder.finish().success();

        let found = difference(lab, &first, &second);
        let count = |name: &str| found[name].as_u64().unwrap();
        assert_eq!(count("equal") + count("changed") + count("only_in_a"), packets);
        let differences = (count("changed") + count("only_in_a") + count("only_in_b")) as f64;
        let [p50_us, p99_us] = ["p50_ns", "p99_ns"].map(|name| found["spacing"][name].as_f64().unwrap() / 1e3);
        eprintln!("    {differences} differ, p50 {} us, p99 {} us", figure(p50_us), figure(p99_us));
        self.differences.note(round, differences);
        self.p50_us.note(round, p50_us);
        self.p99_us.note(round, p99_us);
    }

    fn report(&self, table: &mut Table) {
        let (rate, round_trip_s) = (figure(RATE_HZ as f64), self.scale.round_trip_s);
        table.heading(&format!("Record, replay, record: {rate} packets/s for {round_trip_s} s"), "packets");
        table.row_with_target("not the same bytes in the same order", &self.differences, DIFFERENCES);
        table.heading("... difference of the spacing", "us");
        table.row("50th percentile", &self.p50_us);
        table.row_with_target("99th percentile", &self.p99_us, SPACING_P99_US);
    }
}
