//! A wall clock that a test sets, for one program alone (libfaketime).

use std::fs;
use std::path::PathBuf;

use super::{Bench, Run};

/// The wall clock of a program.
pub struct WallClock<'a> {
    bench: &'a Bench,
    library: &'static str,
}

impl<'a> WallClock<'a> {
    /// One that is right.
    pub fn new(bench: &'a Bench) -> Self {
        let library = [
            "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
            "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
        ]
        .into_iter()
        .find(|path| fs::exists(path).unwrap())
        .expect("the package libfaketime is installed");
        let clock = Self { bench, library };
        clock.set("+0");
        clock
    }

    fn offset(&self) -> PathBuf {
        self.bench.path("offset")
    }

    /// Let it be off by so many seconds, such as `-3600`.
    pub fn set(&self, offset: &str) {
        let new = self.bench.path("new-offset");
        fs::write(&new, offset).unwrap();
        fs::rename(new, self.offset()).unwrap();
    }

    /// A program that has it.
    pub fn of<'b>(&self, run: Run<'b>) -> Run<'b> {
        run.env("LD_PRELOAD", self.library)
            .env("FAKETIME_TIMESTAMP_FILE", self.offset())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }
}
