//! How much is measured.

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Each of them measures everything once.
    pub rounds: usize,
    /// How long lateness and what it costs are measured ...
    pub paced_s: u64,
    /// ... and whether a replay drifts.
    pub drift_s: u64,
    /// Packets of the long session.
    pub long_packets: u64,
    /// Packets that are sent at full speed.
    pub fast_packets: u64,
    /// Packets of 1 MiB that are sent at full speed.
    pub large_packets: u64,
    /// How long a device sends that is recorded, replayed and recorded.
    pub round_trip_s: u64,
}

/// What is published as a result.
pub const FULL: Scale = Scale {
    rounds: 5,
    paced_s: 30,
    drift_s: 60,
    long_packets: 20_000_000,
    fast_packets: 3_000_000,
    large_packets: 2_000,
    round_trip_s: 10,
};

/// To see whether it works.
pub const QUICK: Scale = Scale {
    rounds: 1,
    paced_s: 3,
    drift_s: 6,
    long_packets: 2_000_000,
    fast_packets: 300_000,
    large_packets: 300,
    round_trip_s: 2,
};
