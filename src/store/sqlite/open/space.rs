//! How much a database takes, and how much it can still take.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use rustix::fs::{StatVfs, statvfs};

use crate::error::Result;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::open::files;

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

/// What is free on the disk of a file. Where the disk does not say, there is no limit to go by.
pub fn free_bytes(path: &Path) -> u64 {
    statvfs(path).map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

impl Limits {
    /// Pages of write-ahead log after which they are moved into the database. The log counts, too, so with little room
    /// it is kept short.
    pub(in crate::store) fn log_max_pages(&self) -> i64 {
        let an_eighth = self.max_use_bytes.map_or(i64::MAX, |bytes| signed(bytes / 8 / PAGE_BYTES));
        an_eighth.min(LOG_MAX_PAGES)
    }

    /// A log that was long once is cut to this when it begins anew.
    pub(in crate::store) fn limit_log(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.pragma_update(None, "journal_size_limit", self.log_max_pages() * PAGE_BYTES as i64)
    }

    /// Whether there is one.
    pub(in crate::store) fn are_set(&self) -> bool {
        self.max_use_bytes.is_some() || self.keep_free_bytes.is_some()
    }

    /// Whether so much can be kept free at all on the disk where `path` is.
    pub fn fit(&self, path: &Path) -> bool {
        let disk_bytes = |disk: StatVfs| disk.f_blocks.saturating_mul(disk.f_frsize);
        statvfs(path).map_or(true, |disk| self.keep_free_bytes.is_none_or(|bytes| bytes < disk_bytes(disk)))
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
pub(in crate::store) struct Pages {
    /// Bytes of its file once all is in it.
    pub file_bytes: u64,
    /// Bytes inside the file that are free to be used again.
    pub reusable_bytes: u64,
    /// By how much the files may grow before the disk is full; below zero when what is in the log does not fit.
    pub below_full_bytes: i64,
    /// By how much they may grow within `--keep-free`; below zero when they are too large. Without that option no limit.
    pub below_free_bytes: i64,
    /// The same for `--max-use`.
    pub below_use_bytes: i64,
}

impl Pages {
    /// By how much the files may grow within the limits.
    pub fn growable_bytes(&self) -> i64 {
        self.below_free_bytes.min(self.below_use_bytes)
    }

    /// What can be written within the limits.
    pub fn room_bytes(&self) -> i64 {
        self.growable_bytes().saturating_add(signed(self.reusable_bytes))
    }
}

impl Database {
    /// How its room comes about.
    pub(in crate::store) fn pages(&self, limits: Limits) -> Result<Pages> {
        let connection = &self.connection;
        let read = || -> rusqlite::Result<(u64, u64)> {
            let page_bytes = pragma(connection, "page_size")?;
            let file_bytes = pragma(connection, "page_count")? * page_bytes;
            Ok((file_bytes, pragma(connection, "freelist_count")? * page_bytes))
        };
        let (file_bytes, reusable_bytes) = read().map_err(self.failed("see how large it is"))?;
        let free_bytes = free_bytes(&self.path);
        // What is only in the log so far will make the file longer, or shorter.
        let bytes_of = |path: &Path| fs::metadata(path).map_or(0, |file| signed(file.len()));
        let below_full_bytes =
            signed(free_bytes).saturating_sub(signed(file_bytes)).saturating_add(bytes_of(&self.path));
        let below_use_bytes = limits.max_use_bytes.map_or(i64::MAX, |most_bytes| {
            let usual_bytes = limits.log_max_pages() * PAGE_BYTES as i64 + LOG_EXCESS_BYTES;
            // Longer than usual while somebody reads an old state of the database.
            let log_bytes = usual_bytes.max(bytes_of(&files::beside(&self.path, "-wal")));
            signed(most_bytes).saturating_sub(signed(file_bytes)).saturating_sub(log_bytes)
        });
        let below_free_bytes =
            limits.keep_free_bytes.map_or(i64::MAX, |keep_bytes| below_full_bytes.saturating_sub(signed(keep_bytes)));
        Ok(Pages { file_bytes, reusable_bytes, below_full_bytes, below_free_bytes, below_use_bytes })
    }
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}

pub(in crate::store) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
