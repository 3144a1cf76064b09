//! `session label` and `session delete`, also beside a recorder.

use std::fs;
use std::process::Stdio;

use rusqlite::Connection;
use rustix::process::Signal;

use crate::support::{Bench, Daemon, command, eventually};

fn ask(bench: &Bench, sql: &str) -> i64 {
    Connection::open(bench.path("c.db")).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

/// One more session in `c.db`, of so many packets in a commit each few thousand.
fn capture(bench: &Bench, packets: usize) {
    let endpoint = bench.endpoint("device");
    let record = format!("record --database c.db --durability normal --count {packets} --connect {endpoint}");
    let recorder = bench.fancyhwd(&record).start();
    let publish = "publish --rate max --on-full block --wait-subscribers 1";
    bench.fancyhwd(&format!("{publish} --count {packets} --bind {endpoint}")).run().success();
    recorder.finish().success();
}

/// A recorder of a device of 20,000 packets a second, into the same database.
fn recording(bench: &Bench) -> (Daemon, Daemon) {
    let endpoint = bench.endpoint("live");
    let before = ask(bench, "SELECT count(*) FROM sessions");
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
    let device =
        bench.fancyhwd(&format!("publish --rate 20000 --on-full block --wait-subscribers 1 --bind {endpoint}")).start();
    eventually("packets are committed", || {
        ask(bench, "SELECT count(*) FROM sessions") > before
            && ask(bench, "SELECT messages FROM sessions ORDER BY id DESC LIMIT 1") > 0
    });
    (recorder, device)
}

fn ids(bench: &Bench) -> String {
    bench.sqlite3("c.db", "SELECT group_concat(id) FROM sessions")
}

/// Rows that belong to no session, but for the row that keeps the highest ids.
fn strays(bench: &Bench) -> Vec<i64> {
    let kept = "NOT EXISTS (SELECT 1 FROM sessions WHERE";
    let by_message =
        |table, id| format!("SELECT count(*) FROM {table} WHERE {kept} {id} BETWEEN first_id AND last_id)");
    let by_session = |table| format!("SELECT count(*) FROM {table} WHERE {kept} sessions.id = session_id)");
    let fields = "SELECT count(*) FROM fields WHERE stream_id NOT IN (SELECT id FROM streams)".to_owned();
    let queries = [by_message("messages", "messages.id"), by_message("faults", "message_id"), fields];
    let queries = queries.into_iter().chain(["events", "batches", "streams", "endpoints"].map(by_session));
    queries.map(|sql| ask(bench, &sql)).collect()
}

fn assert_sound(bench: &Bench) {
    assert_eq!(bench.sqlite3("c.db", "PRAGMA integrity_check"), "ok");
    bench.fancyhwd("session verify --all --database c.db").run().success();
}

#[test]
fn a_label_is_set_changed_and_removed() {
    let bench = Bench::new();
    capture(&bench, 3);
    let label = |text: &str| bench.fancyhwd("session label 1 --database c.db").arg(text).run();
    label("a new one").success().says("session 1 has label 'a new one'; it had no label");
    assert_eq!(bench.sqlite3("c.db", "SELECT label FROM sessions"), "a new one");
    let shown = bench.fancyhwd("session show --database c.db").arg("a new one").run().success().stdout;
    assert!(shown.contains("label       a new one\n"), "{shown}");
    label("").success().says("session 1 has no label; it had label 'a new one'");
    assert_eq!(bench.sqlite3("c.db", "SELECT label IS NULL FROM sessions"), "1");
    bench.fancyhwd("session label 7 x --database c.db").run().code(2).says("cannot find session '7'");
    bench.fancyhwd("session label 1 x --database none.db").run().code(1).says("there is no such file");
    assert_sound(&bench);
    assert!(!bench.path("c.db-wal").exists());
}

#[test]
fn digits_always_mean_an_id() {
    let bench = Bench::new();
    for packets in [1, 2, 3] {
        capture(&bench, packets);
    }
    for (text, why) in [("7", "digits alone are the id of a session"), ("latest", "the newest finished session")] {
        let refusals = [
            bench.fancyhwd("session label 1 --database c.db").arg(text),
            bench.fancyhwd("record --database new.db --duration 1ms").args(["--label", text]),
            bench.fancyhwd("record --database new.db --duration 1ms").env("FANCYHWD_LABEL", text),
        ];
        for refused in refusals {
            let refused = refused.run().code(2).says(&format!(" '{text}': ")).says(why);
            assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
        }
    }
    assert!(!bench.path("new.db").exists());
    // As another program may have labelled it.
    bench.sqlite3("c.db", "UPDATE sessions SET label = '7' WHERE id = 1; UPDATE sessions SET label = '2' WHERE id = 3");
    for nothing in ["7", "0", "4", "18446744073709551617", "9223372036854775808"] {
        for command in ["delete --yes", "show", "verify", "export --format csv"] {
            let nothing = bench.fancyhwd(&format!("session {command} {nothing} --database c.db")).run();
            nothing.code(2).says("there is no such session");
        }
    }
    assert_eq!(ids(&bench), "1,2,3");
    bench.fancyhwd("session delete 2 --yes --database c.db").run().success().says("deleted session 2 of c.db with 2 ");
    assert_eq!(ids(&bench), "1,3");
    // A label is one again when it is no number.
    bench.fancyhwd("session label 3 run-2 --database c.db").run().success();
    bench.fancyhwd("session delete run-2 --yes --database c.db").run().success().says("deleted session 3 of c.db");
    assert_eq!(ids(&bench), "1");
    assert_sound(&bench);
}

#[test]
fn a_label_of_several_sessions_deletes_none() {
    let bench = Bench::new();
    for packets in [1, 2, 3] {
        capture(&bench, packets);
    }
    bench.sqlite3("c.db", "UPDATE sessions SET label = 'pump' WHERE id < 3");
    let delete = || bench.fancyhwd("session delete pump --yes --database c.db").run();
    delete().code(2).says("cannot choose session 'pump' in ").says("several sessions have that label; give the id");
    assert_eq!(ids(&bench), "1,2,3");
    bench.fancyhwd("session delete 2 --yes --database c.db").run().success();
    delete().success().says("deleted session 1 of c.db");
    delete().code(2).says("cannot find session 'pump'");
    assert_eq!(ids(&bench), "3");
}

#[test]
fn a_running_session_is_labelled_and_goes_on() {
    let bench = Bench::new();
    capture(&bench, 3);
    let (recorder, device) = recording(&bench);
    bench.fancyhwd("session label 2 live --database c.db").run().success();
    recorder.stop().success().says(", 0 lost");
    device.stop();
    assert_eq!(bench.sqlite3("c.db", "SELECT label FROM sessions WHERE id = 2"), "live");
    assert_sound(&bench);
}

#[test]
fn a_session_in_the_middle_is_deleted_and_the_others_are_untouched() {
    let bench = Bench::new();
    for packets in [1000, 100_000, 2000] {
        capture(&bench, packets);
    }
    let before = fs::metadata(bench.path("c.db")).unwrap().len();
    bench
        .fancyhwd("session delete 2 --database c.db")
        .run()
        .code(2)
        .says("cannot delete session 2: there is no terminal to ask on; confirm it with --yes");
    assert_eq!(ids(&bench), "1,2,3");
    bench
        .fancyhwd("session delete 2 --yes --database c.db")
        .run()
        .success()
        .says("session 2 of c.db with 100000 messages");
    assert_eq!(ids(&bench), "1,3");
    assert_eq!(ask(&bench, "SELECT count(*) FROM messages"), 3000);
    assert_eq!(strays(&bench), [0; 7]);
    assert_sound(&bench);
    // The room is given back, and the database is one file again.
    let after = fs::metadata(bench.path("c.db")).unwrap().len();
    assert!(after < before / 10, "{before} bytes before, {after} after");
    assert!(!bench.path("c.db-wal").exists());
    bench.fancyhwd("session delete 2 --yes --database c.db").run().code(2).says("cannot find session '2'");
    bench.fancyhwd("session delete 1 --database c.db").env("FANCYHWD_YES", "1").run().success();
    assert_eq!(ids(&bench), "3");
    assert_sound(&bench);
}

#[test]
fn ids_of_a_deleted_session_are_not_given_again() {
    let bench = Bench::new();
    for packets in [10, 20, 30] {
        capture(&bench, packets);
    }
    for id in [2, 3, 1] {
        bench.fancyhwd(&format!("session delete {id} --yes --database c.db")).run().success();
    }
    // Only the row that keeps the highest ids is left.
    assert_eq!(strays(&bench), [0, 0, 0, 0, 1, 0, 0]);
    capture(&bench, 5);
    assert_eq!(bench.sqlite3("c.db", "SELECT id, first_id, last_id FROM sessions"), "4|61|65");
    assert_sound(&bench);
    capture(&bench, 5);
    bench.fancyhwd("session delete 4 --yes --database c.db").run().success();
    assert_eq!(strays(&bench), [0; 7]);
    assert_sound(&bench);
}

#[test]
fn an_interrupted_deletion_leaves_a_database_that_can_be_recorded_into_and_is_ended_by_the_next_one() {
    let bench = Bench::new();
    capture(&bench, 1000);
    capture(&bench, 400_000);
    let deletion = bench.fancyhwd("session delete 2 --yes --database c.db").spawn();
    eventually("some of it is gone", || ask(&bench, "SELECT min(id) FROM messages WHERE id > 1000") > 1001);
    deletion.signal(Signal::KILL);
    deletion.finish();
    let left = ask(&bench, "SELECT count(*) FROM messages") - 1000;
    println!("{left} messages are left");
    assert!(left > 0, "it was too fast to be interrupted");
    assert_sound(&bench);

    capture(&bench, 500);
    assert_eq!(bench.sqlite3("c.db", "SELECT id, first_id FROM sessions WHERE id > 1"), "3|401001");
    assert_sound(&bench);
    assert_eq!(ask(&bench, "SELECT count(*) FROM messages"), 1500 + left);

    bench
        .fancyhwd("session delete 2 --yes --database c.db")
        .run()
        .success()
        .says("rows that an interrupted deletion had left");
    assert_eq!(ask(&bench, "SELECT count(*) FROM messages"), 1500);
    assert_eq!(strays(&bench), [0; 7]);
    assert_sound(&bench);
    assert!(fs::metadata(bench.path("c.db")).unwrap().len() < 1 << 20);
}

#[test]
fn a_running_session_is_not_deleted_and_others_are_while_it_is_recorded() {
    let bench = Bench::new();
    for packets in [2000, 300_000, 3000] {
        capture(&bench, packets);
    }
    let (recorder, device) = recording(&bench);
    bench
        .fancyhwd("session delete 4 --yes --database c.db")
        .run()
        .code(2)
        .says("cannot change session 4 of")
        .says("it is being recorded");
    let before = ask(&bench, "SELECT messages FROM sessions WHERE id = 4");
    bench.fancyhwd("session delete 2 --yes --database c.db").run().success();
    let during = ask(&bench, "SELECT messages FROM sessions WHERE id = 4") - before;
    println!("{during} messages were recorded meanwhile");
    assert!(during > 0);
    bench.fancyhwd("session delete 1 --yes --database c.db").run().success();
    recorder.stop().success().says(", 0 lost");
    device.stop();
    assert_eq!(ids(&bench), "3,4");
    assert_eq!(strays(&bench), [0; 7]);
    assert_eq!(ask(&bench, "SELECT count(*) FROM events WHERE kind = 'stall'"), 0);
    assert_sound(&bench);
}

#[test]
fn a_recorder_is_started_while_a_session_is_deleted() {
    let bench = Bench::new();
    capture(&bench, 400_000);
    let deletion = bench.fancyhwd("session delete 1 --yes --database c.db").spawn();
    eventually("the session is gone", || ask(&bench, "SELECT count(*) FROM sessions") == 0);
    let (recorder, device) = recording(&bench);
    deletion.finish().success();
    recorder.stop().success().says(", 0 lost");
    device.stop();
    assert_eq!(ids(&bench), "2");
    assert_eq!(ask(&bench, "SELECT first_id FROM sessions"), 400_001);
    assert_sound(&bench);
}

#[test]
fn a_session_that_a_crash_left_open_can_be_deleted() {
    let bench = Bench::new();
    capture(&bench, 10);
    let (recorder, device) = recording(&bench);
    recorder.signal(Signal::KILL);
    recorder.finish();
    drop(device);
    bench.fancyhwd("session delete 2 --yes --database c.db").run().success();
    assert_eq!(ids(&bench), "1");
    assert_sound(&bench);
}

#[test]
fn a_suspect_database_is_not_changed() {
    let bench = Bench::new();
    capture(&bench, 10);
    fs::write(bench.path("c.db-suspect"), "fsync failed\n").unwrap();
    let before = fs::read(bench.path("c.db")).unwrap();
    for change in ["label 1 x", "delete 1 --yes"] {
        let change = bench.fancyhwd(&format!("session {change} --database c.db")).run();
        change.code(1).says("it is suspect: fsync failed; copy what is needed");
    }
    assert_eq!(fs::read(bench.path("c.db")).unwrap(), before);
}

#[test]
fn a_terminal_is_asked() {
    let bench = Bench::new();
    capture(&bench, 10);
    for (answer, is_deleted) in [("n\n", false), ("\n", false), ("y\n", true)] {
        let mut child = command("script")
            .args(["-q", "-e", "-c", "fancyhwd session delete 1 --database c.db", "/dev/null"])
            .current_dir(bench.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), answer.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("Delete session 1 of c.db with 10 messages? [y/N]"), "{text}");
        assert_eq!(text.contains("nothing was deleted"), !is_deleted, "{text}");
        assert_eq!(ask(&bench, "SELECT count(*) FROM sessions"), i64::from(!is_deleted), "{answer:?}");
    }
}
