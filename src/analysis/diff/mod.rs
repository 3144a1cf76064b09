//! Two sessions side by side: which messages are the same, and how differently far apart they came.
//!
//! Both are read once and in order. Where they differ, a bounded number of messages is looked ahead on both sides for
//! the next one that they share, so that a missing packet is one difference and not one of all that follow.

mod side;
mod spacing;

use std::collections::{HashMap, VecDeque};

pub use side::{Content, Placed};
pub use spacing::SpacingDifference;

use crate::analysis::diff::side::Side;
use crate::error::Result;
use crate::message::Gaps;
use crate::process::stop::Stop;
use crate::store::Reader;

/// How far is looked ahead for a message that both sides share: first a little, because most differences are small, then
/// as many as are lost when a device of 1,000 packets a second is away for four seconds.
const LOOKAHEAD_MESSAGES: [usize; 2] = [16, 4096];

/// What two sessions, A and B, have in common and what not.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Messages that are the same byte for byte, in the same order.
    pub equal: u64,
    /// Messages in whose place there is another one.
    pub changed: u64,
    /// Messages that only A has there.
    pub only_in_a: u64,
    /// Messages that only B has there.
    pub only_in_b: u64,
    /// Messages of A that stand where B is damaged, and are not compared.
    pub not_compared_in_a: u64,
    /// The same of B.
    pub not_compared_in_b: u64,
    /// What is damaged in A.
    pub gaps_in_a: Gaps,
    /// What is damaged in B.
    pub gaps_in_b: Gaps,
    /// The first place where they differ.
    pub first: Option<Difference>,
    /// How differently far apart the messages came. Messages before which one side has others do not count.
    pub spacing: SpacingDifference,
    /// When the pair came that was compared last, if the next one follows it on both sides.
    previous_elapsed_ns: Option<(i64, i64)>,
}

/// What stands in one place.
#[derive(Debug)]
pub struct Difference {
    /// In A; `None` when B has a message that A has not.
    pub a: Option<Placed>,
    /// In B.
    pub b: Option<Placed>,
}

/// Compare two sessions, unless a stop is asked for. `None` is one without messages.
///
/// # Errors
/// When a database cannot be read or is damaged, or a stop is asked for.
pub fn compare(a: Option<Reader>, b: Option<Reader>, stop: &Stop) -> Result<Comparison> {
    let (mut a, mut b) = (Side::new(a, stop), Side::new(b, stop));
    let mut found = Comparison::default();
    loop {
        a.look_ahead(1)?;
        b.look_ahead(1)?;
        let (left, right) = (a.messages.front(), b.messages.front());
        let (has_a, has_b) = (left.is_some(), right.is_some());
        if !has_a && !has_b {
            (found.gaps_in_a, found.gaps_in_b) = (a.gaps, b.gaps);
            return Ok(found);
        } else if left.zip(right).is_some_and(|(left, right)| left.content == right.content) {
            found.equal += 1;
            found.pair(&mut a, &mut b);
        } else if has_a && b.take_damaged() {
            found.not_compared_in_a += 1;
            a.take();
            found.previous_elapsed_ns = None;
        } else if has_b && a.take_damaged() {
            found.not_compared_in_b += 1;
            b.take();
            found.previous_elapsed_ns = None;
        } else {
            let (only_a, only_b) = meeting(&mut a, &mut b)?;
            found.skip(&mut a, &mut b, only_a, only_b);
        }
    }
}

/// How many messages of each side stand before the next one that both share. Without one in sight, those in sight.
fn meeting(a: &mut Side<'_>, b: &mut Side<'_>) -> Result<(usize, usize)> {
    for messages in LOOKAHEAD_MESSAGES {
        a.look_ahead(messages)?;
        b.look_ahead(messages)?;
        if let Some(meeting) = nearest(&a.messages, &b.messages, messages) {
            return Ok(meeting);
        }
    }
    let in_sight = a.messages.len().min(b.messages.len());
    match in_sight {
        // One has ended.
        0 => Ok((a.messages.len(), b.messages.len())),
        _ => Ok((in_sight, in_sight)),
    }
}

