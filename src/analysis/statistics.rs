//! How the messages of a session came: each topic's rate, and the gaps.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::time::clock::NS_PER_S;
use crate::time::durations::{rate_hz, seconds};

/// A gap is a spacing above so many times the mean one.
pub const GAP_FACTOR: i64 = 5;

/// Gaps that are named.
const GAPS_MAX: usize = 10;

/// Topics that are told apart. Each message may have its own, and memory is to stay small.
const TOPICS_MAX: usize = 1000;

/// A topic that lasts for so many whole seconds has its rate counted second by second.
const SECONDS_MIN: i64 = 2;

/// What is known of the packets of one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// How many.
    pub packets: u64,
    first_elapsed_ns: i64,
    last_elapsed_ns: i64,
    /// The smallest and the largest spacing of two that follow each other; none while there is only one packet.
    spacing_ns: Option<(i64, i64)>,
    /// The second that goes on, counted from the first packet, and the packets in it so far.
    second: i64,
    second_packets: u64,
    /// The smallest and the largest number of packets in a whole second.
    per_second: Option<(u64, u64)>,
}

/// How often packets came. What cannot be said, as of packets that share one moment, is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// In the second with the fewest packets; of less than two whole seconds, between the two that came furthest apart.
    pub min_hz: Option<f64>,
    /// From the first packet to the last.
    pub mean_hz: Option<f64>,
    /// In the second with the most packets; of less than two whole seconds, between the two that came closest together.
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
    /// Topics by their numbers.
    pub topics: BTreeMap<i64, Topic>,
    /// Packets of topics beyond those.
    pub other_packets: u64,
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
        let topics = BTreeMap::new();
        Self { topics, other_packets: 0, gap_ns, gaps: 0, longest: Vec::new(), last_elapsed_ns: None }
    }

    /// Count the next message. `topic_id` is `None` when it is no packet.
    pub fn count(&mut self, number: i64, elapsed_ns: i64, topic_id: Option<i64>) {
        if let Some(last_ns) = self.last_elapsed_ns.replace(elapsed_ns) {
            self.spacing(Gap { number, elapsed_ns, spacing_ns: elapsed_ns.saturating_sub(last_ns) });
        }
        let Some(topic_id) = topic_id else { return };
        let is_full = self.topics.len() >= TOPICS_MAX;
        match self.topics.entry(topic_id) {
            Entry::Occupied(mut topic) => topic.get_mut().packet(elapsed_ns),
            Entry::Vacant(_) if is_full => self.other_packets += 1,
            Entry::Vacant(unknown) => drop(unknown.insert(Topic::new(elapsed_ns))),
        }
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

impl Topic {
    /// With its first packet.
    fn new(elapsed_ns: i64) -> Self {
        Self {
            packets: 1,
            first_elapsed_ns: elapsed_ns,
            last_elapsed_ns: elapsed_ns,
            spacing_ns: None,
            second: 0,
            second_packets: 1,
            per_second: None,
        }
    }

    fn packet(&mut self, elapsed_ns: i64) {
        let spacing_ns = elapsed_ns.saturating_sub(self.last_elapsed_ns);
        self.packets += 1;
        self.last_elapsed_ns = elapsed_ns;
        self.spacing_ns = Some(widened(self.spacing_ns, spacing_ns));
        let second = self.duration_ns() / NS_PER_S;
        if second > self.second {
            self.per_second = Some(widened(self.per_second, self.second_packets));
            if second > self.second.saturating_add(1) {
                // A second without a packet lies between.
                self.per_second = Some(widened(self.per_second, 0));
            }
            (self.second, self.second_packets) = (second, 0);
        }
        self.second_packets += 1;
    }

    /// From the first packet to the last.
    fn duration_ns(&self) -> i64 {
        self.last_elapsed_ns.saturating_sub(self.first_elapsed_ns)
    }

    /// How often its packets came. The second in which the last one came is not over, and does not count.
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
        Rates { min_hz, mean_hz: Some(rate_hz(self.packets, duration_ns)), max_hz }
    }
}

/// The smallest and the largest value so far.
fn widened<T: Copy + Ord>(so_far: Option<(T, T)>, value: T) -> (T, T) {
    so_far.map_or((value, value), |(least, most)| (least.min(value), most.max(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            statistics.count(number, elapsed_ns, Some(number % 2));
        }
        assert_eq!(statistics.gaps, 19);
        let longest: Vec<(i64, i64)> = statistics.longest.iter().map(|gap| (gap.number, gap.spacing_ns)).collect();
        let expected: Vec<(i64, i64)> = (10..20).rev().map(|time| (50 * time, 1000 + time)).collect();
        assert_eq!(longest, expected);
        let topic = statistics.topics[&0];
        assert_eq!((topic.packets, topic.spacing_ns), (500, Some((20, 1029))));
    }

    #[test]
    fn a_lone_message_has_neither_rate_nor_gap() {
        let mut statistics = Statistics::new(1, 0);
        statistics.count(0, 5, Some(1));
        assert_eq!((statistics.gaps, statistics.topics[&1].rates()), (0, Rates::default()));
    }

    /// The smallest, mean and largest rate of packets that came at these times.
    fn rates_of(times_ms: &[i64]) -> [Option<f64>; 3] {
        let (first, rest) = times_ms.split_first().unwrap();
        let mut topic = Topic::new(first * 1_000_000);
        rest.iter().for_each(|time_ms| topic.packet(time_ms * 1_000_000));
        let Rates { min_hz, mean_hz, max_hz } = topic.rates();
        [min_hz, mean_hz, max_hz]
    }

    #[test]
    fn rates_are_counted_in_each_whole_second_from_the_first_packet_on() {
        // Three packets, then one, then two; the last second has only begun.
        assert_eq!(rates_of(&[500, 600, 1499, 1500, 2500, 3499, 3500, 3600]), [Some(1.0), Some(7.0 / 3.1), Some(3.0)]);
        // One each second is one each second, however long.
        assert_eq!(rates_of(&[0, 1000, 2000, 3000, 4000]), [Some(1.0); 3]);
        // A second without a packet, and many of them.
        assert_eq!(rates_of(&[0, 100, 2000]), [Some(0.0), Some(1.0), Some(2.0)]);
        assert_eq!(rates_of(&[0, 100_000]), [Some(0.0), Some(0.01), Some(1.0)]);
    }

    #[test]
    fn rates_of_less_than_two_seconds_are_those_between_two_packets() {
        assert_eq!(rates_of(&[0, 100, 600]), [Some(2.0), Some(2.0 / 0.6), Some(10.0)]);
        assert_eq!(rates_of(&[0, 1999]), [Some(1.0 / 1.999); 3]);
        // Nobody can say how fast packets of one moment came.
        assert_eq!(rates_of(&[0, 0, 500]), [Some(2.0), Some(4.0), None]);
        assert_eq!(rates_of(&[7, 7, 7]), [None; 3]);
        // A clock that goes backwards, as only a damaged session has one, is no reason to panic.
        assert_eq!(rates_of(&[0, 5000, -9_000_000_000])[1], None);
    }

    #[test]
    fn topics_without_end_take_no_memory_without_end() {
        let mut statistics = Statistics::new(5000, 5000);
        (0..5000).for_each(|number| statistics.count(number, number, Some(number)));
        assert_eq!((statistics.topics.len(), statistics.other_packets), (1000, 4000));
    }
}
