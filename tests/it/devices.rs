//! Devices as they are met in the field: what they send is recorded, read, exported and replayed as what it is.

use std::fs;

use crate::replay::{assert_silent, subscriber};
use crate::support::kinds::are_told_apart;
use crate::support::seal::stored;
use crate::support::{Bench, Finished, root};

/// How often a device is called.
pub const COUNT: usize = 30;

/// A device of `tests/peers/devices.py`, the messages that it sends in one call, and its streams when it is recorded with
/// `--topic '*'`: framing, topic and layout, in the order in which they come.
pub const DEVICES: [(&str, usize, &[&str]); 30] = [
    ("open_ephys", 1, &["frames DATA json+bytes", "frames EVENT json+bytes"]),
    ("area_detector", 1, &["whole  ndarray"]),
    ("bitcoind", 2, &["frames hashtx bytes", "frames rawtx bytes"]),
    ("pupil", 2, &["frames pupil.0.2d bytes", "frames frame.eye.0 bytes"]),
    ("cereal", 1, &["whole  bytes"]),
    ("bonsai", 1, &["frames Lick bytes"]),
    ("bonsai_text", 1, &["space Lick text"]),
    ("gnss_sdr", 1, &["whole  bytes"]),
    ("weather_server", 1, &["space 10001 text", "space 59937 text", "space 90210 text"]),
    ("envelope_publisher", 2, &["frames A text", "frames B text"]),
    ("keyed", 3, &["frames rx0 bytes", "frames rx01 bytes", "frames rx1 bytes"]),
    ("keyed_in_one_frame", 3, &["space rx0 bytes", "space rx01 bytes", "space rx1 bytes"]),
    ("pickled", 1, &["whole  bytes"]),
    ("log_handler", 2, &["frames app.DEBUG text", "frames app.ERROR text"]),
    ("string", 1, &["whole  text"]),
    ("string_with_topic", 1, &["space temp text"]),
    ("json", 1, &["whole  json"]),
    ("json_with_topic", 1, &["space sensor/1 json"]),
    ("json_in_two_frames", 1, &["frames sensor/1 json"]),
    ("pyobj", 1, &["whole  bytes"]),
    ("numpy", 1, &["whole  ndarray"]),
    ("numpy_with_topic", 1, &["frames cam0 ndarray"]),
    ("float32", 1, &["space imu bytes"]),
    ("big_endian", 1, &["space adc bytes"]),
    ("int24", 1, &["space eeg bytes"]),
    ("struct_without_topic", 1, &["whole  bytes"]),
    ("empty_frame", 1, &["whole  bytes"]),
    ("topic_and_empty_body", 1, &["frames tick bytes"]),
    ("tab_separated", 1, &["whole  bytes"]),
    ("colon", 1, &["whole  bytes"]),
];

/// A message: the number of its endpoint, and its frames.
pub type Sent = (u32, Vec<Vec<u8>>);

/// Record a device of so many endpoints in `c.db` until `count` messages are stored. Gives what it sent, and what the
/// recorder left behind.
pub fn record(bench: &Bench, device: &str, endpoints: &[&str], options: &str, count: usize) -> (Vec<Sent>, Finished) {
    let endpoints: Vec<String> = endpoints.iter().map(|name| bench.endpoint(name)).collect();
    let connect: String = endpoints.iter().map(|endpoint| format!(" --connect {endpoint}")).collect();
    let recorder = bench.fancyhwd(&format!("record --database c.db --count {count} {options} {connect}")).start();
    let script = root().join("tests/peers/devices.py");
    let device = bench.program("/usr/bin/python3").arg(script).args([device, &COUNT.to_string()]).args(&endpoints);
    let device = device.run().success();
    (device.stdout.lines().map(sent).collect(), recorder.finish().success())
}

