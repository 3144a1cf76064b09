//! `replay`: the same bytes, in the same order, as often and as fast as asked.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Bench, eventually};

/// A database `c.db` of `count` packets of the simulated device.
fn captured(bench: &Bench, count: u32, rate_hz: &str) {
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

/// All messages that a subscriber receives from a replay: each a list of frames.
fn received(bench: &Bench, line: &str, count: usize) -> Vec<Vec<Vec<u8>>> {
    let endpoint = bench.endpoint("replayed");
    let context = zmq::Context::new();
    let socket = context.socket(zmq::SUB).unwrap();
    socket.set_rcvhwm(0).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.set_subscribe(b"").unwrap();
    socket.connect(&endpoint).unwrap();
    let replay = bench
        .fancyhwd(&format!("replay {line} --database c.db --on-full block --wait-subscribers 1 --bind {endpoint}"))
        .start();
    let messages = (0..count).map(|_| socket.recv_multipart(0).unwrap()).collect();
    replay.finish().success();
    // Nothing more comes.
    socket.set_rcvtimeo(100).unwrap();
    assert_eq!(socket.recv_bytes(0), Err(zmq::Error::EAGAIN));
    messages
}

#[test]
fn rejected_messages_are_replayed_in_their_place_frame_for_frame() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --count 3 --connect {endpoint} --topic *")).start();
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
        vec![vec![]; 1024],
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
    bench.sqlite3("c.db", "DELETE FROM packets");
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
    for (path, mode) in [("c.db", 0o644), ("", 0o755)] {
        fs::set_permissions(bench.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    bench.fancyhwd("session list --database c.db").without_rights().run().success();
    let replay = "replay --database c.db --speed max --bind tcp://127.0.0.1:*";
    bench.fancyhwd(replay).without_rights().run().success().says("replayed session 1: 5 packets");
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
        let envelope = fancyhwd::envelope::decode(&message[0]).unwrap();
        assert!(fancyhwd::envelope::samples(envelope.payload).all(|sample| sample == device.rand() as i16));
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
    assert!(summary.contains("replayed session 1: 5 packets, 160 bytes of samples in 0.0"), "{summary}");
    assert!(summary.contains("lateness p50 ") && !summary.contains("max 0.0 us"), "{summary}");
}

#[test]
fn a_session_that_is_being_recorded_is_replayed_as_far_as_it_is_committed() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let publisher = bench.fancyhwd(&format!("publish --rate 1000 --wait-subscribers 1 --bind {endpoint}")).start();
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
    let connection = rusqlite::Connection::open(bench.path("c.db")).unwrap();
    let committed = || connection.query_row("SELECT packets FROM sessions", [], |row| row.get::<_, i64>(0)).unwrap();
    eventually("10 packets are committed", || committed() >= 10);
    let replay = bench.fancyhwd("replay 1 --speed max --database c.db --bind tcp://127.0.0.1:*").run().success();
    assert!(replay.stderr.contains("replayed session 1: "), "{}", replay.stderr);
    recorder.stop().success();
    publisher.stop().success();
}
