//! Devices that are never reached: the recorder says which one, why, and since when, and waits on.

use std::io::{BufRead, BufReader, Write};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::links::free_port;
use crate::support::zmtp::{GREETING_BYTES, Impostor, Kind, Publisher, Version, drain, greeting_3};
use crate::support::{Bench, Daemon, eventually};

/// It is said within this time.
const SAID_WITHIN: Duration = Duration::from_secs(5);

/// A recorder does not wait for its device before it is ready.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// A recorder of such a device: it is ready at once, and says in time that it cannot reach it.
fn start(bench: &Bench, options: &str, endpoint: &str) -> Daemon {
    let began = Instant::now();
    let recorder =
        bench.fancyhwd(&format!("record --database c.db --duration 6s {options} --connect {endpoint}")).start();
    assert!(began.elapsed() < READY_WITHIN, "ready after {:?}", began.elapsed());
    let warning = format!("cannot reach {endpoint}: ");
    eventually("it is said or over", || recorder.log().contains(&warning) || recorder.has_ended());
    let log = recorder.log();
    let line = log.lines().find(|line| line.contains(&warning)).unwrap_or_default();
    assert!(line.contains("warning:") && began.elapsed() < SAID_WITHIN, "{:?}: {log}", began.elapsed());
    recorder
}

/// Who is at this endpoint is never reached, for a cause in which this stands.
#[track_caller]
fn is_unreached(options: &str, endpoint: &str, cause: &str) {
    let bench = Bench::new();
    let recorder = start(&bench, options, endpoint);
    recorder.finish().code(3).says(cause);
    is_noted(&bench, endpoint, cause);
}

/// The ledger and the description of the session name the endpoint and the cause, once, for nearly all of the six seconds.
#[track_caller]
fn is_noted(bench: &Bench, endpoint: &str, cause: &str) {
    let sql = "SELECT kind, endpoint, detail, elapsed_ns < 1500000000, until_elapsed_ns > 5500000000 FROM events \
               WHERE kind NOT IN ('connected', 'disconnected')";
    let ledger = bench.sqlite3("c.db", sql);
    let is_one = ledger.lines().count() == 1;
    assert!(is_one && ledger.starts_with(&format!("unreached|{endpoint}|")) && ledger.ends_with("|1|1"), "{ledger}");
    assert!(ledger.contains(cause), "the cause is not in: {ledger}");
    let shown = bench.fancyhwd("session show --database c.db").run().success().stdout;
    assert!(shown.lines().any(|line| line.contains("unreached") && line.contains(cause)), "{shown}");
    let others = "SELECT count(*) FROM events WHERE kind IN ('connected', 'disconnected') AND endpoint = ";
    assert_eq!(bench.sqlite3("c.db", &format!("{others}'{endpoint}'")), "0", "it never was connected");
}

#[test]
fn a_port_on_which_nobody_listens_refuses() {
    is_unreached("", &format!("tcp://127.0.0.1:{}", free_port()), "refused");
}

#[test]
fn a_publisher_that_wants_curve_is_named_as_that() {
    let context = zmq::Context::new();
    let socket = context.socket(zmq::PUB).unwrap();
    socket.set_curve_server(true).unwrap();
    socket.set_curve_secretkey(&zmq::CurveKeyPair::new().unwrap().secret_key).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    is_unreached("", &socket.get_last_endpoint().unwrap().unwrap(), "CURVE");
}

#[test]
fn a_publisher_that_wants_plain_is_named_as_that() {
    let context = zmq::Context::new();
    let socket = context.socket(zmq::PUB).unwrap();
    socket.set_plain_server(true).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    is_unreached("", &socket.get_last_endpoint().unwrap().unwrap(), "PLAIN");
}

#[test]
fn a_mechanism_that_is_none_is_named_as_that() {
    let peer = Impostor::bind(|mut stream| {
        let _ = stream.write_all(&greeting_3(0, b"MAGIC", true));
        drain(stream);
    });
    is_unreached("", &peer.endpoint(), "MAGIC");
}

#[test]
fn a_socket_that_pushes_is_named_as_that() {
    let context = zmq::Context::new();
    let socket = context.socket(zmq::PUSH).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    is_unreached("", &socket.get_last_endpoint().unwrap().unwrap(), "PUSH");
}

