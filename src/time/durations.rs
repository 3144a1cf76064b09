//! Times and rates for people.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::time::clock::NS_PER_S;

/// Nanoseconds as seconds.
pub fn seconds(ns: i64) -> f64 {
    ns as f64 / NS_PER_S as f64
}

/// The units of a duration that people write, the largest first, in nanoseconds. No months or years: nobody knows how long those are.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// A duration as it is shown: `2.590 s`, and from a minute on with its two largest units, `3m 20s`, `35d 2h`.
pub fn span(ns: i64) -> String {
    if ns < 60 * NS_PER_S { format!("{:.3} s", seconds(ns)) } else { whole(ns.unsigned_abs() / 1_000_000_000) }
}

/// The same where parts of a second do not matter: `45 s`, `3m 20s`, `35d 2h`.
pub fn whole(seconds: u64) -> String {
    if seconds < 60 {
        return format!("{seconds} s");
    }
    let words = units(seconds.saturating_mul(1_000_000_000));
    let largest = words.first().and_then(|(place, _)| Some((*place, place.checked_add(1)?)));
    let shown =
        words.iter().filter(|(place, _)| largest.is_some_and(|(first, second)| (first..=second).contains(place)));
    shown.map(|(_, word)| word.as_str()).collect::<Vec<_>>().join(" ")
}

/// All of a duration, as it is typed: `1m 30s 5ms`.
pub fn exact(ns: u64) -> String {
    match units(ns).as_slice() {
        [] => "0s".to_owned(),
        words => words.iter().map(|(_, word)| word.as_str()).collect::<Vec<_>>().join(" "),
    }
}

/// How many there are of each unit that there is one of, with its place among all.
fn units(mut ns: u64) -> Vec<(usize, String)> {
    let mut words = Vec::new();
    for (place, (unit, unit_ns)) in UNITS.into_iter().enumerate() {
        let count = ns / unit_ns;
        ns %= unit_ns;
        if count > 0 {
            words.push((place, format!("{count}{unit}")));
        }
    }
    words
}

/// Mean rate of so many packets over `elapsed_ns`, in Hz: the intervals between them count, so that ten packets, one a
/// second, have a rate of 1. Zero when no time has passed.
pub fn rate_hz(packets: u64, elapsed_ns: i64) -> f64 {
    if elapsed_ns > 0 { packets.saturating_sub(1) as f64 / seconds(elapsed_ns) } else { 0.0 }
}

/// A time of the wall clock, as ISO 8601 has it: `2026-11-22T10:00:00.000000000Z`.
pub fn iso(unix_ns: i64) -> String {
    DateTime::<Utc>::from_timestamp_nanos(unix_ns).to_rfc3339_opts(SecondsFormat::Nanos, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_people_of_the_field_do() {
        let of = |days: i64, seconds: i64| span((days * 86_400 + seconds) * NS_PER_S);
        assert_eq!(span(2_590_000_000), "2.590 s");
        assert_eq!([of(0, 60), of(0, 200), of(0, 7500), of(35, 7200)], ["1m", "3m 20s", "2h 5m", "35d 2h"]);
        // What is between the two largest units is not named.
        assert_eq!([of(1, 59), of(400, 0), whole(59), whole(3_601)], ["1d", "400d", "59 s", "1h"]);
    }

    #[test]
    fn what_is_typed_loses_nothing() {
        assert_eq!([exact(0), exact(90_005_000_000), exact(1)], ["0s", "1m 30s 5ms", "1ns"]);
        for ns in [1, 1_001, 3_032_000_000_000_000, u64::MAX / 4] {
            assert_eq!(humantime::parse_duration(&exact(ns)).unwrap().as_nanos(), u128::from(ns));
        }
    }
}
