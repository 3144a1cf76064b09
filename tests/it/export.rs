//! `session export`: what was captured, in files of other formats.

use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use fancyhwd::store::Database;

use crate::disk::SmallDisk;
use crate::support::{Bench, FANCYHWD, command, eventually, json_samples, on_terminal};

/// Messages whose topics need care: quotes, commas, line breaks, no UTF-8, no samples at all.
const DIFFICULT: [&[u8]; 8] = [
    b"plain \x01\x00\xff\xff",
    b"plain ",
    b"a,b \x00\x80",
    b"say\"so\" \xff\x7f\x20\x20",
    b"two\nlines \x01\x01",
    b"\xff\xfe\\ \x02\x00",
    "gr\u{f6}\u{df}e \x03\x00".as_bytes(),
    b"plain \x04\x00",
];

/// Record these messages, `packets` of which are packets, as a further session of `c.db`.
fn record(bench: &Bench, messages: &[&[u8]], packets: usize) {
    let endpoint = bench.endpoint("device");
    let line = format!(
        "record --database c.db --topic * --framing space --layout int16 --count {packets} --commit-every 1ms --connect {endpoint}"
    );
    let recorder = bench.fancyhwd(&line).start();
    let context = zmq::Context::new();
    let socket = context.socket(zmq::XPUB).unwrap();
    socket.bind(&endpoint).unwrap();
    socket.recv_bytes(0).unwrap();
    for message in messages {
        socket.send(*message, 0).unwrap();
    }
    recorder.finish().success();
}

/// Publish with this device and record all of it as a session of `c.db`.
pub fn record_device(bench: &Bench, device: &str, packets: usize) {
    let endpoint = bench.endpoint("device");
    let recorder =
        bench.fancyhwd(&format!("record --database c.db --count {packets} --connect {endpoint} --queue 1GB")).start();
    let publish = format!("publish --rate max --on-full block --wait-subscribers 1 --bind {endpoint} {device}");
    bench.fancyhwd(&publish).run().success();
    recorder.finish().success();
}

pub fn difficult() -> Bench {
    let bench = Bench::new();
    record(&bench, &DIFFICULT, DIFFICULT.len());
    bench
}

/// The rows of a CSV file without the heading, byte for byte.
fn csv_rows(path: &Path, heading: bool) -> Vec<Vec<Vec<u8>>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(heading).from_path(path).unwrap();
    if heading {
        assert_eq!(reader.headers().unwrap(), &vec!["time", "elapsed_s", "endpoint", "topic", "number", "ch0"]);
    }
    reader.byte_records().map(|row| row.unwrap().iter().map(<[u8]>::to_vec).collect()).collect()
}

/// The cell of a column as the list of its values: one alone has no brackets.
fn list(cell: &[u8]) -> Vec<u8> {
    if cell.starts_with(b"[") { cell.to_vec() } else { [b"[", cell, b"]"].concat() }
}

fn number(field: &[u8]) -> f64 {
    std::str::from_utf8(field).unwrap().parse().unwrap()
}

/// Names in the test's directory that an export made.
fn exported_names(bench: &Bench) -> Vec<String> {
    let names = fs::read_dir(bench.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("x.") || name.contains("partial")).collect()
}

fn verified(path: &Path) -> fancyhwd::store::Session {
    let database = Database::for_reading(path).unwrap();
    let session = database.sessions().unwrap().remove(0);
    assert_eq!(database.verify(&session, &mut |_| Ok(())).unwrap().damage, None);
    session
}

#[test]
fn csv_says_what_a_plain_sqlite3_says() {
    let bench = difficult();
    bench.fancyhwd("session export --database c.db --format csv --output x.csv").run().success().says(": 8 messages, ");
    let sql = "SELECT time, elapsed_s, endpoint, topic, number, samples FROM decoded_packets ORDER BY message_id";
    bench
        .program("sqlite3")
        .args(["-csv", "-cmd", ".output plain.csv"])
        .arg(bench.path("c.db"))
        .arg(sql)
        .run()
        .success();
    let (ours, theirs) = (csv_rows(&bench.path("x.csv"), true), csv_rows(&bench.path("plain.csv"), false));
    assert_eq!(ours.len(), DIFFICULT.len());
    assert_eq!(theirs.len(), DIFFICULT.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        for column in [0, 2, 3, 4] {
            assert_eq!(ours[column].escape_ascii().to_string(), theirs[column].escape_ascii().to_string());
        }
        assert_eq!(list(&ours[5]), theirs[5]);
        assert!((number(&ours[1]) - number(&theirs[1])).abs() < 1e-9);
        assert_eq!(ours[1].iter().rev().position(|&byte| byte == b'.'), Some(9), "nine decimals");
    }
    assert_eq!(ours[1][5], b"[]");
    assert_eq!(ours[5][3], b"\\xff\\xfe\\\\");
    let mode = fs::metadata(bench.path("x.csv")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);

    let piped = bench.fancyhwd("session export 1 --database c.db --format csv").run().success();
    assert_eq!(piped.stdout, String::from_utf8_lossy(&fs::read(bench.path("x.csv")).unwrap()));
    let size = fs::metadata(bench.path("x.csv")).unwrap().len();
    assert!(piped.stderr.contains(&format!(", {size} bytes in ")), "{}", piped.stderr);
    let dash = bench.fancyhwd("session export 1 --database c.db --format csv -o -").run().success();
    assert_eq!(dash.stdout, piped.stdout);
}

