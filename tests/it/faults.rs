//! A disk that fails at any moment: whatever the recorder then says is stored, is stored.
//!
//! strace lets the k-th call of a kind fail, for every k until a run passes without meeting it.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rusqlite::{Connection, OpenFlags};
use rustix::process::Signal;

use fancyhwd::store::Database;

use crate::support::allowed::may_trace;
use crate::support::{Bench, FANCYHWD, eventually};

const PACKETS: usize = 20;

/// Runs at the same time: each waits more than it computes.
const WORKERS: usize = 6;

/// From when on calls are counted. strace counts for each thread by itself: what the main thread calls to open the
/// database would hide what the writer calls later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    FromTheStart,
    FromReady,
}

/// Record 20 packets in at least two commits while `fault` is injected. Says whether it was met.
fn record_with(fault: &str, counted: Counted) -> bool {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let context = zmq::Context::new();
    let device = context.socket(zmq::XPUB).unwrap();
    device.bind(&endpoint).unwrap();
    device.set_rcvtimeo(5).unwrap();
    let record = format!("record --database c.db --count {PACKETS} --commit-every 1ms --topic t --connect {endpoint}");
    let strace = || {
        let calls = "trace=pwrite64,fsync,fdatasync,ftruncate";
        bench.program("strace").args(["-f", "-o", "trace", "-e", calls, "-e"]).arg(format!("inject={fault}"))
    };
    let (recorder, _strace) = match counted {
        // The recorder is our child, and strace its grandchild, so that signals go to the recorder.
        Counted::FromTheStart => {
            (strace().args(["-D", "--seccomp-bpf"]).arg(FANCYHWD).args(record.split(' ')).spawn(), None)
        }
        Counted::FromReady => {
            let recorder = bench.fancyhwd(&record).start();
            let strace = strace().args(["-p", &recorder.pid().to_string()]).spawn();
            eventually("strace is attached", || strace.log().contains("attached"));
            (recorder, Some(strace))
        }
    };

    let injected = || fs::read_to_string(bench.path("trace")).unwrap_or_default().matches("INJECTED").count();
    let (mut sent, mut stopped, mut failed) = (0, false, None);
    eventually("the recorder ends", || {
        if !stopped && sent == PACKETS && recorder.log().contains("trying again each second") {
            // If it fails again, a second later, the disk stays full, and it would wait for ever. All that was sent has
            // arrived by then.
            if injected() > *failed.get_or_insert_with(injected) {
                recorder.signal(Signal::TERM);
                stopped = true;
            }
        }
        let subscribed = sent > 0 || device.recv_bytes(0).is_ok();
        if subscribed && !stopped && sent < PACKETS {
            // Half of them, and after a moment the others, so that there are two commits.
            for _ in 0..PACKETS / 2 {
                device.send([b"t ".to_vec(), (sent as u16).to_le_bytes().to_vec()].concat(), 0).unwrap();
                sent += 1;
            }
        }
        recorder.has_ended()
    });
    let finished = recorder.finish();
    let (code, log) = (finished.status.code(), &finished.stderr);
    let context = || format!("{fault}, {counted:?}: exit code {code:?}, {}\n{log}", finished.status);

    let files: Vec<PathBuf> = ["c.db", "c.1.db", "c.2.db", "c.3.db"].map(|name| bench.path(name)).into();
    let mut stored = HashSet::new();
    for file in files.iter().filter(|file| file.exists()) {
        let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        let integrity: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(integrity, "ok", "{}", context());
        let Ok(mut statement) = connection.prepare("SELECT payload FROM messages") else { continue };
        stored.extend(statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap().map(Result::unwrap));
        drop(statement);
        drop(connection);
        let database = Database::for_reading(file).unwrap();
        for session in database.sessions().unwrap() {
            assert_eq!(database.verify(&session, &mut |_| Ok(())).unwrap().damage, None, "{}", context());
        }
    }
    // What the summary says is there, and what it does not say is lost.
    if let Some(summary) = log.lines().find(|line| line.contains("recorded session")) {
        let before = |what: &str| -> usize {
            let words: Vec<&str> = summary.split([' ', ',']).filter(|word| !word.is_empty()).collect();
            words[words.iter().position(|word| word.trim_end_matches('s') == what).unwrap() - 1].parse().unwrap()
        };
        assert!(before("message") <= stored.len(), "a false `recorded`: {}", context());
        assert_eq!(before("message") + before("lost"), sent, "{}", context());
        assert!(before("lost") == 0 || code != Some(0), "{}", context());
    } else {
        // It never said that it records.
        assert!(!log.contains("recording session"), "{}", context());
    }
    match code {
        // All, or all until it was stopped.
        Some(0) => assert_eq!(stored.len(), sent, "{}", context()),
        Some(1 | 3) => assert!(log.contains(" error: "), "{}", context()),
        _ => panic!("{}", context()),
    }
    injected() > 0
}

/// Every k from 1 until the first that is met by no call any more; once, and for ever from then on.
fn for_every_call(call: &str, fault: &str) {
    if !may_trace(&Bench::new()) {
        return;
    }
    for how_long in ["", "+"] {
        for counted in [Counted::FromTheStart, Counted::FromReady] {
            for_every_k(call, fault, how_long, counted);
        }
    }
}

fn for_every_k(call: &str, fault: &str, how_long: &str, counted: Counted) {
    let calls = until_not_met(|k| record_with(&format!("{call}:error={fault}:when={k}{how_long}"), counted));
    println!("{call} failed with {fault} at each of {calls} calls {how_long} {counted:?}");
    assert!(calls > 0, "no call was met");
}

/// Run with every k from 1 on, several at a time, until one says that it met no call any more. Gives the number before it.
pub fn until_not_met(run: impl Fn(usize) -> bool + Sync) -> usize {
    let next = AtomicUsize::new(1);
    let end = AtomicUsize::new(usize::MAX);
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let k = next.fetch_add(1, Ordering::Relaxed);
                    if k >= end.load(Ordering::Relaxed) {
                        break;
                    }
                    if !run(k) {
                        end.fetch_min(k, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    end.load(Ordering::Relaxed) - 1
}

#[test]
fn no_failing_fsync_makes_a_false_recorded() {
    for_every_call("fsync,fdatasync", "EIO");
}

#[test]
fn no_failing_ftruncate_makes_a_false_recorded() {
    for_every_call("ftruncate", "EIO");
}

#[test]
fn no_failing_write_makes_a_false_recorded() {
    for_every_call("pwrite64", "EIO");
}

#[test]
fn no_full_disk_makes_a_false_recorded() {
    for_every_call("pwrite64", "ENOSPC");
}
