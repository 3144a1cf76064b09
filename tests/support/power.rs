//! Power cuts: what is left of a recording when everything that was not synced may be gone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use rustix::process::Signal;

use fancyhwd::device::Simulated;
use fancyhwd::store::Database;

use super::allowed::not_run;
use super::kill::{assert_no_session_has_a_hole, published, seeded};
use super::{Bench, FANCYHWD, Finished, root};

/// The commit interval.
const INTERVAL_S: f64 = 0.1;

/// What `--durability normal` may add, as the manual says.
const NORMAL_S: f64 = 5.0;

/// Beside what was measured: messages are a tenth of a millisecond apart, and clocks are read one after the other.
const MEASURING_ERROR_S: f64 = 0.01;

/// What happened to a file.
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate(usize),
}

/// A file as the disk has it, and what was not synced since.
#[derive(Default)]
struct Synced {
    bytes: Vec<u8>,
    since: Vec<Change>,
    /// Whether the directory has its name for sure.
    is_named: bool,
}

/// A call that a recorder made, as strace tells of it.
struct Call {
    ended_s: f64,
    name: String,
    /// What stands between the brackets.
    arguments: String,
}

/// Record 10,000 packets a second, `runs` times, and cut the power at `cuts` random moments of each run: of what was not
/// synced, any part may be on the disk. What is left is a prefix without a hole, and as much is lost as the recorder says.
pub fn cut_traced(runs: usize, cuts: usize, durability: &str) {
    let mut random = seeded();
    let mut losses_s = Vec::new();
    for _ in 0..runs {
        let bench = Bench::new();
        fs::create_dir(bench.path("disk")).unwrap();
        let finished = record_traced(&bench, durability);
        let calls = calls(&bench);
        let reference = stamps(&bench.path("disk/c.db"));
        let (within_s, sync_s) = (on_disk_within_s(&finished.stderr), longest_sync_s(&finished.stderr));
        let first_s = seconds(reference[0]);
        for cut in 0..cuts {
            let last_s = calls.last().unwrap().ended_s;
            let cut_s = first_s + (last_s - first_s) * f64::from(random.rand() % 1_000_000) / 1e6;
            let left = bench.path(&format!("left{cut}"));
            fs::create_dir(&left).unwrap();
            leave(&calls, cut_s, &mut random, &left);
            let stored = assert_sound(&left.join("c.db"));
            assert_eq!(stored, reference[..stored.len()], "a prefix");
            let came = reference.iter().filter(|&&unix_ns| seconds(unix_ns) <= cut_s).count();
            let loss_s = if came > stored.len() { cut_s - seconds(reference[stored.len()]) } else { 0.0 };
            assert!(loss_s <= within_s + MEASURING_ERROR_S, "{loss_s} s are gone: {}", finished.stderr);
            losses_s.push((loss_s, sync_s));
        }
    }
    tell(&losses_s, durability);
}

/// Record on an ext4 file system of its own, and shut that down at a random moment, `cuts` times.
pub fn cut_ext4(cuts: usize, durability: &str) {
    let mut random = seeded();
    let mut losses_s = Vec::new();
    for _ in 0..cuts {
        let bench = Bench::new();
        let Some(disk) = LoopDisk::make(&bench) else { return };
        let endpoint = bench.endpoint("device");
        let record = format!("record --database disk/c.db --durability {durability} --connect {endpoint}");
        let recorder = bench.fancyhwd(&record).start();
        let publish = format!("publish --rate 10000 --wait-subscribers 1 --bind {endpoint}");
        let device = bench.fancyhwd(&publish).start();
        // The moment is the point of the test, not a way to wait for something.
        std::thread::park_timeout(Duration::from_millis(500 + u64::from(random.rand() % 4500)));
        let cut_unix_ns: i64 = disk.cut().parse().unwrap();
        recorder.signal(Signal::TERM);
        let finished = recorder.finish();
        let published_packets = published(&device.stop());
        disk.mount_again();
        let stored = assert_sound(&bench.path("disk/c.db"));
        assert_no_session_has_a_hole(&bench, "disk/c.db", published_packets);
        let last_unix_ns = stored.last().copied().unwrap_or_else(|| started_unix_ns(&bench.path("disk/c.db")));
        let loss_s = seconds(cut_unix_ns - last_unix_ns);
        let sync_s = longest_sync_s(&finished.stderr);
        let bound_s = INTERVAL_S + sync_s + if durability == "normal" { NORMAL_S } else { 0.0 };
        assert!(loss_s <= bound_s + MEASURING_ERROR_S, "{loss_s} s are gone: {}", finished.stderr);
        losses_s.push((loss_s, sync_s));
    }
    tell(&losses_s, durability);
}