/// Two devices: one whose messages are a counter and a record of two scaled channels, one of JSON and bytes.
pub fn two_devices() -> Bench {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let line = "record --database c.db --topic * --count 6 --layout imu=uint32/int16x2 --channels imu=n,x:mV:0.5:1,y:g \
                --layout camera=json+bytes";
    let recorder = bench.fancyhwd(&format!("{line} --connect {endpoint}")).start();
    let socket = zmq::Context::new().socket(zmq::XPUB).unwrap();
    socket.bind(&endpoint).unwrap();
    socket.recv_bytes(0).unwrap();
    let imu = |n: u32, values: &[i16]| {
        [n.to_le_bytes().to_vec(), values.iter().flat_map(|value| value.to_le_bytes()).collect()].concat()
    };
    for frames in [
        vec![b"imu".to_vec(), imu(1, &[2, 3])],
        vec![b"camera".to_vec(), b"{\"a\": [1,\n2]}".to_vec(), b"\x00\x01".to_vec()],
        vec![b"imu".to_vec(), imu(2, &[4, 5, -6, 7])],
        vec![b"imu".to_vec(), imu(3, &[])],
        vec![b"imu".to_vec(), vec![1, 2, 3]],
        vec![b"camera".to_vec(), b"[]".to_vec(), b"x".to_vec(), b"yz".to_vec()],
    ] {
        socket.send_multipart(frames, 0).unwrap();
    }
    recorder.finish().success();
    bench
}

