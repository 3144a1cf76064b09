//! How much is measured.

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Each of them measures everything once.
    pub rounds: usize,
    /// Packets of the session that is looked at.
    pub packets: u64,
    /// Windows of it that are shown.
    pub zooms: usize,
    /// Seconds of a recording that others look at.
    pub watched_s: u64,
}

/// What is published as a result.
pub const FULL: Scale = Scale { rounds: 5, packets: 20_000_000, zooms: 20, watched_s: 20 };

/// To see whether it works.
pub const QUICK: Scale = Scale { rounds: 1, packets: 200_000, zooms: 3, watched_s: 2 };
