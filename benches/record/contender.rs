//! Who is compared.

use std::path::Path;

use rusqlite::Connection;

use crate::lab::Lab;
use crate::support::{Daemon, Finished, eventually, root};

/// A program that receives the device's packets. Each is a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contender {
    /// Receives and stamps, and stores nothing (`bare.rs`).
    Bare,
    /// Stores as fast as SQLite can, and nothing else (`ceiling.rs`).
    Ceiling,
    /// `fancyhwd record` with its default options.
    Fancyhwd,
    /// What one would write instead (`record.py`).
    Python,
}

/// What became of the packets.
pub struct Outcome {
    /// So many were received, and stored if the contender stores.
    pub packets: u64,
    /// When the first one came, on the wall clock.
    pub first_unix_ns: i64,
}

impl Contender {
    /// The name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare subscriber, stores nothing",
            Self::Ceiling => "ceiling",
            Self::Fancyhwd => "fancyhwd record",
            Self::Python => "Python",
        }
    }

    /// Start it and wait until it is ready. It ends after `count` packets, or when it is asked to.
    pub fn start(self, lab: &Lab, endpoint: &str, database: &Path, count: u64) -> Daemon {
        let ours = || lab.bench.program(std::env::current_exe().unwrap());
        let mut daemon = match self {
            Self::Bare => ours().args(["bare", endpoint]).arg(count.to_string()).start(),
            Self::Ceiling => ours().args(["ceiling", endpoint]).arg(database).arg(count.to_string()).start(),
            Self::Fancyhwd => lab.record(endpoint, database, &format!("--count {count}")),
            Self::Python => {
                let script = root().join("benches/record/record.py");
                let run = lab.bench.program("/usr/bin/python3").arg(script);
                let daemon = run.arg(endpoint).arg(database).arg(count.to_string()).spawn();
                eventually("record.py is ready", || daemon.printed().contains("READY"));
                daemon
            }
        };
        daemon.hang_up();
        daemon
    }

    /// Count what it received.
    pub fn outcome(self, finished: &Finished, database: &Path) -> Outcome {
        let (table, column) = match self {
            Self::Bare => {
                let (packets, first_unix_ns) = finished.stdout.trim().split_once(' ').unwrap();
                return Outcome { packets: packets.parse().unwrap(), first_unix_ns: first_unix_ns.parse().unwrap() };
            }
            Self::Ceiling | Self::Fancyhwd => ("messages", "received_unix_ns"),
            Self::Python => ("packets", "time"),
        };
        let sql = format!("SELECT count(*), (SELECT {column} FROM {table} ORDER BY id LIMIT 1) FROM {table}");
        let (packets, first_unix_ns): (i64, i64) =
            Connection::open(database).unwrap().query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        Outcome { packets: packets.unsigned_abs(), first_unix_ns }
    }
}
