//! Pictures and the page made of them: no extreme is hidden, whatever is looked at, and nothing in it runs.

use std::fs;

use fancyhwd::analysis::survey::{Survey, View};
use fancyhwd::picture::{Mark, columns, svg};
use fancyhwd::store::Database;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rusqlite::Connection;

use crate::mcap::{message, record};
use crate::support::{Bench, eventually};

/// Session 1 of `c.db`: 30,000 packets of 16 int16 and 600 of a slower device, in real time as far as it can be had.
fn captured(bench: &Bench) {
    let endpoints = ["quick", "slow"].map(|name| bench.endpoint(name));
    let [quick, slow] = &endpoints;
    let record = format!("record --database c.db --layout int16x16 --connect {quick} --connect {slow}");
    let recorder = bench.fancyhwd(&record).start();
    let publish = |endpoint: &str, count, rate| {
        let line = format!(
            "publish --bind {endpoint} --count {count} --rate {rate} --seed {count} --wait-subscribers 1 --on-full block"
        );
        bench.fancyhwd(&line).spawn()
    };
    for device in [publish(quick, 30_000, 20_000), publish(slow, 600, 400)] {
        device.finish().success();
    }
    eventually("all is stored", || bench.sqlite3("c.db", "SELECT count(*) FROM messages") == "30600");
    recorder.stop().success();
}

/// The least and the greatest number of each channel of a stream between two moments, by a scan of all messages.
fn scanned(messages: &[(i64, i64, Vec<u8>)], stream_id: i64, from_ns: i64, to_ns: i64) -> Vec<Option<(i16, i16)>> {
    let mut found = vec![None; 16];
    for (_, _, payload) in messages.iter().filter(|(id, ns, _)| *id == stream_id && (from_ns..to_ns).contains(ns)) {
        for (place, bytes) in payload.chunks_exact(2).enumerate() {
            let value = i16::from_le_bytes(bytes.try_into().unwrap());
            let (least, greatest) = found[place % 16].unwrap_or((value, value));
            found[place % 16] = Some((value.min(least), value.max(greatest)));
        }
    }
    found
}

#[test]
fn every_extreme_of_a_full_scan_is_in_its_column() {
    let bench = Bench::new();
    captured(&bench);
    let connection = Connection::open(bench.path("c.db")).unwrap();
    let mut statement = connection.prepare("SELECT stream_id, elapsed_ns, payload FROM messages ORDER BY id").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    let messages: Vec<(i64, i64, Vec<u8>)> = rows.map(Result::unwrap).collect();
    let (first_ns, last_ns) = (messages[0].1, messages.last().unwrap().1);
    let open = || Database::for_reading(&bench.path("c.db")).unwrap();
    let session = open().find_session("1").unwrap();
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    let strategy = (0.0..1.0_f64, 0.0..1.0_f64, 1_usize..120, 0_usize..16);
    let check = |(a, b, columns, channel): (f64, f64, usize, usize)| {
        let at = |part: f64| first_ns + ((last_ns - first_ns) as f64 * part) as i64;
        let (from_ns, to_ns) = (at(a.min(b)), at(a.max(b)).max(at(a.min(b)) + columns as i64));
        let view = View { from_ns, to_ns, columns, streams: Vec::new(), channels: channel..16 };
        let survey = Survey::of(open(), &session, &view, &mut || Ok(())).unwrap();
        prop_assert_eq!(survey.streams.len(), 2);
        for (&id, surveyed) in &survey.streams {
            prop_assert_eq!(surveyed.channels.len(), 16 - channel);
            let column_ns = (to_ns - from_ns) as f64 / columns as f64;
            let edge = |column: usize| from_ns + (column_ns * column as f64).ceil() as i64;
            for column in 0..columns {
                let scanned = scanned(&messages, id, edge(column), edge(column + 1));
                for (band, expected) in surveyed.channels.iter().zip(&scanned[channel..]) {
                    let Some((least, greatest)) = *expected else { continue };
                    let (low, high) = band.columns[column].expect("there is something");
                    prop_assert!(low <= f64::from(least) && high >= f64::from(greatest), "column {column}");
                }
            }
            // And nothing is there that is nowhere near.
            let whole = scanned(&messages, id, first_ns, last_ns + 1);
            for (band, expected) in surveyed.channels.iter().zip(&whole[channel..]) {
                let Some((low, high)) = band.range() else { continue };
                let (least, greatest) = expected.unwrap();
                prop_assert!(low >= f64::from(least) && high <= f64::from(greatest));
            }
        }
        Ok(())
    };
    runner.run(&strategy, check).unwrap();

    // All of it, where every column has overviews, and every message in one.
    let view = View { from_ns: first_ns, to_ns: last_ns + 1, columns: 40, streams: Vec::new(), channels: 0..16 };
    let survey = Survey::of(open(), &session, &view, &mut || Ok(())).unwrap();
    let counts: Vec<i64> = survey
        .streams
        .values()
        .map(|it| it.columns.iter().map(|column| column.messages).sum::<f64>().round() as i64)
        .collect();
    assert_eq!(counts.iter().sum::<i64>(), 30_600, "{counts:?}");
}

