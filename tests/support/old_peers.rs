//! Publishers that are older than ZMTP 3, at a recorder: their links are never cut, and their breaks are noted.

use std::thread;
use std::time::{Duration, Instant};

use fancyhwd::time::clock::unix_ns;
use rusqlite::Connection;

use super::zmtp::{Kind, Publisher, Version};
use super::{Bench, Daemon, eventually};

/// How often a busy publisher sends.
const RATE_HZ: u32 = 500;

fn start(bench: &Bench, endpoint: &str) -> Daemon {
    let record = "record --database c.db --topic d --commit-every 1ms --durability normal";
    bench.fancyhwd(&format!("{record} --connect {endpoint}")).start()
}

/// Send a message with this number.
fn send(publisher: &Publisher, number: u32) {
    publisher.send(&[&[&b"d "[..], &number.to_le_bytes()].concat()]);
}

/// The numbers of the messages that are recorded, in order of arrival.
fn recorded(bench: &Bench) -> Vec<u32> {
    let connection = Connection::open(bench.path("c.db")).unwrap();
    let mut statement = connection.prepare("SELECT payload FROM messages ORDER BY id").unwrap();
    let payloads = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    payloads.map(|payload| u32::from_le_bytes(payload.unwrap().try_into().expect("a number"))).collect()
}

fn kinds(bench: &Bench) -> String {
    bench.sqlite3("c.db", "SELECT kind, count(*), count(until_elapsed_ns) FROM events GROUP BY kind ORDER BY kind")
}

/// A publisher that is silent for a while and then sends for a while: one link, and nothing is missing.
pub fn is_recorded_whole(version: Version, idle: Duration, busy: Duration) {
    let bench = Bench::new();
    let publisher = Publisher::bind(version, Kind::Pub);
    let recorder = start(&bench, &publisher.endpoint());
    eventually("the recorder is connected", || publisher.links() == 1);
    // What happens as time passes is the point of the test: there is nothing else to wait for.
    wait_until(Instant::now() + idle);
    let began = Instant::now();
    let count = u32::try_from(busy.as_millis()).unwrap() * RATE_HZ / 1_000;
    for number in 0..count {
        wait_until(began + Duration::from_secs(1) * number / RATE_HZ);
        send(&publisher, number);
    }
    eventually("the last message is recorded", || recorded(&bench).last() == Some(&(count - 1)));
    assert_eq!(publisher.links(), 1, "{version:?}: the link was cut: {}", recorder.log());
    recorder.stop().success().says(", 0 lost");
    assert!(recorded(&bench).into_iter().eq(0..count), "{version:?}: messages are missing");
    assert_eq!(kinds(&bench), "connected|1|0", "{version:?}");
}

/// A publisher that is killed and started again: each break is in the ledger. Gives what each start took until its message
/// was received, the shortest first.
pub fn is_found_again(version: Version, restarts: u32) -> Vec<Duration> {
    let bench = Bench::new();
    let mut publisher = Publisher::bind(version, Kind::Pub);
    let endpoint = publisher.endpoint();
    let recorder = start(&bench, &endpoint);
    let mut times = Vec::new();
    for restart in 0..=restarts {
        let began_ns = unix_ns();
        if restart > 0 {
            let port = publisher.port;
            publisher.close();
            publisher = Publisher::bind_at(port, version, Kind::Pub);
        }
        eventually("the recorder is connected", || publisher.peers() == 1);
        send(&publisher, restart);
        eventually("the message is recorded", || recorded(&bench).last() == Some(&restart));
        let received_ns = bench.sqlite3("c.db", "SELECT max(received_unix_ns) FROM messages").parse::<i64>().unwrap();
        times.push(Duration::from_nanos((received_ns - began_ns).max(0) as u64));
    }
    recorder.stop().code(3).says(&format!("in {restarts} gaps of the link"));
    assert!(recorded(&bench).into_iter().eq(0..=restarts), "{version:?}: messages are missing");
    assert_eq!(kinds(&bench), format!("connected|{}|0\ndisconnected|{restarts}|{restarts}", restarts + 1));
    let backward =
        "SELECT count(*) FROM events WHERE until_elapsed_ns <= elapsed_ns OR kind = 'disconnected' AND lost = 0";
    assert_eq!(bench.sqlite3("c.db", backward), "0");
    // The first one waited for nobody.
    times.remove(0);
    times.sort_unstable();
    println!("{version:?}: recorded again after {:?}, at most {:?}", times[times.len() / 2], times[times.len() - 1]);
    times
}

/// Wait for a moment.
pub fn wait_until(moment: Instant) {
    while let Some(left) = moment.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}
