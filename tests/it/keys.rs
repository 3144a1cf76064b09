//! The keys of a replay on a terminal: what is sent after each of them.

use crate::replay::{assert_silent, captured, numbers, subscriber};
use crate::support::Bench;
use crate::support::terminal::Terminal;

const UP: &str = "\x1b[A";
const DOWN: &str = "\x1b[B";
const RIGHT: &str = "\x1b[C";
const LEFT: &str = "\x1b[D";

/// A replay of `c.db` that begins with a pause, and what hears it.
fn paused(bench: &Bench, options: &str) -> (Terminal, zmq::Socket) {
    let endpoint = bench.endpoint("replayed");
    let socket = subscriber(&endpoint);
    let line = format!(
        "fancyhwd replay {options} --database {} --paused --wait-subscribers 1 --bind {endpoint}",
        bench.text("c.db")
    );
    (Terminal::start(&line), socket)
}

/// The number of the packet that comes next.
#[track_caller]
fn next(socket: &zmq::Socket) -> usize {
    numbers(&[socket.recv_multipart(0).unwrap()])[0]
}

/// A session of so many packets, an hour between each two.
fn hours(bench: &Bench, packets: u32) {
    captured(bench, packets, "1000");
    bench.forge("c.db", "UPDATE messages SET elapsed_ns = id * 3600000000000");
}

#[test]
fn keys_step_jump_and_quit() {
    let bench = Bench::new();
    captured(&bench, 100, "1000");
    let (mut terminal, socket) = paused(&bench, "");
    for (keys, number) in
        [("n", 0), (RIGHT, 1), ("n", 2), ("p", 1), (LEFT, 0), ("n", 1), ("g#50\rn", 50), ("]n", 99), ("[n", 0)]
    {
        terminal.press(keys);
        assert_eq!(next(&socket), number, "{keys:?}");
    }
    terminal.press("q");
    let (text, code) = terminal.finish();
    assert!(text.contains("stopped replay of session 1: 9 messages") && code == Some(0), "{text}");
    assert_silent(&socket);
}

#[test]
fn keys_that_are_pressed_together_count_each() {
    let bench = Bench::new();
    captured(&bench, 40, "1000");
    bench.forge("c.db", "UPDATE messages SET elapsed_ns = id * 1000000000");
    let (mut terminal, socket) = paused(&bench, "");
    for (keys, expected) in [
        ("nnn", vec![0, 1, 2]),
        ("npn", vec![3, 2, 3]),
        ("pp", vec![2, 1]),
        // Each from where the one before led.
        ("]]n", vec![22]),
        ("g#39\rnnp[n", vec![39, 38, 29]),
    ] {
        terminal.press(keys);
        let received: Vec<usize> = expected.iter().map(|_| next(&socket)).collect();
        assert_eq!(received, expected, "{keys:?}");
        assert_silent(&socket);
    }
    terminal.press("q");
    assert_eq!(terminal.finish().1, Some(0));
}

#[test]
fn space_pauses_and_goes_on() {
    let bench = Bench::new();
    hours(&bench, 4);
    let (mut terminal, socket) = paused(&bench, "");
    terminal.wait_until("] paused at #0, ");
    assert_silent(&socket);
    terminal.press(" ");
    terminal.wait_until("goes on at message #0");
    assert_eq!(next(&socket), 0);
    terminal.press(" ");
    terminal.wait_until("paused at message #1");
    // What is stepped through is not sent again afterwards.
    terminal.press("n");
    assert_eq!(next(&socket), 1);
    terminal.press(" ");
    terminal.wait_until("goes on at message #2");
    assert_eq!(next(&socket), 2);
    assert_silent(&socket);
    terminal.press("q");
    let (text, code) = terminal.finish();
    assert!(text.contains("stopped replay of session 1: 3 messages") && code == Some(0), "{text}");
}

#[test]
fn up_makes_hours_short() {
    let bench = Bench::new();
    hours(&bench, 10);
    let (mut terminal, socket) = paused(&bench, "");
    terminal.press(UP);
    terminal.wait_until(", speed 2, ");
    terminal.press(&UP.repeat(18));
    terminal.wait_until(", speed 524288, ");
    assert_silent(&socket);
    terminal.press(" ");
    let received: Vec<usize> = (0..10).map(|_| next(&socket)).collect();
    assert_eq!(received, (0..10).collect::<Vec<_>>());
    let (text, code) = terminal.finish();
    assert!(text.contains("replayed session 1: 10 messages, 450 bytes") && code == Some(0), "{text}");
    assert_silent(&socket);
}

#[test]
fn up_and_down_change_the_speed_while_it_plays() {
    let bench = Bench::new();
    hours(&bench, 10);
    let (mut terminal, socket) = paused(&bench, "--speed 4");
    // Down undoes up: the next packet is hours away.
    terminal.press(&[UP.repeat(17), DOWN.repeat(19)].concat());
    terminal.wait_until(", speed 1, ");
    terminal.press(" ");
    assert_eq!(next(&socket), 0);
    assert_silent(&socket);
    terminal.press(&DOWN.repeat(3));
    terminal.wait_until(", speed 0.125, ");
    assert_silent(&socket);
    // Slower than this nobody can follow.
    terminal.press(&DOWN.repeat(20));
    terminal.wait_until(", speed 0.001, ");
    terminal.press(&UP.repeat(30));
    let received: Vec<usize> = (1..10).map(|_| next(&socket)).collect();
    assert_eq!(received, (1..10).collect::<Vec<_>>());
    let (text, code) = terminal.finish();
    assert!(text.contains("replayed session 1: 10 messages, 450 bytes") && code == Some(0), "{text}");
}

#[test]
fn up_and_down_change_a_fixed_rate_too() {
    let bench = Bench::new();
    hours(&bench, 3);
    let (mut terminal, socket) = paused(&bench, "--rate 0.001");
    terminal.press(&UP.repeat(20));
    terminal.wait_until(", 1048.6 messages/s, ");
    terminal.press(DOWN);
    terminal.wait_until(", 524.3 messages/s, ");
    terminal.press(" ");
    assert_eq!([next(&socket), next(&socket), next(&socket)], [0, 1, 2]);
    assert_eq!(terminal.finish().1, Some(0));
}

#[test]
fn a_position_is_typed_in_all_three_ways_corrected_and_left() {
    let bench = Bench::new();
    hours(&bench, 10);
    bench.forge("c.db", "UPDATE messages SET received_unix_ns = id * 3600000000000");
    let (mut terminal, socket) = paused(&bench, "");
    let mut go = |keys: &str, number| {
        terminal.press(keys);
        assert_eq!(next(&socket), number, "{keys:?}");
    };
    go("n", 0);
    // Packet #n came in hour n + 1.
    go("g3h\rn", 2);
    go("g3h1ns\rn", 3);
    go("g1970-01-01T06:00:00Z\rn", 5);
    go("g#8\x7f7\rn", 7);
    // Behind the end is the last one.
    go("g#5000\rn", 9);
    go("g0s\rn", 0);
    // Escape leaves it, and what is no position is refused: the next packet follows.
    go("g#8\x1bn", 1);
    go("gsoon\rn", 2);
    terminal.wait_until("cannot go to 'soon': ");
    terminal.press("q");
    assert_eq!(terminal.finish().1, Some(0));
}
