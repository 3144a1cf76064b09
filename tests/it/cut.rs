//! `session cut`: a part of a session becomes one of its own, and nothing that is missing of it is hidden.

use std::fs;

use rustix::process::Signal;

use crate::disk::SmallDisk;
use crate::mcap::{message, record};
use crate::support::{Bench, FANCYHWD, Finished, eventually};

/// All that is stored of a session but its ids, its label, note and moment of writing.
fn stored(bench: &Bench, id: usize) -> String {
    let of = |sql: &str| bench.sqlite3("c.db", &sql.replace("?1", &id.to_string()));
    [
        messages(bench, id),
        of("SELECT endpoint, framing, hex(topic), name, layout, assumed, sample_rate_hz, counter FROM streams WHERE session_id = ?1 ORDER BY id"),
        of("SELECT name, part, every, place, position, byte_offset, type, channel, unit, scale, \"offset\", header_bytes, record_bytes \
            FROM fields JOIN streams ON streams.id = stream_id WHERE session_id = ?1 ORDER BY stream_id, part, place, position"),
        of("SELECT number, endpoint, socket, side, security, peer_key FROM endpoints WHERE session_id = ?1"),
        of("SELECT last_id - first_id, hex(digest) FROM batches WHERE session_id = ?1 ORDER BY id"),
        of("SELECT unix_ns, elapsed_ns, until_elapsed_ns, kind, endpoint, peer, lost, detail FROM events WHERE session_id = ?1 ORDER BY id"),
        of("SELECT started_unix_ns, ended_unix_ns, end_reason, topics, framing, host, boot_id, version, durability, first_elapsed_ns, \
            last_elapsed_ns, messages, undecodable, unwanted, lost, bytes, hex(seal) FROM sessions WHERE id = ?1"),
    ]
    .join("\n\n")
}

/// What came, when and where from.
fn messages(bench: &Bench, id: usize) -> String {
    of_messages(bench, &format!("session_id = {id}"))
}

fn of_messages(bench: &Bench, which: &str) -> String {
    bench.sqlite3(
        "c.db",
        &format!(
            "SELECT endpoint, framing, hex(topic), received_unix_ns, elapsed_ns, hex(substr(payload, 1, 99)), length(payload), parts, reason \
             FROM messages JOIN streams ON streams.id = stream_id LEFT JOIN faults ON message_id = messages.id \
             WHERE {which} ORDER BY messages.id"
        ),
    )
}

fn cut(bench: &Bench, line: &str) -> Finished {
    bench.fancyhwd(&format!("session cut {line} --database c.db")).run()
}

/// Two devices with all framings, a layout with channels and a counter, a message that cannot be read and a large one, a
/// millisecond apart, and a ledger.
fn difficult() -> Bench {
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
            message(0, &[b"", b"", b""]),
            message(1, &[b"imu", b"odd"]),
            message(0, &[b"plain \x01"]),
        ],
    );
    let address = |number| bench.sqlite3("c.db", &format!("SELECT endpoint FROM endpoints WHERE number = {number}"));
    let (one, two) = (address(1), address(2));
    bench.forge(
        "c.db",
        &format!(
            "UPDATE messages SET elapsed_ns = id * 1000000, received_unix_ns = 1700000000000000000 + id * 1000000; DELETE FROM events; \
             INSERT INTO events (session_id, unix_ns, elapsed_ns, until_elapsed_ns, kind, endpoint, lost, detail) VALUES \
                 (1, 1, 500000, NULL, 'connected', '{one}', 0, NULL), (1, 2, 2000000, 3000000, 'overflow', NULL, 5, 'queue'), \
                 (1, 3, 4500000, 6500000, 'overflow', NULL, 7, NULL), (1, 4, 5000000, 5500000, 'counter-gap', '{two}', 3, NULL), \
                 (1, 5, 1500000, NULL, 'disconnected', '{two}', NULL, 'no route'), (1, 6, 9500000, NULL, 'clock-step', NULL, 0, NULL); \
             UPDATE sessions SET lost = 15, unwanted = 4, started_unix_ns = 1700000000000000000, note = 'of the lab'"
        ),
    );
    bench.fancyhwd("session verify 1 --database c.db").run().success();
    bench
}

