//! One capture in several sessions, and the clocks that they are stamped with.

use rusqlite::Connection;
use rustix::process::Signal;

use fancyhwd::device::Simulated;

use crate::support::clock::WallClock;
use crate::support::signals::hanging_up;
use crate::support::{Bench, Daemon, eventually};

fn recorder_and_device(bench: &Bench, record: &str) -> (Daemon, Daemon) {
    recorder_and_device_of(bench, record, 16)
}

fn recorder_and_device_of(bench: &Bench, record: &str, packet_size: u32) -> (Daemon, Daemon) {
    let endpoint = bench.endpoint("device");
    let recorder = hanging_up(bench, &format!("record --database c.db --connect {endpoint} {record}")).start();
    let publish = "publish --rate 20000 --on-full block --wait-subscribers 1";
    (recorder, bench.fancyhwd(&format!("{publish} --packet-size {packet_size} --bind {endpoint}")).start())
}

fn ask(bench: &Bench, sql: &str) -> i64 {
    Connection::open(bench.path("c.db")).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

/// All sessions together hold the device's packets from its first one on, without a hole; each begins at its own zero.
fn assert_nothing_is_missing(bench: &Bench) {
    let connection = Connection::open(bench.path("c.db")).unwrap();
    let mut statement =
        connection.prepare("SELECT messages.id, session_id, elapsed_ns, payload FROM messages JOIN streams ON streams.id = stream_id ORDER BY 1").unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut device = Simulated::new(12345);
    let (mut count, mut last) = (0, (0, 0));
    while let Some(row) = rows.next().unwrap() {
        count += 1;
        assert_eq!(row.get::<_, i64>(0).unwrap(), count);
        let now: (i64, i64) = (row.get(1).unwrap(), row.get(2).unwrap());
        assert!(now >= last && now.1 >= 0, "{last:?} is followed by {now:?}");
        last = now;
        let payload: Vec<u8> = row.get(3).unwrap();
        assert!(crate::support::samples(&payload).all(|sample| sample == device.rand() as i16), "packet {count}");
    }
    assert_eq!(ask(bench, "SELECT sum(messages) FROM sessions"), count);
    let joins = "SELECT count(*) FROM sessions a JOIN sessions b ON b.id = a.id + 1 WHERE b.first_id <> a.last_id + 1";
    assert_eq!(ask(bench, joins), 0);
}

#[test]
fn sighup_begins_a_new_session_without_losing_a_packet() {
    let bench = Bench::new();
    let (recorder, device) = recorder_and_device(&bench, "--label run");
    for sessions in 1..=5 {
        let more = ask(&bench, "SELECT sum(messages) FROM sessions") + 500;
        eventually("more packets are recorded", || ask(&bench, "SELECT sum(messages) FROM sessions") > more);
        recorder.signal(Signal::HUP);
        eventually("the next session began", || ask(&bench, "SELECT count(*) FROM sessions") == sessions + 1);
    }
    recorder.stop().success().says("recorded sessions 1 to 6: ").says(", 0 lost");
    device.stop().success();
    assert_nothing_is_missing(&bench);
    assert_eq!(
        bench.sqlite3("c.db", "SELECT end_reason, count(*), min(label) FROM sessions GROUP BY 1 ORDER BY 1"),
        "split|5|run\nstopped|1|run"
    );
    for id in 1..=6 {
        let database = fancyhwd::store::Database::for_reading(&bench.path("c.db")).unwrap();
        let session = database.find_session(&id.to_string()).unwrap();
        assert_eq!(database.verify(&session, &mut |_| Ok(())).unwrap().damage, None, "session {id}");
    }
}

#[test]
fn sessions_are_split_by_size_and_by_time() {
    for (every, packet_size) in [("1MiB", 128), ("1s", 16)] {
        let bench = Bench::new();
        let split = format!("--split-every {every}");
        let (recorder, device) = recorder_and_device_of(&bench, &split, packet_size);
        let with_packets = "SELECT count(*) FROM sessions WHERE messages > 0";
        eventually("there are several sessions", || ask(&bench, with_packets) >= 5);
        recorder.stop().success();
        device.stop().success();
        assert_nothing_is_missing(&bench);
        let (most_bytes, most_ns): (i64, i64) = Connection::open(bench.path("c.db"))
            .unwrap()
            .query_row("SELECT max(bytes), max(last_elapsed_ns) FROM sessions WHERE end_reason = 'split'", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        match every {
            "1MiB" => assert!((100_000..3_000_000).contains(&most_bytes), "{most_bytes} bytes"),
            _ => assert!((1..10_000_000_000).contains(&most_ns), "{most_ns} ns"),
        }
    }
}

#[test]
fn a_step_of_the_wall_clock_is_an_event_and_elapsed_time_goes_on_evenly() {
    let bench = Bench::new();
    let clock = WallClock::new(&bench);
    let endpoint = bench.endpoint("device");
    let recorder = clock.of(bench.fancyhwd(&format!("record --database c.db --connect {endpoint}"))).start();
    let device = bench.fancyhwd(&format!("publish --rate 1000 --wait-subscribers 1 --bind {endpoint}")).start();
    let steps = || ask(&bench, "SELECT count(*) FROM events WHERE kind = 'clock-step'");
    let packets = || ask(&bench, "SELECT messages FROM sessions");
    eventually("packets are recorded", || packets() > 100);
    for (number, offset_text) in [(1, "+3600"), (2, "-3600")] {
        clock.set(offset_text);
        eventually("the step is noted", || steps() == number);
        let more = packets() + 100;
        eventually("packets are recorded after the step", || packets() > more);
    }
    recorder.stop().success().says("warning: the wall clock was set by +3");
    device.stop().success();
    let details = bench.sqlite3("c.db", "SELECT detail FROM events WHERE kind = 'clock-step' ORDER BY id");
    let steps_s: Vec<f64> = details.lines().map(|line| line.split(' ').nth_back(1).unwrap().parse().unwrap()).collect();
    // Known to the fraction of a millisecond that passes between two looks at a clock.
    assert_eq!(steps_s.iter().map(|step_s| step_s.round()).collect::<Vec<_>>(), [3600.0, -7200.0], "{details}");
    // The wall clock jumps by an hour and back by two; elapsed time does not.
    let largest = |column| {
        let spacing = format!(
            "SELECT max(abs(step)) FROM (SELECT {column} - lag({column}) OVER (ORDER BY id) AS step FROM messages)"
        );
        ask(&bench, &spacing)
    };
    assert!(largest("received_unix_ns") > 3_600_000_000_000);
    assert!(largest("elapsed_ns") < 10_000_000_000);
    assert_eq!(
        ask(
            &bench,
            "SELECT count(*) FROM (SELECT elapsed_ns - lag(elapsed_ns) OVER (ORDER BY id) AS step FROM messages) WHERE step < 0"
        ),
        0
    );
}
