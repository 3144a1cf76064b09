//! What a run counted, in numbers and in words.

use std::fmt;

use hdrhistogram::Histogram;

use crate::clock::NS_PER_S;

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

/// Nanoseconds as seconds.
pub fn seconds(ns: i64) -> f64 {
    ns as f64 / NS_PER_S as f64
}

/// Mean rate of so many packets over `elapsed_ns`, in Hz: the intervals between them count, so that ten packets, one a
/// second, have a rate of 1. Zero when no time has passed.
pub fn rate_hz(packets: u64, elapsed_ns: i64) -> f64 {
    if elapsed_ns > 0 { packets.saturating_sub(1) as f64 / seconds(elapsed_ns) } else { 0.0 }
}

/// How late packets left: actual moment minus due moment.
#[derive(Debug)]
pub struct Lateness {
    histogram_ns: Histogram<u64>,
}

impl Lateness {
    /// No packet yet.
    #[expect(clippy::expect_used, reason = "three significant digits are within the allowed 0..=5")]
    pub fn new() -> Self {
        Self { histogram_ns: Histogram::new(3).expect("valid precision") }
    }

    /// A packet left `late_ns` after its due time. Packets never leave early, so less than zero counts as zero.
    pub fn record(&mut self, late_ns: i64) {
        // Fails only for a histogram of fixed size; this one grows.
        let _ = self.histogram_ns.record(late_ns.max(0) as u64);
    }
}

impl Default for Lateness {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Lateness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.histogram_ns.is_empty() {
            return f.write_str("lateness not measured (nothing was due at a time)");
        }
        let us = |ns: u64| ns as f64 / 1e3;
        write!(
            f,
            "lateness p50 {:.1} us, p99 {:.1} us, max {:.1} us",
            us(self.histogram_ns.value_at_quantile(0.5)),
            us(self.histogram_ns.value_at_quantile(0.99)),
            us(self.histogram_ns.max()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn lateness_names_its_figures() {
        let mut lateness = Lateness::new();
        assert!(lateness.to_string().contains("not measured"));
        for late_ns in [-5, 1_000, 2_000, 1_000_000] {
            lateness.record(late_ns);
        }
        assert_eq!(lateness.to_string(), "lateness p50 1.0 us, p99 1000.4 us, max 1000.4 us");
    }
}
