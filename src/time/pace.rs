//! When is which packet due? Pure arithmetic on monotonic time.
//!
//! Every due time is computed from one anchor and never from the packet before, so that errors do not add up
//! (canplayer and rosbag2 fix their time offset once in the same way).

use std::fmt;

/// How far apart the messages of a capture are replayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rhythm {
    /// As far apart as they were recorded, divided by this factor: 2 is twice as fast.
    Recorded(f64),
    /// All at the same distance, whatever was recorded.
    EveryNs(f64),
    /// Without waiting.
    Max,
}

impl Rhythm {
    /// `--speed`: a factor, or `max`.
    ///
    /// # Errors
    /// A text for the user when `text` is no factor from a thousandth to a million.
    pub fn from_speed(text: &str) -> Result<Self, String> {
        const RULE: &str = "a speed is a factor from 0.001 to 1000000, such as 0.5 or 10, or `max`";
        if text == "max" {
            return Ok(Self::Max);
        }
        let factor = positive(text, RULE)?;
        if (SPEED_MIN..=SPEED_MAX).contains(&factor) { Ok(Self::Recorded(factor)) } else { Err(RULE.to_owned()) }
    }
}

/// Slower and faster than this nobody can follow, and times could overflow.
const SPEED_MIN: f64 = 1e-3;
const SPEED_MAX: f64 = 1e6;

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

/// The pause between two passes over a session that has one message only, and so no spacing of its own.
const LONE_MESSAGE_SPACING_NS: i64 = 1_000_000_000;

/// When each message of a capture is due: recorded time in, due time on the monotonic clock out.
#[derive(Clone, Debug)]
pub struct Pacer {
    rhythm: Rhythm,
    max_gap_ns: Option<i64>,
    anchor: Option<Anchor>,
    pass: Option<Pass>,
}

/// A moment of the capture and the moment at which it is due. With speed, pause and cut gaps the anchor moves; while
/// nothing of that happens it stands, and errors do not add up.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    elapsed_ns: i64,
    due_ns: i64,
    /// Messages since this anchor, for even spacing.
    messages: u64,
}

/// The messages of one pass over the session so far.
#[derive(Clone, Copy, Debug)]
struct Pass {
    first_ns: i64,
    last_ns: i64,
    messages: i64,
}

impl Pacer {
    /// With `max_gap_ns`, no two messages are further apart than that in the replay.
    pub fn new(rhythm: Rhythm, max_gap_ns: Option<i64>) -> Self {
        Self { rhythm, max_gap_ns, anchor: None, pass: None }
    }

    /// The rhythm now.
    pub fn rhythm(&self) -> Rhythm {
        self.rhythm
    }

    /// When the next message, recorded at `elapsed_ns`, is due. The first one of all is due now, at `now_ns`. `None`
    /// means at once, always.
    pub fn due_ns(&mut self, elapsed_ns: i64, now_ns: impl FnOnce() -> i64) -> Option<i64> {
        if self.rhythm == Rhythm::Max {
            return None;
        }
        self.begin_pass_at(elapsed_ns);
        let gap_ns = self.pass.map_or(0, |pass| elapsed_ns.saturating_sub(pass.last_ns));
        let most_ns = self.max_gap_ns.map_or(i64::MAX, |most_ns| self.recorded(most_ns));
        let mut anchor = self.anchor.unwrap_or_else(|| Anchor { elapsed_ns, due_ns: now_ns(), messages: 0 });
        if gap_ns > most_ns {
            anchor.elapsed_ns = anchor.elapsed_ns.saturating_add(gap_ns.saturating_sub(most_ns));
        }
        let due_ns = self.due_from(&anchor, elapsed_ns);
        anchor.messages += 1;
        self.anchor = Some(anchor);
        let pass = self.pass.get_or_insert(Pass { first_ns: elapsed_ns, last_ns: elapsed_ns, messages: 0 });
        pass.last_ns = elapsed_ns;
        pass.messages += 1;
        Some(due_ns)
    }

    /// After a pass, the next one begins one mean spacing after the last message, so that a loop has no seam.
    fn begin_pass_at(&mut self, elapsed_ns: i64) {
        let (None, Some(anchor), Rhythm::Recorded(_)) = (&self.pass, &mut self.anchor, self.rhythm) else { return };
        anchor.elapsed_ns = elapsed_ns;
    }

