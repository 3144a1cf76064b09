//! Marks and notes: what people say of a session, also while it is being recorded.

use rustix::process::Signal;
use serde_json::Value;

use crate::support::signals::device;
use crate::support::{Bench, Daemon, Finished, eventually};

fn session(bench: &Bench, line: &str, words: &[&str]) -> Finished {
    bench.fancyhwd(&format!("session {line} --database c.db")).args(words).run()
}

/// A recorder of a device that sends all the time, with some packets that are committed.
fn recording(bench: &Bench, options: &str) -> (Daemon, Daemon) {
    let (device, endpoint) = device(bench);
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint} {options}")).start();
    eventually("packets are committed", || bench.sqlite3("c.db", "SELECT messages > 100 FROM sessions") == "1");
    (recorder, device)
}

/// The marks of all sessions: which session, when on both clocks, what they say.
fn marks(bench: &Bench) -> Vec<(i64, i64, i64, String)> {
    let sql = "SELECT session_id, unix_ns, elapsed_ns, coalesce(detail, '') FROM events \
               WHERE kind = 'mark' AND lost = 0 AND until_elapsed_ns IS NULL ORDER BY id";
    let row = |line: &str| {
        let words: Vec<&str> = line.split('|').collect();
        let number = |place: usize| words[place].parse().unwrap();
        (number(0), number(1), number(2), words[3].to_owned())
    };
    bench.sqlite3("c.db", sql).lines().map(row).collect()
}

/// Both times of a mark mean the same moment: its clocks are as far apart as those of the messages.
#[track_caller]
fn assert_moment(bench: &Bench, (session_id, unix_ns, elapsed_ns, _): &(i64, i64, i64, String)) {
    let sql = format!("SELECT started_unix_ns FROM sessions WHERE id = {session_id}");
    let started_ns: i64 = bench.sqlite3("c.db", &sql).parse().unwrap();
    let apart_ns = unix_ns - elapsed_ns - started_ns;
    assert!(apart_ns.abs() < 1_000_000_000, "{apart_ns} ns");
}

fn now_ns() -> i64 {
    fancyhwd::time::clock::unix_ns()
}

#[test]
fn a_mark_in_a_running_recording_bears_the_time_of_the_request() {
    let bench = Bench::new();
    let (recorder, device) = recording(&bench, "--label run");
    let before_ns = now_ns();
    session(&bench, "mark", &["pump on"]).success().says("session 1 has a mark at ");
    let between_ns = now_ns();
    session(&bench, "mark", &[]).success();
    session(&bench, "mark run", &["\u{1b}[2J\u{202e}named"]).success();
    let after_ns = now_ns();
    recorder.stop().success().says(", 0 lost");
    device.stop();
    let marks = marks(&bench);
    let words: Vec<&str> = marks.iter().map(|mark| mark.3.as_str()).collect();
    assert_eq!(words, ["pump on", "", "\u{1b}[2J\u{202e}named"]);
    assert!((before_ns..between_ns).contains(&marks[0].1), "{marks:?}");
    assert!((between_ns..after_ns).contains(&marks[1].1) && marks[1].1 < marks[2].1, "{marks:?}");
    marks.iter().for_each(|mark| assert_moment(&bench, mark));
    session(&bench, "verify", &[]).success();
    let shown = session(&bench, "show", &[]).success().stdout;
    assert!(shown.contains(" s: mark pump on\n") && shown.contains(" s: mark \\x1b[2J\\u{202e}named\n"), "{shown}");
    let shown: Value = serde_json::from_str(&session(&bench, "show --json", &[]).success().stdout).unwrap();
    let of_json: Vec<&Value> =
        shown["ledger"].as_array().unwrap().iter().filter(|entry| entry["kind"] == "mark").collect();
    assert_eq!(of_json.len(), 3);
    assert_eq!(of_json[0]["elapsed_ns"], marks[0].2);
}

#[test]
fn sigusr1_sets_a_mark_and_a_burst_of_it_is_bounded() {
    let bench = Bench::new();
    let (recorder, device) = recording(&bench, "");
    let before_ns = now_ns();
    recorder.signal(Signal::USR1);
    eventually("the mark is there", || marks(&bench).len() == 1);
    let first = marks(&bench).remove(0);
    assert!((before_ns..now_ns()).contains(&first.1) && first.3 == "SIGUSR1", "{first:?}");
    assert_moment(&bench, &first);
    let one = recorder.memory_bytes("VmRSS");
    (0..20_000).for_each(|_| recorder.signal(Signal::USR1));
    let more_bytes = recorder.memory_bytes("VmHWM").saturating_sub(one);
    assert!(more_bytes < 64 << 20, "{more_bytes} bytes more");
    recorder.stop().success().says(", 0 lost").says("mark");
    device.stop();
    assert!(marks(&bench).len() <= 20_001);
    let counts = "SELECT count(*) > 1, max(elapsed_ns) FROM events WHERE kind = 'mark'";
    assert!(bench.sqlite3("c.db", counts).starts_with("1|"));
    session(&bench, "verify", &[]).success();
    session(&bench, "show", &[]).success();
}

/// Eleven packets, 100 ms apart.
fn finished() -> Bench {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder =
        bench.fancyhwd(&format!("record --database c.db --label run --count 11 --connect {endpoint}")).start();
    bench
        .fancyhwd(&format!("publish --interval 20ms --count 11 --wait-subscribers 1 --bind {endpoint}"))
        .run()
        .success();
    recorder.finish().success();
    bench
}

