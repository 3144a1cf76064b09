//! Databases that are damaged, or made to do harm, and what the program may do with them.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use fancyhwd::device::Simulated;
use fancyhwd::message::Batch;
use fancyhwd::store::{Database, Reader, Selection};
use fancyhwd::time::position::Position;
use rusqlite::{Connection, OpenFlags};

use super::{Bench, FANCYHWD, Finished, Run};

/// The memory that the program may take, in bytes.
const MEMORY_MAX_BYTES: u64 = 256 << 20;

/// When a run that computes counts as hanging, in seconds of processor time.
pub const RUN_MAX_CPU_S: u32 = 5;

/// When a run that waits counts as hanging. Other tests may keep the machine busy.
const RUN_MAX: Duration = Duration::from_secs(60);

/// What reads a database.
pub const READERS: [&str; 8] = [
    "session list",
    "session list --json",
    "session show 1",
    "replay 1 --speed max --bind tcp://127.0.0.1:*",
    "session verify 1",
    "session diff 1 1",
    "session export 1 --format csv",
    "session export 1 --format sqlite --force --output copy.db",
];

/// A small capture with all that there can be in one, at rest: its bytes.
pub fn capture(bench: &Bench) -> Vec<u8> {
    let endpoint = bench.endpoint("device");
    let line = format!(
        "record --database small.db --label small --topic * --layout nums=uint8/float32x2 --count 72 --connect {endpoint}"
    );
    let recorder = bench.fancyhwd(&line).start();
    let context = zmq::Context::new();
    let socket = context.socket(zmq::XPUB).unwrap();
    socket.bind(&endpoint).unwrap();
    socket.recv_bytes(0).unwrap();
    for number in 0..60 {
        socket.send(&format!("topic{} {}", number % 3, "ab".repeat(number)), 0).unwrap();
        if number % 10 == 0 {
            socket.send_multipart(["not", "an", "envelope"], 0).unwrap();
            let numbers = [&[number as u8][..], &1.5_f32.to_le_bytes(), &f32::NAN.to_le_bytes()].concat();
            socket.send_multipart([b"nums", numbers.get(..9 - number / 50).unwrap()], 0).unwrap();
        }
    }
    recorder.finish().success();
    fs::read(bench.path("small.db")).unwrap()
}

/// Write a database and change it by SQL, also as no SQLite shell would let it.
pub fn change(bench: &Bench, name: &str, database: &[u8], sql: &str) {
    fs::write(bench.path(name), database).unwrap();
    let connection = Connection::open(bench.path(name)).unwrap();
    connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF").unwrap();
    connection.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    connection.execute_batch(sql).unwrap_or_else(|cause| panic!("{sql}: {cause}"));
}

/// A command line on a database, with no more memory than it may take, nor processor time than this.
pub fn bounded<'a>(bench: &'a Bench, line: &str, name: &str, cpu_s: u32) -> Run<'a> {
    bench
        .program("prlimit")
        .arg(format!("--data={MEMORY_MAX_BYTES}"))
        .arg(format!("--cpu={cpu_s}"))
        .arg("--core=0")
        .arg(FANCYHWD)
        .args(line.split_whitespace())
        .arg("--database")
        .arg(bench.path(name))
}

/// Run one of [`READERS`] on a database. It may refuse it in a line or make the best of it, but it must neither crash
/// nor hang, nor take much memory, nor talk without end.
#[track_caller]
pub fn read(bench: &Bench, line: &str, name: &str) -> Finished {
    let started = Instant::now();
    let finished = bounded(bench, line, name, RUN_MAX_CPU_S).run();
    let took = started.elapsed();
    let report = || format!("{line}: {}\n{}\n{:.3000}", finished.status, finished.stderr, finished.stdout);
    assert!(matches!(finished.status.code(), Some(0..=3)), "crashed: {}", report());
    assert!(!finished.stderr.contains("panicked"), "panicked: {}", report());
    // Beside each place that is damaged.
    let lines = finished.stderr.lines().filter(|line| !line.contains("damaged, "));
    assert!(lines.count() <= 3 && finished.stderr.len() < 3000, "talks too much: {}", report());
    assert!(finished.stdout.len() < 1 << 20, "talks too much: {}", report());
    assert!(took < RUN_MAX, "took {took:?}: {}", report());
    finished
}

