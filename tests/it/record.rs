//! `record`: everything that came is kept, whatever it is and however the run ends.

use std::fs;
use std::io::{BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use rusqlite::Connection;
use rustix::process::Signal;

use fancyhwd::device::Simulated;

use crate::links::committed;
use crate::support::{Bench, Daemon, FANCYHWD, command, eventually};

/// All packets of a database, which must be the simulated device's from its beginning. Gives their number.
fn count_of_true_packets(bench: &Bench, database: &str) -> i64 {
    let connection = Connection::open(bench.path(database)).unwrap();
    let mut statement = connection.prepare("SELECT id, elapsed_ns, payload FROM messages ORDER BY id").unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut device = Simulated::new(12345);
    let (mut count, mut last_elapsed_ns) = (0_i64, 0);
    while let Some(row) = rows.next().unwrap() {
        count += 1;
        assert_eq!(row.get::<_, i64>(0).unwrap(), count, "ids have no hole");
        let elapsed_ns: i64 = row.get(1).unwrap();
        assert!(elapsed_ns >= last_elapsed_ns, "packet {count} is stamped before the one before it");
        last_elapsed_ns = elapsed_ns;
        for (index, sample) in crate::support::samples(row.get_ref(2).unwrap().as_blob().unwrap()).enumerate() {
            assert_eq!(sample, device.rand() as i16, "packet {count}, sample {index}");
        }
    }
    count
}

/// A publishing socket of ours for messages that are no envelopes, once the recorder has subscribed.
fn bare_publisher(endpoint: &str) -> (zmq::Context, zmq::Socket) {
    let context = zmq::Context::new();
    let socket = context.socket(zmq::XPUB).unwrap();
    socket.bind(endpoint).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    assert_eq!(socket.recv_bytes(0).unwrap()[0], 1);
    (context, socket)
}

#[test]
fn a_million_packets_at_full_speed_are_all_there_in_order() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let publish = "publish --rate max --on-full block --wait-subscribers 1 --count 1000000";
    let publisher = bench.fancyhwd(&format!("{publish} --bind {endpoint}")).start();
    let recorder = bench.fancyhwd(&format!("record --database c.db --count 1000000 --connect {endpoint}")).start();
    publisher.finish().success();
    recorder.finish().success().says("1000000 messages, 45000000 bytes").says(", 0 lost");
    assert_eq!(count_of_true_packets(&bench, "c.db"), 1_000_000);
    let totals =
        bench.sqlite3("c.db", "SELECT messages, undecodable, lost, bytes, end_reason, first_id, last_id FROM sessions");
    assert_eq!(totals, "1000000|0|0|45000000|limit|1|1000000");
    let batches = bench.sqlite3("c.db", "SELECT min(first_id), max(last_id), sum(last_id - first_id + 1) FROM batches");
    assert_eq!(batches, "1|1000000|1000000");
    assert_eq!(bench.sqlite3("c.db", "PRAGMA integrity_check"), "ok");
}

/// A recorder in the middle of an endless fast stream, with some of it committed.
fn recorder_in_a_burst(bench: &Bench) -> (Daemon, Daemon) {
    let endpoint = bench.endpoint("device");
    let publish = "publish --rate max --on-full block --wait-subscribers 1";
    let publisher = bench.fancyhwd(&format!("{publish} --bind {endpoint}")).start();
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
    let connection = Connection::open(bench.path("c.db")).unwrap();
    let committed = || connection.query_row("SELECT messages FROM sessions", [], |row| row.get::<_, i64>(0)).unwrap();
    eventually("100,000 messages are committed", || committed() >= 100_000);
    (publisher, recorder)
}

#[test]
fn sigterm_in_a_burst_stores_everything_received() {
    let bench = Bench::new();
    let (publisher, recorder) = recorder_in_a_burst(&bench);
    recorder.stop().success().says(", 0 lost");
    publisher.stop().code(0);
    let packets = count_of_true_packets(&bench, "c.db");
    assert!(packets >= 100_000);
    assert_eq!(bench.sqlite3("c.db", "SELECT messages, end_reason FROM sessions"), format!("{packets}|stopped"));
    assert!(!bench.path("c.db-wal").exists());
}

