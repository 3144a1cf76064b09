//! How long it takes to find where a condition holds.

use std::hint::black_box;
use std::time::Instant;

use rusqlite::Connection;

use crate::flat_out::database;
use crate::lab::{Lab, Section};
use crate::scale::Scale;
use crate::series::Series;
use crate::table::{Table, Target, figure};

const RARE_MAX_S: f64 = 1.0;
const ABSENT_OF_SCAN: Target = Target::AtMost(1.25);
const EVERYWHERE_MAX_S: f64 = 0.1;

/// In about one of sixteen million packets.
const RARE: &str = "ch3 >= 32700 and ch7 >= 32764";

/// Within the range of every overview.
const ABSENT: &str = "ch3 > 0.2 and ch3 < 0.8";

const EVERYWHERE: &str = "ch3 > 0";

/// `session find`.
pub struct Places {
    scale: Scale,
    rare_s: Series,
    absent_s: Series,
    everywhere_s: Series,
    scan_s: Series,
}

impl Places {
    /// Nothing measured yet.
    pub fn new(scale: Scale) -> Self {
        let [rare_s, absent_s, everywhere_s, scan_s] = [(); 4].map(|()| Series::default());
        Self { scale, rare_s, absent_s, everywhere_s, scan_s }
    }
}

fn find_s(lab: &Lab, condition: &str, options: &str) -> f64 {
    let run = lab.bench.fancyhwd(&format!("--quiet session find latest {options}")).arg(condition);
    let run = run.arg("--database").arg(database(lab, lab.scale.packets));
    let began = Instant::now();
    run.run().success();
    began.elapsed().as_secs_f64()
}

/// One loop over the rows that looks at one sample of each.
fn scan_s(lab: &Lab) -> f64 {
    let began = Instant::now();
    let connection = Connection::open(database(lab, lab.scale.packets)).unwrap();
    let mut statement = connection
        .prepare("SELECT id, stream_id, received_unix_ns, elapsed_ns, payload FROM messages ORDER BY id")
        .unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut found = 0;
    while let Some(row) = rows.next().unwrap() {
        for column in 0..4 {
            black_box(row.get::<_, i64>(column).unwrap());
        }
        let payload = row.get_ref(4).unwrap().as_blob().unwrap();
        found += u64::from(i16::from_le_bytes([payload[6], payload[7]]) == 32_767);
    }
    assert!(found > 0);
    began.elapsed().as_secs_f64()
}

impl Section for Places {
    fn name(&self) -> String {
        "find".to_owned()
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        // Read once, so that none of them pays for the disk.
        let scan = scan_s(lab).min(scan_s(lab));
        let (rare, absent) = (find_s(lab, RARE, ""), find_s(lab, ABSENT, ""));
        let everywhere = find_s(lab, EVERYWHERE, "--limit 100");
        eprintln!("    rare {rare:.3} s, absent {absent:.3} s, everywhere {everywhere:.3} s, scan {scan:.3} s");
        self.rare_s.note(round, rare);
        self.absent_s.note(round, absent);
        self.everywhere_s.note(round, everywhere);
        self.scan_s.note(round, scan);
    }

    fn report(&self, table: &mut Table) {
        table.heading(&format!("session find in {} packets", figure(self.scale.packets as f64)), "s");
        table.row_with_target("rare", &self.rare_s, Target::AtMost(RARE_MAX_S));
        table.row_with_target("everywhere, first 100", &self.everywhere_s, Target::AtMost(EVERYWHERE_MAX_S));
        table.row("bare scan", &self.scan_s);
        table.row("absent, within every overview", &self.absent_s);
        table.ratio(&self.absent_s.per(&self.scan_s), "bare scan", Some(ABSENT_OF_SCAN));
    }
}
