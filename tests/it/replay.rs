//! `replay`: the same bytes, in the same order, as often and as fast as asked.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::Signal;

use crate::support::{Bench, Daemon, FANCYHWD, eventually};

/// A database `c.db` of `count` packets of the simulated device.
pub fn captured(bench: &Bench, count: u32, rate_hz: &str) {
    let endpoint = bench.endpoint("device");
    let recorder =
        bench.fancyhwd(&format!("record --database c.db --label taken --count {count} --connect {endpoint}")).start();
    bench
        .fancyhwd(&format!(
            "publish --rate {rate_hz} --on-full block --count {count} --wait-subscribers 1 --bind {endpoint}"
        ))
        .run()
        .success();
    recorder.finish().success();
}

/// A subscriber to everything, which waits for what is sent to it.
pub fn subscriber(endpoint: &str) -> zmq::Socket {
    let socket = zmq::Context::new().socket(zmq::SUB).unwrap();
    socket.set_rcvhwm(0).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.set_subscribe(b"").unwrap();
    socket.connect(endpoint).unwrap();
    socket
}

/// Nothing more comes.
#[track_caller]
pub fn assert_silent(socket: &zmq::Socket) {
    socket.set_rcvtimeo(100).unwrap();
    assert_eq!(socket.recv_bytes(0), Err(zmq::Error::EAGAIN));
    socket.set_rcvtimeo(60_000).unwrap();
}

/// All messages that a subscriber receives from a replay: each a list of frames.
pub fn received(bench: &Bench, line: &str, count: usize) -> Vec<Vec<Vec<u8>>> {
    let endpoint = bench.endpoint("replayed");
    let socket = subscriber(&endpoint);
    let replay = bench
        .fancyhwd(&format!("replay {line} --database c.db --on-full block --wait-subscribers 1 --bind {endpoint}"))
        .start();
    let messages = (0..count).map(|_| socket.recv_multipart(0).unwrap()).collect();
    replay.finish().success();
    assert_silent(&socket);
    messages
}

#[test]
fn messages_of_all_kinds_are_replayed_in_their_place_frame_for_frame() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --count 8 --connect {endpoint} --topic *")).start();
    let context = zmq::Context::new();
    let socket = context.socket(zmq::XPUB).unwrap();
    socket.bind(&endpoint).unwrap();
    socket.recv_bytes(0).unwrap();
    let sent: Vec<Vec<Vec<u8>>> = vec![
        vec![b"one ab".to_vec()],
        vec![b"".to_vec()],
        vec![b"one ab".to_vec(), b"".to_vec(), b"tail".to_vec()],
        vec![b"\xff\xfe ".to_vec()],
        vec![b" odd".to_vec()],
        vec![vec![]; 5000],
        vec![b"topic".to_vec()],
        vec![b"two abcd".to_vec()],
    ];
    for message in &sent {
        socket.send_multipart(message, 0).unwrap();
    }
    recorder.finish().success();
    assert_eq!(received(&bench, "", sent.len()), sent);
}

#[test]
fn a_loop_over_a_session_whose_rows_are_gone_is_an_error() {
    let bench = Bench::new();
    captured(&bench, 5, "1000");
    bench.sqlite3("c.db", "DELETE FROM messages");
    bench
        .fancyhwd("replay --database c.db --loop --bind tcp://127.0.0.1:*")
        .run()
        .code(1)
        .says("messages 1 to 5 of the session are not there");
}

#[test]
fn a_capture_is_replayed_where_nobody_may_write() {
    let bench = Bench::new();
    captured(&bench, 5, "1000");
    fs::create_dir(bench.path("locked")).unwrap();
    fs::rename(bench.path("c.db"), bench.path("locked/c.db")).unwrap();
    let chmod = |path, mode| fs::set_permissions(bench.path(path), fs::Permissions::from_mode(mode)).unwrap();
    chmod("locked/c.db", 0o444);
    chmod("locked", 0o555);
    bench.fancyhwd("session list --database locked/c.db").without_rights().run().success();
    let replay = "replay --database locked/c.db --speed max --bind tcp://127.0.0.1:*";
    bench.fancyhwd(replay).without_rights().run().success().says("replayed session 1: 5 messages");
    // So that it can be deleted.
    chmod("locked", 0o755);
}

