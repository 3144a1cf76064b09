//! Times and rates for people.

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
