//! What a run counted, in numbers and in words.

use crate::time::durations::{rate_hz, seconds};

/// The totals of a run or of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Envelopes.
    pub packets: u64,
    /// Messages that were no envelope.
    pub rejected: u64,
    /// Messages that are known to be missing.
    pub lost: u64,
    /// Bytes of samples in the packets.
    pub bytes: u64,
}

impl Tally {
    /// Count one packet with `payload_bytes` of samples.
    pub fn packet(&mut self, payload_bytes: usize) {
        self.packets += 1;
        self.bytes += payload_bytes as u64;
    }

    /// The sum of both.
    pub fn plus(self, other: Self) -> Self {
        Self {
            packets: self.packets + other.packets,
            rejected: self.rejected + other.rejected,
            lost: self.lost + other.lost,
            bytes: self.bytes + other.bytes,
        }
    }

    /// The totals over `elapsed_ns` in words: `10 packets, 320 bytes of samples in 9.000 s (1.0 packets/s)`.
    pub fn over(self, elapsed_ns: i64) -> String {
        let rejected = if self.rejected > 0 { format!(", {} rejected", self.rejected) } else { String::new() };
        format!(
            "{} packet{}, {} bytes of samples{rejected} in {:.3} s ({:.1} packets/s)",
            self.packets,
            if self.packets == 1 { "" } else { "s" },
            self.bytes,
            seconds(elapsed_ns),
            rate_hz(self.packets, elapsed_ns),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::clock::NS_PER_S;

    #[test]
    fn totals_read_as_a_sentence() {
        let mut tally = Tally::default();
        for _ in 0..10 {
            tally.packet(32);
        }
        assert_eq!(tally.over(9 * NS_PER_S), "10 packets, 320 bytes of samples in 9.000 s (1.0 packets/s)");
        let one = Tally { packets: 1, rejected: 2, lost: 3, bytes: 4 };
        assert_eq!(one.over(0), "1 packet, 4 bytes of samples, 2 rejected in 0.000 s (0.0 packets/s)");
    }
}
