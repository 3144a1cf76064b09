//! `publish`: the stream device, the environment, and subscribers that do not read.

use std::fs::{self, File};
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use fancyhwd::device::Simulated;
use rustix::process::Signal;

use crate::support::{Bench, eventually, json_samples};

fn payloads(bench: &Bench, database: &str) -> Vec<String> {
    bench.sqlite3(database, "SELECT hex(payload) FROM messages ORDER BY id").lines().map(str::to_owned).collect()
}

#[test]
fn a_stream_ends_with_a_short_packet_and_its_odd_byte_is_reported() {
    let bench = Bench::new();
    fs::write(bench.path("stream"), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]).unwrap();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --count 3 --connect {endpoint}")).start();
    bench
        .fancyhwd(&format!(
            "publish --device stream:stream --packet-size 2 --rate max --wait-subscribers 1 --bind {endpoint}"
        ))
        .run()
        .code(3)
        .says("its last byte was not sent");
    recorder.finish().success();
    assert_eq!(payloads(&bench, "c.db"), ["01020304", "05060708", "090A"]);
}

#[test]
fn standard_input_is_published_as_it_comes() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --count 2 --connect {endpoint}")).start();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let publisher = bench
        .fancyhwd(&format!(
            "publish --device stream:- --packet-size 2 --interval 1ms --wait-subscribers 1 --bind {endpoint}"
        ))
        .stdin(Stdio::from(reader))
        .start();
    // A packet may come in pieces.
    for piece in [&[1, 2, 3][..], &[4, 5], &[6, 7, 8]] {
        writer.write_all(piece).unwrap();
    }
    recorder.finish().success();
    drop(writer);
    publisher.finish().success().says("published 2 messages");
    assert_eq!(payloads(&bench, "c.db"), ["01020304", "05060708"]);
}

#[test]
fn a_fifo_without_a_writer_can_be_stopped_and_one_with_a_writer_is_read() {
    let bench = Bench::new();
    bench.program("mkfifo").arg(bench.path("fifo")).run().success();
    let line = "publish --device stream:fifo --packet-size 1 --rate max --bind tcp://127.0.0.1:*";
    bench.fancyhwd(line).start().stop().success().says("published 0 messages");

    let publisher = bench.fancyhwd(line).start();
    File::options().write(true).open(bench.path("fifo")).unwrap().write_all(&[1, 2, 3, 4]).unwrap();
    publisher.finish().success().says("published 2 messages");
}

#[test]
fn a_stream_that_comes_late_is_paced_from_its_first_packet() {
    let bench = Bench::new();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let publisher = bench
        .fancyhwd("publish --device stream:- --packet-size 1 --interval 50ms --bind tcp://127.0.0.1:*")
        .stdin(Stdio::from(reader))
        .start();
    // The stream is 300 ms late, which must not be caught up with: six intervals follow the first packet.
    std::thread::park_timeout(Duration::from_millis(300));
    let began = Instant::now();
    writer.write_all(&[0; 2 * 7]).unwrap();
    drop(writer);
    publisher.finish().success().says("published 7 messages");
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
}

#[test]
fn a_stuck_subscriber_is_reported_and_loses_nothing_with_on_full_block() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let publish = "publish --rate max --packet-size 65536 --on-full block --wait-subscribers 1 --count 3000";
    let publisher = bench.fancyhwd(&format!("{publish} --bind {endpoint}")).start();
    let context = zmq::Context::new();
    let stuck = context.socket(zmq::SUB).unwrap();
    stuck.set_rcvhwm(10).unwrap();
    stuck.set_rcvtimeo(60_000).unwrap();
    stuck.set_subscribe(b"fancyhw_data ").unwrap();
    stuck.connect(&endpoint).unwrap();
    eventually("the stuck subscriber is reported", || publisher.log().contains("a subscriber has not read for 1 s"));
    // 3,000 packets are far more than all queues on the way hold.
    for number in 0..3000 {
        let message = stuck.recv_bytes(0).unwrap_or_else(|cause| panic!("packet {number}: {cause}"));
        assert_eq!(message.len(), 13 + 2 * 65536);
    }
    publisher.finish().success().says("published 3000 messages");
}

/// The numbers of the packets that a subscriber receives until nothing more comes.
fn received(subscriber: &zmq::Socket) -> Vec<usize> {
    let samples = |message: Vec<u8>| crate::support::samples(&message[13..]).collect::<Vec<_>>();
    let mut device = Simulated::new(12345);
    let mut number = 0..;
    let mut numbers = Vec::new();
    while let Ok(message) = subscriber.recv_bytes(0) {
        let samples = samples(message);
        // What was dropped is passed over.
        let is_it = |_: &usize| (0..samples.len()).map(|_| device.rand() as i16).collect::<Vec<_>>() == samples;
        numbers.push(number.find(is_it).unwrap());
    }
    numbers
}

