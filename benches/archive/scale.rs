//! How much is measured.

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Each of them measures everything once.
    pub rounds: usize,
    /// Packets of the session that is archived and read back.
    pub packets: u64,
    /// Seconds of a recording.
    pub stream_s: u64,
    /// For so many of them the archive is away, before it is back.
    pub away_s: u64,
    /// Captures of each recorder in a list.
    pub captures: u64,
    /// Packets of a replay.
    pub replayed_packets: u64,
    /// Whether the program is built anew.
    pub is_building: bool,
}

/// What is published as a result.
pub const FULL: Scale = Scale {
    rounds: 3,
    packets: 20_000_000,
    stream_s: 20,
    away_s: 60,
    captures: 100,
    replayed_packets: 20_000,
    is_building: true,
};

/// To see whether it works.
pub const QUICK: Scale = Scale {
    rounds: 1,
    packets: 200_000,
    stream_s: 2,
    away_s: 2,
    captures: 3,
    replayed_packets: 2_000,
    is_building: false,
};
