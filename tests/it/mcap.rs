//! `session export --format mcap`, read by the reader of Foxglove.

use std::fs;

use serde_json::{Value, json};

use crate::export::two_devices;
use crate::support::allowed::python;
use crate::support::{Bench, root};

/// A message of the device with this number, from 0.
pub fn message(device: usize, frames: &[&[u8]]) -> (usize, Vec<Vec<u8>>) {
    (device, frames.iter().map(|frame| frame.to_vec()).collect())
}

/// Record what these devices send, in order, with further options, into `c.db`. A message is the number of its device and
/// its frames.
pub fn record(bench: &Bench, options: &str, messages: &[(usize, Vec<Vec<u8>>)]) {
    let devices = 1 + messages.iter().map(|(device, _)| *device).max().unwrap();
    let endpoints: Vec<String> = (0..devices).map(|device| bench.endpoint(&format!("device{device}"))).collect();
    let connect: Vec<String> = endpoints.iter().map(|endpoint| format!("--connect {endpoint}")).collect();
    let line = format!("record --database c.db --count {} {options} {}", messages.len(), connect.join(" "));
    let recorder = bench.fancyhwd(&line).start();
    let context = zmq::Context::new();
    let sockets: Vec<zmq::Socket> = endpoints
        .iter()
        .map(|endpoint| {
            let socket = context.socket(zmq::XPUB).unwrap();
            socket.bind(endpoint).unwrap();
            socket.recv_bytes(0).unwrap();
            socket
        })
        .collect();
    for (device, frames) in messages {
        sockets[*device].send_multipart(frames, 0).unwrap();
    }
    recorder.finish().success();
}

/// The summary of an MCAP file and its messages, as the reader of Foxglove gives them.
pub fn read(bench: &Bench, file: &str) -> (Value, Vec<Value>) {
    let read = bench
        .program(python().expect("it was asked for"))
        .arg(root().join("tests/peers/mcap_read.py"))
        .arg(bench.path(file))
        .run();
    let mut lines = read.success().stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>();
    (lines.remove(0), lines)
}

fn frames(frames: &[&[u8]]) -> Vec<Vec<u8>> {
    frames.iter().map(|frame| frame.to_vec()).collect()
}

/// Devices with numbers, text, JSON, bytes, and messages that cannot be read.
fn devices() -> Bench {
    let bench = Bench::new();
    let options = "--topic * --layout imu=uint32/int16x2 --channels imu=n,x:mV:0.5:1,y \
                   --layout one=float64 --channels one=temp:\u{b0}C --layout camera=json+bytes";
    let messages = [
        (0, frames(&[b"imu", b"\x01\0\0\0\x02\0\x03\0\x04\0\xff\xff"])),
        (0, frames(&[b"one", &21.5_f64.to_le_bytes()])),
        (0, frames(&[b"camera", b"{\"a\": [1,\n2]}", b"\x00\x01"])),
        (0, frames(&[b"imu", b"\x01\x02"])),
        (0, frames(&[b"note", b"two \"words\""])),
        (0, frames(&[b"raw", b"\xff\x00"])),
        (0, frames(&[b"raw", b"\xff", b"", b"\x01\x02"])),
        (0, frames(&[b"one", &f64::NAN.to_le_bytes()])),
    ];
    record(&bench, options, &messages);
    // The other one has the same topic.
    record(
        &bench,
        options,
        &[(0, frames(&[b"one", &1_f64.to_le_bytes()])), (1, frames(&[b"one", &2_f64.to_le_bytes()]))],
    );
    bench
}

