//! Who keeps the writer from writing: looked for while it waits, and named in the log, in the status and in the ledger.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::holder_of_writing;
use crate::time::clock::NS_PER_S;

/// A writer that is at work for so long may be waiting for another program.
const PATIENCE_NS: i64 = NS_PER_S;

/// What the writer does, for the thread that watches it.
#[derive(Debug, Default)]
pub struct Holdup(Mutex<Work>);

#[derive(Debug, Default)]
struct Work {
    /// The file that is written.
    path: PathBuf,
    /// Since when the writer is at work, on the monotonic clock; `None` while it waits for messages.
    since_ns: Option<i64>,
    /// Who was seen to hold it up since then.
    holder: Option<String>,
}

/// The writer was held up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldUp {
    /// By whom.
    pub holder: String,
    /// Since when, on the monotonic clock.
    pub since_ns: i64,
}

impl Holdup {
    /// This file is written from now on.
    pub fn file(&self, path: &Path) {
        self.work().path = path.to_owned();
    }

    /// The file that is written.
    pub fn path(&self) -> PathBuf {
        self.work().path.clone()
    }

    /// The writer begins to work.
    pub fn begins(&self, now_ns: i64) {
        let mut work = self.work();
        (work.since_ns, work.holder) = (Some(now_ns), None);
    }

    /// The writer is done. Gives who held it up meanwhile, if somebody did.
    pub fn ends(&self) -> Option<HeldUp> {
        let mut work = self.work();
        let (since_ns, holder) = (work.since_ns.take(), work.holder.take());
        Some(HeldUp { holder: holder?, since_ns: since_ns? })
    }

    /// See whether somebody holds the writer up. Gives who it is, unless that was given before.
    pub fn look(&self, now_ns: i64) -> Option<String> {
        let (path, since_ns) = {
            let work = self.work();
            (work.path.clone(), work.since_ns.filter(|since_ns| now_ns.saturating_sub(*since_ns) >= PATIENCE_NS)?)
        };
        // Not while the writer could want to say something.
        let holder = holder_of_writing(&path)?;
        let mut work = self.work();
        if work.since_ns != Some(since_ns) || work.holder.as_ref() == Some(&holder) {
            return None;
        }
        work.holder = Some(holder.clone());
        Some(holder)
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        // It is whole between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
