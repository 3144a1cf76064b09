//! Overviews: what 256 messages of a stream have in common is what the messages say, whoever wrote them and however they are read.

use std::collections::BTreeMap;

use rusqlite::Connection;
use rustix::process::Signal;

use crate::support::signals::hanging_up;
use crate::support::{Bench, Daemon, eventually};

/// A message as it is stored: id, elapsed time, payload.
type Stored = (i64, i64, Vec<u8>);

/// Compare the overviews of int16 streams of `channels` with their messages. Gives how many messages of each stream are behind the
/// last one, and how many each overview has.
#[track_caller]
fn compare(bench: &Bench, file: &str, channels: usize) -> BTreeMap<i64, (usize, Vec<usize>)> {
    let connection = Connection::open(bench.path(file)).unwrap();
    let sql = "SELECT stream_id, id, elapsed_ns, payload FROM messages ORDER BY id";
    let mut messages = BTreeMap::<i64, Vec<Stored>>::new();
    let mut statement = connection.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let stored = (row.get(1).unwrap(), row.get(2).unwrap(), row.get(3).unwrap());
        messages.entry(row.get(0).unwrap()).or_default().push(stored);
    }
    let sql = "SELECT stream_id, first_id, last_id, messages, first_elapsed_ns, last_elapsed_ns, bytes, longest_gap_ns, ranges \
               FROM overviews ORDER BY last_id";
    let mut statement = connection.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut found = BTreeMap::<i64, (usize, Vec<usize>)>::new();
    while let Some(row) = rows.next().unwrap() {
        let numbers: Vec<i64> = (0..8).map(|column| row.get(column).unwrap()).collect();
        let (passed, sizes) = found.entry(numbers[0]).or_default();
        let all = &messages[&numbers[0]];
        let of = &all[*passed..*passed + numbers[3] as usize];
        let (first, last) = (of.first().unwrap(), of.last().unwrap());
        let bytes: usize = of.iter().map(|(_, _, payload)| payload.len()).sum();
        let times = all[passed.saturating_sub(1)..*passed + of.len()].windows(2).map(|two| two[1].1 - two[0].1);
        let expected =
            [numbers[0], first.0, last.0, of.len() as i64, first.1, last.1, bytes as i64, times.max().unwrap_or(0)];
        assert_eq!(numbers, expected);
        let mut expected = Vec::new();
        for channel in 0..channels {
            let samples =
                of.iter().filter(|(_, _, payload)| payload.len() % (2 * channels) == 0).flat_map(|(_, _, payload)| {
                    let samples = payload.chunks_exact(2).skip(channel).step_by(channels);
                    samples.map(|bytes| i16::from_le_bytes(bytes.try_into().unwrap()))
                });
            let samples: Vec<i16> = samples.collect();
            match (samples.iter().min(), samples.iter().max()) {
                (Some(least), Some(greatest)) => {
                    expected.extend([&[3][..], &least.to_le_bytes(), &greatest.to_le_bytes()].concat());
                }
                _ => expected.push(0),
            }
        }
        let ranges: Vec<u8> = row.get(8).unwrap();
        assert_eq!(ranges, expected[..expected.iter().rposition(|&byte| byte == 3).map_or(0, |at| at + 5)]);
        *passed += of.len();
        sizes.push(of.len());
    }
    for (id, all) in &messages {
        let (passed, _) = found.entry(*id).or_default();
        *passed = all.len() - *passed;
    }
    found
}

/// Two devices, one of which is quick, in sessions of so many messages, with small commits.
fn captured(bench: &Bench, options: &str) {
    captured_with(bench, options, |_| ());
}

/// The same, with something done to the recorder meanwhile.
fn captured_with(bench: &Bench, options: &str, meanwhile: impl FnOnce(&Daemon)) {
    let endpoints = ["quick", "slow"].map(|name| bench.endpoint(name));
    let [quick, slow] = &endpoints;
    let record = format!("record --database c.db --commit-every 5ms --connect {quick} --connect {slow} {options}");
    let recorder = hanging_up(bench, &record).start();
    let publish = |endpoint: &str, count, rate| {
        let line = format!("publish --bind {endpoint} --count {count} --rate {rate} --wait-subscribers 1");
        bench.fancyhwd(&line).spawn()
    };
    let devices = [publish(quick, 3000, "4000"), publish(slow, 300, "400")];
    meanwhile(&recorder);
    for device in devices {
        device.finish().success();
    }
    eventually("all is stored", || bench.sqlite3("c.db", "SELECT count(*) FROM messages") == "3300");
    recorder.stop().success();
}