#[test]
fn numbers_have_names_and_a_schema_and_everything_else_stays_bytes() {
    if python().is_none() {
        return;
    }
    let bench = devices();
    let export = bench.fancyhwd("session export 1 --database c.db --format mcap -o x.mcap").run();
    export.success().says("1 message cannot be read by their layout").says("exported session 1 as mcap: 8 messages, ");
    let (summary, messages) = read(&bench, "x.mcap");
    let found: Vec<Value> = messages.iter().map(|it| json!([it["topic"], it["encoding"], it["data"]])).collect();
    let expected = [
        json!(["imu", "json", { "n": 1, "x": [2.0, 3.0], "y": [3, -1] }]),
        json!(["one", "json", { "temp": 21.5 }]),
        json!(["camera", "json", { "json0": { "a": [1, 2] }, "bytes1": "AAE=" }]),
        json!(["imu", "", "0102"]),
        json!(["note", "json", { "text": "two \"words\"" }]),
        json!(["raw", "", "ff00"]),
        json!(["raw", "", "01000000ff00000000020000000102"]),
        json!(["one", "json", { "temp": null }]),
    ];
    assert_eq!(found, expected);
    let (number, list) = (json!({ "type": "number" }), json!({ "type": "array", "items": { "type": "number" } }));
    let mut volts = list.clone();
    volts["description"] = json!("mV");
    let schema = json!({ "title": "imu", "type": "object", "properties": { "n": number, "x": volts, "y": list } });
    assert_eq!(messages[0]["schema"], json!({ "encoding": "jsonschema", "data": schema }));
    let degrees = json!({ "type": "number", "description": "\u{b0}C" });
    assert_eq!(messages[1]["schema"]["data"]["properties"], json!({ "temp": degrees }));
    let of_camera = &messages[2]["schema"]["data"]["properties"];
    assert_eq!(*of_camera, json!({ "json0": {}, "bytes1": { "type": "string", "contentEncoding": "base64" } }));
    assert_eq!(messages[3]["schema"], Value::Null);
    assert_eq!(
        (&messages[5]["metadata"]["data"], &messages[6]["metadata"]["data"]),
        (&json!("payload"), &json!("payloads"))
    );
    let about = &messages[0]["metadata"];
    assert_eq!(about["endpoint"], json!(bench.endpoint("device0")));
    assert_eq!(about["topic_hex"], "696d75");
    assert_eq!((&about["framing"], &about["layout"]), (&json!("frames"), &json!("uint32/int16x2")));
    assert_eq!(about["channels"], "n,x:mV:0.5:1,y");

    // Both times, and the number in the session.
    let times = "SELECT json_array(number, received_unix_ns, started_unix_ns + messages.elapsed_ns) FROM decoded_packets \
                 JOIN messages ON messages.id = message_id JOIN sessions ON sessions.id = session_id WHERE sessions.id = 1";
    for line in bench.sqlite3("c.db", times).lines() {
        let expected: Value = serde_json::from_str(line).unwrap();
        let message = &messages[expected[0].as_u64().unwrap() as usize];
        assert_eq!(json!([message["sequence"], message["log_time"], message["publish_time"]]), expected);
    }
    assert_eq!((&summary["messages"], &summary["by_index"]), (&json!(8), &json!(8)));
    assert_eq!((&summary["start"], &summary["end"]), (&messages[0]["log_time"], &messages[7]["log_time"]));
    assert_eq!(summary["compressions"], json!(["zstd"]));
    assert!(summary["indexed"].as_u64() > Some(0), "{summary}");
    let session = &summary["metadata"]["fancyhwd.session"];
    assert_eq!(
        (&session["id"], &session["messages"], &session["end_reason"]),
        (&json!("1"), &json!("8"), &json!("limit"))
    );
    assert!(summary["metadata"]["fancyhwd.ledger"].is_object(), "{summary}");
}

#[test]
fn streams_of_one_topic_are_channels_of_their_own_and_a_part_can_be_chosen() {
    if python().is_none() {
        return;
    }
    let bench = devices();
    bench.fancyhwd("session export 2 --database c.db --format mcap -o x.mcap").run().success();
    let (_, messages) = read(&bench, "x.mcap");
    let found: Vec<Value> =
        messages.iter().map(|it| json!([it["topic"], it["metadata"]["endpoint"], it["data"]["temp"]])).collect();
    for (device, value) in [("device0", 1.0), ("device1", 2.0)] {
        assert!(found.contains(&json!(["one", bench.endpoint(device), value])), "{found:?}");
    }
    for (options, expected) in
        [("--endpoint 2", vec![2.0]), ("--topic one --to n1", vec![messages[0]["data"]["temp"].as_f64().unwrap()])]
    {
        bench
            .fancyhwd(&format!("session export 2 --database c.db --format mcap --force -o x.mcap {options}"))
            .run()
            .success();
        let found: Vec<f64> = read(&bench, "x.mcap").1.iter().map(|it| it["data"]["temp"].as_f64().unwrap()).collect();
        assert_eq!(found, expected, "{options}");
    }
    let ends = bench.fancyhwd("session export 1 --database c.db --format mcap --from n2 --to n5 -o y.mcap").run();
    ends.success().says(": 3 messages, ");
    assert_eq!(read(&bench, "y.mcap").1.iter().map(|it| it["sequence"].clone()).collect::<Vec<_>>(), [2, 3, 4]);
}

