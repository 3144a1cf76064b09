//! Devices that connect to the recorder: many peers at one endpoint, each with its own link.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use rustix::net::sockopt::set_socket_linger;

use crate::links::committed;
use crate::support::zmtp::{Kind, Peer, Version};
use crate::support::{Bench, Daemon, eventually};

/// How many devices connect, how often each, and what each sends each time.
const DEVICES: u32 = 50;
const ROUNDS: u32 = 4;
const MESSAGES: u32 = 25;

/// How long a device stays after its last message.
const STAY: Duration = Duration::from_millis(300);

/// Longer than any step takes on a busy machine, in milliseconds.
const STEP_MS: i32 = 60_000;

fn start(bench: &Bench, options: &str) -> Daemon {
    let record = "record --database c.db --commit-every 10ms";
    let recorder = bench.fancyhwd(&format!("{record} {options} --bind tcp://127.0.0.1:*")).start();
    let port = recorder.endpoint().rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    assert!(port.is_some_and(|port| port != 0), "no port in '{}'", recorder.status);
    recorder
}

/// Message `number` of the round of a device.
fn message(device: u32, round: u32, number: u32) -> Vec<u8> {
    [&b"d "[..], &[device, round, number].map(u32::to_le_bytes).concat()].concat()
}

/// All devices connect, send and go, at once, several times.
fn churn(endpoint: &str, kind: zmq::SocketType) {
    let one = |device: u32| {
        let context = zmq::Context::new();
        for round in 0..ROUNDS {
            let socket = context.socket(kind).unwrap();
            socket.set_rcvtimeo(STEP_MS).unwrap();
            socket.set_sndtimeo(STEP_MS).unwrap();
            socket.connect(endpoint).unwrap();
            if kind == zmq::XPUB {
                // From here on it is subscribed to.
                assert_eq!(socket.recv_bytes(0).expect("a subscription"), b"\x01d");
            }
            for number in 0..MESSAGES {
                socket.send(message(device, round, number), 0).expect("send");
            }
            // What it has sent goes out before it goes. It stays long enough to be told from others by its descriptor.
            thread::park_timeout(STAY);
        }
    };
    thread::scope(|scope| (0..DEVICES).for_each(|device| drop(scope.spawn(move || one(device)))));
}

/// All messages of all devices are there, those of each in order, and each link is in the ledger with its beginning and end.
#[track_caller]
fn are_recorded(bench: &Bench, prefix: usize) {
    let connection = Connection::open(bench.path("c.db")).unwrap();
    let mut statement = connection.prepare("SELECT payload FROM messages ORDER BY id").unwrap();
    let payloads = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    let mut rounds: BTreeMap<[u8; 8], Vec<[u8; 4]>> = BTreeMap::new();
    for payload in payloads.map(Result::unwrap) {
        let (round, number) = payload[prefix..].split_at(8);
        rounds.entry(round.try_into().unwrap()).or_default().push(number.try_into().unwrap());
    }
    assert_eq!(rounds.len() as u32, DEVICES * ROUNDS, "rounds of which messages came");
    for (round, numbers) in rounds {
        assert!(numbers.into_iter().eq((0..MESSAGES).map(u32::to_le_bytes)), "a message of {round:?} is missing");
    }
    let links = "SELECT kind, count(*), count(DISTINCT peer), sum(peer LIKE '127.0.0.1:%') FROM events GROUP BY kind ORDER BY kind";
    let all = DEVICES * ROUNDS;
    let ledger = bench.sqlite3("c.db", links);
    let expected = ["connected", "disconnected"].map(|kind| format!("{kind}|{all}|{all}|{all}"));
    assert_eq!(ledger, expected.join("\n"));
}

#[test]
fn fifty_publishers_that_come_and_go_lose_nothing_and_each_link_is_in_the_ledger() {
    let bench = Bench::new();
    let recorder = start(&bench, "--topic d");
    churn(&recorder.endpoint(), zmq::XPUB);
    let all = i64::from(DEVICES * ROUNDS * MESSAGES);
    eventually("all messages are recorded", || committed(&bench) == all);
    eventually("all have gone", || recorder.wait_until_status("0 lost").contains("0 peers") || ended(&bench));
    recorder.stop().success().says(", 0 lost");
    are_recorded(&bench, 0);
}

/// Whether as many links ended as began.
fn ended(bench: &Bench) -> bool {
    let count = "SELECT count(*) FROM events WHERE kind = 'disconnected'";
    bench.sqlite3("c.db", count) == (DEVICES * ROUNDS).to_string()
}

