//! A subscriber that a debugger stops again and again, and a replay that stands still with it.

use std::fmt::Write;
use std::fs;
use std::thread;

use fancyhwd::time::clock::monotonic_ns;
use rusqlite::Connection;

use super::kill::seeded;
use super::{Bench, eventually};

/// Packets between two stops, about.
const EVERY: usize = 200;

/// Of them, so many come before the next stop can.
const LEAST: usize = 40;

/// No stop is longer.
const STOP_MAX_MS: u32 = 3000;

/// So many packets may leave after a stop, at 1000 packets a second.
pub const LEFT_MAX: usize = 10;

/// From one stop to the next one, packets come by so much earlier or later at the end than at the beginning.
pub const DRIFT_MAX_NS: i64 = 500_000;

/// So much longer or shorter than the program the replay stands still.
pub const APART_MAX_NS: i64 = 5_000_000;

/// What was seen at the stops, from the least to the most.
pub struct Stops {
    /// How many packets left after each.
    pub left: Vec<usize>,
    /// By how much packets came later at the end of the time to the next one.
    pub drift_ns: Vec<i64>,
    /// How much longer or shorter than the program the replay stood still.
    pub apart_ns: Vec<i64>,
}

/// A packet that came.
struct Came {
    at_ns: i64,
    /// When the program went on behind it.
    on_ns: i64,
    bytes: Vec<u8>,
}

/// Replay 1000 packets a second to a C program that gdb stops at so many random packets, for up to three seconds, and to a
/// witness that nobody stops. Nothing is lost or in another order.
pub fn stop_at_random_packets(stops: usize) -> Stops {
    let mut random = seeded();
    let bench = Bench::new();
    let count = (stops + 1) * EVERY;
    let recorded = record(&bench, count);
    let stopped_at: Vec<usize> =
        (0..stops).map(|stop| stop * EVERY + LEAST + random.rand() as usize % (EVERY - LEAST)).collect();
    let lengths_ms: Vec<u32> = (0..stops).map(|_| random.rand() % STOP_MAX_MS).collect();

    let endpoint = bench.endpoint("replayed");
    let mut script = "set pagination off\nset startup-with-shell off\nbreak here\nrun\n".to_owned();
    for length_ms in &lengths_ms {
        writeln!(script, "shell sleep {}.{:03}\ncontinue", length_ms / 1000, length_ms % 1000).unwrap();
    }
    fs::write(bench.path("script"), script).unwrap();
    let program = bench.compile("debugged");
    let debugger = bench.program("gdb").args(["-nx", "-batch", "-x", "script", "--args"]).arg(program);
    let debugger = debugger.env_remove("DEBUGINFOD_URLS").args([&endpoint, &count.to_string(), "came"]);
    let debugger = debugger.args(stopped_at.iter().map(usize::to_string)).spawn();
    let pid = || debugger.printed().lines().find_map(|line| line.strip_prefix("READY ")?.parse::<u32>().ok());
    eventually("the subscriber is ready", || pid().is_some());
    let witness = witness(&endpoint, count);
    let line = "replay --database c.db --on-full block --wait-subscribers 2 --pause-with";
    let replay = bench.fancyhwd(line).arg(pid().unwrap().to_string()).args(["--bind", &endpoint]).start();
    let replayed = replay.finish().success();
    let log = debugger.finish().success();
    let seen = witness.join().unwrap();
    let came = came(&fs::read(bench.path("came")).unwrap());
    println!("{}", replayed.stderr.lines().last().unwrap());

    for received in [&came, &seen] {
        assert_eq!(received.len(), count, "{}", log.stdout);
        assert!(received.iter().zip(&recorded).all(|(came, (_, bytes))| came.bytes == *bytes), "another order");
    }
    // How much later than recorded each packet came to the witness. It may be late itself, but never early.
    let later_ns: Vec<i64> =
        seen.iter().zip(&recorded).map(|(came, (elapsed_ns, _))| came.at_ns - elapsed_ns).collect();
    let least_ns = |packets: &[i64]| *packets.iter().min().unwrap();
    let mut found = Stops { left: Vec::new(), drift_ns: Vec::new(), apart_ns: Vec::new() };
    let mut before = &later_ns[..stopped_at[0]];
    for (stop, (&end, length_ms)) in stopped_at.iter().zip(lengths_ms).enumerate() {
        let Came { at_ns, on_ns, .. } = came[end];
        // Either of the two may have been kept waiting for a processor.
        let meanwhile = seen.iter().filter(|came| (at_ns..on_ns).contains(&came.at_ns)).count();
        let first = seen.iter().position(|came| came.at_ns >= on_ns).unwrap();
        let left = meanwhile.min(first - end - 1);
        let behind = &later_ns[first..stopped_at.get(stop + 1).copied().unwrap_or(count)];
        let (early, late) = behind.split_at(behind.len() / 2);
        let drift_ns = (least_ns(late) - least_ns(early)).abs();
        let apart_ns = (least_ns(behind) - least_ns(before) - (on_ns - at_ns)).abs();
        println!("packet {end}, {length_ms} ms: {left} left, {apart_ns} ns apart, drift {drift_ns} ns");
        found.left.push(left);
        found.drift_ns.push(drift_ns);
        found.apart_ns.push(apart_ns);
        before = behind;
    }
    found.left.sort_unstable();
    found.drift_ns.sort_unstable();
    found.apart_ns.sort_unstable();
    found
}

/// A session of packets a millisecond apart: when each came, and its bytes.
fn record(bench: &Bench, count: usize) -> Vec<(i64, Vec<u8>)> {
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --count {count} --connect {endpoint}")).start();
    let line = format!("publish --rate max --on-full block --count {count} --wait-subscribers 1 --bind {endpoint}");
    bench.fancyhwd(&line).run().success();
    recorder.finish().success();
    bench.forge("c.db", "UPDATE messages SET elapsed_ns = id * 1000000");
    let connection = Connection::open(bench.path("c.db")).unwrap();
    let mut statement = connection.prepare("SELECT elapsed_ns, payload FROM messages ORDER BY id").unwrap();
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, [&b"fancyhw_data "[..], &row.get::<_, Vec<u8>>(1)?].concat()));
    statement.query_map([], row).unwrap().map(Result::unwrap).collect()
}

/// Receives all packets, and notes when they come.
fn witness(endpoint: &str, count: usize) -> thread::JoinHandle<Vec<Came>> {
    let socket = zmq::Context::new().socket(zmq::SUB).unwrap();
    socket.set_rcvhwm(0).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.set_subscribe(b"").unwrap();
    socket.connect(endpoint).unwrap();
    let next = move |_| {
        let bytes = socket.recv_bytes(0).unwrap();
        let at_ns = monotonic_ns();
        Came { at_ns, on_ns: at_ns, bytes }
    };
    thread::spawn(move || (0..count).map(next).collect())
}

/// What the C program wrote.
fn came(file: &[u8]) -> Vec<Came> {
    const TIMES_BYTES: usize = 16;
    const PACKET_BYTES: usize = 45;
    let ns = |bytes: &[u8]| i64::from_ne_bytes(bytes.try_into().unwrap());
    let one = |bytes: &[u8]| Came {
        at_ns: ns(&bytes[..8]),
        on_ns: ns(&bytes[8..TIMES_BYTES]),
        bytes: bytes[TIMES_BYTES..].to_owned(),
    };
    file.chunks_exact(TIMES_BYTES + PACKET_BYTES).map(one).collect()
}