#[test]
fn untouched_messages_are_all_bytes_that_came() {
    if python().is_none() {
        return;
    }
    let bench = devices();
    bench.fancyhwd("session export 1 --database c.db --format mcap --untouched -o x.mcap").run().success();
    let (_, messages) = read(&bench, "x.mcap");
    assert_eq!((&messages[5]["encoding"], &messages[5]["metadata"]["data"]), (&json!("fancyhwd"), &json!("frames")));
    assert_eq!(messages[5]["data"], "0300000072617702000000ff00");
    assert!(messages.iter().all(|it| it["schema"].is_null()));
    bench.fancyhwd("session export 1 --database c.db --format csv --untouched").run().code(2).says("only with mcap");
    bench.fancyhwd("session export 1 --database c.db --format mcap").run().code(2).says("needs --output");
}

#[test]
fn a_large_session_takes_little_memory() {
    if python().is_none() {
        return;
    }
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder =
        bench.fancyhwd(&format!("record --database c.db --count 500000 --connect {endpoint} --queue 1GB")).start();
    let publish = "publish --count 500000 --rate max --on-full block --wait-subscribers 1 --bind";
    bench.fancyhwd(&format!("{publish} {endpoint}")).run().success();
    recorder.finish().success();
    let peak = |line: &str| {
        let run = bench.program("/usr/bin/python3").args(["-c", "import os,sys,resource; os.spawnvp(os.P_WAIT, sys.argv[1], sys.argv[1:]); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"]);
        let peak_kib: u64 = run.arg("fancyhwd").args(line.split(' ')).run().success().stdout.trim().parse().unwrap();
        println!("{line}: {peak_kib} KiB");
        peak_kib
    };
    for line in [
        "session export --database c.db --format mcap -o x.mcap",
        "session export --database c.db --format mcap --untouched -o y.mcap",
        "session export --database c.db --format jsonl -o y.jsonl",
        "session export --database c.db --format npz -o y.npz",
        "session import y.mcap --database d.db",
        "session import y.jsonl --database d.db",
        "session import y.npz --database d.db",
    ] {
        let peak_kib = peak(line);
        assert!((1000..60_000).contains(&peak_kib), "{line}: {peak_kib} KiB");
    }
    let (summary, messages) = read(&bench, "x.mcap");
    assert_eq!((messages.len(), &summary["by_index"]), (500_000, &json!(500_000)));
    assert!(summary["chunks"].as_u64() > Some(5), "{summary}");
    for id in [1, 2, 3] {
        bench.fancyhwd(&format!("session diff 1 {id} --database c.db --other d.db")).run().success();
    }
    assert!(fs::metadata(bench.path("x.mcap")).unwrap().len() > 1_000_000);
}

#[test]
fn an_import_says_when_messages_are_not_those_that_were_exported() {
    let bench = two_devices();
    bench.fancyhwd("session export 1 --database c.db --format mcap --untouched -o x.mcap").run().success();
    bench.fancyhwd("session import x.mcap --database d.db").run().success();
    let Some(python) = python() else { return };
    // As a tool does that filters: all but one message.
    let script = "import sys
from mcap.reader import make_reader
from mcap.writer import Writer
reader = make_reader(open('x.mcap', 'rb'), validate_crcs=True)
(digest,) = [a for a in reader.iter_attachments() if a.name == 'fancyhwd.digest']
assert len(digest.data) == 64, digest
with open('less.mcap', 'wb') as file:
    writer = Writer(file)
    writer.start()
    for metadata in reader.iter_metadata():
        writer.add_metadata(metadata.name, metadata.metadata)
    ids = {}
    for number, (_, channel, message) in enumerate(reader.iter_messages(log_time_order=False)):
        if channel.id not in ids:
            ids[channel.id] = writer.register_channel(channel.topic, channel.message_encoding, 0, channel.metadata)
        if number != int(sys.argv[1]):
            writer.add_message(ids[channel.id], message.log_time, message.data, message.publish_time, message.sequence)
    writer.add_attachment(0, digest.log_time, digest.name, digest.media_type, digest.data)
    writer.finish()";
    for (left_out, code) in [("3", 3), ("-1", 0)] {
        bench.program(&python).args(["-c", script, left_out]).run().success();
        let said = bench.fancyhwd("session import less.mcap --database d.db").run().code(code).stderr;
        assert_eq!(said.contains("its messages are not those of the session"), code == 3, "{said}");
    }
}