/// Damage a capture in `count` ways, one after the other, and let the program read each one.
pub fn survives_mutations(bench: &Bench, seed: u32, count: usize) {
    for_each_mutation(bench, seed, count, |path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        for line in READERS {
            read(bench, line, name);
        }
        for ending in ["-wal", "-shm", "-journal"] {
            assert!(!bench.path(&format!("{name}{ending}")).exists(), "{name}{ending} was left behind");
        }
    });
}

/// The same in this process, which is far quicker: everything is read that can be read.
pub fn library_survives_mutations(bench: &Bench, seed: u32, count: usize) {
    for_each_mutation(bench, seed, count, |path| {
        let path = path.to_owned();
        let (done, is_done) = mpsc::channel();
        let reader = thread::spawn(move || {
            let _ = read_all(&path);
            let _ = done.send(());
        });
        assert_ne!(is_done.recv_timeout(RUN_MAX), Err(RecvTimeoutError::Timeout), "reading finds no end");
        reader.join().expect("no panic");
    });
}

/// What the digests, the seal and the strays of a database must prove: what the readers and the views give, but for what
/// nothing can prove.
const PROVEN: [&str; 9] = [
    "SELECT id, started_unix_ns, ended_unix_ns, end_reason, topics, framing, host, boot_id, version, durability, first_id, last_id, \
     first_elapsed_ns, last_elapsed_ns, messages, undecodable, unwanted, lost, bytes FROM sessions",
    "SELECT session_id, number FROM endpoints",
    "SELECT id, session_id, endpoint, framing, topic, name FROM streams",
    "SELECT * FROM messages",
    "SELECT message_id, part, record, raw FROM samples",
    "SELECT * FROM decoded_packets",
    "SELECT * FROM texts",
    "SELECT * FROM undecodable",
    "SELECT count(*) FROM batches",
];

/// All that is proven, or why it cannot be read.
fn proven(path: &Path) -> Result<Vec<String>, rusqlite::Error> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut all = Vec::new();
    for sql in PROVEN {
        let mut statement = connection.prepare(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let values = (0..columns).map(|column| Ok(format!("{:?}", row.get_ref(column)?)));
            all.push(values.collect::<rusqlite::Result<Vec<_>>>()?.join(" "));
        }
    }
    Ok(all)
}

/// Whether all of a database verifies, as `session verify --all` does it.
fn verifies(path: &Path) -> fancyhwd::error::Result<bool> {
    let database = Database::for_reading(path)?;
    let listed = database.list()?;
    let mut is_ok = listed.damaged_ids.is_empty();
    for session in &listed.sessions {
        is_ok &= database.verify(session, &mut |_| Ok(()))?.damage.is_none();
    }
    Ok(is_ok && database.strays()?.is_empty() && database.compare_fixed()?.is_empty())
}

/// Damage a capture in `count` ways: whatever verifies gives all that it gave before. Says how many did.
pub fn verified_mutations_are_as_before(bench: &Bench, seed: u32, count: usize) -> usize {
    let mut original = None;
    let mut verified = 0;
    for_each_mutation(bench, seed, count, |path| {
        let original = original.get_or_insert_with(|| proven(&bench.path("small.db")).unwrap());
        let is_ok = verifies(path).unwrap_or(false);
        if is_ok {
            let found = proven(path).expect("what verifies can be read");
            let other = found.iter().zip(original.iter()).find(|(found, original)| found != original);
            assert!(found == *original, "it verifies, and gives something else: {other:?}");
        }
        verified += usize::from(is_ok);
    });
    verified
}

/// All that can be read of a database: how often that went well is not the question.
pub fn read_all(path: &Path) -> fancyhwd::error::Result<()> {
    let database = Database::for_reading(path)?;
    let _ = database.find_session("small");
    let _ = database.find_session("latest");
    for session in database.sessions()? {
        let _ = database.ledger(&session);
        let _ = database.verify(&session, &mut |_| Ok(()));
        let mut reader = Reader::new(Database::for_reading(path)?, &session, &Selection::default())?;
        let _ = reader.seek_before(i64::MAX);
        let _ = reader.seek(Position::Unix(session.started_unix_ns));
        reader.rewind();
        let _ = reader.message_bytes();
        let mut batch = Batch::default();
        while reader.read(&mut batch).is_ok() && !batch.is_empty() {
            batch.clear();
        }
    }
    Ok(())
}

