//! What stands at the beginning of binary frames: a number that counts them, or a time.

use crate::codec::likely::numbers::is_usual;
use crate::codec::number::{Scalar, Type, Value};

/// Fewer messages say nothing about a counter or a time.
const MIN_MESSAGES: usize = 4;

/// Fewer messages do not show that a number rises steadily.
const RISING_MIN_MESSAGES: usize = 8;

/// A uint64 below this has so many zero bits on top that it is no accident.
const SURELY_UINT64: u64 = 1 << 28;

/// No device has counted so far: a thousand messages in a second would take 35 years.
const YOUNG_COUNTER: u64 = 1 << 40;

/// A number whose upper half is above this is no counter of a device: it would have sent 67 million messages.
const UPPER_HALF_MAX: u64 = 1 << 10;

/// A number that rises steadily takes no step that is larger than so many mean ones.
const STEP_MAX: f64 = 32.0;

/// A time stamp lies between 2001 and 2100, in seconds since 1970.
const STAMPS_S: std::ops::Range<u64> = 978_307_200..4_102_444_800;

/// Whether the first number of the frames rises by one from message to message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// It does not.
    No,
    /// It does if the first four or eight bytes are one number, which cannot be told.
    Perhaps,
    /// It does, and is of this type.
    By(Type),
}

/// Whether the frames begin with a number that counts them. One whose upper half never changes could as well be two numbers,
/// unless that half is zero.
pub(super) fn counted(frames: &[&[u8]]) -> Counted {
    if frames.len() < MIN_MESSAGES {
        return Counted::No;
    }
    let mut found = Counted::No;
    for of in both(Scalar::UInt64).into_iter().chain(both(Scalar::UInt32)) {
        let Some(values) = values(of, frames, 0) else { continue };
        let (Some(&first), Some(&last)) = (values.first(), values.last()) else { continue };
        let counts = pairs(&values).all(|(before, after)| before.checked_add(1) == Some(after));
        if !counts {
            continue;
        }
        let has_carried = first >> 16 != last >> 16;
        let is_sure = match of.kind {
            Scalar::UInt64 => last < SURELY_UINT64 || last < YOUNG_COUNTER && has_carried,
            _ => last >> 16 == 0 || has_carried,
        };
        if is_sure {
            return Counted::By(of);
        }
        if last >> 16 < UPPER_HALF_MAX {
            found = Counted::Perhaps;
        }
    }
    found
}

/// A number at this place that is a time of our century or rises as a time does, and what it is.
pub(super) fn time(frames: &[&[u8]], at: usize) -> Option<(Type, String)> {
    let stamp = both(Scalar::UInt64).into_iter().find_map(|of| {
        let unit = stamp(&values(of, frames, at)?)?;
        Some((of, format!("a time in {unit}")))
    });
    stamp.or_else(|| {
        if is_float(frames, at) {
            return None;
        }
        let rises = |of: &Type| {
            values(*of, frames, at).is_some_and(|values| match of.kind {
                Scalar::UInt64 => rises_steadily(&values),
                _ => carries(&values),
            })
        };
        let of = both(Scalar::UInt64).into_iter().chain(both(Scalar::UInt32)).find(rises)?;
        Some((of, "a number that rises as a time does".to_owned()))
    })
}

/// Whether every frame has a float of a usual size at this place: also the bits of floats that rise do.
fn is_float(frames: &[&[u8]], at: usize) -> bool {
    let is_usual = |of: Type| {
        let value = |frame: &&[u8]| of.value(frame.get(at..at + of.bytes())?);
        frames.iter().all(|frame| value(frame).is_some_and(|value| is_usual(value.as_f64())))
    };
    both(Scalar::Float32).into_iter().chain(both(Scalar::Float64)).any(is_usual)
}

/// The unit in which these are times of our century.
fn stamp(values: &[u64]) -> Option<&'static str> {
    let units = [(1_000_000_000, "nanoseconds"), (1_000_000, "microseconds"), (1_000, "milliseconds")];
    let (_, unit) = units.iter().find(|(per_s, _)| values.iter().all(|value| STAMPS_S.contains(&(value / per_s))))?;
    let is_rising = values.first() < values.last() && pairs(values).all(|(before, after)| before <= after);
    (is_rising && values.len() >= MIN_MESSAGES).then_some(unit)
}

/// Whether these 64-bit numbers rise in steps that are alike, beyond 16 bits, and with an upper half that could not be two
/// numbers of their own.
fn rises_steadily(values: &[u64]) -> bool {
    let (Some(&first), Some(&last)) = (values.first(), values.last()) else { return false };
    let span = last.saturating_sub(first);
    let upper_is_plain = last >> 32 < 256 || (first >> 32 != last >> 32 && last >> 56 == 0);
    let mean = span as f64 / (values.len().saturating_sub(1)).max(1) as f64;
    values.len() >= RISING_MIN_MESSAGES
        && span >> 16 != 0
        && upper_is_plain
        && pairs(values).all(|(before, after)| before < after && (after - before) as f64 <= mean * STEP_MAX)
}

/// Whether these 32-bit numbers rise in small steps, and their lower half carried into the upper one more than once.
fn carries(values: &[u64]) -> bool {
    let rises = pairs(values).all(|(before, after)| before < after && after - before < 1 << 15);
    let carries = pairs(values).filter(|(before, after)| before >> 16 != after >> 16).count();
    values.len() >= RISING_MIN_MESSAGES && rises && carries >= 2
}

/// This type in either byte order.
pub(super) fn both(kind: Scalar) -> [Type; 2] {
    [Type { kind, is_big_endian: false }, Type { kind, is_big_endian: true }]
}

fn pairs(values: &[u64]) -> impl Iterator<Item = (u64, u64)> {
    values.iter().copied().zip(values.iter().skip(1).copied())
}

/// The number at this place in every frame.
fn values(of: Type, frames: &[&[u8]], at: usize) -> Option<Vec<u64>> {
    let value = |frame: &&[u8]| match of.value(frame.get(at..at + of.bytes())?)? {
        Value::UInt(value) => Some(value),
        _ => None,
    };
    frames.iter().map(value).collect()
}