#[test]
fn the_second_signal_kills() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
    // With the database locked, what came cannot be saved at once.
    let blocker = Connection::open(bench.path("c.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let publish = "publish --rate max --count 10 --wait-subscribers 1";
    bench.fancyhwd(&format!("{publish} --bind {endpoint}")).run().success();
    recorder.signal(Signal::INT);
    recorder.wait_until_told("STOPPING=1");
    eventually("a later signal kills", || {
        recorder.signal(Signal::TERM);
        recorder.has_ended()
    });
    assert_eq!(recorder.finish().status.signal(), Some(Signal::TERM.as_raw()));
}

#[test]
fn a_session_that_was_killed_is_closed_as_interrupted_by_the_next_one() {
    let bench = Bench::new();
    let (publisher, recorder) = recorder_in_a_burst(&bench);
    recorder.signal(Signal::KILL);
    recorder.finish();
    drop(publisher);
    bench.fancyhwd("record --database c.db --connect tcp://127.0.0.1:1").start().stop().code(3);

    let packets = count_of_true_packets(&bench, "c.db");
    let sessions = bench.sqlite3(
        "c.db",
        "SELECT messages, last_id, end_reason, ended_unix_ns >= started_unix_ns FROM sessions ORDER BY id",
    );
    assert_eq!(sessions, format!("{packets}|{packets}|interrupted|1\n0|{packets}|stopped|1"));
    // The ledger says from the last commit to the next session that packets may be missing.
    let gap = "SELECT events.session_id, events.lost IS NULL, events.unix_ns = before.ended_unix_ns, \
         before.started_unix_ns + until_elapsed_ns = next.started_unix_ns, until_elapsed_ns > elapsed_ns \
         FROM events, sessions AS before, sessions AS next WHERE kind = 'gap' AND before.id = 1 AND next.id = 2";
    assert_eq!(bench.sqlite3("c.db", gap), "1|1|1|1|1");
}

#[test]
fn a_service_that_is_started_again_notes_that_it_was_not_there() {
    let bench = Bench::new();
    let record = "record --database c.db --connect tcp://127.0.0.1:1";
    bench.fancyhwd(record).start().stop().code(3);
    // Somebody at a terminal begins and ends as they please, and a limit is an end that was asked for.
    bench.fancyhwd(&format!("{record} --duration 1ms")).run().code(3);
    bench.fancyhwd(record).start().stop().code(3);
    bench.fancyhwd(record).start().stop().code(3).says("session 3 ended (stopped), and nothing was recorded for");
    assert_eq!(bench.sqlite3("c.db", "SELECT session_id FROM events WHERE kind = 'gap'"), "3");
}

#[test]
fn what_its_layout_cannot_read_is_stored_all_the_same_and_what_nobody_asked_for_is_counted() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --topic a --database c.db --count 3 --connect {endpoint}")).start();
    let (_context, socket) = bare_publisher(&endpoint);
    socket.send("a \x01\x02", 0).unwrap();
    socket.send("a \x01\x02\x03", 0).unwrap();
    socket.send_multipart(["a \x01\x02", "", "tail"], 0).unwrap();
    socket.send("ab \x03\x04", 0).unwrap();
    socket.send("a \x03\x04", 0).unwrap();
    let recorder = recorder.finish().success().says("3 messages, 13 bytes, 1 undecodable, 2 unwanted in");
    recorder.says("the assumed layout int16 cannot read a message (frame 1 has 3 bytes of records");

    let rows = "SELECT id, hex(payload), parts IS NULL FROM messages ORDER BY id";
    assert_eq!(bench.sqlite3("c.db", rows), "1|0102|1\n2|010203|1\n3|0304|1");
    let undecodable = "SELECT message_id, reason FROM undecodable";
    let reason = "frame 1 has 3 bytes of records, which are no multiple of 2";
    assert_eq!(bench.sqlite3("c.db", undecodable), format!("2|{reason}"));
    assert_eq!(bench.sqlite3("c.db", "SELECT message_id FROM decoded_packets"), "1\n3");
    assert_eq!(bench.sqlite3("c.db", "SELECT messages, undecodable, unwanted FROM sessions"), "3|1|2");
    bench.fancyhwd("session verify 1 --database c.db").run().success();
}

