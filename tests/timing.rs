//! What looks at a clock, alone in its process and one after the other, so that no other test is in the way.
//!
//! A machine that is taken away from a test for some milliseconds says nothing about the program: a measurement of
//! milliseconds is tried up to three times, and one true one counts. A program that drifts or lags never has one.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use fancyhwd::device::Simulated;
use fancyhwd::store::Database;
use rusqlite::Connection;
use rustix::process::Signal;

use support::kill::kill_at_random_moments;
use support::{Bench, alone, eventually};

const ATTEMPTS: usize = 3;

#[test]
fn a_replay_of_ten_seconds_takes_ten_seconds() {
    let _alone = alone();
    const PACKETS: usize = 10_001;
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --count {PACKETS} --connect {endpoint}")).start();
    bench
        .fancyhwd(&format!("publish --rate 1000 --count {PACKETS} --wait-subscribers 1 --bind {endpoint}"))
        .run()
        .success();
    recorder.finish().success();
    let recorded_s: f64 =
        bench.sqlite3("c.db", "SELECT (max(elapsed_ns) - min(elapsed_ns)) / 1e9 FROM packets").parse().unwrap();
    assert!((9.9..10.1).contains(&recorded_s), "recorded {recorded_s} s");

    let mut differences_s = Vec::new();
    while differences_s.len() < ATTEMPTS {
        let replay = bench.fancyhwd("replay --database c.db --wait-subscribers 1 --bind tcp://127.0.0.1:*").start();
        let python = bench.python_subscriber(&replay.endpoint(), PACKETS).finish().success();
        println!("{}", replay.finish().success().stderr.lines().last().unwrap());
        let replayed_s: f64 = python.stdout.lines().last().unwrap().parse().unwrap();
        println!("recorded {recorded_s:.6} s, replayed {replayed_s:.6} s");
        differences_s.push((replayed_s - recorded_s).abs());
        if differences_s.last().is_some_and(|&difference_s| difference_s <= 0.002) {
            return;
        }
    }
    panic!("differs by {differences_s:?} s");
}

#[test]
fn the_simulated_device_makes_20_million_samples_a_second() {
    let _alone = alone();
    const SAMPLES: u32 = 20_000_000;
    let fastest = (0..ATTEMPTS)
        .map(|_| {
            let mut device = Simulated::new(12345);
            let started = Instant::now();
            let sum = (0..SAMPLES).fold(0_u64, |sum, _| sum + u64::from(device.rand()));
            std::hint::black_box(sum);
            started.elapsed()
        })
        .min()
        .unwrap();
    println!("{:.0} M samples/s", f64::from(SAMPLES) / fastest.as_secs_f64() / 1e6);
    assert!(fastest <= Duration::from_secs(1), "20 M samples took {fastest:?}");
}

/// `make soak` does it a thousand times.
#[test]
fn a_recorder_that_is_killed_at_random_moments_keeps_all_but_the_last_moment() {
    let _alone = alone();
    kill_at_random_moments(100);
}

/// SIGTERM or SIGINT in the middle of a burst, again and again.
#[test]
fn fifty_bursts_are_ended_by_a_signal_and_stored_whole() {
    let _alone = alone();
    let bench = Bench::new();
    for round in 0..50 {
        let (endpoint, file) = (bench.endpoint(&format!("device{round}")), format!("{round}.db"));
        let publish = "publish --rate max --on-full block --wait-subscribers 1";
        let device = bench.fancyhwd(&format!("{publish} --bind {endpoint}")).start();
        let recorder = bench.fancyhwd(&format!("record --database {file} --connect {endpoint}")).start();
        let connection = Connection::open(bench.path(&file)).unwrap();
        let committed =
            || connection.query_row("SELECT packets FROM sessions", [], |row| row.get::<_, i64>(0)).unwrap();
        eventually("packets are committed", || committed() > 0);
        // The last to close the database leaves no log behind.
        drop(connection);
        let began = Instant::now();
        recorder.signal(if round % 2 == 0 { Signal::TERM } else { Signal::INT });
        recorder.finish().success().says(", 0 lost");
        assert!(began.elapsed() <= Duration::from_secs(2), "round {round}: {:?}", began.elapsed());
        device.stop();
        assert!(!bench.path(&format!("{file}-wal")).exists());
        let database = Database::for_reading(&bench.path(&file)).unwrap();
        let session = database.find_session("1").unwrap();
        assert_eq!(session.end_reason.as_deref(), Some("stopped"));
        assert_eq!(database.verify(&session, &mut |_| Ok(())).unwrap().damage, None);
        std::fs::remove_file(bench.path(&file)).unwrap();
    }
}
