//! A place in a capture, as a user names it.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveTime, Timelike};

use crate::time::clock::NS_PER_S;
use crate::time::durations::{exact, iso};

/// A place in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// So many nanoseconds after the session began: `90s`, `1m30s`.
    Elapsed(i64),
    /// At the message with this number, from 0: `n1500`, or `#1500`, as messages are shown.
    Number(i64),
    /// So many nanoseconds before the last message: `-5s`.
    BeforeEnd(i64),
    /// At this moment of the wall clock: `2026-11-22T10:00:00Z`.
    Unix(i64),
    /// At the first moment of the session when the wall clock (UTC) shows this time, in nanoseconds since midnight: `10:00`.
    TimeOfDay(i64),
}

/// What a position means in one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The message with this number.
    Number(i64),
    /// So many nanoseconds after the session began.
    Elapsed(i64),
    /// This moment of the wall clock.
    Unix(i64),
}

const NS_PER_DAY: i64 = 24 * 3600 * NS_PER_S;

impl Position {
    /// Where it is in a session that began and ended then.
    pub fn place(self, started_unix_ns: i64, last_elapsed_ns: i64) -> Place {
        match self {
            Self::Elapsed(elapsed_ns) => Place::Elapsed(elapsed_ns),
            Self::Number(number) => Place::Number(number),
            Self::BeforeEnd(ns) => Place::Elapsed(last_elapsed_ns.saturating_sub(ns)),
            Self::Unix(unix_ns) => Place::Unix(unix_ns),
            Self::TimeOfDay(ns) => {
                let until_ns = (ns - started_unix_ns.rem_euclid(NS_PER_DAY)).rem_euclid(NS_PER_DAY);
                Place::Unix(started_unix_ns.saturating_add(until_ns))
            }
        }
    }
}

impl Position {
    /// Whether this is certainly behind another place, whatever the session is. Of two kinds of positions only the session says
    /// which comes first.
    pub fn is_behind(self, end: Self) -> bool {
        match (self, end) {
            (Self::Elapsed(from), Self::Elapsed(to))
            | (Self::Number(from), Self::Number(to))
            | (Self::Unix(from), Self::Unix(to))
            | (Self::BeforeEnd(to), Self::BeforeEnd(from)) => from > to,
            _ => false,
        }
    }
}

/// As it is typed.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = |ns: &i64| exact(ns.unsigned_abs());
        match self {
            Self::Elapsed(ns) => write!(f, "{}", duration(ns)),
            Self::Number(number) => write!(f, "n{number}"),
            Self::BeforeEnd(ns) => write!(f, "-{}", duration(ns)),
            Self::Unix(ns) => f.write_str(&iso(*ns)),
            Self::TimeOfDay(ns) => {
                let (seconds, rest) = (ns / NS_PER_S, ns % NS_PER_S);
                write!(f, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
                if rest == 0 { Ok(()) } else { write!(f, ".{rest:09}") }
            }
        }
    }
}

impl FromStr for Position {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "a position is an offset (90s, 1m30s, -5s from the end), a message number (n1500) or a time \
                            (2026-11-22T10:00:00Z, 10:00)";
        if let Some(number) = text.strip_prefix(['n', '#']) {
            return match number.parse() {
                Ok(number) if number >= 0 => Ok(Self::Number(number)),
                _ => Err(RULE),
            };
        }
        if text == "0" {
            return Ok(Self::Elapsed(0));
        }
        let offset_ns =
            |text: &str| humantime::parse_duration(text).ok().map(|offset| i64::try_from(offset.as_nanos()));
        if let Some(ns) = offset_ns(text) {
            return ns.map(Self::Elapsed).map_err(|_| RULE);
        }
        if let Some(ns) = text.strip_prefix('-').and_then(offset_ns) {
            return ns.map(Self::BeforeEnd).map_err(|_| RULE);
        }
        let time = ["%H:%M", "%H:%M:%S%.f"].iter().find_map(|form| NaiveTime::parse_from_str(text, form).ok());
        // A leap second is none of a day's 86,400.
        if let Some(time) = time.filter(|time| i64::from(time.nanosecond()) < NS_PER_S) {
            let (seconds, ns) = (time.num_seconds_from_midnight(), time.nanosecond());
            return Ok(Self::TimeOfDay(i64::from(seconds) * NS_PER_S + i64::from(ns)));
        }
        let time = DateTime::parse_from_rfc3339(text).map_err(|_| RULE)?;
        time.timestamp_nanos_opt().map(Self::Unix).ok_or(RULE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_offsets_numbers_or_times() {
        assert_eq!("1m30s".parse(), Ok(Position::Elapsed(90_000_000_000)));
        assert_eq!("0".parse(), Ok(Position::Elapsed(0)));
        assert_eq!("n1500".parse(), Ok(Position::Number(1500)));
        assert_eq!("#1500".parse(), Ok(Position::Number(1500)));
        assert_eq!("1970-01-01T00:00:01.5Z".parse(), Ok(Position::Unix(1_500_000_000)));
        assert_eq!("1970-01-01T01:00:00+01:00".parse(), Ok(Position::Unix(0)));
        assert_eq!("-1m30s".parse(), Ok(Position::BeforeEnd(90_000_000_000)));
        assert_eq!("10:00".parse(), Ok(Position::TimeOfDay(36_000_000_000_000)));
        assert_eq!("00:00:01.000000005".parse(), Ok(Position::TimeOfDay(1_000_000_005)));
        for text in [
            "",
            "#",
            "#-1",
            "#1.5",
            "n",
            "now",
            "tomorrow",
            "9999-01-01T00:00:00Z",
            "12",
            "-",
            "--5s",
            "-n5",
            "24:00",
            "1:2:3:4",
            "23:59:60",
        ] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }

    #[test]
    fn which_of_two_places_of_one_kind_comes_first_is_known() {
        let position = |text: &str| text.parse::<Position>().unwrap();
        for (from, to, is_behind) in [
            ("90s", "10s", true),
            ("10s", "10s", false),
            ("10s", "90s", false),
            ("n2", "n1", true),
            ("-5s", "-10s", true),
            ("-10s", "-5s", false),
            ("2026-11-22T10:00:01Z", "2026-11-22T10:00:00Z", true),
            ("23:00", "01:00", false),
            ("90s", "-1s", false),
        ] {
            assert_eq!(position(from).is_behind(position(to)), is_behind, "{from} to {to}");
        }
    }

    #[test]
    fn a_position_is_shown_so_that_it_can_be_typed() {
        for text in ["1m 30s", "n1500", "-5s", "2026-11-22T10:00:00.000000000Z", "10:00:00", "10:00:00.500000000"] {
            let position: Position = text.parse().unwrap();
            assert_eq!(position.to_string().parse(), Ok(position), "{text} is {position}");
        }
    }

    #[test]
    fn a_time_of_day_is_the_first_one_of_the_session() {
        let at = |hours: i64| hours * 3600 * NS_PER_S;
        let ten: Position = "10:00".parse().unwrap();
        let place = |started_unix_ns| ten.place(started_unix_ns, 0);
        assert_eq!(place(at(9)), Place::Unix(at(10)));
        assert_eq!(place(at(10)), Place::Unix(at(10)));
        assert_eq!(place(at(11)), Place::Unix(at(34)), "the next day");
        assert_eq!(place(at(-1)), Place::Unix(at(10)), "before 1970");
        assert_eq!(place(i64::MAX), Place::Unix(i64::MAX));
        assert_eq!(Position::BeforeEnd(5).place(at(9), 20), Place::Elapsed(15));
    }
}
