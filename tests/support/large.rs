//! Messages of hundreds of megabytes go round: recorded, verified, replayed, in little memory.

use super::{Bench, Daemon, eventually};

/// What a run may take: so many times the message, ...
const TIMES_MAX: f64 = 3.5;

/// ... and what it takes without one.
const BASE_BYTES: u64 = 48 << 20;

fn assert_small(daemon: &Daemon, what: &str, message_bytes: usize) {
    let peak_bytes = daemon.memory_bytes("VmHWM");
    let times = peak_bytes as f64 / message_bytes as f64;
    println!("{what} of a message of {message_bytes} bytes: {peak_bytes} bytes, {times:.2} of it");
    let most = (TIMES_MAX * message_bytes as f64) as u64 + BASE_BYTES;
    assert!(peak_bytes <= most, "{what} took {peak_bytes} bytes for a message of {message_bytes}");
}

/// Record, verify and replay one message of `count` frames with so many bytes together.
pub fn goes_round(message_bytes: usize, count: usize) {
    let frame_bytes = message_bytes / count;
    let frames: Vec<Vec<u8>> =
        (0..count).map(|number| (0..frame_bytes).map(|at| (at + at / 255 + number) as u8).collect()).collect();
    let bench = Bench::new();
    let context = zmq::Context::new();
    let device = context.socket(zmq::XPUB).unwrap();
    device.set_rcvtimeo(60_000).unwrap();
    device.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = device.get_last_endpoint().unwrap().unwrap();
    let record = "record --topic large --framing frames --layout bytes --max-message 900MB --database c.db";
    let recorder = bench.fancyhwd(&format!("{record} --connect {endpoint}")).start();
    assert_eq!(device.recv_bytes(0).unwrap(), b"\x01large");
    device.send_multipart([&[b"large".to_vec()][..], &frames].concat(), 0).unwrap();
    eventually("it is recorded", || bench.sqlite3("c.db", "SELECT messages FROM sessions") == "1");
    assert_small(&recorder, "recording", message_bytes);
    // With a queue of 256 MiB.
    recorder.stop().success().says("messages of up to 900 MB are taken").says("up to 4818 MB of memory");
    bench.fancyhwd("session verify --database c.db").run().success();

    let replay = bench.fancyhwd("replay --loop --wait-subscribers 1 --database c.db --bind tcp://127.0.0.1:*").start();
    let subscriber = context.socket(zmq::SUB).unwrap();
    subscriber.set_rcvhwm(1).unwrap();
    subscriber.set_rcvtimeo(60_000).unwrap();
    subscriber.set_subscribe(b"large").unwrap();
    subscriber.connect(&replay.endpoint()).unwrap();
    let received = subscriber.recv_multipart(0).unwrap();
    assert!(received[0] == b"large" && received[1..] == frames, "other bytes");
    assert_small(&replay, "a replay", message_bytes);
    drop(subscriber);
    replay.stop();
}
