//! A capture that was split, named by its label: all of its parts are one, for everything that reads.

use std::fs;

use serde_json::Value;

use fancyhwd::store::{Database, Session};

use rustix::process::Signal;

use crate::support::signals::hanging_up;
use crate::support::{Bench, eventually};

const MESSAGES: usize = 30_000;

/// The same messages in `c.db`, in more than twenty sessions with the label `run`, and in `twin.db` in one.
fn twins() -> Bench {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let record = format!("record --label run --count {MESSAGES} --connect {endpoint} --queue 64MiB");
    let split = hanging_up(&bench, &format!("{record} --database c.db")).start();
    let twin = bench.fancyhwd(&format!("{record} --database twin.db")).start();
    let publish = "publish --rate 10000 --on-full block --wait-subscribers 2";
    let device = bench.fancyhwd(&format!("{publish} --count {MESSAGES} --bind {endpoint}")).spawn();
    let has_some = "SELECT count(*) > 500 FROM messages";
    eventually("some are stored", || bench.sqlite3("c.db", has_some) == "1");
    let mut sessions = 1;
    while !split.has_ended() {
        sessions += 1;
        split.signal(Signal::HUP);
        eventually("the next session began", || {
            split.log().contains(&format!("recording session {sessions}\n")) || split.has_ended()
        });
    }
    device.finish().success();
    split.finish().success();
    twin.finish().success();
    bench
}

fn session(bench: &Bench, wanted: &str) -> Session {
    Database::for_reading(&bench.path("c.db")).unwrap().find_session(wanted).unwrap()
}

#[test]
fn a_label_is_all_parts_of_a_capture_as_if_it_had_not_been_split() {
    let bench = twins();
    let run = session(&bench, "run");
    assert!(run.parts.count() > 20, "{}", run.parts.count());
    assert_eq!((run.tally.messages, run.tally.lost), (MESSAGES as u64, 0));
    // As ever, an id is one of them.
    assert_eq!(session(&bench, "3").parts.count(), 1);
    assert_eq!(session(&bench, "latest").parts.count(), 1);

    let same = bench.fancyhwd("session diff run run --database c.db --other twin.db --json").run().success().stdout;
    let same: Value = serde_json::from_str(&same).unwrap();
    assert_eq!(same["equal"], MESSAGES);
    for options in ["--from n29990", "--from n100 --to n20000", "--from -50ms", "--topic fancyhw_data"] {
        let line = format!("session diff run run --database c.db --other c.db {options}");
        bench.fancyhwd(&line).run().success();
    }
    bench.fancyhwd("session diff run run --database c.db --other twin.db --from n100 --to n20000").run().success();

    // Whatever is made of it is the same, but for the times, which two recorders do not share.
    let export = |database: &str, format: &str| {
        let line = format!("session export run --database {database} --format {format} --force -o x");
        bench.fancyhwd(&line).run().success();
        fs::read(bench.path("x")).unwrap()
    };
    assert!(export("c.db", "raw") == export("twin.db", "raw"));
    let rows = |csv: Vec<u8>| -> (Vec<i64>, Vec<String>) {
        let text = String::from_utf8(csv).unwrap();
        let row = |line: &str| {
            let [_, elapsed, rest] = line.splitn(3, ',').collect::<Vec<_>>()[..] else { panic!("{line}") };
            (elapsed.replace('.', "").parse::<i64>().unwrap(), rest.to_owned())
        };
        text.lines().skip(1).map(row).unzip()
    };
    let (times, cells) = rows(export("c.db", "csv"));
    assert!(cells == rows(export("twin.db", "csv")).1);
    assert!(times.is_sorted() && times.len() == MESSAGES);
    // From one message to the next, both clocks go on alike, also over a seam. On a busy machine, a recorder may stand still
    // between a look at the one and at the other.
    let wall = bench.sqlite3("c.db", "SELECT received_unix_ns FROM messages ORDER BY id");
    let wall: Vec<i64> = wall.lines().map(|line| line.parse().unwrap()).collect();
    let steps = times.windows(2).zip(wall.windows(2));
    let differ = steps.filter(|(pair, wall)| (pair[1] - pair[0] - (wall[1] - wall[0])).abs() > 1_000_000).count();
    assert!(differ < run.parts.count() / 2, "{differ} steps differ");
    let (elapsed, passed) = (times[MESSAGES - 1] - times[0], wall[MESSAGES - 1] - wall[0]);
    assert!((elapsed - passed).abs() < 100_000_000, "{elapsed} {passed}");
    for format in ["npz", "parquet", "mcap", "jsonl"] {
        export("c.db", format);
    }
    // One array, one channel.
    let names = "import sys, zipfile; print(*zipfile.ZipFile(sys.argv[1]).namelist())";
    export("c.db", "npz");
    let names = bench.program("/usr/bin/python3").args(["-c", names, "x"]).run().success().stdout;
    assert_eq!(names.trim(), "fancyhwd.npy fancyhw_data.npy");
    for format in ["jsonl", "mcap --untouched"] {
        export("c.db", format);
        bench.fancyhwd("session import x --label back --database back.db").run().success();
        bench.fancyhwd("session diff run back --database c.db --other back.db --timing-tolerance 1ns").run().success();
        fs::remove_file(bench.path("back.db")).unwrap();
    }
    // A database keeps the parts, and their digests.
    let copied = export("c.db", "sqlite");
    fs::write(bench.path("copy.db"), copied).unwrap();
    bench.fancyhwd("session diff run run --database c.db --other copy.db --timing-tolerance 1ns").run().success();
    let verified = bench.fancyhwd("session verify run --database copy.db").run().success().stdout;
    assert_eq!(verified.lines().count(), run.parts.count());
    assert!(verified.lines().all(|line| line.contains(": ok, ")), "{verified}");
}

