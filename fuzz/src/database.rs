//! A capture that somebody else sent: any bytes, or a small one with some of its bytes and values changed. All is read that can
//! be read.

use std::fs;
use std::path::Path;

use arbitrary::{Arbitrary, Unstructured};
use fancyhwd::error::Result;
use fancyhwd::message::Batch;
use fancyhwd::store::{Database, Reader, Selection};
use fancyhwd::time::position::Position;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

/// A small capture with all that there can be in one.
const CAPTURE: &[u8] = include_bytes!("../corpus/database/capture.db");

/// What any SQLite database begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// As the capture has them.
const PAGE_BYTES: usize = 512;

/// A message of this capture, and whatever it becomes, is no larger than this. Messages that are missing take no memory.
const BATCH_MAX_BYTES: usize = 64 << 20;

/// Batches that are read: more of them than there can be in so small a file mean that it has no end.
const BATCHES_MAX: usize = 100_000;

#[derive(Arbitrary, Debug)]
struct Script<'a> {
    values: Vec<Change<'a>>,
    bytes: Vec<Damage<'a>>,
}

/// A value that is changed as SQL lets it.
#[derive(Arbitrary, Debug)]
struct Change<'a> {
    table: u8,
    column: u8,
    row: u16,
    is_every_row: bool,
    is_removed: bool,
    to: To<'a>,
}

#[derive(Arbitrary, Debug)]
enum To<'a> {
    Null,
    Small(i8),
    Large(i64),
    /// So far from the least or the greatest number.
    Edge(bool, u8),
    /// As much more than it is.
    More(i64),
    Float(f64),
    Text(&'a str),
    Blob(&'a [u8]),
    /// So many bytes of a text or blob that are the same.
    Many(bool, u8, u16),
}

#[derive(Arbitrary, Debug)]
enum Damage<'a> {
    Flip(u32),
    Put(u32, &'a [u8]),
    Fill(u32, u8, u16),
    SwapPages(u8, u8),
    CopyPage(u8, u8),
    /// In the head of a page.
    Head(u8, u8, u8),
    Cut(u32),
}

const TABLES: [&str; 9] =
    ["sessions", "endpoints", "streams", "fields", "messages", "faults", "batches", "deleted", "events"];

/// See the rules.
pub fn run(data: &[u8]) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fuzzed.db");
    if data.starts_with(MAGIC) {
        fs::write(&path, data).expect("a file");
    } else {
        let Ok(script) = Script::arbitrary_take_rest(Unstructured::new(data)) else { return };
        fs::write(&path, CAPTURE).expect("a file");
        // What SQLite refuses is not changed.
        let _ = change(&path, &script.values);
        let mut bytes = fs::read(&path).expect("a file");
        script.bytes.iter().for_each(|damage| damage.apply(&mut bytes));
        fs::write(&path, bytes).expect("a file");
    }
    let _ = read_all(&path);
    for ending in ["-wal", "-shm", "-journal"] {
        assert!(!directory.path().join(format!("fuzzed.db{ending}")).exists(), "{ending} was left behind");
    }
}

fn change(path: &Path, changes: &[Change<'_>]) -> rusqlite::Result<()> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA ignore_check_constraints = ON; BEGIN",
    )?;
    for change in changes {
        let _ = change.apply(&connection);
    }
    connection.execute_batch("COMMIT")
}

