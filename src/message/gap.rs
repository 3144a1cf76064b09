//! What is missing of a capture because its database is damaged: a range of messages that no digest proves.

use std::fmt;

use crate::time::durations::seconds;

/// Gaps that are told apart. A file with more of them is a ruin, and memory is to stay small.
const GAPS_MAX: usize = 10_000;

/// Messages in a row that cannot be read, or are not what was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The number in its session, from 0, of the first message that is missing.
    pub first_number: i64,
    /// Of the last one.
    pub last_number: i64,
    /// When the message before them came, since the session began; `None` when that one was not read.
    pub elapsed_ns: Option<i64>,
    /// When the message behind them came; `None` when there is none.
    pub until_elapsed_ns: Option<i64>,
}

impl Gap {
    /// One message, of which only the time is known.
    pub fn of(number: i64, elapsed_ns: i64) -> Self {
        let at_ns = Some(elapsed_ns);
        Self { first_number: number, last_number: number, elapsed_ns: at_ns, until_elapsed_ns: at_ns }
    }

    /// How many messages are missing.
    pub fn messages(&self) -> u64 {
        self.last_number.abs_diff(self.first_number).saturating_add(1)
    }

    /// Whether there is nothing between both, or they overlap.
    pub fn touches(&self, other: &Self) -> bool {
        self.first_number <= other.last_number.saturating_add(1)
            && other.first_number <= self.last_number.saturating_add(1)
    }

    /// Both as one, and what lies between them.
    pub fn and(&self, other: &Self) -> Self {
        let (first, last) = if self.first_number <= other.first_number { (self, other) } else { (other, self) };
        let latest = if self.last_number >= other.last_number { self } else { other };
        Self {
            first_number: first.first_number,
            last_number: latest.last_number,
            elapsed_ns: first.elapsed_ns.or(last.elapsed_ns),
            until_elapsed_ns: latest.until_elapsed_ns,
        }
    }
}

/// As an entry of the ledger would say it: `1.000 s to 1.100 s: damaged, 100 messages are missing (#1000 to #1099)`.
impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.elapsed_ns, self.until_elapsed_ns) {
            (Some(from_ns), Some(until_ns)) => write!(f, "{:.3} s to {:.3} s: ", seconds(from_ns), seconds(until_ns))?,
            (Some(at_ns), None) | (None, Some(at_ns)) => write!(f, "{:.3} s: ", seconds(at_ns))?,
            (None, None) => {}
        }
        let first = self.first_number;
        match self.messages() {
            1 => write!(f, "damaged, 1 message is missing (#{first})"),
            messages => write!(f, "damaged, {messages} messages are missing (#{first} to #{})", self.last_number),
        }
    }
}

/// The gaps of a session, each of them once, however often the session is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// In the order of their numbers; none touches another.
    gaps: Vec<Gap>,
    and_more: bool,
}

impl Gaps {
    /// Add one. Those that it touches become one with it.
    pub fn add(&mut self, gap: Gap) {
        let from = self.gaps.partition_point(|known| known.last_number.saturating_add(1) < gap.first_number);
        let touched = self.gaps.iter().skip(from).take_while(|known| known.touches(&gap)).count();
        if touched == 0 && self.gaps.len() >= GAPS_MAX {
            self.and_more = true;
            return;
        }
        let until = from + touched;
        let all = self.gaps.iter().skip(from).take(touched).fold(gap, |sum, known| sum.and(known));
        self.gaps.splice(from..until, [all]);
    }

    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Whether there are more than are told apart.
    pub fn and_more(&self) -> bool {
        self.and_more
    }

    /// How many messages are missing, at least.
    pub fn messages(&self) -> u64 {
        self.gaps.iter().map(Gap::messages).fold(0, u64::saturating_add)
    }

    /// One after the other.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Gap> {
        self.gaps.iter()
    }
}

/// All in one: `1100 messages are missing in 2 gaps`.
impl fmt::Display for Gaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_least = if self.and_more { "at least " } else { "" };
        let (messages, are) = if self.messages() == 1 { ("message", "is") } else { ("messages", "are") };
        let gaps = if self.gaps.len() == 1 { "gap" } else { "gaps" };
        write!(f, "{at_least}{} {messages} {are} missing in {} {gaps}", self.messages(), self.gaps.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gap(first_number: i64, last_number: i64) -> Gap {
        let (elapsed_ns, until_elapsed_ns) = (Some(first_number * 1_000_000), Some((last_number + 1) * 1_000_000));
        Gap { first_number, last_number, elapsed_ns, until_elapsed_ns }
    }

    #[test]
    fn a_gap_reads_like_an_entry_of_the_ledger() {
        assert_eq!(
            gap(1000, 1099).to_string(),
            "1.000 s to 1.100 s: damaged, 100 messages are missing (#1000 to #1099)"
        );
        let last = Gap { until_elapsed_ns: None, ..gap(7, 7) };
        assert_eq!(last.to_string(), "0.007 s: damaged, 1 message is missing (#7)");
        let every = Gap { first_number: i64::MIN, last_number: i64::MAX, elapsed_ns: None, until_elapsed_ns: None };
        assert_eq!(every.messages(), u64::MAX);
    }

    #[test]
    fn what_is_known_of_the_ends_of_a_gap_stays_known() {
        let mut gaps = Gaps::default();
        // From a jump into it, and then from its beginning.
        gaps.add(Gap { elapsed_ns: None, ..gap(15, 19) });
        gaps.add(gap(10, 19));
        assert_eq!(gaps.iter().collect::<Vec<_>>(), [&gap(10, 19)]);
        gaps.add(gap(30, 30));
        assert_eq!(gaps.to_string(), "11 messages are missing in 2 gaps");
    }

    proptest! {
        #[test]
        fn each_message_is_counted_once(ranges in prop::collection::vec((0_i64..100, 0_i64..10), 0..40)) {
            let mut gaps = Gaps::default();
            let mut missing = std::collections::BTreeSet::new();
            for (first, more) in ranges {
                gaps.add(gap(first, first + more));
                missing.extend(first..=first + more);
            }
            prop_assert_eq!(gaps.messages(), missing.len() as u64);
            let found: Vec<i64> = gaps.iter().flat_map(|gap| gap.first_number..=gap.last_number).collect();
            prop_assert_eq!(found, missing.into_iter().collect::<Vec<_>>());
            prop_assert!(gaps.iter().all(|found| *found == gap(found.first_number, found.last_number)));
        }
    }
}