#[test]
fn a_cut_of_a_cut_is_the_direct_cut() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder =
        bench.fancyhwd(&format!("record --database c.db --count 70000 --connect {endpoint} --queue 1GB")).start();
    let publish = "publish --count 70000 --rate max --on-full block --wait-subscribers 1 --bind";
    bench.fancyhwd(&format!("{publish} {endpoint}")).run().success();
    recorder.finish().success();
    // Times that several messages share, and a clock that was set back.
    bench.forge(
        "c.db",
        "UPDATE messages SET elapsed_ns = id / 3 * 1000000, received_unix_ns = received_unix_ns - (id > 30000) * 3600000000000",
    );
    cut(&bench, "1 --from n5000 --to n65000")
        .success()
        .says("cut session 1 into session 2 of ")
        .says(": 60000 messages in ");
    cut(&bench, "2 --from n5000 --to n50000 --label inner").success();
    cut(&bench, "inner --from 7s --to 15s").success();
    cut(&bench, "1 --from n10000 --to n55000").success();
    cut(&bench, "1 --from 7s --to 15s").success();
    cut(&bench, "5").success();
    // Commits of 20,000, so that where they end is the same whatever they were before.
    assert_eq!(bench.sqlite3("c.db", "SELECT count(*) FROM batches WHERE session_id = 3"), "3");
    for (cut_of_a_cut, direct) in [(3, 5), (4, 6), (7, 5)] {
        assert!(stored(&bench, cut_of_a_cut) == stored(&bench, direct), "{cut_of_a_cut} is not {direct}");
        let diff = format!("session diff {cut_of_a_cut} {direct} --timing-tolerance 1ns --database c.db");
        bench.fancyhwd(&diff).run().success();
    }
    assert!(messages(&bench, 5) == of_messages(&bench, "session_id = 1 AND messages.id BETWEEN 10001 AND 55000"));
    bench.fancyhwd("session verify --all --database c.db").run().success();
    // The file is at rest again.
    assert!(!bench.path("c.db-wal").exists());
    let show = bench.fancyhwd("session show inner --database c.db").run().success().stdout;
    assert!(
        show.contains("cut from session 2 of c.db (seal BLAKE3 ")
            && show.contains("#5000 to #49999, all of them proven"),
        "{show}"
    );
}

#[test]
fn topics_endpoints_and_ranges_keep_streams_times_and_origins() {
    let bench = difficult();
    for (line, which, topics) in [
        ("", "1", "[\"*\"]"),
        ("--topic imu", "name = 'imu'", "[\"imu\"]"),
        ("--topic imu --topic plain", "name IN ('imu', 'plain')", "[\"imu\",\"plain\"]"),
        ("--endpoint 2", "endpoint = 2", "[\"*\"]"),
        ("--endpoint 2 --topic imu", "name = 'imu'", "[\"imu\"]"),
        ("--from n2 --to n9", "messages.id BETWEEN 3 AND 9", "[\"*\"]"),
        ("--from 3ms --to 6ms --endpoint 1", "messages.id BETWEEN 3 AND 5 AND endpoint = 1", "[\"*\"]"),
        ("--from 2023-11-14T22:13:20.004Z", "messages.id >= 4", "[\"*\"]"),
    ] {
        let expected = of_messages(&bench, &format!("session_id = 1 AND {which}"));
        cut(&bench, &format!("1 {line}")).success();
        let id: usize = bench.sqlite3("c.db", "SELECT max(id) FROM sessions").parse().unwrap();
        assert_eq!(messages(&bench, id), expected, "{line}");
        assert!(!expected.is_empty());
        let of = |sql: &str| bench.sqlite3("c.db", &sql.replace("?1", &id.to_string()));
        assert_eq!(
            of("SELECT topics, end_reason, started_unix_ns FROM sessions WHERE id = ?1"),
            format!("{topics}|cut|1700000000000000000")
        );
        // The streams are read as before, and those without messages are not there.
        let known = "SELECT count(*) FROM (SELECT endpoint, topic, framing, layout, assumed, counter FROM streams WHERE session_id = ?1 \
                     EXCEPT SELECT endpoint, topic, framing, layout, assumed, counter FROM streams WHERE session_id = 1)";
        assert_eq!(of(known), "0", "{line}");
        let endpoints = "SELECT number, endpoint, socket, side FROM endpoints WHERE session_id = ";
        assert_eq!(of(&format!("{endpoints}?1")), of(&format!("{endpoints}1")));
        bench.fancyhwd(&format!("session verify {id} --database c.db")).run().success();
        bench.fancyhwd(&format!("session delete {id} --yes --database c.db")).run().success();
    }
    // In either order.
    cut(&bench, "1 --topic imu").success();
    cut(&bench, "latest --from 3ms").success();
    cut(&bench, "1 --topic imu --from 3ms").success();
    let last: usize = bench.sqlite3("c.db", "SELECT max(id) FROM sessions").parse().unwrap();
    assert_eq!(stored(&bench, last - 1), stored(&bench, last));
    let channels = "SELECT channel, unit, scale, \"offset\" FROM fields JOIN streams ON streams.id = stream_id WHERE session_id = ?1 AND name = 'imu'";
    let of = |id: usize| bench.sqlite3("c.db", &channels.replace("?1", &id.to_string()));
    assert_eq!(of(last), of(1));
}

