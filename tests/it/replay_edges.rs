//! `replay` of sessions that are no ordinary ones: empty, of one packet, interrupted, without time, with a day in them,
//! or not at their end yet.

use std::iter::repeat_n;

use rusqlite::Connection;
use rustix::process::Signal;

use crate::replay::{assert_silent, captured, subscriber};
use crate::support::{Bench, Finished, eventually};

/// The packets of session 1 as its tables have them, each an envelope.
fn stored(bench: &Bench) -> Vec<Vec<u8>> {
    let connection = Connection::open(bench.path("c.db")).unwrap();
    let sql = "SELECT CAST(topic || ' ' AS BLOB), payload FROM messages JOIN streams ON streams.id = stream_id \
               WHERE session_id = 1 ORDER BY messages.id";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(|row: rusqlite::Result<(Vec<u8>, Vec<u8>)>| row.map(|(head, payload)| [head, payload].concat()).unwrap())
        .collect()
}

/// How many packets the only session says that it has.
fn committed(bench: &Bench) -> usize {
    bench.sqlite3("c.db", "SELECT messages FROM sessions").parse().unwrap()
}

/// Replay to a subscriber. Gives all that it received, which is as much as the summary says, and what was logged.
#[track_caller]
fn replayed(bench: &Bench, line: &str) -> (Vec<Vec<u8>>, Finished) {
    let endpoint = bench.endpoint("replayed");
    let socket = subscriber(&endpoint);
    let replay = format!("replay {line} --database c.db --on-full block --wait-subscribers 1 --bind {endpoint}");
    let finished = bench.fancyhwd(&replay).run().success();
    let summary = finished.stderr.lines().last().unwrap();
    let (_, counted) = summary.split_once("replayed session 1: ").unwrap_or_else(|| panic!("{}", finished.stderr));
    let count: usize = counted.split(' ').next().unwrap().parse().unwrap();
    let messages = (0..count).map(|_| socket.recv_bytes(0).unwrap()).collect();
    assert_silent(&socket);
    (messages, finished)
}

#[test]
fn an_empty_session_is_refused_however_it_is_asked_for() {
    let bench = Bench::new();
    bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    for options in ["", "--loop", "--speed max", "--rate 5", "--from #0", "--to 1h", "--paused"] {
        let refused = bench.fancyhwd(&format!("replay 1 {options} --database c.db --bind tcp://127.0.0.1:*")).run();
        let refused = refused.code(2).says("cannot read session 1 of ").says(": the session has no messages; choose ");
        assert_eq!((refused.stderr.lines().count(), refused.stdout.as_str()), (1, ""), "{}", refused.stderr);
    }
}

