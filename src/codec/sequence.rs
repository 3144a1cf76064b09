//! What the sequence numbers of a stream, as they come, say of what is missing.

use std::collections::VecDeque;

use crate::codec::counter::{Counter, half, mask};

/// Gaps of which it is remembered which numbers are missing, for those that come late.
const REMEMBERED_GAPS_MAX: usize = 1_024;

/// A number so far behind the newest one, or less, that is not missing has come again; one further behind is a jump.
const NEAR_NUMBERS: u64 = 1_024;

/// Across a link break, a number below the one before is a wrap when less than this part of the range is between them, and
/// else a restart: a break loses few messages of a range.
const WRAP_PART: u64 = 16;

/// What a number of a stream says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is the first one.
    First,
    /// It is the one that had to come.
    Next,
    /// Before it so many are missing.
    Gap {
        /// How many.
        lost: u64,
        /// Which gap this is, counted from 0.
        gap: u64,
    },
    /// It was missing, and comes late.
    Late {
        /// The gap in which it was counted.
        gap: u64,
    },
    /// It has come already.
    Repeat,
    /// Across a link break, the device has begun to count anew.
    Restart,
    /// It is none that could come, and no link broke. What is missing is not known.
    Jump,
}

/// The numbers of one stream, as they come.
#[derive(Clone, Debug)]
pub struct Sequence {
    bits: u32,
    is_signed: bool,
    step: u64,
    newest: Option<u64>,
    gaps: u64,
    missing: VecDeque<Missing>,
    /// The link broke, and the device may have begun anew.
    may_restart: bool,
}

/// Numbers that are missing, one behind the other.
#[derive(Clone, Copy, Debug)]
struct Missing {
    first: u64,
    count: u64,
    gap: u64,
}

impl Sequence {
    /// None came yet.
    pub fn new(counter: &Counter) -> Self {
        Self {
            bits: counter.bits(),
            is_signed: counter.is_signed(),
            step: counter.step,
            newest: None,
            gaps: 0,
            missing: VecDeque::new(),
            may_restart: false,
        }
    }

    /// The link broke: the next number that is out of order may be one of a device that has begun anew.
    pub fn link_broke(&mut self) {
        self.may_restart = true;
    }

    /// What came since then is of the link as it is now.
    pub fn link_holds(&mut self) {
        self.may_restart = false;
    }

    /// The newest number.
    pub fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// Take the next number that came.
    pub fn see(&mut self, number: u64) -> Seen {
        let number = number & mask(self.bits);
        let Some(newest) = self.newest else {
            self.newest = Some(number);
            return Seen::First;
        };
        let ahead = self.distance(newest, number);
        if ahead == self.step {
            self.advance(number);
            return Seen::Next;
        }
        if std::mem::take(&mut self.may_restart) && self.is_restart(newest, number, ahead) {
            return self.begin_anew(number, Seen::Restart);
        }
        let behind = self.distance(number, newest);
        let is_ahead = ahead > 0 && ahead < half(self.bits);
        match is_ahead {
            true if ahead.is_multiple_of(self.step) => self.gap(newest, number, ahead / self.step - 1),
            true => self.begin_anew(number, Seen::Jump),
            false => self.look_back(number, behind),
        }
    }

    /// How far it is from a number forward to another one.
    fn distance(&self, from: u64, to: u64) -> u64 {
        to.wrapping_sub(from) & mask(self.bits)
    }

    fn is_restart(&self, newest: u64, number: u64, ahead: u64) -> bool {
        // Without a sign, in the order of the numbers.
        let place = |number: u64| if self.is_signed { number ^ half(self.bits) } else { number };
        let is_below = place(number) <= place(newest);
        let is_wrap = is_below && ahead > 0 && ahead < half(self.bits) / (WRAP_PART / 2);
        (is_below && !is_wrap) || !ahead.is_multiple_of(self.step) || ahead >= half(self.bits)
    }

    fn begin_anew(&mut self, number: u64, seen: Seen) -> Seen {
        self.missing.clear();
        self.newest = Some(number);
        seen
    }

