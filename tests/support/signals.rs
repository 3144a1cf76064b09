//! Signals at random moments: what a recorder saved, and what an export left.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fancyhwd::process::masks::is_masked;
use fancyhwd::store::Database;
use rustix::process::Signal;
use signal_hook::consts::SIGINT;

use super::kill::seeded;
use super::{Bench, Daemon, FANCYHWD, Finished, Run};

/// What a command does at SIGHUP depends on whether it was ignored at its start, as it is where nohup runs the tests.
pub fn hanging_up<'a>(bench: &'a Bench, line: &str) -> Run<'a> {
    bench.program("env").arg("--default-signal=HUP").arg(FANCYHWD).args(line.split_whitespace())
}

/// A device that sends a packet each tenth of a millisecond, and does not wait for anybody.
pub fn device(bench: &Bench) -> (Daemon, String) {
    let endpoint = bench.endpoint("device");
    (bench.fancyhwd(&format!("publish --rate 10000 --bind {endpoint}")).start(), endpoint)
}

/// What a recorder says that it saved is in the file, which is whole. Gives how much that is.
#[track_caller]
pub fn assert_saved(bench: &Bench, database: &str, recorder: &Finished) -> u64 {
    let packets = recorder.stderr.split("recorded session 1: ").nth(1).and_then(|rest| rest.split(' ').next());
    let packets: u64 = packets.unwrap_or_else(|| panic!("no count in {}", recorder.stderr)).parse().unwrap();
    assert!(recorder.stderr.contains(", 0 lost"), "{}", recorder.stderr);
    let store = Database::for_reading(&bench.path(database)).unwrap();
    let session = store.find_session("1").unwrap();
    assert_eq!((session.tally.messages, session.end_reason.as_deref()), (packets, Some("stopped")));
    assert_eq!(store.verify(&session, &mut |_| Ok(())).unwrap().damage, None);
    packets
}

/// timeout(1) ends a recorder `rounds` times, by two signals, the second one at once: all that came is saved.
pub fn timeouts_end_a_recorder(rounds: usize, seconds: &str) {
    let bench = Bench::new();
    let (device, endpoint) = device(&bench);
    let mut codes = BTreeMap::new();
    for round in 0..rounds {
        let database = format!("{round}.db");
        let record = format!("record --database {database} --connect {endpoint}");
        let timeout = bench.program("timeout").args(["--preserve-status", seconds, FANCYHWD]);
        let recorder = timeout.args(record.split(' ')).run();
        *codes.entry(recorder.status.code()).or_insert(0) += 1;
        let packets = assert_saved(&bench, &database, &recorder);
        assert!(packets > 0, "round {round}");
        fs::remove_file(bench.path(&database)).unwrap();
    }
    device.stop();
    println!("{rounds} timeouts, by exit code: {codes:?}");
}

/// SIGINT at a random moment of the first 50 ms of a recorder: it dies before it has made a file, or all that came is
/// saved.
pub fn interrupts_at_the_start_of_a_recorder(rounds: usize) {
    const WITHIN_US: u32 = 50_000;
    // A shell that starts these tests in the background has SIGINT ignored in all that they start, until that sets a
    // handler. What is caught here is not handed on.
    if is_masked("SigIgn", SIGINT) == Some(true) {
        signal_hook::flag::register(SIGINT, Arc::default()).unwrap();
    }
    let mut random = seeded();
    let bench = Bench::new();
    let (device, endpoint) = device(&bench);
    let (mut ends, mut packets) = (BTreeMap::new(), 0);
    for round in 0..rounds {
        let database = format!("{round}.db");
        let recorder = bench.fancyhwd(&format!("record --database {database} --connect {endpoint}")).spawn();
        // The moment is the point of the test, not a way to wait for something.
        thread::park_timeout(Duration::from_micros(u64::from(random.rand() % WITHIN_US)));
        recorder.signal(Signal::INT);
        let recorder = recorder.finish();
        *ends.entry(recorder.status.to_string()).or_insert(0) += 1;
        if recorder.status.signal() == Some(Signal::INT.as_raw()) {
            assert!(!bench.path(&database).exists(), "round {round}: killed with a file");
        } else {
            // It may have ended before it reached the device.
            assert!(matches!(recorder.status.code(), Some(0 | 3)), "round {round}: {}", recorder.stderr);
            packets += assert_saved(&bench, &database, &recorder);
            fs::remove_file(bench.path(&database)).unwrap();
        }
    }
    device.stop();
    println!("{rounds} interrupts: {ends:?}, {packets} messages saved");
}

/// A signal at a random moment of an export, `rounds` times for each of four signals: a whole file and exit code 0, or no
/// file and none that was begun. Exports `c.db`.
pub fn signals_in_an_export(bench: &Bench, rounds: usize) {
    let mut random = seeded();
    fs::create_dir(bench.path("out")).unwrap();
    let names = || fs::read_dir(bench.path("out")).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    let export = |format: &str| {
        hanging_up(bench, &format!("session export --database c.db --format {format} --output out/x.{format}"))
    };
    let formats = ["csv", "jsonl", "wav", "raw", "sqlite"].map(|format| {
        let began = Instant::now();
        export(format).run().success();
        let path = bench.path(&format!("out/x.{format}"));
        let bytes = fs::metadata(&path).unwrap().len();
        fs::remove_file(&path).unwrap();
        (format, path, bytes, began.elapsed())
    });
    for signal in [Signal::HUP, Signal::TERM, Signal::INT, Signal::PIPE] {
        let mut ends = BTreeMap::new();
        for round in 0..rounds {
            let (format, path, bytes, took) = &formats[round % formats.len()];
            let running = export(format).spawn();
            thread::park_timeout(Duration::from_micros(u64::from(random.rand()) % took.as_micros() as u64));
            // It may have ended already.
            if !running.has_ended() {
                running.signal(signal);
            }
            let ended = running.finish();
            *ends.entry(ended.status.to_string()).or_insert(0) += 1;
            if ended.status.success() {
                assert_eq!(fs::metadata(path).unwrap().len(), *bytes, "{format} is not whole");
                fs::remove_file(path).unwrap();
            } else {
                assert!(ended.status.code() == Some(1) || ended.status.signal() == Some(signal.as_raw()), "{ends:?}");
            }
            assert_eq!(names(), Vec::<std::ffi::OsString>::new(), "{signal:?}, {format}, {}", ended.status);
        }
        println!("{rounds} times {signal:?}: {ends:?}");
    }
}