#[test]
fn they_say_what_their_messages_say_across_commits_and_at_the_end_of_a_stream() {
    let bench = Bench::new();
    captured(&bench, "");
    let found = compare(&bench, "c.db", 1);
    let mut sizes: Vec<_> = found.into_values().collect();
    sizes.sort_by_key(|(_, sizes)| sizes.len());
    assert_eq!(sizes[0], (0, vec![256, 44]));
    assert_eq!(sizes[1], (0, [vec![256; 11], vec![3000 - 11 * 256]].concat()));
    bench.fancyhwd("session verify --all --database c.db").run().success();

    // Another layout makes others, and so does no layout at all.
    bench.fancyhwd("session describe 1 --layout int16x16 --database c.db").run().success();
    assert_eq!(compare(&bench, "c.db", 16).len(), 2);
    bench.fancyhwd("session verify --all --database c.db").run().success();
    bench.fancyhwd("session describe 1 --layout bytes --database c.db").run().success();
    assert_eq!(bench.sqlite3("c.db", "SELECT sum(messages), max(length(ranges)) FROM overviews"), "3300|0");
    bench.fancyhwd("session describe 1 --framing whole --layout int16-be --database c.db").run().success();
    bench.fancyhwd("session verify --all --database c.db").run().success();

    // They are copied, cut, and deleted with their session.
    bench.fancyhwd("session describe 1 --framing space --layout int16x4 --database c.db").run().success();
    bench.fancyhwd("session export 1 --database c.db --format sqlite -o x.db").run().success();
    compare(&bench, "x.db", 4);
    bench.fancyhwd("session cut 1 --from n1000 --to n2500 --database c.db").run().success();
    bench.fancyhwd("session verify --all --database c.db").run().success();
    bench.fancyhwd("session verify --all --database x.db").run().success();
    bench.fancyhwd("session delete 1 --yes --database c.db").run().success();
    let found = compare(&bench, "c.db", 4);
    assert_eq!(found.values().map(|(_, sizes)| sizes.iter().sum::<usize>()).sum::<usize>(), 1500);
}

#[test]
fn each_part_of_a_split_capture_has_its_own() {
    let bench = Bench::new();
    captured_with(&bench, "", |recorder| {
        eventually("some are stored", || bench.sqlite3("c.db", "SELECT count(*) > 700 FROM messages") == "1");
        recorder.signal(Signal::HUP);
    });
    assert!(bench.sqlite3("c.db", "SELECT count(*) FROM sessions").parse::<usize>().unwrap() > 1);
    assert!(compare(&bench, "c.db", 1).values().all(|(behind, _)| *behind == 0));
    bench.fancyhwd("session verify --all --database c.db").run().success();
}

#[test]
fn what_was_killed_has_those_that_were_whole() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let record = format!("record --database c.db --commit-every 5ms --connect {endpoint}");
    let recorder = bench.fancyhwd(&record).start();
    let device = bench.fancyhwd(&format!("publish --bind {endpoint} --rate 5000 --wait-subscribers 1")).spawn();
    eventually("some are stored", || {
        bench.sqlite3("c.db", "SELECT count(*) FROM messages").parse::<u32>().unwrap() > 700
    });
    bench.fancyhwd("session verify 1 --database c.db").run().success();
    recorder.signal(Signal::KILL);
    recorder.finish();
    device.stop();
    bench.fancyhwd("session verify --all --database c.db").run().success();
    let found = compare(&bench, "c.db", 1);
    assert!(found.values().all(|(behind, sizes)| *behind < 256 && sizes.iter().all(|&size| size == 256)), "{found:?}");
    bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    bench.fancyhwd("session verify --all --database c.db").run().success();
}

#[test]
fn what_was_changed_in_them_is_found_and_made_anew() {
    let bench = Bench::new();
    captured(&bench, "");
    for change in [
        "UPDATE overviews SET ranges = x'0300000100' WHERE last_id = (SELECT min(last_id) FROM overviews)",
        "UPDATE overviews SET longest_gap_ns = 1 WHERE last_id = (SELECT max(last_id) FROM overviews)",
        "UPDATE overviews SET messages = messages - 1, first_id = first_id + 1 WHERE last_id = (SELECT max(last_id) FROM overviews)",
        "UPDATE overviews SET last_id = last_id - 1 WHERE last_id = (SELECT min(last_id) FROM overviews)",
        "DELETE FROM overviews WHERE last_id = (SELECT min(last_id) FROM overviews)",
        "DELETE FROM overviews WHERE last_id = (SELECT max(last_id) FROM overviews)",
        "DELETE FROM overviews",
        "INSERT INTO overviews SELECT last_id - 1, stream_id, first_id, 1, 0, 0, 1, 0, x'' FROM overviews LIMIT 1",
    ] {
        bench.sqlite3("c.db", change);
        let verified = bench.fancyhwd("session verify 1 --database c.db").run().code(3);
        assert!(
            verified.stdout.contains("overview") && verified.stdout.contains("session describe"),
            "{change}: {}",
            verified.stdout
        );
        bench.fancyhwd("session describe 1 --database c.db").run().success();
        bench.fancyhwd("session verify 1 --database c.db").run().success();
    }
    bench.sqlite3("c.db", "INSERT INTO overviews VALUES (999999, 1, 1, 1, 0, 0, 0, 0, x'')");
    let verified = bench.fancyhwd("session verify --all --database c.db").run().code(3);
    assert!(verified.stdout.contains("a row of overviews belongs to no session"), "{}", verified.stdout);
}
