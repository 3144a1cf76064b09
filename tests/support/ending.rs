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

/// A recorder into `kept/c.db` that has committed 20 packets of a device that sends no more.
pub fn recorded(bench: &Bench) -> Daemon {
    let endpoint = bench.endpoint("device");
    fs::create_dir(bench.path("kept")).unwrap();
    let recorder =
        bench.fancyhwd(&format!("record --database kept/c.db --commit-every 1ms --connect {endpoint}")).start();
    let publish = format!("publish --rate max --on-full block --wait-subscribers 1 --count {PACKETS}");
    bench.fancyhwd(&format!("{publish} --bind {endpoint}")).run().success();
    eventually("all packets are committed", || committed(&bench.path("kept/c.db")) == PACKETS as i64);
    recorder
}

/// Let nobody write what is in `kept`, or its owner again.
pub fn let_write(bench: &Bench, may_write: bool) {
    let (file_mode, directory_mode) = if may_write { (0o640, 0o755) } else { (0o444, 0o555) };
    for file in fs::read_dir(bench.path("kept")).unwrap() {
        fs::set_permissions(file.unwrap().path(), fs::Permissions::from_mode(file_mode)).unwrap();
    }
    fs::set_permissions(bench.path("kept"), fs::Permissions::from_mode(directory_mode)).unwrap();
}

/// Whoever may write and whoever may only read finds all packets as they were recorded.
#[track_caller]
pub fn assert_everybody_reads(bench: &Bench, context: &str) {
    for (who, may_write) in [("a reader", false), ("a writer", true)] {
        let verify = bench.fancyhwd("session verify 1 --database kept/c.db");
        let_write(bench, may_write);
        let finished = if may_write { verify.run() } else { verify.without_rights().run() };
        let (stdout, stderr) = (&finished.stdout, &finished.stderr);
        let is_whole = finished.status.success() && stdout.contains(&format!("session 1: ok, {PACKETS} messages"));
        assert!(is_whole, "{context}: to {who} it is: {stdout}{stderr}");
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
    let sql = "SELECT coalesce(sum(messages), 0) FROM sessions";
    Connection::open(database).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}
