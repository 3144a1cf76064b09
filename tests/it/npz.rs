//! `session export --format npz`, read by numpy.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fancyhwd::device::Simulated;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::devices::{self, DEVICES};
use crate::mcap::record;
use crate::support::kill::seeded;
use crate::support::{Bench, root};

/// Compare an export with what the database holds, number by number. What is imported of it is the same session.
#[track_caller]
fn numpy_reads_the_same(bench: &Bench, session: i64) {
    let connection = Connection::open(bench.path("c.db")).unwrap();
    let sql = "SELECT endpoint, lower(hex(topic)), received_unix_ns, elapsed_ns, payload, parts, faults.message_id IS NOT NULL, framing FROM messages \
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
            "endpoint": row.get::<_, u32>(0)?, "topic_hex": row.get::<_, String>(1)?, "unix_ns": row.get::<_, i64>(2)?,
            "elapsed_ns": row.get::<_, i64>(3)?, "frames": frames, "undecodable": row.get::<_, bool>(6)?, "framing": row.get::<_, String>(7)?,
        }))
    });
    let sent: Vec<Value> = rows.unwrap().map(Result::unwrap).collect();
    fs::write(bench.path("sent.json"), Value::from(sent.clone()).to_string()).unwrap();
    bench.fancyhwd(&format!("session export {session} --database c.db --format npz -o x.npz --force")).run().success();
    let script = root().join("tests/peers/npz.py");
    let read = bench.program("/usr/bin/python3").arg(script).args(["x.npz", "sent.json"]).run().success();
    assert_eq!(read.stdout.trim(), sent.len().to_string());
    if !sent.is_empty() {
        bench.fancyhwd("session import x.npz --database d.db").run().success();
        let diff = format!("session diff {session} latest --database c.db --other d.db");
        bench.fancyhwd(&diff).run().success();
    }
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

/// Two streams of numbers, one of them with a header, int24 and what cannot be read, and one of several frames.
fn exported() -> Bench {
    let bench = Bench::new();
    let frames = |frames: &[&[u8]]| frames.iter().map(|frame| frame.to_vec()).collect::<Vec<_>>();
    let mut messages = Vec::new();
    for number in 0..20_u8 {
        messages.push((0, frames(&[b"same", &[number; 8]])));
        let records = 3 * usize::from(number % 3);
        messages.push((0, frames(&[b"other", &vec![number; 2 + records + usize::from(number == 7)]])));
        messages.push((1, frames(&[b"several", b"{}", &[number], b""])));
    }
    let options = "--topic * --framing frames --layout same=int16x2 --layout other=uint16/int24-be";
    record(&bench, options, &messages);
    bench.fancyhwd("session export --database c.db --format npz -o x.npz").run().success();
    bench
}

/// Let numpy change the arrays `a` of `x.npz`, and write them as `bad`.
fn rewrite(bench: &Bench, change: &str, write: &str) {
    let script = format!("import json, numpy as np; a = dict(np.load('x.npz')); {change}\n{write}");
    bench.program("/usr/bin/python3").args(["-c", &script]).run().success();
}

const SAVE: &str = "np.savez(open('bad', 'wb'), **a)";

#[test]
fn what_numpy_writes_again_is_imported_and_what_it_changed_is_refused() {
    let bench = exported();
    rewrite(&bench, "a['more'] = np.zeros(3)", SAVE);
    let import = bench.fancyhwd("session import bad --database d.db").run().success();
    import.says("1 of its arrays are of no stream").says(": 60 messages in ");
    bench.fancyhwd("session diff 1 1 --database c.db --other d.db").run().success();
    let about = "b = json.loads(a['fancyhwd'].tobytes());";
    let to_about = "a['fancyhwd'] = np.frombuffer(json.dumps(b).encode(), 'u1')";
    for (change, cause) in [
        ("a = {'x': np.arange(3)}".to_owned(), "there is no array fancyhwd in it"),
        ("a['fancyhwd'] = np.zeros(3, 'u1')".to_owned(), "array fancyhwd does not say what the others are"),
        ("a['fancyhwd'] = np.zeros(3)".to_owned(), "array fancyhwd are not those of bytes"),
        (format!("{about} del b['streams'][0]['layout']; {to_about}"), "missing field `layout`"),
        (format!("{about} b['streams'][0]['layout'] = 'int17'; {to_about}"), "the layout of stream"),
        (format!("{about} b['streams'][0]['topic_hex'] = '4'; {to_about}"), "the topic_hex of stream"),
        (format!("{about} b['streams'][0]['framing'] = 'auto'; {to_about}"), "the framing of stream"),
        (
            format!(
                "{about} b['streams'] = 300 * [dict(b['streams'][0], layout='uint8x65536', array='x', messages=0)]; {to_about}"
            ),
            "more than can be remembered",
        ),
        ("a['same'] = a['same'][::-1]".to_owned(), "is in it twice, or behind a later one"),
        ("a['same']['number'] += 1".to_owned(), "is in it twice, or behind a later one"),
        (
            "a['same'] = a['same'].astype(eval(repr(a['same'].dtype.descr).replace('<i2', '>i2')))".to_owned(),
            "are not those of layout",
        ),
        ("a['other'] = a['other'].tolist()".to_owned(), "not a list of rows"),
        ("a['other'] = np.array([a['other'], a['other']])".to_owned(), "not a list of rows in C order"),
        ("a['other.records']['ch1'][2] = 1 << 23".to_owned(), "has a number that is no int24"),
        ("a['other.records'] = a['other.records'][:-1]".to_owned(), "is shorter than what it belongs to"),
        (
            "a['other.records'] = np.append(a['other.records'], a['other.records'][:1])".to_owned(),
            "is longer than what it belongs to",
        ),
        ("a['other']['first_record'] += 1".to_owned(), "is not behind that of the row before"),
        ("a['other']['records'] = -1".to_owned(), "is not behind that of the row before"),
        ("a['several.messages']['frames'] = 1 << 60".to_owned(), "has a message of 1152921504606846976 frames"),
        ("a['several.frames'][0] = 1 << 31".to_owned(), "has a message that is too large"),
        ("a['several.frames'][0] = 1 << 29".to_owned(), "is shorter than what it belongs to"),
        ("del a['several.bytes']".to_owned(), "stands without its bytes"),
        ("del a['same']".to_owned(), "stream same has 20 messages, and 0 are in its arrays"),
        (format!("{about} b['streams'] = []; a = {{}}; {to_about}"), "there is no message in it"),
    ] {
        println!("{change}");
        rewrite(&bench, &change, SAVE);
        refused(&bench, cause);
    }
    rewrite(&bench, "", "np.savez_compressed(open('bad', 'wb'), **a)");
    refused(&bench, "is compressed or encrypted; `session export`");
}