#[test]
fn the_ledger_of_the_range_is_taken_over_and_its_loss_counted() {
    let bench = difficult();
    let ledger = |line: &str| {
        cut(&bench, &format!("1 {line}")).success();
        let id = bench.sqlite3("c.db", "SELECT max(id) FROM sessions");
        bench.fancyhwd(&format!("session verify {id} --database c.db")).run().success();
        let entries = bench.sqlite3(
            "c.db",
            &format!("SELECT unix_ns, kind, lost, elapsed_ns, until_elapsed_ns, detail FROM events WHERE session_id = {id} ORDER BY id"),
        );
        (entries, bench.sqlite3("c.db", &format!("SELECT lost, unwanted FROM sessions WHERE id = {id}")))
    };
    let all = bench
        .sqlite3("c.db", "SELECT unix_ns, kind, lost, elapsed_ns, until_elapsed_ns, detail FROM events ORDER BY id");
    assert_eq!(ledger(""), (all, "15|4".to_owned()));
    // What began before and is not over is in it; of what is partly in it, nobody knows how much was lost.
    let not_all = "were lost in all, and not all of that is in this part";
    assert_eq!(
        ledger("--from n4 --to n5"),
        (
            format!(
                "3|overflow||4500000|6500000|7 {not_all}\n4|counter-gap|3|5000000|5500000|\n5|disconnected||1500000||no route"
            ),
            "3|0".to_owned()
        )
    );
    // From 2 ms to before 3 ms: the end of what is lost is the beginning of the next part.
    assert_eq!(
        ledger("--from n1 --to n2"),
        ("2|overflow|5|2000000|3000000|queue\n5|disconnected||1500000||no route".to_owned(), "5|0".to_owned())
    );
    assert_eq!(ledger("--from 3ms --to 4ms").0, "5|disconnected||1500000||no route");
    // What is about another endpoint is not in it.
    assert_eq!(
        ledger("--endpoint 1"),
        (
            format!(
                "1|connected|0|500000||\n2|overflow||2000000|3000000|queue; 5 {not_all}\n3|overflow||4500000|6500000|7 {not_all}\n6|clock-step|0|9500000||"
            ),
            "0|0".to_owned()
        )
    );
}

#[test]
fn what_is_damaged_is_named_in_the_cut() {
    let bench = Bench::new();
    crate::support::damage::capture(&bench, 2_000);
    let commit = bench
        .sqlite3("c.db", "SELECT first_id - 1, last_id - 1 FROM batches WHERE first_id > 1000 ORDER BY id LIMIT 1");
    let (first, last) = commit.split_once('|').unwrap();
    let messages = last.parse::<usize>().unwrap() - first.parse::<usize>().unwrap() + 1;
    bench.sqlite3("c.db", &format!("UPDATE messages SET payload = x'0000' WHERE id = {first} + 1"));
    let missing = if messages == 1 { format!("(#{first})") } else { format!("(#{first} to #{last})") };
    let cut_1 = cut(&bench, "1 --from n100 --to n1900").code(3);
    let cut_1 = cut_1.says(&missing).says(&format!(": {} messages in ", 1800 - messages));
    assert_eq!(cut_1.stderr.lines().count(), 2, "{}", cut_1.stderr);
    let entry = |id: usize| {
        bench.sqlite3("c.db", &format!("SELECT kind, lost, elapsed_ns, until_elapsed_ns, detail FROM events WHERE session_id = {id} AND kind = 'damaged'"))
    };
    let time = |id: &str| bench.sqlite3("c.db", &format!("SELECT elapsed_ns FROM messages WHERE id = {id}"));
    let (before, behind) = (time(first), time(&format!("{last} + 2")));
    let words = if messages == 1 {
        format!("message #{first} of session 1 is damaged")
    } else {
        format!("messages #{first} to #{last} of session 1 are damaged")
    };
    assert_eq!(entry(2), format!("damaged|{messages}|{before}|{behind}|{words}"));
    bench.fancyhwd("session verify 2 --database c.db").run().success();
    let show = bench.fancyhwd("session show 2 --database c.db").run().success().stdout;
    assert!(show.contains(&words) && show.contains("missing in 1 gap"), "{show}");

    // The cut itself is whole, and what is missing goes on to be known.
    cut(&bench, "2 --from n50").success();
    assert_eq!(entry(3), entry(2));
    cut(&bench, "1 --from n150 --to n1900").code(3);
    assert_eq!(
        (stored(&bench, 4), bench.sqlite3("c.db", "SELECT lost FROM sessions WHERE id = 4")),
        (stored(&bench, 3), messages.to_string())
    );

    // Of some topics it is not known how many of them would be in it. Where nothing else is, there is no cut.
    cut(&bench, "1 --topic fancyhw_data").code(3);
    assert!(entry(5).starts_with("damaged||"), "{}", entry(5));
    let refused = cut(&bench, &format!("1 --from n{first} --to n{}", last.parse::<usize>().unwrap() + 1)).code(1);
    assert!(refused.stderr.contains("are not there as they were recorded") && refused.stderr.lines().count() == 1);
    assert_eq!(bench.sqlite3("c.db", "SELECT count(*) FROM sessions"), "5");
}

