//! Sessions to replay, written by plain SQL: exactly spaced, and in a fraction of the time in which they could be recorded.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use fancyhwd::device::Simulated;
use fancyhwd::message::{Batch, FIRST_DIGEST, Origin};
use fancyhwd::store::Database;
use fancyhwd::time::clock::{NS_PER_S, unix_ns};
use rusqlite::{Connection, params};

use crate::common::lab::Lab;

/// What every message begins with.
pub const HEAD: &[u8] = b"fancyhw_data ";

/// Packets are recorded so far apart.
pub const INTERVAL_NS: i64 = NS_PER_S / RATE_HZ as i64;

/// The same, as so many a second.
pub const RATE_HZ: u64 = 1_000;

/// Packets in a commit, as of a recorder that commits each 100 ms.
const COMMIT_PACKETS: usize = RATE_HZ as usize / 10;

/// A database takes up to so much more than its samples, for each packet.
const ROW_BYTES: u64 = 64;

/// A database with one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    pub packets: u64,
    pub packet_samples: usize,
}

impl Source {
    /// With so many packets of 16 samples.
    pub fn of(packets: u64) -> Self {
        Self { packets, packet_samples: 16 }
    }

    /// Where it is. It is written when it is asked for first, and deleted with the lab.
    pub fn database(self, lab: &Lab) -> PathBuf {
        let path = lab.disk().join(format!("{}-packets-of-{}.db", self.packets, self.packet_samples));
        if !path.exists() {
            eprintln!("    writing a session of {} packets", self.packets);
            self.assert_room(lab.disk());
            let unfinished = path.with_extension("part");
            self.write(&unfinished);
            std::fs::rename(unfinished, &path).unwrap();
            // What the disk has yet to do is in nobody's way.
            rustix::fs::sync();
        }
        path
    }

    fn assert_room(self, disk: &Path) {
        let needed_bytes = self.packets * (2 * self.packet_samples as u64 + ROW_BYTES);
        let space = rustix::fs::statvfs(disk).unwrap();
        let free_bytes = space.f_bavail * space.f_frsize;
        assert!(free_bytes > 2 * needed_bytes, "{needed_bytes} bytes are to be written, {free_bytes} are free");
    }

    /// What a recorder would have left behind.
    fn write(self, path: &Path) {
        drop(Database::for_recording(path).unwrap());
        let connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "journal_mode", "off").unwrap();
        connection.pragma_update(None, "synchronous", "off").unwrap();
        let started_unix_ns = unix_ns();
        let last_elapsed_ns = (self.packets as i64 - 1) * INTERVAL_NS;
        let bytes = self.packets as i64 * self.message_bytes() as i64;
        let stream = "BEGIN; INSERT INTO endpoints VALUES (1, 1, '', 'sub', 'connect', 'none', NULL); \
             INSERT INTO streams VALUES (1, 1, 1, 'space', CAST('fancyhw_data' AS BLOB), 'fancyhw_data', 'int16', 1, NULL, NULL); \
             INSERT INTO fields VALUES (1, 0, 1, 'record', 0, 0, 'int16', 'ch0', NULL, NULL, NULL, 0, 2)";
        connection.execute_batch(stream).unwrap();
        let session = "INSERT INTO sessions VALUES (1, NULL, NULL, ?1, ?1 + ?2, 'limit', '[\"fancyhw_data\"]', 'auto', '', '', ?3, \
             'full', NULL, NULL, 1, ?4, 0, ?2, ?4, 0, 0, 0, ?5, NULL)";
        let version = env!("CARGO_PKG_VERSION");
        let figures = params![started_unix_ns, last_elapsed_ns, version, self.packets as i64, bytes];
        connection.execute(session, figures).unwrap();
        let mut insert = connection.prepare("INSERT INTO messages VALUES (?, 1, ?, ?, ?, NULL)").unwrap();
        let mut commits = connection.prepare("INSERT INTO batches VALUES (NULL, 1, ?, ?, ?, ?)").unwrap();
        let (mut batch, mut digest, mut first_id) = (Batch::default(), FIRST_DIGEST, 1);
        let mut device = Simulated::new(12345);
        let mut payload = vec![0; 2 * self.packet_samples];
        for number in 0..self.packets as i64 {
            for sample in payload.chunks_exact_mut(2) {
                sample.copy_from_slice(&(device.rand() as i16).to_le_bytes());
            }
            let elapsed_ns = number * INTERVAL_NS;
            let unix_ns = started_unix_ns + elapsed_ns;
            insert.execute(params![number + 1, unix_ns, elapsed_ns, payload]).unwrap();
            batch.message(Origin(1), unix_ns, elapsed_ns).frame(&[HEAD, &payload]);
            if batch.len() == COMMIT_PACKETS || batch.is_full() || number + 1 == self.packets as i64 {
                digest = batch.digest(&digest, first_id - 1);
                commits.execute(params![first_id, number + 1, unix_ns, digest]).unwrap();
                batch.clear();
                first_id = number + 2;
            }
        }
        connection.execute_batch("COMMIT").unwrap();
    }

    /// A file with the first messages, one behind the other, for a program that does not read databases.
    pub fn messages(self, lab: &Lab, count: u64) -> PathBuf {
        let path = lab.disk().join(format!("{count}-of-{}-messages", self.packets));
        if !path.exists() {
            let connection = Connection::open(self.database(lab)).unwrap();
            let mut statement = connection.prepare("SELECT payload FROM messages ORDER BY id LIMIT ?").unwrap();
            let mut rows = statement.query([count as i64]).unwrap();
            let mut file = BufWriter::new(File::create(&path).unwrap());
            while let Some(row) = rows.next().unwrap() {
                file.write_all(HEAD).unwrap();
                file.write_all(row.get_ref(0).unwrap().as_blob().unwrap()).unwrap();
            }
            file.flush().unwrap();
        }
        path
    }

    /// The size of a message.
    pub fn message_bytes(self) -> usize {
        HEAD.len() + 2 * self.packet_samples
    }
}
