//! Wakes a thread that waits for descriptors.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};

use crate::error::{Error, Result};

/// Readable from when it is rung until it is silenced.
#[derive(Debug)]
pub(super) struct Bell(OwnedFd);

impl Bell {
    /// A bell that was not rung.
    ///
    /// # Errors
    /// This process may not open any more.
    pub fn new() -> Result<Self> {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map(Self)
            .map_err(|cause| Error::System { operation: "make an event descriptor", cause: cause.into() })
    }

    /// Ring it. It fails only when it was rung more often than anybody can.
    pub fn ring(&self) {
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Silence it, whether it was rung or not.
    pub fn silence(&self) {
        let mut rung = [0; 8];
        let _ = rustix::io::read(&self.0, &mut rung);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
