//! Where samples of a stream are missing, as the times of its messages say.
//!
//! A message that comes late is no gap: what was sent meanwhile follows it in a burst. So a gap is a lateness that stays: from one
//! message to the next, the smallest lateness of all that come within some seconds grows.

use std::collections::VecDeque;

use crate::time::clock::NS_PER_S;

/// Within so much time a burst has made up for a delay.
const BURST_NS: i64 = 5 * NS_PER_S;

/// A gap is longer than three quarters of a message, and than what the clocks of device and recorder differ by in that time.
const GAP_MIN_NS: i64 = 2_000_000;

/// Messages of which each is later than those before it, which are remembered at most.
const RISING_MAX: usize = 65_536;

/// Gaps that are remembered.
pub(in crate::exporter) const GAPS_MAX: usize = 100_000;

/// A message, as far as it matters here.
#[derive(Clone, Copy, Debug)]
struct Heard {
    number: i64,
    elapsed_ns: i64,
    /// By how much it is later than the samples up to it last.
    late_ns: i64,
    /// How long its samples last.
    lasts_ns: i64,
}

/// Finds the gaps of a stream.
#[derive(Debug)]
pub(in crate::exporter) struct Listener {
    sample_rate_hz: f64,
    samples: u64,
    /// Of the messages of the last seconds, those that are less late than all behind them.
    rising: VecDeque<Heard>,
    found: Silences,
}

/// Gaps of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::exporter) struct Silences {
    /// The number of the message behind which samples are missing, and how long they would last; those that are remembered.
    pub after: VecDeque<(i64, i64)>,
    /// How many there are.
    pub count: u64,
    /// How long they are together.
    pub total_ns: i64,
}

impl Listener {
    /// Of a stream with so many samples in a second.
    pub fn new(sample_rate_hz: u32) -> Self {
        let (samples, rising, found) = Default::default();
        Self { sample_rate_hz: sample_rate_hz.max(1).into(), samples, rising, found }
    }

    /// The next message, with so many samples.
    pub fn hear(&mut self, number: i64, elapsed_ns: i64, samples: u64) {
        self.samples = self.samples.saturating_add(samples);
        let lasts = |samples: u64| (samples as f64 / self.sample_rate_hz * NS_PER_S as f64) as i64;
        let late_ns = elapsed_ns.saturating_sub(lasts(self.samples));
        while self.rising.back().is_some_and(|last| last.late_ns >= late_ns) {
            self.rising.pop_back();
        }
        self.rising.push_back(Heard { number, elapsed_ns, late_ns, lasts_ns: lasts(samples) });
        let is_old = |first: &Heard| elapsed_ns.saturating_sub(first.elapsed_ns) > BURST_NS;
        while self.rising.len() > 1 && (self.rising.front().is_some_and(is_old) || self.rising.len() > RISING_MAX) {
            self.decide();
        }
    }

    /// Whatever comes, the first message that is remembered is followed by the second one.
    fn decide(&mut self) {
        let (Some(before), Some(behind)) = (self.rising.pop_front(), self.rising.front()) else { return };
        let gap_ns = behind.late_ns.saturating_sub(before.late_ns);
        if gap_ns > (before.lasts_ns / 4 * 3).max(GAP_MIN_NS) {
            if self.found.after.len() < GAPS_MAX {
                self.found.after.push_back((before.number, gap_ns));
            }
            self.found.count += 1;
            self.found.total_ns = self.found.total_ns.saturating_add(gap_ns);
        }
    }

    /// What was found, when no message follows.
    pub fn end(mut self) -> Silences {
        while self.rising.len() > 1 {
            self.decide();
        }
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    /// The gaps of messages that hold 10 ms each and came at these times, in milliseconds.
    fn gaps(times_ms: impl IntoIterator<Item = i64>) -> Vec<(i64, i64)> {
        let mut listener = Listener::new(8000);
        for (number, ms) in (0..).zip(times_ms) {
            listener.hear(number, ms * MS, 80);
        }
        listener.end().after.into_iter().map(|(number, ns)| (number, ns / MS)).collect()
    }

    #[test]
    fn a_lateness_that_stays_is_a_gap() {
        let steady = |count: i64| (1..=count).map(|number| 10 * number);
        assert_eq!(gaps(steady(1000)), []);
        assert_eq!(gaps([]), []);
        assert_eq!(gaps([7]), []);
        let lost = |from: i64, to: i64| steady(2000).filter(move |ms| !(from..to).contains(ms));
        assert_eq!(gaps(lost(5000, 5010)), [(498, 10)], "one message");
        assert_eq!(gaps(lost(5000, 7000)), [(498, 2000)]);
        let twice = lost(5000, 5100).filter(|ms| !(5200..5230).contains(ms));
        assert_eq!(gaps(twice), [(498, 100), (508, 30)], "closely behind one another");
        assert_eq!(gaps(lost(10, 100)), [(0, 0); 0], "before the first one nothing is known");
        assert_eq!(
            gaps(steady(10).chain((11..=20).map(|number| 10 * number + 400))),
            [(9, 400)],
            "shortly before the end"
        );
    }

    #[test]
    fn a_delay_that_is_made_up_for_is_none() {
        // Three seconds in which nothing came, and then all at once.
        let stalled = (1..=2000).map(|number| if (500..800).contains(&number) { 8000 } else { 10 * number });
        assert_eq!(gaps(stalled), []);
        // Each comes up to 9 ms late.
        assert_eq!(gaps((1..=2000).map(|number| 10 * number + number * 7 % 10)), []);
        // A device whose clock is wrong by 200 ppm, either way, for an hour.
        for of_a_million in [999_800, 1_000_200] {
            let mut listener = Listener::new(8000);
            (1..360_000).for_each(|number| listener.hear(number, number * 10 * of_a_million, 80));
            assert_eq!(listener.end(), Silences::default());
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut listener = Listener::new(1_000_000);
        // Each message later than the one before, all within a second.
        for number in 0..200_000 {
            listener.hear(number, number * 5000, 1);
        }
        assert!(listener.rising.len() <= RISING_MAX);
        assert_eq!(listener.end().count, 0);
    }
}
