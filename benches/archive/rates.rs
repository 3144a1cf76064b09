//! How fast a capture goes into an archive and comes back, and how large it is on its way.

use std::fs;
use std::time::Instant;

use crate::flat_out::database;
use crate::lab::{Lab, Section};
use crate::series::Series;
use crate::support::cluster::{Cluster, get};
use crate::table::{Table, Target, figure};

const ARCHIVED_MIN_HZ: Target = Target::AtLeast(1e6);
const PROVEN_MIN_HZ: Target = Target::AtLeast(3e6);

/// A long capture.
#[derive(Default)]
pub struct Rates {
    archived_hz: Series,
    proven_hz: Series,
    fetched_hz: Series,
    database_mb: Series,
    sent_mb: Series,
    read_mb: Series,
}

/// Bytes that the nodes took from clients so far, and gave them.
fn wire_bytes(cluster: &Cluster<'_>) -> [f64; 2] {
    let of_node = |number: usize| {
        let text = get(cluster.monitor(number), "/varz").unwrap();
        let (_, json) = text.split_once("\r\n\r\n").unwrap();
        let node: serde_json::Value = serde_json::from_str(json).unwrap();
        ["in_client_bytes", "out_client_bytes"].map(|name| node[name].as_f64().unwrap())
    };
    (0..3).map(of_node).fold([0.0; 2], |[read, sent], of| [read + of[0], sent + of[1]])
}

impl Section for Rates {
    fn name(&self) -> String {
        "a long capture".to_owned()
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        let packets = lab.scale.packets;
        // A copy that has not been archived.
        let (folder, original) = (lab.folder(), database(lab, packets));
        let path = folder.path().join("c.db");
        fs::copy(original, &path).unwrap();
        rustix::fs::sync();
        let cluster = Cluster::start(&lab.bench, 3, "").expect("a server");
        let url = cluster.url();
        let timed = |line: &str, path: &std::path::Path| {
            let (run, before) = (lab.bench.fancyhwd(line).arg("--database"), wire_bytes(&cluster));
            let began = Instant::now();
            run.arg(path).run().success();
            let rate_hz = packets as f64 / began.elapsed().as_secs_f64();
            let after = wire_bytes(&cluster);
            (rate_hz, [after[0] - before[0], after[1] - before[1]])
        };
        let archive = format!("--quiet session archive --archive {url} --recorder r");
        let (archived_hz, [sent_bytes, _]) = timed(&archive, &path);
        let there = format!("{url}/r");
        let (proven_hz, [_, read_bytes]) = timed("--quiet session verify latest", there.as_ref());
        let fetch = format!("--quiet session fetch r/1 --archive {url}");
        let (fetched_hz, _) = timed(&fetch, &folder.path().join("fetched.db"));
        eprintln!("    {}, {}, {} packets/s", figure(archived_hz), figure(proven_hz), figure(fetched_hz));
        self.archived_hz.note(round, archived_hz);
        self.proven_hz.note(round, proven_hz);
        self.fetched_hz.note(round, fetched_hz);
        self.database_mb.note(round, path.metadata().unwrap().len() as f64 / 1e6);
        self.sent_mb.note(round, sent_bytes / 1e6);
        self.read_mb.note(round, read_bytes / 1e6);
    }

    fn report(&self, table: &mut Table) {
        table.heading("Session of 20,000,000 packets x 16", "packets/s");
        table.row_with_target("there", &self.archived_hz, ARCHIVED_MIN_HZ);
        table.row_with_target("proven", &self.proven_hz, PROVEN_MIN_HZ);
        table.row("fetched", &self.fetched_hz);
        table.heading("Its size", "MB");
        table.row("SQLite", &self.database_mb);
        for (name, series) in [("on the wire, there", &self.sent_mb), ("on the wire, proven", &self.read_mb)] {
            table.row(name, series);
            table.ratio(&series.per(&self.database_mb), "SQLite", None);
        }
    }
}
