//! How differently far apart the messages of two sessions came.

use std::fmt;

use hdrhistogram::Histogram;

/// The difference between the spacing of two messages in one session and of the same two in another.
#[derive(Debug)]
pub struct SpacingDifference {
    histogram_ns: Histogram<u64>,
}

impl SpacingDifference {
    #[expect(clippy::expect_used, reason = "three significant digits are within the allowed 0..=5")]
    fn new() -> Self {
        Self { histogram_ns: Histogram::new(3).expect("valid precision") }
    }

    /// Two messages came `a_ns` apart in one session and `b_ns` in the other.
    pub fn record(&mut self, a_ns: i64, b_ns: i64) {
        // Fails only for a histogram of fixed size; this one grows.
        let _ = self.histogram_ns.record(a_ns.abs_diff(b_ns));
    }

    /// How many spacings were compared.
    pub fn count(&self) -> u64 {
        self.histogram_ns.len()
    }

    /// Half of the differences are not above this, in nanoseconds, to three digits.
    pub fn p50_ns(&self) -> u64 {
        self.histogram_ns.value_at_quantile(0.5)
    }

    /// 99 of 100 differences are not above this, in nanoseconds, to three digits.
    pub fn p99_ns(&self) -> u64 {
        self.histogram_ns.value_at_quantile(0.99)
    }

    /// The largest difference in nanoseconds, to three digits.
    pub fn max_ns(&self) -> u64 {
        self.histogram_ns.max()
    }
}

impl Default for SpacingDifference {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for SpacingDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.count() == 0 {
            return f.write_str("not compared (no two messages follow each other in both)");
        }
        let us = |ns: u64| ns as f64 / 1e3;
        write!(
            f,
            "p50 {:.1} us, p99 {:.1} us, max {:.1} us apart ({} compared)",
            us(self.p50_ns()),
            us(self.p99_ns()),
            us(self.max_ns()),
            self.count()
        )
    }
}
