//! A recorder that did not run: what it missed is in the ledger, and what only waited for others is not mistaken for that.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use fancyhwd::time::clock::unix_ns;
use rusqlite::Connection;
use rustix::process::Signal;

use crate::disk::SmallDisk;
use crate::links::committed;
use crate::support::old_peers::wait_until;
use crate::support::{Bench, Daemon, eventually};

/// So long the recorder is stopped, or waits.
const WHILE: Duration = Duration::from_secs(3);

/// The entry is as near to the truth as this, on a busy machine.
const NEAR_NS: i64 = 200_000_000;

/// How often a stop of nearly that length is in the ledger. A busy machine may leave a recorder without a processor for less.
const OWN_STALLS: &str =
    "SELECT count(*) FROM events WHERE kind = 'own-stall' AND until_elapsed_ns - elapsed_ns > 2000000000";

fn start(bench: &Bench, options: &str, endpoint: &str) -> Daemon {
    bench.fancyhwd(&format!("record --database c.db {options} --connect {endpoint}")).start()
}

/// Stop the process for a while. Gives when that began and when it was over, on the wall clock.
fn stop_for_a_while(daemon: &Daemon) -> (i64, i64) {
    let from_ns = unix_ns();
    daemon.signal(Signal::STOP);
    // The time that passes is the point of the test.
    wait_until(Instant::now() + WHILE);
    let until_ns = unix_ns();
    daemon.signal(Signal::CONT);
    (from_ns, until_ns)
}

/// The entries are those of these times, in which it is not known what was lost.
#[track_caller]
fn are_noted(bench: &Bench, truth: &[(i64, i64)]) {
    let connection = Connection::open(bench.path("c.db")).unwrap();
    let sql = "SELECT unix_ns, unix_ns + until_elapsed_ns - elapsed_ns, lost FROM events WHERE kind = 'own-stall' AND until_elapsed_ns - elapsed_ns > 2000000000 ORDER BY id";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    let noted: Vec<(i64, i64, Option<i64>)> = rows.map(Result::unwrap).collect();
    let apart: Vec<_> = noted.iter().zip(truth).map(|(is, was)| (is.0 - was.0, is.1 - was.1)).collect();
    println!("begin and end beside the truth, in ns: {apart:?}");
    assert!(noted.len() == truth.len() && noted.iter().all(|(.., lost)| lost.is_none()), "{noted:?}");
    assert!(apart.iter().all(|apart| apart.0.abs() <= NEAR_NS && apart.1.abs() <= NEAR_NS), "{apart:?}");
}

#[test]
fn a_recorder_that_is_stopped_says_for_how_long_and_that_messages_may_be_missing() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = start(&bench, "", &endpoint);
    let device = bench
        .fancyhwd(&format!("publish --rate 1000 --packet-size 2000 --wait-subscribers 1 --bind {endpoint}"))
        .start();
    eventually("messages are recorded", || committed(&bench) > 500);
    let mut truth = Vec::new();
    for _ in 0..2 {
        let before = committed(&bench);
        truth.push(stop_for_a_while(&recorder));
        eventually("messages are recorded again", || committed(&bench) > before + 500);
    }
    let recorder = recorder.stop().code(3).says("did not run for 3.").says(" stops of this recorder");
    device.stop();
    let warnings =
        recorder.stderr.lines().filter(|line| line.contains("warning:") && line.contains("did not run for 3."));
    assert_eq!(warnings.count(), 2, "{}", recorder.stderr);
    are_noted(&bench, &truth);
    // What had come before the stop was over is stamped too late, and that is said.
    let details = "SELECT count(*) FROM events WHERE kind = 'own-stall' AND detail LIKE '% for 3.% late%'";
    assert_eq!(bench.sqlite3("c.db", details), "2");
    let shown = bench.fancyhwd("session show --database c.db").run().success().stdout;
    assert!(shown.lines().any(|line| line.contains("own-stall")), "{shown}");
}

#[test]
fn a_recorder_that_is_stopped_while_nothing_comes_says_so_too() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = start(&bench, "", &endpoint);
    let device = bench.fancyhwd(&format!("publish --interval 1h --wait-subscribers 1 --bind {endpoint}")).start();
    eventually("the first message is recorded", || committed(&bench) == 1);
    let truth = stop_for_a_while(&recorder);
    eventually("it is said", || recorder.log().contains("did not run for 3."));
    recorder.stop().code(3);
    device.stop();
    are_noted(&bench, &[truth]);
}

#[test]
fn a_recorder_that_waits_for_a_locked_database_is_not_called_stopped() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = start(&bench, "--queue 1MiB --on-full block", &endpoint);
    let publish = "publish --rate max --on-full block --wait-subscribers 1";
    let device = bench.fancyhwd(&format!("{publish} --bind {endpoint}")).start();
    eventually("messages are recorded", || committed(&bench) > 0);
    let blocker = Connection::open(bench.path("c.db")).unwrap();
    blocker.busy_timeout(WHILE).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    wait_until(Instant::now() + WHILE);
    blocker.execute_batch("ROLLBACK").unwrap();
    let before = committed(&bench);
    eventually("messages are recorded again", || committed(&bench) > before);
    recorder.stop().says(", 0 lost");
    device.stop();
    assert_eq!(bench.sqlite3("c.db", OWN_STALLS), "0");
}

#[test]
fn a_recorder_that_splits_its_sessions_is_not_called_stopped() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = start(&bench, "--split-every 1s --duration 6s", &endpoint);
    let device = bench.fancyhwd(&format!("publish --rate 5000 --wait-subscribers 1 --bind {endpoint}")).start();
    recorder.finish().says(", 0 lost");
    device.stop();
    assert!(bench.sqlite3("c.db", "SELECT count(*) FROM sessions").parse::<u32>().unwrap() >= 5);
    // Each split would be one, and a busy machine makes one now and then.
    let entries = "SELECT count(*) < 3 FROM events WHERE kind = 'own-stall'";
    assert_eq!(bench.sqlite3("c.db", entries), "1");
}

#[test]
fn a_recorder_on_a_full_disk_is_not_called_stopped() {
    let bench = Bench::new();
    let Some(disk) = SmallDisk::mount(&bench, "2m") else { return };
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database disk/c.db --connect {endpoint}")).start();
    let room = rustix::fs::statvfs(&disk.0).unwrap();
    let filler_bytes = (room.f_bavail * room.f_frsize) as usize - (400 << 10);
    fs::write(disk.0.join("filler"), vec![0; filler_bytes]).unwrap();
    let device = bench.fancyhwd(&format!("publish --rate 5000 --wait-subscribers 1 --bind {endpoint}")).start();
    eventually("the full disk is reported", || recorder.log().contains("trying again each second"));
    wait_until(Instant::now() + WHILE);
    let grow = ["-t", "tmpfs", "-o", "remount,size=64m", "tmpfs"];
    assert!(Command::new("mount").args(grow).arg(&disk.0).status().unwrap().success());
    let events = "SELECT count(*) FROM events WHERE kind = 'disk-full'";
    eventually("what was kept is written", || bench.sqlite3("disk/c.db", events) != "0");
    recorder.stop();
    device.stop();
    assert_eq!(bench.sqlite3("disk/c.db", OWN_STALLS), "0");
}
