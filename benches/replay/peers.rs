//! Programs in C that are not ours: a subscriber, and the least that a replay must do.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lab::Lab;
use crate::source::Source;
use crate::support::{Daemon, eventually, root};

/// A program of `benches/replay`, compiled when it is asked for first.
fn program(lab: &Lab, name: &str) -> PathBuf {
    let binary = lab.bench.path(name);
    if !binary.exists() {
        lab.bench.compile_file(&root().join("benches/replay").join(name).with_extension("c"));
    }
    binary
}

/// Receives messages and stamps them (`subscriber.c`).
pub struct Subscriber {
    daemon: Daemon,
    stamps: PathBuf,
}

impl Subscriber {
    /// Start it and wait until it waits for messages. It ends after `count` of them.
    pub fn start(lab: &Lab, endpoint: &str, count: u64) -> Self {
        let stamps = lab.bench.path("stamps");
        let run = lab.bench.program(program(lab, "subscriber")).arg(endpoint).arg(count.to_string());
        let daemon = run.arg(&stamps).spawn();
        eventually("the subscriber is ready", || daemon.printed().contains("READY"));
        Self { daemon, stamps }
    }

    /// Wait for its end. Gives when each message came, on the monotonic clock.
    pub fn finish(self) -> Vec<i64> {
        self.daemon.finish().success();
        numbers(&self.stamps)
    }
}

/// Sends messages from memory (`sender.c`).
pub struct BareLoop {
    daemon: Daemon,
    lateness: PathBuf,
}

impl BareLoop {
    /// Start it with the first `count` packets of a session, one each `interval_ns`, or without a pause when that is 0. It
    /// sends as soon as a subscriber is there.
    pub fn start(lab: &Lab, endpoint: &str, source: Source, count: u64, interval_ns: i64) -> Self {
        let (messages, lateness) = (source.messages(lab, count), lab.bench.path("lateness"));
        let run = lab.bench.program(program(lab, "sender")).arg(endpoint).arg(messages);
        let run = run.arg(source.message_bytes().to_string()).arg(interval_ns.to_string()).arg(&lateness);
        Self { daemon: run.spawn(), lateness }
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Wait for its end. Gives how late each message left, in nanoseconds.
    pub fn finish(self) -> Vec<i64> {
        self.daemon.finish().success();
        numbers(&self.lateness)
    }
}

/// What a C program wrote as an array of int64.
fn numbers(path: &Path) -> Vec<i64> {
    fs::read(path).unwrap().chunks_exact(8).map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap())).collect()
}