    fn gap(&mut self, newest: u64, number: u64, lost: u64) -> Seen {
        self.advance(number);
        if self.missing.len() >= REMEMBERED_GAPS_MAX {
            self.missing.pop_front();
        }
        let (first, gap) = (newest.wrapping_add(self.step) & mask(self.bits), self.gaps);
        self.missing.push_back(Missing { first, count: lost, gap });
        self.gaps += 1;
        Seen::Gap { lost, gap }
    }

    /// A number came that is further than all before. What is half the range behind it may come anew.
    fn advance(&mut self, number: u64) {
        self.newest = Some(number);
        while let Some(oldest) = self.missing.front_mut() {
            let behind = number.wrapping_sub(oldest.first) & mask(self.bits);
            let Some(over) = behind.checked_sub(half(self.bits)) else { return };
            let forgotten = over / self.step + 1;
            if forgotten < oldest.count {
                oldest.count -= forgotten;
                oldest.first = oldest.first.wrapping_add(forgotten * self.step) & mask(self.bits);
                return;
            }
            self.missing.pop_front();
        }
    }

    /// A number came that is not ahead.
    fn look_back(&mut self, number: u64, behind: u64) -> Seen {
        if let Some(gap) = self.take_back(number) {
            return Seen::Late { gap };
        }
        let is_near = behind.is_multiple_of(self.step) && behind / self.step <= NEAR_NUMBERS;
        if is_near { Seen::Repeat } else { self.begin_anew(number, Seen::Jump) }
    }