fn for_each_mutation(bench: &Bench, seed: u32, count: usize, mut check: impl FnMut(&Path)) {
    let mut random = Random(Simulated::new(seed));
    let original = capture(bench);
    let path = bench.path("damaged.db");
    for number in 0..count {
        let mut damaged = original.clone();
        let what = mutate(&mut damaged, &mut random);
        println!("{number}: {what}");
        fs::write(&path, &damaged).unwrap();
        check(&path);
    }
}

struct Random(Simulated);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        (self.0.rand() as usize) % bound
    }
}

/// Damage a database. Says how.
fn mutate(database: &mut Vec<u8>, random: &mut Random) -> String {
    const PAGE: usize = 4096;
    let pages = database.len() / PAGE;
    match random.below(8) {
        0 => {
            let count = 1 + random.below(8);
            for _ in 0..count {
                let at = random.below(database.len());
                database[at] ^= 1 << random.below(8);
            }
            format!("{count} bits flipped")
        }
        1 => {
            let (at, value) = (random.below(database.len()), random.below(256) as u8);
            let end = (at + 1 + random.below(64)).min(database.len());
            database[at..end].fill(value);
            format!("bytes {at} to {end} are {value}")
        }
        2 => {
            let at = random.below(database.len());
            let end = (at + 1 + random.below(64)).min(database.len());
            database[at..end].fill_with(|| random.below(256) as u8);
            format!("bytes {at} to {end} are noise")
        }
        3 => {
            let (one, other) = (random.below(pages), random.below(pages));
            for byte in 0..PAGE {
                database.swap(one * PAGE + byte, other * PAGE + byte);
            }
            format!("pages {one} and {other} are exchanged")
        }
        4 => {
            let (from, to) = (random.below(pages), random.below(pages));
            database.copy_within(from * PAGE..(from + 1) * PAGE, to * PAGE);
            format!("page {from} stands also at {to}")
        }
        5 => {
            let length = random.below(database.len());
            database.truncate(length);
            format!("cut off at {length}")
        }
        // Where the head of a page and its list of cells are.
        6 => {
            let page = random.below(pages);
            let at = page * PAGE + if page == 0 { 100 } else { 0 } + random.below(24);
            database[at] = random.below(256) as u8;
            format!("byte {at}, in the head of a page, is {}", database[at])
        }
        // The head of the file.
        _ => {
            let at = random.below(100);
            database[at] = random.below(256) as u8;
            format!("byte {at}, in the head of the file, is {}", database[at])
        }
    }
}

/// A database of which the table at page `root` has rows without end: twenty levels of a tree, each of which has the
/// next one many times.
pub fn endless(database: &[u8], root: usize) -> Vec<u8> {
    const PAGE: usize = 4096;
    const LEVELS: usize = 17;
    const CELLS: usize = 300;
    let mut made = database.to_vec();
    let pages = made.len() / PAGE;
    let leaf = made[(root - 1) * PAGE..root * PAGE].to_vec();
    let interior = |child: usize| {
        let mut page = vec![0; PAGE];
        let cells_at = PAGE - 5 * CELLS;
        page[0] = 5;
        page[3..5].copy_from_slice(&(CELLS as u16).to_be_bytes());
        page[5..7].copy_from_slice(&(cells_at as u16).to_be_bytes());
        page[8..12].copy_from_slice(&(child as u32).to_be_bytes());
        for cell in 0..CELLS {
            let at = cells_at + 5 * cell;
            page[12 + 2 * cell..14 + 2 * cell].copy_from_slice(&(at as u16).to_be_bytes());
            page[at..at + 4].copy_from_slice(&(child as u32).to_be_bytes());
            page[at + 4] = 127;
        }
        page
    };
    made[(root - 1) * PAGE..root * PAGE].copy_from_slice(&interior(pages + 1));
    for level in 1..LEVELS {
        made.extend(interior(pages + level + 1));
    }
    made.extend(leaf);
    let pages = (made.len() / PAGE) as u32;
    made[28..32].copy_from_slice(&pages.to_be_bytes());
    made
}