#[track_caller]
fn refused(bench: &Bench, cause: &str) {
    let refused = bench.fancyhwd("session import bad --database new.db").run().code(1).says("cannot import bad: ");
    let refused = refused.says(cause);
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    assert!(!bench.path("new.db").exists());
}

#[test]
fn no_byte_of_arrays_changes_unseen() {
    let bench = exported();
    let whole = fs::read(bench.path("x.npz")).unwrap();
    let place = |part: &[u8]| whole.windows(part.len()).position(|window| window == part).unwrap();
    for cut in (0..whole.len()).step_by(311).skip(1).chain([whole.len() - 1]) {
        fs::write(bench.path("bad"), &whole[..cut]).unwrap();
        refused(&bench, "cut off");
    }
    let mut changed: Vec<(usize, Vec<u8>)> = Vec::new();
    let directory = place(b"PK\x01\x02");
    // All that stands in the directory of the first array and at the end, and now and then a byte of the rest.
    let ends = (directory..directory + 70).chain(whole.len() - 22..whole.len());
    for at in (0..whole.len()).step_by(101).chain(ends) {
        changed.push((at, [&whole[..at], &[whole[at] ^ 0x40], &whole[at + 1..]].concat()));
    }
    // Sizes that are too large for the file, and a head that has more rows than there are.
    let sizes = [&whole[..directory + 20], &[0xf0; 8], &whole[directory + 28..]].concat();
    changed.push((directory + 20, sizes));
    let rows = place(b"(20,), }");
    changed.push((rows, [&whole[..rows], b"(9999999999999999,), }", &whole[rows + 22..]].concat()));
    let mut seen = 0;
    for (at, bytes) in changed {
        fs::write(bench.path("bad"), bytes).unwrap();
        let import = bench.fancyhwd("session import bad --database d.db").run();
        if import.status.success() {
            // Times and versions of the ZIP file say nothing.
            bench.fancyhwd("session diff 1 latest --database c.db --other d.db").run().success();
        } else {
            assert_eq!(import.code(1).stderr.lines().count(), 1, "{at}");
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
}

/// Topics that look the same in a file's name, and channels that are called like the columns that all rows have.
#[test]
fn every_stream_has_arrays_and_every_array_columns_of_their_own() {
    let bench = Bench::new();
    let topics = ["a b", "a.b", "a/b", "a?b", "fancyhwd", "", "a_b@1", "\u{fc}"];
    let messages: Vec<_> =
        topics.iter().map(|topic| (0, vec![topic.as_bytes().to_vec(), vec![1, 2, 3, 4, 5]])).collect();
    let options = "--topic * --framing frames --layout uint8x5 --channels elapsed_ns,records,first_record,time,it's";
    record(&bench, options, &[messages.clone(), messages].concat());
    numpy_reads_the_same(&bench, 1);
    let columns = "import numpy; print(*numpy.load('x.npz')['a_b'].dtype.names)";
    let read = bench.program("/usr/bin/python3").args(["-c", columns]).run().success().stdout;
    assert_eq!(read.trim(), "time elapsed_ns number elapsed_ns_ records_ first_record_ time_ it's");
}

#[test]
fn thousands_of_streams_are_put_together_in_little_memory() {
    const STREAMS: u64 = 4_096;
    let bench = Bench::new();
    let line = |number: u64| {
        let topic = STANDARD.encode(format!("t{}", number * 7 % STREAMS));
        let payload = STANDARD.encode(number.to_le_bytes());
        let seconds = number as f64 / 1e3;
        format!(
            "{{\"time\":\"2026-11-27T08:44:12.5Z\",\"elapsed_s\":{seconds:.3},\"endpoint\":1,\"framing\":\"frames\",\
             \"frames\":[\"{topic}\",\"{payload}\"]}}\n"
        )
    };
    fs::write(bench.path("x.jsonl"), (0..4 * STREAMS).map(line).collect::<String>()).unwrap();
    bench.fancyhwd("session import x.jsonl --database c.db").run().success();
    bench.fancyhwd("session describe 1 --layout uint64 --database c.db").run().success();
    bench.fancyhwd("session export 1 --database c.db --format npz -o x.npz").run().success();
    // Fewer files may be open than there are arrays.
    let import = bench
        .program("/bin/sh")
        .args(["-c", "ulimit -n 64; ulimit -v 400000; exec fancyhwd session import x.npz --database d.db"]);
    import.run().success().says(": 16384 messages in ");
    bench.fancyhwd("session diff 1 1 --database c.db --other d.db").run().success();
    let streams = "SELECT count(*), min(layout) FROM streams";
    assert_eq!(bench.sqlite3("d.db", streams), "4096|uint64");
}
