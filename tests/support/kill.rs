//! kill -9 at random moments of a stream, and whether what is in the database is the device's stream without a hole.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fancyhwd::device::Simulated;
use fancyhwd::store::Database;
use fancyhwd::time::clock::unix_ns;
use rusqlite::Connection;
use rustix::process::Signal;

use super::{Bench, Finished};

/// A recorder is killed at a random moment of so many microseconds after it is ready: before its first commit, and
/// after some of them.
const KILL_WITHIN_US: u32 = 300_000;

/// What may be missing of a session that was killed: the time between two commits, and a commit that was under way.
pub const LOSS_MAX: Duration = Duration::from_millis(150);

/// Kill the recorder `rounds` times in a stream of 10,000 packets a second, all on the same database: what was committed
/// is there, in order and without a hole. Gives how much is missing of each session, in time, the least first.
pub fn kill_at_random_moments(rounds: usize) -> Vec<Duration> {
    let mut random = seeded();
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let device = bench.fancyhwd(&format!("publish --rate 10000 --bind {endpoint}")).start();
    let mut losses = Vec::new();
    for round in 1..=rounds {
        let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
        // The moment is the point of the test, not a way to wait for something.
        std::thread::park_timeout(Duration::from_micros(u64::from(random.rand() % KILL_WITHIN_US)));
        let killed_unix_ns = unix_ns();
        recorder.signal(Signal::KILL);
        recorder.finish();
        let connection = Connection::open(bench.path("c.db")).unwrap();
        // A session without packets has lost what came since it began; its last_id is in the session before.
        let last: (i64, i64) = connection
            .query_row(
                "SELECT id, max(started_unix_ns, \
                 coalesce((SELECT received_unix_ns FROM messages WHERE id = last_id), 0)) \
                 FROM sessions ORDER BY id DESC LIMIT 1",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        assert_eq!(last.0, round as i64);
        losses.push(Duration::from_nanos((killed_unix_ns - last.1).max(0) as u64));
    }
    bench.fancyhwd(&format!("record --database c.db --count 1 --connect {endpoint}")).run().success();
    let published_packets = published(&device.stop().success());

    assert_eq!(bench.sqlite3("c.db", "PRAGMA integrity_check"), "ok");
    let reasons = "SELECT end_reason, count(*) FROM sessions GROUP BY end_reason ORDER BY end_reason";
    assert_eq!(bench.sqlite3("c.db", reasons), format!("interrupted|{rounds}\nlimit|1"));
    let database = Database::for_reading(&bench.path("c.db")).unwrap();
    for session in database.sessions().unwrap() {
        assert_eq!(database.verify(&session, &mut |_| Ok(())).unwrap().damage, None, "session {}", session.id);
    }
    let packets = assert_no_session_has_a_hole(&bench, "c.db", published_packets);
    assert!(packets > 0);

    losses.sort_unstable();
    println!("{rounds} kills, {packets} of {published_packets} messages recorded");
    println!("not committed: median {:?}, most {:?}", losses[rounds / 2], losses[rounds - 1]);
    // Says whether it was the machine: what is committed late because of it is lost by a kill before that.
    let slowest =
        "SELECT max(committed_unix_ns - received_unix_ns) / 1000 FROM batches JOIN messages ON messages.id = first_id";
    println!("first packet of the slowest commit: {} us old", bench.sqlite3("c.db", slowest));
    losses
}

/// How many packets a device says that it published.
pub fn published(device: &Finished) -> u64 {
    let count = device.stderr.split("published ").nth(1).and_then(|rest| rest.split(' ').next());
    count.unwrap_or_else(|| panic!("no count in {}", device.stderr)).parse().unwrap()
}

/// The packets of each session follow one another in the simulated device's stream, and the sessions do not overlap.
/// Gives the number of packets in the database. The stream is made again beside the rows, so none of it is kept in
/// memory; a packet that stands in the database too late or twice is not found in the rest of it.
pub fn assert_no_session_has_a_hole(bench: &Bench, database: &str, published_packets: u64) -> u64 {
    let connection = Connection::open(bench.path(database)).unwrap();
    let mut statement = connection
        .prepare("SELECT session_id, payload FROM messages JOIN streams ON streams.id = stream_id ORDER BY messages.id")
        .unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut device = Simulated::new(12345);
    // The number of the packet that the device makes next, and the session that the packet before it is in.
    let (mut next, mut last_session_id) = (0, None);
    let mut packets = 0;
    while let Some(row) = rows.next().unwrap() {
        let (session_id, payload): (i64, Vec<u8>) = (row.get(0).unwrap(), row.get(1).unwrap());
        let first = next;
        loop {
            assert!(next < published_packets, "session {session_id} has a packet that does not come after {first}");
            next += 1;
            let made: [i16; 16] = std::array::from_fn(|_| device.rand() as i16);
            if super::samples(&payload).eq(made) {
                break;
            }
        }
        let missing = next - 1 - first;
        let is_new = last_session_id.replace(session_id) != Some(session_id);
        assert!(missing == 0 || is_new, "{missing} messages are missing in session {session_id} from {first} on");
        packets += 1;
    }
    packets
}

/// Random numbers of a seed that is printed; `FANCYHWD_TEST_SEED` repeats a run.
pub fn seeded() -> Simulated {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    let seed = std::env::var("FANCYHWD_TEST_SEED").map_or(now, |seed| seed.parse().unwrap());
    println!("FANCYHWD_TEST_SEED={seed}");
    Simulated::new(seed)
}
