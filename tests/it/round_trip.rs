//! Whatever frames a message has: they come out of a replay as they went into the recorder.

use std::fs;

use crate::replay::{assert_silent, subscriber};
use crate::support::kill::seeded;
use crate::support::seal::stored;
use crate::support::{Bench, root};

/// Frames of a message that a device sends.
type Frames = Vec<Vec<u8>>;

/// Messages of 1 to 10,000 frames and at most so many bytes, with and without what could be a topic.
fn messages(count: usize, most_bytes: usize) -> Vec<Frames> {
    let mut random = seeded();
    let mut below = |bound: usize| random.rand() as usize % bound.max(1);
    let mut message = |number: usize| -> Frames {
        let frame_count = match below(10) {
            0 => 1 + below(10_000),
            1..4 => 1 + below(20),
            4..7 => 2,
            _ => 1,
        };
        let bytes = match below(20) {
            0 => below(most_bytes),
            1..5 => below(most_bytes.min(10_000)),
            _ => below(most_bytes.min(300)),
        };
        let mut frames: Frames = (0..frame_count)
            .map(|_| {
                let frame_bytes = below(2 * bytes / frame_count + 1);
                // Random bytes of which many repeat take less time to make.
                let seed = below(256);
                (0..frame_bytes).map(|at| ((at + 1) * (seed + 7 * at + number) % 251) as u8).collect()
            })
            .collect();
        let topics: [&[u8]; 6] = [b"one", b"one ", b"two\0", b"one two", b"\xff\xfe x", "gr\u{fc}n ".as_bytes()];
        if let Some(topic) = topics.get(below(12)) {
            let first = frames.first_mut().unwrap();
            first.splice(..0, topic.iter().copied());
        }
        frames
    };
    (0..count).map(&mut message).collect()
}

/// Record these messages from two devices, replay them, and compare at each station.
fn goes_round(framing: &str, sent: &[Frames]) {
    let bench = Bench::new();
    let endpoints = ["left", "right"].map(|name| bench.endpoint(name));
    let [left, right] = &endpoints;
    let record = format!("record --database c.db --topic * --framing {framing} --count {} --queue 1GB", sent.len());
    let recorder = bench.fancyhwd(&format!("{record} --connect {left} --connect {right}")).start();
    let context = zmq::Context::new();
    let devices = endpoints.each_ref().map(|endpoint| {
        let socket = context.socket(zmq::XPUB).unwrap();
        socket.set_sndhwm(0).unwrap();
        socket.bind(endpoint).unwrap();
        socket.recv_bytes(0).unwrap();
        socket
    });
    for (number, frames) in sent.iter().enumerate() {
        devices[number % 2].send_multipart(frames, 0).unwrap();
    }
    recorder.finish().success();
    let found = stored(&bench.path("c.db"));
    for (from, origin) in [0, 1].into_iter().zip([1, 2]) {
        let sent = sent.iter().skip(from).step_by(2);
        assert!(found.iter().filter(|(number, _)| *number == origin).map(|(_, frames)| frames).eq(sent), "{framing}");
    }
    bench.fancyhwd("session verify 1 --database c.db").run().success();

    let endpoint = bench.endpoint("replayed");
    let socket = subscriber(&endpoint);
    let replay = "replay --database c.db --speed max --on-full block --wait-subscribers 1";
    let replay = bench.fancyhwd(&format!("{replay} --bind {endpoint}")).start();
    for (number, (_, frames)) in found.iter().enumerate() {
        assert!(socket.recv_multipart(0).unwrap() == *frames, "{framing}: message {number}");
    }
    replay.finish().success();
    assert_silent(&socket);
    fs::remove_file(bench.path("c.db")).unwrap();
}

#[test]
fn two_thousand_messages_of_any_frames_go_round() {
    let sent = messages(2_000, 1 << 20);
    for (framing, sent) in ["auto", "space", "frames", "whole"].into_iter().zip(sent.chunks(500)) {
        goes_round(framing, sent);
    }
}

#[test]
fn twenty_messages_of_sixteen_mebibytes_go_round() {
    const BYTES: usize = 16 << 20;
    // Each frame counts twelve bytes more.
    let large = |number: usize| -> Frames {
        let frame_count = 1 + number * 37;
        let frame = |at: usize| vec![(at + number) as u8; (BYTES - 12 * frame_count) / frame_count];
        (0..frame_count).map(frame).collect()
    };
    let sent: Vec<Frames> = (0..20).map(large).collect();
    for (framing, sent) in ["auto", "frames"].into_iter().zip(sent.chunks(10)) {
        goes_round(framing, sent);
    }
}

#[test]
fn numbers_of_every_type_are_in_stock_sqlite_what_numpy_reads() {
    let bench = Bench::new();
    let script = || bench.program("/usr/bin/python3").arg(root().join("tests/peers/layouts.py"));
    let options = script().arg("options").run().success().stdout;
    let endpoint = bench.endpoint("device");
    let count = 25 * options.lines().count();
    let record = format!("record --database c.db --topic * --framing frames --count {count} --connect {endpoint}");
    let recorder = bench.fancyhwd(&record).args(options.lines()).start();
    script().args(["publish", &endpoint]).run().success();
    let recorder = recorder.finish().success();
    assert!(!recorder.stderr.contains("undecodable"), "{}", recorder.stderr);
    let found = script().arg("check").arg(bench.path("c.db")).run().success().stdout;
    println!("{found}");
}
