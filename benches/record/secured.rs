//! What encryption costs: packets a second over TCP, with keys and without.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fancyhwd::time::clock::{NS_PER_S, unix_ns};
use rusqlite::Connection;

use crate::lab::{Lab, Section, in_turn};
use crate::series::Series;
use crate::support::{eventually, root};
use crate::table::{Table, Target, figure};

/// A subscriber in C without a store, or the recorder; in the clear or encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    is_recorder: bool,
    is_secured: bool,
}

const RUNS: [Run; 4] = [
    Run { is_recorder: false, is_secured: false },
    Run { is_recorder: true, is_secured: false },
    Run { is_recorder: false, is_secured: true },
    Run { is_recorder: true, is_secured: true },
];

/// Encryption leaves the recorder as much as it leaves a bare subscriber.
const OF_BARE: Target = Target::AtLeast(0.9);

/// A device that never pauses, and waits for its subscriber when that is slower.
#[derive(Default)]
pub struct Secured {
    bare: Option<PathBuf>,
    rates_per_s: BTreeMap<Run, Series>,
}

impl Run {
    fn name(self) -> String {
        let who = if self.is_recorder { "fancyhwd record" } else { "bare subscriber in C" };
        format!("{who}, {}", if self.is_secured { "CURVE" } else { "in the clear" })
    }
}

impl Secured {
    /// Packets a second, from the arrival of the first one until all came, or are stored, and the process has ended.
    fn run(&mut self, lab: &Lab, run: Run) -> f64 {
        let (folder, packets) = (lab.folder(), lab.scale.small_packets);
        let database = folder.path().join("packets.db");
        for name in ["device", "station"] {
            lab.bench.fancyhwd(&format!("keygen {name} --force")).run().success();
        }
        let secured = if run.is_secured { "--key device.key_secret --allow-any" } else { "" };
        let line =
            format!("--quiet publish --rate max --on-full block --count {packets} --wait-subscribers 1 {secured}");
        let device = lab.bench.fancyhwd(&format!("{line} --bind tcp://127.0.0.1:*")).start();
        let endpoint = device.endpoint();
        let first_unix_ns: i64 = match run.is_recorder {
            true => {
                let secured = if run.is_secured { "--key station.key_secret --server-key device.key" } else { "" };
                lab.record(&endpoint, &database, &format!("--count {packets} {secured}")).finish().success();
                first(&database, packets)
            }
            false => {
                let bare =
                    self.bare.get_or_insert_with(|| lab.bench.compile_file(&root().join("benches/record/secured.c")));
                let mut bare = lab.bench.program(&*bare).arg(packets.to_string()).arg(&endpoint);
                if run.is_secured {
                    let key = |file, half| key(&lab.bench.path(file), half);
                    bare = bare.arg(key("device.key", "public-key")).arg(key("station.key_secret", "public-key"));
                    bare = bare.arg(key("station.key_secret", "secret-key"));
                }
                let bare = bare.spawn();
                eventually("it is ready", || bare.printed().contains("READY"));
                bare.finish().success().stdout.lines().last().unwrap().parse().unwrap()
            }
        };
        let took_ns = unix_ns() - first_unix_ns;
        device.finish().success();
        packets as f64 / (took_ns as f64 / NS_PER_S as f64)
    }
}

/// A key of a certificate.
fn key(path: &Path, half: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let value = text.lines().find_map(|line| line.trim().strip_prefix(half)?.strip_prefix(" = \"")).unwrap();
    value.strip_suffix('"').unwrap().to_owned()
}

/// When the first packet came; all of them must have.
fn first(database: &Path, packets: u64) -> i64 {
    let sql = "SELECT count(*), (SELECT received_unix_ns FROM messages ORDER BY id LIMIT 1) FROM messages";
    let (stored, first_unix_ns): (i64, i64) =
        Connection::open(database).unwrap().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(stored.unsigned_abs(), packets, "packets were lost");
    first_unix_ns
}

impl Section for Secured {
    fn name(&self) -> String {
        "encrypted and in the clear, as fast as possible".to_owned()
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        for run in in_turn(RUNS, round) {
            let rate_per_s = self.run(lab, run);
            eprintln!("    {}: {} packets/s", run.name(), figure(rate_per_s));
            self.rates_per_s.entry(run).or_default().note(round, rate_per_s);
        }
    }

    fn report(&self, table: &mut Table) {
        table.heading("Rate over TCP, 16 samples a packet, encrypted and in the clear", "packets/s");
        for run in RUNS {
            let rate = &self.rates_per_s[&run];
            table.row(&run.name(), rate);
            let other = |other| &self.rates_per_s[&other];
            if run.is_secured {
                table.ratio(&rate.per(other(Run { is_secured: false, ..run })), "the same in the clear", None);
            }
            if run.is_recorder {
                let target = run.is_secured.then_some(OF_BARE);
                table.ratio(&rate.per(other(Run { is_recorder: false, ..run })), "bare subscriber", target);
            }
        }
    }
}
