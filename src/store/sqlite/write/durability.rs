//! When what is committed reaches the disk.

use clap::ValueEnum;
use rusqlite::Connection;

use crate::time::clock::{NS_PER_S, monotonic_ns};

/// With [`Durability::Normal`], a sync begins this long after the last one at the latest.
const SYNC_WITHIN_NS: i64 = 5 * NS_PER_S;

/// When a sync is due: whoever looks once a second is in time.
const SYNC_DUE_NS: i64 = 4 * NS_PER_S;

/// What a commit survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Durability {
    /// A crash and a power cut: each commit waits until the disk has it.
    Full,
    /// A crash of the program; a power cut loses about the last five seconds.
    Normal,
}

impl Durability {
    /// How long what was committed may not be on the disk.
    pub fn sync_within_ns(self) -> i64 {
        match self {
            Self::Full => 0,
            Self::Normal => SYNC_WITHIN_NS,
        }
    }

    /// The name in the database and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Normal => "normal",
        }
    }
}

/// The syncs of a recording. How a session begins and ends is always synced.
#[derive(Debug)]
pub(in crate::store) struct Syncs {
    durability: Durability,
    /// Whether the next commit is synced, as SQLite was told last.
    is_on: bool,
    synced_ns: i64,
    /// Something was committed without a sync.
    is_unsynced: bool,
    /// The file has no name yet, and is synced before it gets one.
    is_nameless: bool,
}

impl Syncs {
    /// Of a connection whose commits are synced, as they are unless SQLite is told otherwise.
    pub fn new(durability: Durability, is_nameless: bool) -> Self {
        Self { durability, is_on: true, synced_ns: monotonic_ns(), is_unsynced: false, is_nameless }
    }

    /// Prepare the commit of a batch. Returns whether it is going to be synced.
    pub fn prepare(&mut self, connection: &Connection) -> rusqlite::Result<bool> {
        let is_on = self.durability == Durability::Full || self.is_late();
        self.set(connection, is_on)?;
        Ok(is_on)
    }

    /// Sync what is committed next, whatever the level.
    pub fn force(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.set(connection, true)
    }

    /// A commit has succeeded.
    pub fn committed(&mut self) {
        self.is_unsynced = !self.is_on;
        if self.is_on {
            self.synced_ns = monotonic_ns();
        }
    }

    /// Whether it is time to sync what was committed, although nothing more is.
    pub fn is_due(&self, is_end: bool) -> bool {
        self.is_unsynced && (is_end || self.is_late())
    }

    fn is_late(&self) -> bool {
        monotonic_ns() - self.synced_ns >= SYNC_DUE_NS
    }

    fn set(&mut self, connection: &Connection, is_on: bool) -> rusqlite::Result<()> {
        if self.is_on != is_on && !self.is_nameless {
            connection.pragma_update(None, "synchronous", if is_on { "FULL" } else { "NORMAL" })?;
            self.is_on = is_on;
        }
        Ok(())
    }
}
