//! The commands: each opens the parts, says READY, runs the loop, closes everything and sums up.

#[cfg(feature = "archive")]
mod archiving;
pub mod completions;
mod dry_run;
#[cfg(feature = "archive")]
mod fetching;
mod here;
pub mod keygen;
pub mod publish;
pub mod record;
pub mod replay;
pub mod serve;
pub mod session;
mod timing_report;

use std::io::{self, Write};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use crate::error::{Error, Result};
use crate::escape;
use crate::exit::Exit;
use crate::log;
use crate::message::queue::OnFull;
use crate::socket::SendingKind;
use crate::socket::curve::KeyFiles;

/// How to send.
#[derive(Clone, Debug)]
pub struct SendSettings {
    /// Subscribers to wait for.
    pub wait_subscribers: u64,
    /// With which keys.
    pub keys: KeyFiles,
    /// With which kind of socket.
    pub kind: SendingKind,
    /// What to do when a subscriber is full.
    pub on_full: OnFull,
}

/// How many peers were cut off, as a part of a summary, or nothing.
fn cut_off(peers: u64) -> String {
    match peers {
        0 => String::new(),
        1 => ", 1 peer was cut off".to_owned(),
        peers => format!(", {peers} peers were cut off"),
    }
}

/// `1 message`, `2 messages`.
fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Print lines on standard output. Texts from outside that stand in them have no ends of lines any more, see [`escape::line`];
/// what else a terminal would obey is escaped here.
///
/// # Errors
/// When it cannot be written.
fn print(text: &str) -> Result<Exit> {
    print_help(&escape::lines(text))
}

/// Print help, which may have colours, on standard output.
///
/// # Errors
/// When it cannot be written.
pub fn print_help(text: &str) -> Result<Exit> {
    let write = || {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush())
    };
    log::aside(write).map_err(Error::Output)?;
    Ok(Exit::Done)
}

/// Start a thread with a name.
fn spawn<'scope, 'env, T: Send + 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    name: &str,
    work: impl FnOnce() -> Result<T> + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, Result<T>>> {
    Builder::new()
        .name(name.to_owned())
        .spawn_scoped(scope, work)
        .map_err(|cause| Error::System { operation: "start a thread", cause })
}

/// Wait for a thread and take its result. A panic has already been printed with its place.
fn join<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    let panicked = |_| Error::System { operation: "finish a thread", cause: io::Error::other("it panicked") };
    thread.join().map_err(panicked)?
}
