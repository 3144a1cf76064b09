//! What the service manager is told. Without `NOTIFY_SOCKET` nothing is said and nothing fails.

use std::env;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::escape;

/// Whether there is a service manager that listens.
pub fn is_watched() -> bool {
    env::var_os("NOTIFY_SOCKET").is_some()
}

/// Everything is open: data flows from here on. `status` says what is being done.
pub fn ready(status: &str) {
    // This one may wait: whoever started us waits for it.
    heard(sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&escape::line(status))]));
}

/// What is being done now.
pub fn status(text: &str) {
    // An end of a line in it would begin another word to the service manager.
    heard(tell(&[NotifyState::Status(&escape::line(text))]));
}

/// How often the service manager wants to hear [`alive`], if at all.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// The run gets on.
pub fn alive() {
    heard(tell(&[NotifyState::Watchdog]));
}

/// The run is closing down.
pub fn stopping() {
    heard(tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]));
}

/// Send without waiting: a service manager that does not read must not hold a capture up.
fn tell(states: &[NotifyState<'_>]) -> io::Result<()> {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let message: String = states.iter().map(|state| format!("{state}\n")).collect();
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to(message.as_bytes(), path).map(|_| ())
}

/// A service manager that does not listen must not stop a capture.
fn heard(told: io::Result<()>) {
    if let Err(cause) = told {
        tracing::debug!("cannot tell the service manager: {cause}");
    }
}
