//! The last moments of a recording, and who can read what it leaves.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rustix::process::Signal;

use super::kill::seeded;
use super::{Bench, Daemon, eventually};

/// Most recordings end within this time: kills before their end and just after it.
const END_WITHIN_US: u32 = 10_000;

pub const PACKETS: usize = 20;

/// A recorder into `c.db` that has committed 20 packets of a device that sends no more.
pub fn recorded(bench: &Bench) -> Daemon {
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --commit-every 1ms --connect {endpoint}")).start();
    let publish = format!("publish --rate max --on-full block --wait-subscribers 1 --count {PACKETS}");
    bench.fancyhwd(&format!("{publish} --bind {endpoint}")).run().success();
    eventually("all packets are committed", || committed(&bench.path("c.db")) == PACKETS as i64);
    recorder
}

/// Let everybody read `c.db` and what is beside it, and nobody else write.
pub fn let_everybody_read(bench: &Bench) {
    for (path, mode) in [("c.db", 0o644), ("c.db-wal", 0o644), ("c.db-shm", 0o644), ("c.db-lock", 0o644), ("", 0o755)] {
        // Not all of them are there.
        let _ = fs::set_permissions(bench.path(path), fs::Permissions::from_mode(mode));
    }
}

/// Whoever may write and whoever may only read finds all packets as they were recorded.
#[track_caller]
pub fn assert_everybody_reads(bench: &Bench, context: &str) {
    let line = format!("session 1: ok, {PACKETS} packets");
    let_everybody_read(bench);
    let verify = || bench.fancyhwd("session verify 1 --database c.db");
    for (who, finished) in [("a reader", verify().without_rights().run()), ("a writer", verify().run())] {
        let (stdout, stderr) = (&finished.stdout, &finished.stderr);
        assert!(finished.status.success() && stdout.contains(&line), "{context}: to {who} it is: {stdout}{stderr}");
    }
}

/// Kill `rounds` recorders, each at a random moment after it was asked to stop.
pub fn kill_at_the_end(rounds: usize) {
    let mut random = seeded();
    let mut before_its_end = 0;
    for round in 1..=rounds {
        let bench = Bench::new();
        let recorder = recorded(&bench);
        recorder.signal(Signal::TERM);
        // The moment is the point of the test, not a way to wait for something.
        std::thread::park_timeout(Duration::from_micros(u64::from(random.rand() % END_WITHIN_US)));
        recorder.signal(Signal::KILL);
        before_its_end += usize::from(recorder.finish().status.code().is_none());
        assert_everybody_reads(&bench, &format!("killed at its end, round {round}"));
    }
    println!("{rounds} kills, {before_its_end} of them before the recorder had ended");
}

fn committed(database: &Path) -> i64 {
    let sql = "SELECT coalesce(sum(packets), 0) FROM sessions";
    Connection::open(database).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}