#[test]
fn a_capture_that_is_being_recorded_is_seen_to_its_last_message() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let record = format!("record --database c.db --layout int16 --commit-every 5ms --topic * --connect {endpoint}");
    let recorder = bench.fancyhwd(&record).start();
    let context = zmq::Context::new();
    let device = context.socket(zmq::XPUB).unwrap();
    device.bind(&endpoint).unwrap();
    device.recv_bytes(0).unwrap();
    for number in 0..700_i16 {
        let value = if number == 690 { 30_000 } else { number };
        device.send([b"t ", &value.to_le_bytes()[..]].concat(), 0).unwrap();
    }
    eventually("all is stored", || bench.sqlite3("c.db", "SELECT count(*) FROM messages") == "700");
    let open = || Database::for_reading(&bench.path("c.db")).unwrap();
    let session = open().find_only_session("1").unwrap();
    let to_ns = session.last_elapsed_ns + 1;
    let view = View { from_ns: 0, to_ns, columns: 2, streams: Vec::new(), channels: 0..1 };
    let survey = Survey::of(open(), &session, &view, &mut || Ok(())).unwrap();
    let surveyed = survey.streams.values().next().unwrap();
    assert_eq!(surveyed.channels[0].range(), Some((0.0, 30_000.0)));
    assert_eq!(surveyed.columns.iter().map(|column| column.messages).sum::<f64>().round(), 700.0);
    recorder.stop().success();
}

/// A capture whose texts want to be markup.
fn marked_up(bench: &Bench) {
    record(
        bench,
        "--topic * --layout int16 --channels <img/src=x>:V --label <script>l --note <b>&\"note",
        &[
            message(0, &[b"a<svg/onload=1>", b"\x01\x00"]),
            message(0, &[b"a\"><u>", b"\x05\x00"]),
            message(1, &[b"bytes \xff\x00"]),
        ],
    );
}

#[test]
fn a_page_is_one_file_in_which_nothing_runs() {
    let bench = Bench::new();
    marked_up(&bench);
    bench.sqlite3(
        "c.db",
        "INSERT INTO events (session_id, unix_ns, elapsed_ns, until_elapsed_ns, kind, endpoint, lost, detail) \
         VALUES (1, 5, 1000, 2000000, 'overflow', '<a href=1>', 7, '<script>detail')",
    );
    bench.fancyhwd("session export 1 --database c.db --format html -o page.html").run().success();
    let page = fs::read_to_string(bench.path("page.html")).unwrap();
    for markup in ["<script", "<img", "<svg/", "<u>", "<b>", "<a ", "<i>", "javascript:", "http-equiv"] {
        assert!(!page.contains(markup), "{markup}");
    }
    for words in [
        "&lt;script&gt;l",
        "&lt;b&gt;&amp;&quot;note",
        "a&lt;svg/onload=1&gt;",
        "overflow",
        "All of it",
        "Part 8 of 8",
        "Figures",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert_eq!(page.matches("<svg class=\"picture\"").count(), 9);
    bench.fancyhwd("session export 1 --database c.db --format html -o page.html").run().code(2).says("exists");
    let piped = bench.fancyhwd("session export 1 --database c.db --format html --topic nobody").run().code(2);
    assert!(piped.stdout.is_empty());
    let part =
        bench.fancyhwd("session export 1 --database c.db --format html --from n1 --to n2 --endpoint 1").run().success();
    assert!(part.stdout.contains("</html>") && !part.stdout.contains("endpoint 2"));
}

#[test]
fn a_picture_is_well_formed_whatever_is_in_it() {
    let bench = Bench::new();
    marked_up(&bench);
    let open = || Database::for_reading(&bench.path("c.db")).unwrap();
    let session = open().find_session("1").unwrap();
    let entry = serde_json::json!({ "kind": "mark", "elapsed_ns": 10, "detail": "</svg>\u{1}<script>" });
    let marks = [Mark::of(&entry, session.last_elapsed_ns).unwrap()];
    for (width_px, from_ns, to_ns) in
        [(0, 0, 1), (400, i64::MIN, i64::MAX), (1400, 5, 5), (99_999, 0, session.last_elapsed_ns + 1)]
    {
        let view = View { from_ns, to_ns, columns: columns(width_px), streams: Vec::new(), channels: 0..64 };
        let survey = Survey::of(open(), &session, &view, &mut || Ok(())).unwrap();
        let picture = svg(&survey, &marks, width_px, "<about>\"");
        fs::write(bench.path("picture.svg"), &picture).unwrap();
        let parse = "import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])";
        bench.program("/usr/bin/python3").args(["-c", parse]).arg(bench.path("picture.svg")).run().success();
        assert!(!picture.contains("<script"), "{picture}");
    }
}
