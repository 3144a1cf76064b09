//! Times and rates for people.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::time::clock::NS_PER_S;

/// Nanoseconds as seconds.
pub fn seconds(ns: i64) -> f64 {
    ns as f64 / NS_PER_S as f64
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
