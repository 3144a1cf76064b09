//! What takes too long for every run: `make soak`, on a machine that does nothing else meanwhile. About twenty minutes.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use support::archived::{CAUGHT_UP_MAX, cut_the_network, kill_leaders, kill_recorders};
use support::bursts::{END_MAX, end_bursts};
use support::damage::survives_damaged_pages;
use support::debugged::{APART_MAX_NS, DRIFT_MAX_NS, LEFT_MAX, stop_at_random_packets};
use support::ending::kill_at_the_end;
use support::fuzz::{
    publisher_survives, recorder_that_binds_survives, recorder_that_connects_survives, replayer_survives,
};
use support::hostile::verified_mutations_are_as_before;
use support::http::serve;
use support::kill::{LOSS_MAX, assert_no_session_has_a_hole, kill_at_random_moments, published, seeded};
use support::kinds::are_told_apart;
use support::large::goes_round;
use support::old_peers::{is_found_again, is_recorded_whole};
use support::power::{cut_ext4, cut_traced};
use support::prometheus::Prometheus;
use support::secured::survives_hostile_peers;
use support::signals::{interrupts_at_the_start_of_a_recorder, signals_in_an_export, timeouts_end_a_recorder};
use support::triggered::{Rare, record as record_triggered};
use support::zmtp::Version;
use support::{Bench, alone, eventually};

#[test]
fn a_recorder_that_is_killed_a_thousand_times_keeps_all_but_the_last_moment() {
    let _alone = alone();
    let losses = kill_at_random_moments(1_000);
    assert!(losses[999] <= LOSS_MAX, "a kill cost {:?} of packets", losses[999]);
}

#[test]
fn a_replay_stands_still_at_each_stop_of_a_debugger() {
    let _alone = alone();
    let stops = stop_at_random_packets(20);
    let most = (stops.left[19], stops.drift_ns[19], stops.apart_ns[19]);
    assert!(most.0 <= LEFT_MAX && most.1 <= DRIFT_MAX_NS && most.2 <= APART_MAX_NS, "{most:?}");
}

#[test]
fn two_hundred_timeouts_and_five_hundred_interrupts_lose_nothing() {
    let _alone = alone();
    timeouts_end_a_recorder(200, "1");
    interrupts_at_the_start_of_a_recorder(500);
}

#[test]
fn eight_hundred_signals_in_exports_leave_no_file() {
    let _alone = alone();
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --count 200000 --connect {endpoint}")).start();
    let publish = "publish --rate max --on-full block --count 200000 --wait-subscribers 1";
    bench.fancyhwd(&format!("{publish} --bind {endpoint}")).run().success();
    recorder.finish().success();
    signals_in_an_export(&bench, 200);
}

#[test]
fn five_thousand_pages_that_are_damaged_at_random_cost_no_more_than_is_named() {
    let _alone = alone();
    survives_damaged_pages(5_000);
}

