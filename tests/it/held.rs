//! Locks that others hold on the files of a recorder: those that only its owner should hold cannot be taken by others, and
//! whoever holds one that cannot be refused to him is named.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::support::allowed::not_run;
use crate::support::{Bench, Daemon, FANCYHWD, Run, built, eventually};

/// Locks each file that it can open, by flock(2), which needs no more than read access.
const FLOCK_ALL: &str = "
import fcntl, os, signal, sys
held = []
for name in sorted(os.listdir(sys.argv[1])):
    try:
        file = open(os.path.join(sys.argv[1], name), 'rb')
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held.append((name, file))
    except OSError:
        pass
print('holds', ' '.join(name for name, _ in held), flush=True)
signal.pause()
";

/// Holds a read lock on all bytes of a file, by fcntl(2), as SQLite locks them.
const READ_LOCK: &str = "
import fcntl, signal, sys
file = open(sys.argv[1], 'rb')
fcntl.lockf(file, fcntl.LOCK_SH)
print('holds', flush=True)
signal.pause()
";

/// Who is not root.
const NOBODY: u32 = 65_534;

fn as_nobody<'a>(bench: &'a Bench, program: &str) -> Run<'a> {
    let ids = ["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"];
    bench.program("setpriv").args(ids).arg(program)
}

fn read_locked(bench: &Bench, file: &str) -> Daemon {
    let locker = bench.program("/usr/bin/python3").args(["-c", READ_LOCK]).arg(bench.path(file)).spawn();
    eventually("it is locked", || locker.printed().contains("holds"));
    locker
}

fn committed(bench: &Bench, database: &str) -> i64 {
    let connection = Connection::open(bench.path(database)).unwrap();
    connection.query_row("SELECT coalesce(sum(messages), 0) FROM sessions", [], |row| row.get(0)).unwrap()
}

fn publish(bench: &Bench, endpoint: &str, options: &str) {
    let publish = "publish --on-full block --wait-subscribers 1";
    bench.fancyhwd(&format!("{publish} {options} --bind {endpoint}")).run().success();
}

#[test]
fn a_reader_who_locks_every_file_that_he_can_open_stops_no_recording() {
    let bench = Bench::new();
    // The group may read what is in it, as with the service.
    fs::create_dir(bench.path("kept")).unwrap();
    if chown(bench.path("kept"), None, Some(NOBODY)).is_err() {
        return not_run("files cannot be given to another group");
    }
    let chmod = |path: &str, mode| fs::set_permissions(bench.path(path), fs::Permissions::from_mode(mode)).unwrap();
    chmod("kept", 0o2750);
    chmod("", 0o711);
    fs::copy(built().join(FANCYHWD), bench.path("reader")).unwrap();
    let reached = as_nobody(&bench, "test").args(["-r"]).arg(bench.path("kept")).run();
    if !reached.status.success() {
        return not_run(&format!("another user cannot reach the directory: {}", reached.stderr.trim_end()));
    }
    // As an older version left it.
    fs::write(bench.path("kept/c.db-lock"), "").unwrap();
    chown(bench.path("kept/c.db-lock"), None, Some(NOBODY)).unwrap();
    chmod("kept/c.db-lock", 0o640);

    let endpoint = bench.endpoint("device");
    let record = format!("record --database kept/c.db --connect {endpoint}");
    let recorder = bench.fancyhwd(&record).start();
    publish(&bench, &endpoint, "--rate 1000 --count 10");
    eventually("the first are committed", || committed(&bench, "kept/c.db") == 10);
    recorder.wait_until_status("session 1: 10 messages");
    let lock_all = || {
        let locker = as_nobody(&bench, "/usr/bin/python3").args(["-c", FLOCK_ALL]).arg(bench.path("kept")).spawn();
        eventually("what can be locked is locked", || locker.printed().contains("holds"));
        locker
    };
    let locker = lock_all();
    let held = locker.printed();
    assert!(["c.db", "c.db-shm", "c.db-wal", "c.db-status"].iter().all(|name| held.contains(name)), "{held}");
    assert!(!held.contains("c.db-lock"), "{held}");
    // He sees all the same that it is recorded.
    let list = as_nobody(&bench, &bench.text("reader")).args(["session", "list", "--json", "--database", "kept/c.db"]);
    let list = list.run().success().stdout;
    assert!(list.contains("\"recorder\""), "{list}");
    publish(&bench, &endpoint, "--rate 1000 --count 10");
    eventually("the next are committed", || committed(&bench, "kept/c.db") == 20);
    // The devices came and went, which is no fault of his.
    recorder.stop().code(3).says("20 messages").says(", 0 lost");

    let _second = lock_all();
    let recorder = bench.fancyhwd(&record).start();
    publish(&bench, &endpoint, "--rate 1000 --count 10");
    eventually("the last are committed", || committed(&bench, "kept/c.db") == 30);
    recorder.stop().success().says("10 messages").says(", 0 lost");
    assert!(!locker.has_ended());
}

