//! `session export --format npz`, read by numpy.

use std::fs;

use fancyhwd::device::Simulated;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::devices::{self, DEVICES};
use crate::support::kill::seeded;
use crate::support::{Bench, root};

/// Compare an export with what the database holds, number by number.
#[track_caller]
fn numpy_reads_the_same(bench: &Bench, session: i64) {
    let connection = Connection::open(bench.path("c.db")).unwrap();
    let sql = "SELECT endpoint, name, received_unix_ns, elapsed_ns, payload, parts, faults.message_id IS NOT NULL FROM messages \
               JOIN streams ON streams.id = stream_id LEFT JOIN faults ON message_id = messages.id WHERE session_id = ?1 ORDER BY messages.id";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([session], |row| {
        let (payload, parts): (Vec<u8>, Option<String>) = (row.get(4)?, row.get(5)?);
        let lengths: Vec<usize> =
            parts.map_or_else(|| vec![payload.len()], |parts| serde_json::from_str(&parts).unwrap());
        let mut rest = payload.as_slice();
        let frames: Vec<String> = lengths
            .into_iter()
            .map(|length| {
                let (frame, behind) = rest.split_at(length);
                rest = behind;
                frame.iter().map(|byte| format!("{byte:02x}")).collect()
            })
            .collect();
        Ok(json!({
            "endpoint": row.get::<_, u32>(0)?, "topic": row.get::<_, String>(1)?, "unix_ns": row.get::<_, i64>(2)?,
            "elapsed_ns": row.get::<_, i64>(3)?, "frames": frames, "undecodable": row.get::<_, bool>(6)?,
        }))
    });
    let sent: Vec<Value> = rows.unwrap().map(Result::unwrap).collect();
    fs::write(bench.path("sent.json"), Value::from(sent.clone()).to_string()).unwrap();
    bench.fancyhwd(&format!("session export {session} --database c.db --format npz -o x.npz --force")).run().success();
    let script = root().join("tests/peers/npz.py");
    let read = bench.program("/usr/bin/python3").arg(script).args(["x.npz", "sent.json"]).run().success();
    assert_eq!(read.stdout.trim(), sent.len().to_string());
}

#[test]
fn every_device_is_read_by_numpy_as_it_was_sent() {
    for (device, messages, _) in DEVICES {
        println!("{device}");
        let bench = Bench::new();
        devices::record(&bench, device, &["device"], "--topic *", messages * devices::COUNT);
        numpy_reads_the_same(&bench, 1);
    }
}

#[test]
fn random_numbers_of_all_types_are_read_by_numpy_bit_for_bit() {
    let mut dice = Simulated::new(seeded().rand());
    let layouts = [
        "int16",
        "int8x3,uint8",
        "uint32,uint64/int16x2",
        "pad,int24-be/int24,padx2,float32-be",
        "float64-be,uint64,int64-be",
        "uint16-be,padx3/uint32-be",
        "float32",
        "pad,int16/pad,int32,pad",
    ];
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let told: String =
        layouts.iter().enumerate().map(|(place, layout)| format!(" --layout t{place}={layout}")).collect();
    let count = 60 * layouts.len();
    let line = format!("record --database c.db --topic * --framing frames --count {count}{told} --connect {endpoint}");
    let recorder = bench.fancyhwd(&line).start();
    let socket = zmq::Context::new().socket(zmq::XPUB).unwrap();
    socket.bind(&endpoint).unwrap();
    socket.recv_bytes(0).unwrap();
    let sizes = [[0, 2], [0, 4], [12, 4], [4, 9], [0, 24], [5, 4], [0, 4], [3, 6]];
    for number in 0..60_usize {
        for (place, [header, record]) in sizes.iter().enumerate() {
            // Streams of even number have always as many records; the others any, and what cannot be read now and then.
            let records = if place % 2 == 0 { 1 + place } else { dice.rand() as usize % 4 };
            let wrong = usize::from(place % 2 == 1 && number % 11 == 3);
            let bytes: Vec<u8> = (0..header + record * records + wrong).map(|_| (dice.rand() >> 7) as u8).collect();
            socket.send_multipart([format!("t{place}").into_bytes(), bytes], 0).unwrap();
        }
    }
    recorder.finish().success();
    numpy_reads_the_same(&bench, 1);
}

#[test]
fn a_session_without_messages_is_read_too_and_a_pipe_is_refused() {
    let bench = Bench::new();
    bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    numpy_reads_the_same(&bench, 1);
    bench.fancyhwd("session export --database c.db --format npz").run().code(2).says("needs --output");
}
