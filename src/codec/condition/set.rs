//! The numbers of one type for which a comparison holds: found once, so that a number of a message is only looked up.

use std::cmp::Ordering;

use crate::codec::channels::Channel;
use crate::codec::condition::{Comparison, Operator};
use crate::codec::number::{Scalar, Type, Value};

/// Numbers of a type by their keys: integers that are in the same order as the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set {
    /// Two ranges of keys, with their ends; one without keys ends before it begins.
    ranges: [(i64, i64); 2],
}

/// No key.
const NONE: (i64, i64) = (1, 0);

impl Set {
    /// No number at all.
    pub const EMPTY: Self = Self { ranges: [NONE; 2] };

    /// The numbers of this type whose physical values are as the comparison says. Values that the channel's scale and offset make
    /// NaN never are.
    pub fn of(comparison: &Comparison, channel: &Channel, kind: Scalar) -> Self {
        let Channel { scale, offset, .. } = *channel;
        if !scale.is_finite() || !offset.is_finite() || scale == 0.0 {
            return Self::EMPTY;
        }
        // A greater number has a greater physical value, or a smaller one for all of them.
        let reference = meant(comparison.number, kind, channel);
        let ordering = |key| physical(value(kind, key), channel).compare(reference);
        let ascending = |key| ordering(key).map(|ordering| if scale < 0.0 { ordering.reverse() } else { ordering });
        let (least, greatest) = keys(kind);
        let first_equal = first(least, greatest, |key| ascending(key) != Some(Ordering::Less));
        let first_greater = first(least, greatest, |key| ascending(key) == Some(Ordering::Greater));
        let range = |from: i128, to: i128| match from < to {
            // All of them are keys.
            true => (from as i64, (to - 1) as i64),
            false => NONE,
        };
        let end = i128::from(greatest) + 1;
        let below = [range(least.into(), first_equal), range(least.into(), first_greater)];
        let above = [range(first_greater, end), range(first_equal, end)];
        let ([less, less_or_equal], [greater, greater_or_equal]) =
            if scale < 0.0 { (above, below) } else { (below, above) };
        let ranges = match comparison.operator {
            Operator::Greater => [greater, NONE],
            Operator::GreaterOrEqual => [greater_or_equal, NONE],
            Operator::Less => [less, NONE],
            Operator::LessOrEqual => [less_or_equal, NONE],
            Operator::Equal => [range(first_equal, first_greater), NONE],
            Operator::NotEqual => [less, greater],
        };
        Self { ranges }
    }

    /// Whether a number of this type is in it.
    pub fn has(&self, of: Type, bytes: &[u8]) -> bool {
        key_of(of, bytes).is_some_and(|key| self.has_key(key))
    }

    #[inline]
    fn has_key(&self, key: i64) -> bool {
        let [(a, b), (c, d)] = self.ranges;
        (key >= a && key <= b) | (key >= c && key <= d)
    }

    /// Whether there is one between these two, or they are no numbers of this type.
    pub fn may_have(&self, kind: Scalar, (least, greatest): (Value, Value)) -> bool {
        let (Some(least), Some(greatest)) = (key(kind, least), key(kind, greatest)) else { return true };
        let overlaps = |&(from, to): &(i64, i64)| from <= to && from <= greatest && to >= least;
        least > greatest || self.ranges.iter().any(overlaps)
    }

    /// Of which records the numbers are in it: of the first record the lowest bit. There are at most 64, with a number at `offset` in each.
    /// Numbers of a width that processors know are read without asking for their type each time.
    pub fn mask(&self, of: Type, records: &[u8], record_bytes: usize, offset: usize) -> u64 {
        macro_rules! mask {
            ($number:ty) => {{
                let numbers = records.get(offset..).unwrap_or_default().chunks(record_bytes.max(1));
                let keys = numbers
                    .filter_map(|bytes| bytes.first_chunk().copied().map(<$number>::from_le_bytes).map(i64::from));
                match self.ranges {
                    [(from, to), NONE] if from <= to => {
                        let span = to.wrapping_sub(from).cast_unsigned();
                        // One comparison for both ends.
                        bits(keys.map(|key| key.wrapping_sub(from).cast_unsigned() <= span))
                    }
                    _ => bits(keys.map(|key| self.has_key(key))),
                }
            }};
        }
        match of {
            Type { kind: Scalar::UInt8, .. } => mask!(u8),
            Type { kind: Scalar::Int8, .. } => mask!(i8),
            Type { kind: Scalar::Int16, is_big_endian: false } => mask!(i16),
            Type { kind: Scalar::UInt16, is_big_endian: false } => mask!(u16),
            Type { kind: Scalar::Int32, is_big_endian: false } => mask!(i32),
            Type { kind: Scalar::UInt32, is_big_endian: false } => mask!(u32),
            Type { kind: Scalar::Int64, is_big_endian: false } => mask!(i64),
            _ => {
                let numbers = records.chunks(record_bytes.max(1)).map(|record| record.get(offset..offset + of.bytes()));
                bits(numbers.map(|number| number.is_some_and(|bytes| self.has(of, bytes))))
            }
        }
    }
}

/// At most 64 of them, the first one as the lowest bit.
fn bits(each: impl Iterator<Item = bool>) -> u64 {
    each.enumerate().fold(0, |bits, (place, is_set)| bits | u64::from(is_set) << (place & 63))
}

/// The physical value of a number; the number itself where its channel has no scale.
pub(super) fn physical(value: Value, channel: &Channel) -> Value {
    match channel.is_raw() {
        true => value,
        false => Value::Float64(value.as_f64() * channel.scale + channel.offset),
    }
}