#[test]
fn a_publisher_where_a_pushing_socket_is_expected_is_named_as_that() {
    let context = zmq::Context::new();
    let socket = context.socket(zmq::PUB).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    is_unreached("--socket pull", &socket.get_last_endpoint().unwrap().unwrap(), "PUB");
}

#[test]
fn a_web_server_is_not_zeromq() {
    let peer = Impostor::bind(|mut stream| {
        // As a server of HTTP it says nothing until it has a line.
        let mut line = Vec::new();
        let _ = BufReader::new(&stream).read_until(b'\n', &mut line);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    is_unreached("", &peer.endpoint(), "not ZeroMQ");
}

#[test]
fn a_server_that_speaks_first_is_not_zeromq() {
    let peer = Impostor::bind(|mut stream| {
        let _ = stream.write_all(b"220 mail.example.org ESMTP\r\n");
        drain(stream);
    });
    is_unreached("", &peer.endpoint(), "not ZeroMQ");
}

#[test]
fn a_peer_that_accepts_and_says_nothing_gives_no_answer() {
    is_unreached("", &Impostor::bind(drain).endpoint(), "no answer");
}

#[test]
fn a_peer_that_ends_each_connection_is_named_as_that() {
    is_unreached("", &Impostor::bind(drop).endpoint(), "ends the connection");
}

#[test]
fn a_peer_that_greets_and_says_nothing_more_hangs() {
    let peer = Impostor::bind(|mut stream| {
        let _ = stream.write_all(&greeting_3(0, b"NULL", false));
        drain(stream);
    });
    is_unreached("", &peer.endpoint(), "handshake");
}

#[test]
fn a_peer_that_stops_in_the_middle_of_its_greeting_hangs() {
    let peer = Impostor::bind(|mut stream| {
        let _ = stream.write_all(&greeting_3(0, b"NULL", false)[..GREETING_BYTES / 2]);
        drain(stream);
    });
    is_unreached("", &peer.endpoint(), "handshake");
}

#[test]
fn a_name_without_an_address_is_named_as_that() {
    is_unreached("", "tcp://no-such-host.invalid:5555", "name");
}

#[test]
fn a_device_that_comes_after_it_was_missed_is_recorded_and_was_missed_until_then() {
    let bench = Bench::new();
    let port = free_port();
    let endpoint = format!("tcp://127.0.0.1:{port}");
    let recorder = start(&bench, "--topic d", &endpoint);
    let publisher = Publisher::bind_at(port, Version::V30, Kind::Pub);
    eventually("a message is recorded", || {
        publisher.send(&[b"d ab"]);
        bench.sqlite3("c.db", "SELECT messages FROM sessions") != "0"
    });
    // Nothing was lost, and it was reached in the end.
    recorder.finish().success();
    let ledger = "SELECT kind, until_elapsed_ns BETWEEN 3000000000 AND 5900000000 FROM events ORDER BY id LIMIT 2";
    let ledger = bench.sqlite3("c.db", ledger);
    assert_eq!(ledger, "unreached|1\nconnected|");
    let ends = "SELECT abs(a.until_elapsed_ns - b.elapsed_ns) < 100000000 FROM events a, events b \
                WHERE a.kind = 'unreached' AND b.kind = 'connected'";
    assert_eq!(bench.sqlite3("c.db", ends), "1", "it was missed until it was connected");
}

#[test]
fn a_name_without_an_address_disturbs_no_device_beside_it() {
    const PACKETS: u32 = 5_500;
    const APART_MAX_NS: i64 = 250_000_000;
    let bench = Bench::new();
    let device = bench.endpoint("device");
    let unknown = "tcp://no-such-host.invalid:5555";
    let recorder =
        bench.fancyhwd(&format!("record --database c.db --duration 8s --connect {unknown} --connect {device}")).start();
    let publish = format!("publish --rate 1000 --count {PACKETS} --wait-subscribers 1 --bind {device}");
    bench.fancyhwd(&publish).run().success();
    recorder.finish().code(3).says(&format!("cannot reach {unknown}: ")).says(", 0 lost");
    let connection = Connection::open(bench.path("c.db")).unwrap();
    let mut statement = connection.prepare("SELECT elapsed_ns FROM messages ORDER BY id").unwrap();
    let stamps: Vec<i64> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(stamps.len(), PACKETS as usize);
    let apart_ns = stamps.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    println!("two messages at most {apart_ns} ns apart");
    assert!(apart_ns <= APART_MAX_NS, "{apart_ns} ns");
}