#[test]
fn one_packet_is_replayed_at_once_at_any_speed() {
    let bench = Bench::new();
    captured(&bench, 1, "1000");
    let stored = stored(&bench);
    assert_eq!(stored.len(), 1);
    for options in ["", "--speed 0.001", "--speed max", "--rate 0.001", "--max-gap 1ns", "--from #0 --to #1"] {
        let (messages, finished) = replayed(&bench, &format!("{options} --timing-report report.json"));
        assert_eq!(messages, stored, "{options}");
        finished.says("replayed session 1: 1 message, 45 bytes in ").says(", 0 lost; ");
        let report = std::fs::read_to_string(bench.path("report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        let timed = u64::from(options != "--speed max");
        assert_eq!(
            (report["messages"].as_u64(), report["lateness"]["count"].as_u64()),
            (Some(1), Some(timed)),
            "{options}"
        );
    }
    let (messages, _) = replayed(&bench, "--loop=3 --speed 1000");
    assert_eq!(messages, [stored.clone(), stored.clone(), stored].concat());
}

#[test]
fn what_an_interrupted_session_has_is_replayed_before_and_after_it_is_closed() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --commit-every 1ms --connect {endpoint}")).start();
    let device = bench.fancyhwd(&format!("publish --rate 5000 --wait-subscribers 1 --bind {endpoint}")).start();
    eventually("packets are committed", || committed(&bench) >= 200);
    recorder.signal(Signal::KILL);
    recorder.finish();
    device.stop().success();

    let stored = stored(&bench);
    assert_eq!(stored.len(), committed(&bench));
    // It has not ended, so it is not the newest that has.
    bench.fancyhwd("replay --database c.db").run().code(2).says("cannot find session 'latest'");
    let open = replayed(&bench, "1 --speed max").0;
    assert!(open == stored, "{} of {}", open.len(), stored.len());
    bench.fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    assert_eq!(bench.sqlite3("c.db", "SELECT end_reason FROM sessions WHERE id = 1"), "interrupted");
    let (closed, finished) = replayed(&bench, "1");
    assert!(closed == stored, "{} of {}", closed.len(), stored.len());
    finished.says(&format!("replayed session 1: {} messages, {} bytes", stored.len(), 45 * stored.len()));
}

#[test]
fn packets_of_one_moment_leave_in_their_order_without_waiting() {
    let bench = Bench::new();
    captured(&bench, 20, "1000");
    bench.forge("c.db", "UPDATE messages SET elapsed_ns = 7, received_unix_ns = 8");
    let stored = stored(&bench);
    // The slowest speed would show any time between them.
    for options in ["", "--speed 0.001", "--speed max", "--max-gap 1ns", "--from 7ns", "--from #0 --to 8ns"] {
        assert_eq!(replayed(&bench, options).0, stored, "{options}");
    }
    assert_eq!(replayed(&bench, "--speed 0.001 --loop=2").0, [stored.clone(), stored.clone()].concat());
    assert_eq!(replayed(&bench, "--speed 0.001 --from #5 --to #8").0, stored[5..8]);
    for nothing in ["--from 8ns", "--to 7ns"] {
        let refused = bench.fancyhwd(&format!("replay {nothing} --database c.db --bind tcp://127.0.0.1:*")).run();
        refused.code(2).says("nothing in it is as asked for; compare --from");
    }
}

#[test]
fn a_day_long_gap_is_waited_for_or_cut_and_a_fixed_rate_ignores_it() {
    let bench = Bench::new();
    captured(&bench, 20, "1000");
    bench.forge("c.db", "UPDATE messages SET elapsed_ns = elapsed_ns + 86400000000000 WHERE id > 10");
    let stored = stored(&bench);
    for options in ["--max-gap 50ms", "--max-gap 50ms --speed 0.5", "--rate 500", "--speed max", "--speed 1000000"] {
        let (messages, finished) = replayed(&bench, options);
        assert_eq!(messages, stored, "{options}");
        finished.says("replayed session 1: 20 messages, 900 bytes in ");
    }
    let (messages, _) = replayed(&bench, "--max-gap 50ms --loop=2");
    assert_eq!(messages, [stored.clone(), stored.clone()].concat());

    let endpoint = bench.endpoint("waiting");
    let socket = subscriber(&endpoint);
    let replay = bench.fancyhwd(&format!("replay --database c.db --wait-subscribers 1 --bind {endpoint}")).start();
    let before: Vec<Vec<u8>> = (0..10).map(|_| socket.recv_bytes(0).unwrap()).collect();
    assert_eq!(before, stored[..10]);
    assert_silent(&socket);
    replay.stop().success().says("stopped replay of session 1: 10 messages");
}

#[test]
fn a_session_that_is_being_recorded_is_replayed_as_far_as_it_is_committed() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let publisher = bench.fancyhwd(&format!("publish --rate 1000 --wait-subscribers 1 --bind {endpoint}")).start();
    let recorder = bench.fancyhwd(&format!("record --database c.db --commit-every 1ms --connect {endpoint}")).start();
    eventually("10 messages are committed", || committed(&bench) >= 10);
    for options in ["--speed max", "--speed 10"] {
        let before = committed(&bench);
        let (messages, _) = replayed(&bench, &format!("1 {options}"));
        let after = stored(&bench);
        assert!((before..=after.len()).contains(&messages.len()), "{before} {} {}", messages.len(), after.len());
        assert!(messages == after[..messages.len()], "{options}");
    }
    bench.fancyhwd("replay --database c.db").run().code(2).says("cannot find session 'latest'");
    recorder.stop().success();
    publisher.stop().success();
    let (messages, _) = replayed(&bench, "latest --speed max");
    assert!(messages == stored(&bench));
}

/// What a replay may take, whatever is in its session.
const MEMORY_MAX_BYTES: u64 = 40_000_000;

