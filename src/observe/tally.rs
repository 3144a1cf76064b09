//! What a run counted, in numbers and in words.

use serde::Serialize;

use crate::time::durations::{rate_hz, span};

/// The totals of a run or of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Messages that are stored, or were sent.
    pub messages: u64,
    /// Of them, those that their layout cannot read.
    pub undecodable: u64,
    /// Messages that came and that nobody had asked for.
    pub unwanted: u64,
    /// Messages that are known to be missing.
    pub lost: u64,
    /// Bytes of all frames.
    pub bytes: u64,
}

impl Tally {
    /// Count one message of so many bytes.
    pub fn message(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }

    /// The sum of both.
    pub fn plus(self, other: Self) -> Self {
        Self {
            messages: self.messages + other.messages,
            undecodable: self.undecodable + other.undecodable,
            unwanted: self.unwanted + other.unwanted,
            lost: self.lost + other.lost,
            bytes: self.bytes + other.bytes,
        }
    }

    /// The totals over `elapsed_ns` in words: `10 messages, 450 bytes in 9.000 s (1.0 messages/s)`.
    pub fn over(self, elapsed_ns: i64) -> String {
        let count = |number: u64, what: &str| if number > 0 { format!(", {number} {what}") } else { String::new() };
        format!(
            "{} message{}, {} bytes{}{} in {} ({:.1} messages/s)",
            self.messages,
            if self.messages == 1 { "" } else { "s" },
            self.bytes,
            count(self.undecodable, "undecodable"),
            count(self.unwanted, "unwanted"),
            span(elapsed_ns),
            rate_hz(self.messages, elapsed_ns),
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
            tally.message(45);
        }
        assert_eq!(tally.over(9 * NS_PER_S), "10 messages, 450 bytes in 9.000 s (1.0 messages/s)");
        let one = Tally { messages: 1, undecodable: 1, unwanted: 2, lost: 3, bytes: 4 };
        assert_eq!(one.over(0), "1 message, 4 bytes, 1 undecodable, 2 unwanted in 0.000 s (0.0 messages/s)");
    }
}
