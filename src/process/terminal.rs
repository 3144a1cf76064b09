//! The terminal while keys are read from it: it gives each key at once and does not show it.
//!
//! It is given back at the end, before a signal kills, and when the program is stopped (Ctrl-Z); and taken again when the
//! program goes on. All that in the foreground only: in the background the terminal is somebody else's, and to touch it
//! would stop the program.

use std::fs;
use std::io::{IsTerminal, stderr, stdin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

use rustix::process::{Pid, getpgid, getpgrp, getppid, getsid};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use signal_hook::consts::{SIGCONT, SIGTSTP};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use crate::error::{Error, Result};
use crate::process::masks::is_masked;

/// Set while keys are read.
static KEYS: Mutex<Option<Keys>> = Mutex::new(None);

/// The terminal is ours and gives each key at once.
static IS_OURS: AtomicBool = AtomicBool::new(false);

/// What there is to know of a terminal whose keys are read.
struct Keys {
    /// What it was when it was taken first.
    before: Option<Termios>,
}

/// Read keys from now on, if standard input and standard error are a terminal. Says whether they are.
///
/// # Errors
/// When signals cannot be caught.
pub fn open() -> Result<bool> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return Ok(false);
    }
    let start = || {
        let stop = (is_masked("SigIgn", SIGTSTP) != Some(true)).then_some(SIGTSTP);
        let mut signals = Signals::new(stop.into_iter().chain([SIGCONT]))?;
        Builder::new().name("terminal".to_owned()).spawn(move || signals.forever().for_each(obey))
    };
    start().map_err(|cause| Error::System { operation: "catch signals", cause })?;
    *keys() = Some(Keys { before: None });
    take();
    Ok(true)
}

/// Read no more keys. The terminal is what it was.
pub fn close() {
    give_back();
    *keys() = None;
}

/// Whether keys can be read now. It may have changed since [`look`].
pub fn is_ours() -> bool {
    IS_OURS.load(Ordering::Relaxed)
}

/// Look whether the terminal is ours, and take it if it is so again.
pub fn look() {
    match (is_ours(), is_in_foreground()) {
        (false, true) => take(),
        (true, false) => IS_OURS.store(false, Ordering::Relaxed),
        _ => {}
    }
}

/// Make the terminal what it was, until it is taken again.
pub fn give_back() {
    if let Some(Keys { before: Some(before) }) = &*keys()
        && IS_OURS.swap(false, Ordering::Relaxed)
        && is_in_foreground()
    {
        // If the terminal has gone, there is nothing to give back.
        let _ = tcsetattr(stdin(), OptionalActions::Now, before);
    }
}

fn take() {
    if let Some(Keys { before }) = &mut *keys()
        && is_in_foreground()
        && let Ok(now) = tcgetattr(stdin())
    {
        // After a stop that could not be caught, `now` is what it was made.
        let mut raw = before.get_or_insert(now).clone();
        // The keys that make signals stay what they are.
        raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        IS_OURS.store(tcsetattr(stdin(), OptionalActions::Now, &raw).is_ok(), Ordering::Relaxed);
    }
}

fn obey(signal: i32) {
    if signal == SIGTSTP && !is_orphaned() {
        give_back();
        // It returns when the program goes on, and SIGCONT follows. It fails for unknown signals only.
        let _ = low_level::emulate_default_handler(SIGTSTP);
    }
    if signal == SIGCONT {
        IS_OURS.store(false, Ordering::Relaxed);
        take();
    }
}

/// Whether nobody is there who could let the program go on: each parent in its process group has a parent in the group or
/// in another session. The kernel would not let a key stop it either; see setpgid(2).
fn is_orphaned() -> bool {
    let (group, session) = (getpgrp(), getsid(None));
    let mut parent = getppid();
    while let Some(pid) = parent.filter(|&pid| getsid(Some(pid)) == session) {
        if getpgid(Some(pid)) != Ok(group) {
            return false;
        }
        parent = parent_of(pid);
    }
    true
}

fn parent_of(pid: Pid) -> Option<Pid> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    Pid::from_raw(parent.trim().parse().ok()?)
}

fn is_in_foreground() -> bool {
    tcgetpgrp(stdin()).is_ok_and(|group| group == getpgrp())
}

fn keys() -> MutexGuard<'static, Option<Keys>> {
    // It is whole between any two statements.
    KEYS.lock().unwrap_or_else(PoisonError::into_inner)
}
