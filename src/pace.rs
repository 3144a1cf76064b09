//! When is which packet due? Pure arithmetic on monotonic time.
//!
//! Every due time is computed from one anchor and never from the packet before, so that errors do not add up
//! (canplayer and rosbag2 fix their time offset once in the same way).

use std::fmt;
use std::str::FromStr;

/// How fast a capture is replayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// A factor on time: 1 is the original spacing, 2 is twice as fast.
    Factor(f64),
    /// Without waiting.
    Max,
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        positive(text, "a speed is a factor above zero, such as 0.5 or 10, or `max`").map(Self::Factor)
    }
}

/// How often a device sends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cadence {
    /// One packet every so many nanoseconds.
    PeriodNs(f64),
    /// Without waiting.
    Max,
}

impl Cadence {
    /// `--rate`: packets per second, or `max`.
    ///
    /// # Errors
    /// A text for the user when `text` is no rate above zero.
    pub fn from_rate(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        positive(text, "a rate is a number of packets per second above zero, or `max`")
            .map(|rate_hz| Self::PeriodNs(1e9 / rate_hz))
    }

    /// When packet `index` (0, 1, ...) is due on the monotonic clock, if the first one is due at `anchor_ns`.
    /// `None` means at once.
    pub fn due_ns(self, anchor_ns: i64, index: u64) -> Option<i64> {
        match self {
            Self::PeriodNs(period_ns) => Some(anchor_ns.saturating_add((index as f64 * period_ns).round() as i64)),
            Self::Max => None,
        }
    }
}

impl fmt::Display for Cadence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeriodNs(period_ns) => write!(f, "{} packets/s", (1e12 / period_ns).round() / 1e3),
            Self::Max => f.write_str("full speed"),
        }
    }
}

fn positive(text: &str, rule: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| rule.to_owned())?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err(rule.to_owned()) }
}

/// One pass over a capture: recorded time in, due time out.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    anchor_ns: i64,
    first_elapsed_ns: i64,
    speed: Speed,
}

impl Schedule {
    /// A pass whose first packet, recorded at `first_elapsed_ns`, is due at `anchor_ns`.
    pub fn new(anchor_ns: i64, first_elapsed_ns: i64, speed: Speed) -> Self {
        Self { anchor_ns, first_elapsed_ns, speed }
    }

    /// When a packet recorded at `elapsed_ns` is due on the monotonic clock. `None` means at once.
    pub fn due_ns(&self, elapsed_ns: i64) -> Option<i64> {
        let Speed::Factor(factor) = self.speed else { return None };
        let recorded_ns = elapsed_ns.saturating_sub(self.first_elapsed_ns);
        // At the original speed no rounding at all, also not after 104 days, where f64 has no nanosecond left.
        let offset_ns = if factor == 1.0 { recorded_ns } else { (recorded_ns as f64 / factor).round() as i64 };
        Some(self.anchor_ns.saturating_add(offset_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_times_keep_the_recorded_spacing_times_the_factor() {
        let due = |speed, elapsed_ns| Schedule::new(1_000, 50, speed).due_ns(elapsed_ns);
        assert_eq!(due(Speed::Factor(1.0), 50), Some(1_000));
        assert_eq!(due(Speed::Factor(1.0), 150), Some(1_100));
        assert_eq!(due(Speed::Factor(2.0), 150), Some(1_050));
        assert_eq!(due(Speed::Factor(0.5), 150), Some(1_200));
        assert_eq!(due(Speed::Max, 150), None);
    }

    #[test]
    fn a_year_at_original_speed_is_exact() {
        let year_ns = 365 * 86_400 * 1_000_000_000 + 1;
        assert_eq!(Schedule::new(7, 0, Speed::Factor(1.0)).due_ns(year_ns), Some(year_ns + 7));
    }

    #[test]
    fn an_odd_rate_does_not_drift() {
        let cadence = Cadence::from_rate("3").unwrap();
        assert_eq!(cadence.due_ns(0, 3_000_000), Some(1_000_000_000_000_000));
        assert_eq!(cadence.due_ns(5, 1), Some(333_333_338));
    }

    #[test]
    fn speeds_and_rates_of_zero_or_less_are_refused() {
        for text in ["0", "-1", "nan", "inf", "", "fast", "1e400"] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
            assert!(Cadence::from_rate(text).is_err(), "{text}");
        }
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("2.5".parse(), Ok(Speed::Factor(2.5)));
    }

    #[test]
    fn absurd_speeds_saturate() {
        assert_eq!(Schedule::new(0, 0, Speed::Factor(1e-300)).due_ns(i64::MAX), Some(i64::MAX));
        assert_eq!(Schedule::new(0, i64::MAX, Speed::Factor(1.0)).due_ns(i64::MIN), Some(i64::MIN));
    }
}
