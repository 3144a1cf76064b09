//! `session import`: what comes back of an export, and of what others wrote.

use std::fs;

use serde_json::json;

use crate::mcap::{message, record};
use crate::support::allowed::python;
use crate::support::{Bench, FANCYHWD, eventually, root};
use rustix::process::Signal;

/// Three sessions with all framings: several devices, topics that are no UTF-8 or end in NUL, empty frames, no frames behind
/// the topic, a large frame, and a wall clock that was set back.
pub fn difficult() -> Bench {
    let bench = Bench::new();
    let large = vec![7; 300_000];
    let options = "--topic * --layout imu=uint32/int16x2 --channels imu=n,x:mV:0.5:1,y --counter imu=uint32@0";
    record(
        &bench,
        options,
        &[
            message(0, &[b"plain \x01\x00\xff\xff"]),
            message(1, &[b"imu", b"\x01\0\0\0\x02\0\x03\0"]),
            message(0, &[b"no-topic"]),
            message(0, &[b"{\"a\": 1}", b"", b"x"]),
            message(1, &[b"DATA\0", b""]),
            message(1, &[b"DATA\0", &large, b"", b"end"]),
            message(1, &[b"nul\0 bytes"]),
            message(0, &[b""]),
            message(0, &[b"", b"", b""]),
            message(1, &[b"imu", b"odd"]),
        ],
    );
    record(
        &bench,
        "--topic * --framing frames",
        &[
            message(0, &[b"alone"]),
            message(0, &[b"\xff\xfe", b"a"]),
            message(0, &[b"\xff\xfe"]),
            message(0, &[b"", b"b"]),
        ],
    );
    record(
        &bench,
        "--topic * --framing space",
        &[message(0, &[b"\xff\xfe a b"]), message(0, &[b"\xff\xfe "]), message(0, &[b" c"])],
    );
    let step = "UPDATE messages SET received_unix_ns = received_unix_ns - 3600000000000 WHERE id BETWEEN 4 AND 8";
    bench.forge("c.db", step);
    bench
}

/// All that is known of the messages of a session, with how they are read if that is asked for.
pub fn rows(bench: &Bench, database: &str, id: usize, with_readings: bool) -> String {
    let readings = if with_readings { "layout, assumed, counter, sample_rate_hz" } else { "1" };
    bench.sqlite3(
        database,
        &format!(
            "SELECT endpoint, framing, hex(topic), name, received_unix_ns, elapsed_ns, hex(substr(payload, 1, 99)), length(payload), parts, {readings} \
             FROM messages JOIN streams ON streams.id = stream_id WHERE session_id = {id} ORDER BY messages.id"
        ),
    )
}

fn sessions(bench: &Bench, database: &str) -> String {
    bench.sqlite3(database, "SELECT count(*) FROM sessions")
}

#[test]
fn an_export_comes_back_as_it_was() {
    if python().is_none() {
        return;
    }
    let bench = difficult();
    for (format, database, with_readings) in
        [("mcap --untouched", "d.db", true), ("npz", "f.db", true), ("jsonl", "e.db", false)]
    {
        for id in 1..=3 {
            bench
                .fancyhwd(&format!("session export {id} --database c.db --format {format} -o x --force"))
                .run()
                .success();
            let import = bench.fancyhwd(&format!("session import x --label again --database {database}")).run();
            import.success().says(&format!("imported x as session {id} of "));
            let diff = format!("session diff {id} {id} --database c.db --other {database}");
            bench.fancyhwd(&diff).run().success();
            let rows = |database| rows(&bench, database, id, with_readings);
            let (ours, theirs) = (rows("c.db"), rows(database));
            assert_eq!(ours, theirs, "{format} {id}");
            assert!(ours.lines().count() > 2);
        }
        bench.fancyhwd(&format!("session verify --all --database {database}")).run().success();
        let said = bench.sqlite3(database, "SELECT DISTINCT label, end_reason FROM sessions");
        assert_eq!(said, "again|imported");
        let digest = blake3::hash(&fs::read(bench.path("x")).unwrap());
        let note = bench.sqlite3(database, "SELECT note FROM sessions WHERE id = 3");
        assert_eq!(note, format!("imported from x, BLAKE3 {digest}"));
    }
    for sql in [
        "SELECT session_id, number, endpoint FROM endpoints",
        "SELECT id, started_unix_ns, ended_unix_ns, host, boot_id, topics, framing FROM sessions",
        "SELECT channel, unit, scale, \"offset\" FROM fields JOIN streams ON streams.id = stream_id WHERE name = 'imu'",
    ] {
        for database in ["d.db", "f.db"] {
            assert_eq!(bench.sqlite3("c.db", sql), bench.sqlite3(database, sql), "{database}: {sql}");
        }
    }
    let endpoints = bench.sqlite3("e.db", "SELECT endpoint FROM endpoints WHERE session_id = 1");
    assert_eq!(endpoints, "endpoint 1 of x\nendpoint 2 of x");
    let undecodable = "SELECT undecodable FROM sessions WHERE id = 1";
    assert_eq!(["c.db", "d.db", "f.db"].map(|database| bench.sqlite3(database, undecodable)), ["1", "1", "1"]);
}

