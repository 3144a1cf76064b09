//! How late messages left: the certificate of a replay.

use std::fmt;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Messages at the beginning and at the end that are compared to see whether the replay drifted.
const DRIFT_MESSAGES: usize = 1_000;

/// Messages that left latest, of which each is named.
const WORST_MESSAGES: usize = 10;

/// How late messages left: the moment at which a message was handed to ZeroMQ (or, when a subscriber had to be waited for,
/// the end of that) minus the moment at which it was due.
#[derive(Clone, Debug)]
pub struct Lateness {
    histogram_ns: Histogram<u64>,
    /// The latest first.
    worst: Vec<Late>,
    /// The sum over the first [`DRIFT_MESSAGES`].
    first_sum_ns: i64,
    /// The last [`DRIFT_MESSAGES`], the oldest of them at `next`.
    last_ns: Vec<i64>,
    next: usize,
}

/// One message that left late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late {
    /// Its number in the session, from 0.
    pub number: i64,
    /// When it was recorded, since the session began.
    pub elapsed_ns: i64,
    /// How late it left.
    pub late_ns: i64,
}

impl Lateness {
    /// No message yet.
    #[expect(clippy::expect_used, reason = "three significant digits are within the allowed 0..=5")]
    pub fn new() -> Self {
        Self {
            histogram_ns: Histogram::new(3).expect("valid precision"),
            worst: Vec::with_capacity(WORST_MESSAGES + 1),
            first_sum_ns: 0,
            last_ns: Vec::with_capacity(DRIFT_MESSAGES),
            next: 0,
        }
    }

    /// A message left. Messages never leave early, so less than zero counts as zero.
    pub fn record(&mut self, late: Late) {
        let late_ns = late.late_ns.max(0);
        // Fails only for a histogram of fixed size; this one grows.
        let _ = self.histogram_ns.record(late_ns as u64);
        match self.last_ns.get_mut(self.next) {
            Some(oldest) => *oldest = late_ns,
            None => {
                // A damaged capture may have been due a century ago.
                self.first_sum_ns = self.first_sum_ns.saturating_add(late_ns);
                self.last_ns.push(late_ns);
            }
        }
        self.next = (self.next + 1) % DRIFT_MESSAGES;
        if self.worst.len() < WORST_MESSAGES || self.worst.last().is_some_and(|least| late_ns > least.late_ns) {
            let place = self.worst.partition_point(|worse| worse.late_ns >= late_ns);
            self.worst.insert(place, late);
            self.worst.truncate(WORST_MESSAGES);
        }
    }

    /// The lateness that this part of the messages stayed within, in ns.
    pub fn quantile_ns(&self, quantile: f64) -> u64 {
        self.histogram_ns.value_at_quantile(quantile)
    }

    /// Messages that were due at a time.
    pub fn count(&self) -> u64 {
        self.histogram_ns.len()
    }

    /// By how much later, on the average, the last messages left than the first ones.
    pub fn drift_ns(&self) -> i64 {
        let Ok(messages @ 1..) = i64::try_from(self.last_ns.len()) else { return 0 };
        let last_sum_ns = self.last_ns.iter().fold(0_i64, |sum, late_ns| sum.saturating_add(*late_ns));
        last_sum_ns.saturating_sub(self.first_sum_ns) / messages
    }

    /// The messages that left latest, in words. Empty when none was due at a time.
    pub fn worst(&self) -> String {
        let worst = self.worst.iter().map(|late| format!("#{} {:.1} us", late.number, late.late_ns as f64 / 1e3));
        worst.collect::<Vec<_>>().join(", ")
    }

    /// All figures, for programs.
    pub fn as_json(&self) -> Value {
        let late =
            |late: &Late| json!({ "number": late.number, "elapsed_ns": late.elapsed_ns, "lateness_ns": late.late_ns });
        json!({
            "count": self.count(),
            "p50_ns": self.quantile_ns(0.5),
            "p90_ns": self.quantile_ns(0.9),
            "p99_ns": self.quantile_ns(0.99),
            "p99_9_ns": self.quantile_ns(0.999),
            "max_ns": self.histogram_ns.max(),
            "drift_ns": self.drift_ns(),
            "worst": self.worst.iter().map(late).collect::<Vec<_>>(),
        })
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
            "lateness p50 {:.1} us, p90 {:.1} us, p99 {:.1} us, p99.9 {:.1} us, max {:.1} us, drift {:.1} us",
            us(self.quantile_ns(0.5)),
            us(self.quantile_ns(0.9)),
            us(self.quantile_ns(0.99)),
            us(self.quantile_ns(0.999)),
            us(self.histogram_ns.max()),
            self.drift_ns() as f64 / 1e3,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lateness(late_ns: impl IntoIterator<Item = i64>) -> Lateness {
        let mut lateness = Lateness::new();
        for (number, late_ns) in (0..).zip(late_ns) {
            lateness.record(Late { number, elapsed_ns: 10 * number, late_ns });
        }
        lateness
    }

    #[test]
    fn figures_are_named() {
        assert!(Lateness::new().to_string().contains("not measured"));
        assert_eq!(
            lateness([-5, 1_000, 2_000, 1_000_000]).to_string(),
            "lateness p50 1.0 us, p90 1000.4 us, p99 1000.4 us, p99.9 1000.4 us, max 1000.4 us, drift 0.0 us"
        );
    }

    #[test]
    fn the_worst_are_named_by_their_numbers() {
        assert_eq!(Lateness::new().worst(), "");
        assert_eq!(lateness([1_000, 0, 2_500]).worst(), "#2 2.5 us, #0 1.0 us, #1 0.0 us");
    }

    #[test]
    fn the_worst_ten_are_kept_in_order() {
        let json = lateness((0..1000).map(|number| (number * 7) % 1000)).as_json();
        let worst: Vec<i64> =
            json["worst"].as_array().unwrap().iter().map(|late| late["lateness_ns"].as_i64().unwrap()).collect();
        assert_eq!(worst, (990..1000).rev().collect::<Vec<_>>());
        let first = &json["worst"][0];
        assert_eq!(first["number"].as_i64().unwrap() * 7 % 1000, 999);
        assert_eq!(first["elapsed_ns"].as_i64().unwrap(), 10 * first["number"].as_i64().unwrap());
    }

    #[test]
    fn drift_compares_the_end_with_the_beginning() {
        assert_eq!(lateness((0..10_000).map(|number| number * 3)).drift_ns(), 27_000);
        assert_eq!(lateness([5, 9]).drift_ns(), 0);
        assert_eq!(Lateness::new().drift_ns(), 0);
    }
}
