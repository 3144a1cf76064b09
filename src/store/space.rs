//! How much a database takes, and how much it can still take.

use std::fs;

use rusqlite::Connection;
use rustix::fs::statvfs;

use crate::error::Result;
use crate::store::{Database, Recording};

/// Pages of write-ahead log that are moved into the database at once: 64 MiB, so that this happens about once a second at
/// the highest rates and hardly ever at usual ones.
const LOG_MAX_PAGES: i64 = 16_384;

/// What SQLite makes a page of.
const PAGE_BYTES: u64 = 4096;

/// By how much the log may be longer than that: a commit of the largest batch.
const LOG_EXCESS_BYTES: i64 = 8 << 20;

/// How much room a recording may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// What the database may take on disk at most.
    pub max_use_bytes: Option<u64>,
    /// What must stay free on the disk.
    pub keep_free_bytes: Option<u64>,
}

impl Limits {
    /// Pages of write-ahead log after which they are moved into the database. The log counts, too, so with little room
    /// it is kept short.
    pub(super) fn log_max_pages(&self) -> i64 {
        let an_eighth = self.max_use_bytes.map_or(i64::MAX, |bytes| signed(bytes / 8 / PAGE_BYTES));
        an_eighth.min(LOG_MAX_PAGES)
    }
}

/// Room of a database, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// What its rows take.
    pub used_bytes: u64,
    /// What can still be written, on this disk and within the limits.
    pub room_bytes: u64,
}

/// How the room of a database comes about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pages {
    /// Bytes of its file once all is in it.
    pub file_bytes: u64,
    /// Bytes inside the file that are free to be used again.
    pub reusable_bytes: u64,
    /// By how much the files may grow; below zero they are too large.
    pub growable_bytes: i64,
}

impl Pages {
    pub fn room_bytes(&self) -> i64 {
        self.growable_bytes.saturating_add(self.reusable_bytes as i64)
    }
}

impl Recording {
    /// How much the database takes and may still take.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn space(&self) -> Result<Space> {
        let pages = self.pages()?;
        Ok(Space {
            used_bytes: pages.file_bytes - pages.reusable_bytes,
            room_bytes: u64::try_from(pages.room_bytes()).unwrap_or(0),
        })
    }

    pub(super) fn pages(&self) -> Result<Pages> {
        self.database.pages(self.limits)
    }
}

impl Database {
    fn pages(&self, limits: Limits) -> Result<Pages> {
        let connection = &self.connection;
        let read = || -> rusqlite::Result<(u64, u64)> {
            let page_bytes = pragma(connection, "page_size")?;
            let file_bytes = pragma(connection, "page_count")? * page_bytes;
            Ok((file_bytes, pragma(connection, "freelist_count")? * page_bytes))
        };
        let (file_bytes, reusable_bytes) = read().map_err(self.failed("see how large it is"))?;
        // Where the disk does not say, there is no limit to go by.
        let free_bytes = statvfs(&self.path).map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        // What is only in the log so far will make the file longer, or shorter.
        let to_come_bytes = signed(file_bytes) - fs::metadata(&self.path).map_or(0, |file| signed(file.len()));
        let below_free = signed(free_bytes)
            .saturating_sub(signed(limits.keep_free_bytes.unwrap_or(0)))
            .saturating_sub(to_come_bytes);
        let below_use = limits.max_use_bytes.map_or(i64::MAX, |most_bytes| {
            let log_bytes = limits.log_max_pages() * PAGE_BYTES as i64 + LOG_EXCESS_BYTES;
            signed(most_bytes).saturating_sub(signed(file_bytes)).saturating_sub(log_bytes)
        });
        Ok(Pages { file_bytes, reusable_bytes, growable_bytes: below_free.min(below_use) })
    }
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