    /// If the number is missing, it is so no longer. Gives the gap that it was in.
    fn take_back(&mut self, number: u64) -> Option<u64> {
        let place_in = |of: &Missing| {
            let from_first = self.distance(of.first, number);
            let place = from_first / self.step;
            (from_first.is_multiple_of(self.step) && place < of.count).then_some(place)
        };
        let (at, place) = self.missing.iter().enumerate().find_map(|(at, of)| Some((at, place_in(of)?)))?;
        let of = self.missing.remove(at)?;
        let behind = Missing {
            first: number.wrapping_add(self.step) & mask(self.bits),
            count: of.count - place - 1,
            gap: of.gap,
        };
        for left in [behind, Missing { count: place, ..of }] {
            if left.count > 0 {
                self.missing.insert(at, left);
            }
        }
        Some(of.gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counter(text: &str) -> Counter {
        text.parse().unwrap()
    }

    fn see(counter_text: &str, numbers: &[u64]) -> Vec<Seen> {
        let mut sequence = Sequence::new(&counter(counter_text));
        numbers.iter().map(|number| sequence.see(*number)).collect()
    }

    #[test]
    fn each_number_says_what_happened() {
        use Seen::{First, Gap, Jump, Late, Next, Repeat};
        let gap = |lost, gap| Gap { lost, gap };
        let cases: [(&str, &[u64], &[Seen]); 9] = [
            ("uint8@0", &[254, 255, 0, 1], &[First, Next, Next, Next]),
            ("uint8@0", &[250, 4, 5], &[First, gap(9, 0), Next]),
            ("uint8@0", &[0, 127, 126, 126], &[First, gap(126, 0), Late { gap: 0 }, Repeat]),
            ("int8@0", &[127, 0x80, 0x82], &[First, Next, gap(1, 0)]),
            ("uint16@0/2", &[65_534, 0, 6, 4, 4, 7, 9], &[First, Next, gap(2, 0), Late { gap: 0 }, Repeat, Jump, Next]),
            ("uint32@0", &[1_000_000, 0, 1, 0], &[First, Jump, Next, Repeat]),
            (
                "uint32@0",
                &[5, 8, 6, 10, 7, 9],
                &[First, gap(2, 0), Late { gap: 0 }, gap(1, 1), Late { gap: 0 }, Late { gap: 1 }],
            ),
            ("uint32@0", &[0, 0x7fff_ffff, 0xffff_ffff], &[First, gap(0x7fff_fffe, 0), Jump]),
            ("json:n", &[u64::MAX, 0, 2], &[First, Next, gap(1, 0)]),
        ];
        for (text, numbers, expected) in cases {
            assert_eq!(see(text, numbers), expected, "{text} {numbers:?}");
        }
    }

    #[test]
    fn a_restart_needs_a_link_break() {
        // The type, the last number before the break and the first one after it.
        let across = |text: &str, last: u64, next: u64| {
            let mut sequence = Sequence::new(&counter(text));
            sequence.see(last);
            sequence.link_broke();
            sequence.see(next)
        };
        assert_eq!(across("uint32@0", 1_000_000, 0), Seen::Restart);
        assert_eq!(across("uint32@0", 3_000_000_000, 0), Seen::Restart);
        assert_eq!(across("uint32@0", 7, 7), Seen::Restart);
        assert_eq!(across("uint32@0", 7, 8), Seen::Next);
        assert_eq!(across("uint32@0", 7, 17), Seen::Gap { lost: 9, gap: 0 });
        assert_eq!(across("uint32@0/2", 7, 18), Seen::Restart);
        assert_eq!(across("uint16@0", 65_530, 4), Seen::Gap { lost: 9, gap: 0 });
        assert_eq!(across("uint16@0", 40_000, 4), Seen::Restart);
        assert_eq!(across("int16@0", 0x7fff, 0x8001), Seen::Gap { lost: 1, gap: 0 });
        assert_eq!(across("int16@0", 5, 0xfffb), Seen::Restart);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

        /// A million messages with 500 gaps: each gap is found, exactly, and nothing else.
        #[test]
        fn gaps_are_exact_whatever_wraps(
            bytes in prop::sample::select(vec![8_u32, 16, 32]),
            start in any::<u64>(),
            mut gaps in prop::collection::btree_map(1..1_000_000_usize, 1..127_u64, 500),
        ) {
            let mut sequence = Sequence::new(&counter(&format!("uint{bytes}@0")));
            let (mut number, mut lost) = (start, 0);
            let expected: u64 = gaps.values().sum();
            for message in 0..1_000_000 {
                let gap = gaps.remove(&message).unwrap_or(0);
                number = number.wrapping_add(1 + gap);
                match sequence.see(number & mask(bytes)) {
                    Seen::First => prop_assert_eq!(message, 0),
                    Seen::Next => prop_assert_eq!(gap, 0),
                    Seen::Gap { lost: found, .. } => {
                        prop_assert_eq!(found, gap);
                        lost += found;
                    }
                    other => prop_assert!(false, "message {}: {:?}", message, other),
                }
            }
            prop_assert_eq!(lost, expected);
        }

        /// Messages that come late within a window: those that never come are missing, and no other.
        #[test]
        fn what_comes_late_is_not_lost(
            bytes in prop::sample::select(vec![8_u32, 16, 32]),
            start in any::<u64>(),
            fates in prop::collection::vec((0..10_u64, any::<bool>()), 1..2_000),
        ) {
            // Each number is sent a little later than its place; one in ten of the delayed ones never.
            let last = fates.len() - 1;
            let mut sent: Vec<(u64, u64)> = Vec::new();
            let mut never = 0;
            for (place, (delay, is_late)) in fates.iter().enumerate() {
                match *is_late && place > 0 && place < last {
                    true if *delay == 0 => never += 1,
                    true => sent.push((place as u64 * 2 + delay * 2 + 1, place as u64)),
                    false => sent.push((place as u64 * 2, place as u64)),
                }
            }
            sent.sort_unstable();
            let mut sequence = Sequence::new(&counter(&format!("uint{bytes}@0")));
            let mut lost = 0;
            for (_, place) in sent {
                match sequence.see(start.wrapping_add(place) & mask(bytes)) {
                    Seen::First | Seen::Next => {}
                    Seen::Gap { lost: more, .. } => lost += more,
                    Seen::Late { .. } => lost -= 1,
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            prop_assert_eq!(lost, never);
        }
    }
}