#[test]
fn a_loop_replays_the_session_again() {
    let bench = Bench::new();
    captured(&bench, 50, "1000");
    let once = received(&bench, "", 50);
    let thrice = received(&bench, "taken --loop=3", 150);
    assert_eq!(thrice, [once.clone(), once.clone(), once].concat());
}

#[test]
fn full_speed_replays_a_session_of_many_batches_in_order() {
    let bench = Bench::new();
    captured(&bench, 100_000, "max");
    let messages = received(&bench, "1 --speed max", 100_000);
    let mut device = fancyhwd::device::Simulated::new(12345);
    for message in messages {
        let envelope = message[0].get(13..).unwrap();
        assert!(crate::support::samples(envelope).all(|sample| sample == device.rand() as i16));
    }
}

#[test]
fn a_replay_without_end_can_be_stopped_and_reports_its_lateness() {
    let bench = Bench::new();
    captured(&bench, 5, "1000");
    let replay = bench.fancyhwd("replay --database c.db --loop --bind tcp://127.0.0.1:*").start();
    assert!(replay.status.starts_with("replaying session 1 on tcp://127.0.0.1:"), "{}", replay.status);
    replay.stop().success().says("stopped replay of session 1");

    let finished = bench.fancyhwd("replay --database c.db --bind tcp://127.0.0.1:*").run().success();
    let summary = finished.stderr.lines().last().unwrap();
    assert!(summary.contains("replayed session 1: 5 messages, 225 bytes in 0.0"), "{summary}");
    assert!(summary.contains("lateness p50 ") && !summary.contains("max 0.0 us"), "{summary}");
}

/// The numbers of the packets that were received, by their samples.
pub fn numbers(messages: &[Vec<Vec<u8>>]) -> Vec<usize> {
    let mut device = fancyhwd::device::Simulated::new(12345);
    let packets: Vec<Vec<i16>> = (0..1000).map(|_| (0..16).map(|_| device.rand() as i16).collect()).collect();
    let number = |message: &Vec<Vec<u8>>| {
        let envelope = message[0].get(13..).unwrap();
        let samples: Vec<i16> = crate::support::samples(envelope).collect();
        packets.iter().position(|packet| *packet == samples).unwrap()
    };
    messages.iter().map(number).collect()
}

#[test]
fn any_part_of_a_session_is_replayed_by_number_offset_and_time() {
    let bench = Bench::new();
    captured(&bench, 500, "1000");
    assert_eq!(numbers(&received(&bench, "--speed max --from #10 --to #13", 3)), [10, 11, 12]);
    assert_eq!(numbers(&received(&bench, "--speed max --from #498", 2)), [498, 499]);
    let at = |number: i64, column: &str| -> i64 {
        bench.sqlite3("c.db", &format!("SELECT {column} FROM messages WHERE id = {number} + 1")).parse().unwrap()
    };
    // Positions are between two packets, or on one.
    let offset = format!("--speed max --from {}ns --to {}ns", at(100, "elapsed_ns"), at(102, "elapsed_ns") + 1);
    assert_eq!(numbers(&received(&bench, &offset, 3)), [100, 101, 102]);
    let time = bench.sqlite3("c.db", "SELECT time FROM decoded_packets WHERE message_id = 301");
    assert_eq!(numbers(&received(&bench, &format!("--speed max --from {time} --to #302"), 2)), [300, 301]);

    let replay = "replay --database c.db --bind tcp://127.0.0.1:*";
    let last = at(499, "elapsed_ns");
    let back = last - at(497, "elapsed_ns");
    assert_eq!(numbers(&received(&bench, &format!("--speed max --from -{back}ns"), 3)), [497, 498, 499]);
    // A time of the day is the first one after the beginning.
    let time = bench.sqlite3(
        "c.db",
        "SELECT strftime('%H:%M:%S', received_unix_ns / 1000000000, 'unixepoch') || printf('.%09d', received_unix_ns % 1000000000) \
         FROM messages WHERE id = 401",
    );
    assert_eq!(numbers(&received(&bench, &format!("--speed max --from {time} --to #402"), 2)), [400, 401]);
    for nothing in ["--from #500", "--to #0", "--from 1h", "--from #5 --to #5", "--to 2000-01-01T00:00:00Z"] {
        bench
            .fancyhwd(&format!("{replay} {nothing}"))
            .run()
            .code(2)
            .says("nothing in it is as asked for; compare --from");
    }
    for wrong in ["--from tomorrow", "--to #x", "--map a", "--map a=", "--speed 0", "--max-gap 0s"] {
        bench.fancyhwd(&format!("{replay} {wrong}")).run().code(2).says("cannot use --");
    }
    bench.fancyhwd(&format!("{replay} --pacing fast")).run().code(2).says("invalid value 'fast' for '--pacing");
    bench.fancyhwd(&format!("{replay} --rate 5 --speed 2")).run().code(2).says("cannot be used together");
}

