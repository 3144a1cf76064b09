//! A signal that interrupts what the main thread waits for.
//!
//! A thread that waits ten thousand times a second pays for a time limit each time: the kernel sets a timer and takes it
//! back again, which is a tenth of all that a message costs. This limit is a number that another thread looks at when it
//! is due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use signal_hook::consts::SIGALRM;
use signal_hook::flag;

use crate::error::{Error, Result};
use crate::process::masks::is_masked;
use crate::time::clock::monotonic_ns;

/// An alarm that comes just before the wait begins is missed, so it comes again until it is set anew.
const AGAIN: Duration = Duration::from_millis(10);

const NEVER: i64 = i64::MAX;
const ENDED: i64 = i64::MIN;

/// Interrupts the main thread when it is due.
#[derive(Debug)]
pub struct Alarm {
    due_ns: Arc<AtomicI64>,
    thread: Option<JoinHandle<()>>,
}

impl Alarm {
    /// An alarm that is not set.
    ///
    /// # Errors
    /// When the operating system has no thread or no handler for us.
    pub fn new() -> Result<Self> {
        // The interruption is what counts; a handler, whatever it does, keeps the signal from ending the process.
        flag::register(SIGALRM, Arc::new(AtomicBool::new(false)))
            .map_err(|cause| Error::System { operation: "catch signals", cause })?;
        let due_ns = Arc::new(AtomicI64::new(NEVER));
        let watched_ns = Arc::clone(&due_ns);
        let thread = Builder::new()
            .name("alarm".to_owned())
            .spawn(move || watch(&watched_ns))
            .map_err(|cause| Error::System { operation: "start a thread", cause })?;
        Ok(Self { due_ns, thread: Some(thread) })
    }

    /// Whether the calling thread is the one that is interrupted: the first one, unless whoever started the program
    /// blocked the signal.
    pub fn is_mine() -> bool {
        rustix::thread::gettid() == getpid() && is_masked("SigBlk", SIGALRM) == Some(false)
    }

    /// Interrupt at this time on the monotonic clock, and no more at the one that was set before.
    pub fn set(&self, due_ns: i64) {
        // A later time is found when the earlier one is over, which costs less than to say it now.
        if due_ns < self.due_ns.swap(due_ns, Ordering::Relaxed) {
            self.wake();
        }
    }

    /// Interrupt no more. An interruption that is under way still comes.
    pub fn clear(&self) {
        self.due_ns.store(NEVER, Ordering::Relaxed);
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.set(ENDED);
        if let Some(thread) = self.thread.take() {
            // It does nothing that could panic.
            let _ = thread.join();
        }
    }
}

fn watch(due_ns: &AtomicI64) {
    loop {
        match due_ns.load(Ordering::Relaxed) {
            ENDED => return,
            NEVER => thread::park(),
            due_ns => match u64::try_from(due_ns.saturating_sub(monotonic_ns())) {
                Ok(left_ns @ 1..) => thread::park_timeout(Duration::from_nanos(left_ns)),
                _ => {
                    // A signal for the process goes to its first thread when that does not block it. To send one to
                    // ourselves is always allowed.
                    let _ = kill_process(getpid(), Signal::ALARM);
                    thread::park_timeout(AGAIN);
                }
            },
        }
    }
}