/// The number of a comparison with a channel of this type. A decimal fraction is as exact as the channel's own numbers, so that what
/// is shown as 0.1 equals 0.1.
fn meant(number: Value, kind: Scalar, channel: &Channel) -> Value {
    match number {
        Value::Float64(number) if kind == Scalar::Float32 && channel.is_raw() && (number as f32).is_finite() => {
            Value::Float32(number as f32)
        }
        number => number,
    }
}

/// Whether a number whose physical value is between those of these two can be as the comparison says, of whatever type it is. They are
/// the least and the greatest of an array's numbers, which may be rounded.
pub(super) fn may_hold_between(comparison: &Comparison, channel: &Channel, (least, greatest): (Value, Value)) -> bool {
    let wider = |value: Value, is_least: bool| match value {
        Value::Float64(value) if is_least => Value::Float64(value.next_down()),
        Value::Float64(value) => Value::Float64(value.next_up()),
        value => value,
    };
    let ends = [physical(wider(least, true), channel), physical(wider(greatest, false), channel)];
    let references = [Scalar::Float32, Scalar::Float64].map(|kind| meant(comparison.number, kind, channel));
    references.into_iter().any(|reference| {
        let [Some(one), Some(other)] = ends.map(|end| end.compare(reference)) else { return true };
        let (low, high) = (one.min(other), one.max(other));
        match comparison.operator {
            Operator::Greater => high.is_gt(),
            Operator::GreaterOrEqual => high.is_ge(),
            Operator::Less => low.is_lt(),
            Operator::LessOrEqual => low.is_le(),
            Operator::Equal => low.is_le() && high.is_ge(),
            Operator::NotEqual => low.is_ne() || high.is_ne(),
        }
    })
}

/// The first key from `least` to `greatest` for which something holds that holds for all behind it; behind `greatest` if there is none.
fn first(least: i64, greatest: i64, holds: impl Fn(i64) -> bool) -> i128 {
    let (mut from, mut to) = (i128::from(least), i128::from(greatest) + 1);
    while from < to {
        // Between two keys.
        let middle = (from + to).div_euclid(2);
        if holds(middle as i64) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    from
}

/// The least and the greatest key of a type; those of NaN lie outside.
fn keys(kind: Scalar) -> (i64, i64) {
    match kind {
        Scalar::Int8 => (i8::MIN.into(), i8::MAX.into()),
        Scalar::UInt8 => (0, u8::MAX.into()),
        Scalar::Int16 => (i16::MIN.into(), i16::MAX.into()),
        Scalar::UInt16 => (0, u16::MAX.into()),
        Scalar::Int24 => (-(1 << 23), (1 << 23) - 1),
        Scalar::Int32 => (i32::MIN.into(), i32::MAX.into()),
        Scalar::UInt32 => (0, u32::MAX.into()),
        Scalar::Int64 | Scalar::UInt64 => (i64::MIN, i64::MAX),
        Scalar::Float32 => (key_of_f32(f32::NEG_INFINITY), key_of_f32(f32::INFINITY)),
        Scalar::Float64 => (key_of_f64(f64::NEG_INFINITY), key_of_f64(f64::INFINITY)),
    }
}

/// The bits of a float, turned around below zero, are in its order; that of -0 comes before that of 0.
fn key_of_f64(number: f64) -> i64 {
    let bits = number.to_bits().cast_signed();
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

fn key_of_f32(number: f32) -> i64 {
    let bits = number.to_bits().cast_signed();
    i64::from(if bits < 0 { bits ^ i32::MAX } else { bits })
}

/// Those of an uint64 begin with the least key.
fn key_of_u64(number: u64) -> i64 {
    (number ^ 1 << 63).cast_signed()
}

/// The key of a number; `None` if it is none of this type.
fn key(kind: Scalar, value: Value) -> Option<i64> {
    let key = match (kind, value) {
        (Scalar::Float32, Value::Float32(number)) => key_of_f32(number),
        (Scalar::Float64, Value::Float64(number)) => key_of_f64(number),
        (Scalar::UInt64, Value::UInt(number)) => key_of_u64(number),
        (Scalar::UInt8 | Scalar::UInt16 | Scalar::UInt32, Value::UInt(number)) => number.try_into().ok()?,
        (Scalar::Int8 | Scalar::Int16 | Scalar::Int24 | Scalar::Int32 | Scalar::Int64, Value::Int(number)) => number,
        _ => return None,
    };
    let (least, greatest) = keys(kind);
    (least..=greatest).contains(&key).then_some(key)
}

/// The key of the number in these bytes; `None` for NaN.
fn key_of(of: Type, bytes: &[u8]) -> Option<i64> {
    key(of.kind, of.value(bytes)?)
}

/// The number of a key.
fn value(kind: Scalar, key: i64) -> Value {
    match kind {
        Scalar::Int8 | Scalar::Int16 | Scalar::Int24 | Scalar::Int32 | Scalar::Int64 => Value::Int(key),
        Scalar::UInt8 | Scalar::UInt16 | Scalar::UInt32 => Value::UInt(key.unsigned_abs()),
        Scalar::UInt64 => Value::UInt(key.cast_unsigned() ^ 1 << 63),
        Scalar::Float32 => {
            // All keys of the type have 32 bits.
            let key = key as i32;
            Value::Float32(f32::from_bits(if key < 0 { key ^ i32::MAX } else { key }.cast_unsigned()))
        }
        Scalar::Float64 => Value::Float64(f64::from_bits(if key < 0 { key ^ i64::MAX } else { key }.cast_unsigned())),
    }
}
