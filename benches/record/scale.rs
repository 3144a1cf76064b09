//! How much is measured.

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Each of them measures everything once.
    pub rounds: usize,
    /// Packets at full speed of 16 samples ...
    pub small_packets: u64,
    /// ... and of 1,024 samples.
    pub large_packets: u64,
    /// A contender that is slower by far gets a part of them: so many hundredths.
    pub slow_percent: u64,
    /// How long a device sends at a given rate.
    pub stream_s: u64,
}

/// What is published as a result.
pub const FULL: Scale =
    Scale { rounds: 5, small_packets: 2_000_000, large_packets: 100_000, slow_percent: 10, stream_s: 10 };

/// To see whether it works.
pub const QUICK: Scale =
    Scale { rounds: 1, small_packets: 200_000, large_packets: 10_000, slow_percent: 10, stream_s: 3 };
