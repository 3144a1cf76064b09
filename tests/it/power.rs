//! Power cuts in the middle of a recording.

use rusqlite::Connection;

use crate::support::allowed::may_trace;
use crate::support::power::{cut_ext4, cut_traced, longest_sync_s, on_disk_within_s};
use crate::support::{Bench, Daemon, eventually};

#[test]
fn a_power_cut_takes_no_more_than_the_recorder_says() {
    cut_traced(1, 20, "full");
}

#[test]
fn a_power_cut_takes_no_more_than_the_recorder_says_also_with_few_syncs() {
    cut_traced(1, 20, "normal");
}

#[test]
fn a_power_cut_takes_five_seconds_at_most_with_few_syncs() {
    cut_ext4(2, "normal");
}

/// A recorder and the device that sends to it 1,000 packets a second.
fn recording(bench: &Bench) -> (Daemon, Daemon) {
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
    let device = bench.fancyhwd(&format!("publish --rate 1000 --wait-subscribers 1 --bind {endpoint}")).start();
    eventually("packets are committed", || packets(bench) > 0);
    (recorder, device)
}

fn packets(bench: &Bench) -> i64 {
    let connection = Connection::open(bench.path("c.db")).unwrap();
    connection.query_row("SELECT sum(messages) FROM sessions", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_sync_that_takes_a_second_is_said() {
    let bench = Bench::new();
    if !may_trace(&bench) {
        return;
    }
    let (recorder, _device) = recording(&bench);
    let delay = "inject=fsync,fdatasync:delay_enter=1500000:when=1";
    let strace = bench.program("strace").args(["-f", "-o", "trace", "-e", "trace=fsync,fdatasync", "-e", delay]);
    let strace = strace.args(["-p", &recorder.pid().to_string()]).spawn();
    eventually("the sync is over", || {
        recorder.log().contains("for a sync: a power cut takes what came since it began")
    });
    // Once a second.
    let status = loop {
        let status = recorder.wait_until_status("longest sync");
        if longest_sync_s(&status) >= 1.5 {
            break status;
        }
    };
    assert!(on_disk_within_s(&status) >= 1.5, "{status}");
    let finished = recorder.stop().success();
    strace.finish();
    assert!(longest_sync_s(&finished.stderr) >= 1.5, "{}", finished.stderr);
}

#[test]
fn a_bound_that_did_not_hold_is_in_the_ledger_and_is_no_loss() {
    let bench = Bench::new();
    let (recorder, _device) = recording(&bench);
    let other = Connection::open(bench.path("c.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // The recorder tries for five seconds before it says anything.
    eventually("the recorder waits", || recorder.log().contains("trying again each second"));
    other.execute_batch("ROLLBACK").unwrap();
    let late =
        "SELECT count(*) FROM events WHERE kind = 'synced-late' AND lost = 0 AND until_elapsed_ns - elapsed_ns > 4e9";
    eventually("the entry is written", || bench.sqlite3("c.db", late) == "1");
    recorder
        .stop()
        .success()
        .says("synced-late up to")
        .says("after they came; the commit interval and the longest sync");
    let shown = bench.fancyhwd("session show --database c.db").run().success().stdout;
    assert!(shown.contains("synced-late, 0 lost"), "{shown}");
}
