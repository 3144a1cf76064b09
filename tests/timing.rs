//! What looks at a clock, alone in its process and one after the other, so that no other test is in the way.
//!
//! A machine that is busy says nothing about the program: what is measured is compared with something else of the same
//! run, or is the best of several attempts.
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
use rusqlite::Connection;

use support::bursts::{END_MAX, end_bursts};
use support::debugged::{APART_MAX_NS, DRIFT_MAX_NS, LEFT_MAX, stop_at_random_packets};
use support::kill::{LOSS_MAX, kill_at_random_moments};
use support::{Bench, alone};

const ATTEMPTS: usize = 3;

#[test]
fn a_replay_of_ten_seconds_takes_ten_seconds() {
    let _alone = alone();
    const PACKETS: usize = 10_001;
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --count {PACKETS} --connect {endpoint}")).start();
    bench
        .fancyhwd(&format!("publish --rate 1000 --catch-up --count {PACKETS} --wait-subscribers 1 --bind {endpoint}"))
        .run()
        .success();
    recorder.finish().success();

    // A busy machine can hold a program up for so long that it takes itself for stopped, and moves its schedule.
    let replay = "replay --database c.db --catch-up --wait-subscribers 1 --bind tcp://127.0.0.1:*";
    let replay = bench.fancyhwd(replay).start();
    let socket = zmq::Context::new().socket(zmq::SUB).unwrap();
    socket.set_subscribe(b"").unwrap();
    socket.set_rcvhwm(0).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.connect(&replay.endpoint()).unwrap();
    let began = Instant::now();
    let replayed_ns: Vec<i64> = (0..PACKETS)
        .map(|_| {
            socket.recv_bytes(0).unwrap();
            began.elapsed().as_nanos() as i64
        })
        .collect();
    println!("{}", replay.finish().success().stderr.lines().last().unwrap());

    let connection = Connection::open(bench.path("c.db")).unwrap();
    let mut statement = connection.prepare("SELECT elapsed_ns FROM messages ORDER BY id").unwrap();
    let recorded_ns: Vec<i64> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let device_ns: Vec<i64> = (0..PACKETS as i64).map(|number| number * 1_000_000).collect();
    for (what, times_ns, expected_ns) in
        [("the device", &recorded_ns, &device_ns), ("the replay", &replayed_ns, &recorded_ns)]
    {
        let drift_ns = drift_ns(times_ns, expected_ns);
        println!("{what} drifts by {drift_ns} ns in ten seconds");
        assert!(drift_ns.abs() <= 500_000, "{what} drifts by {drift_ns} ns");
    }
}

/// By how much the last second came later than it should, compared with the first one. A machine that is busy can make a
/// message late, but not early, and never all of a second: the most punctual message of each tells what was meant.
fn drift_ns(times_ns: &[i64], expected_ns: &[i64]) -> i64 {
    const SECOND: usize = 1000;
    let late_ns: Vec<i64> =
        times_ns.iter().zip(expected_ns).map(|(time_ns, expected_ns)| time_ns - expected_ns).collect();
    let least = |part: &[i64]| *part.iter().min().unwrap();
    least(&late_ns[late_ns.len() - SECOND..]) - least(&late_ns[..SECOND])
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

/// `make soak` does it a thousand times, each within the bound. Half of them are within it also on a busy machine, where
/// some commits are late, and a kill before such a one costs what it would have kept.
#[test]
fn a_recorder_that_is_killed_at_random_moments_keeps_all_but_the_last_moment() {
    let _alone = alone();
    let losses = kill_at_random_moments(100);
    assert!(losses[50] <= LOSS_MAX, "half of the kills cost {:?} of packets or more", losses[50]);
}

/// `make soak` asks it of each of them. A machine that is busy delays some, but not all alike.
#[test]
fn fifty_bursts_are_ended_by_a_signal_and_stored_whole() {
    let _alone = alone();
    let ends = end_bursts(50);
    assert!(ends[25] <= END_MAX, "half of the bursts took {:?} or more to end", ends[25]);
    assert!(ends[49] <= 5 * END_MAX, "a burst took {:?} to end", ends[49]);
}

/// `make soak` asks it of each of them. A machine that is busy keeps the debugged program, or those who look at it, waiting now and
/// then.
#[test]
fn a_replay_stands_still_with_a_subscriber_in_a_debugger() {
    let _alone = alone();
    let stops = stop_at_random_packets(20);
    assert!(stops.left[10] <= LEFT_MAX, "after half of the stops {} packets left, or more", stops.left[10]);
    assert!(stops.drift_ns[10] <= DRIFT_MAX_NS, "half of them drift by {} ns, or more", stops.drift_ns[10]);
    assert!(stops.apart_ns[10] <= APART_MAX_NS, "half of them are {} ns too long or short", stops.apart_ns[10]);
}
