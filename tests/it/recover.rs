//! `session recover`: what is whole comes out of a damaged database and is called proven, and nothing false is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::Value;

use fancyhwd::device::Simulated;
use fancyhwd::importer::{Recovered, Watch, recover};
use fancyhwd::message::Gaps;
use fancyhwd::process::stop::Stop;
use fancyhwd::store::{Database, Salvage};

use crate::disk::SmallDisk;
use crate::mcap::record;
use crate::support::kill::seeded;
use crate::support::pages::{PAGE_BYTES, damage, rows, tree};
use crate::support::{Bench, Finished, eventually};

/// Ways in which a capture is damaged.
const DAMAGES: usize = 1_000;

/// Where a message came from, when, and what it is.
type Message = (i64, String, Vec<u8>, i64, i64, Vec<u8>, Option<String>);

/// A database `c.db` of four sessions, of which the second was deleted and has left free pages; `all.db` is as before. Several devices and topics, messages
/// over several pages, and commits of 100.
fn capture(bench: &Bench) {
    let mut random = Simulated::new(7);
    for session in 0..4 {
        let message = |number: usize| {
            let bytes = match number % 40 {
                0 => 9_000 + number,
                1 => 4_000 + number,
                _ => 10 + number % 200,
            };
            let payload: Vec<u8> = (0..bytes).map(|_| random.rand() as u8).collect();
            match number % 4 {
                0 => (0, vec![[b"plain ", &payload[..]].concat()]),
                1 => (1, vec![b"imu".to_vec(), payload]),
                2 => (1, vec![b"other".to_vec(), payload, Vec::new(), b"end".to_vec()]),
                _ => (0, vec![[&b"\xff"[..], &payload].concat()]),
            }
        };
        let messages: Vec<_> = (0..250 + session).map(message).collect();
        record(
            bench,
            &format!("--topic * --label run{session} --note four --layout imu=int16x2 --channels imu=x:mV,y"),
            &messages,
        );
    }
    bench.forge(
        "c.db",
        "UPDATE messages SET elapsed_ns = id * 1000000; INSERT INTO events (session_id, unix_ns, elapsed_ns, kind, lost, detail) \
             VALUES (3, 1, 510000000, 'overflow', 5, 'queue'); UPDATE sessions SET lost = 5 WHERE id = 3",
    );
    fs::copy(bench.path("c.db"), bench.path("all.db")).unwrap();
    // What was on free pages stays there.
    let delete = Connection::open(bench.path("c.db")).unwrap().execute_batch(
        "PRAGMA secure_delete = OFF; DELETE FROM messages WHERE stream_id IN (SELECT id FROM streams WHERE session_id = 2); DELETE FROM batches WHERE session_id = 2; \
         DELETE FROM endpoints WHERE session_id = 2; DELETE FROM fields WHERE stream_id IN (SELECT id FROM streams WHERE session_id = 2); \
         DELETE FROM streams WHERE session_id = 2; DELETE FROM events WHERE session_id = 2; DELETE FROM sessions WHERE id = 2",
    );
    delete.unwrap();
    let free: usize = bench.sqlite3("c.db", "PRAGMA freelist_count").parse().unwrap();
    assert!(free > 10);
}

/// All messages of a database, session by session.
fn messages(path: &Path) -> BTreeMap<i64, Vec<Message>> {
    let sql = "SELECT sessions.id, endpoint, streams.framing, topic, received_unix_ns, elapsed_ns, payload, parts FROM messages \
         JOIN streams ON streams.id = stream_id JOIN sessions ON sessions.id = session_id AND messages.id BETWEEN first_id AND last_id \
         ORDER BY messages.id";
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let mut messages: BTreeMap<i64, Vec<Message>> = BTreeMap::new();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let column = |at| row.get(at).unwrap();
        let message = (
            column(1),
            row.get(2).unwrap(),
            row.get(3).unwrap(),
            column(4),
            column(5),
            row.get(6).unwrap(),
            row.get(7).unwrap(),
        );
        messages.entry(column(0)).or_default().push(message);
    }
    messages
}

fn numbers(gaps: &Gaps) -> BTreeSet<i64> {
    assert!(!gaps.and_more());
    gaps.iter().flat_map(|gap| gap.first_number..=gap.last_number).collect()
}

