//! `session describe`: what messages mean is corrected later, and no byte of them changes.

use crate::support::seal::stored;
use crate::support::{Bench, eventually};

/// Session 1 of `c.db`: floats in two frames, and text with a space in it, from two devices; `kept.db` has it too.
fn captured() -> Bench {
    let bench = Bench::new();
    let endpoints = ["left", "right"].map(|name| bench.endpoint(name));
    let [left, right] = &endpoints;
    let record = "record --database c.db --topic * --count 80 --layout imu=float32x2 --commit-every 5ms";
    let recorder = bench.fancyhwd(&format!("{record} --connect {left} --connect {right}")).start();
    let context = zmq::Context::new();
    let devices = endpoints.each_ref().map(|endpoint| {
        let socket = context.socket(zmq::XPUB).unwrap();
        socket.bind(endpoint).unwrap();
        socket.recv_bytes(0).unwrap();
        socket
    });
    for number in 0..20_u8 {
        for device in &devices {
            let imu = [f32::from(number), -1.5].map(f32::to_le_bytes).concat();
            device.send_multipart([b"imu".to_vec(), imu], 0).unwrap();
            device.send(&format!("note {number} of many"), 0).unwrap();
        }
    }
    recorder.finish().success();
    bench.fancyhwd("session export 1 --database c.db --format sqlite --output kept.db").run().success();
    bench
}

fn describe(bench: &Bench, options: &str) -> String {
    bench.fancyhwd(&format!("session describe 1 {options} --database c.db")).run().success().stderr
}

/// It verifies, and is what it was.
#[track_caller]
fn assert_same(bench: &Bench) {
    bench.fancyhwd("session verify --all --database c.db").run().success();
    bench.fancyhwd("session diff 1 1 --database c.db --other kept.db").run().success();
    assert_eq!(stored(&bench.path("c.db")), stored(&bench.path("kept.db")));
}

fn figures(bench: &Bench) -> String {
    let streams = "SELECT endpoint, framing, name, layout, assumed, count(*), sum(message_id IS NOT NULL) FROM streams \
         JOIN messages ON stream_id = streams.id LEFT JOIN faults ON message_id = messages.id \
         GROUP BY streams.id ORDER BY endpoint, framing, name";
    bench.sqlite3("c.db", streams)
}

#[test]
fn a_wrong_layout_and_framing_are_corrected() {
    let bench = captured();
    let first = figures(&bench);
    assert_eq!(
        first,
        "1|frames|imu|float32x2|0|20|0\n1|space|note|text|1|20|0\n2|frames|imu|float32x2|0|20|0\n2|space|note|text|1|20|0"
    );
    let samples = "SELECT sum(raw) FROM samples";
    assert_eq!(bench.sqlite3("c.db", samples), "320.0");

    let said = describe(&bench, "imu --layout int24");
    assert!(said.contains("40 of 80 messages are undecodable; before, 0 were"), "{said}");
    assert_same(&bench);
    assert_eq!(bench.sqlite3("c.db", "SELECT undecodable FROM sessions"), "40");
    assert!(figures(&bench).contains("1|frames|imu|int24|0|20|20\n1|space|note|text|1|20|0"), "{}", figures(&bench));
    assert_eq!(
        bench.sqlite3("c.db", "SELECT count(*), min(reason) FROM undecodable"),
        "40|frame 1 has 8 bytes of records, which are no multiple of 3"
    );
    assert_eq!(bench.sqlite3("c.db", "SELECT count(*) FROM samples"), "0");

    describe(&bench, "--framing whole");
    assert_same(&bench);
    assert_eq!(bench.sqlite3("c.db", "SELECT DISTINCT framing FROM streams"), "whole");
    assert_eq!(bench.sqlite3("c.db", "SELECT count(*) FROM streams"), "2");

    describe(&bench, "--framing auto");
    assert_same(&bench);
    describe(&bench, "imu --layout float32x2");
    describe(&bench, "note --layout text");
    assert_same(&bench);
    assert_eq!(figures(&bench), first.replace("text|1", "text|0"));
    assert_eq!(bench.sqlite3("c.db", samples), "320.0");
    assert_eq!(bench.sqlite3("c.db", "SELECT undecodable FROM sessions"), "0");
}

#[test]
fn channels_and_rates_are_said_of_some_streams_alone() {
    let bench = captured();
    describe(&bench, "imu --endpoint 2 --channels ax:m/s^2:0.5:1,ay --sample-rate 1000");
    assert_same(&bench);
    let values = "SELECT endpoint, channel, raw, value FROM samples JOIN messages ON messages.id = message_id \
         JOIN streams ON streams.id = stream_id WHERE raw = 4 OR raw = -1.5 GROUP BY endpoint, channel ORDER BY endpoint, channel";
    assert_eq!(bench.sqlite3("c.db", values), "1|ch0|4.0|4.0\n1|ch1|-1.5|-1.5\n2|ax|4.0|3.0\n2|ay|-1.5|-1.5");
    let shown = bench.fancyhwd("session show 1 --database c.db").run().success().stdout;
    let line =
        "endpoint 2, topic imu (frames), layout float32x2, 1000 records/s, channels ax:m/s^2:0.5:1,ay: 20 messages";
    assert!(shown.contains(line), "{shown}");
    let csv =
        bench.fancyhwd("session export 1 --database c.db --format csv --topic imu --endpoint 2").run().success().stdout;
    assert!(csv.starts_with("time,elapsed_s,endpoint,topic,number,ax (m/s^2),ay\n"), "{csv}");
    assert!(csv.contains(",3.0,-1.5\n"), "{csv}");
}

#[test]
fn what_cannot_be_is_one_line_and_changes_nothing() {
    let bench = captured();
    let before = figures(&bench);
    let refused =
        |options: &str| bench.fancyhwd(&format!("session describe 1 {options} --database c.db")).run().code(2);
    refused("imu --layout float33").says("at character 1, 'float33': a type is int8");
    refused("imu --channels a,b,c").says("layout float32x2 has 2 numbers in its headers and records; 3 are named");
    refused("nobody --layout int8").says("it has no stream of that topic");
    assert_eq!(figures(&bench), before);
    assert_same(&bench);
}

#[test]
fn a_session_that_is_being_recorded_is_not_described() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
    let device = bench.fancyhwd(&format!("publish --rate 100 --wait-subscribers 1 --bind {endpoint}")).start();
    eventually("messages are committed", || bench.sqlite3("c.db", "SELECT messages > 10 FROM sessions") == "1");
    bench.fancyhwd("session describe 1 --layout int8 --database c.db").run().code(2).says("is being recorded");
    device.stop().success();
    recorder.stop();
}
