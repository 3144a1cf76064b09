//! Links that break: whatever the other side does, the recorder is there when the device is, and the ledger says when it
//! was not.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use rustix::process::Signal;

use crate::support::allowed::in_own_network;
use crate::support::zmtp::{Kind, Publisher, Version};
use crate::support::{Bench, eventually};

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Packets of the recording that are in the database.
pub fn committed(bench: &Bench) -> i64 {
    let connection = Connection::open(bench.path("c.db")).unwrap();
    connection.query_row("SELECT messages FROM sessions", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_device_is_reached_over_ipv6() {
    let bench = Bench::new();
    let script = "fancyhwd record --database c.db --count 10 --connect 'tcp://[::1]:5555' &
        fancyhwd publish --rate 1000 --count 10 --wait-subscribers 1 --bind 'tcp://[::1]:5555'
        wait $!";
    let Some(finished) = in_own_network(&bench, true, script) else { return };
    finished.success();
    assert_eq!(
        bench.sqlite3("c.db", "SELECT messages, end_reason, endpoint FROM sessions JOIN endpoints ON session_id = id"),
        "10|limit|tcp://[::1]:5555"
    );
}

#[test]
fn a_device_is_reached_where_ipv6_is_off() {
    let bench = Bench::new();
    let script = "for bind in '*' 127.0.0.1; do
            fancyhwd record --database c.db --count 10 --connect tcp://localhost:5555 &
            fancyhwd publish --rate 1000 --count 10 --wait-subscribers 1 --bind \"tcp://$bind:5555\"
            wait $!
        done";
    let Some(finished) = in_own_network(&bench, false, script) else { return };
    finished.success();
    assert_eq!(bench.sqlite3("c.db", "SELECT messages, end_reason FROM sessions"), "10|limit\n10|limit");
}

#[test]
fn a_device_that_is_killed_and_restarted_a_hundred_times_is_found_each_time() {
    const RESTARTS: i64 = 100;
    let bench = Bench::new();
    let endpoint = format!("tcp://127.0.0.1:{}", free_port());
    let recorder = bench
        .fancyhwd(&format!("record --database c.db --commit-every 1ms --durability normal --connect {endpoint}"))
        .start();
    let mut slowest = Duration::ZERO;
    for restart in 1..=RESTARTS {
        // With its first packet the device waits for the recorder, so each packet of each start is recorded.
        let began = Instant::now();
        let publish = format!("publish --rate max --count 1 --wait-subscribers 1 --seed {restart} --bind {endpoint}");
        let device = bench.fancyhwd(&publish).start();
        eventually("the packet of this start is recorded", || committed(&bench) == restart);
        slowest = slowest.max(began.elapsed());
        device.finish().success();
    }
    println!("slowest: {slowest:?} from the start of the device to the packet in the database");
    // The reconnect interval is 10 ms at first and grows to 1 s while a device stays away; each one was away briefly.
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    recorder.stop().code(3).says("messages may be missing in 99 gaps of the link");

    // Each packet is the first one of its seed: no duplicate, no reordering.
    let connection = Connection::open(bench.path("c.db")).unwrap();
    let mut statement = connection.prepare("SELECT payload FROM messages ORDER BY id").unwrap();
    let mut rows = statement.query([]).unwrap();
    for seed in 1..=RESTARTS {
        let mut device = fancyhwd::device::Simulated::new(seed as u32);
        let payload: Vec<u8> = rows.next().unwrap().unwrap().get(0).unwrap();
        assert!(crate::support::samples(&payload).all(|sample| sample == device.rand() as i16), "seed {seed}");
    }
    assert!(rows.next().unwrap().is_none());
    let ledger = "SELECT kind, count(*), count(endpoint), count(until_elapsed_ns), sum(until_elapsed_ns <= elapsed_ns) \
         FROM events GROUP BY kind ORDER BY kind";
    assert_eq!(
        bench.sqlite3("c.db", ledger),
        format!("connected|{RESTARTS}|{RESTARTS}|0|\ndisconnected|{RESTARTS}|{RESTARTS}|{}|0", RESTARTS - 1)
    );
}

/// What a peer that is no device does with a connection.
type Impostor = fn(TcpStream);

#[test]
fn impostors_on_the_port_do_not_keep_the_recorder_from_the_device() {
    let impostors: [(&str, Impostor); 4] = [
        ("garbage", |mut stream| drop(stream.write_all(&[0x5a; 4096]))),
        ("http", |mut stream| {
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
        }),
        ("zeros", |mut stream| drop(stream.write_all(&[0; 4096]))),
        ("silence", |mut stream| drop(stream.read(&mut [0; 10]))),
    ];
    for (name, impostor) in impostors {
        let bench = Bench::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
        let recorder = bench.fancyhwd(&format!("record --database c.db --count 1 --connect {endpoint}")).start();
        impostor(listener.accept().unwrap().0);
        drop(listener);

        let began = Instant::now();
        let publish = format!("publish --rate max --count 1 --wait-subscribers 1 --bind {endpoint}");
        bench.fancyhwd(&publish).start().finish().success();
        recorder.finish();
        println!("{name}: recorded again after {:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(10), "{name}: {:?}", began.elapsed());
        assert_eq!(committed(&bench), 1, "{name}");
    }
}

#[test]
fn what_may_be_missing_begins_no_later_than_the_break() {
    const BREAKS: usize = 10;
    let bench = Bench::new();
    let device = Publisher::bind(Version::V31, Kind::Pub);
    let line = format!("record --topic d --database c.db --connect {}", device.endpoint());
    let recorder = bench.fancyhwd(&line).start();
    let mut breaks = Vec::new();
    while breaks.len() < BREAKS {
        eventually("it is connected", || device.peers() > 0);
        // Messages that follow each other quickly are waited for alone, and the link is looked at seldom.
        for _ in 0..100 {
            device.send(&[b"d x"]);
            std::thread::park_timeout(Duration::from_millis(2));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        breaks.push(now.as_nanos() as i64);
        device.break_links();
    }
    recorder.stop().code(3);
    let begins = bench.sqlite3("c.db", "SELECT unix_ns FROM events WHERE kind = 'disconnected' ORDER BY unix_ns");
    let begins: Vec<i64> = begins.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(begins.len(), BREAKS);
    let late = begins.iter().zip(&breaks).filter(|(begin, cut)| **begin > **cut + 1_000_000).count();
    // On a busy machine the recorder may hear of one later than it can know.
    assert!(late <= 3, "{late} of {BREAKS} intervals begin too late");
}

#[test]
fn a_message_over_the_limit_breaks_the_link_which_is_mended_and_noted() {
    let bench = Bench::new();
    let endpoint = format!("tcp://127.0.0.1:{}", free_port());
    let recorder = bench
        .fancyhwd(&format!("record --database c.db --topic t --max-message 64KiB --count 2 --connect {endpoint}"))
        .start();
    let context = zmq::Context::new();
    let socket = context.socket(zmq::XPUB).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.bind(&endpoint).unwrap();
    assert_eq!(socket.recv_bytes(0).unwrap(), b"\x01t");
    socket.send("t ab", 0).unwrap();
    eventually("the first packet is recorded", || committed(&bench) == 1);
    socket.send([&b"t "[..], &vec![0; 100 << 20]].concat(), 0).unwrap();
    // The link breaks and comes again. A publisher cannot know when: the end of the old subscription and the new one may
    // come in either order.
    eventually("a packet is recorded again", || {
        socket.send("t cd", 0).unwrap();
        committed(&bench) == 2
    });
    recorder.finish().code(3).says("disconnected from tcp://").says("1 gaps of the link");
    assert_eq!(bench.sqlite3("c.db", "SELECT hex(payload) FROM messages ORDER BY id"), "6162\n6364");
    let shown = bench.fancyhwd("session show --database c.db").run().success().stdout;
    assert!(
        shown.lines().any(|line| line.starts_with("ledger") && line.contains("disconnected, unknown loss")),
        "{shown}"
    );
}

#[test]
fn a_device_that_hangs_is_noticed() {
    let bench = Bench::new();
    let endpoint = format!("tcp://127.0.0.1:{}", free_port());
    let recorder = bench.fancyhwd(&format!("record --database c.db --heartbeat 2s --connect {endpoint}")).start();
    let device = bench.fancyhwd(&format!("publish --interval 1ms --bind {endpoint}")).start();
    eventually("packets are recorded", || committed(&bench) > 0);
    device.signal(Signal::STOP);
    eventually("the hung device is reported", || recorder.log().contains("disconnected from"));
    device.signal(Signal::CONT);
    let before = committed(&bench);
    eventually("packets are recorded again", || committed(&bench) > before + 10);
    recorder.stop().code(3);
    device.stop();
}
