//! How the messages of a session came: each stream's rate, and the gaps.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::store::Stamp;
use crate::time::clock::NS_PER_S;
use crate::time::durations::{rate_hz, seconds};

/// A gap is a spacing above so many times the mean one.
pub const GAP_FACTOR: i64 = 5;

/// Gaps that are named.
const GAPS_MAX: usize = 10;

/// A stream that lasts for so many whole seconds has its rate counted second by second.
const SECONDS_MIN: i64 = 2;

/// What is known of the messages of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// How many.
    pub messages: u64,
    /// Of them, those that its layout cannot read.
    pub undecodable: u64,
    /// Bytes behind their topics.
    pub bytes: u64,
    first_elapsed_ns: i64,
    last_elapsed_ns: i64,
    /// The smallest and the largest spacing of two that follow each other; none while there is only one message.
    spacing_ns: Option<(i64, i64)>,
    /// The second that goes on, counted from the first message, and the messages in it so far.
    second: i64,
    second_messages: u64,
    /// The smallest and the largest number of messages in a whole second.
    per_second: Option<(u64, u64)>,
}

/// How often messages came. What cannot be said, as of messages that share one moment, is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// In the second with the fewest messages; of less than two whole seconds, between the two that came furthest apart.
    pub min_hz: Option<f64>,
    /// From the first message to the last.
    pub mean_hz: Option<f64>,
    /// In the second with the most messages; of less than two whole seconds, between the two that came closest together.
    pub max_hz: Option<f64>,
}

/// A message that came long after the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The number of the message, from 0.
    pub number: i64,
    /// When it came.
    pub elapsed_ns: i64,
    /// How long after the one before it.
    pub spacing_ns: i64,
}

/// The figures of a session, message by message.
#[derive(Debug)]
pub struct Statistics {
    /// Of each stream, by its row.
    pub streams: BTreeMap<i64, Figures>,
    /// A longer spacing is a gap.
    pub gap_ns: i64,
    /// How many gaps there are.
    pub gaps: u64,
    /// The longest of them, longest first.
    pub longest: Vec<Gap>,
    last_elapsed_ns: Option<i64>,
}

impl Statistics {
    /// Of a session of so many messages that came within `duration_ns`.
    pub fn new(messages: u64, duration_ns: i64) -> Self {
        let spacings = i64::try_from(messages.saturating_sub(1)).unwrap_or(i64::MAX);
        // Divided last, so that the mean is not rounded down first.
        let gap_ns = duration_ns.saturating_mul(GAP_FACTOR).checked_div(spacings).unwrap_or(i64::MAX);
        let streams = BTreeMap::new();
        Self { streams, gap_ns, gaps: 0, longest: Vec::new(), last_elapsed_ns: None }
    }

    /// Count the next message.
    pub fn count(&mut self, stamp: &Stamp) {
        let Stamp { number, elapsed_ns, stream_id, bytes, is_undecodable, .. } = *stamp;
        if let Some(last_ns) = self.last_elapsed_ns.replace(elapsed_ns) {
            self.spacing(Gap { number, elapsed_ns, spacing_ns: elapsed_ns.saturating_sub(last_ns) });
        }
        let figures = match self.streams.entry(stream_id) {
            Entry::Occupied(known) => {
                let figures = known.into_mut();
                figures.message(elapsed_ns);
                figures
            }
            Entry::Vacant(unknown) => unknown.insert(Figures::new(elapsed_ns)),
        };
        figures.undecodable += u64::from(is_undecodable);
        figures.bytes = figures.bytes.saturating_add(bytes);
    }

    fn spacing(&mut self, gap: Gap) {
        if gap.spacing_ns <= self.gap_ns {
            return;
        }
        self.gaps += 1;
        let place = self.longest.partition_point(|longer| longer.spacing_ns >= gap.spacing_ns);
        if place < GAPS_MAX {
            self.longest.insert(place, gap);
            self.longest.truncate(GAPS_MAX);
        }
    }
}

impl Figures {
    /// With its first message.
    fn new(elapsed_ns: i64) -> Self {
        Self {
            messages: 1,
            undecodable: 0,
            bytes: 0,
            first_elapsed_ns: elapsed_ns,
            last_elapsed_ns: elapsed_ns,
            spacing_ns: None,
            second: 0,
            second_messages: 1,
            per_second: None,
        }
    }

    fn message(&mut self, elapsed_ns: i64) {
        let spacing_ns = elapsed_ns.saturating_sub(self.last_elapsed_ns);
        self.messages += 1;
        self.last_elapsed_ns = elapsed_ns;
        self.spacing_ns = Some(widened(self.spacing_ns, spacing_ns));
        let second = self.duration_ns() / NS_PER_S;
        if second > self.second {
            self.per_second = Some(widened(self.per_second, self.second_messages));
            if second > self.second.saturating_add(1) {
                // A second without a message lies between.
                self.per_second = Some(widened(self.per_second, 0));
            }
            (self.second, self.second_messages) = (second, 0);
        }
        self.second_messages += 1;
    }