#[test]
fn csv_has_a_column_for_each_channel_and_a_list_where_a_message_has_several() {
    let bench = two_devices();
    let rows = |options: &str| {
        let line = format!("session export --database c.db --format csv {options}");
        let text = bench.fancyhwd(&line).run().success().stdout;
        text.lines().map(|line| line.splitn(4, ',').last().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let expected = [
        "topic,number,n,x (mV),y (g),json0,bytes1",
        "imu,0,1,2.0,3,,",
        r#"camera,1,,,,"{""a"": [1, 2]}",AAE="#,
        r#"imu,2,2,"[3.0,-2.0]","[5,7]",,"#,
        "imu,3,3,[],[],,",
        "imu,4,,,,,",
        r#"camera,5,,,,[],"[""eA=="",""eXo=""]""#,
    ];
    assert_eq!(rows(""), expected);
    assert_eq!(
        rows("--topic imu --to n3 --raw"),
        ["topic,number,n,x (mV),y (g)", "imu,0,1,2,3", r#"imu,2,2,"[4,-6]","[5,7]""#]
    );
    assert_eq!(rows("--topic imu --from n2 --to n4").len(), 3);
    bench.fancyhwd("session export --database c.db --format csv --explode").run().code(2).says(
        "no sample rate is known of imu, so that records have no time of their own; say it with `fancyhwd session describe",
    );
    bench.fancyhwd("session export --database c.db --format jsonl --explode").run().code(2).says("only with csv and");
    bench.fancyhwd("session describe 1 imu --sample-rate 8 --database c.db").run().success();
    let expected = [
        "topic,number,record,n,x (mV),y (g),json0,bytes1",
        "imu,0,0,1,2.0,3,,",
        r#"camera,1,,,,,"{""a"": [1, 2]}",AAE="#,
        "imu,2,0,2,3.0,5,,",
        "imu,2,1,2,-2.0,7,,",
        "imu,3,,3,,,,",
        "imu,4,,,,,,",
        r#"camera,5,,,,,[],"[""eA=="",""eXo=""]""#,
    ];
    let exploded = rows("--explode");
    assert_eq!(exploded, expected);
    // The last record has the time of its message.
    let times =
        bench.fancyhwd("session export --database c.db --format csv --explode --from n2 --to n3").run().success();
    let times: Vec<i64> = times
        .stdout
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(1).unwrap().replace('.', "").parse().unwrap())
        .collect();
    let came: i64 = bench.sqlite3("c.db", "SELECT elapsed_ns FROM messages WHERE id = 3").parse().unwrap();
    assert_eq!(times, [came - 125_000_000, came]);
    bench.fancyhwd("session export --database c.db --format jsonl --raw").run().code(2).says("only with csv");
    bench
        .fancyhwd("session export --database c.db --format sqlite --from 1s -o x.db")
        .run()
        .code(2)
        .says("whole sessions");
    bench
        .fancyhwd("session export --database c.db --format csv --from soon")
        .run()
        .code(2)
        .says("a position is an offset");
    let empty = bench.fancyhwd("session export --database c.db --format csv --from n4 --to n3").run();
    assert_ne!(empty.status.code(), Some(0), "{}", empty.stderr);
}

/// A layout, the bytes of a message, and what the file says: format, channels, bits, and the samples of that message.
type Sound = (&'static str, &'static [u8], [u16; 3], &'static [u8]);

#[test]
fn sound_has_every_channel_in_the_type_of_the_stream() {
    let cases: [Sound; 5] = [
        ("int16x2", &[1, 0, 2, 0, 3, 0, 0xff, 0xff], [1, 2, 16], &[1, 0, 2, 0, 3, 0, 0xff, 0xff]),
        ("uint32/int16-be", &[9, 9, 9, 9, 0x12, 0x34], [1, 1, 16], &[0x34, 0x12]),
        ("int24", &[1, 2, 3], [1, 1, 24], &[1, 2, 3]),
        ("int32-bex2", &[1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 32], &[4, 3, 2, 1, 8, 7, 6, 5]),
        ("float32x3", &[7; 12], [3, 3, 32], &[7; 12]),
    ];
    for (layout, payload, [format, channels, bits], samples) in cases {
        let bench = Bench::new();
        let endpoint = bench.endpoint("device");
        let line = format!(
            "record --database c.db --topic mic --framing frames --layout {layout} --sample-rate 8000 --count 3"
        );
        let recorder = bench.fancyhwd(&format!("{line} --connect {endpoint}")).start();
        let socket = zmq::Context::new().socket(zmq::XPUB).unwrap();
        socket.bind(&endpoint).unwrap();
        socket.recv_bytes(0).unwrap();
        (0..3).for_each(|_| socket.send_multipart([&b"mic"[..], payload], 0).unwrap());
        recorder.finish().success();
        bench.fancyhwd("session export --database c.db --format wav -o x.wav").run().success();
        let sound = fs::read(bench.path("x.wav")).unwrap();
        let word = |at: usize| u16::from_le_bytes(sound[at..at + 2].try_into().unwrap());
        let size = |at: usize| u32::from_le_bytes(sound[at..at + 4].try_into().unwrap()) as usize;
        assert_eq!([word(20), word(22), word(34)], [format, channels, bits], "{layout}");
        assert_eq!((size(24), usize::from(word(32))), (8_000, usize::from(channels * bits / 8)), "{layout}");
        assert_eq!((size(4) + 8, size(40)), (sound.len(), 3 * samples.len()), "{layout}");
        assert_eq!(sound[44..44 + 3 * samples.len()], samples.repeat(3), "{layout}");
        if format == 1 {
            let script =
                "import sys, wave; w = wave.open(sys.argv[1]); print(*w.getparams()[:4], w.readframes(9**9).hex())";
            let read = bench.program("/usr/bin/python3").args(["-c", script, "x.wav"]).run().success().stdout;
            let hex: String = samples.repeat(3).iter().map(|byte| format!("{byte:02x}")).collect();
            let frames = 3 * samples.len() / usize::from(channels * bits / 8);
            assert_eq!(read.trim(), format!("{channels} {} 8000 {frames} {hex}", bits / 8), "{layout}");
        }
    }
}

#[test]
fn jsonl_says_the_same_and_hides_no_byte_of_a_topic() {
    let bench = difficult();
    bench.fancyhwd("session export --database c.db --format jsonl -o x.jsonl").run().success();
    bench.fancyhwd("session export --database c.db --format csv -o x.csv").run().success();
    let text = fs::read_to_string(bench.path("x.jsonl")).unwrap();
    assert_eq!(text.lines().count(), DIFFICULT.len());
    for (line, row) in text.lines().zip(csv_rows(&bench.path("x.csv"), true)) {
        let object: Value = serde_json::from_str(line).unwrap();
        assert_eq!(object["time"].as_str().unwrap().as_bytes(), row[0]);
        assert_eq!(object["elapsed_s"].as_f64().unwrap(), number(&row[1]));
        assert_eq!(object["endpoint"].to_string().as_bytes(), row[2]);
        assert_eq!(object["number"].to_string().as_bytes(), row[4]);
        assert_eq!(object["samples"].to_string().as_bytes(), list(&row[5]));
        match row[3].as_slice() {
            b"\\xff\\xfe\\\\" => {
                assert_eq!(object["topic"].as_str(), Some("\\xff\\xfe\\\\"));
                assert_eq!(object["topic_hex"].as_str(), Some("fffe5c"));
            }
            cell => {
                let topic = String::from_utf8(cell.to_vec()).unwrap().replace("\\n", "\n");
                assert_eq!(object["topic"].as_str(), Some(topic.as_str()));
                assert_eq!(object.get("topic_hex"), None);
            }
        }
    }
}

#[test]
fn recorded_speech_comes_out_as_the_sound_file_that_it_was() {
    const SAMPLES: usize = 480;
    const HEADER_BYTES: usize = 44;
    let bench = Bench::new();
    let sound = fs::read("/usr/share/sounds/alsa/Front_Center.wav").expect("the package alsa-utils is installed");
    fs::write(bench.path("samples"), &sound[HEADER_BYTES..]).unwrap();
    let packets = (sound.len() - HEADER_BYTES).div_ceil(2 * SAMPLES);
    record_device(&bench, &format!("--device stream:samples --packet-size {SAMPLES}"), packets);

    bench.fancyhwd("session export --database c.db --format raw -o x.raw").run().success();
    assert!(fs::read(bench.path("x.raw")).unwrap() == sound[HEADER_BYTES..]);
    bench.fancyhwd("session export --database c.db --format wav --sample-rate 48000 -o x.wav").run().success();
    assert!(fs::read(bench.path("x.wav")).unwrap() == sound, "the same file, header and all");
    assert!(
        bench.fancyhwd("session export --database c.db --format raw").run().success().stderr.contains(" bytes in ")
    );

    // Packets as a sound card sends them: the estimate is its rate.
    bench.forge(
        "c.db",
        "UPDATE messages SET elapsed_ns = (id - 1) * 10000000 + length(payload) / 2 * 1000000000 / 48000",
    );
    let estimated = "48000 samples per second, as estimated from the session";
    bench.fancyhwd("session export --database c.db --format wav -o x.wav --force").run().success().says(estimated);
    assert!(fs::read(bench.path("x.wav")).unwrap() == sound);
}

#[test]
fn topics_are_told_apart() {
    let bench = difficult();
    for format in ["raw", "wav"] {
        let refused = bench.fancyhwd(&format!("session export --database c.db --format {format} -o x.{format}")).run();
        let refused = refused.code(2).says("session 1 has 6 streams (");
        assert!(
            refused.stderr.contains(
                "\\xff\\xfe\\, a,b, gr\u{f6}\u{df}e, plain, say\"so\", two\\nlines), which cannot be told apart"
            ),
            "{}",
            refused.stderr
        );
        assert!(refused.stderr.contains("--topic"), "{}", refused.stderr);
    }
    assert_eq!(exported_names(&bench), [""; 0]);
    let payloads = |wanted: &[&[u8]]| -> Vec<u8> {
        let of_topic = DIFFICULT.iter().filter(|message| wanted.iter().any(|topic| message.starts_with(topic)));
        of_topic.flat_map(|message| message.splitn(2, |&byte| byte == b' ').nth(1).unwrap()).copied().collect()
    };
    let raw = |run: crate::support::Run<'_>| {
        run.args(["-o", "x.raw", "--force"]).run().success();
        fs::read(bench.path("x.raw")).unwrap()
    };
    let export = || bench.fancyhwd("session export --database c.db --format raw");
    assert_eq!(raw(export().arg("--topic=plain")), payloads(&[b"plain "]));
    assert_eq!(raw(export().args(["--topic", "a,b", "--topic", "plain"])), payloads(&[b"plain ", b"a,b "]));
    assert_eq!(raw(export().args(["--topic", "*"])), payloads(&[b""]));
    assert_eq!(raw(export().env("FANCYHWD_TOPIC", "a,b gr\u{f6}\u{df}e")), payloads(&[b"a,b ", "gr\u{f6}".as_bytes()]));
    let bytes = std::ffi::OsStr::from_bytes(b"\xff\xfe\\");
    assert_eq!(raw(export().arg("--topic").arg(bytes)), payloads(&[b"\xff"]));

    bench.fancyhwd("session export --database c.db --format csv --topic plain -o x.csv").run().success();
    let topics: Vec<Vec<u8>> = csv_rows(&bench.path("x.csv"), true).into_iter().map(|row| row[3].clone()).collect();
    assert_eq!(topics, [b"plain"; 3]);
    let unknown = bench.fancyhwd("session export --database c.db --format csv --topic plai").run().code(2);
    let unknown =
        unknown.says("cannot use --topic 'plai': session 1 has no messages of that topic; it has: \\xff\\xfe\\, a,b, ");
    assert_eq!(unknown.stdout, "");
}

#[test]
fn a_database_of_its_own_verifies_replays_and_has_the_same_rows() {
    let bench = Bench::new();
    record(&bench, &DIFFICULT, DIFFICULT.len());
    record(&bench, &[b"b ab", b"whole", b"a cd", b" ", b"b ef", b"odd a", b"b gh"], 7);
    record(&bench, &DIFFICULT, DIFFICULT.len());
    let export = "session export 2 --database c.db --format sqlite --output x.db";
    bench.fancyhwd(export).run().success().says("exported session 2 as sqlite: 7 messages, ");

    let session = verified(&bench.path("x.db"));
    assert_eq!((session.id, session.first_id, session.tally.messages), (2, 9, 7));
    let copy = bench.text("x.db");
    for (table, of_session) in [
        ("sessions", "id = 2"),
        ("endpoints", "session_id = 2"),
        ("streams", "session_id = 2"),
        ("fields", "stream_id IN (SELECT id FROM streams WHERE session_id = 2)"),
        ("messages", "stream_id IN (SELECT id FROM streams WHERE session_id = 2)"),
        ("faults", "message_id BETWEEN 9 AND 15"),
        ("events", "session_id = 2"),
        ("batches", "session_id = 2"),
    ] {
        let rows = |from: &str| bench.sqlite3(from, &format!("SELECT * FROM {table} WHERE {of_session}"));
        assert_eq!(rows("c.db"), rows(&copy), "{table}");
        // Not counted by lines, which a digest may hold.
        let count =
            |from: &str, which: &str| bench.sqlite3(from, &format!("SELECT count(*) FROM {table} WHERE {which}"));
        assert_eq!(count("c.db", of_session), count(&copy, "true"), "{table}");
        assert!(!rows(&copy).is_empty(), "{table}");
    }
    let pragmas = "PRAGMA journal_mode; PRAGMA integrity_check; PRAGMA application_id; PRAGMA user_version";
    assert_eq!(bench.sqlite3("x.db", pragmas), "delete\nok\n1718122340\n5");
    assert_eq!(fs::metadata(bench.path("x.db")).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(exported_names(&bench), ["x.db"]);

    // The copy of the copy is the same file, and both are replayed and recorded into like any capture.
    bench.fancyhwd("session export --database x.db --format sqlite -o x.again.db").run().success();
    assert_eq!(fs::read(bench.path("x.db")).unwrap(), fs::read(bench.path("x.again.db")).unwrap());
    let replay = format!("replay --speed max --database x.db --bind {}", bench.endpoint("replayed"));
    bench.fancyhwd(&replay).run().success().says("replayed session 2: 7 messages, 27 bytes in ");
    bench.fancyhwd("record --database x.db --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    assert_eq!(bench.sqlite3("x.db", "SELECT id, first_id FROM sessions"), "2|9\n3|16");
    verified(&bench.path("x.db"));
}

#[test]
fn a_session_that_is_being_recorded_is_exported_as_far_as_it_is_committed() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint} --commit-every 1ms")).start();
    let device =
        bench.fancyhwd(&format!("publish --rate 5000 --wait-subscribers 1 --packet-size 3 --bind {endpoint}")).start();
    let committed = || bench.sqlite3("c.db", "SELECT messages FROM sessions").parse::<usize>().unwrap();
    eventually("packets are committed", || committed() > 500);
    for round in 0..10 {
        let before = committed();
        bench.fancyhwd("session export 1 --database c.db --format csv -o x.csv --force").run().success();
        bench.fancyhwd("session export 1 --database c.db --format sqlite -o x.db --force").run().success();
        let after = committed();
        let rows = csv_rows(&bench.path("x.csv"), true).len();
        assert!(before <= rows && rows <= after, "round {round}: {before} {rows} {after}");
        let session = verified(&bench.path("x.db"));
        assert!((rows..=after).contains(&(session.tally.messages as usize)), "round {round}");
        assert_eq!(session.end_reason.as_deref(), Some("interrupted"));
    }
    device.stop().success();
    recorder.stop();
    assert_eq!(verified(&bench.path("c.db")).end_reason.as_deref(), Some("stopped"));
}

#[test]
fn no_file_is_replaced_unless_asked_to() {
    let bench = difficult();
    fs::write(bench.path("precious"), "data").unwrap();
    let to = |path: &str| bench.fancyhwd(&format!("session export --database c.db --format csv -o {path}"));
    to("precious").run().code(2).says("precious: it exists; choose another path, or replace it with --force");
    assert_eq!(fs::read_to_string(bench.path("precious")).unwrap(), "data");
    std::os::unix::fs::symlink("precious", bench.path("link")).unwrap();
    for force in ["", "--force"] {
        let refused = bench.fancyhwd(&format!("session export --database c.db --format csv -o link {force}")).run();
        refused.code(2).says("link: it is a symbolic link, no regular file; choose another path");
    }
    assert_eq!(fs::read_to_string(bench.path("precious")).unwrap(), "data");
    to("precious").arg("--force").run().success();
    assert!(fs::read(bench.path("precious")).unwrap().starts_with(b"time,"));
    to("x.csv").env("FANCYHWD_FORCE", "1").run().success();

    // Whatever is asked for, these stay.
    let before = fs::read(bench.path("c.db")).unwrap();
    for own in ["c.db", "c.db-wal", "c.db-lock", "../c.db"] {
        let path = own.replace("..", bench.path("").to_str().unwrap());
        to(&path).arg("--force").run().code(2).says("it belongs to the database that is exported from");
    }
    assert_eq!(fs::read(bench.path("c.db")).unwrap(), before);
    to("/dev/null").arg("--force").run().code(2).says("it is a device, no regular file");
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    fs::write(bench.path("other.db-wal"), "of another program").unwrap();
    let strange = bench.fancyhwd("session export --database c.db --format sqlite --force -o other.db").run();
    strange.code(2).says("files of another database are beside it");
    assert!(!bench.path("other.db").exists());
}

#[test]
fn a_file_that_appears_meanwhile_is_not_replaced() {
    let bench = Bench::new();
    record_device(&bench, "--count 300000", 300_000);
    let export = bench.fancyhwd("session export --database c.db --format csv -o x.csv").spawn();
    eventually("it writes", || exported_names(&bench).len() == 1);
    fs::write(bench.path("x.csv"), "data").unwrap();
    export.finish().code(1).says("x.csv: File exists");
    assert_eq!(fs::read_to_string(bench.path("x.csv")).unwrap(), "data");
    assert_eq!(exported_names(&bench), ["x.csv"]);
}

#[test]
fn a_million_packets_take_little_memory_and_a_stop_leaves_nothing_behind() {
    const PACKETS: usize = 1_000_000;
    let bench = Bench::new();
    record_device(&bench, &format!("--count {PACKETS}"), PACKETS);
    let lines = |path: &str| fs::read(bench.path(path)).unwrap().iter().filter(|&&byte| byte == b'\n').count();
    for format in ["csv", "sqlite"] {
        let line = format!("session export --database c.db --format {format} -o x.{format}");
        let export = bench.fancyhwd(&line).spawn();
        let status = format!("/proc/{}/status", export.pid());
        let mut peak_kib = 0;
        eventually("it ends", || {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            peak_kib = line.map_or(peak_kib, |kib| kib.trim().trim_end_matches(" kB").parse().unwrap());
            export.has_ended()
        });
        export.finish().success().says(&format!("{PACKETS} messages"));
        println!("{format}: {peak_kib} KiB");
        assert!((1000..40_000).contains(&peak_kib), "{peak_kib} KiB");
    }
    assert_eq!(lines("x.csv"), PACKETS + 1);
    assert_eq!(verified(&bench.path("x.sqlite")).tally.messages as usize, PACKETS);

    let formats = ["csv", "jsonl", "sqlite", "parquet", "npz", "mcap", "raw", "wav --sample-rate 9"];
    let outputs = formats.map(|format| format!("1 --format {format} -o x.stopped"));
    let in_directories = ["1 --format csv -o x.stopped/", "1 latest --format mcap -o x.stopped/"].map(str::to_owned);
    for output in outputs.into_iter().chain(in_directories) {
        for signal in [Signal::TERM, Signal::INT] {
            let export = bench.fancyhwd(&format!("session export --database c.db {output}")).spawn();
            eventually("it writes", || exported_names(&bench).len() >= 3);
            export.signal(signal);
            let stopped = export.finish().code(1).says(": it was stopped by a signal before its end");
            assert_eq!(lines_but_choice(&stopped.stderr), 1, "{}", stopped.stderr);
            assert_eq!(exported_names(&bench).len(), 2, "nothing is left");
        }
    }

    // Standard output that nobody reads, or not any more.
    for (is_read, code) in [(true, 0), (false, 1)] {
        let mut export = command(FANCYHWD)
            .args(["session", "export", "1", "--format", "csv", "--database", &bench.text("c.db")])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = export.stdout.take().unwrap();
        let mut start = [0; 5];
        out.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"time,");
        let mut held = Some(out);
        if is_read {
            held = None;
        } else {
            kill_process(Pid::from_child(&export), Signal::TERM).unwrap();
        }
        eventually("it ends", || export.try_wait().unwrap().is_some());
        let ended = export.wait_with_output().unwrap();
        drop(held);
        assert_eq!(ended.status.code(), Some(code));
        let log = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(log.contains("standard output: it was stopped by a signal"), code == 1, "{log}");
        assert_eq!(log.is_empty(), code == 0, "{log}");
    }
}

#[test]
fn a_disk_that_is_full_or_fails_leaves_no_file_behind() {
    let bench = Bench::new();
    record_device(&bench, "--count 100000", 100_000);
    let Some(disk) = SmallDisk::mount(&bench, "1m") else { return };
    let is_empty = || fs::read_dir(&disk.0).unwrap().next().is_none();
    for output in
        ["parquet -o disk/x", "npz -o disk/x", "mcap -o disk/x", "raw -o disk/x", "jsonl -o disk/x", "csv -o disk/x/"]
    {
        let full = bench.fancyhwd(&format!("-q session export --database c.db --format {output}")).run().code(1);
        let full = full.says("No space left on device");
        assert_eq!(full.stderr.lines().count(), 1, "{output}: {}", full.stderr);
        assert!(is_empty(), "{output}");
    }
    for (format, cause) in [("csv", "No space left on device"), ("wav", "No space left"), ("sqlite", "disk is full")] {
        let line = format!("-q session export --database c.db --format {format} --sample-rate 9 -o disk/x");
        let line = if format == "wav" { line } else { line.replace(" --sample-rate 9", "") };
        let full = bench.fancyhwd(&line).run().code(1).says("disk/x: ").says(cause);
        assert_eq!(full.stderr.lines().count(), 1, "{}", full.stderr);
        assert!(is_empty(), "{format}");
        let sync = bench
            .program("strace")
            .args(["-f", "-o", "trace", "-e", "trace=fsync,unlink", "-e", "inject=fsync:error=EIO:when=1"])
            .args([FANCYHWD, "session", "export", "--database", "c.db", "--format", format, "-o", "x.out"]);
        sync.run().code(1).says("x.out: Input/output error");
        assert_eq!(exported_names(&bench), [""; 0]);
        // The one file that was made and removed again.
        assert_eq!(fs::read_to_string(bench.path("trace")).unwrap().matches("unlink").count(), 1);
    }
}

#[test]
fn what_a_layout_cannot_read_is_counted_and_keeps_its_bytes() {
    let bench = Bench::new();
    record(&bench, &[b"a ab", b"whole", b"a cdefg", b"a "], 4);
    for format in ["csv", "jsonl"] {
        let exported = bench.fancyhwd(&format!("session export --database c.db --format {format}")).run().success();
        assert!(exported.stderr.contains("warning: 2 messages cannot be read by their layout"), "{}", exported.stderr);
        assert!(exported.stderr.contains(": 4 messages, "), "{}", exported.stderr);
    }
    let raw = bench.fancyhwd("session export --database c.db --format raw --topic *").run().success();
    assert_eq!(raw.stdout, "abwholecdefg");
    let jsonl = bench.fancyhwd("session export --database c.db --format jsonl").run().success().stdout;
    let lines: Vec<Value> = jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let samples: Vec<String> = [0, 3].map(|line| lines[line]["samples"].to_string()).to_vec();
    assert_eq!(samples, [json_samples(b"ab"), json_samples(b"")]);
    assert_eq!(lines[1]["frames"], serde_json::json!(["d2hvbGU="]));
    assert_eq!(lines[2]["undecodable"], "frame 1 has 5 bytes of records, which are no multiple of 2");
    assert_eq!((lines[1].get("topic"), &lines[2]["topic"]), (None, &Value::from("a")));
}

#[test]
fn what_is_missing_is_said_and_the_rest_is_exported() {
    let bench = Bench::new();
    let messages = DIFFICULT.repeat(40);
    record(&bench, &messages, messages.len());
    bench.forge("c.db", "");
    let database = Connection::open(bench.path("c.db")).unwrap();
    database.execute("DELETE FROM messages WHERE id IN (102, 103)", []).unwrap();
    let missing = "s: damaged, 100 messages are missing (#100 to #199)";
    // Also where a topic is selected: nobody can tell of which one the missing ones were.
    for (line, packets) in [("csv", 220), ("csv --topic plain", 83), ("jsonl", 220), ("raw --topic *", 220)] {
        let exported = bench.fancyhwd(&format!("session export --database c.db --format {line}")).run();
        exported.code(3).says(missing).says(&format!(": {packets} messages, "));
    }
    bench.fancyhwd("session export --database c.db --format sqlite -o x.db").run().code(3).says(missing);
    database.execute("DELETE FROM messages", []).unwrap();
    let gone = bench.fancyhwd("session export --database c.db --format csv -o x.csv").run();
    gone.code(1).says("messages 1 to 320 of the session are not there");
    assert_eq!(exported_names(&bench), ["x.db"]);
}

#[test]
fn an_export_that_cannot_be_is_one_line() {
    let bench = Bench::new();
    record(&bench, &[b"a ab"], 1);
    for (line, code, parts) in [
        ("", 2, vec!["--format", "not provided"]),
        (
            "--format xml",
            2,
            vec!["invalid value 'xml' for '--format", "csv, parquet, jsonl, npz, mcap, wav, raw, sqlite"],
        ),
        ("--format wav", 2, vec!["--format wav needs --output"]),
        ("--format sqlite -o -", 2, vec!["--format sqlite needs --output"]),
        ("--format sqlite -o x.db --topic a", 2, vec!["--topic and --endpoint cannot be used with --format sqlite"]),
        ("--format csv --sample-rate 5", 2, vec!["--sample-rate cannot be used with --format csv"]),
        ("--format wav -o x.wav --sample-rate 0", 2, vec!["cannot use --sample-rate '0'"]),
        ("--format wav -o x.wav --sample-rate 2147483648", 2, vec!["'2147483648'", "from 1 to 2147483647"]),
        ("--format wav -o x.wav", 2, vec!["x.wav", "the sample rate cannot be estimated", "--sample-rate"]),
        ("--format csv -o missing/x.csv", 1, vec!["missing/x.csv", "there is no directory", "--output"]),
        ("--format csv -o /proc/x.csv", 1, vec!["cannot export to /proc/x.csv", "--output"]),
        ("7 --format csv", 2, vec!["cannot find session '7'"]),
        ("--format csv --database missing.db", 1, vec!["cannot open database missing.db"]),
    ] {
        let database = if line.contains("--database") { "" } else { "--database c.db" };
        let failed = bench.fancyhwd(&format!("session export {database} {line}")).run().code(code);
        assert_eq!(lines_but_choice(&failed.stderr), 1, "{line}: {}", failed.stderr);
        for part in parts {
            assert!(failed.stderr.contains(part), "{line}: '{part}' is not in {}", failed.stderr);
        }
        assert_eq!(failed.stdout, "");
        assert_eq!(exported_names(&bench), [""; 0], "{line}");
    }
    let empty = bench.fancyhwd("session export --database c.db --format csv").env("FANCYHWD_TOPIC", " ").run();
    empty.code(2).says("the environment variable for --topic holds no value");
}

#[test]
fn a_session_without_packets_is_an_empty_file() {
    let bench = Bench::new();
    bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    for (format, size) in [("csv", 37), ("jsonl", 0), ("raw", 0), ("wav --sample-rate 8000", 44)] {
        bench.fancyhwd(&format!("session export --database c.db -o x.out --force --format {format}")).run().success();
        assert_eq!(fs::metadata(bench.path("x.out")).unwrap().len(), size, "{format}");
    }
    bench.fancyhwd("session export --database c.db -o x.db --format sqlite").run().success();
    assert!(verified(&bench.path("x.db")).is_empty());
}

/// How many lines were said, beside the one that says which session was the latest.
fn lines_but_choice(said: &str) -> usize {
    said.lines().filter(|line| !line.contains(" info: the latest session is ")).count()
}

#[test]
fn a_terminal_sees_a_bar_and_a_file_does_not() {
    let bench = Bench::new();
    record_device(&bench, "--count 300000", 300_000);
    let (database, output) = (bench.text("c.db"), bench.text("x.csv"));
    let line = format!("fancyhwd session export --format csv --database {database} -o {output}");
    let text = on_terminal(&line);
    assert!(text.contains(" %  ") && text.contains(" of 300000 messages, "), "{text}");
    let last = text.trim_end().lines().last().unwrap();
    assert!(last.contains("exported session 1 as csv: 300000 messages, "), "{text}");
    // Of a part, it counts that part.
    let output = bench.text("part.jsonl");
    let part = format!("fancyhwd session export --format jsonl --to n250000 --database {database} -o {output}");
    let text = on_terminal(&part);
    assert!(text.contains(" of 250000 messages, ") && text.contains(" s left"), "{text}");
    let quiet = bench.fancyhwd("session export 1 --format csv --database c.db -o x.quiet").run().success();
    assert_eq!(quiet.stderr.lines().count(), 1, "{}", quiet.stderr);
}

#[test]
fn an_export_whose_directory_cannot_be_synced_says_that_the_file_is_there() {
    let bench = difficult();
    let export = ["session", "export", "1", "--format", "csv", "--output", "out.csv", "--database", "c.db"];
    let with_fault = |when: &str| {
        let strace = bench.program("strace").args(["-f", "-o", "trace", "-e", "trace=fsync,fdatasync", "-e"]);
        strace.arg(format!("inject=fsync,fdatasync:error=EIO:when={when}")).arg(FANCYHWD).args(export).run()
    };
    with_fault("1").code(1).says("cannot export to");
    assert!(!bench.path("out.csv").exists());
    let finished =
        with_fault("2").code(3).says("/out.csv, all of it, but cannot sync its directory: ").says("run `sync`");
    assert!(!finished.stderr.contains("cannot export"), "{}", finished.stderr);
    let whole = bench.fancyhwd("session export 1 --format csv --database c.db").run().success().stdout;
    // Topics of this capture are no UTF-8.
    assert_eq!(String::from_utf8_lossy(&fs::read(bench.path("out.csv")).unwrap()), whole);
}

#[test]
fn csv_has_a_file_for_each_stream_in_a_directory() {
    let bench = two_devices();
    let export = "session export --database c.db --format csv";
    bench.fancyhwd(&format!("{export} -o streams/")).run().success().says("6 messages");
    for topic in ["imu", "camera"] {
        let alone = bench.fancyhwd(&format!("{export} --topic {topic}")).run().success().stdout;
        assert_eq!(fs::read_to_string(bench.path(&format!("streams/{topic}.csv"))).unwrap(), alone);
    }
    assert_eq!(fs::read_dir(bench.path("streams")).unwrap().count(), 2);
    let mode = |name: &str| fs::metadata(bench.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("streams"), mode("streams/imu.csv")), (0o750, 0o640));
    // What is there stays.
    bench.fancyhwd(&format!("{export} -o streams/ --force")).run().code(2).says("it is not empty; choose another");
    fs::create_dir(bench.path("empty")).unwrap();
    bench.fancyhwd(&format!("{export} -o empty/ --to n1")).run().success();
    // A stream of which nothing is in the range has its heading.
    assert_eq!(fs::read_to_string(bench.path("empty/camera.csv")).unwrap().lines().count(), 1);
    bench
        .fancyhwd("session export --database c.db --format jsonl -o lines/")
        .run()
        .code(2)
        .says("and jsonl is one file");
    bench.fancyhwd(&format!("{export} -o none/there/")).run().code(1).says("there is no directory ");
    assert!(!bench.path("none").exists());
    assert!(!exported_names(&bench).iter().any(|name| name.contains("partial")));
}