/// Recover in this process. `None` where nothing can be read at all.
fn recovered(bench: &Bench, damaged: &Path) -> Option<Vec<Recovered>> {
    let (index, new) = (bench.path("index"), bench.path("new.db"));
    for file in [&index, &new] {
        fs::write(file, "").unwrap();
    }
    let stop = Stop::new().unwrap();
    let watch = Watch::new(&stop, "recover".to_owned(), 1, "messages");
    let mut salvage = Salvage::open(damaged, &index, &new, &mut |_, _| Ok(())).unwrap();
    let recovered = recover(&mut salvage, &new, &new, &watch).unwrap();
    (!recovered.is_empty()).then_some(recovered)
}

/// What is called proven is what was recorded. Gives the numbers that are, by the session.
fn assert_true(
    bench: &Bench,
    recovered: &[Recovered],
    original: &BTreeMap<i64, Vec<Message>>,
) -> BTreeMap<i64, BTreeSet<i64>> {
    let new = messages(&bench.path("new.db"));
    let mut proven = BTreeMap::new();
    for one in recovered {
        let (Some(id), Some(session_id)) = (one.id, one.session_id) else { continue };
        let given = new.get(&session_id).map_or(&[][..], Vec::as_slice);
        assert_eq!(given.len() as u64, one.proven);
        if given.is_empty() {
            continue;
        }
        let original = &original[&id];
        let missing = &numbers(&one.unproven) | &numbers(&one.gone);
        assert!(numbers(&one.unproven).is_disjoint(&numbers(&one.gone)));
        let expected: Vec<_> = (0..original.len() as i64).filter(|number| !missing.contains(number)).collect();
        assert!(given.iter().eq(expected.iter().map(|number| &original[*number as usize])), "session {id}");
        proven.insert(id, expected.into_iter().collect());
    }
    proven
}

/// A commit: its session, its first and last number there, and the pages that all of it is on.
struct Commit {
    session_id: i64,
    numbers: std::ops::RangeInclusive<i64>,
    pages: BTreeSet<usize>,
}

/// The commits of a database, with the pages of their messages, of their streams, and of their own row and that before.
fn commits(path: &Path) -> Vec<Commit> {
    let messages: BTreeMap<i64, Vec<usize>> = rows(path, "messages").into_iter().collect();
    let batches: BTreeMap<i64, Vec<usize>> = rows(path, "batches").into_iter().collect();
    let streams: Vec<usize> = tree(path, "streams").leaves;
    let connection = Connection::open(path).unwrap();
    let sql = "SELECT batches.id, session_id, batches.first_id, batches.last_id, sessions.first_id FROM batches JOIN sessions ON sessions.id = session_id ORDER BY batches.id";
    let mut statement = connection.prepare(sql).unwrap();
    let found =
        statement.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get::<_, i64>(4)?]));
    let mut before = BTreeSet::new();
    let mut commits = Vec::new();
    for [row, session_id, first_id, last_id, base] in found.unwrap().map(Result::unwrap) {
        let own: BTreeSet<usize> = batches[&row].iter().copied().collect();
        let mut pages = &own | &before;
        pages.extend(streams.iter().copied());
        pages.extend((first_id..=last_id).flat_map(|id| messages[&id].iter().copied()));
        before = own;
        commits.push(Commit { session_id, numbers: first_id - base..=last_id - base, pages });
    }
    commits
}

/// Damage a database somehow. Gives the pages, from 1, that are not as they were.
fn damage_somehow(original: &[u8], random: &mut Simulated) -> (Vec<u8>, BTreeSet<usize>, String) {
    let mut below = |bound: usize| random.rand() as usize % bound;
    let mut bytes = original.to_vec();
    let pages = bytes.len() / PAGE_BYTES;
    let place = |page: usize| page * PAGE_BYTES..(page + 1) * PAGE_BYTES;
    let kind = below(9);
    match kind {
        0 | 1 => {
            for _ in 0..1 + below(8) {
                let at = below(bytes.len());
                bytes[at] ^= 1 << below(8);
            }
        }
        // Where the headers of pages and the places of their rows are.
        2 | 3 => {
            for _ in 0..1 + below(4) {
                let at = below(pages) * PAGE_BYTES + below(40);
                bytes[at] ^= 1 << below(8);
            }
        }
        4 => bytes.truncate(below(bytes.len())),
        5 => (0..1 + below(3)).for_each(|_| bytes[place(below(pages))].fill(0)),
        6 => {
            let page = below(pages);
            bytes[place(page)].fill_with(|| below(256) as u8);
        }
        7 => {
            let (from, to) = (below(pages), below(pages));
            bytes.copy_within(place(from), to * PAGE_BYTES);
        }
        // The definitions of the tables, and what leads to them.
        _ => {
            for _ in 0..50 {
                let at = below(PAGE_BYTES);
                bytes[at] = below(256) as u8;
            }
        }
    }
    let is_other = |page: &usize| bytes.get(place(page - 1)) != Some(&original[place(page - 1)]);
    let changed = (1..=pages).filter(is_other).collect();
    (bytes, changed, format!("damage of kind {kind}"))
}

