//! Times as text. Called for each message, so nothing is allocated here but for a new second.

use chrono::{DateTime, Utc};

use crate::time::clock::NS_PER_S;

/// Writes wall clock times, and keeps the text of the second before the point: most packets share it with the one before.
#[derive(Debug, Default)]
pub(super) struct Times {
    second: Option<i64>,
    text: String,
}

impl Times {
    /// Append `2026-11-22T10:00:00.000000000Z`.
    pub fn append(&mut self, unix_ns: i64, text: &mut Vec<u8>) {
        let second = unix_ns.div_euclid(NS_PER_S);
        if self.second != Some(second) {
            self.second = Some(second);
            self.text.clear();
            if let Some(time) = DateTime::<Utc>::from_timestamp(second, 0) {
                self.text = time.format("%Y-%m-%dT%H:%M:%S").to_string();
            }
        }
        text.extend_from_slice(self.text.as_bytes());
        append_fraction(unix_ns.rem_euclid(NS_PER_S), text);
        text.push(b'Z');
    }
}

/// Append nanoseconds as seconds, exactly: `12.000000345`.
pub(super) fn append_seconds(ns: i64, text: &mut Vec<u8>) {
    if ns < 0 {
        text.push(b'-');
    }
    let ns = ns.unsigned_abs();
    text.extend_from_slice(itoa::Buffer::new().format(ns / NS_PER_S.unsigned_abs()).as_bytes());
    append_fraction((ns % NS_PER_S.unsigned_abs()) as i64, text);
}

/// Append a point and nine decimals.
fn append_fraction(mut ns: i64, text: &mut Vec<u8>) {
    let mut digits = *b".000000000";
    for digit in digits.iter_mut().skip(1).rev() {
        *digit = b'0' + (ns % 10) as u8;
        ns /= 10;
    }
    text.extend_from_slice(&digits);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(append: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut text = Vec::new();
        append(&mut text);
        String::from_utf8(text).unwrap()
    }

    proptest! {
        #[test]
        fn times_are_those_of_chrono(times in prop::collection::vec((any::<i64>(), 0..3 * NS_PER_S), 1..5)) {
            let mut writer = Times::default();
            for (first_ns, further_ns) in times {
                for unix_ns in [first_ns, first_ns.saturating_add(further_ns)] {
                    let expected = DateTime::<Utc>::from_timestamp_nanos(unix_ns)
                        .to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);
                    prop_assert_eq!(text(|text| writer.append(unix_ns, text)), expected);
                }
            }
        }
    }

    #[test]
    fn seconds_are_exact() {
        for (ns, expected) in [
            (0, "0.000000000"),
            (1, "0.000000001"),
            (12_000_000_345, "12.000000345"),
            (-1_500_000_000, "-1.500000000"),
            (i64::MIN, "-9223372036.854775808"),
        ] {
            assert_eq!(text(|text| append_seconds(ns, text)), expected);
        }
    }
}