#[test]
fn fifty_pushing_devices_that_come_and_go_lose_nothing() {
    let bench = Bench::new();
    let recorder = start(&bench, "--socket pull --framing whole");
    churn(&recorder.endpoint(), zmq::PUSH);
    let all = i64::from(DEVICES * ROUNDS * MESSAGES);
    eventually("all messages are recorded", || committed(&bench) == all);
    eventually("all have gone", || ended(&bench));
    recorder.stop().success().says(", 0 lost");
    are_recorded(&bench, b"d ".len());
}

#[test]
fn a_plain_publisher_that_connects_is_recorded_from_its_subscription_on() {
    let bench = Bench::new();
    let recorder = start(&bench, "--topic d");
    let context = zmq::Context::new();
    let socket = context.socket(zmq::PUB).unwrap();
    socket.set_sndhwm(0).unwrap();
    socket.connect(&recorder.endpoint()).unwrap();
    // A PUB socket does not say when it is subscribed to.
    eventually("it is subscribed to", || {
        socket.send("d first", 0).unwrap();
        committed(&bench) > 0
    });
    for number in 0..1_000 {
        socket.send(message(0, 0, number), 0).unwrap();
    }
    let numbered = "SELECT count(*) FROM messages WHERE length(payload) = 12";
    eventually("all that is sent then is recorded", || bench.sqlite3("c.db", numbered) == "1000");
    recorder.stop().success().says(", 0 lost");
}

#[test]
fn peers_of_each_version_at_a_bound_endpoint_have_their_own_links() {
    let bench = Bench::new();
    let recorder = start(&bench, "--topic d");
    let endpoint = recorder.endpoint();
    let mut addresses = Vec::new();
    let mut peers = Vec::new();
    for (sent, version) in (1..).zip([Version::V1, Version::V2, Version::V30, Version::V31]) {
        let mut peer = Peer::connect(&endpoint, version, Kind::Pub);
        peer.send(&[b"d ab"]);
        eventually("its message is recorded", || committed(&bench) == sent);
        addresses.push(peer.stream.local_addr().unwrap().to_string());
        peers.push(peer);
    }
    recorder.wait_until_status("4 peers");
    peers.into_iter().for_each(Peer::leave);
    recorder.wait_until_status("waiting for peers");
    recorder.stop().success().says(", 0 lost");
    addresses.sort_unstable();
    for kind in ["connected", "disconnected"] {
        let sql = format!("SELECT peer FROM events WHERE kind = '{kind}' ORDER BY peer COLLATE BINARY");
        assert_eq!(bench.sqlite3("c.db", &sql), addresses.join("\n"), "{kind}");
    }
}

/// End a connection so that the other side cannot know whether all was sent.
fn reset(stream: TcpStream) {
    set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
}

#[test]
fn a_connection_that_breaks_may_have_lost_messages_and_one_that_ends_has_not() {
    let bench = Bench::new();
    let recorder = start(&bench, "--topic d");
    let endpoint = recorder.endpoint();
    let mut broken = Peer::connect(&endpoint, Version::V30, Kind::Pub);
    let mut ended = Peer::connect(&endpoint, Version::V30, Kind::Pub);
    for (sent, peer) in (1..).zip([&mut broken, &mut ended]) {
        peer.send(&[b"d ab"]);
        eventually("its message is recorded", || committed(&bench) == sent);
    }
    let address = broken.stream.local_addr().unwrap();
    reset(broken.stream);
    ended.leave();
    let breaks = "SELECT count(*) FROM events WHERE kind = 'disconnected'";
    eventually("both are noted", || bench.sqlite3("c.db", breaks) == "2");
    recorder.stop().code(3);
    let unknown = "SELECT peer FROM events WHERE kind = 'disconnected' AND lost IS NULL";
    assert_eq!(bench.sqlite3("c.db", unknown), address.to_string());
    let shown = bench.fancyhwd("session show --database c.db").run().success().stdout;
    assert!(shown.contains(&address.to_string()), "{shown}");
}

#[test]
fn a_pulling_recorder_takes_what_it_is_given_and_no_topic() {
    let bench = Bench::new();
    bench
        .fancyhwd("record --database c.db --socket pull --topic a --bind tcp://127.0.0.1:*")
        .run()
        .code(2)
        .says("--topic");
    assert!(!bench.path("c.db").exists());
}