    /// The session ends here; the next message is its first one again.
    pub fn end_pass(&mut self) {
        let (Some(pass), Some(anchor)) = (self.pass.take(), self.anchor) else { return };
        if let Rhythm::Recorded(_) = self.rhythm {
            let mean_ns = match pass.messages {
                0 | 1 => LONE_MESSAGE_SPACING_NS,
                messages => pass.last_ns.saturating_sub(pass.first_ns) / (messages - 1),
            };
            let spacing_ns = self.max_gap_ns.map_or(mean_ns, |most_ns| mean_ns.min(self.recorded(most_ns)));
            let due_ns = self.due_from(&anchor, pass.last_ns.saturating_add(spacing_ns));
            self.anchor = Some(Anchor { elapsed_ns: pass.last_ns, due_ns, messages: 0 });
        }
    }

    /// Everything from here on is due later by this much, as after a pause.
    pub fn delay(&mut self, by_ns: i64) {
        if let Some(anchor) = &mut self.anchor {
            anchor.due_ns = anchor.due_ns.saturating_add(by_ns);
        }
    }

    /// The next message is due when it comes, as after a jump.
    pub fn forget(&mut self) {
        self.anchor = None;
        self.pass = None;
    }

    /// When the last message is due that was asked for, after a pause or a change of speed. `None` when that is now, or
    /// was always.
    pub fn again(&self) -> Option<i64> {
        let (anchor, pass) = (self.anchor?, self.pass?);
        Some(self.due_from(&Anchor { messages: anchor.messages.saturating_sub(1), ..anchor }, pass.last_ns))
    }

    /// From now on faster by this factor, or slower if it is below one. What was to come in a second comes in half a
    /// second at the factor two.
    pub fn speed_up(&mut self, by: f64, now_ns: i64) {
        let (elapsed_ns, messages) = match (&self.anchor, self.rhythm) {
            (Some(anchor), Rhythm::Recorded(factor)) => {
                let since_ns = now_ns.saturating_sub(anchor.due_ns);
                (anchor.elapsed_ns.saturating_add(scaled(since_ns, factor)), 0)
            }
            (Some(anchor), _) => (anchor.elapsed_ns, 1),
            (None, _) => (0, 0),
        };
        if let Some(anchor) = &mut self.anchor {
            *anchor = Anchor { elapsed_ns, due_ns: now_ns, messages };
        }
        self.rhythm = match self.rhythm {
            Rhythm::Recorded(factor) => Rhythm::Recorded((factor * by).clamp(SPEED_MIN, SPEED_MAX)),
            Rhythm::EveryNs(period_ns) => Rhythm::EveryNs((period_ns / by).clamp(1.0, 1e15)),
            Rhythm::Max => Rhythm::Max,
        };
    }

    fn due_from(&self, anchor: &Anchor, elapsed_ns: i64) -> i64 {
        let offset_ns = match self.rhythm {
            Rhythm::Recorded(factor) => scaled(elapsed_ns.saturating_sub(anchor.elapsed_ns), 1.0 / factor),
            Rhythm::EveryNs(period_ns) => (anchor.messages as f64 * period_ns).round() as i64,
            Rhythm::Max => 0,
        };
        anchor.due_ns.saturating_add(offset_ns)
    }

    /// Replayed time as recorded time.
    fn recorded(&self, replayed_ns: i64) -> i64 {
        match self.rhythm {
            Rhythm::Recorded(factor) => scaled(replayed_ns, factor),
            Rhythm::EveryNs(_) | Rhythm::Max => i64::MAX,
        }
    }
}

