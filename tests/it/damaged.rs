//! Captures that are damaged in one part: what the digests prove is given, and the rest is named.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use fancyhwd::device::Simulated;
use fancyhwd::message::Batch;
use fancyhwd::store::{Database, Reader, Selection};
use fancyhwd::time::position::Position;

use crate::replay::subscriber;
use crate::support::damage::{assert_true, capture, export, named, survives_damaged_pages};
use crate::support::pages::{PAGE_BYTES, damage, ids, tree};
use crate::support::{Bench, Finished};

/// The numbers of the packets in commits of session 1 that share an id with this range.
fn commits_of(path: &Path, ids: RangeInclusive<i64>) -> Vec<usize> {
    let connection = Connection::open(path).unwrap();
    let sql = "SELECT min(first_id) - 1, max(last_id) - 1 FROM batches WHERE last_id >= ?1 AND first_id <= ?2";
    let range = connection.query_row(sql, [ids.start(), ids.end()], |row| Ok(row.get(0)?..=row.get(1)?));
    range.unwrap().map(|number: i64| number as usize).collect()
}

fn noise(bytes: &mut [u8]) {
    let mut random = Simulated::new(7);
    bytes.fill_with(|| random.rand() as u8);
}

/// A leaf in the middle of a table.
fn middle_leaf(path: &Path, table: &str) -> usize {
    let leaves = tree(path, table).leaves;
    leaves[leaves.len() / 2]
}

/// All that is given of `damaged.db` but for these packets is as in `c.db`.
#[track_caller]
fn assert_missing(bench: &Bench, whole: &[String], missing: &[usize]) -> Finished {
    let (exported, lines) = export(bench, "damaged.db");
    let exported = exported.code(3);
    assert_eq!(named(&exported.stderr), missing);
    assert_true(&exported, &lines, whole);
    exported
}

#[test]
fn a_damaged_page_in_a_session_of_a_million_packets_costs_the_commits_on_it() {
    const PACKETS: usize = 1_000_000;
    let bench = Bench::new();
    crate::replay::captured(&bench, PACKETS as u32, "max");
    let (path, damaged_path) = (bench.path("c.db"), bench.path("damaged.db"));
    let whole = export(&bench, "c.db").1;
    assert_eq!(whole.len(), PACKETS);
    let packets = tree(&path, "messages");
    let leaf = packets.leaves[packets.leaves.len() / 2];
    let interior = packets.interior[packets.interior.len() / 2];
    let on_leaf = commits_of(&path, ids(&path, leaf));

    damage(&path, &damaged_path, leaf, |page| page[PAGE_BYTES - 1] ^= 4);
    assert_missing(&bench, &whole, &on_leaf);
    damage(&path, &damaged_path, interior, noise);
    assert_missing(&bench, &whole, &commits_of(&path, ids(&path, interior)));
    damage(&path, &damaged_path, leaf, noise);
    assert_missing(&bench, &whole, &on_leaf);
    damage(&path, &damaged_path, leaf, |page| page.fill(0));
    let exported = assert_missing(&bench, &whole, &on_leaf);

    // In the words of the ledger: from the packet before to the one behind.
    let elapsed_s = |number: usize| {
        let sql = format!("SELECT elapsed_ns FROM messages WHERE id = {number} + 1");
        bench.sqlite3("c.db", &sql).parse::<f64>().unwrap() / 1e9
    };
    let (first, last) = (on_leaf[0], on_leaf[on_leaf.len() - 1]);
    let words = format!(
        "{:.3} s to {:.3} s: damaged, {} messages are missing (#{first} to #{last})",
        elapsed_s(first - 1),
        elapsed_s(last + 1),
        on_leaf.len()
    );
    exported.says(&format!("warning: missing: {words}"));

    is_replayed(&bench, &on_leaf, &words);
    is_copied(&bench, &whole, &on_leaf);
    bench.fancyhwd("session list --database damaged.db").run().success();
    let shown = bench.fancyhwd("session show 1 --database damaged.db").run().code(3).stdout;
    assert!(shown.contains("messages    1000000\n") && shown.contains("\ndamage      "), "{shown}");
    bench.fancyhwd("session verify 1 --database damaged.db").run().code(3);
    let line = "session diff 1 1 --database c.db --other damaged.db --json";
    let found: Value = serde_json::from_str(&bench.fancyhwd(line).run().code(3).stdout).unwrap();
    assert_eq!(found["equal"], PACKETS - on_leaf.len());
    assert_eq!((&found["changed"], &found["only_in_a"], &found["same"]), (&0.into(), &0.into(), &false.into()));
    assert_eq!(found["not_compared"], on_leaf.len());
    assert_eq!(found["damage_in_b"][0]["first_number"], first);
}

