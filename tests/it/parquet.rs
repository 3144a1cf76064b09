//! `session export --format parquet`, read by those whom it is for.

use serde_json::{Value, json};

use crate::export::{difficult, record_device, two_devices};
use crate::support::allowed::python;
use crate::support::{Bench, root};

/// What a reader says of a file: a line each. `None`: it is not here.
fn read(bench: &Bench, arguments: &[&str]) -> Option<Vec<String>> {
    let python = python()?;
    let reader = bench.program(python).arg("-B").arg(root().join("tests/peers/parquet.py")).args(arguments);
    Some(reader.run().success().stdout.lines().map(str::to_owned).collect())
}

fn about(bench: &Bench) -> Option<Value> {
    read(bench, &["about", "x.parquet"]).map(|lines| serde_json::from_str(&lines[0]).unwrap())
}

#[test]
fn numbers_of_every_type_are_what_numpy_reads() {
    let bench = Bench::new();
    let script = || bench.program("/usr/bin/python3").arg(root().join("tests/peers/layouts.py"));
    let options = script().arg("options").run().success().stdout;
    let endpoint = bench.endpoint("device");
    let count = 25 * options.lines().count();
    let record = format!("record --database c.db --topic * --framing frames --count {count} --connect {endpoint}");
    let recorder = bench.fancyhwd(&record).args(options.lines()).start();
    script().args(["publish", &endpoint]).run().success();
    recorder.finish().success();
    bench.fancyhwd("session export --database c.db --format parquet -o x.parquet").run().success();
    if let Some(lines) = read(&bench, &["layouts", "x.parquet", "c.db"]) {
        assert_eq!(lines.len(), 3, "{lines:?}");
    }
}

#[test]
fn a_long_session_has_several_row_groups() {
    let bench = Bench::new();
    record_device(&bench, "--count 1100000", 1_100_000);
    bench.fancyhwd("session export --database c.db --format parquet -o x.parquet").run().success();
    bench.fancyhwd("session export --database c.db --format raw -o x.raw").run().success();
    if let Some(lines) = read(&bench, &["device", "x.parquet", "x.raw"]) {
        assert_eq!(lines, ["1100000"]);
    }
}

