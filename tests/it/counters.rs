//! The device's own sequence number: what is lost on the way is counted exactly, and nothing twice.

use rusqlite::Connection;

use crate::links::{committed, free_port};
use crate::support::{Bench, Daemon, eventually};

/// The pieces of a sequence of pseudo-random numbers that begins with this seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// A device that drops nothing by itself: its queue has no bound.
struct Device {
    socket: zmq::Socket,
    _context: zmq::Context,
}

impl Device {
    fn bind(endpoint: &str) -> Self {
        let context = zmq::Context::new();
        let socket = context.socket(zmq::XPUB).unwrap();
        socket.set_rcvtimeo(60_000).unwrap();
        socket.set_linger(60_000).unwrap();
        socket.set_sndhwm(0).unwrap();
        socket.bind(endpoint).unwrap();
        Self { socket, _context: context }
    }

    fn wait_for_subscriber(&self) {
        while self.socket.recv_bytes(0).unwrap().first() != Some(&1) {}
    }

    fn send(&self, numbers: impl IntoIterator<Item = u64>, bytes: usize, padding: usize) {
        for number in numbers {
            let message = [b"t ", &number.to_le_bytes()[..bytes], &vec![7; padding]].concat();
            self.socket.send(message, 0).unwrap();
        }
    }
}

fn record(bench: &Bench, endpoint: &str, options: &str) -> Daemon {
    bench.fancyhwd(&format!("record --database c.db --topic t --connect {endpoint} {options}")).start()
}

/// The ledger without the links: kinds with their sums.
fn ledger(bench: &Bench) -> String {
    bench.sqlite3(
        "c.db",
        "SELECT kind, count(*), sum(lost) FROM events WHERE kind LIKE 'counter-%' OR kind = 'overflow' GROUP BY kind ORDER BY kind",
    )
}

fn lost(bench: &Bench) -> String {
    bench.sqlite3("c.db", "SELECT sum(lost) FROM sessions")
}

#[test]
fn gaps_are_exact_also_where_the_counter_wraps() {
    const GAPS: usize = 60;
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    for bytes in [1, 2, 4] {
        let mut random = Random(seed);
        let bench = Bench::new();
        let endpoint = bench.endpoint("device");
        let recorder = record(&bench, &endpoint, &format!("--counter t=uint{}@0 --count 10000", bytes * 8));
        let device = Device::bind(&endpoint);
        device.wait_for_subscriber();
        let mut gaps = std::collections::BTreeMap::new();
        while gaps.len() < GAPS {
            gaps.insert(1 + random.below(9_998), 1 + random.below(120));
        }
        let mut number = u64::MAX - random.below(2_000);
        let numbers = (0..10_000).map(|message| {
            number = number.wrapping_add(1 + gaps.get(&message).copied().unwrap_or(0));
            number
        });
        device.send(numbers, bytes, 0);
        let sum: u64 = gaps.values().sum();
        recorder.finish().code(3).says(&format!(", {sum} lost"));
        assert_eq!(ledger(&bench), format!("counter-gap|{GAPS}|{sum}"), "uint{}", bytes * 8);
        assert_eq!(lost(&bench), sum.to_string());
        // Each interval is from the message before the gap to the one after it.
        let connection = Connection::open(bench.path("c.db")).unwrap();
        let sql = "SELECT lost, (SELECT count(*) FROM messages WHERE elapsed_ns < until_elapsed_ns) FROM events \
             WHERE kind = 'counter-gap' ORDER BY id";
        let mut statement = connection.prepare(sql).unwrap();
        let rows =
            statement.query_map([], |row| Ok((row.get::<_, i64>(1)? as u64, row.get::<_, i64>(0)? as u64))).unwrap();
        let found: Vec<(u64, u64)> = rows.map(|row| row.unwrap()).collect();
        for ((place, lost), (expected, count)) in found.iter().zip(&gaps) {
            // Several messages may have one stamp.
            assert!(*place <= *expected && *lost == *count, "{place} {lost} {expected} {count}");
        }
        assert_eq!(bench.sqlite3("c.db", "SELECT counter FROM streams"), format!("uint{}@0", bytes * 8));
        let shown = bench.fancyhwd("session show --database c.db").run().success().stdout;
        assert!(shown.contains("counter uint") && shown.contains("counter-gap"), "{shown}");

        let verify = format!("session verify --database c.db --counter uint{}@0", bytes * 8);
        let finished = bench.fancyhwd(&verify).run().code(3);
        let expected = format!("10000 messages, 0 without it, {sum} lost in {GAPS} gaps, 0 late, 0 repeats");
        assert!(finished.stdout.contains(&expected), "{}", finished.stdout);
        let finished = bench.fancyhwd(&format!("{verify} --json")).run().code(3);
        let told: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(told[0]["counters"][0]["lost"], sum);
        bench.fancyhwd("session verify --database c.db").run().success();
    }
}