/// Write a file as others do: topic, encoding, schema, time and bytes of each message.
fn write(
    bench: &Bench,
    file: &str,
    compression: &str,
    chunk_bytes: usize,
    messages: &[(&str, &str, &str, u64, &[u8])],
) {
    let word = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let lines: String = messages
        .iter()
        .map(|(topic, encoding, schema, at, data)| {
            format!("{} {} {} {at} {}\n", word(topic), word(encoding), word(schema), hex(data))
        })
        .collect();
    fs::write(bench.path("lines"), lines).unwrap();
    let script = root().join("tests/peers/mcap_write.py");
    let run = bench
        .program(python().expect("it was asked for"))
        .arg(script)
        .arg(bench.path(file))
        .args([compression, &chunk_bytes.to_string()]);
    run.stdin(fs::File::open(bench.path("lines")).unwrap()).run().success();
}

const THEIRS: [(&str, &str, &str, u64, &[u8]); 6] = [
    ("/imu", "cdr", "ros2msg", 1_700_000_000_000_000_000, b"\x00\x01\x00\x00\x07"),
    ("/pose", "protobuf", "protobuf", 1_700_000_000_500_000_000, b"\x08\x96\x01"),
    ("/temp", "json", "jsonschema", 1_700_000_001_000_000_000, b"{\"c\": 21.5}"),
    ("/imu", "cdr", "ros2msg", 1_700_000_000_900_000_000, b""),
    ("/none", "", "", 1_700_000_002_000_000_000, b"\xff \x00"),
    ("", "", "", 1_700_000_002_000_000_001, b"without a topic"),
];

#[test]
fn what_others_wrote_is_imported_and_replayed_byte_for_byte() {
    if python().is_none() {
        return;
    }
    let bench = Bench::new();
    for (id, (compression, chunk_bytes)) in
        (1..).zip([("zstd", 1_000_000), ("none", 1_000_000), ("none", 0), ("zstd", 10)])
    {
        write(&bench, "x.mcap", compression, chunk_bytes, &THEIRS);
        bench.fancyhwd("session import x.mcap --database d.db").run().success().says(": 6 messages in ");
        let found = bench.sqlite3("d.db", &format!("SELECT framing, CAST(topic AS TEXT), received_unix_ns, elapsed_ns, hex(payload), layout FROM messages JOIN streams ON streams.id = stream_id WHERE session_id = {id} ORDER BY messages.id"));
        // What is late came when the one before it did, because the times of a session never go back.
        let expected = "frames|/imu|1700000000000000000|0|0001000007|bytes\n\
                        frames|/pose|1700000000500000000|500000000|089601|bytes\n\
                        frames|/temp|1700000001000000000|1000000000|7B2263223A2032312E357D|json\n\
                        frames|/imu|1700000000900000000|1000000000||bytes\n\
                        frames|/none|1700000002000000000|2000000000|FF2000|bytes\n\
                        whole||1700000002000000001|2000000001|776974686F7574206120746F706963|bytes";
        assert_eq!(found, expected, "{compression} {chunk_bytes}");
    }
    bench.fancyhwd("session verify --all --database d.db").run().success();
    assert_eq!(bench.sqlite3("d.db", "SELECT DISTINCT endpoint FROM endpoints"), "endpoint 1 of x.mcap");
    assert_eq!(
        bench.sqlite3("d.db", "SELECT DISTINCT started_unix_ns, ended_unix_ns FROM sessions"),
        "1700000000000000000|1700000002000000001"
    );

    let endpoint = bench.endpoint("replay");
    let context = zmq::Context::new();
    let socket = context.socket(zmq::SUB).unwrap();
    socket.set_subscribe(b"").unwrap();
    socket.connect(&endpoint).unwrap();
    let replay =
        bench.fancyhwd(&format!("replay 1 --database d.db --speed max --wait-subscribers 1 --bind {endpoint}")).spawn();
    for (topic, _, _, _, data) in THEIRS {
        let expected: Vec<Vec<u8>> = match topic {
            "" => vec![data.to_vec()],
            topic => vec![topic.as_bytes().to_vec(), data.to_vec()],
        };
        assert_eq!(socket.recv_multipart(0).unwrap(), expected);
    }
    replay.finish().success();
}