    /// From the first message to the last.
    fn duration_ns(&self) -> i64 {
        self.last_elapsed_ns.saturating_sub(self.first_elapsed_ns)
    }

    /// How often its messages came. The second in which the last one came is not over, and does not count.
    pub fn rates(&self) -> Rates {
        let duration_ns = self.duration_ns();
        if duration_ns <= 0 {
            return Rates::default();
        }
        let (min_hz, max_hz) = match (self.per_second, self.spacing_ns) {
            (Some((least, most)), _) if duration_ns >= SECONDS_MIN * NS_PER_S => {
                (Some(least as f64), Some(most as f64))
            }
            (_, Some((least_ns, most_ns))) => {
                let between = |spacing_ns| (spacing_ns > 0).then(|| 1.0 / seconds(spacing_ns));
                (between(most_ns), between(least_ns))
            }
            (_, None) => (None, None),
        };
        Rates { min_hz, mean_hz: Some(rate_hz(self.messages, duration_ns)), max_hz }
    }
}

/// The smallest and the largest value so far.
fn widened<T: Copy + Ord>(so_far: Option<(T, T)>, value: T) -> (T, T) {
    so_far.map_or((value, value), |(least, most)| (least.min(value), most.max(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(number: i64, elapsed_ns: i64, stream_id: i64) -> Stamp {
        Stamp { number, elapsed_ns, stream_id, bytes: 2, frames: 1, is_undecodable: false }
    }

    #[test]
    fn the_longest_gaps_are_kept_in_order_and_all_are_counted() {
        // 1000 messages: every 50th comes 1000 ns and one more for each time later, the others after 10 ns.
        let mut times_ns = vec![0];
        for number in 1..1000 {
            let last_ns = times_ns[number - 1];
            times_ns.push(last_ns + if number % 50 == 0 { 1000 + number as i64 / 50 } else { 10 });
        }
        let mut statistics = Statistics::new(1000, times_ns[999]);
        for (number, elapsed_ns) in (0..).zip(times_ns) {
            statistics.count(&stamp(number, elapsed_ns, number % 2));
        }
        assert_eq!(statistics.gaps, 19);
        let longest: Vec<(i64, i64)> = statistics.longest.iter().map(|gap| (gap.number, gap.spacing_ns)).collect();
        let expected: Vec<(i64, i64)> = (10..20).rev().map(|time| (50 * time, 1000 + time)).collect();
        assert_eq!(longest, expected);
        let figures = statistics.streams[&0];
        assert_eq!((figures.messages, figures.spacing_ns), (500, Some((20, 1029))));
    }

    #[test]
    fn a_lone_message_has_neither_rate_nor_gap() {
        let mut statistics = Statistics::new(1, 0);
        statistics.count(&stamp(0, 5, 1));
        assert_eq!((statistics.gaps, statistics.streams[&1].rates()), (0, Rates::default()));
    }

    /// The smallest, mean and largest rate of messages that came at these times.
    fn rates_of(times_ms: &[i64]) -> [Option<f64>; 3] {
        let (first, rest) = times_ms.split_first().unwrap();
        let mut figures = Figures::new(first * 1_000_000);
        rest.iter().for_each(|time_ms| figures.message(time_ms * 1_000_000));
        let Rates { min_hz, mean_hz, max_hz } = figures.rates();
        [min_hz, mean_hz, max_hz]
    }

    #[test]
    fn rates_are_counted_in_each_whole_second_from_the_first_message_on() {
        // Three messages, then one, then two; the last second has only begun.
        assert_eq!(rates_of(&[500, 600, 1499, 1500, 2500, 3499, 3500, 3600]), [Some(1.0), Some(7.0 / 3.1), Some(3.0)]);
        // One each second is one each second, however long.
        assert_eq!(rates_of(&[0, 1000, 2000, 3000, 4000]), [Some(1.0); 3]);
        // A second without a message, and many of them.
        assert_eq!(rates_of(&[0, 100, 2000]), [Some(0.0), Some(1.0), Some(2.0)]);
        assert_eq!(rates_of(&[0, 100_000]), [Some(0.0), Some(0.01), Some(1.0)]);
    }

    #[test]
    fn rates_of_less_than_two_seconds_are_those_between_two_messages() {
        assert_eq!(rates_of(&[0, 100, 600]), [Some(2.0), Some(2.0 / 0.6), Some(10.0)]);
        assert_eq!(rates_of(&[0, 1999]), [Some(1.0 / 1.999); 3]);
        // Nobody can say how fast messages of one moment came.
        assert_eq!(rates_of(&[0, 0, 500]), [Some(2.0), Some(4.0), None]);
        assert_eq!(rates_of(&[7, 7, 7]), [None; 3]);
        // A clock that goes backwards, as only a damaged session has one, is no reason to panic.
        assert_eq!(rates_of(&[0, 5000, -9_000_000_000])[1], None);
    }
}