#[test]
fn thousands_of_streams_have_thousands_of_files() {
    const STREAMS: usize = 4096;
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let line = format!("record --database c.db --topic * --framing frames --layout int16 --count {}", 2 * STREAMS);
    let recorder = bench.fancyhwd(&format!("{line} --connect {endpoint}")).start();
    let socket = zmq::Context::new().socket(zmq::XPUB).unwrap();
    socket.set_sndhwm(0).unwrap();
    socket.bind(&endpoint).unwrap();
    socket.recv_bytes(0).unwrap();
    for round in 0..2_i16 {
        for number in 0..STREAMS {
            socket.send(&format!("s/{number}"), zmq::SNDMORE).unwrap();
            socket.send([round.to_le_bytes(), (number as i16).to_le_bytes()].concat(), 0).unwrap();
        }
    }
    recorder.finish().success();
    // Far fewer files may be open at once.
    let export = "ulimit -n 64; exec fancyhwd session export --database c.db --format csv -o all/";
    bench.program("sh").args(["-c", export]).run().success();
    assert_eq!(fs::read_dir(bench.path("all")).unwrap().count(), STREAMS);
    for number in [0, 1, STREAMS - 1] {
        let rows = csv_rows(&bench.path(&format!("all/s_{number}.csv")), true);
        let cells: Vec<String> = rows.iter().map(|row| String::from_utf8(row[5].clone()).unwrap()).collect();
        assert_eq!(cells, [format!("[0,{number}]"), format!("[1,{number}]")]);
    }
}