#[test]
fn what_is_no_original_is_told() {
    let bench = difficult();
    bench.fancyhwd("session export 2 --database c.db --format mcap -o x.mcap").run().success();
    let import = bench.fancyhwd("session import x.mcap --database d.db").run().success();
    import.says("warning: it was exported without --untouched").says(": 4 messages in ");
}

#[test]
fn a_file_that_is_not_whole_leaves_nothing_behind() {
    if python().is_none() {
        return;
    }
    let bench = difficult();
    bench.fancyhwd("session export 1 --database c.db --format mcap --untouched -o x.mcap").run().success();
    bench.fancyhwd("session export 1 --database c.db --format jsonl -o x.jsonl").run().success();
    write(&bench, "theirs.mcap", "none", 0, &THEIRS);
    write(&bench, "lz4.mcap", "lz4", 1_000_000, &THEIRS);
    let (mcap, jsonl) = (fs::read(bench.path("x.mcap")).unwrap(), fs::read(bench.path("x.jsonl")).unwrap());
    let theirs = fs::read(bench.path("theirs.mcap")).unwrap();
    let flipped = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    let place = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).position(|window| window == part).unwrap();
    let record = |opcode: u8, length: u64, body: &[u8]| [&[opcode][..], &length.to_le_bytes(), body].concat();
    let begin = [&b"\x89MCAP0\r\n"[..], &record(1, 8, &[0; 8])].concat();
    let chunk = |bytes: u64, name: &[u8], body: &[u8]| {
        let fixed = [&[0; 16][..], &bytes.to_le_bytes(), &[0; 4], &(name.len() as u32).to_le_bytes(), name].concat();
        let inside = [&fixed[..], &(body.len() as u64).to_le_bytes(), body].concat();
        [&begin[..], &record(6, inside.len() as u64, &inside)].concat()
    };
    let line = |members: serde_json::Value| {
        let mut line = json!({ "time": "2026-11-27T08:44:12.5Z", "elapsed_s": 0.5, "endpoint": 1, "framing": "whole", "frames": [] });
        line.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        format!("{line}\n").into_bytes()
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("cut in the middle", mcap[..mcap.len() / 2].to_vec(), "it is cut off"),
        ("cut at the end", mcap[..mcap.len() - 1].to_vec(), "it is cut off"),
        ("only the magic", mcap[..8].to_vec(), "it is cut off"),
        ("more behind the end", [&mcap[..], b"x"].concat(), "does not end as an MCAP file does"),
        ("a flipped bit without chunks", flipped(&theirs, place(&theirs, b"without a topic")), "sum (CRC)"),
        ("garbage", [&begin[..8], &[0xff; 100]].concat(), "does not begin with a header"),
        (
            "a huge record",
            [&begin[..], &record(5, u64::MAX / 2, b"x")].concat(),
            "a record of 9223372036854775807 bytes",
        ),
        ("a record that is claimed", [&begin[..], &record(5, 800_000_000, b"x")].concat(), "it is cut off"),
        ("a huge chunk", chunk(u64::MAX, b"", b""), "a chunk has 18446744073709551615 bytes"),
        ("no zstd", chunk(100, b"zstd", b"nonsense"), "check whether it is damaged"),
        ("a chunk of unknown kind", chunk(100, b"br\x1b", b"x"), "compressed with br\\x1b"),
        ("a chunk in a chunk", chunk(9, b"", &record(6, 1, b"")), "it is cut off"),
        ("no channel", [&begin[..], &record(5, 22, &[0; 22])].concat(), "message 0 is on channel 0"),
        ("a channel of nothing", [&begin[..], &record(4, 2, &[0; 2])].concat(), "a record is too short"),
        (
            "lz4",
            fs::read(bench.path("lz4.mcap")).unwrap(),
            "compressed with lz4, and zstd is read; `mcap compress --compression zstd` makes",
        ),
        ("a cut line", jsonl[..jsonl.len() / 2].to_vec(), "line "),
        ("no base64", line(json!({ "frames": ["*"] })), "line 1: a frame is no base64"),
        ("no frames", line(json!({ "frames": null })), "line 1: invalid type: null"),
        ("an odd endpoint", line(json!({ "endpoint": 10_001 })), "from endpoint 10001"),
        ("an odd framing", line(json!({ "framing": "auto" })), "its framing is none"),
        ("an odd time", line(json!({ "time": "soon" })), "its time is none"),
        ("of another program", b"{\"a\": 1}\n".to_vec(), "line 1: missing field `time`"),
        ("empty", Vec::new(), "it is empty"),
        ("text", b"time,elapsed\n".to_vec(), "no MCAP file, no JSON lines and no arrays"),
        ("a database", fs::read(bench.path("c.db")).unwrap(), "it is a database"),
    ];
    fs::copy(bench.path("c.db"), bench.path("d.db")).unwrap();
    let before = (sessions(&bench, "d.db"), bench.sqlite3("d.db", "SELECT count(*) FROM messages"));
    for (what, bytes, cause) in cases {
        fs::write(bench.path("bad"), bytes).unwrap();
        for database in ["d.db", "new.db"] {
            let refused = bench.fancyhwd(&format!("session import bad --database {database}")).run().code(1);
            let refused = refused.says("cannot import bad: ").says(cause);
            assert_eq!(refused.stderr.lines().count(), 1, "{what}: {}", refused.stderr);
        }
        assert!(!bench.path("new.db").exists(), "{what}");
        assert_eq!(
            (sessions(&bench, "d.db"), bench.sqlite3("d.db", "SELECT count(*) FROM messages")),
            before,
            "{what}"
        );
    }
    // A flipped bit anywhere in what is stored of messages.
    for at in (200..mcap.len().min(2000)).step_by(97) {
        fs::write(bench.path("bad"), flipped(&mcap, at)).unwrap();
        let ended = bench.fancyhwd("session import bad --database d.db").run();
        if ended.status.success() {
            bench.fancyhwd("session delete latest --yes --database d.db").run().success();
        } else {
            assert_eq!(ended.code(1).stderr.lines().count(), 1);
        }
    }
    assert_eq!(sessions(&bench, "d.db"), before.0);
    bench.fancyhwd("session verify --all --database d.db").run().success();
    bench.fancyhwd("session import missing --database d.db").run().code(1).says("cannot import missing: No such file");
    bench.fancyhwd("session import /dev/null --database d.db").run().code(1).says("it is no regular file");
    bench.fancyhwd("session import x.mcap --label 7 --database d.db").run().code(2).says("digits alone");
}