#[test]
fn seams_are_shown_and_a_capture_is_replayed_and_described_over_them() {
    let bench = twins();
    let run = session(&bench, "run");
    let shown = bench.fancyhwd("session show run --database c.db").run().success().stdout;
    let (first, last) = (run.id, run.parts.iter().next_back().unwrap());
    assert!(shown.starts_with(&format!("session     {first} to {}\n", last.id)), "{shown}");
    let at = format!("part        session {} from #{} on, at ", last.id, last.first_id - run.first_id);
    assert!(shown.contains(&at), "{shown}");
    assert_eq!(shown.lines().filter(|line| line.starts_with("part ")).count(), run.parts.count() - 1);
    let json = bench.fancyhwd("session show run --database c.db --json").run().success().stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["parts"].as_array().unwrap().len(), run.parts.count());
    assert_eq!(json["streams"].as_array().unwrap().len(), 1);

    // From one part into the next.
    let second = run.parts.iter().nth(1).unwrap();
    let seam = second.first_id - run.first_id;
    let line = format!("replay run --database c.db --speed max --from n{} --to n{}", seam - 5, seam + 5);
    let replay =
        bench.fancyhwd(&format!("{line} --wait-subscribers 1 --on-full block --bind tcp://127.0.0.1:*")).start();
    let endpoint = replay.endpoint();
    let record = format!("record --database again.db --count 10 --connect {endpoint}");
    bench.fancyhwd(&record).run().success();
    replay.finish().success();
    let part = format!("--from n{} --to n{} --other-from 0", seam - 5, seam + 5);
    bench.fancyhwd(&format!("session diff run 1 --database c.db --other again.db {part}")).run().success();

    bench.fancyhwd("session describe run --layout int16x2 --database c.db").run().success();
    assert_eq!(bench.sqlite3("c.db", "SELECT DISTINCT layout FROM streams"), "int16x2");
    bench.fancyhwd("session label run walk --database c.db").run().success();
    assert_eq!(session(&bench, "walk").parts.count(), run.parts.count());
    bench.fancyhwd("session delete walk --yes --database c.db").run().code(2);

    // What a part goes on from can be gone.
    let middle = run.parts.iter().nth(9).unwrap();
    bench.fancyhwd(&format!("session delete {} --yes --database c.db", middle.id)).run().success();
    let rest = session(&bench, "walk");
    assert_eq!(rest.id, middle.id + 1);
    let shown = bench.fancyhwd("session show walk --database c.db").run().success().stdout;
    assert!(shown.contains(&format!("continues   session {}, which was split", middle.id)), "{shown}");
    bench.fancyhwd("session verify walk --database c.db").run().success();
}
