//! Whether a time stamp says when a packet came whatever the disk does: the same stream with a disk that takes half a
//! second for each flush, and with the disk as it is.
//!
//! strace(1) holds the calls up that flush a file. It looks at these calls only, so the rest runs at full speed.

use rusqlite::Connection;

use crate::lab::{Lab, Section};
use crate::series::Series;
use crate::spacing::recorded_error_us;
use crate::support::FANCYHWD;
use crate::table::{Table, Target, figure};

/// How long a flush takes, in microseconds.
const DELAY_US: u64 = 500_000;

const INTERVAL_NS: i64 = 1_000_000;

const OF_UNDELAYED: Target = Target::AtMost(1.2);

/// A device at 1 kHz.
#[derive(Default)]
pub struct Stamps {
    delayed_us: Series,
    undelayed_us: Series,
}

/// Record the stream. Gives the error of the distance between two packets that all but one in a thousand keep below, in
/// microseconds.
fn run(lab: &Lab, is_delayed: bool) -> f64 {
    let (folder, endpoint) = (lab.folder(), lab.endpoint());
    let database = folder.path().join("packets.db");
    let packets = 1_000 * lab.scale.stream_s + 1;
    // -D: the recorder is our own child, and strace beside it.
    let mut strace = lab.bench.program("strace").args(["-D", "-f", "--seccomp-bpf", "-o", "/dev/null"]);
    strace = strace.args(["-e", "trace=fsync,fdatasync"]);
    if is_delayed {
        strace = strace.arg("-e").arg(format!("inject=fsync,fdatasync:delay_enter={DELAY_US}"));
    }
    let recording = strace.args([FANCYHWD, "record", "--connect", &endpoint, "--database"]).arg(&database);
    let mut recorder = recording.arg("--count").arg(packets.to_string()).start();
    recorder.hang_up();
    lab.publish(&endpoint, &format!("--rate 1000 --count {packets}")).finish().success();
    recorder.finish().success();

    let connection = Connection::open(&database).unwrap();
    let between_commits = "SELECT (max(committed_unix_ns) - min(committed_unix_ns)) / (count(*) - 1) FROM batches";
    let between_commits_ns: i64 = connection.query_row(between_commits, [], |row| row.get(0)).unwrap();
    let was_delayed = between_commits_ns >= DELAY_US as i64 * 1_000;
    assert_eq!(
        was_delayed, is_delayed,
        "{between_commits_ns} ns between two commits: strace did not do what it was asked"
    );
    recorded_error_us(&database, packets, INTERVAL_NS)
}

impl Section for Stamps {
    fn name(&self) -> String {
        "stamps with a slow disk".to_owned()
    }

    fn measure(&mut self, lab: &Lab, round: usize) {
        let mut turns = [false, true];
        turns.rotate_left(round % 2);
        for is_delayed in turns {
            let error_us = run(lab, is_delayed);
            eprintln!("    {}: {} us", if is_delayed { "slow" } else { "as it is" }, figure(error_us));
            let series = if is_delayed { &mut self.delayed_us } else { &mut self.undelayed_us };
            series.note(round, error_us);
        }
    }

    fn report(&self, table: &mut Table) {
        table.heading("Error of the spacing of packets that come each 1 ms, 99.9th percentile", "us");
        table.row("disk as it is", &self.undelayed_us);
        table.row("disk that takes 0.5 s for each flush", &self.delayed_us);
        table.ratio(&self.delayed_us.per(&self.undelayed_us), "as it is", Some(OF_UNDELAYED));
    }
}