#[test]
fn gaps_of_a_sound_are_said_and_filled_when_asked_for() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let line = "record --database c.db --topic mic --framing frames --layout int16 --sample-rate 8000 --count 40";
    let recorder = bench.fancyhwd(&format!("{line} --connect {endpoint}")).start();
    let socket = zmq::Context::new().socket(zmq::XPUB).unwrap();
    socket.bind(&endpoint).unwrap();
    socket.recv_bytes(0).unwrap();
    (0..40_u8).for_each(|number| socket.send_multipart([&b"mic"[..], &[number + 1; 160]], 0).unwrap());
    recorder.finish().success();
    // Messages of 10 ms each: half a second is missing behind the 20th, and the 30th is late.
    bench.forge("c.db", "UPDATE messages SET elapsed_ns = (10 * id + 500 * (id > 20) + 7 * (id = 30)) * 1000000");
    let export = "session export --database c.db --format wav --force -o x.wav";
    let samples = || fs::read(bench.path("x.wav")).unwrap()[44..].to_vec();
    let whole: Vec<u8> = (1..=40).flat_map(|number| [number; 160]).collect();
    bench.fancyhwd(export).run().success().says("1 gap of 0.500 s in all: left out of the sound; --fill-gaps fills");
    assert_eq!(samples(), whole);
    bench
        .fancyhwd(&format!("{export} --fill-gaps"))
        .run()
        .success()
        .says("1 gap of 0.500 s in all: filled with silence");
    assert_eq!(samples(), [&whole[..20 * 160], &[0; 2 * 4000], &whole[20 * 160..]].concat());
    let size = u32::from_le_bytes(fs::read(bench.path("x.wav")).unwrap()[40..44].try_into().unwrap());
    assert_eq!(size as usize, samples().len());
    bench.fancyhwd(&format!("{export} --fill-gaps --from n21")).run().success();
    assert_eq!(samples(), whole[21 * 160..]);
    // Of an estimated rate, nobody knows how long they are.
    bench.sqlite3("c.db", "UPDATE streams SET sample_rate_hz = NULL");
    bench.fancyhwd(&format!("{export} --fill-gaps")).run().code(2).says("give it with --sample-rate");
    bench.fancyhwd("session export --database c.db --format csv --fill-gaps").run().code(2).says("only with wav");
}