#[test]
fn what_a_slow_subscriber_does_not_get_is_counted() {
    const PACKETS: usize = 100_000;
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let slow = zmq::Context::new().socket(zmq::SUB).unwrap();
    slow.set_rcvhwm(10).unwrap();
    slow.set_rcvtimeo(1_000).unwrap();
    slow.set_subscribe(b"fancyhw_data ").unwrap();
    slow.connect(&endpoint).unwrap();
    let publish = format!("publish --rate max --wait-subscribers 1 --count {PACKETS} --bind {endpoint}");
    let publisher = bench.fancyhwd(&publish).start();
    // It reads nothing before the publisher has sent everything.
    publisher.wait_until_told("STOPPING=1");
    let numbers = received(&slow);
    let lost = PACKETS - numbers.len();
    let finished = publisher.finish().code(3).says(&format!(", {lost} lost; subscribers at the end: 1"));
    finished.says("a subscriber reads too slowly: 1 lost; --on-full block waits for it");
    // Those that there was room for, and none after it was full.
    assert!(lost > 0 && numbers == (0..numbers.len()).collect::<Vec<_>>(), "{lost}");
}

#[test]
fn one_slow_subscriber_costs_the_others_nothing() {
    const PACKETS: usize = 400;
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let context = zmq::Context::new();
    let subscriber = |queue: i32| {
        let socket = context.socket(zmq::SUB).unwrap();
        socket.set_rcvhwm(queue).unwrap();
        socket.set_rcvtimeo(1_000).unwrap();
        socket.set_subscribe(b"fancyhw_data ").unwrap();
        socket.connect(&endpoint).unwrap();
        socket
    };
    let (slow, quick) = (subscriber(1), subscriber(0));
    // More than all queues on the way hold, and slowly enough for who reads.
    let publish = format!("publish --packet-size 32768 --rate 200 --count {PACKETS} --bind {endpoint}");
    let publisher = bench.fancyhwd(&format!("{publish} --wait-subscribers 2")).start();
    assert_eq!(received(&quick), (0..PACKETS).collect::<Vec<_>>());
    let numbers = received(&slow);
    let finished = publisher.finish().code(3).says("; subscribers at the end: 2");
    let (_, summary) = finished.stderr.split_once("at least ").unwrap();
    let least: usize = summary.split(' ').next().unwrap().parse().unwrap();
    assert!((1..=PACKETS - numbers.len()).contains(&least), "{least} of {PACKETS}, {} received", numbers.len());
}

#[test]
fn a_blocked_publisher_can_be_stopped() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let publish = "publish --rate max --packet-size 65536 --on-full block --wait-subscribers 1";
    let publisher = bench.fancyhwd(&format!("{publish} --bind {endpoint}")).start();
    let context = zmq::Context::new();
    let stuck = context.socket(zmq::SUB).unwrap();
    stuck.set_rcvhwm(10).unwrap();
    stuck.set_subscribe(b"fancyhw_data ").unwrap();
    stuck.connect(&endpoint).unwrap();
    eventually("the stuck subscriber is reported", || publisher.log().contains("a subscriber has not read"));
    publisher.signal(Signal::INT);
    publisher.finish().code(3).says("the last packets, which are lost for it");
}

#[test]
fn settings_come_from_the_environment_and_the_command_line_wins() {
    let bench = Bench::new();
    let (one, two) = (bench.endpoint("one"), bench.endpoint("two"));
    let publisher = bench
        .fancyhwd("publish --packet-size 2")
        .env("FANCYHWD_BIND", format!("{one} {two}"))
        .env("FANCYHWD_PACKET_SIZE", "5")
        .env("FANCYHWD_TOPIC", "other")
        .env("FANCYHWD_INTERVAL", "1ms")
        .env("FANCYHWD_WAIT_SUBSCRIBERS", "1")
        .start();
    assert!(publisher.status.contains(&one) && publisher.status.contains(&two), "{}", publisher.status);
    let recorder = bench
        .fancyhwd(&format!("record --topic other --count 2 --print --database c.db --connect {two}"))
        .run()
        .success();
    publisher.stop().success();
    let expected = json_samples(&fancyhw_bytes(2));
    let (_, line) = recorder.stdout.lines().next().unwrap().split_once(' ').unwrap();
    assert_eq!(line, format!("#0 other 10 bytes {expected}"));
}

fn fancyhw_bytes(samples: usize) -> Vec<u8> {
    let mut device = Simulated::new(12345);
    (0..samples).flat_map(|_| (device.rand() as i16).to_le_bytes()).collect()
}

#[test]
fn the_rate_of_the_command_line_wins_over_the_interval_of_the_environment() {
    let bench = Bench::new();
    bench
        .fancyhwd("publish --rate max --count 1000 --bind tcp://127.0.0.1:*")
        .env("FANCYHWD_INTERVAL", "1h")
        .run()
        .success()
        .says("published 1000 messages");
}

#[test]
fn a_slow_subscriber_over_ipc_gets_the_end_of_a_stream_too() {
    const PACKETS: usize = 4_000;
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let context = zmq::Context::new();
    let slow = context.socket(zmq::SUB).unwrap();
    slow.set_rcvhwm(100).unwrap();
    slow.set_rcvtimeo(10_000).unwrap();
    slow.set_subscribe(b"fancyhw_data ").unwrap();
    slow.connect(&endpoint).unwrap();
    let publish =
        format!("publish --rate max --on-full block --wait-subscribers 1 --count {PACKETS} --bind {endpoint}");
    let publisher = bench.fancyhwd(&publish).start();
    // It reads nothing before the publisher has sent everything and is about to leave.
    publisher.wait_until_told("STOPPING=1");
    let received = (0..PACKETS).take_while(|_| slow.recv_msg(0).is_ok()).count();
    publisher.finish().success().says("0 lost");
    assert_eq!(received, PACKETS);
}
