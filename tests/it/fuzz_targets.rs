//! The fuzz targets, with inputs that are changed at random: what `cargo fuzz` does better, but with a nightly compiler only.
//!
//! `FUZZ_SECONDS` lets each go on for so long: `make fuzz`. An input that breaks a rule is kept, and is tried again each time when
//! it is put into `fuzz/corpus/TARGET/`.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fancyhwd::device::Simulated;
use fancyhwd::store::Database;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::support::hostile::capture;
use crate::support::kill::seeded;
use crate::support::{Bench, root};

#[path = "../../fuzz/src/lib.rs"]
mod targets;

/// An input of a target is no longer than this; a database may be longer by itself.
const INPUT_MAX_BYTES: usize = 4096;

/// When one input counts as hanging. Other tests may keep the machine busy.
const INPUT_MAX: Duration = Duration::from_secs(60);

/// The memory that all may take, where a target runs alone.
const MEMORY_MAX_BYTES: u64 = 1 << 30;

/// What is put into inputs beside noise.
const WORDS: [&[u8]; 48] = [
    b"int16",
    b"int24-be",
    b"float64",
    b"uint32",
    b"uint8",
    b"padx",
    b"x65536",
    b"json",
    b"text",
    b"bytes",
    b"ndarray",
    b"json:n",
    b"+",
    b",",
    b"/",
    b"x2",
    b"@",
    b"@0",
    b"@1:",
    b"/2",
    b"ch0 > ",
    b"ch1 != -1.5",
    b" and ",
    b" or ",
    b"gap > 5ns",
    b"text ~ ",
    b"(",
    b")",
    b"\n",
    b"\r\n",
    b"#",
    b"=",
    b"\"",
    b"public-key = \"",
    b"secret-key = '",
    b"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID",
    b"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs",
    b"fancyhw_data",
    b"topic ",
    b"{\"n\": 7}",
    b"CURVE",
    b"1.0",
    b"\0",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x01\x01\x01\x01",
    b"\0\0\0\0\0\0\0\0",
    b"SQLite format 3\0",
];

/// Makes inputs of others.
struct Mutator {
    random: Simulated,
    corpus: Vec<Vec<u8>>,
}

impl Mutator {
    fn below(&mut self, bound: usize) -> usize {
        self.random.rand() as usize % bound.max(1)
    }

    fn noise(&mut self, most: usize) -> Vec<u8> {
        let count = self.below(most);
        (0..count).map(|_| self.below(256) as u8).collect()
    }

    fn piece(&mut self, of: &[u8]) -> Vec<u8> {
        let from = self.below(of.len());
        let count = self.below(of.len() - from + 1);
        of[from..from + count].to_vec()
    }

    fn next(&mut self) -> Vec<u8> {
        if self.below(4) == 0 {
            return self.noise(400);
        }
        let which = self.below(self.corpus.len());
        let mut input = self.corpus[which].clone();
        let most = INPUT_MAX_BYTES.max(input.len());
        for _ in 0..=self.below(8) {
            let at = self.below(input.len() + 1);
            let put = match self.below(6) {
                0 | 1 if at < input.len() => {
                    input[at] = self.below(256) as u8;
                    continue;
                }
                2 if at < input.len() => {
                    let end = (at + self.below(64)).min(input.len());
                    input.drain(at..end);
                    continue;
                }
                3 => self.noise(16),
                4 => {
                    let other = self.below(self.corpus.len());
                    let other = self.corpus[other].clone();
                    self.piece(&other)
                }
                _ => WORDS[self.below(WORDS.len())].to_vec(),
            };
            input.splice(at..at, put);
        }
        input.truncate(most);
        input
    }
}