#[test]
fn several_sessions_have_a_file_each_in_a_directory() {
    let bench = two_devices();
    bench.fancyhwd("session export 1 --database c.db --format jsonl -o x.jsonl").run().success();
    bench.fancyhwd("session import x.jsonl --label back --database c.db").run().success();
    for (format, ending) in
        [("csv", "csv"), ("jsonl", "jsonl"), ("npz", "npz"), ("mcap", "mcap"), ("parquet", "parquet"), ("sqlite", "db")]
    {
        let line = format!("session export 1 back --database c.db --format {format} -o {format}/");
        bench.fancyhwd(&line).run().success().says("exported 2 sessions, ");
        for session in ["1", "2"] {
            let alone = format!("session export {session} --database c.db --format {format} --force -o alone");
            bench.fancyhwd(&alone).run().success();
            let (ours, alone) = (bench.path(&format!("{format}/{session}.{ending}")), bench.path("alone"));
            assert!(fs::read(ours).unwrap() == fs::read(alone).unwrap(), "{format} {session}");
        }
        assert_eq!(fs::read_dir(bench.path(format)).unwrap().count(), 2);
    }
    bench
        .fancyhwd("session export 1 2 --database c.db --format csv")
        .run()
        .code(2)
        .says("need --output with a directory");
    bench.fancyhwd("session export 1 2 --database c.db --format csv -o csv").run().code(2).says("it is not empty");
    bench
        .fancyhwd("session export 1 2 --database c.db --format csv -o x.jsonl")
        .run()
        .code(2)
        .says("it is no directory");
    // All or none.
    let line = "session export 1 2 --database c.db";
    bench.fancyhwd(&format!("{line} --topic camera --format raw -o one/")).run().success();
    bench.fancyhwd(&format!("{line} 3 --format csv -o two/")).run().code(2).says("cannot find session '3'");
    bench.fancyhwd(&format!("{line} --format wav -o two/")).run().code(2).says("cannot be told apart");
    assert!(!bench.path("two").exists() && !exported_names(&bench).iter().any(|name| name.contains("partial")));
}