/// At the factor 1 no rounding at all, also not after 104 days, where f64 has no nanosecond left.
fn scaled(ns: i64, factor: f64) -> i64 {
    if factor == 1.0 { ns } else { (ns as f64 * factor).round() as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIMPLE: Rhythm = Rhythm::Recorded(1.0);

    fn dues<const N: usize>(pacer: &mut Pacer, elapsed_ns: [i64; N]) -> [i64; N] {
        elapsed_ns.map(|elapsed_ns| pacer.due_ns(elapsed_ns, || 1_000).unwrap())
    }

    #[test]
    fn due_times_keep_the_recorded_spacing_divided_by_the_speed() {
        let at = |rhythm| dues(&mut Pacer::new(rhythm, None), [50, 150, 151]);
        assert_eq!(at(SIMPLE), [1_000, 1_100, 1_101]);
        assert_eq!(at(Rhythm::Recorded(2.0)), [1_000, 1_050, 1_051]);
        assert_eq!(at(Rhythm::Recorded(0.5)), [1_000, 1_200, 1_202]);
        assert_eq!(at(Rhythm::EveryNs(7.5)), [1_000, 1_008, 1_015]);
        assert_eq!(Pacer::new(Rhythm::Max, None).due_ns(50, || 1_000), None);
    }

    #[test]
    fn a_year_at_original_speed_is_exact() {
        let year_ns = 365 * 86_400 * 1_000_000_000 + 1;
        assert_eq!(dues(&mut Pacer::new(SIMPLE, None), [0, year_ns]), [1_000, year_ns + 1_000]);
    }

    #[test]
    fn a_gap_is_cut_and_what_follows_keeps_its_spacing() {
        let day_ns = 86_400_000_000_000;
        let mut pacer = Pacer::new(SIMPLE, Some(100));
        assert_eq!(dues(&mut pacer, [0, 50, day_ns, day_ns + 60]), [1_000, 1_050, 1_150, 1_210]);
        let mut fast = Pacer::new(Rhythm::Recorded(10.0), Some(100));
        assert_eq!(dues(&mut fast, [0, 1_000, day_ns, day_ns + 10]), [1_000, 1_100, 1_200, 1_201]);
    }

    #[test]
    fn a_loop_has_no_seam() {
        let mut pacer = Pacer::new(SIMPLE, None);
        assert_eq!(dues(&mut pacer, [5, 15, 25]), [1_000, 1_010, 1_020]);
        pacer.end_pass();
        assert_eq!(dues(&mut pacer, [5, 15, 25]), [1_030, 1_040, 1_050]);
        pacer.end_pass();
        assert_eq!(dues(&mut pacer, [5]), [1_060]);
        let mut even = Pacer::new(Rhythm::EveryNs(7.0), None);
        assert_eq!(dues(&mut even, [5, 99]), [1_000, 1_007]);
        even.end_pass();
        assert_eq!(dues(&mut even, [5, 99]), [1_014, 1_021]);
    }

    #[test]
    fn a_lone_message_is_looped_once_a_second() {
        let mut pacer = Pacer::new(SIMPLE, None);
        assert_eq!(dues(&mut pacer, [5]), [1_000]);
        pacer.end_pass();
        assert_eq!(dues(&mut pacer, [5]), [1_000 + LONE_MESSAGE_SPACING_NS]);
    }

    #[test]
    fn equal_stamps_are_due_at_once() {
        assert_eq!(dues(&mut Pacer::new(SIMPLE, None), [7, 7, 7]), [1_000; 3]);
    }

    #[test]
    fn a_pause_moves_all_that_follows() {
        let mut pacer = Pacer::new(SIMPLE, None);
        assert_eq!(dues(&mut pacer, [0, 10]), [1_000, 1_010]);
        pacer.delay(500);
        assert_eq!(dues(&mut pacer, [20]), [1_520]);
        pacer.forget();
        assert_eq!(pacer.due_ns(7_000, || 9_000), Some(9_000));
    }

    #[test]
    fn a_change_of_speed_holds_from_now_on() {
        let mut pacer = Pacer::new(SIMPLE, None);
        assert_eq!(dues(&mut pacer, [0]), [1_000]);
        assert_eq!(dues(&mut pacer, [500]), [1_500]);
        pacer.speed_up(2.0, 1_100);
        assert_eq!(pacer.again(), Some(1_300));
        assert_eq!(dues(&mut pacer, [700]), [1_400]);
        pacer.delay(50);
        assert_eq!(pacer.again(), Some(1_450));
        let mut even = Pacer::new(Rhythm::EveryNs(100.0), None);
        assert_eq!(dues(&mut even, [0, 0]), [1_000, 1_100]);
        even.speed_up(0.5, 1_050);
        assert_eq!(even.again(), Some(1_050));
        assert_eq!(dues(&mut even, [0]), [1_250]);
    }

    #[test]
    fn an_odd_rate_does_not_drift() {
        let cadence = Cadence::from_rate("3").unwrap();
        assert_eq!(cadence.due_ns(0, 3_000_000), Some(1_000_000_000_000_000));
        assert_eq!(cadence.due_ns(5, 1), Some(333_333_338));
    }

    #[test]
    fn speeds_and_rates_of_zero_or_less_are_refused() {
        for text in ["0", "-1", "nan", "inf", "", "fast", "1e400", "1e-300"] {
            assert!(Rhythm::from_speed(text).is_err(), "{text}");
        }
        for text in ["0", "-1", "nan", "inf", "", "fast", "1e400"] {
            assert!(Cadence::from_rate(text).is_err(), "{text}");
        }
        assert_eq!(Rhythm::from_speed("max"), Ok(Rhythm::Max));
        assert_eq!(Rhythm::from_speed("2.5"), Ok(Rhythm::Recorded(2.5)));
    }

    #[test]
    fn absurd_times_saturate() {
        let mut pacer = Pacer::new(Rhythm::Recorded(SPEED_MIN), Some(i64::MAX));
        for elapsed_ns in [i64::MAX, i64::MIN, 0, i64::MAX] {
            pacer.due_ns(elapsed_ns, || i64::MAX);
            pacer.end_pass();
            pacer.speed_up(1e9, i64::MIN);
            pacer.again();
            pacer.delay(i64::MAX);
        }
    }
}