#[test]
fn topics_are_selected_and_renamed_in_both_framings() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --count 9 --connect {endpoint} --topic *")).start();
    let context = zmq::Context::new();
    let socket = context.socket(zmq::XPUB).unwrap();
    socket.bind(&endpoint).unwrap();
    socket.recv_bytes(0).unwrap();
    for message in ["a 11", "b 22", "a odd", "ab 33", "a 44", "spaceless", "b 55", "a|66|77", "a\0|88"] {
        socket.send_multipart(message.split('|'), 0).unwrap();
    }
    recorder.finish().success();
    let texts = |line: &str, count| -> Vec<String> {
        let text = |frames: Vec<Vec<u8>>| String::from_utf8(frames.join(&b'|')).unwrap();
        received(&bench, line, count).into_iter().map(text).collect()
    };
    assert_eq!(texts("--topic a", 5), ["a 11", "a odd", "a 44", "a|66|77", "a\0|88"]);
    assert_eq!(texts("--topic a*", 6), ["a 11", "a odd", "ab 33", "a 44", "a|66|77", "a\0|88"]);
    assert_eq!(texts("--topic a --topic *", 9).len(), 9);
    assert_eq!(texts("--topic spaceless", 1), ["spaceless"]);
    let renamed = ["x 11", "yy 22", "x odd", "ab 33", "x 44", "spaceless", "yy 55", "x|66|77", "x\0|88"];
    assert_eq!(texts("--map a=x --map b=yy", 9), renamed);
    assert_eq!(texts("--from #1 --to #4 --topic a", 1), ["a odd"]);
    // Nothing of that topic is an answer, not a hang.
    let nothing = "replay --database c.db --topic none --bind tcp://127.0.0.1:*";
    bench.fancyhwd(nothing).run().code(2).says("nothing in it is as asked for; compare --from");
}

#[test]
fn the_timing_report_says_what_the_summary_says_and_a_budget_is_kept() {
    let bench = Bench::new();
    captured(&bench, 200, "1000");
    let replay = "replay --database c.db --bind tcp://127.0.0.1:* --timing-report report.json";
    let finished = bench.fancyhwd(replay).run().success();
    let report: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(bench.path("report.json")).unwrap()).unwrap();
    let lateness = &report["lateness"];
    assert_eq!((report["messages"].as_u64(), lateness["count"].as_u64()), (Some(200), Some(200)));
    assert_eq!((report["dropped"].as_u64(), report["dropped_is_exact"].as_bool()), (Some(0), Some(true)));
    let p99_us = lateness["p99_ns"].as_f64().unwrap() / 1e3;
    assert!(finished.stderr.contains(&format!("p99 {p99_us:.1} us")), "{}", finished.stderr);
    let worst = lateness["worst"].as_array().unwrap();
    assert_eq!(worst.len(), 10);
    let latest_us = worst[0]["lateness_ns"].as_f64().unwrap() / 1e3;
    let finished = finished.says(&format!("left latest: #{} {latest_us:.1} us, ", worst[0]["number"]));
    assert_eq!(finished.stderr.matches(" us, #").count(), 9, "{}", finished.stderr);
    assert!(worst[0]["lateness_ns"].as_u64().unwrap() >= worst[9]["lateness_ns"].as_u64().unwrap());
    assert!(worst.iter().all(|late| late["number"].as_u64().unwrap() < 200));

    bench.fancyhwd(&format!("{replay} --lateness-budget 1ns")).run().code(3).says("is above the budget of 0.0 us");
    bench.fancyhwd(&format!("{replay} --lateness-budget 1h")).run().success();
    let elsewhere = "replay --database c.db --bind tcp://127.0.0.1:* --timing-report nowhere/report.json";
    bench.fancyhwd(elsewhere).run().code(1).says("cannot write the timing report nowhere/report.json");
}

