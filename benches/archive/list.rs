//! How long it takes to see what is in an archive.

use std::fs;
use std::time::Instant;

use crate::lab::{Lab, Section};
use crate::scale::Scale;
use crate::series::Series;
use crate::support::cluster::Cluster;
use crate::table::{Table, Target, figure};

const RECORDERS: u64 = 10;
const PACKETS: u64 = 100;
const LIST_MAX_S: Target = Target::AtMost(1.0);

/// `session list`.
#[derive(Default)]
pub struct List {
    list_s: Series,
}

/// Put captures of several recorders there.
fn fill(lab: &Lab, url: &str) {
    let Scale { captures, .. } = lab.scale;
    let (folder, endpoint) = (lab.folder(), lab.endpoint());
    let path = |recorder: u64| folder.path().join(format!("{recorder}.db"));
    let device = lab.bench.fancyhwd(&format!("--quiet publish --rate 10000 --bind {endpoint}")).spawn();
    for _ in 0..captures {
        lab.record(&endpoint, &path(0), &format!("--count {PACKETS}")).finish().success();
    }
    device.stop().success();
    for recorder in 1..RECORDERS {
        fs::copy(path(0), path(recorder)).unwrap();
    }
    for recorder in 0..RECORDERS {
        let run =
            lab.bench.fancyhwd(&format!("--quiet session archive --all --archive {url} --recorder hall{recorder}"));
        run.arg("--database").arg(path(recorder)).run().success();
    }
}

impl Section for List {
    fn name(&self) -> String {
        "list".to_owned()
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        let cluster = Cluster::start(&lab.bench, 3, "").expect("a server");
        fill(lab, &cluster.url());
        let list = lab.bench.fancyhwd(&format!("session list --database {}", cluster.url()));
        let began = Instant::now();
        let list = list.run().success();
        let list_s = began.elapsed().as_secs_f64();
        // Under a line with names.
        assert_eq!(list.stdout.lines().count() as u64, 1 + RECORDERS * lab.scale.captures);
        eprintln!("    {} s", figure(list_s));
        self.list_s.note(round, list_s);
    }

    fn report(&self, table: &mut Table) {
        table.heading("session list of 1,000 captures of 10 recorders", "s");
        table.row_with_target("list", &self.list_s, LIST_MAX_S);
    }
}