#[test]
fn columns_are_lists_where_a_message_has_several_records_and_null_where_it_has_none() {
    let bench = two_devices();
    bench.fancyhwd("session describe 1 imu --channels n,x:mV:0.5:1,y:g --database c.db").run().success();
    bench.sqlite3(
        "c.db",
        "INSERT INTO events (session_id, unix_ns, elapsed_ns, kind, lost) VALUES (1, 5, 6, 'own-stall', 7)",
    );
    let rows = |options: &str| {
        let line = format!("session export --database c.db --format parquet -o x.parquet --force {options}");
        bench.fancyhwd(&line).run().success();
        read(&bench, &["rows", "x.parquet"])
    };
    let Some(all) = rows("") else { return };
    let expected = [
        r#"[1, "imu", 0, 1, [2.0], [3], null, null]"#,
        r#"[1, "camera", 1, null, null, null, "{\"a\": [1,\n2]}", ["0001"]]"#,
        r#"[1, "imu", 2, 2, [3.0, -2.0], [5, 7], null, null]"#,
        r#"[1, "imu", 3, 3, [], [], null, null]"#,
        r#"[1, "imu", 4, null, null, null, null, null]"#,
        r#"[1, "camera", 5, null, null, null, "[]", ["78", "797a"]]"#,
    ];
    assert_eq!(all, expected);
    bench.fancyhwd("session describe 1 imu --sample-rate 8 --database c.db").run().success();
    let exploded = [
        r#"[1, "imu", 0, 0, 1, 2.0, 3, null, null]"#,
        r#"[1, "imu", 2, 0, 2, 3.0, 5, null, null]"#,
        r#"[1, "imu", 2, 1, 2, -2.0, 7, null, null]"#,
    ];
    let rows_of = rows("--explode").unwrap();
    assert_eq!([&rows_of[0], &rows_of[2], &rows_of[3]], exploded.each_ref());
    assert_eq!(about(&bench).unwrap()["types"]["x (mV)"], "double");
    rows("");
    let found = about(&bench).unwrap();
    assert_eq!(found["rows"], 6);
    let types = json!({
        "time": "timestamp[ns, tz=UTC]", "elapsed_ns": "int64", "endpoint": "uint32", "topic": "string", "number": "int64",
        "n": "uint32", "x (mV)": "list<element: double not null>", "y (g)": "list<element: int16 not null>",
        "json0": "extension<arrow.json>", "bytes1": "list<element: binary not null>",
    });
    assert_eq!(found["types"], types);
    assert_eq!(found["fancyhwd.session"]["messages"], 6);
    assert_eq!(found["fancyhwd.session"]["endpoints"]["1"], bench.endpoint("device"));
    let x = json!({"column": "x (mV)", "channel": "x", "unit": "mV", "scale": 0.5, "offset": 1.0, "is_scaled": true});
    assert_eq!(found["fancyhwd.streams"][0]["columns"][1], x);
    let ledger = bench.fancyhwd("session show --database c.db --json").run().success().stdout;
    assert_eq!(found["fancyhwd.ledger"], serde_json::from_str::<Value>(&ledger).unwrap()["ledger"]);
    assert_eq!(found["fancyhwd.ledger"][0]["lost"], 7);

    // Where each message has one record, there is no list.
    assert_eq!(rows("--topic imu --to n1 --raw").unwrap(), [r#"[1, "imu", 0, 1, 2, 3]"#]);
    assert_eq!(about(&bench).unwrap()["types"]["x (mV)"], "int16");
    assert_eq!(rows("--topic imu --from n3 --to n4").unwrap(), [r#"[1, "imu", 3, 3, null, null]"#]);
    assert_eq!(
        rows("--topic camera --to n2 --endpoint 1").unwrap(),
        [r#"[1, "camera", 1, "{\"a\": [1,\n2]}", "0001"]"#]
    );
    bench.fancyhwd("session export --database c.db --format parquet").run().success();
}

#[test]
fn topics_are_text_and_streams_of_one_type_are_one_column() {
    let bench = difficult();
    bench.fancyhwd("session export --database c.db --format parquet -o x.parquet").run().success();
    let Some(rows) = read(&bench, &["rows", "x.parquet"]) else { return };
    assert_eq!(rows[1], r#"[1, "plain", 1, []]"#);
    assert_eq!(rows[4], r#"[1, "two\nlines", 4, [257]]"#);
    assert_eq!(rows[5], r#"[1, "\\xff\\xfe\\\\", 5, [2]]"#);
    assert_eq!(rows[6], r#"[1, "gr\u00f6\u00dfe", 6, [3]]"#);
}

#[test]
fn a_session_without_messages_is_a_table_without_rows() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    bench.fancyhwd(&format!("record --database c.db --duration 100ms --connect {endpoint}")).run();
    bench.fancyhwd("session export --database c.db --format parquet -o x.parquet").run().success();
    let Some(found) = about(&bench) else { return };
    assert_eq!(found["rows"], 0);
    assert_eq!(found["types"].as_object().unwrap().len(), 5);
}

#[test]
fn more_columns_than_a_file_can_have_are_refused() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let line =
        format!("record --database c.db --topic * --count 1 --layout int8x10001 --framing frames --connect {endpoint}");
    let recorder = bench.fancyhwd(&line).start();
    let socket = zmq::Context::new().socket(zmq::XPUB).unwrap();
    socket.bind(&endpoint).unwrap();
    socket.recv_bytes(0).unwrap();
    socket.send_multipart([b"wide".to_vec(), vec![1; 10_001]], 0).unwrap();
    recorder.finish().success();
    let refused = bench.fancyhwd("session export --database c.db --format parquet -o x.parquet").run().code(2);
    refused.says("its streams have 10006 columns together, and a file has 10000 at most").says("--topic");
    assert!(!bench.path("x.parquet").exists());
}