#[test]
fn a_trigger_at_100_000_packets_a_second_keeps_every_window_whole() {
    const NS_PER_S: i64 = 1_000_000_000;
    const MEMORY_MAX_BYTES: u64 = 128 << 20;
    let _alone = alone();
    let bench = Bench::new();
    let mut peak_bytes = 0;
    // A hundred places, in about one of 190,000 packets: some overlap, some are far apart.
    let publish = "--rate 100000 --count 20000000";
    let triggered = record_triggered(&bench, publish, Rare(32_618), "--before 1s --after 1s", |recorder| {
        let device_is_there = || !recorder.log().contains("disconnected from") && !recorder.has_ended();
        while device_is_there() {
            peak_bytes = peak_bytes.max(recorder.memory_bytes("VmHWM"));
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    println!("peak memory {} MB", peak_bytes / 1_000_000);
    triggered.assert_windows(NS_PER_S, NS_PER_S);
    assert!(triggered.places_ns.len() >= 90, "{} places", triggered.places_ns.len());
    assert!(peak_bytes < MEMORY_MAX_BYTES, "{peak_bytes} bytes");
    triggered.recorder.success().says(", 0 lost");
    bench.fancyhwd("session verify --database c.db").run().success();
}

#[test]
fn a_minute_of_scrapes_says_what_the_ledger_says() {
    const SCRAPES: f64 = 60.0;
    let _alone = alone();
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
    let served = serve(&bench, "c.db");
    let prometheus = Prometheus::start(&bench, &served);
    let publish = format!("publish --rate 1000 --count 75000 --wait-subscribers 1 --bind {endpoint}");
    bench.fancyhwd(&publish).run().success();
    recorder.wait_until_status("session 1: 75000 messages, ");
    let of = |column: &str| bench.sqlite3("c.db", &format!("SELECT {column} FROM sessions")).parse::<f64>().ok();
    for (query, figure) in [
        ("fancyhwd_messages_total", of("messages")),
        ("fancyhwd_bytes_total", of("bytes")),
        ("sum(fancyhwd_lost_total)", of("lost")),
        ("min_over_time(up[90s])", Some(1.0)),
        ("max(max_over_time(fancyhwd_lost_total[90s]))", Some(0.0)),
        ("resets(fancyhwd_messages_total[90s])", Some(0.0)),
    ] {
        eventually(query, || prometheus.ask(query) == figure);
    }
    assert!(prometheus.ask("count_over_time(fancyhwd_messages_total[90s])") >= Some(SCRAPES));
    recorder.stop().success();
}

#[test]
fn a_minute_at_100_000_packets_a_second_loses_nothing() {
    const PACKETS: u64 = 6_000_000;
    const RATE_MIN_HZ: f64 = 95_000.0;
    const QUEUE_PEAK_MAX_PERCENT: f64 = 10.0;
    let _alone = alone();
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
    // It does not wait for a slow subscriber, as a plain device does not: what it drops would be missing below.
    let publish = format!("publish --rate 100000 --count {PACKETS} --wait-subscribers 1 --bind {endpoint}");
    bench.fancyhwd(&publish).run().success();
    // All that it sent comes before the end of the link.
    eventually("the recorder sees that the device has left", || recorder.log().contains("disconnected from"));
    let recorder = recorder.stop().success();
    let summary = recorder.stderr.lines().last().unwrap();
    println!("{summary}");

    assert_eq!(bench.sqlite3("c.db", "SELECT messages, undecodable, lost FROM sessions"), format!("{PACKETS}|0|0"));
    assert_eq!(assert_no_session_has_a_hole(&bench, "c.db", PACKETS), PACKETS);
    let span_s = bench.sqlite3("c.db", "SELECT (max(elapsed_ns) - min(elapsed_ns)) / 1e9 FROM messages");
    let rate_hz = PACKETS as f64 / span_s.parse::<f64>().unwrap();
    assert!(rate_hz >= RATE_MIN_HZ, "the device was too slow: {rate_hz:.0} messages/s");
    let (_, queue_peak) = summary.split_once("queue at most ").expect("the fill of the queue in the summary");
    let queue_peak_percent: f64 = queue_peak.split_once(" %").unwrap().0.parse().unwrap();
    assert!(queue_peak_percent <= QUEUE_PEAK_MAX_PERCENT, "{summary}");
}

#[test]
fn memory_is_flat_for_ten_minutes_at_10_000_packets_a_second() {
    const SAMPLES: u32 = 60;
    const SAMPLES_A_MINUTE: usize = 6;
    const SAMPLE_EVERY: Duration = Duration::from_secs(10);
    const PEAK_MAX_BYTES: u64 = 40_000_000;
    const GROWTH_MAX_BYTES: f64 = 1e6;
    let _alone = alone();
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
    let device = bench.fancyhwd(&format!("publish --rate 10000 --wait-subscribers 1 --bind {endpoint}")).start();
    let began = Instant::now();
    let samples_bytes: Vec<u64> = (1..=SAMPLES)
        .map(|number| {
            // What is looked at is what happens as time passes: there is nothing else to wait for.
            let due = began + SAMPLE_EVERY * number;
            while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
                std::thread::park_timeout(left);
            }
            recorder.memory_bytes("VmRSS")
        })
        .collect();
    let peak_bytes = recorder.memory_bytes("VmHWM");
    let published_packets = published(&device.stop().success());
    eventually("the recorder sees that the device has left", || recorder.log().contains("disconnected from"));
    let recorder = recorder.stop().success();
    println!("{}", recorder.stderr.lines().last().unwrap());

    let mean_bytes = |samples: &[u64]| samples.iter().sum::<u64>() as f64 / samples.len() as f64;
    let minutes_bytes: Vec<f64> = samples_bytes.chunks(SAMPLES_A_MINUTE).map(mean_bytes).collect();
    println!("peak {peak_bytes} bytes; mean of each minute: {minutes_bytes:.0?}");
    assert!(peak_bytes <= PEAK_MAX_BYTES, "{peak_bytes} bytes");
    let growth_bytes = minutes_bytes.last().unwrap() - minutes_bytes[1];
    assert!(growth_bytes <= GROWTH_MAX_BYTES, "grew by {growth_bytes} bytes: {samples_bytes:?}");
    // The memory was that of a recorder at work.
    assert_eq!(bench.sqlite3("c.db", "SELECT messages, lost FROM sessions"), format!("{published_packets}|0"));
    assert!(published_packets >= 9_500 * u64::from(SAMPLES) * SAMPLE_EVERY.as_secs());
}

#[test]
fn a_recorder_that_is_killed_a_thousand_times_at_its_end_leaves_a_file_that_everybody_reads() {
    let _alone = alone();
    kill_at_the_end(1_000);
}

#[test]
fn two_hundred_power_cuts_take_no_more_than_the_commit_interval_and_a_sync() {
    let _alone = alone();
    cut_traced(20, 10, "full");
}

#[test]
fn forty_power_cuts_take_five_seconds_at_most_with_few_syncs() {
    let _alone = alone();
    cut_ext4(40, "normal");
}

#[test]
fn a_million_messages_of_each_kind_of_device_are_told_apart() {
    let _alone = alone();
    are_told_apart(1_000_000);
}

#[test]
fn twenty_thousand_ways_to_damage_a_capture_change_nothing_that_verifies() {
    let _alone = alone();
    let verified = verified_mutations_are_as_before(&Bench::new(), seeded().rand(), 20_000);
    println!("{verified} of 20,000 verify");
}

#[test]
fn fifty_bursts_end_in_time() {
    let _alone = alone();
    let ends = end_bursts(50);
    assert!(ends[49] <= END_MAX, "a burst took {:?} to end", ends[49]);
}

#[test]
fn publishers_before_zmtp_3_keep_their_links_for_a_minute_busy_or_idle() {
    let _alone = alone();
    for version in [Version::V1, Version::V2] {
        is_recorded_whole(version, Duration::ZERO, Duration::from_secs(60));
        is_recorded_whole(version, Duration::from_secs(30), Duration::from_secs(2));
    }
}

#[test]
fn a_publisher_before_zmtp_3_that_is_restarted_twenty_times_is_recorded_again_at_once() {
    const AGAIN_MAX: Duration = Duration::from_millis(150);
    let _alone = alone();
    for version in [Version::V1, Version::V2] {
        let times = is_found_again(version, 20);
        assert!(times[19] <= AGAIN_MAX, "{version:?}: recorded again after {:?}", times[19]);
    }
}

#[test]
fn ten_thousand_peers_that_say_anything_harm_no_daemon_and_no_good_peer() {
    const PEERS: usize = 10_000;
    let _alone = alone();
    recorder_that_connects_survives(PEERS);
    recorder_that_binds_survives(PEERS);
    publisher_survives(PEERS);
    replayer_survives(PEERS);
}

#[test]
fn messages_of_800_mb_go_round_in_little_memory() {
    let _alone = alone();
    goes_round(800_000_000, 1);
    goes_round(800_000_000, 800);
}

#[test]
fn ten_thousand_broken_handshakes_with_keys_harm_nobody() {
    let _alone = alone();
    survives_hostile_peers(10_000);
}

#[test]
fn twenty_killed_leaders_and_twenty_killed_recorders_leave_nothing_out_of_an_archive() {
    let _alone = alone();
    let caught_up = kill_leaders(20).unwrap_or_default();
    assert!(caught_up.last().is_none_or(|most| *most <= CAUGHT_UP_MAX), "{caught_up:?}");
    kill_recorders(20);
}

#[test]
fn an_archive_is_whole_after_a_minute_without_network() {
    let _alone = alone();
    let test = "an_archive_is_whole_after_a_minute_without_network";
    let caught_up = cut_the_network(test, Duration::from_secs(60));
    assert!(caught_up.is_none_or(|time| time <= CAUGHT_UP_MAX), "{caught_up:?}");
}