/// A subscriber gets all but those, and it is said when they would have had their turn.
fn is_replayed(bench: &Bench, missing: &[usize], words: &str) {
    let raw = |database: &str, code| {
        let line = format!("session export 1 --format raw --database {database} --output x.raw --force");
        bench.fancyhwd(&line).run().code(code);
        fs::read(bench.path("x.raw")).unwrap()
    };
    let (whole, proven) = (raw("c.db", 0), raw("damaged.db", 3));
    let (first, last) = (missing[0], missing[missing.len() - 1]);
    assert!(proven == [&whole[..32 * first], &whole[32 * (last + 1)..]].concat());
    let endpoint = bench.endpoint("replayed");
    let socket = subscriber(&endpoint);
    let line =
        "replay 1 --speed max --database damaged.db --on-full block --wait-subscribers 1 --timing-report report.json";
    let replay = bench.fancyhwd(&format!("{line} --bind {endpoint}")).start();
    let (head, mut message) = (b"fancyhw_data ".as_slice(), zmq::Message::new());
    for (number, payload) in proven.chunks(32).enumerate() {
        socket.recv(&mut message, 0).unwrap();
        assert!(message.strip_prefix(head) == Some(payload), "packet {number} of those that are left");
    }
    let replay = replay.finish().code(3).says(&format!("warning: in the capture, {words}"));
    let missing = missing.len();
    replay.says(&format!("; its database is damaged: {missing} messages are missing in 1 gap"));
    let report = fs::read_to_string(bench.path("report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["damaged"], &report["damage"][0]["last_number"]), (&missing.into(), &last.into()));
}

/// The copy holds what is proven, names the same gap, and verifies up to it.
fn is_copied(bench: &Bench, whole: &[String], missing: &[usize]) {
    let line = "session export 1 --format sqlite --database damaged.db --output copy.db --force";
    let copied = bench.fancyhwd(line).run().code(3);
    assert_eq!(named(&copied.stderr), missing);
    assert_eq!(bench.sqlite3("copy.db", "PRAGMA integrity_check"), "ok");
    let (exported, lines) = export(bench, "copy.db");
    assert_eq!(named(&exported.stderr), missing);
    assert_true(&exported.code(3), &lines, whole);
    let verified = bench.fancyhwd("session verify 1 --database copy.db").run().code(3).stdout;
    assert!(
        verified.starts_with("session 1: damaged at message") && verified.contains(&format!(" #{} ", missing[0])),
        "{verified}"
    );
}

#[test]
fn a_page_of_digests_costs_their_commits_and_the_next_one() {
    let bench = Bench::new();
    capture(&bench, 6_000);
    let (path, damaged_path) = (bench.path("c.db"), bench.path("damaged.db"));
    let whole = export(&bench, "c.db").1;
    let leaf = middle_leaf(&path, "batches");
    let rows = ids(&path, leaf);
    let first_id: i64 =
        bench.sqlite3("c.db", &format!("SELECT first_id FROM batches WHERE id = {}", rows.start())).parse().unwrap();
    let last_id: i64 =
        bench.sqlite3("c.db", &format!("SELECT last_id FROM batches WHERE id = {} + 1", rows.end())).parse().unwrap();
    let missing = commits_of(&path, first_id..=last_id);
    for change in [noise as fn(&mut [u8]), |page| page.fill(0)] {
        damage(&path, &damaged_path, leaf, change);
        assert_missing(&bench, &whole, &missing);
        is_copied(&bench, &whole, &missing);
    }
    // One bit of one digest: its commit, and the next one.
    damage(&path, &damaged_path, leaf, |page| page[PAGE_BYTES - 1] ^= 1);
    let of_first_row =
        |row: &str| bench.sqlite3("c.db", &format!("SELECT {row} FROM batches WHERE id = {}", rows.start()));
    let first_id: i64 = of_first_row("first_id").parse().unwrap();
    let last_id: i64 = of_first_row("last_id").parse().unwrap();
    assert_missing(&bench, &whole, &commits_of(&path, first_id..=last_id + 1));
    // Any other bit of the page, wherever it leads.
    for bit in (0..8 * PAGE_BYTES).step_by(997) {
        damage(&path, &damaged_path, leaf, |page| page[bit / 8] ^= 1 << (bit % 8));
        let (exported, lines) = export(&bench, "damaged.db");
        assert_true(&exported, &lines, &whole);
        assert!(named(&exported.stderr).len() <= missing.len(), "bit {bit}: {}", exported.stderr);
    }
}

#[test]
fn what_is_beside_the_messages_is_not_needed_for_them() {
    let bench = Bench::new();
    capture(&bench, 500);
    let (path, damaged_path) = (bench.path("c.db"), bench.path("damaged.db"));
    let whole = export(&bench, "c.db").1;

    damage(&path, &damaged_path, tree(&path, "events").root, noise);
    let (exported, lines) = export(&bench, "damaged.db");
    assert_true(&exported.code(0), &lines, &whole);
    let replay = "replay 1 --speed max --database damaged.db --bind tcp://127.0.0.1:*";
    bench.fancyhwd(replay).run().code(3).says("the ledger of session 1 is damaged").says("1: 500 messages");
    let shown = bench.fancyhwd("session show 1 --database damaged.db").run().code(3).stdout;
    assert!(shown.contains("\nledger      damaged, other entries cannot be read\n"), "{shown}");
    let copy = "session export 1 --format sqlite --database damaged.db --output copy.db";
    bench.fancyhwd(copy).run().code(3).says(": 500 messages").says("missing: entries of its ledger, which are damaged");
    bench.fancyhwd("session verify 1 --database copy.db").run().success();

    // Without their streams, no message is proven.
    damage(&path, &damaged_path, tree(&path, "streams").root, noise);
    let refused = export(&bench, "damaged.db").0.code(1);
    refused.says("messages 1 to 500 of the session are not there as they were recorded (");
    bench.fancyhwd(replay).run().code(1).says("messages 1 to 500 of the session are not there as they were recorded (");
    assert!(!bench.path("x.csv").exists());
    bench.fancyhwd("session list --database damaged.db").run().success();
    bench.fancyhwd("session show 1 --database damaged.db").run().success();
    bench.fancyhwd("session export 1 --format raw --database damaged.db").run().code(1);
}

#[test]
fn sessions_whose_rows_are_damaged_do_not_hide_the_others() {
    let bench = Bench::new();
    capture(&bench, 50);
    let more = "WITH RECURSIVE numbers (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < 200) \
        INSERT INTO sessions SELECT n, 'number ' || n, note, started_unix_ns, ended_unix_ns, end_reason, topics, framing, \
        host, boot_id, version, durability, NULL, NULL, 51, 50, NULL, NULL, 0, 0, 0, 0, 0, NULL FROM numbers, sessions";
    bench.sqlite3("c.db", more);
    let (path, damaged_path) = (bench.path("c.db"), bench.path("damaged.db"));
    let leaf = middle_leaf(&path, "sessions");
    let lost: BTreeSet<i64> = ids(&path, leaf).collect();
    let (first, last) = (lost.first().unwrap(), lost.last().unwrap());
    assert!(*first > 1 && *last < 200);
    damage(&path, &damaged_path, leaf, |page| page.fill(0));
    let listed = bench.fancyhwd("session list --json --database damaged.db").run().code(3);
    let listed = listed.says(&format!("warning: sessions {first} to {last}: damaged, "));
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let listed: BTreeSet<i64> = listed.as_array().unwrap().iter().map(|it| it["id"].as_i64().unwrap()).collect();
    assert_eq!(&listed | &lost, (1..=200).collect());
    assert!(listed.is_disjoint(&lost));
    let table = bench.fancyhwd("session list --database damaged.db").run().code(3).stdout;
    // A heading, and a line for those that cannot be read.
    assert_eq!(table.lines().count(), 2 + listed.len(), "{table}");
    bench.fancyhwd("session verify --all --database damaged.db").run().code(3).says("damaged, they cannot be read");
    bench.fancyhwd("session show latest --database damaged.db").run().success();
    bench.fancyhwd("session show 1 --database damaged.db").run().success();
    let found = bench.fancyhwd("session show --database damaged.db").arg("number 2").run();
    found.success().says("some sessions of ").says("a newer one may have been meant");
    bench.fancyhwd(&format!("session show {first} --database damaged.db")).run().code(1).says("malformed");
    assert_eq!(export(&bench, "damaged.db").1.len(), 50);
}

#[test]
fn positions_and_jumps_lead_past_what_is_damaged() {
    let bench = Bench::new();
    capture(&bench, 3_000);
    let (path, damaged_path) = (bench.path("c.db"), bench.path("damaged.db"));
    // In the middle, so that a search for a position meets it first.
    let leaf = middle_leaf(&path, "messages");
    let missing = commits_of(&path, ids(&path, leaf));
    let (first, last) = (missing[0], missing[missing.len() - 1]);
    damage(&path, &damaged_path, leaf, |page| page.fill(0));
    let replayed = |options: &str, code| {
        let line = format!("replay 1 --speed max {options} --database damaged.db --bind tcp://127.0.0.1:*");
        bench.fancyhwd(&line).run().code(code)
    };
    let at = |number: usize| bench.sqlite3("c.db", &format!("SELECT elapsed_ns FROM messages WHERE id = {number} + 1"));
    replayed(&format!("--from {}ns --to {}ns", at(100), at(200)), 0).says("1: 100 messages");
    replayed(&format!("--from {}ns --to {}ns", at(last + 10), at(last + 30)), 0).says("1: 20 messages");
    replayed(&format!("--to #{}", last + 11), 3).says(&format!("1: {} messages", first + 10)).says("in 1 gap");
    replayed(&format!("--from #{} --to #{}", last - 1, last + 6), 3)
        .says("1: 5 messages")
        .says("2 messages are missing");
    let nothing = replayed(&format!("--from #{} --to #{}", first + 1, last), 1);
    nothing.says(&format!("messages {} to {last} of the session are not there", first + 2));
    jumps_lead_to(&damaged_path, |reader| reader.seek(Position::Number(first as i64 + 1)), last + 1);
    jumps_lead_to(&damaged_path, |reader| reader.seek_before(last as i64 + 1), first - 1);
    jumps_lead_to(&damaged_path, |reader| reader.seek_before(last as i64 + 2), last + 1);
    jumps_lead_to(&damaged_path, |reader| reader.seek_before(0), 0);
    // A gap is told in each pass, and counted once.
    let looped = replayed("--loop=3", 3).says(&format!("{} messages are missing in 1 gap", missing.len()));
    assert_eq!(looped.stderr.matches("in the capture, ").count(), 3, "{}", looped.stderr);
}

/// Where a jump leads to: the number of the next packet.
#[track_caller]
fn jumps_lead_to(path: &Path, jump: impl FnOnce(&mut Reader) -> fancyhwd::error::Result<()>, number: usize) {
    let database = Database::for_reading(path).unwrap();
    let session = database.find_session("1").unwrap();
    let mut reader = Reader::new(database, &session, &Selection::default()).unwrap();
    jump(&mut reader).unwrap();
    let mut batch = Batch::default();
    while batch.numbers().is_empty() {
        batch.clear();
        reader.read(&mut batch).unwrap();
    }
    assert_eq!(batch.numbers()[0], number as i64);
}

#[test]
fn a_commit_that_is_larger_than_what_is_read_at_once_is_proven_before_any_of_it_is_given() {
    const PACKETS: usize = 40;
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let record = format!("record --database c.db --commit-every 10s --count {PACKETS} --connect {endpoint}");
    let recorder = bench.fancyhwd(&record).start();
    let publish = "publish --rate max --packet-size 65536 --on-full block --wait-subscribers 1";
    bench.fancyhwd(&format!("{publish} --count {PACKETS} --bind {endpoint}")).run().success();
    recorder.finish().success();
    let commits: usize = bench.sqlite3("c.db", "SELECT count(*) FROM batches").parse().unwrap();
    let largest = "SELECT max(last_id - first_id + 1) FROM batches";
    assert!(commits < PACKETS / 2 && bench.sqlite3("c.db", largest).parse::<usize>().unwrap() > 20);
    let whole = export(&bench, "c.db").1;
    assert_eq!(whole.len(), PACKETS);
    // A bit of the last message of a commit that is followed by another one.
    let last_id = bench.sqlite3("c.db", "SELECT last_id FROM batches ORDER BY id LIMIT 1");
    fs::copy(bench.path("c.db"), bench.path("damaged.db")).unwrap();
    let flip =
        format!("UPDATE messages SET payload = CAST(x'ffff' || substr(payload, 3) AS BLOB) WHERE id = {last_id}");
    bench.sqlite3("damaged.db", &flip);
    let last_id = last_id.parse().unwrap();
    assert_missing(&bench, &whole, &commits_of(&bench.path("c.db"), last_id..=last_id));
}

#[test]
fn pages_that_are_damaged_at_random_cost_no_more_than_is_named() {
    survives_damaged_pages(100);
}
