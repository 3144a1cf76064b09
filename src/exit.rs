//! The exit codes that scripts and units rely on.

use std::process::ExitCode;

/// How a run ended, as its parent process sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, or stopped on request with everything saved.
    Done,
    /// 1: failed while running; one line says why.
    Failed,
    /// 2: wrong usage or configuration; nothing was started.
    Usage,
    /// 3: finished, but data was lost, or a capture is not as it should be.
    Loss,
}

impl Exit {
    /// `Loss` when something was lost, else `Done`.
    pub fn from_loss(lost: bool) -> Self {
        if lost { Self::Loss } else { Self::Done }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Loss => 3,
        })
    }
}