/// Run a target with what is in its corpus, and with so many inputs that are made of that.
fn drive(name: &'static str, target: fn(&[u8]), count: u64) {
    let folder = root().join("fuzz/corpus").join(name);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let corpus: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(!corpus.is_empty(), "{} is empty", folder.display());
    let mut mutator = Mutator { random: seeded(), corpus: corpus.clone() };
    let seconds = std::env::var("FUZZ_SECONDS").ok().map(|seconds| Duration::from_secs(seconds.parse().unwrap()));
    if seconds.is_some() {
        setrlimit(Resource::Data, Rlimit { current: Some(MEMORY_MAX_BYTES), maximum: Some(MEMORY_MAX_BYTES) }).unwrap();
    }
    let (done, is_done) = mpsc::channel();
    let tried = Arc::new(Mutex::new(Vec::new()));
    let last = Arc::clone(&tried);
    let worker = thread::spawn(move || {
        let (started, mut number) = (Instant::now(), 0);
        let made = std::iter::from_fn(|| {
            number += 1;
            let goes_on = seconds.map_or(number <= count, |seconds| started.elapsed() < seconds);
            goes_on.then(|| mutator.next())
        });
        for input in corpus.into_iter().chain(made) {
            input.clone_into(&mut last.lock().unwrap());
            target(&input);
            done.send(()).unwrap();
        }
        started.elapsed()
    });
    let mut runs = 0_u64;
    let what = loop {
        match is_done.recv_timeout(INPUT_MAX) {
            Ok(()) => runs += 1,
            Err(RecvTimeoutError::Timeout) => break "it finds no end".to_owned(),
            Err(RecvTimeoutError::Disconnected) => match worker.join() {
                Ok(took) => {
                    println!("{name}: {runs} inputs in {:.1} s", took.as_secs_f64());
                    return;
                }
                Err(panic) => break panic.downcast_ref::<String>().cloned().unwrap_or_default(),
            },
        }
    };
    let input = tried.lock().unwrap().clone();
    let kept = std::env::temp_dir().join(format!("fancyhwd-fuzz-{name}-{}", std::process::id()));
    fs::write(&kept, &input).unwrap();
    panic!("{name}, input {runs}: {what}; it is in {}: {:.2000}", kept.display(), input.escape_ascii().to_string());
}

#[test]
fn layouts_read_as_they_are_written_and_any_frames_with_them() {
    drive("layouts", targets::layouts::run, 20_000);
}

#[test]
fn what_an_archive_answers_is_read_or_refused() {
    drive("bundles", targets::bundles::run, 20_000);
}

#[test]
fn counters_of_any_text_follow_any_messages() {
    drive("counters", targets::counters::run, 20_000);
}

#[test]
fn conditions_of_any_text_hold_or_not_in_any_messages() {
    drive("conditions", targets::conditions::run, 20_000);
}

#[test]
fn certificates_of_any_text_are_read_or_refused() {
    drive("certificates", targets::certificates::run, 3_000);
}

#[test]
fn requests_to_be_admitted_are_read_or_refused() {
    drive("admission", targets::admission::run, 20_000);
}

#[test]
fn databases_of_any_bytes_are_read_to_an_end() {
    drive("database", targets::database::run, 300);
}

#[test]
fn links_survive_any_order_of_what_can_happen() {
    drive("links", targets::links::run, 20_000);
}

/// `FANCYHWD_WRITE_CORPUS` makes it anew.
#[test]
fn the_capture_that_is_fuzzed_is_one_of_today() {
    let path = root().join("fuzz/corpus/database/capture.db");
    if std::env::var_os("FANCYHWD_WRITE_CORPUS").is_some() {
        let bench = Bench::new();
        fs::write(bench.path("small.db"), capture(&bench)).unwrap();
        bench.sqlite3("small.db", "PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM");
        fs::copy(bench.path("small.db"), &path).unwrap();
    }
    let bench = Bench::new();
    fs::copy(&path, bench.path("c.db")).unwrap();
    let database = Database::for_reading(&bench.path("c.db")).unwrap();
    let session = database.find_session("small").unwrap();
    assert!(database.verify(&session, &mut |_| Ok(())).unwrap().damage.is_none());
    assert!(database.strays().unwrap().is_empty() && session.tally.undecodable > 0);
}
