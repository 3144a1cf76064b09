//! The commands: each opens the parts, says READY, runs the loop, closes everything and sums up.

pub mod publish;
pub mod record;
pub mod replay;
pub mod session;

use std::io;
use std::thread::{Builder, Scope, ScopedJoinHandle};

use crate::error::{Error, Result};
use crate::settings::SendSettings;
use crate::socket::{Flushed, Sender};

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

fn bind(settings: &SendSettings, heads: Vec<Vec<u8>>, message_bytes: u64) -> Result<Sender> {
    Sender::bind(&settings.bind, settings.on_full, heads, message_bytes)
}

/// Close the socket. Says whether messages were left behind in it.
fn close(sender: Sender) -> bool {
    let flushed = sender.close();
    if flushed == Flushed::Partly {
        tracing::warn!("a subscriber did not read the last messages; they may be lost");
    }
    flushed == Flushed::Partly
}
