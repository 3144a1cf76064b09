//! A place in a capture, as a user names it.

use std::str::FromStr;

use chrono::DateTime;

/// A place in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// So many nanoseconds after the session began: `90s`, `1m30s`.
    Elapsed(i64),
    /// At the message with this number, from 0: `n1500`, or `#1500`, as messages are shown.
    Number(i64),
    /// At this moment of the wall clock: `2026-11-22T10:00:00Z`.
    Unix(i64),
}

impl FromStr for Position {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str =
            "a position is an offset (90s, 1m30s), a message number (n1500) or a time (2026-11-22T10:00:00Z)";
        if let Some(number) = text.strip_prefix(['n', '#']) {
            return match number.parse() {
                Ok(number) if number >= 0 => Ok(Self::Number(number)),
                _ => Err(RULE),
            };
        }
        if text == "0" {
            return Ok(Self::Elapsed(0));
        }
        if let Ok(offset) = humantime::parse_duration(text) {
            return i64::try_from(offset.as_nanos()).map(Self::Elapsed).map_err(|_| RULE);
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
        for text in ["", "#", "#-1", "#1.5", "n", "now", "tomorrow", "9999-01-01T00:00:00Z", "12"] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