/// A line of the device: `[1, "66", ...]`.
fn sent(line: &str) -> Sent {
    let line: Vec<serde_json::Value> = serde_json::from_str(line).unwrap();
    let hex = |text: &str| {
        let digits: Vec<u8> = text.bytes().map(|digit| char::from(digit).to_digit(16).unwrap() as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>()
    };
    let frames = line[1..].iter().map(|frame| hex(frame.as_str().unwrap())).collect();
    (line[0].as_u64().unwrap() as u32, frames)
}

/// There is nothing to warn of but that the device ends.
#[track_caller]
fn assert_quiet(recorder: &Finished) {
    let mut warnings = recorder.stderr.lines().filter(|line| line.contains("warning: "));
    assert!(warnings.all(|line| line.contains("disconnected from")), "{}", recorder.stderr);
}

/// The streams of `c.db`: framing, topic and layout.
fn streams(bench: &Bench) -> Vec<String> {
    let sql = "SELECT framing || ' ' || name || ' ' || layout FROM streams ORDER BY id";
    bench.sqlite3("c.db", sql).lines().map(str::to_owned).collect()
}

/// What is replayed of `c.db`, message by message.
fn replayed(bench: &Bench, options: &str, count: usize) -> Vec<Vec<Vec<u8>>> {
    let endpoint = bench.endpoint("replayed");
    let socket = subscriber(&endpoint);
    let line =
        format!("replay --database c.db --speed max --on-full block --wait-subscribers 1 {options} --bind {endpoint}");
    let replay = bench.fancyhwd(&line).start();
    let messages = (0..count).map(|_| socket.recv_multipart(0).unwrap()).collect();
    replay.finish().success();
    assert_silent(&socket);
    messages
}

#[test]
fn every_device_is_recorded_read_exported_and_replayed() {
    for (device, messages, expected) in DEVICES {
        println!("{device}");
        let bench = Bench::new();
        let (sent, recorder) = record(&bench, device, &["device"], "--topic *", messages * COUNT);
        let sent = &sent[..messages * COUNT];
        assert_quiet(&recorder);
        assert_eq!(stored(&bench.path("c.db")), sent);
        let found = streams(&bench);
        let mut expected: Vec<&str> = expected.to_vec();
        // The weather comes from anywhere first.
        expected.sort_by_key(|stream| found.iter().position(|found| found == stream));
        assert_eq!(found, expected);
        assert_eq!(
            bench.sqlite3("c.db", "SELECT messages, undecodable, unwanted, lost FROM sessions"),
            format!("{}|0|0|0", sent.len())
        );
        assert_eq!(bench.sqlite3("c.db", "SELECT count(*) FROM decoded_packets"), sent.len().to_string());
        bench.fancyhwd("session verify 1 --database c.db").run().success();

        let frames: Vec<Vec<Vec<u8>>> = sent.iter().map(|(_, frames)| frames.clone()).collect();
        assert_eq!(replayed(&bench, "", frames.len()), frames);
        for format in ["csv", "jsonl", "raw", "sqlite"] {
            let export = format!("session export 1 --database c.db --format {format} --topic * --output c.{format}");
            bench.fancyhwd(&export).run().success();
        }
        assert_eq!(
            fs::read_to_string(bench.path("c.csv")).unwrap().lines().filter(|line| line.starts_with("20")).count(),
            sent.len()
        );
        assert_eq!(fs::read_to_string(bench.path("c.jsonl")).unwrap().lines().count(), sent.len());
        let payload = |frames: &Vec<Vec<u8>>| match expected[0].split(' ').next() {
            Some("space") => frames[0].splitn(2, |&byte| byte == b' ').nth(1).unwrap().to_vec(),
            Some("frames") => frames[1..].concat(),
            _ => frames.concat(),
        };
        assert_eq!(fs::read(bench.path("c.raw")).unwrap(), frames.iter().flat_map(payload).collect::<Vec<u8>>());
        assert_eq!(stored(&bench.path("c.sqlite")), sent);
    }
}

#[test]
fn devices_that_nobody_described_have_the_topics_that_they_have() {
    are_told_apart(20_000);
}

#[test]
fn a_key_is_a_topic_in_one_frame_and_in_two() {
    for device in ["keyed", "keyed_in_one_frame"] {
        for (options, count, unwanted) in [("--topic rx0", COUNT, true), ("--topic rx*", 3 * COUNT, false)] {
            let bench = Bench::new();
            let (_, recorder) = record(&bench, device, &["device"], options, count);
            assert_quiet(&recorder);
            let names = bench.sqlite3("c.db", "SELECT group_concat(name, ' ') FROM streams");
            assert_eq!(names, if unwanted { "rx0" } else { "rx0 rx01 rx1" });
            let figures: Vec<u64> = bench
                .sqlite3("c.db", "SELECT messages, unwanted FROM sessions")
                .split('|')
                .map(|figure| figure.parse().unwrap())
                .collect();
            assert_eq!((figures[0], figures[1] > 0), (count as u64, unwanted));
        }
    }
}

#[test]
fn count_print_topic_and_map_work_with_two_frames() {
    let bench = Bench::new();
    let (_, recorder) = record(&bench, "envelope_publisher", &["device"], "--topic B --print", 10);
    let lines: Vec<&str> = recorder.stdout.lines().collect();
    assert_eq!(lines.len(), 10);
    assert!(lines[0].contains(" B ") && lines[0].ends_with("\"We would like to see this\""), "{}", lines[0]);
    let expected = |topic: &str| vec![vec![topic.as_bytes().to_vec(), b"We would like to see this".to_vec()]; 10];
    assert_eq!(replayed(&bench, "--topic B", 10), expected("B"));
    assert_eq!(replayed(&bench, "--map B=C", 10), expected("C"));
}

#[test]
fn text_of_a_log_handler_can_be_read() {
    let bench = Bench::new();
    record(&bench, "log_handler", &["device"], "--topic *", 2 * COUNT);
    let texts = "SELECT name, text FROM texts JOIN messages ON messages.id = message_id JOIN streams ON streams.id = stream_id \
                 WHERE text LIKE '%cycle 7...%'";
    let found = bench.sqlite3("c.db", texts);
    assert!(found.starts_with("app.ERROR|") && found.contains("starting cycle 7...done."), "{found}");
    let jsonl =
        bench.fancyhwd("session export 1 --database c.db --format jsonl --topic app.ERROR").run().success().stdout;
    assert!(jsonl.lines().count() == COUNT && jsonl.contains("starting cycle 29...done."), "{jsonl}");
}

#[test]
fn devices_without_topics_are_replayed_each_on_its_own_port() {
    let bench = Bench::new();
    let (sent, _) = record(&bench, "services", &["first", "second"], "--topic *", 2 * COUNT);
    let of = |number: u32| {
        sent.iter().filter(|(from, _)| *from == number).map(|(_, frames)| frames.clone()).collect::<Vec<_>>()
    };
    let endpoints = [bench.endpoint("one"), bench.endpoint("two")];
    let sockets = endpoints.each_ref().map(|endpoint| subscriber(endpoint));
    let [one, two] = &endpoints;
    let line = format!("replay --database c.db --speed max --wait-subscribers 1 --bind 1={one} --bind 2={two}");
    let replay = bench.fancyhwd(&line).start();
    for (number, socket) in (1..).zip(&sockets) {
        let received: Vec<Vec<Vec<u8>>> = (0..COUNT).map(|_| socket.recv_multipart(0).unwrap()).collect();
        assert_eq!(received, of(number));
    }
    replay.finish().success();
    sockets.iter().for_each(assert_silent);
    // Where they were recorded, when asked for.
    let (sent, _) = record(&bench, "services", &["first", "second"], "--topic *", 2 * COUNT);
    let sockets = ["first", "second"].map(|name| subscriber(&bench.endpoint(name)));
    let replay = bench.fancyhwd("replay --database c.db --speed max --wait-subscribers 1 --as-recorded").start();
    for (number, socket) in (1..).zip(&sockets) {
        let received: Vec<Vec<Vec<u8>>> = (0..COUNT).map(|_| socket.recv_multipart(0).unwrap()).collect();
        assert_eq!(
            received,
            sent.iter().filter(|(from, _)| *from == number).map(|(_, frames)| frames.clone()).collect::<Vec<_>>()
        );
    }
    replay.finish().success();
}

#[test]
fn devices_with_equal_topics_are_told_apart() {
    let bench = Bench::new();
    let (sent, recorder) =
        record(&bench, "twins", &["left", "right"], "--topic imu --layout float32 --print", 2 * COUNT);
    assert!(recorder.stdout.lines().all(|line| line.contains(":imu ")), "{}", recorder.stdout);
    let order = |(from, _): &Sent| *from;
    let mut found = stored(&bench.path("c.db"));
    found.sort_by_key(order);
    let mut expected = sent;
    expected.sort_by_key(order);
    assert_eq!(found, expected);
    let list = bench.fancyhwd("session show 1 --database c.db").run().success().stdout;
    for number in [1, 2] {
        assert!(
            list.contains(&format!("endpoint {number}, topic imu (frames), layout float32: {COUNT} messages")),
            "{list}"
        );
        let line = format!("session export 1 --database c.db --format csv --endpoint {number}");
        let csv = bench.fancyhwd(&line).run().success().stdout;
        assert_eq!(csv.lines().count(), COUNT + 1, "{csv}");
        assert!(csv.contains(&format!(",{number},imu,")) && csv.contains(&format!("{}.0,-2.25]", number - 1)), "{csv}");
    }
}
