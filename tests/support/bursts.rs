//! A recorder that is asked to stop in the middle of a burst.

use std::time::{Duration, Instant};

use fancyhwd::store::Database;
use rusqlite::Connection;
use rustix::process::Signal;

use super::{Bench, eventually};

/// What a recorder may take to end in the middle of a burst.
pub const END_MAX: Duration = Duration::from_secs(2);

/// SIGTERM or SIGINT in the middle of a burst, so many times: all that came is stored. Gives what each took to end, the
/// shortest first.
pub fn end_bursts(rounds: usize) -> Vec<Duration> {
    let bench = Bench::new();
    let mut ends = Vec::new();
    for round in 0..rounds {
        let (endpoint, file) = (bench.endpoint(&format!("device{round}")), format!("{round}.db"));
        let publish = "publish --rate max --on-full block --wait-subscribers 1";
        let device = bench.fancyhwd(&format!("{publish} --bind {endpoint}")).start();
        let recorder = bench.fancyhwd(&format!("record --database {file} --connect {endpoint}")).start();
        let connection = Connection::open(bench.path(&file)).unwrap();
        let committed =
            || connection.query_row("SELECT messages FROM sessions", [], |row| row.get::<_, i64>(0)).unwrap();
        eventually("packets are committed", || committed() > 0);
        // The last to close the database leaves no log behind.
        drop(connection);
        let began = Instant::now();
        recorder.signal(if round % 2 == 0 { Signal::TERM } else { Signal::INT });
        recorder.finish().success().says(", 0 lost");
        ends.push(began.elapsed());
        device.stop();
        assert!(!bench.path(&format!("{file}-wal")).exists());
        let database = Database::for_reading(&bench.path(&file)).unwrap();
        let session = database.find_session("1").unwrap();
        assert_eq!(session.end_reason.as_deref(), Some("stopped"));
        assert_eq!(database.verify(&session, &mut |_| Ok(())).unwrap().damage, None);
        std::fs::remove_file(bench.path(&file)).unwrap();
    }
    ends.sort_unstable();
    println!("ended after {:?}, at most {:?}", ends[rounds / 2], ends[rounds - 1]);
    ends
}