impl Change<'_> {
    fn apply(&self, connection: &Connection) -> rusqlite::Result<()> {
        let table = TABLES[usize::from(self.table) % TABLES.len()];
        let columns = connection.prepare(&format!("SELECT * FROM {table}"))?;
        let columns: Vec<&str> = columns.column_names().collect();
        let column = columns[usize::from(self.column) % columns.len()];
        let key = if columns[0] == "id" || table == "faults" || table == "deleted" { columns[0] } else { columns[1] };
        // Rows are counted from the first one, and anew behind the last.
        let row = format!(
            "\"{key}\" = (SELECT \"{key}\" FROM {table} ORDER BY 1, 2 LIMIT 1 \
             OFFSET {} % (SELECT max(count(*), 1) FROM {table}))",
            self.row
        );
        let of = if self.is_every_row { "TRUE".to_owned() } else { row };
        if self.is_removed {
            return connection.execute(&format!("DELETE FROM {table} WHERE {of}"), []).map(|_| ());
        }
        let same = |is_text: bool, byte: u8, count: u16| match is_text {
            true => Value::Text(char::from(byte).to_string().repeat(usize::from(count))),
            false => Value::Blob(vec![byte; usize::from(count)]),
        };
        let value = match self.to {
            To::Null => Value::Null,
            To::Small(number) => Value::Integer(number.into()),
            To::Large(number) => Value::Integer(number),
            To::Edge(true, distance) => Value::Integer(i64::MAX - i64::from(distance)),
            To::Edge(false, distance) => Value::Integer(i64::MIN + i64::from(distance)),
            To::More(number) => Value::Integer(number),
            To::Float(number) => Value::Real(number),
            To::Text(text) => Value::Text(text.to_owned()),
            To::Blob(bytes) => Value::Blob(bytes.to_owned()),
            To::Many(is_text, byte, count) => same(is_text, byte, count),
        };
        let to = if matches!(self.to, To::More(_)) { format!("\"{column}\" + ?1") } else { "?1".to_owned() };
        let sql = format!("UPDATE OR IGNORE {table} SET \"{column}\" = {to} WHERE {of}");
        connection.execute(&sql, params_from_iter([value])).map(|_| ())
    }
}

impl Damage<'_> {
    fn apply(&self, file: &mut Vec<u8>) {
        let pages = file.len() / PAGE_BYTES;
        if pages == 0 {
            return;
        }
        let page = |page: u8| usize::from(page) % pages * PAGE_BYTES;
        let place = |at: u32, file: &[u8]| at as usize % file.len();
        match *self {
            Self::Flip(bit) => {
                let at = place(bit / 8, file);
                file[at] ^= 1 << (bit % 8);
            }
            Self::Put(at, bytes) => {
                let at = place(at, file);
                file.iter_mut().skip(at).zip(bytes).for_each(|(byte, to)| *byte = *to);
            }
            Self::Fill(at, to, count) => {
                let at = place(at, file);
                file.iter_mut().skip(at).take(count.into()).for_each(|byte| *byte = to);
            }
            Self::SwapPages(one, other) => {
                for byte in 0..PAGE_BYTES {
                    file.swap(page(one) + byte, page(other) + byte);
                }
            }
            Self::CopyPage(from, to) => file.copy_within(page(from)..page(from) + PAGE_BYTES, page(to)),
            Self::Head(of, at, to) => {
                let begin = page(of) + if page(of) == 0 { 100 } else { 0 };
                file[begin + usize::from(at) % 24] = to;
            }
            Self::Cut(at) => file.truncate(at as usize % file.len()),
        }
    }
}

/// Whoever asks for an end gets none: nothing ends it but itself.
fn on(_: u64) -> Result<()> {
    Ok(())
}

/// All that can be read: how often that goes well is not the question.
fn read_all(path: &Path) -> Result<()> {
    let database = Database::for_reading(path)?;
    let _ = (database.find_session("small"), database.find_session("latest"), database.find_only_session("1"));
    let _ = (database.strays(), database.compare_fixed());
    let listed = database.list()?;
    for session in &listed.sessions {
        let _ = (database.ledger(session), database.endpoints(session), database.secured(session));
        let _ = (database.streams(session), database.fault(session, 0), database.verify(session, &mut on));
        let mut reader = Reader::new(Database::for_reading(path)?, session, &Selection::default())?;
        let _ = (reader.streams(), reader.endpoints(), reader.message_bytes());
        let _ = reader.seek_before(i64::MAX);
        let _ = reader.seek(Position::Unix(session.started_unix_ns));
        reader.rewind();
        let mut batch = Batch::default();
        let mut batches = 0;
        while reader.read(&mut batch).is_ok() && !batch.is_empty() {
            assert!(batch.bytes() <= BATCH_MAX_BYTES, "{} bytes at once", batch.bytes());
            let _ = batch.messages().map(|message| message.frames().count()).sum::<usize>();
            batches += 1;
            assert!(batches < BATCHES_MAX, "no end");
            batch.clear();
        }
        let copy = path.with_file_name("copy.db");
        fs::write(&copy, "").expect("a file");
        let _ = Database::for_reading(path)?.copy_session(session, &copy, "copy.db", &mut on);
    }
    Ok(())
}