#[test]
fn everything_that_is_whole_is_proven_and_nothing_false_is() {
    let bench = Bench::new();
    capture(&bench);
    let path = bench.path("c.db");
    let (bytes, original, commits) = (fs::read(&path).unwrap(), messages(&bench.path("all.db")), commits(&path));
    assert!(commits.len() >= 9 && bytes.len() / PAGE_BYTES > 100, "{} {}", commits.len(), bytes.len());
    let whole = recovered(&bench, &path).unwrap();
    assert!(whole.iter().all(Recovered::is_whole) && whole.len() == 3, "{whole:?}");
    assert_true(&bench, &whole, &original);
    let mut random = seeded();
    let (mut all, mut out) = (0, 0);
    for round in 0..DAMAGES {
        let (damaged, changed, what) = damage_somehow(&bytes, &mut random);
        println!("{round}: {what}, {} pages from {:?} to {:?}", changed.len(), changed.first(), changed.last());
        let damaged_path = bench.path("damaged.db");
        fs::write(&damaged_path, damaged).unwrap();
        let found = recovered(&bench, &damaged_path).unwrap_or_default();
        let proven = if found.is_empty() { BTreeMap::new() } else { assert_true(&bench, &found, &original) };
        let is_proven = |commit: &Commit| {
            proven
                .get(&commit.session_id)
                .is_some_and(|proven| commit.numbers.clone().all(|number| proven.contains(&number)))
        };
        for commit in &commits {
            let is_whole = commit.pages.is_disjoint(&changed);
            assert!(!is_whole || is_proven(commit), "session {} {:?}", commit.session_id, commit.numbers);
            all += 1;
            out += usize::from(is_proven(commit));
        }
        if round % 50 == 0 && !found.is_empty() {
            let database = Database::for_reading(&bench.path("new.db")).unwrap();
            for session in database.sessions().unwrap() {
                assert_eq!(database.verify(&session, &mut |_| Ok(())).unwrap().damage, None);
            }
        }
    }
    println!("{out} of {all} commits are proven");
    assert!(out > all / 2);
}

/// Recover by the program.
fn run(bench: &Bench, options: &str) -> Finished {
    bench.fancyhwd(&format!("session recover damaged.db --output new.db {options}")).run()
}

/// Recover by the program, which says that something is not as it was. Gives what it says, and checks that the new database
/// verifies, and that the damaged one is as it was.
fn told(bench: &Bench) -> Value {
    let files = ["damaged.db", "damaged.db-wal"].map(|file| fs::read(bench.path(file)).ok());
    let told = run(bench, "--force --json").code(3);
    assert!(["damaged.db", "damaged.db-wal"].map(|file| fs::read(bench.path(file)).ok()) == files);
    bench.fancyhwd("session verify --all --database new.db").run().success();
    serde_json::from_str(&told.stdout).unwrap()
}

#[test]
fn a_false_size_of_the_pages_is_not_believed() {
    let bench = Bench::new();
    capture(&bench);
    for (bytes, told) in [(512, 4096), (4096, 512), (4096, 8192), (4096, 16_384), (16_384, 1)] {
        fs::copy(bench.path("c.db"), bench.path("damaged.db")).unwrap();
        bench.sqlite3("damaged.db", &format!("PRAGMA journal_mode = DELETE; PRAGMA page_size = {bytes}; VACUUM"));
        let mut damaged = fs::read(bench.path("damaged.db")).unwrap();
        assert_eq!(damaged[16..18], u16::to_be_bytes(bytes));
        damaged[16..18].copy_from_slice(&u16::to_be_bytes(told));
        fs::write(bench.path("damaged.db"), damaged).unwrap();
        run(&bench, "--force").success().says("recovered 755 proven messages of damaged.db in ");
    }
}

