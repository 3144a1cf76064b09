//! What signals mean, for all commands.
//!
//! SIGINT and SIGTERM ask to stop; one that comes later than 50 ms after the first kills. SIGHUP asks to stop when the
//! terminal is gone, and else does what the command wants it to. Where it is taken, SIGUSR1 sets a mark. Whatever kills, [`crate::process::leavings`] are cleared first.
//!
//! A thread of its own takes the signals and decides. Only the request to stop is written by the handler itself, because
//! the signal interrupts the main thread, which then looks for it.

use std::io;
use std::thread::{self, Builder};
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGXCPU, SIGXFSZ};
use signal_hook::iterator::Signals as Caught;
use signal_hook::low_level;

use crate::error::{Error, Result};
use crate::process::leavings;
use crate::process::marks::{Marker, Marks};
use crate::process::masks::is_masked;
use crate::process::stop::{Asker, Request, Stop};

/// A second request to stop within this time is the same one: timeout(1) sends two.
const SAME_REQUEST: Duration = Duration::from_millis(50);

/// What a handler takes, when there is a processor for it.
const HANDLED_WITHIN: Duration = Duration::from_millis(10);

/// What a shell takes to end.
const TERMINAL_GOES: Duration = Duration::from_millis(100);

const STOPPING: [i32; 2] = [SIGINT, SIGTERM];

/// They kill at once: what a terminal's key sends, and what a limit of the process does.
const DEADLY: [i32; 3] = [SIGQUIT, SIGXCPU, SIGXFSZ];

/// What SIGHUP asks for while the terminal is there, or where there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnHangup {
    /// To stop.
    Stop,
    /// To begin a new session: [`Signals::reload`].
    Reload,
    /// Nothing.
    GoOn,
}

/// What SIGUSR1 asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUser {
    /// A mark: [`Signals::marks`].
    Mark,
    /// What the command itself makes of it.
    Leave,
}

/// What signals ask for.
#[derive(Debug)]
pub struct Signals {
    /// To stop.
    pub stop: Stop,
    /// To begin a new session.
    pub reload: Request,
    /// To set marks.
    pub marks: Marks,
}

impl Signals {
    /// Catch the signals of this process from now on.
    ///
    /// # Errors
    /// When the operating system has no pipe, no handler or no thread for us.
    pub fn catch(on_hangup: OnHangup, on_user: OnUser) -> Result<Self> {
        let stop = Stop::new()?;
        let (reload, to_reload) = Request::with_asker()?;
        let (marks, marker) = Marks::with_marker()?;
        let start = || {
            let to_stop = stop.asker()?;
            let watch =
                Watch { on_hangup, had_terminal: has_terminal(), to_stop, to_reload, marker, is_stopping: false };
            let caught = while_signals_wait(|| {
                for signal in STOPPING {
                    watch.to_stop.ask_at(signal)?;
                }
                // For nohup(1).
                let hangup = (is_masked("SigIgn", SIGHUP) != Some(true)).then_some(SIGHUP);
                let user = (on_user == OnUser::Mark).then_some(SIGUSR1);
                Caught::new(STOPPING.into_iter().chain(DEADLY).chain(hangup).chain(user))
            })?;
            Builder::new().name("signals".to_owned()).spawn(move || watch.run(caught))
        };
        start().map_err(|cause| Error::System { operation: "catch signals", cause })?;
        Ok(Self { stop, reload, marks })
    }
}

/// Set handlers while signals wait: signal-hook sets one before it knows what it is to do, and between the two it would
/// take a signal and do nothing.
fn while_signals_wait<T>(set: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let masked_before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let outcome = set();
    masked_before.thread_set_mask()?;
    outcome
}

/// What the thread that takes the signals knows.
struct Watch {
    on_hangup: OnHangup,
    had_terminal: bool,
    to_stop: Asker,
    to_reload: Asker,
    marker: Marker,
    is_stopping: bool,
}

impl Watch {
    /// It does not log: who reads standard error may have stopped reading, and the next signal must still kill.
    fn run(mut self, mut caught: Caught) {
        loop {
            // All that came together count as one.
            let came: Vec<i32> = caught.wait().collect();
            if let Some(&signal) = came.iter().find(|signal| DEADLY.contains(signal)) {
                die_by(signal);
            }
            // Before what takes its time: a mark bears the time at which it was asked for.
            if came.contains(&SIGUSR1) {
                self.marker.mark();
            }
            if came.contains(&SIGHUP) {
                self.hang_up();
            }
            match came.iter().find(|signal| STOPPING.contains(signal)) {
                Some(&signal) if self.is_stopping => die_by(signal),
                Some(_) => {
                    self.is_stopping = true;
                    thread::sleep(SAME_REQUEST);
                    // Handlers run in the main thread, which may have had no processor meanwhile.
                    while STOPPING.into_iter().any(|signal| is_masked("ShdPnd", signal) == Some(true)) {
                        thread::sleep(HANDLED_WITHIN);
                    }
                    // If this thread was late, some that came later are forgiven too.
                    caught.pending().for_each(drop);
                }
                None => {}
            }
        }
    }

    fn hang_up(&self) {
        if self.had_terminal && has_terminal() {
            // A shell that ends sends it first, and takes the terminal along then.
            thread::sleep(TERMINAL_GOES);
        }
        match self.on_hangup {
            _ if self.had_terminal && !has_terminal() => self.to_stop.ask(),
            OnHangup::Stop => self.to_stop.ask(),
            OnHangup::Reload => self.to_reload.ask(),
            OnHangup::GoOn => {}
        }
    }
}

fn die_by(signal: i32) {
    leavings::clear();
    // It fails for unknown signals only.
    let _ = low_level::emulate_default_handler(signal);
}

/// Whether this process has a controlling terminal; see tty(4).
fn has_terminal() -> bool {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    !matches!(rustix::fs::open("/dev/tty", flags, Mode::empty()), Err(Errno::NXIO | Errno::IO))
}