/// The nearest places of a message that both share. A message in the same place is preferred to one that is as near.
fn nearest(a: &VecDeque<Placed>, b: &VecDeque<Placed>, messages: usize) -> Option<(usize, usize)> {
    let mut places_in_b = HashMap::new();
    for (place, message) in b.iter().take(messages).enumerate() {
        places_in_b.entry(&message.content).or_insert(place);
    }
    let mut best: Option<(usize, usize)> = None;
    let distance = |(left, right): (usize, usize)| (left.max(right), left != right, left + right);
    for (left, message) in a.iter().take(messages).enumerate() {
        if best.is_some_and(|(best_left, best_right)| left > best_left.max(best_right)) {
            break;
        }
        let same_place = b.get(left).filter(|other| other.content == message.content).map(|_| left);
        let other_place = places_in_b.get(&message.content).copied();
        for right in same_place.into_iter().chain(other_place) {
            if best.is_none_or(|best| distance((left, right)) < distance(best)) {
                best = Some((left, right));
            }
        }
    }
    best
}

impl Comparison {
    /// Whether the messages that were compared are the same.
    pub fn is_same(&self) -> bool {
        self.first.is_none()
    }

    /// Whether messages are damaged on one side or the other.
    pub fn is_damaged(&self) -> bool {
        !self.gaps_in_a.is_empty() || !self.gaps_in_b.is_empty()
    }

    /// Messages of A.
    pub fn messages_in_a(&self) -> u64 {
        self.equal + self.changed + self.only_in_a + self.not_compared_in_a
    }

    /// Messages of B.
    pub fn messages_in_b(&self) -> u64 {
        self.equal + self.changed + self.only_in_b + self.not_compared_in_b
    }

    /// Take the next message of both sides, which stand in the same place.
    fn pair(&mut self, a: &mut Side<'_>, b: &mut Side<'_>) -> Option<Difference> {
        let (a, b) = (a.take()?, b.take()?);
        if let Some((a_ns, b_ns)) = self.previous_elapsed_ns {
            self.spacing.record(a.elapsed_ns.saturating_sub(a_ns), b.elapsed_ns.saturating_sub(b_ns));
        }
        self.previous_elapsed_ns = Some((a.elapsed_ns, b.elapsed_ns));
        Some(Difference { a: Some(a), b: Some(b) })
    }

    /// Take messages that differ: as many as there are on both sides are changed, the others are on one side only.
    fn skip(&mut self, a: &mut Side<'_>, b: &mut Side<'_>, only_a: usize, only_b: usize) {
        let changed = only_a.min(only_b);
        for _ in 0..changed {
            let difference = self.pair(a, b);
            self.changed += 1;
            self.first = self.first.take().or(difference);
        }
        for _ in changed..only_a {
            let difference = Difference { a: a.take(), b: None };
            self.only_in_a += 1;
            self.first.get_or_insert(difference);
        }
        for _ in changed..only_b {
            let difference = Difference { a: None, b: b.take() };
            self.only_in_b += 1;
            self.first.get_or_insert(difference);
        }
        if only_a != only_b {
            self.previous_elapsed_ns = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> VecDeque<Placed> {
        let placed = |(number, byte): (i64, u8)| Placed {
            number,
            elapsed_ns: number,
            stream_id: 1,
            content: Content { frames: vec![vec![byte]] },
        };
        (0..).zip(text.bytes()).map(placed).collect()
    }

    fn nearest_of(a: &str, b: &str) -> Option<(usize, usize)> {
        nearest(&messages(a), &messages(b), 100)
    }

    #[test]
    fn the_nearest_shared_message_is_found() {
        assert_eq!(nearest_of("xbcd", "ybcd"), Some((1, 1)), "changed");
        assert_eq!(nearest_of("xbcd", "bcd"), Some((1, 0)), "only in A");
        assert_eq!(nearest_of("bcd", "xybcd"), Some((0, 2)), "only in B");
        assert_eq!(nearest_of("xyzb", "wb"), Some((3, 1)), "changed, and two only in A");
        assert_eq!(nearest_of("ccc", "xcc"), Some((1, 1)), "rather changed than moved");
        assert_eq!(nearest_of("abc", "xyz"), None);
        assert_eq!(nearest_of("", "xyz"), None);
    }
}