#[test]
fn what_is_whole_comes_out_whole() {
    let bench = Bench::new();
    capture(&bench);
    fs::copy(bench.path("c.db"), bench.path("damaged.db")).unwrap();
    let told = run(&bench, "").success();
    assert_eq!(told.stdout.lines().count(), 3, "{}", told.stdout);
    assert!(
        told.stdout.starts_with("session 1 run0: 250 proven, 0 not proven, 0 gone; now session 1\n"),
        "{}",
        told.stdout
    );
    told.says("recovered 755 proven messages of damaged.db in ");
    bench.fancyhwd("session verify --all --database new.db").run().success();
    for (old, new) in [(1, 1), (3, 2), (4, 3)] {
        let diff = format!("session diff {old} {new} --timing-tolerance 1ns --database c.db --other new.db");
        bench.fancyhwd(&diff).run().success();
        for sql in [
            "SELECT label, started_unix_ns, ended_unix_ns, topics, framing, host, boot_id, messages, undecodable, unwanted, lost, bytes FROM sessions WHERE id = ?1",
            "SELECT number, endpoint, socket, side, security FROM endpoints WHERE session_id = ?1",
            "SELECT endpoint, framing, topic, layout, assumed FROM streams WHERE session_id = ?1 ORDER BY id",
            "SELECT unix_ns, elapsed_ns, until_elapsed_ns, kind, endpoint, lost, detail FROM events WHERE session_id = ?1 ORDER BY id",
            "SELECT channel, unit FROM fields WHERE stream_id IN (SELECT id FROM streams WHERE session_id = ?1)",
        ] {
            let of = |database, id: i32| bench.sqlite3(database, &sql.replace("?1", &id.to_string()));
            assert_eq!(of("c.db", old), of("new.db", new), "{sql}");
        }
    }
    let said = bench.sqlite3("new.db", "SELECT end_reason, note FROM sessions WHERE id = 2");
    assert_eq!(
        said,
        "recovered|recovered from session 3 of damaged.db: 252 messages, proven by their digests; its note: four"
    );

    // Nothing is replaced unasked, and nothing is left beside it.
    run(&bench, "").code(2).says("cannot export to ").says("it exists");
    let files = fs::read_dir(bench.path("")).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let left: Vec<_> = files.filter(|name| name.starts_with(".fancyhwd") || name.starts_with("new.db-")).collect();
    assert!(left.is_empty(), "{left:?}");
    bench
        .fancyhwd("session recover damaged.db --output damaged.db --force")
        .run()
        .code(2)
        .says("it belongs to the database");
    bench
        .fancyhwd("session recover damaged.db --output damaged.db-wal")
        .run()
        .code(2)
        .says("it belongs to the database");
}