#[test]
fn every_message_is_recorded_whatever_it_is() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let record = "record --database c.db --count 8 --framing space --topic *";
    let recorder = bench.fancyhwd(&format!("{record} --connect {endpoint}")).start();
    let (_context, socket) = bare_publisher(&endpoint);
    let long_topic = [&[b't'; 256][..], b" ab"].concat();
    for message in [&b"one ab"[..], b"", b"no-space", b" ab", &long_topic, b"two ", b"\xff\xfe abcd"] {
        socket.send(message, 0).unwrap();
    }
    socket.send_multipart(["one ab", "", "tail"], 0).unwrap();
    recorder.finish().success();
    let sql = "SELECT framing, name, hex(payload), parts FROM messages JOIN streams ON streams.id = stream_id \
         WHERE messages.id <> 5 ORDER BY messages.id";
    assert_eq!(
        bench.sqlite3("c.db", sql),
        "space|one|6162|\nwhole|||\nwhole||6E6F2D7370616365|\nwhole||206162|\nspace|two||\n\
         space|\\xff\\xfe|61626364|\nwhole||6F6E652061627461696C|[6,0,4]"
    );
    assert_eq!(bench.sqlite3("c.db", "SELECT length(payload) FROM messages WHERE id = 5"), "259");
}

#[test]
fn several_devices_and_several_topics_go_into_one_session() {
    let bench = Bench::new();
    let (left, right) = (bench.endpoint("left"), bench.endpoint("right"));
    let recorder = bench
        .fancyhwd(&format!("record --database c.db --count 20 --topic l --topic r --connect {left} --connect {right}"))
        .start();
    let publish = "publish --rate 1000 --count 10 --wait-subscribers 2";
    let left = bench.fancyhwd(&format!("{publish} --topic l --bind {left}")).spawn();
    let right = bench.fancyhwd(&format!("{publish} --topic r --bind {right}")).spawn();
    // Each sees one subscription for its topic only, so `--wait-subscribers 2` holds both back ...
    let third =
        bench.fancyhwd("record --topic r --database d.db --count 10").env("FANCYHWD_CONNECT", bench.endpoint("right"));
    let third = third.start();
    right.finish().success();
    third.finish().success();
    let fourth =
        bench.fancyhwd("record --topic l --database e.db --count 10").env("FANCYHWD_CONNECT", bench.endpoint("left"));
    let fourth = fourth.start();
    left.finish().success();
    fourth.finish().success();
    // ... until somebody else comes.
    recorder.finish().success();
    assert_eq!(
        bench.sqlite3("c.db", "SELECT topic, count(*) FROM decoded_packets GROUP BY topic ORDER BY topic"),
        "l|10\nr|10"
    );
    assert_eq!(bench.sqlite3("c.db", "SELECT topics FROM sessions"), r#"["l","r"]"#);
}

#[test]
fn a_duration_ends_a_recording_of_a_silent_device() {
    let bench = Bench::new();
    bench
        .fancyhwd("record --database c.db --duration 50ms --connect tcp://127.0.0.1:1")
        .args(["--label", "a label", "--note", "a note"])
        .run()
        .code(3);
    assert_eq!(
        bench.sqlite3("c.db", "SELECT label, note, end_reason, messages, first_id, last_id FROM sessions"),
        "a label|a note|limit|0|1|0"
    );
}

#[test]
fn a_queue_that_overflows_counts_what_it_lost() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder =
        bench.fancyhwd(&format!("record --database c.db --queue 1MiB --on-full drop --connect {endpoint}")).start();
    // While somebody else holds the write lock, nothing can be committed.
    let blocker = Connection::open(bench.path("c.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let publish = "publish --rate max --on-full block --wait-subscribers 1 --count 400000";
    bench.fancyhwd(&format!("{publish} --bind {endpoint}")).run().success();
    blocker.execute_batch("ROLLBACK").unwrap();
    let connection = Connection::open(bench.path("c.db")).unwrap();
    let sum = || connection.query_row("SELECT messages + lost FROM sessions", [], |row| row.get::<_, i64>(0)).unwrap();
    eventually("every packet is stored or counted", || sum() == 400_000);
    recorder.stop().code(3).says("messages lost: the queue to the disk was full");
    assert_eq!(sum(), 400_000);
    let lost: i64 = connection.query_row("SELECT lost FROM sessions", [], |row| row.get(0)).unwrap();
    let events: (i64, i64) = connection
        .query_row(
            "SELECT sum(lost), sum(until_elapsed_ns >= elapsed_ns) = count(*) FROM events WHERE kind = 'overflow'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert!(lost > 0);
    assert_eq!(events, (lost, 1));
}

#[test]
fn a_database_that_is_locked_for_a_while_loses_nothing() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --count 2000 --connect {endpoint}")).start();
    let blocker = Connection::open(bench.path("c.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let publish = "publish --rate 10000 --on-full block --wait-subscribers 1 --count 2000";
    bench.fancyhwd(&format!("{publish} --bind {endpoint}")).run().success();
    eventually("the stall is reported", || recorder.log().contains("trying again each second"));
    blocker.execute_batch("ROLLBACK").unwrap();
    let who = format!("database is locked: process {} (", std::process::id());
    recorder.finish().success().says("2000 messages").says(", 0 lost").says(&who);
    assert_eq!(count_of_true_packets(&bench, "c.db"), 2000);
    let event =
        bench.sqlite3("c.db", "SELECT kind, lost, until_elapsed_ns > elapsed_ns FROM events WHERE kind = 'stall'");
    assert_eq!(event, "stall|0|1");
}

#[test]
fn a_database_that_stays_locked_fails_the_run_and_what_is_missing_is_counted() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
    let blocker = Connection::open(bench.path("c.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let publish = "publish --rate 10000 --on-full block --wait-subscribers 1 --count 2000";
    bench.fancyhwd(&format!("{publish} --bind {endpoint}")).run().success();
    let finished = recorder.stop().code(1).says("cannot write a batch in database").says("2000 lost");
    assert_eq!(finished.stderr.matches("2000 lost").count(), 1);
}

#[test]
fn what_has_arrived_when_a_stop_is_asked_for_is_stored() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
    let (_context, socket) = bare_publisher(&endpoint);
    // Stopped, it reads nothing: the messages wait in the kernel when the signal comes.
    recorder.signal(Signal::STOP);
    for _ in 0..500 {
        socket.send(&b"fancyhw_data ab"[..], 0).unwrap();
    }
    recorder.signal(Signal::TERM);
    recorder.signal(Signal::CONT);
    recorder.finish().success();
    assert_eq!(bench.sqlite3("c.db", "SELECT messages, end_reason FROM sessions"), "500|stopped");
}

#[test]
fn a_message_of_many_frames_is_stored_whole_or_named() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let record = "record --topic a --database c.db --count 3 --max-message 2MiB";
    let recorder = bench.fancyhwd(&format!("{record} --connect {endpoint}")).start();
    let (_context, socket) = bare_publisher(&endpoint);
    let message = |frames: usize| [vec![b"a".to_vec()], vec![b"z".to_vec(); frames]].concat();
    // Each counts 12 bytes more.
    for frames in [100_000, (2 << 20) / 13 + 1, 1, 2] {
        socket.send_multipart(message(frames), 0).unwrap();
    }
    recorder
        .finish()
        .code(3)
        .says("too-large from ipc:")
        .says("1 messages lost: the first of them has 161321 bytes in 161321 frames");
    let sql = "SELECT coalesce(json_array_length(parts), 1), length(payload) FROM messages ORDER BY id";
    assert_eq!(bench.sqlite3("c.db", sql), "100000|100000\n1|1\n2|2");
    assert_eq!(bench.sqlite3("c.db", "SELECT kind, lost FROM events WHERE lost > 0"), "too-large|1");
    bench.fancyhwd("session verify 1 --database c.db").run().success();
}

#[test]
fn a_print_out_that_nobody_reads_does_not_stop_the_capture() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let (unread, stdout) = std::io::pipe().unwrap();
    let mut recorder = command(FANCYHWD)
        .args(["record", "--print", "--count", "20000", "--database", &bench.text("c.db"), "--connect", &endpoint])
        .stdout(stdout)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let publish = "publish --rate max --on-full block --wait-subscribers 1 --count 20000";
    bench.fancyhwd(&format!("{publish} --bind {endpoint}")).run().success();
    assert_eq!(recorder.wait().unwrap().code(), Some(0));
    drop(unread);
    assert_eq!(count_of_true_packets(&bench, "c.db"), 20_000);
}

#[test]
fn a_log_that_nobody_reads_does_not_end_the_recording() {
    let bench = Bench::new();
    let (reader, stderr) = std::io::pipe().unwrap();
    drop(reader);
    let status = command(FANCYHWD)
        .args(["record", "--duration", "20ms", "--connect", "tcp://127.0.0.1:1", "--database", &bench.text("c.db")])
        .stderr(stderr)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(3));
    assert_eq!(bench.sqlite3("c.db", "SELECT end_reason FROM sessions"), "limit");
}

#[test]
fn the_end_of_a_quick_stream_is_stored_in_time_whatever_signals_are_blocked() {
    for env in ["--default-signal=ALRM", "--block-signal=ALRM"] {
        let bench = Bench::new();
        let endpoint = bench.endpoint("device");
        let record = format!("record --database c.db --connect {endpoint}");
        let recorder = bench.program("env").args([env, FANCYHWD]).args(record.split(' ')).start();
        let publish = format!("publish --rate 2000 --count 1000 --wait-subscribers 1 --bind {endpoint}");
        bench.fancyhwd(&publish).run().success();
        // No stop is asked for: it is the age of the batch that counts.
        eventually("all packets are committed", || committed(&bench) == 1_000);
        recorder.stop().code(0);
    }
}

#[test]
fn no_name_of_a_database_is_special() {
    let bench = Bench::new();
    bench.fancyhwd("record --duration 1ms --database :memory: --connect tcp://127.0.0.1:1").run().code(3);
    let list = bench.fancyhwd("session list --database :memory:").run().success();
    assert_eq!(list.stdout.lines().count(), 2);
}

#[test]
fn a_queue_that_blocks_loses_nothing() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench
        .fancyhwd(&format!("record --database c.db --queue 1MiB --on-full block --count 400000 --connect {endpoint}"))
        .start();
    let publish = "publish --rate max --on-full block --wait-subscribers 1 --count 400000";
    bench.fancyhwd(&format!("{publish} --bind {endpoint}")).run().success();
    recorder.finish().success();
    assert_eq!(count_of_true_packets(&bench, "c.db"), 400_000);
}