#[test]
fn a_mark_stands_at_a_position_of_a_finished_session() {
    let bench = finished();
    let message = |number: i64| {
        let sql = "SELECT received_unix_ns, elapsed_ns FROM messages ORDER BY id LIMIT 1 OFFSET ";
        let line = bench.sqlite3("c.db", &format!("{sql}{number}"));
        let (unix_ns, elapsed_ns) = line.split_once('|').unwrap();
        (unix_ns.parse::<i64>().unwrap(), elapsed_ns.parse::<i64>().unwrap())
    };
    session(&bench, "mark run --at n3", &["the fourth"]).success();
    session(&bench, "mark 1 --at 10ms", &[]).success();
    session(&bench, "mark latest --at=-20ms", &["near the end"]).success();
    let marks = marks(&bench);
    assert_eq!((marks[0].1, marks[0].2), message(3));
    let (last_unix_ns, last_ns) = message(10);
    assert_eq!((marks[1].2, marks[2].2), (10_000_000, last_ns - 20_000_000));
    assert!((last_unix_ns - 20_000_000 - marks[2].1).abs() < 1_000_000_000);
    marks.iter().for_each(|mark| assert_moment(&bench, mark));
    session(&bench, "verify", &[]).success();

    for outside in ["n11", "1h", "2001-01-01T00:00:00Z"] {
        session(&bench, &format!("mark run --at {outside}"), &["x"]).code(2).says("session 1 has no such place");
    }
    session(&bench, "mark run x", &[]).code(2).says("it is not being recorded");
    session(&bench, "mark x", &[]).code(2).says("nothing is being recorded into it");
    session(&bench, "mark run --at 0", &["y".repeat(1001).as_str()]).code(2).says("1000 are allowed");
    session(&bench, "mark run --at 0", &["two\nlines"]).code(2).says("it is one line");
    assert_eq!(self::marks(&bench).len(), 3);

    // What the reference device sends is known: this is in its second packet, and nothing is beyond int16.
    session(&bench, "mark run", &["a peak", "--at", "ch0 == 25662"]).success().says("--at 'ch0 == 25662': first at #1");
    assert_eq!((self::marks(&bench)[3].1, self::marks(&bench)[3].2), message(1));
    session(&bench, "mark run", &["x", "--at", "ch0 > 40000"]).code(1).says("it holds nowhere there");
    session(&bench, "mark run", &["x", "--at", "ch9 > 4"]).code(2).says("cannot use --at 'ch9 > 4': ");
    session(&bench, "mark run --at soon", &["x"]).code(2).says("or a condition such as 'ch3 > 1200'");

    // A part has the marks of its range, and an export the same.
    session(&bench, "cut run --from n2 --to n5 --label part", &[]).success();
    let of_part = "SELECT kind, detail FROM events WHERE session_id = 2 AND kind = 'mark'";
    assert_eq!(bench.sqlite3("c.db", of_part), "mark|the fourth");
    session(&bench, "verify --all", &[]).success();
    session(&bench, "export run --format sqlite -o copy.db", &[]).success();
    assert_eq!(bench.sqlite3("copy.db", "SELECT count(*) FROM events WHERE kind = 'mark'"), "4");
    session(&bench, "export run --format mcap -o run.mcap", &[]).success();
    session(&bench, "delete run --yes", &[]).success();
    session(&bench, "mark run --at 0", &[]).code(2).says("no such session");
}

#[test]
fn a_mark_of_a_split_capture_stands_in_the_part_of_its_time() {
    let bench = Bench::new();
    let (recorder, device) = recording(&bench, "--label run");
    recorder.signal(Signal::HUP);
    eventually("the next session began", || bench.sqlite3("c.db", "SELECT count(*) FROM sessions") == "2");
    session(&bench, "note run", &["of both"]).success();
    session(&bench, "mark run", &["now"]).success();
    recorder.signal(Signal::HUP);
    eventually("another session began", || bench.sqlite3("c.db", "SELECT count(*) FROM sessions") == "3");
    recorder.stop().success();
    device.stop();
    session(&bench, "mark run --at 1ms", &["early"]).success();
    let later_ns: i64 =
        bench.sqlite3("c.db", "SELECT continues_elapsed_ns FROM sessions WHERE id = 2").parse().unwrap();
    session(&bench, &format!("mark run --at {later_ns}ns"), &["seam"]).success();
    let of = |words: &str| marks(&bench).into_iter().find(|mark| mark.3 == words).unwrap();
    assert_eq!((of("now").0, of("early").0, of("early").2), (2, 1, 1_000_000));
    assert_eq!((of("seam").0, of("seam").2), (2, 0));
    assert_eq!(bench.sqlite3("c.db", "SELECT DISTINCT note FROM sessions"), "of both");
    session(&bench, "verify --all", &[]).success();
}

#[test]
fn a_note_grows_by_lines_to_its_bound() {
    let bench = finished();
    session(&bench, "note run", &["first \u{1b}[m"]).success();
    session(&bench, "note 1", &["second"]).success();
    assert_eq!(bench.sqlite3("c.db", "SELECT note FROM sessions"), "first \u{1b}[m\nsecond");
    let shown = session(&bench, "show", &[]).success().stdout;
    assert!(shown.contains("note        first \\x1b[m\nnote        second\nstart "), "{shown}");
    session(&bench, "note run", &[""]).code(2);
    let line = "z".repeat(1000);
    let lines = (0..70).filter(|_| session(&bench, "note run", &[&line]).status.success()).count();
    assert_eq!(lines, 65, "64 KiB");
    session(&bench, "note run", &[&line]).code(2).says("65536 bytes at most");
    session(&bench, "verify", &[]).success();
}