#[test]
fn a_reader_who_keeps_a_recorder_from_writing_is_named_while_the_queue_takes_what_comes() {
    const HELD: Duration = Duration::from_secs(3);
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
    publish(&bench, &endpoint, "--rate 1000 --count 10");
    eventually("the first are committed", || committed(&bench, "c.db") == 10);
    let locker = read_locked(&bench, "c.db-shm");
    let began = Instant::now();
    let who = format!("process {} (python3) holds a lock on {}", locker.pid(), bench.text("c.db-shm"));
    publish(&bench, &endpoint, "--rate max --count 5000");
    eventually("he is named", || recorder.log().contains(&who));
    println!("named after {:?}", began.elapsed());
    recorder.wait_until_status(&format!("degraded for 1 s: {who}"));
    // How long it is held is the point of the test.
    while let Some(left) = HELD.checked_sub(began.elapsed()) {
        std::thread::park_timeout(left);
    }
    drop(locker);
    eventually("all are committed", || committed(&bench, "c.db") == 5010);
    let event = "SELECT lost, until_elapsed_ns - elapsed_ns > 1e9, detail FROM events WHERE kind = 'stall'";
    eventually("it is in the ledger", || bench.sqlite3("c.db", event).starts_with(&format!("0|1|{who}")));
    // The devices came and went.
    let finished = recorder.stop().code(3).says("5010 messages").says(", 0 lost");
    assert_eq!(finished.stderr.matches("nothing can be written").count(), 1, "{}", finished.stderr);
    assert_eq!(bench.sqlite3("c.db", "SELECT count(*) FROM events WHERE kind = 'stall'"), "1");
}

#[test]
fn a_program_that_keeps_a_recorder_from_starting_is_named() {
    let bench = Bench::new();
    let record = "record --database c.db --connect tcp://127.0.0.1:1";
    bench.fancyhwd(record).start().stop().code(3);
    let locker = read_locked(&bench, "c.db");
    let who = format!("process {} (python3) holds a lock on {}", locker.pid(), bench.text("c.db"));
    bench.fancyhwd(record).run().code(1).says("cannot open database").says(&who);
    bench.fancyhwd("session list --database c.db").run().success();
    drop(locker);
    bench.fancyhwd(record).start().stop().code(3);
}

#[test]
fn a_program_that_locks_the_lock_file_is_named() {
    let bench = Bench::new();
    let record = "record --database c.db --connect tcp://127.0.0.1:1";
    fs::write(bench.path("c.db-lock"), "").unwrap();
    let locker = bench
        .program("/usr/bin/python3")
        .args(["-c", &FLOCK_ALL.replace("LOCK_EX", "LOCK_SH"), &bench.text("")])
        .spawn();
    eventually("it is locked", || locker.printed().contains("c.db-lock"));
    let who = format!("another program keeps recorders out: process {} (python3) holds", locker.pid());
    bench.fancyhwd(record).run().code(1).says(&who);
}

#[test]
fn a_reader_who_keeps_the_log_from_being_moved_is_named() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --max-use 100MiB --database c.db --connect {endpoint}")).start();
    publish(&bench, &endpoint, "--rate 1000 --count 10");
    eventually("the first are committed", || committed(&bench, "c.db") == 10);
    let reader = Connection::open(bench.path("c.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM sessions").unwrap();
    // Twice as much as the log may have with that limit.
    publish(&bench, &endpoint, "--rate max --packet-size 1000 --count 15000");
    let cannot = "the write-ahead log cannot be moved into the database";
    eventually("it is named", || recorder.log().contains(cannot));
    reader.execute_batch("COMMIT").unwrap();
    let event = "SELECT count(*) FROM events WHERE kind = 'stall' AND lost = 0 AND detail LIKE \
                 'process % holds a lock on %c.db-shm: the write-ahead log could not be moved into the database'";
    eventually("it is over", || {
        publish(&bench, &endpoint, "--rate max --count 10");
        bench.sqlite3("c.db", event) == "1"
    });
    recorder.stop().code(3).says(", 0 lost").says(&format!("process {} (", std::process::id()));
}
