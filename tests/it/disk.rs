//! Disks that fill up, files that vanish: the recording goes on, and says what happened.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rusqlite::Connection;
use rustix::process::Signal;

use fancyhwd::store::Database;

use crate::support::allowed::not_run;
use crate::support::{Bench, Daemon, eventually};

/// A small disk of its own, gone when the test ends.
pub struct SmallDisk(pub PathBuf);

impl SmallDisk {
    /// Mount it, or say that the test is not run.
    pub fn mount(bench: &Bench, size: &str) -> Option<Self> {
        let path = bench.path("disk");
        fs::create_dir(&path).unwrap();
        let options = format!("size={size}");
        let mount = bench.program("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path).run();
        if !mount.status.success() {
            not_run(&format!("a small disk cannot be mounted: {}", mount.stderr.trim_end()));
            return None;
        }
        Some(Self(path))
    }

    fn free_bytes(&self) -> u64 {
        let disk = rustix::fs::statvfs(&self.0).unwrap();
        disk.f_bavail * disk.f_frsize
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn number(database: &Path, sql: &str) -> i64 {
    Connection::open(database).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn committed(database: &Path) -> i64 {
    number(database, "SELECT coalesce(sum(messages), 0) FROM sessions")
}

/// Every session of a database agrees with its digests.
fn assert_sound(database: &Path) {
    let integrity: String =
        Connection::open(database).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(integrity, "ok", "{}", database.display());
    let database = Database::for_reading(database).unwrap();
    for session in database.sessions().unwrap() {
        assert_eq!(database.verify(&session, &mut |_| Ok(())).unwrap().damage, None, "session {}", session.id);
    }
}

#[test]
fn a_full_disk_is_waited_for_and_the_loss_is_exact() {
    const SENT: i64 = 300_000;
    let bench = Bench::new();
    let Some(disk) = SmallDisk::mount(&bench, "2m") else { return };
    let filler = disk.0.join("filler");
    let endpoint = bench.endpoint("device");
    let database = disk.0.join("c.db");
    let line = format!("record --queue 1MiB --database {} --connect {endpoint}", database.display());
    let recorder = bench.fancyhwd(&line).start();
    fs::write(&filler, vec![0; disk.free_bytes() as usize - (400 << 10)]).unwrap();

    let publish = "publish --rate max --on-full block --wait-subscribers 1";
    bench.fancyhwd(&format!("{publish} --count {SENT} --bind {endpoint}")).run().success();
    eventually("the full disk is reported", || recorder.log().contains("trying again each second"));
    recorder.wait_until_status("degraded for");

    // The disk grows: the filler alone would leave too little room for the write-ahead log and the database.
    let began = Instant::now();
    let grow = ["-t", "tmpfs", "-o", "remount,size=64m", "tmpfs"];
    let grown = Command::new("mount").args(grow).arg(&disk.0).status().unwrap();
    assert!(grown.success());
    fs::remove_file(&filler).unwrap();
    eventually("what was kept is written", || {
        number(&database, "SELECT count(*) FROM events WHERE kind = 'disk-full'") > 0
    });
    println!("written again after {:?}", began.elapsed());
    assert!(began.elapsed().as_secs() < 10);
    let finished = recorder.stop().code(3).says("disk-full up to");

    let stored = committed(&database);
    let lost = number(&database, "SELECT sum(lost) FROM events");
    println!("stored {stored}, lost {lost}");
    assert!(lost > 0, "the queue of 1 MiB cannot have kept everything");
    assert_eq!(stored + lost, SENT);
    assert_eq!(number(&database, "SELECT lost FROM sessions"), lost);
    assert!(finished.stderr.contains(&format!(", {lost} lost, queue at most")), "{}", finished.stderr);
    assert_sound(&database);
    let shown = bench.fancyhwd(&format!("session show --database {}", database.display())).run().success().stdout;
    assert!(shown.contains("disk-full, 0 lost") && shown.contains("overflow"), "{shown}");
}

/// Record on a disk that is full, until what `options` say or `end` asks for. Every packet is stored or counted with its
/// interval and cause, and the end comes soon.
fn end_on_full_disk(options: &str, sent: i64, end: impl FnOnce(&Daemon)) {
    let bench = Bench::new();
    let Some(disk) = SmallDisk::mount(&bench, "2m") else { return };
    let endpoint = bench.endpoint("device");
    let database = disk.0.join("c.db");
    let line = format!("record {options} --database {} --connect {endpoint}", database.display());
    let recorder = bench.fancyhwd(&line).start();
    fs::write(disk.0.join("filler"), vec![0; disk.free_bytes() as usize - (300 << 10)]).unwrap();
    let publish = "publish --rate max --on-full block --wait-subscribers 1 --count";
    let device = bench.fancyhwd(&format!("{publish} {sent} --bind {endpoint}")).spawn();
    eventually("the full disk is reported", || recorder.log().contains("trying again each second"));
    // A device that is made to wait is killed at the end.
    let _waits = if options.contains("block") {
        Some(device)
    } else {
        device.finish().success();
        None
    };
    let began = Instant::now();
    end(&recorder);
    let finished = recorder.finish().code(1).says("disk is full");
    println!("{options}: ended {:?} after the full disk was reported", began.elapsed());
    // Ten times what it takes, and a fifth of what a disk that stays full would have it wait.
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    let (stored, lost) = (committed(&database), number(&database, "SELECT sum(lost) FROM events"));
    assert_eq!(number(&database, "SELECT lost FROM sessions"), lost);
    assert!(finished.stderr.contains(&format!("recorded session 1: {stored} messages")), "{}", finished.stderr);
    assert!(finished.stderr.contains(&format!(", {lost} lost")), "{}", finished.stderr);
    // A device that is made to wait keeps what was not taken from it.
    let is_all = if options.contains("block") { stored + lost < sent } else { stored + lost == sent };
    assert!(is_all, "{}", finished.stderr);
    let event = "SELECT count(*) FROM events WHERE kind = 'disk-full' AND lost > 0 AND until_elapsed_ns > elapsed_ns \
                 AND detail LIKE '%full%'";
    assert_eq!(number(&database, event), 1);
    assert_eq!(bench.sqlite3("disk/c.db", "SELECT end_reason FROM sessions"), "disk-full");
    assert_sound(&database);
}

#[test]
fn a_recording_on_a_full_disk_ends_when_its_time_is_over() {
    end_on_full_disk("--duration 3s", 20_000, |_| ());
}

#[test]
fn a_recording_on_a_full_disk_ends_when_its_time_is_over_also_where_the_device_is_made_to_wait() {
    // One batch waits for the disk, one in the queue, and one for the queue.
    end_on_full_disk("--duration 3s --queue 1MiB --on-full block", 1_000_000, |_| ());
}

#[test]
fn a_recording_on_a_full_disk_ends_with_its_count() {
    end_on_full_disk("--count 20000", 20_000, |_| ());
}

#[test]
fn a_recording_on_a_full_disk_ends_on_request() {
    end_on_full_disk("", 20_000, |recorder| recorder.signal(Signal::TERM));
}

/// A recorder of a device that sends 1,000 packets a second, with some of them committed in `c.db`.
fn recording(bench: &Bench) -> (Daemon, Daemon) {
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start();
    let device = bench.fancyhwd(&format!("publish --rate 1000 --wait-subscribers 1 --bind {endpoint}")).start();
    eventually("packets are committed", || committed(&bench.path("c.db")) > 0);
    (device, recorder)
}

fn goes_on(bench: &Bench, file: &str) {
    let path = bench.path(file);
    eventually("the recording goes on in another file", || path.exists());
    eventually("packets are committed there", || {
        let sessions = "SELECT count(*) FROM sqlite_schema WHERE name = 'sessions'";
        number(&path, sessions) == 1 && committed(&path) > 100
    });
}

#[test]
fn a_database_that_is_renamed_is_ended_and_followed_by_another_without_a_gap() {
    let bench = Bench::new();
    let (device, recorder) = recording(&bench);
    fs::rename(bench.path("c.db"), bench.path("kept.db")).unwrap();
    goes_on(&bench, "c.1.db");
    recorder.stop().success().says("c.db was renamed or replaced").says("recorded session 1 of").says("c.1.db: ");
    device.stop();
    // The renamed file has all of its packets, without the log that stayed under the old name.
    assert_sound(&bench.path("kept.db"));
    assert_sound(&bench.path("c.1.db"));
    assert_eq!(bench.sqlite3("kept.db", "SELECT end_reason FROM sessions"), "failed");
    assert_eq!(bench.sqlite3("c.1.db", "SELECT end_reason FROM sessions"), "stopped");
    for file in ["kept.db", "c.1.db"] {
        assert_eq!(bench.sqlite3(file, "SELECT count(*) FROM events WHERE kind = 'moved' AND lost = 0"), "1");
    }
    // The times go on as if nothing had happened: 1 ms from the last packet here to the first there.
    let last = number(&bench.path("kept.db"), "SELECT max(elapsed_ns) FROM messages");
    let first = number(&bench.path("c.1.db"), "SELECT min(elapsed_ns) FROM messages");
    assert!((1..500_000_000).contains(&(first - last)), "{} ns apart", first - last);
    let started = "SELECT started_unix_ns FROM sessions";
    assert_eq!(bench.sqlite3("kept.db", started), bench.sqlite3("c.1.db", started));
    let payloads = |file: &str| -> Vec<Vec<u8>> {
        let connection = Connection::open(bench.path(file)).unwrap();
        let mut statement = connection.prepare("SELECT payload FROM messages ORDER BY id").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let mut simulated = fancyhwd::device::Simulated::new(12345);
    for (number, payload) in payloads("kept.db").into_iter().chain(payloads("c.1.db")).enumerate() {
        let expected: Vec<i16> = (0..16).map(|_| simulated.rand() as i16).collect();
        assert!(crate::support::samples(&payload).eq(expected), "packet {number} is missing or not in order");
    }
}

#[test]
fn a_database_that_is_deleted_is_noticed_and_the_loss_is_said() {
    let bench = Bench::new();
    let (device, recorder) = recording(&bench);
    for file in ["c.db", "c.db-wal", "c.db-shm"] {
        fs::remove_file(bench.path(file)).unwrap();
    }
    goes_on(&bench, "c.1.db");
    recorder.stop().code(3).says("was deleted with all that was in it").says("1 files in doubt");
    device.stop();
    assert_sound(&bench.path("c.1.db"));
    let events = "SELECT count(*) FROM events WHERE kind = 'moved' AND lost IS NULL AND detail LIKE '%deleted%'";
    assert_eq!(bench.sqlite3("c.1.db", events), "1");
    assert!(!bench.path("c.db").exists());
}

#[test]
fn a_database_that_is_replaced_is_left_alone() {
    let bench = Bench::new();
    bench.fancyhwd("record --database other.db --duration 1ms --connect tcp://127.0.0.1:1").run().code(3);
    let (device, recorder) = recording(&bench);
    let other = fs::read(bench.path("other.db")).unwrap();
    fs::rename(bench.path("other.db"), bench.path("c.db")).unwrap();
    goes_on(&bench, "c.1.db");
    recorder.signal(Signal::INT);
    // What was in the replaced file has no name any more.
    recorder.finish().code(3);
    device.stop();
    assert_eq!(fs::read(bench.path("c.db")).unwrap(), other);
    assert_sound(&bench.path("c.1.db"));
}

#[test]
fn a_suspect_database_is_not_recorded_into() {
    let bench = Bench::new();
    let record = "record --database c.db --duration 1ms --connect tcp://127.0.0.1:1";
    bench.fancyhwd(record).run().code(3);
    fs::write(bench.path("c.db-suspect"), "fsync failed\n").unwrap();
    let before = fs::read(bench.path("c.db")).unwrap();
    bench.fancyhwd(record).run().code(3).says("c.db is not recorded into: it is suspect: fsync failed; recording into");
    bench.fancyhwd(record).run().code(3);
    assert_eq!(fs::read(bench.path("c.db")).unwrap(), before);
    assert_eq!(bench.sqlite3("c.1.db", "SELECT count(*) FROM sessions"), "2");
    bench.fancyhwd("session list --database c.db").run().success().says("c.db is suspect: fsync failed");
}

fn size_of_files(bench: &Bench) -> u64 {
    ["c.db", "c.db-wal", "c.db-shm"]
        .iter()
        .filter_map(|file| fs::metadata(bench.path(file)).ok())
        .map(|file| file.len())
        .sum()
}

#[test]
fn the_oldest_sessions_are_deleted_to_stay_within_a_limit() {
    const SENT: usize = 2_000_000;
    const SESSION_MAX_PACKETS: i64 = 100_000;
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let options = "--max-use 48MiB --split-every 4MiB --on-full block --durability normal";
    let recorder =
        bench.fancyhwd(&format!("record {options} --count {SENT} --database c.db --connect {endpoint}")).start();
    let publish = "publish --rate max --on-full block --wait-subscribers 1";
    let device = bench.fancyhwd(&format!("{publish} --count {SENT} --bind {endpoint}")).spawn();
    let mut most_bytes = 0;
    eventually("all packets came", || {
        most_bytes = most_bytes.max(size_of_files(&bench));
        recorder.log().contains("recorded session")
    });
    device.finish().success();
    recorder.finish().success().says("was deleted to make room").says(", 0 lost");
    println!("at most {most_bytes} bytes on disk");
    assert!(most_bytes <= 48 << 20);
    assert_sound(&bench.path("c.db"));
    let database = bench.path("c.db");
    // The end may come between two steps of a deletion. What these leave is of one session, and the next deletion ends it.
    let rest = "SELECT count(*) FROM messages WHERE id < (SELECT min(first_id) FROM sessions)";
    assert!(number(&database, rest) < SESSION_MAX_PACKETS);
    let oldest = number(&database, "SELECT min(id) FROM sessions");
    bench.fancyhwd(&format!("session delete {oldest} --yes --database c.db")).run().success();
    // What is left are the last sessions, whole and one after the other, and nothing of the others.
    let sessions = number(&database, "SELECT count(*) FROM sessions");
    let first = number(&database, "SELECT min(first_id) FROM sessions");
    assert!(sessions > 2 && first > 1_000_000, "{sessions} sessions from id {first}");
    assert_eq!(number(&database, "SELECT max(id) FROM messages"), SENT as i64);
    assert_eq!(number(&database, "SELECT count(*) FROM messages"), SENT as i64 - first + 1);
    for table in ["batches", "events"] {
        let strays = format!("SELECT count(*) FROM {table} WHERE session_id NOT IN (SELECT id FROM sessions)");
        assert_eq!(number(&database, &strays), 0, "{table}");
    }
    assert!(number(&database, "SELECT count(*) FROM events WHERE kind = 'deleted' AND lost = 0") > 0);
}

#[test]
fn a_limit_that_one_session_uses_up_ends_the_recording_with_its_reason() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let publish = "publish --rate max --on-full block --wait-subscribers 1";
    let device = bench.fancyhwd(&format!("{publish} --bind {endpoint}")).start();
    bench
        .fancyhwd(&format!("record --max-use 48MiB --database c.db --connect {endpoint}"))
        .run()
        .code(1)
        .says("cannot go on recording into")
        .says("used up by this session alone; give it more, or let --split-every")
        .says(", 0 lost");
    drop(device);
    assert_eq!(bench.sqlite3("c.db", "SELECT end_reason FROM sessions"), "disk-full");
    assert!(size_of_files(&bench) > 20 << 20);
    assert_sound(&bench.path("c.db"));
}

#[test]
fn the_oldest_sessions_are_deleted_to_keep_the_disk_free() {
    let bench = Bench::new();
    let Some(disk) = SmallDisk::mount(&bench, "100m") else { return };
    let endpoint = bench.endpoint("device");
    let database = disk.0.join("c.db");
    let publish = "publish --rate max --on-full block --wait-subscribers 1 --count 400000";
    for _ in 0..2 {
        let record = format!("record --count 400000 --database {} --connect {endpoint}", database.display());
        let recorder = bench.fancyhwd(&record).start();
        bench.fancyhwd(&format!("{publish} --bind {endpoint}")).run().success();
        recorder.finish().success();
    }
    let size_bytes = fs::metadata(&database).unwrap().len();
    // Somebody else takes room: the older session must go, and its room is given back.
    let record = format!("record --keep-free 30MiB --database {} --connect {endpoint}", database.display());
    let recorder = bench.fancyhwd(&record).start();
    fs::write(disk.0.join("filler"), vec![0; disk.free_bytes() as usize - (25 << 20)]).unwrap();
    eventually("there is room again", || disk.free_bytes() >= 30 << 20);
    recorder.stop().code(3).says("session 1 of").says("was deleted to make room");
    println!("{size_bytes} bytes before, {} after", fs::metadata(&database).unwrap().len());
    assert_eq!(number(&database, "SELECT min(id) FROM sessions"), 2);
    assert_eq!(committed(&database), 400_000);
    assert_sound(&database);
}

#[test]
fn a_database_that_is_deleted_just_before_the_end_is_not_called_recorded() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --count 20 --connect {endpoint}")).start();
    let publish = "publish --rate max --wait-subscribers 1 --count 10";
    bench.fancyhwd(&format!("{publish} --bind {endpoint}")).run().success();
    eventually("packets are committed", || committed(&bench.path("c.db")) == 10);
    fs::remove_file(bench.path("c.db")).unwrap();
    recorder.stop().code(3).says("was deleted");
}

#[test]
fn a_log_whose_database_was_moved_away_is_not_destroyed() {
    let bench = Bench::new();
    let (device, recorder) = recording(&bench);
    recorder.signal(Signal::KILL);
    recorder.finish();
    device.stop();
    fs::rename(bench.path("c.db"), bench.path("kept.db")).unwrap();
    let log = fs::read(bench.path("c.db-wal")).unwrap();
    bench
        .fancyhwd("record --database c.db --duration 1ms --connect tcp://127.0.0.1:1")
        .run()
        .code(3)
        .says("c.db-wal belongs to a database that is not there any more; recording into");
    assert_eq!(fs::read(bench.path("c.db-wal")).unwrap(), log);
    fs::rename(bench.path("c.db-wal"), bench.path("kept.db-wal")).unwrap();
    assert!(committed(&bench.path("kept.db")) > 0);
}

#[test]
fn a_session_that_grows_beyond_its_room_while_the_next_one_waits_is_no_success() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let publish = "publish --rate max --on-full block --wait-subscribers 1";
    let device = bench.fancyhwd(&format!("{publish} --bind {endpoint}")).start();
    let options = "--max-use 32MiB --split-every 28MB --durability normal --on-full block";
    bench.fancyhwd(&format!("record {options} --database c.db --connect {endpoint}")).run().code(1).says(", 0 lost");
    drop(device);
    assert_eq!(bench.sqlite3("c.db", "SELECT end_reason FROM sessions ORDER BY id DESC LIMIT 1"), "disk-full");
}

#[test]
fn no_session_is_deleted_in_vain() {
    let bench = Bench::new();
    let Some(disk) = SmallDisk::mount(&bench, "100m") else { return };
    let database = disk.0.join("c.db");
    let once = format!("record --database {} --duration 1ms --connect tcp://127.0.0.1:1", database.display());
    bench.fancyhwd(&format!("{once} --keep-free 100MiB")).run().code(2).says("the disk has not so much room at all");
    bench.fancyhwd(&once).run().code(3);
    // Others have filled the disk: all of our sessions together could not make that room.
    fs::write(disk.0.join("filler"), vec![0; disk.free_bytes() as usize - (20 << 20)]).unwrap();
    let record = format!("record --keep-free 80MiB --database {} --connect tcp://127.0.0.1:1", database.display());
    let recorder = bench.fancyhwd(&record).start();
    eventually("it is said", || recorder.log().contains("deleting sessions cannot make it"));
    recorder.stop().code(3);
    assert_eq!(number(&database, "SELECT count(*) FROM sessions"), 2);
}

#[test]
fn while_somebody_reads_no_more_is_deleted_than_helps() {
    let bench = Bench::new();
    let Some(disk) = SmallDisk::mount(&bench, "200m") else { return };
    let endpoint = bench.endpoint("device");
    let database = disk.0.join("c.db");
    let publish = "publish --rate max --on-full block --wait-subscribers 1 --count 600000";
    let record = format!("record --database {} --split-every 8MiB --connect {endpoint}", database.display());
    let recorder = bench.fancyhwd(&format!("{record} --count 600000")).start();
    bench.fancyhwd(&format!("{publish} --bind {endpoint}")).run().success();
    recorder.finish().success();
    let sessions = "SELECT count(*) FROM sessions";
    let before = number(&database, sessions);

    let reader = Connection::open(&database).unwrap();
    reader.execute_batch("PRAGMA journal_mode = WAL; BEGIN; SELECT count(*) FROM sessions;").unwrap();
    fs::write(disk.0.join("filler"), vec![0; disk.free_bytes() as usize - (45 << 20)]).unwrap();
    let recorder = bench.fancyhwd(&format!("{record} --keep-free 50MiB")).start();
    recorder.wait_until_status("session ");
    recorder.wait_until_status("session ");
    assert!(number(&database, sessions) >= before, "deleted although nothing could be given back");
    reader.execute_batch("COMMIT").unwrap();
    eventually("there is room again", || disk.free_bytes() >= 50 << 20);
    recorder.stop().code(3);
    assert!(number(&database, sessions) >= before - 2, "more was deleted than was needed");
    assert_sound(&database);
}