#[test]
fn a_stop_leaves_nothing_and_a_recorder_is_not_disturbed() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder =
        bench.fancyhwd(&format!("record --database c.db --count 600000 --connect {endpoint} --queue 1GB")).start();
    let publish = "publish --count 600000 --rate max --on-full block --wait-subscribers 1 --bind";
    bench.fancyhwd(&format!("{publish} {endpoint}")).run().success();
    recorder.finish().success();
    bench.fancyhwd("session export --database c.db --format jsonl -o x.jsonl").run().success();
    fs::copy(bench.path("c.db"), bench.path("d.db")).unwrap();
    for (database, signal) in [("d.db", Signal::INT), ("new.db", Signal::TERM)] {
        let import = bench.fancyhwd(&format!("session import x.jsonl --database {database}")).spawn();
        eventually("it writes", || {
            let log = bench.path(&format!("{database}-wal"));
            fs::metadata(log).is_ok_and(|log| log.len() > 1 << 20)
        });
        import.signal(signal);
        let stopped = import.finish().code(1).says("cannot import x.jsonl: it was stopped by a signal");
        assert_eq!(stopped.stderr.lines().count(), 1, "{}", stopped.stderr);
    }
    assert!(!bench.path("new.db").exists());
    assert_eq!(sessions(&bench, "d.db"), "1");
    assert_eq!(bench.sqlite3("d.db", "SELECT count(*) FROM messages"), "600000");
    bench.fancyhwd("session verify --all --database d.db").run().success();

    // What is being recorded is left alone.
    let recorder = bench.fancyhwd(&format!("record --database d.db --connect {endpoint}")).start();
    let refused = bench.fancyhwd("session import x.jsonl --database d.db").run().code(1);
    assert!(refused.stderr.contains(FANCYHWD) && refused.stderr.lines().count() == 1, "{}", refused.stderr);
    recorder.stop();
}