#[test]
fn a_cut_is_there_whole_or_not_at_all() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder =
        bench.fancyhwd(&format!("record --database c.db --count 600000 --connect {endpoint} --queue 1GB")).start();
    let publish = "publish --count 600000 --rate max --on-full block --wait-subscribers 1 --bind";
    bench.fancyhwd(&format!("{publish} {endpoint}")).run().success();
    recorder.finish().success();
    let counts = || {
        bench.sqlite3(
            "c.db",
            "SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM messages), (SELECT count(*) FROM streams)",
        )
    };
    let before = counts();
    for (line, says) in [
        ("1 --from n600000", "nothing in it is as asked for"),
        ("1 --from 9h", "nothing in it is as asked for"),
        ("1 --from n5 --to n5", "nothing in it is as asked for"),
        ("1 --topic other", "nothing in it is as asked for"),
        ("1 --endpoint 2", "nothing in it is as asked for"),
        ("1 --from soon", "cannot use --from 'soon'"),
        ("1 --label 7", "digits alone"),
        ("2", "cannot find session '2'"),
    ] {
        let refused = cut(&bench, line).code(2).says(says);
        assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
        assert_eq!(counts(), before, "{line}");
    }
    for signal in [Signal::INT, Signal::TERM] {
        let running = bench.fancyhwd("session cut 1 --database c.db").spawn();
        eventually("it writes", || fs::metadata(bench.path("c.db-wal")).is_ok_and(|log| log.len() > 1 << 20));
        running.signal(signal);
        let stopped = running.finish().code(1).says("cannot cut session 1 of ").says("it was stopped by a signal");
        assert_eq!(stopped.stderr.lines().count(), 1, "{}", stopped.stderr);
        assert_eq!(counts(), before);
    }
    bench.fancyhwd("session verify --all --database c.db").run().success();

    // What is being recorded is left alone.
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
    let refused = cut(&bench, "1").code(1);
    assert!(refused.stderr.contains(FANCYHWD) && refused.stderr.lines().count() == 1, "{}", refused.stderr);
    recorder.stop();
    assert!(!bench.path("missing.db").exists());
    bench.fancyhwd("session cut 1 --database missing.db").run().code(1).says("there is no such file");
    assert!(!bench.path("missing.db").exists());
}

#[test]
fn a_full_disk_leaves_no_part_of_a_cut() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder =
        bench.fancyhwd(&format!("record --database c.db --count 150000 --connect {endpoint} --queue 1GB")).start();
    let publish = "publish --count 150000 --rate max --on-full block --wait-subscribers 1 --bind";
    bench.fancyhwd(&format!("{publish} {endpoint}")).run().success();
    recorder.finish().success();
    // Half of the cut fits.
    let bytes = fs::metadata(bench.path("c.db")).unwrap().len();
    let Some(disk) = SmallDisk::mount(&bench, &(bytes / 2 * 3).to_string()) else { return };
    let database = disk.0.join("c.db");
    fs::copy(bench.path("c.db"), &database).unwrap();
    let ended = bench.fancyhwd(&format!("session cut 1 --database {}", database.display())).run().code(1);
    assert!(ended.stderr.contains("make room on that disk") && ended.stderr.lines().count() == 1, "{}", ended.stderr);
    let list = bench.fancyhwd(&format!("session list --json --database {}", database.display())).run().success().stdout;
    let list: Vec<serde_json::Value> = serde_json::from_str(&list).unwrap();
    assert_eq!(list.len(), 1);
    bench.fancyhwd(&format!("session verify --all --database {}", database.display())).run().success();
}
