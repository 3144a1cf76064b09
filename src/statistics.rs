//! How the messages of a session came: each topic's rate and spacing, and the gaps.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// A gap is a spacing above so many times the mean one.
pub const GAP_FACTOR: i64 = 5;

/// Gaps that are named.
const GAPS_MAX: usize = 10;

/// Topics that are told apart. Each message may have its own, and memory is to stay small.
const TOPICS_MAX: usize = 1000;

/// What is known of the packets of one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// How many.
    pub packets: u64,
    /// When the first one came.
    pub first_elapsed_ns: i64,
    /// When the last one came.
    pub last_elapsed_ns: i64,
    /// The smallest spacing of two that follow each other; `None` while there is only one.
    pub min_spacing_ns: Option<i64>,
    /// The largest one.
    pub max_spacing_ns: Option<i64>,
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
            Entry::Vacant(unknown) => drop(unknown.insert(Topic {
                packets: 1,
                first_elapsed_ns: elapsed_ns,
                last_elapsed_ns: elapsed_ns,
                min_spacing_ns: None,
                max_spacing_ns: None,
            })),
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
    fn packet(&mut self, elapsed_ns: i64) {
        let spacing_ns = elapsed_ns.saturating_sub(self.last_elapsed_ns);
        self.packets += 1;
        self.last_elapsed_ns = elapsed_ns;
        self.min_spacing_ns = Some(self.min_spacing_ns.map_or(spacing_ns, |least| least.min(spacing_ns)));
        self.max_spacing_ns = Some(self.max_spacing_ns.map_or(spacing_ns, |most| most.max(spacing_ns)));
    }

    /// From the first packet to the last.
    pub fn duration_ns(&self) -> i64 {
        self.last_elapsed_ns.saturating_sub(self.first_elapsed_ns)
    }
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
        assert_eq!((topic.packets, topic.min_spacing_ns, topic.max_spacing_ns), (500, Some(20), Some(1029)));
    }

    #[test]
    fn a_lone_message_has_neither_spacing_nor_gap() {
        let mut statistics = Statistics::new(1, 0);
        statistics.count(0, 5, Some(1));
        assert_eq!((statistics.gaps, statistics.topics[&1].max_spacing_ns), (0, None));
    }

    #[test]
    fn topics_without_end_take_no_memory_without_end() {
        let mut statistics = Statistics::new(5000, 5000);
        (0..5000).for_each(|number| statistics.count(number, number, Some(number)));
        assert_eq!((statistics.topics.len(), statistics.other_packets), (1000, 4000));
    }
}
