//! Where it is measured, and how much.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::common::support::{Bench, Daemon, built};
use crate::common::table::Table;
use crate::scale::Scale;

/// Something to measure, once in each round.
pub trait Section {
    /// What, in a few words.
    fn name(&self) -> String;

    /// Measure once.
    ///
    /// # Panics
    /// When it cannot be measured.
    fn measure(&mut self, lab: &Lab, round: usize);

    /// Put what was measured into the table.
    fn report(&self, table: &mut Table);
}

/// A place for sockets and one for databases, and programs to start there.
pub struct Lab {
    /// How much is measured.
    pub scale: Scale,
    /// Sockets and what the programs print. A short path: sockets allow no long one.
    pub bench: Bench,
    /// Databases, on the disk that the project is built on: the folder for temporary files is often no disk.
    _disk: TempDir,
    /// The same folder by another name, which has no spaces: command lines are made of it.
    disk: PathBuf,
    endpoints: Cell<u32>,
}

impl Lab {
    /// A fresh one.
    pub fn new(scale: Scale) -> Self {
        let bench = Bench::new();
        let folder = TempDir::new_in(built()).unwrap();
        let disk = bench.path("disk");
        std::os::unix::fs::symlink(folder.path(), &disk).unwrap();
        Self { scale, bench, _disk: folder, disk, endpoints: Cell::new(0) }
    }

    /// The folder with the databases.
    pub fn disk(&self) -> &Path {
        &self.disk
    }

    /// A fresh folder for a database. What was written before is on the disk, so that it is in nobody's way.
    pub fn folder(&self) -> TempDir {
        rustix::fs::sync();
        TempDir::new_in(&self.disk).unwrap()
    }

    /// An endpoint that nobody had before.
    pub fn endpoint(&self) -> String {
        self.endpoints.set(self.endpoints.get() + 1);
        self.bench.endpoint(&format!("device{}", self.endpoints.get()))
    }

    /// Start a device that sends as soon as its subscriber is there.
    pub fn publish(&self, endpoint: &str, options: &str) -> Daemon {
        self.bench.fancyhwd(&format!("--quiet publish --wait-subscribers 1 --bind {endpoint} {options}")).spawn()
    }

    /// Start a recorder and wait until it is ready.
    pub fn record(&self, endpoint: &str, database: &Path, options: &str) -> Daemon {
        let run = self.bench.fancyhwd(&format!("record --connect {endpoint} {options}"));
        let mut recorder = run.arg("--database").arg(database).start();
        recorder.hang_up();
        recorder
    }
}

/// Contenders take turns in going first, as what one leaves behind may slow the next one down.
pub fn in_turn<T, const N: usize>(mut contenders: [T; N], round: usize) -> [T; N] {
    if round % 2 == 1 {
        contenders.reverse();
    }
    contenders
}

/// Let time pass: here it is a part of what is measured, not a way to wait for something.
pub fn pause(duration: Duration) {
    let until = std::time::Instant::now() + duration;
    while let Some(left) = until.checked_duration_since(std::time::Instant::now()) {
        std::thread::park_timeout(left);
    }
}