fn tell(losses_s: &[(f64, f64)], durability: &str) {
    let most = losses_s.iter().copied().max_by(|one, other| one.0.total_cmp(&other.0)).unwrap();
    let above = losses_s.iter().map(|(loss_s, sync_s)| loss_s - INTERVAL_S - sync_s).filter(|above_s| *above_s > 0.0);
    let (cuts, loss_s, sync_s) = (losses_s.len(), most.0, most.1);
    println!("{durability}: {cuts} power cuts, at most {loss_s:.3} s gone (longest sync of that run {sync_s:.3} s)");
    println!(
        "{} of them above the commit interval and the longest sync of their run, by {:.3} s at most",
        above.clone().count(),
        above.fold(0.0, f64::max)
    );
}

/// What a summary or a status says was not on the disk for the longest time, in seconds.
pub fn on_disk_within_s(said: &str) -> f64 {
    number_behind(said, "on disk within ")
}

/// What a summary or a status says the longest sync took, in seconds.
pub fn longest_sync_s(said: &str) -> f64 {
    number_behind(said, "(longest sync ")
}

fn number_behind(said: &str, words: &str) -> f64 {
    let number = said.rsplit_once(words).and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no '{words}' in {said}"))
}

/// When the packets of the only session came, on the wall clock. It must be as it was recorded.
fn assert_sound(path: &Path) -> Vec<i64> {
    let database = Database::for_reading(path).unwrap();
    let sessions = database.sessions().unwrap();
    assert_eq!(sessions.len(), 1, "the session is there");
    assert_eq!(database.verify(&sessions[0], &mut |_| Ok(())).unwrap().damage, None);
    stamps(path)
}

fn stamps(path: &Path) -> Vec<i64> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT received_unix_ns FROM messages ORDER BY id").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn started_unix_ns(path: &Path) -> i64 {
    Connection::open(path).unwrap().query_row("SELECT started_unix_ns FROM sessions", [], |row| row.get(0)).unwrap()
}

fn seconds(ns: i64) -> f64 {
    ns as f64 / 1e9
}

/// Record for two seconds, or for longer than what is not synced may last, with all that is written in files that begin with
/// `trace`.
fn record_traced(bench: &Bench, durability: &str) -> Finished {
    let packets = if durability == "normal" { 70_000 } else { 20_000 };
    let endpoint = bench.endpoint("device");
    let record =
        format!("record --database disk/c.db --durability {durability} --count {packets} --connect {endpoint}");
    let trace = "trace=pwrite64,ftruncate,fsync,fdatasync,unlink,openat";
    let strace =
        bench.program("strace").args(["-ff", "-y", "-xx", "-s", "100000", "-ttt", "-T", "-o", "trace", "-e", trace]);
    let recorder = strace.arg(FANCYHWD).args(record.split(' ')).start();
    let publish = format!("publish --rate 10000 --wait-subscribers 1 --count {packets} --bind {endpoint}");
    bench.fancyhwd(&publish).run().success();
    recorder.finish().success()
}

/// All calls of all threads, in the order in which they ended.
fn calls(bench: &Bench) -> Vec<Call> {
    let is_trace = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("trace.");
    let traces = fs::read_dir(bench.path("")).unwrap().map(|entry| entry.unwrap().path()).filter(is_trace);
    let texts: Vec<String> = traces.map(|trace| fs::read_to_string(trace).unwrap()).collect();
    let mut calls: Vec<Call> = texts.iter().flat_map(|text| text.lines()).filter_map(parse).collect();
    calls.sort_by(|one, other| one.ended_s.total_cmp(&other.ended_s));
    calls
}

/// `1795661126.258116 fsync(11<...>) = 0 <0.005435>`; nothing for what failed.
fn parse(line: &str) -> Option<Call> {
    let (began_s, rest) = line.split_once(' ')?;
    let (name, rest) = rest.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(") = ")?;
    let took_s = result.rsplit_once('<')?.1.trim_end_matches('>');
    let ended_s = began_s.parse::<f64>().ok()? + took_s.parse::<f64>().ok()?;
    (!result.starts_with('-')).then(|| Call { ended_s, name: name.to_owned(), arguments: arguments.to_owned() })
}

