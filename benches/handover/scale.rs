//! How much is measured.

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Each of them measures everything once.
    pub rounds: usize,
    /// Packets that are exported.
    pub packets: u64,
    /// Packets of the simulated device whose files are weighed.
    pub weighed_packets: u64,
}

/// What is published as a result.
pub const FULL: Scale = Scale { rounds: 3, packets: 10_000_000, weighed_packets: 1_000_000 };

/// To see whether it works.
pub const QUICK: Scale = Scale { rounds: 1, packets: 200_000, weighed_packets: 100_000 };