#[test]
fn a_reader_of_the_print_out_that_leaves_ends_the_recording_quietly() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let publisher = bench.fancyhwd(&format!("publish --rate 1000 --wait-subscribers 1 --bind {endpoint}")).start();
    let mut recorder = command(FANCYHWD)
        .args(["-q", "record", "--print", "--database", &bench.text("c.db"), "--connect", &endpoint])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(recorder.stdout.take().unwrap());
    let mut start = [0; 61];
    out.read_exact(&mut start).unwrap();
    // Behind the time.
    assert_eq!(&start[30..], b" #0 fancyhw_data 45 bytes [-224");
    drop(out);
    let output = recorder.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    publisher.stop().success();
    assert_eq!(bench.sqlite3("c.db", "SELECT end_reason FROM sessions"), "stopped");
}

#[test]
fn captures_are_not_for_everybody() {
    let bench = Bench::new();
    bench
        .fancyhwd("record --duration 1ms --connect tcp://127.0.0.1:1")
        .env("XDG_STATE_HOME", bench.path("state"))
        .run()
        .code(3);
    let mode = |path: &str| fs::metadata(bench.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("state/fancyhwd"), 0o700);
    assert_eq!(mode("state/fancyhwd/captures.db"), 0o640);
    bench
        .fancyhwd("record --duration 1ms --connect tcp://127.0.0.1:1")
        .env("STATE_DIRECTORY", bench.path("state"))
        .run()
        .code(3);
    assert!(bench.path("state/captures.db").exists());
}