#[test]
fn a_paused_replay_waits_for_the_signal() {
    let bench = Bench::new();
    captured(&bench, 5, "1000");
    let replay = bench.fancyhwd("replay --database c.db --paused --bind tcp://127.0.0.1:*").start();
    replay.wait_until_status("paused at #0, ");
    replay.signal(Signal::USR1);
    replay.finish().success().says("goes on at message #0").says("replayed session 1: 5 messages");
}

#[test]
fn what_the_ledger_says_is_missing_is_announced_where_it_is_missing() {
    let bench = Bench::new();
    captured(&bench, 20, "1000");
    let at = bench.sqlite3("c.db", "SELECT elapsed_ns FROM messages WHERE id = 10");
    bench.sqlite3(
        "c.db",
        &format!(
            // That the device left may have been seen, or not.
            "DELETE FROM events; INSERT INTO events (session_id, unix_ns, elapsed_ns, kind, lost, detail) \
             VALUES (1, 0, {at}, 'overflow', 7, 'the queue to the disk was full'); UPDATE sessions SET lost = 7"
        ),
    );
    let replay = "replay --database c.db --speed max --bind tcp://127.0.0.1:*";
    let finished = bench.fancyhwd(replay).run().success();
    assert!(finished.stderr.contains("s: overflow, 7 messages are missing"), "{}", finished.stderr);
    finished.says("of the capture itself 7 messages are known to be missing, entries in its ledger: 1");
    // What lies before the place where a replay begins is not announced.
    let late = bench.fancyhwd(&format!("{replay} --from #15")).run().success();
    assert!(!late.stderr.contains("overflow"), "{}", late.stderr);
}

const PROCESSORS: &str = "/dev/cpu_dma_latency";

/// Whether a program asks the processors to stay awake.
fn keeps_awake(daemon: &Daemon) -> bool {
    let open = fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap();
    open.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|path| path == Path::new(PROCESSORS)))
}

/// How long a processor may take to wake, in microseconds: the least that anybody asks for.
fn wake_up_us() -> i32 {
    let mut bytes = [0; 4];
    File::open(PROCESSORS).unwrap().read_exact(&mut bytes).unwrap();
    i32::from_ne_bytes(bytes)
}

#[test]
fn processors_are_kept_awake_where_that_is_allowed_while_messages_follow_each_other_precisely() {
    let bench = Bench::new();
    captured(&bench, 20, "1000");
    let replay = "-v replay --database c.db --bind tcp://127.0.0.1:*";
    let is_allowed = OpenOptions::new().write(true).open(PROCESSORS).is_ok();
    println!("allowed here: {is_allowed}");
    for (options, expected) in [("", is_allowed), ("--pacing economical", false), ("--speed max", false)] {
        bench.fancyhwd(&format!("{replay} {options} --timing-report report.json")).run().success();
        let report = fs::read_to_string(bench.path("report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["processors_kept_awake"].as_bool(), Some(expected), "{options}");
    }
    let strace = ["-f", "-o", "/dev/null", "-P", PROCESSORS, "-e", "inject=openat:error=EACCES", FANCYHWD];
    let refused = match is_allowed {
        true => bench.program("strace").args(strace).args(replay.split(' ')).run().success(),
        false => bench.fancyhwd(replay).run().success(),
    };
    refused.says("processors may sleep between messages and wake late: cannot write /dev/cpu_dma_latency");
    if !is_allowed {
        return;
    }

    let quick = bench.fancyhwd(&format!("{replay} --rate 1000 --loop")).start();
    eventually("they are kept awake", || keeps_awake(&quick));
    assert_eq!(wake_up_us(), 0);
    quick.signal(Signal::USR1);
    eventually("they may sleep in the pause", || !keeps_awake(&quick));
    quick.signal(Signal::USR1);
    eventually("they are kept awake after the pause", || keeps_awake(&quick));
    quick.stop().success();

    let slow = bench.fancyhwd(&format!("{replay} --rate 100 --loop")).start();
    eventually("they are kept awake for a message", || keeps_awake(&slow));
    eventually("they may sleep between two messages", || !keeps_awake(&slow));
    eventually("they are kept awake for another one", || keeps_awake(&slow));
    slow.stop().success();
}
