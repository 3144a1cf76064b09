//! The ceiling: how fast packets can be put into SQLite at all, in the same tables and as durably as the recorder does.
//!
//! Two threads and two buffers that change places. No ledger, no digest, no checks, no limit on memory: what the recorder
//! is slower than this is the price of what it promises beyond speed.

use std::path::Path;
use std::sync::{Condvar, Mutex};
use std::thread;

use fancyhwd::message::{BATCH_MAX_BYTES, BATCH_MAX_MESSAGES};
use fancyhwd::service;
use fancyhwd::time::clock::{monotonic_ns, unix_ns};
use rusqlite::{Connection, Statement};

use crate::subscriber::Subscriber;

/// A row waits no longer than this for its transaction.
const COMMIT_EVERY_NS: i64 = 100_000_000;

/// While the writer is busy, rows are offered to it again after so many more.
const OFFER_EVERY_ROWS: usize = 256;

/// Memory that is there from the start, for so many packets of 16 samples.
const RESERVED_PACKETS: usize = 65_536;

/// What stands behind the topics of messages, one behind the other, with their stamps.
struct Buffer {
    messages: Vec<u8>,
    stamps: Vec<Stamp>,
}

/// When a message came, and where it ends in its buffer.
struct Stamp {
    unix_ns: i64,
    elapsed_ns: i64,
    end: usize,
}

impl Buffer {
    fn new() -> Self {
        Self { messages: Vec::with_capacity(RESERVED_PACKETS * 32), stamps: Vec::with_capacity(RESERVED_PACKETS) }
    }

    fn clear(&mut self) {
        self.messages.clear();
        self.stamps.clear();
    }
}

/// Where the two threads meet.
#[derive(Default)]
struct Exchange {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    full: Option<Buffer>,
    empty: Option<Buffer>,
    is_last: bool,
}

/// Store `count` packets.
pub fn run(endpoint: &str, database: &Path, count: usize) {
    let connection = open(database);
    let subscriber = Subscriber::connect(endpoint);
    let exchange =
        Exchange { state: Mutex::new(State { empty: Some(Buffer::new()), ..State::default() }), ..Exchange::default() };
    service::ready("recording");
    thread::scope(|scope| {
        let exchange = &exchange;
        scope.spawn(move || {
            write(&connection, exchange);
            // The last to close moves the write-ahead log into the database.
            connection.close().unwrap();
        });
        receive(subscriber, exchange, count);
    });
}

/// The recorder's tables, and its settings (`src/store/database.rs`). The log is moved into the database when it is as
/// long as the recorder lets it become.
fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.pragma_update(None, "synchronous", "full").unwrap();
    connection.pragma_update(None, "wal_autocheckpoint", 16_384).unwrap();
    connection.execute_batch(include_str!("../../migrations/0001_initial.sql")).unwrap();
    connection
}

fn receive(mut subscriber: Subscriber, exchange: &Exchange, count: usize) {
    subscriber.set_timeout_ms((COMMIT_EVERY_NS / 1_000_000) as i32);
    let origin_ns = monotonic_ns();
    let mut buffer = Buffer::new();
    let (mut packets, mut since_ns, mut offer_at_rows) = (0, 0, 0);
    while packets < count {
        let came = subscriber.receive();
        let elapsed_ns = monotonic_ns() - origin_ns;
        if let Some(message) = came {
            if buffer.stamps.is_empty() {
                since_ns = elapsed_ns;
            }
            buffer.messages.extend_from_slice(message);
            buffer.stamps.push(Stamp { unix_ns: unix_ns(), elapsed_ns, end: buffer.messages.len() });
            packets += 1;
        }
        let rows = buffer.stamps.len();
        let is_full = rows >= BATCH_MAX_MESSAGES || buffer.messages.len() >= BATCH_MAX_BYTES;
        let is_old = rows > 0 && elapsed_ns - since_ns >= COMMIT_EVERY_NS;
        if is_old || (is_full && rows >= offer_at_rows) {
            let was_taken = offer(exchange, &mut buffer);
            offer_at_rows = if was_taken { 0 } else { rows + OFFER_EVERY_ROWS };
            since_ns = elapsed_ns;
        }
    }
    let mut state = exchange.changed.wait_while(exchange.state.lock().unwrap(), |state| state.full.is_some()).unwrap();
    state.full = Some(buffer);
    state.is_last = true;
    exchange.changed.notify_all();
}

/// Change the full buffer for the empty one, unless the writer still has that. Says whether it was done.
fn offer(exchange: &Exchange, buffer: &mut Buffer) -> bool {
    let mut state = exchange.state.lock().unwrap();
    let Some(empty) = state.empty.take() else { return false };
    state.full = Some(std::mem::replace(buffer, empty));
    exchange.changed.notify_all();
    true
}

fn write(connection: &Connection, exchange: &Exchange) {
    let mut insert = connection.prepare("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)").unwrap();
    // One stream, and messages of one frame behind the topic: these stay bound.
    insert.raw_bind_parameter(2, 1).unwrap();
    insert.raw_bind_parameter(6, rusqlite::types::Null).unwrap();
    let mut next_id = 1;
    loop {
        let mut state =
            exchange.changed.wait_while(exchange.state.lock().unwrap(), |state| state.full.is_none()).unwrap();
        let is_last = state.is_last;
        let Some(mut buffer) = state.full.take() else { return };
        exchange.changed.notify_all();
        drop(state);
        next_id = store(connection, &mut insert, &buffer, next_id);
        if is_last {
            return;
        }
        buffer.clear();
        exchange.state.lock().unwrap().empty = Some(buffer);
    }
}

/// Store a buffer, as many rows in a transaction as the recorder has in a batch. Gives the next id.
fn store(connection: &Connection, insert: &mut Statement<'_>, buffer: &Buffer, first_id: i64) -> i64 {
    let (mut id, mut start) = (first_id, 0);
    for rows in buffer.stamps.chunks(BATCH_MAX_MESSAGES) {
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        for stamp in rows {
            let message = &buffer.messages[start..stamp.end];
            insert.raw_bind_parameter(1, id).unwrap();
            insert.raw_bind_parameter(3, stamp.unix_ns).unwrap();
            insert.raw_bind_parameter(4, stamp.elapsed_ns).unwrap();
            insert.raw_bind_parameter(5, message).unwrap();
            insert.raw_execute().unwrap();
            start = stamp.end;
            id += 1;
        }
        connection.execute_batch("COMMIT").unwrap();
    }
    id
}