#[test]
fn repeats_and_late_ones_are_told_and_no_loss() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = record(&bench, &endpoint, "--counter uint32@0 --count 9");
    let device = Device::bind(&endpoint);
    device.wait_for_subscriber();
    device.send([1, 2, 2, 3, 6, 5, 4, 7, 8], 4, 0);
    recorder.finish().success().says("counter-repeat");
    assert_eq!(ledger(&bench), "counter-reorder|2|0\ncounter-repeat|1|0");
    assert_eq!(lost(&bench), "0");
    bench.fancyhwd("session verify --database c.db").run().success();
}

#[test]
fn a_jump_without_a_link_break_is_told_and_nothing_is_invented() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = record(&bench, &endpoint, "--counter uint32@0 --count 4");
    let device = Device::bind(&endpoint);
    device.wait_for_subscriber();
    device.send([100_000, 100_001, 0, 1], 4, 0);
    recorder.finish().code(3).says("messages may be missing in 1 jumps of a counter");
    assert_eq!(ledger(&bench), "counter-jump|1|");
    assert_eq!(lost(&bench), "0");
}

#[test]
fn what_our_own_queue_drops_is_not_counted_as_lost_on_the_way() {
    const SENT: u64 = 60_000;
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = record(&bench, &endpoint, "--counter uint32@0 --queue 1MiB");
    let device = Device::bind(&endpoint);
    device.wait_for_subscriber();
    let connection = Connection::open(bench.path("c.db")).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Every 1,000th number and the one behind it are missing.
    let numbers = (0..SENT).filter(|number| !matches!(number % 1_000, 500 | 501));
    device.send(numbers, 4, 200);
    eventually("messages are lost", || recorder.log().contains("cannot") || recorder.log().contains("trying again"));
    connection.execute_batch("COMMIT").unwrap();
    drop(connection);
    let on_wire = SENT / 1_000 * 2;
    let stored_and_lost =
        || -> u64 { bench.sqlite3("c.db", "SELECT coalesce(sum(messages + lost), 0) FROM sessions").parse().unwrap() };
    eventually("all is accounted for", || stored_and_lost() == SENT);
    recorder.stop().code(3);
    let sum = |kind: &str| -> u64 {
        let sql = format!("SELECT coalesce(sum(lost), 0) FROM events WHERE kind = '{kind}'");
        bench.sqlite3("c.db", &sql).parse().unwrap()
    };
    let stored: u64 = bench.sqlite3("c.db", "SELECT messages FROM sessions").parse().unwrap();
    println!("stored {stored}, overflow {}, on the wire {}", sum("overflow"), sum("counter-gap"));
    assert!(sum("overflow") > 0);
    assert_eq!(sum("counter-gap"), on_wire);
    assert_eq!(stored + sum("overflow") + on_wire, SENT);
    bench.fancyhwd("session verify --database c.db").run().success();
}

/// Send some numbers, break the link, and go on with others.
fn across_a_break(first: &[u64], second: &[u64]) -> (Bench, String) {
    let bench = Bench::new();
    let endpoint = format!("tcp://127.0.0.1:{}", free_port());
    let recorder = record(&bench, &endpoint, &format!("--counter uint32@0 --count {}", first.len() + second.len()));
    let device = Device::bind(&endpoint);
    device.wait_for_subscriber();
    device.send(first.iter().copied(), 4, 0);
    eventually("the first part is recorded", || committed(&bench) == first.len() as i64);
    drop(device);
    eventually("the break is noted", || recorder.log().contains("disconnected from"));
    let device = Device::bind(&endpoint);
    device.wait_for_subscriber();
    device.send(second.iter().copied(), 4, 0);
    let finished = recorder.finish();
    let code = finished.status.code().unwrap();
    bench.fancyhwd("session verify --database c.db").run().success();
    let rows = bench.sqlite3(
        "c.db",
        "SELECT kind, lost, until_elapsed_ns IS NOT NULL FROM events WHERE kind NOT IN ('connected', 'unreached') ORDER BY kind, id",
    );
    let text = format!("{code} {} {rows}", lost(&bench));
    (bench, text)
}

#[test]
fn a_gap_across_a_link_break_fills_its_unknown() {
    let (bench, found) = across_a_break(&[7, 8], &[12, 13]);
    assert_eq!(found, "3 3 disconnected|3|1");
    let detail = bench.sqlite3("c.db", "SELECT detail FROM events WHERE kind = 'disconnected'");
    assert!(detail.contains("topic t: the counter went from 8 to 12"), "{detail}");
    let (_, found) = across_a_break(&[7, 8], &[9, 10]);
    assert_eq!(found, "0 0 disconnected|0|1");
}

