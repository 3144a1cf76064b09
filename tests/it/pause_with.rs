//! A replay that goes with a process: it stands still while that is stopped, and goes on with it.

use rustix::process::Signal;
use serde_json::Value;

use crate::replay::{assert_silent, captured, numbers, subscriber};
use crate::support::terminal::Terminal;
use crate::support::{Bench, Daemon, eventually};

/// A process that does nothing.
fn companion(bench: &Bench) -> Daemon {
    bench.program("sleep").arg("1000").spawn()
}

/// A session of 1000 packets, some milliseconds between each two.
fn seconds(bench: &Bench) {
    captured(bench, 1000, "max");
    bench.forge("c.db", "UPDATE messages SET elapsed_ns = id * 3000000");
}

/// The numbers of all packets that come until nothing does for much longer than packets are apart.
fn until_silent(socket: &zmq::Socket) -> Vec<usize> {
    socket.set_rcvtimeo(500).unwrap();
    let messages: Vec<_> = std::iter::from_fn(|| socket.recv_multipart(0).ok()).collect();
    socket.set_rcvtimeo(60_000).unwrap();
    numbers(&messages)
}

fn next(socket: &zmq::Socket) -> usize {
    numbers(&[socket.recv_multipart(0).unwrap()])[0]
}

#[test]
fn a_replay_stands_still_while_its_process_is_stopped() {
    let bench = Bench::new();
    seconds(&bench);
    let (process, endpoint) = (companion(&bench), bench.endpoint("replayed"));
    let socket = subscriber(&endpoint);
    let line = "replay --database c.db --wait-subscribers 1 --timing-report report.json --pause-with";
    let replay = bench.fancyhwd(line).arg(process.pid().to_string()).args(["--bind", &endpoint]).start();
    let mut received = Vec::new();
    for stops in 1..=2 {
        received.extend((0..50).map(|_| next(&socket)));
        process.signal(Signal::STOP);
        received.extend(until_silent(&socket));
        let still = format!(": process {} (sleep) is stopped", process.pid());
        eventually("it is said", || replay.log().matches(&still).count() == stops);
        assert_silent(&socket);
        process.signal(Signal::CONT);
        eventually("it is said", || replay.log().matches(" (sleep) runs again after ").count() == stops);
    }
    assert!(received.len() < 1000, "it went on to the end");
    received.extend((received.len()..1000).map(|_| next(&socket)));
    assert_eq!(received, (0..1000).collect::<Vec<_>>());
    replay.finish().success().says("; stood still 2 times, for ").says(" 1000 messages");
    let report: Value = serde_json::from_slice(&std::fs::read(bench.path("report.json")).unwrap()).unwrap();
    assert_eq!(report["holds"], 2);
    // Twice until nothing had come for half a second.
    assert!(report["held_ns"].as_i64().unwrap() > 1_000_000_000, "{report}");
}

#[test]
fn full_speed_stands_still_too() {
    let bench = Bench::new();
    captured(&bench, 1000, "max");
    let (process, endpoint) = (companion(&bench), bench.endpoint("replayed"));
    let socket = subscriber(&endpoint);
    let line = "replay --database c.db --speed max --loop --on-full block --wait-subscribers 1 --pause-with";
    let replay = bench.fancyhwd(line).arg(process.pid().to_string()).args(["--bind", &endpoint]).start();
    let flow = || (0..10_000).for_each(|_| drop(socket.recv_bytes(0).unwrap()));
    for _ in 0..2 {
        flow();
        process.signal(Signal::STOP);
        eventually("nothing comes", || {
            socket.set_rcvtimeo(500).unwrap();
            let is_silent = socket.recv_bytes(0).is_err();
            socket.set_rcvtimeo(60_000).unwrap();
            is_silent
        });
        process.signal(Signal::CONT);
    }
    flow();
    replay.stop().success().says("; stood still 2 times, for ");
}

#[test]
fn a_replay_goes_on_without_a_process_that_has_ended() {
    let bench = Bench::new();
    seconds(&bench);
    let (process, endpoint) = (companion(&bench), bench.endpoint("replayed"));
    process.signal(Signal::STOP);
    let socket = subscriber(&endpoint);
    let line = "replay --database c.db --speed 100 --wait-subscribers 1 --pause-with";
    let replay = bench.fancyhwd(line).arg(process.pid().to_string()).args(["--bind", &endpoint]).start();
    eventually("it is said", || replay.log().contains("stands still at message #0: "));
    assert_silent(&socket);
    process.signal(Signal::KILL);
    assert_eq!(until_silent(&socket), (0..1000).collect::<Vec<_>>());
    let words = format!("process {} (sleep) has ended: the replay goes on without it", process.pid());
    replay.finish().success().says(&words).says("; stood still once, for ");
}

#[test]
fn keys_work_while_the_process_is_stopped() {
    let bench = Bench::new();
    seconds(&bench);
    let (process, endpoint) = (companion(&bench), bench.endpoint("replayed"));
    process.signal(Signal::STOP);
    let socket = subscriber(&endpoint);
    let line = format!(
        "fancyhwd replay --database {} --wait-subscribers 1 --pause-with {} --bind {endpoint}",
        bench.text("c.db"),
        process.pid()
    );
    let mut terminal = Terminal::start(&line);
    terminal.wait_until(&format!("] still, as process {} (sleep) is stopped, at #0, ", process.pid()));
    assert_silent(&socket);
    // A step is sent all the same. It pauses, and whoever ends that pause waits for the process.
    terminal.press("n");
    assert_eq!(next(&socket), 0);
    terminal.wait_until("] paused at #0");
    terminal.press(" ");
    terminal.wait_until("goes on at message #1");
    terminal.wait_until("] still, as process ");
    assert_silent(&socket);
    terminal.press("g#500\r");
    assert_silent(&socket);
    process.signal(Signal::CONT);
    assert_eq!([next(&socket), next(&socket)], [500, 501]);
    process.signal(Signal::STOP);
    terminal.wait_until("] still, as process ");
    terminal.press("q");
    let (text, code) = terminal.finish();
    assert!(text.contains("stopped replay of session 1: ") && code == Some(0), "{text}");
}

#[test]
fn a_process_that_is_none_is_refused() {
    let bench = Bench::new();
    captured(&bench, 1, "max");
    let process = companion(&bench);
    let pid = process.pid().to_string();
    process.signal(Signal::KILL);
    process.finish();
    let endpoint = bench.endpoint("replayed");
    for (typed, cause) in [
        (pid.as_str(), "there is no such process"),
        ("0", "a process has a number above 0"),
        ("self", "a process has a number above 0"),
        ("../1", "a process has a number above 0"),
        ("4294967295", "there is no such process"),
    ] {
        let replay = bench.fancyhwd("replay --database c.db --bind").arg(&endpoint).args(["--pause-with", typed]);
        replay.run().code(2).says(&format!("cannot use --pause-with '{typed}': {cause}"));
        assert!(!bench.path("replayed").exists(), "something was started");
    }
}