/// A database `c.db` of one packet of each of these sizes.
fn recorded(bench: &Bench, bytes: impl Iterator<Item = usize>) -> Vec<Vec<u8>> {
    let packet =
        |(number, bytes): (u64, usize)| [b"fancyhw_data ".as_slice(), &number.to_le_bytes(), &vec![7; bytes]].concat();
    let packets: Vec<Vec<u8>> = (0..).zip(bytes).map(packet).collect();
    let endpoint = bench.endpoint("device");
    let record = "record --database c.db --on-full block --max-message 16MiB";
    let recorder = bench.fancyhwd(&format!("{record} --count {} --connect {endpoint}", packets.len())).start();
    let device = zmq::Context::new().socket(zmq::XPUB).unwrap();
    device.set_sndhwm(0).unwrap();
    device.bind(&endpoint).unwrap();
    device.recv_bytes(0).unwrap();
    packets.iter().for_each(|packet| device.send(packet, 0).unwrap());
    recorder.finish().success();
    packets
}

/// A database `c.db` whose first messages are small, and the others large: more than a replay may take.
fn growing(bench: &Bench) -> Vec<Vec<u8>> {
    recorded(bench, repeat_n(32, 1_000).chain(repeat_n(1 << 19, 300)))
}

/// A subscriber that takes little and reads nothing yet.
fn stuck_subscriber(endpoint: &str) -> zmq::Socket {
    let socket = zmq::Context::new().socket(zmq::SUB).unwrap();
    socket.set_rcvhwm(1).unwrap();
    socket.set_rcvtimeo(5_000).unwrap();
    socket.set_subscribe(b"").unwrap();
    socket.connect(endpoint).unwrap();
    socket
}

/// Replay these packets to a subscriber who comes to a halt first, and then reads them all.
fn is_waited_for_in_little_memory(bench: &Bench, packets: &[Vec<u8>]) {
    let endpoint = bench.endpoint("replayed");
    let stuck = stuck_subscriber(&endpoint);
    let replay = format!("replay --database c.db --speed max --on-full block --wait-subscribers 1 --bind {endpoint}");
    let replay = bench.fancyhwd(&replay).start();
    eventually("the replay waits for its subscriber", || replay.log().contains("a subscriber has not read for 1 s"));
    for (number, packet) in packets.iter().enumerate() {
        assert!(stuck.recv_bytes(0).as_ref() == Ok(packet), "packet {number}");
        if number == packets.len() / 2 {
            let peak_bytes = replay.memory_bytes("VmHWM");
            assert!(peak_bytes <= MEMORY_MAX_BYTES, "{peak_bytes} bytes");
        }
    }
    replay.finish().success().says(", 0 lost; ");
}

#[test]
fn a_subscriber_that_is_waited_for_costs_little_memory_also_when_messages_become_large() {
    let bench = Bench::new();
    let packets = growing(&bench);
    is_waited_for_in_little_memory(&bench, &packets);
}

#[test]
fn a_subscriber_that_is_waited_for_costs_little_memory_also_when_all_messages_are_large() {
    let bench = Bench::new();
    let packets = recorded(&bench, repeat_n(3 << 20, 24));
    is_waited_for_in_little_memory(&bench, &packets);
}

#[test]
fn a_subscriber_that_is_not_waited_for_costs_little_memory_also_when_messages_become_large() {
    let bench = Bench::new();
    let packets = growing(&bench);
    let endpoint = bench.endpoint("replayed");
    let stuck = stuck_subscriber(&endpoint);
    let replay = format!("replay --database c.db --speed max --wait-subscribers 1 --bind {endpoint}");
    let replay = bench.fancyhwd(&replay).start();
    replay.wait_until_told("STOPPING=1");
    let peak_bytes = replay.memory_bytes("VmHWM");
    assert!(peak_bytes <= MEMORY_MAX_BYTES, "{peak_bytes} bytes");
    let received: Vec<Vec<u8>> = std::iter::from_fn(|| stuck.recv_bytes(0).ok()).collect();
    let lost = packets.len() - received.len();
    assert!(lost > 0 && received == packets[..received.len()], "{lost}");
    replay.finish().code(3).says(&format!(", {lost} lost; "));
}

#[test]
fn a_subscriber_that_leaves_holds_nothing_up_also_when_messages_are_large() {
    let bench = Bench::new();
    growing(&bench);
    let endpoint = bench.endpoint("replayed");
    let stuck = stuck_subscriber(&endpoint);
    let replay = format!("replay --database c.db --speed max --on-full block --wait-subscribers 1 --bind {endpoint}");
    let replay = bench.fancyhwd(&replay).start();
    eventually("the replay waits for its subscriber", || replay.log().contains("a subscriber has not read for 1 s"));
    drop(stuck);
    replay.finish().success().says("replayed session 1: 1300 messages").says("subscribers at the end: 0");
}