#[test]
fn a_restart_across_a_link_break_is_told_and_leaves_the_loss_unknown() {
    let (bench, found) = across_a_break(&[5_000, 5_001], &[0, 1]);
    assert_eq!(found, "3 0 counter-restart|0|1\ndisconnected||1");
    let counted = bench.fancyhwd("session verify --database c.db --counter uint32@0").run().success().stdout;
    assert!(counted.contains("0 lost in 0 gaps, 0 late, 0 repeats, 1 restarts, 0 jumps"), "{counted}");
}

#[test]
fn a_gap_across_a_split_is_found() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = record(&bench, &endpoint, "--counter uint16@0");
    let device = Device::bind(&endpoint);
    device.wait_for_subscriber();
    device.send([1, 2], 2, 0);
    eventually("the first part is recorded", || committed(&bench) == 2);
    recorder.signal(rustix::process::Signal::HUP);
    eventually("a session begins", || bench.sqlite3("c.db", "SELECT count(*) FROM sessions") == "2");
    device.send([9], 2, 0);
    eventually("it goes on", || bench.sqlite3("c.db", "SELECT sum(messages) FROM sessions") == "3");
    recorder.stop().code(3);
    assert_eq!(
        bench.sqlite3("c.db", "SELECT session_id, lost, elapsed_ns FROM events WHERE kind = 'counter-gap'"),
        "2|6|0"
    );
}

#[test]
fn what_publish_counts_is_recorded_without_a_gap() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder =
        bench.fancyhwd(&format!("record --database c.db --counter uint8@0 --count 600 --connect {endpoint}")).start();
    let publish = "publish --rate max --count 600 --packet-size 4 --counter uint8 --wait-subscribers 1 --bind";
    bench.fancyhwd(&format!("{publish} {endpoint}")).run().success();
    recorder.finish().success();
    let first = bench.sqlite3("c.db", "SELECT hex(payload) FROM messages WHERE id IN (1, 2, 257)");
    assert_eq!(
        first.lines().map(|line| (&line[..2], line.len())).collect::<Vec<_>>(),
        [("00", 18), ("01", 18), ("00", 18)]
    );
    bench.fancyhwd("session verify --database c.db --counter uint8@0").run().success();
    let finished = bench.fancyhwd("publish --counter float32").run().code(2);
    assert!(finished.stderr.contains("no integer type"), "{}", finished.stderr);
}

#[test]
fn a_counter_in_json_is_read() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = record(&bench, &endpoint, "--counter t=json:n/10 --count 3");
    let device = Device::bind(&endpoint);
    device.wait_for_subscriber();
    for number in [100, 110, 150] {
        let head = format!("{{\"v\": [1, 2], \"n\": {number}}}");
        device.socket.send_multipart(["t", head.as_str(), "x"], 0).unwrap();
    }
    recorder.finish().code(3);
    assert_eq!(ledger(&bench), "counter-gap|1|3");
}

/// Send numbered messages of some streams, one of two frames that are too large together instead of each `None`.
fn with_too_large(messages: &[Option<(&str, u8)>]) -> String {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let kept = messages.iter().flatten().count();
    let record = "record --database c.db --framing frames --counter t=uint8@0 --max-message 64KiB";
    let recorder = bench.fancyhwd(&format!("{record} --topic t --topic u --count {kept} --connect {endpoint}")).start();
    let device = Device::bind(&endpoint);
    device.wait_for_subscriber();
    device.wait_for_subscriber();
    let large = [7; 40_000].as_slice();
    for message in messages {
        match message {
            Some((topic, number)) => device.socket.send_multipart([topic.as_bytes(), &[*number]], 0).unwrap(),
            None => device.socket.send_multipart([b"t", large, large], 0).unwrap(),
        }
    }
    recorder.finish().code(3);
    let kinds = "SELECT kind, sum(lost) FROM events WHERE kind LIKE 'counter-%' OR kind = 'too-large' GROUP BY kind";
    bench.sqlite3("c.db", kinds)
}

#[test]
fn what_was_too_large_is_not_counted_again() {
    let of_t = |number| Some(("t", number));
    assert_eq!(with_too_large(&[of_t(1), None, of_t(3), of_t(4)]), "too-large|1");
    assert_eq!(with_too_large(&[of_t(1), None, of_t(6)]), "counter-gap|3\ntoo-large|1");
    // It was none of the numbers, and takes nothing from a later gap.
    assert_eq!(with_too_large(&[of_t(1), None, of_t(2), of_t(6)]), "counter-gap|3\ntoo-large|1");
    // It may have been of another stream.
    assert_eq!(with_too_large(&[of_t(1), Some(("u", 1)), None, of_t(6)]), "counter-gap|4\ntoo-large|1");
}