/// The bytes of `\x2f\x74`.
fn bytes(hex: &str) -> Vec<u8> {
    hex.split("\\x").skip(1).map(|digits| u8::from_str_radix(&digits[..2], 16).unwrap()).collect()
}

/// What stands between two marks, and what follows.
fn between<'a>(text: &'a str, open: &str, close: &str) -> (&'a str, &'a str) {
    text.split_once(open).and_then(|(_, rest)| rest.split_once(close)).unwrap_or(("", ""))
}

/// Put what the disk has after a cut at `cut_s` into `left`.
fn leave(calls: &[Call], cut_s: f64, random: &mut Simulated, left: &Path) {
    let mut files: BTreeMap<String, Synced> = BTreeMap::new();
    for call in calls.iter().take_while(|call| call.ended_s <= cut_s) {
        let (mark, close) = if matches!(call.name.as_str(), "unlink" | "openat") { ("\"", "\"") } else { ("<", ">") };
        let (path, rest) = between(&call.arguments, mark, close);
        let path = String::from_utf8(bytes(path)).unwrap();
        let Some(name) = path.rsplit_once("disk/c.db").map(|(_, ending)| format!("c.db{ending}")) else {
            if call.name == "fsync" && path.ends_with("/disk") {
                files.values_mut().for_each(|file| file.is_named = true);
            }
            continue;
        };
        match call.name.as_str() {
            "unlink" => {
                files.remove(&name);
            }
            "openat" => {
                files.entry(name).or_default();
            }
            "pwrite64" => {
                let (content, rest) = between(rest, "\"", "\"");
                let at = rest.rsplit(' ').next().unwrap().parse().unwrap();
                files.entry(name).or_default().since.push(Change::Write { at, bytes: bytes(content) });
            }
            "ftruncate" => {
                let length: usize = rest.trim_start_matches([',', ' ']).parse().unwrap();
                files.entry(name).or_default().since.push(Change::Truncate(length));
            }
            _ => files.entry(name).or_default().sync(),
        }
    }
    // The index of the log is memory that is shared: it is made anew.
    files.remove("c.db-shm");
    for (name, mut file) in files {
        let is_lost = !file.is_named && random.rand().is_multiple_of(2);
        if !is_lost {
            file.since.retain(|_| random.rand().is_multiple_of(2));
            file.sync();
            fs::write(left.join(name), file.bytes).unwrap();
        }
    }
}

impl Synced {
    fn sync(&mut self) {
        for change in self.since.drain(..) {
            match change {
                Change::Truncate(length) => self.bytes.resize(length, 0),
                Change::Write { at, bytes } => {
                    self.bytes.resize(self.bytes.len().max(at + bytes.len()), 0);
                    self.bytes[at..at + bytes.len()].copy_from_slice(&bytes);
                }
            }
        }
    }
}

/// An ext4 file system in a file, mounted as `disk`.
struct LoopDisk {
    image: PathBuf,
    path: PathBuf,
}

impl LoopDisk {
    /// Make and mount it, or say that the test is not run.
    fn make(bench: &Bench) -> Option<Self> {
        let disk = Self { image: bench.path("image"), path: bench.path("disk") };
        fs::File::create(&disk.image).unwrap().set_len(64 << 20).unwrap();
        fs::create_dir(&disk.path).unwrap();
        succeed(Command::new("/sbin/mkfs.ext4").args(["-q", "-F"]).arg(&disk.image)).unwrap();
        match disk.mount() {
            Ok(()) => Some(disk),
            Err(cause) => {
                not_run(&format!("an ext4 file system cannot be mounted: {cause}"));
                None
            }
        }
    }

    fn mount(&self) -> Result<(), String> {
        succeed(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.path))
    }

    /// Cut its power. Gives the moment.
    fn cut(&self) -> String {
        let script = root().join("tests/peers/cut_power.py");
        let output = Command::new("/usr/bin/python3").arg(script).arg(&self.path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn mount_again(&self) {
        succeed(Command::new("umount").arg(&self.path)).unwrap();
        self.mount().unwrap();
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let output = command.output().unwrap();
    output.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&output.stderr).trim_end().to_owned())
}
