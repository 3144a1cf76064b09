//! Whether a replay out of an archive is as punctual as one from the disk.

use std::fs;

use serde_json::Value;

use crate::lab::{Lab, Section};
use crate::series::Series;
use crate::support::cluster::Cluster;
use crate::table::{Table, Target, figure};

const P99_US: Target = Target::AtMost(100.0);

/// From the disk, from the archive, and from the archive while one node is killed.
const SOURCES: [&str; 3] = ["from the disk", "from the archive", "one node killed"];

/// At 1 kHz.
#[derive(Default)]
pub struct Replay {
    p99_us: [Series; 3],
}

impl Section for Replay {
    fn name(&self) -> String {
        "replay".to_owned()
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        let mut cluster = Cluster::start(&lab.bench, 3, "").expect("a server");
        let (folder, packets) = (lab.folder(), lab.scale.replayed_packets);
        let (path, endpoint) = (folder.path().join("c.db"), lab.endpoint());
        let options = format!("--count {packets} --archive {} --recorder r", cluster.url());
        let recorder = lab.record(&endpoint, &path, &options);
        lab.publish(&endpoint, &format!("--rate 1000 --count {packets}")).finish().success();
        recorder.finish().success();
        let database = path.display().to_string();
        let there = format!("{}/r", cluster.url());
        for (at, source) in [&database, &there, &there].into_iter().enumerate() {
            let (endpoint, report) = (lab.endpoint(), lab.bench.path("report.json"));
            let line = format!("replay latest --wait-subscribers 1 --bind {endpoint} --database {source}");
            let mut replay = lab.bench.fancyhwd(&line).arg("--timing-report").arg(&report).start();
            replay.hang_up();
            let again = folder.path().join(format!("{at}.db"));
            let recorder = lab.record(&endpoint, &again, &format!("--count {packets}"));
            if at == 2 {
                cluster.kill(1);
            }
            recorder.finish().success();
            replay.finish().success();
            let report: Value = serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap();
            assert_eq!(report["messages"].as_u64(), Some(packets));
            let p99_us = report["lateness"]["p99_ns"].as_f64().unwrap() / 1e3;
            eprintln!("    {}: {} us", SOURCES[at], figure(p99_us));
            self.p99_us[at].note(round, p99_us);
        }
    }

    fn report(&self, table: &mut Table) {
        table.heading("Lateness of a replay, 99th percentile", "us");
        for (at, name) in SOURCES.into_iter().enumerate() {
            table.row_with_target(name, &self.p99_us[at], P99_US);
            if at > 0 {
                table.ratio(&self.p99_us[at].per(&self.p99_us[0]), "the disk", None);
            }
        }
    }
}