#[test]
fn the_definitions_of_the_tables_are_not_needed() {
    let bench = Bench::new();
    capture(&bench);
    let (path, damaged_path) = (bench.path("c.db"), bench.path("damaged.db"));
    damage(&path, &damaged_path, 1, |page| page.fill(0));
    let all = told(&bench);
    assert_eq!(
        all["sessions"].as_array().unwrap().iter().map(|one| one["proven"].as_u64().unwrap()).sum::<u64>(),
        755,
        "{all}"
    );
    for (old, new) in [(1, 1), (3, 2), (4, 3)] {
        bench.fancyhwd(&format!("session diff {old} {new} --database c.db --other new.db")).run().success();
    }
    // Without the row of a session, its commits say where it was.
    let sessions = tree(&path, "sessions").leaves;
    damage(&path, &damaged_path, sessions[0], |page| page.fill(0));
    let all = told(&bench);
    let found: Vec<_> = all["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["row"].as_str().unwrap(), one["proven"].as_u64().unwrap()))
        .collect();
    assert_eq!(found, [("lost", 250), ("lost", 252), ("lost", 253)], "{all}");
    let times = bench.sqlite3(
        "new.db",
        "SELECT count(*) FROM messages JOIN sessions ON messages.id BETWEEN first_id AND sessions.last_id \
        WHERE abs(received_unix_ns - elapsed_ns - started_unix_ns) < 60000000000",
    );
    assert_eq!(times, "755");
}

#[test]
fn what_is_not_proven_is_apart_and_what_is_gone_is_counted() {
    let bench = Bench::new();
    capture(&bench);
    let (path, damaged_path) = (bench.path("c.db"), bench.path("damaged.db"));
    // The time of a message: its commit is not proven, and all of it can be read.
    bench.program("cp").args([&path, &damaged_path]).run().success();
    bench.sqlite3("damaged.db", "UPDATE messages SET elapsed_ns = elapsed_ns + 1 WHERE id = 20");
    let all = told(&bench);
    let first = &all["sessions"][0];
    assert_eq!((&first["proven"], &first["unproven"], &first["gone"]), (&150.into(), &100.into(), &0.into()), "{all}");
    assert_eq!(first["unproven_ids"][0], serde_json::json!({"first_id": 1, "last_id": 100, "messages": 100}));
    let text = run(&bench, "--force").code(3).stdout;
    assert!(text.contains("session 1 run0: 150 proven, 100 not proven, 0 gone; now session 1 and 2\n  not proven: 100 (ids 1 to 100)\n"), "{text}");
    let said = bench.sqlite3("new.db", "SELECT label, messages, lost FROM sessions WHERE id < 3");
    assert_eq!(said, "run0|150|100\nrun0 (unproven)|100|0");
    let ledger =
        bench.sqlite3("new.db", "SELECT kind, lost, detail FROM events WHERE session_id = 1 AND kind = 'damaged'");
    assert_eq!(ledger, "damaged|100|messages #0 to #99 of session 1 are not proven");
    let show = bench.fancyhwd("session show 2 --database new.db").run().success().stdout;
    assert!(show.contains("100 messages that no digest proves"), "{show}");

    // A page with messages: they are gone, and the others of their commits are not proven.
    let place = rows(&path, "messages").into_iter().find(|(id, _)| *id == 20).unwrap().1[0];
    damage(&path, &damaged_path, place, |page| page.fill(0));
    let all = told(&bench);
    let first = &all["sessions"][0];
    let on_page = rows(&path, "messages").iter().filter(|(_, pages)| pages[0] == place).count() as u64;
    assert_eq!(first["gone"].as_u64(), Some(on_page), "{all}");
    assert_eq!(first["unproven"].as_u64(), Some(100 - on_page));
    assert!(all["unread_pages"].as_u64() > Some(0));

    // The streams: what followed the topics is there, and nothing is proven.
    let streams = tree(&path, "streams").leaves;
    damage(&path, &damaged_path, streams[0], |page| page.fill(0));
    let all = told(&bench);
    assert_eq!(
        bench.sqlite3("new.db", "SELECT sum(messages) FROM sessions WHERE label LIKE '% (unproven)'"),
        "755",
        "{all}"
    );
    assert!(all["sessions"].as_array().unwrap().iter().all(|one| one["proven"] == 0 && one["gone"] == 0), "{all}");

    // The row of a commit: the next one proves its messages.
    bench.program("cp").args([&path, &damaged_path]).run().success();
    bench.sqlite3("damaged.db", "DELETE FROM batches WHERE session_id = 1 AND first_id = 101");
    let found = run(&bench, "--force").success().stdout;
    assert!(found.contains("session 1 run0: 250 proven, 0 not proven, 0 gone"), "{found}");

    // An entry of the ledger: its loss is still counted.
    bench.program("cp").args([&path, &damaged_path]).run().success();
    bench.sqlite3("damaged.db", "DELETE FROM events WHERE kind = 'overflow'");
    assert_eq!(told(&bench)["sessions"][1]["is_described"], false);
    let ledger = bench.sqlite3("new.db", "SELECT lost, detail FROM events WHERE session_id = 2 AND kind = 'damaged'");
    assert_eq!(ledger, "5|entries of the ledger of session 3 are gone, with what they say was lost");
    // What a session says of itself.
    bench.program("cp").args([&path, &damaged_path]).run().success();
    bench.sqlite3("damaged.db", "UPDATE sessions SET host = 'elsewhere' WHERE id = 1");
    assert_eq!(told(&bench)["sessions"][0]["row"], "unproven");
}

/// A recorder that was killed, with its packets in the write-ahead log: `damaged.db` and its log.
fn killed(bench: &Bench) -> usize {
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --commit-every 1ms --connect {endpoint}")).start();
    let publish = "publish --rate 5000 --on-full block --wait-subscribers 1 --count 3000";
    bench.fancyhwd(&format!("{publish} --bind {endpoint}")).run().success();
    eventually("all is committed", || bench.sqlite3("c.db", "SELECT messages FROM sessions") == "3000");
    recorder.signal(Signal::KILL);
    recorder.finish();
    for ending in ["", "-wal"] {
        fs::copy(bench.path(&format!("c.db{ending}")), bench.path(&format!("damaged.db{ending}"))).unwrap();
    }
    fs::metadata(bench.path("c.db-wal")).unwrap().len() as usize
}

#[test]
fn a_log_is_read_as_far_as_it_goes_and_behind_its_damage() {
    let bench = Bench::new();
    let bytes = killed(&bench);
    let found = run(&bench, "").success().stdout;
    assert!(found.starts_with("session 1: 3000 proven, 0 not proven, 0 gone; now session 1"), "{found}");
    let (log_path, log) = (bench.path("damaged.db-wal"), fs::read(bench.path("c.db-wal")).unwrap());
    let mut random = seeded();
    for round in 0..20 {
        let at = 32 + random.rand() as usize % (bytes - 32);
        let mut damaged = log.clone();
        match round % 2 {
            0 => damaged[at] ^= 4,
            _ => damaged.truncate(at),
        }
        println!("{round}: at {at}");
        fs::write(&log_path, &damaged).unwrap();
        // A log that was cut off ends with its last commit.
        let exit = run(&bench, "--force --json");
        if exit.status.code() == Some(1) {
            // Cut off before anything of a session was committed.
            assert!(round % 2 == 1 && exit.stderr.lines().count() == 1, "{}", exit.stderr);
            assert!(exit.stderr.contains("no page of it has anything of a capture"), "{}", exit.stderr);
            continue;
        }
        let told: Value = serde_json::from_str(&exit.stdout).unwrap();
        let one = &told["sessions"][0];
        let proven = one["proven"].as_u64().unwrap();
        if round % 2 == 0 {
            // What is behind the damaged page is proven all the same.
            assert!(exit.status.code() == Some(3) && told["log_damaged"] == true, "{told}");
            assert!(proven >= 2000, "{told}");
        }
        if proven > 0 {
            let export = |database: &str, id: u64| {
                bench
                    .fancyhwd(&format!("session export {id} --database {database} --format jsonl"))
                    .run()
                    .success()
                    .stdout
            };
            let lines = |text: &str| {
                text.lines()
                    .map(|line| serde_json::from_str::<Value>(line).unwrap())
                    .map(|line| (line["time"].clone(), line["frames"].clone()))
                    .collect::<Vec<_>>()
            };
            let (ours, all) = (lines(&export("new.db", 1)), lines(&export("c.db", 1)));
            let mut rest = all.iter();
            assert!(ours.len() as u64 == proven && ours.iter().all(|line| rest.any(|other| other == line)));
        }
    }
    fs::remove_file(&log_path).unwrap();
    let lost = run(&bench, "--force");
    assert!(matches!(lost.status.code(), Some(1 | 3)), "{}", lost.stderr);
}

#[test]
fn what_cannot_be_recovered_says_so_in_one_line() {
    let bench = Bench::new();
    capture(&bench);
    let noise: Vec<u8> = {
        let mut random = Simulated::new(3);
        (0..200_000).map(|_| random.rand() as u8).collect()
    };
    for (bytes, cause) in [
        (Vec::new(), "no page of it has anything of a capture"),
        (noise, "no page of it has anything of a capture"),
        (b"SQLite format 3\0".to_vec(), "no page of it has anything of a capture"),
        (vec![0; 100_000], "no page of it has anything of a capture"),
    ] {
        fs::write(bench.path("damaged.db"), bytes).unwrap();
        let refused = run(&bench, "").code(1).says(cause);
        assert_eq!((refused.stderr.lines().count(), refused.stdout.as_str()), (1, ""), "{}", refused.stderr);
        assert!(!bench.path("new.db").exists());
    }
    fs::remove_file(bench.path("damaged.db")).unwrap();
    run(&bench, "").code(1).says("there is no such file");
    bench.program("mkfifo").arg(bench.path("damaged.db")).run().success();
    run(&bench, "").code(1).says("it is no regular file");
    fs::remove_file(bench.path("damaged.db")).unwrap();
    fs::copy(bench.path("c.db"), bench.path("damaged.db")).unwrap();
    let endpoint = bench.endpoint("nobody");
    let recorder = bench.fancyhwd(&format!("record --database damaged.db --connect {endpoint}")).start();
    run(&bench, "").code(1).says("it is being recorded; stop the recorder");
    recorder.stop();
    bench.fancyhwd("session recover damaged.db --output nowhere/new.db").run().code(1).says("there is no directory");
    assert!(!bench.path("new.db").exists());
}

#[test]
fn no_number_in_a_file_leads_out_of_bounds() {
    let bench = Bench::new();
    capture(&bench);
    let path = bench.path("c.db");
    for sql in [
        "UPDATE sessions SET first_id = -9223372036854775808 WHERE id = 3",
        "UPDATE sessions SET first_id = 9223372036854775807, last_id = 9223372036854775807",
        "UPDATE sessions SET last_id = -9223372036854775808",
        "UPDATE batches SET first_id = 9223372036854775800, last_id = 9223372036854775807 WHERE session_id = 4",
        "UPDATE batches SET first_id = -9223372036854775808 WHERE session_id = 4",
        "INSERT INTO messages SELECT 9223372036854775807, stream_id, received_unix_ns, elapsed_ns, payload, parts FROM messages LIMIT 1",
        "INSERT INTO messages SELECT -9223372036854775807, stream_id, received_unix_ns, elapsed_ns, payload, parts FROM messages LIMIT 1",
        "UPDATE messages SET elapsed_ns = 9223372036854775807 WHERE id = 7; UPDATE messages SET elapsed_ns = -9223372036854775808 WHERE id = 8",
        "UPDATE streams SET session_id = 9223372036854775807",
        "INSERT INTO deleted VALUES (9, 9223372036854775807, -9223372036854775808), (8, -9223372036854775808, -9223372036854775808)",
    ] {
        fs::copy(&path, bench.path("damaged.db")).unwrap();
        bench.sqlite3("damaged.db", sql);
        let code = if sql.contains("INTO deleted") { 0 } else { 3 };
        run(&bench, "--force").code(code);
        bench.fancyhwd("session verify --all --database new.db").run().success();
    }
    // A row that goes on over a page that leads to itself.
    let (_, pages) = rows(&path, "messages").into_iter().find(|(_, pages)| pages.len() > 2).unwrap();
    damage(&path, &bench.path("damaged.db"), pages[1], |page| {
        page[..4].copy_from_slice(&(pages[1] as u32).to_be_bytes())
    });
    let all = told(&bench);
    assert_eq!(
        all["sessions"].as_array().unwrap().iter().map(|one| one["proven"].as_u64().unwrap()).sum::<u64>(),
        655,
        "{all}"
    );
}

#[test]
fn a_stop_or_a_full_disk_leaves_nothing() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench
        .fancyhwd(&format!("record --database damaged.db --count 600000 --connect {endpoint} --queue 1GB"))
        .start();
    let publish = "publish --count 600000 --rate max --on-full block --wait-subscribers 1 --bind";
    bench.fancyhwd(&format!("{publish} {endpoint}")).run().success();
    recorder.finish().success();
    let partial = || {
        let files = fs::read_dir(bench.path("")).unwrap().map(|file| file.unwrap());
        let files = files.filter(|file| file.file_name().to_str().unwrap().starts_with(".fancyhwd"));
        files.map(|file| file.metadata().map_or(0, |about| about.len())).collect::<Vec<_>>()
    };
    for signal in [Signal::INT, Signal::TERM] {
        let running = bench.fancyhwd("session recover damaged.db --output new.db").spawn();
        eventually("it writes", || partial().iter().any(|bytes| *bytes > 1 << 20));
        running.signal(signal);
        let stopped = running.finish().code(1).says("cannot recover damaged.db: it was stopped by a signal");
        assert_eq!((stopped.stderr.lines().count(), stopped.stdout.as_str()), (1, ""), "{}", stopped.stderr);
        assert!(partial().is_empty() && !bench.path("new.db").exists());
    }
    let Some(disk) = SmallDisk::mount(&bench, "16m") else { return };
    let line = format!("session recover damaged.db --output {}", disk.0.join("new.db").display());
    let full = bench.fancyhwd(&line).run().code(1).says("make room on that disk");
    assert_eq!(full.stderr.lines().count(), 1, "{}", full.stderr);
    assert_eq!(fs::read_dir(&disk.0).unwrap().count(), 0);
}
