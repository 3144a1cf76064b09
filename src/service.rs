//! What the service manager is told. Without `NOTIFY_SOCKET` nothing is said and nothing fails.

use sd_notify::NotifyState;

/// Everything is open: data flows from here on. `status` says what is being done.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The run is closing down.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

fn tell(states: &[NotifyState<'_>]) {
    // A service manager that does not listen must not stop a capture.
    if let Err(cause) = sd_notify::notify(states) {
        tracing::debug!("cannot tell the service manager: {cause}");
    }
}
