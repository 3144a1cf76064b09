//! Numbers as devices send them: integers of 8 to 64 bits and floats, in either byte order.

use std::cmp::Ordering;
use std::fmt;

/// Types that a number can have on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// A signed byte.
    Int8,
    /// A byte.
    UInt8,
    /// Two bytes, signed.
    Int16,
    /// Two bytes.
    UInt16,
    /// Three bytes, signed, as of sound cards and ADCs.
    Int24,
    /// Four bytes, signed.
    Int32,
    /// Four bytes.
    UInt32,
    /// Eight bytes, signed.
    Int64,
    /// Eight bytes.
    UInt64,
    /// IEEE 754 binary32.
    Float32,
    /// IEEE 754 binary64.
    Float64,
}

impl Scalar {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Int8,
        Self::UInt8,
        Self::Int16,
        Self::UInt16,
        Self::Int24,
        Self::Int32,
        Self::UInt32,
        Self::Int64,
        Self::UInt64,
        Self::Float32,
        Self::Float64,
    ];

    /// Its name in a layout, without the byte order.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::UInt8 => "uint8",
            Self::Int16 => "int16",
            Self::UInt16 => "uint16",
            Self::Int24 => "int24",
            Self::Int32 => "int32",
            Self::UInt32 => "uint32",
            Self::Int64 => "int64",
            Self::UInt64 => "uint64",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
        }
    }

    /// How many bytes it takes.
    pub fn bytes(self) -> usize {
        match self {
            Self::Int8 | Self::UInt8 => 1,
            Self::Int16 | Self::UInt16 => 2,
            Self::Int24 => 3,
            Self::Int32 | Self::UInt32 | Self::Float32 => 4,
            Self::Int64 | Self::UInt64 | Self::Float64 => 8,
        }
    }
}

/// A type with its byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Type {
    /// What it is.
    pub kind: Scalar,
    /// Whether the most significant byte comes first.
    pub is_big_endian: bool,
}

impl Type {
    /// The type of this name, such as `int16` or `float32-be`.
    pub fn named(name: &str) -> Option<Self> {
        let (name, is_big_endian) = name.strip_suffix("-be").map_or((name, false), |name| (name, true));
        let kind = Scalar::ALL.into_iter().find(|kind| kind.name() == name)?;
        Some(Self { kind, is_big_endian })
    }

    /// How many bytes it takes.
    pub fn bytes(self) -> usize {
        self.kind.bytes()
    }

    /// The number in these bytes, of which there must be [`Type::bytes`].
    pub fn value(self, bytes: &[u8]) -> Option<Value> {
        if bytes.len() != self.bytes() {
            return None;
        }
        // As if they were a uint64.
        let low_first = match *bytes {
            [a] => u64::from(a),
            [a, b] => u64::from(u16::from_le_bytes([a, b])),
            [a, b, c] => u64::from(u32::from_le_bytes([a, b, c, 0])),
            [a, b, c, d] => u64::from(u32::from_le_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => return None,
        };
        let bits = if self.is_big_endian { low_first.swap_bytes() >> (64 - 8 * bytes.len()) } else { low_first };
        Some(match self.kind {
            Scalar::Int8 => Value::Int(i64::from(bits as i8)),
            Scalar::Int16 => Value::Int(i64::from(bits as i16)),
            // The sign is moved to the top and back.
            Scalar::Int24 => Value::Int(i64::from((bits << 8) as i32 >> 8)),
            Scalar::Int32 => Value::Int(i64::from(bits as i32)),
            Scalar::Int64 => Value::Int(bits as i64),
            Scalar::UInt8 | Scalar::UInt16 | Scalar::UInt32 | Scalar::UInt64 => Value::UInt(bits),
            Scalar::Float32 => Value::Float32(f32::from_bits(bits as u32)),
            Scalar::Float64 => Value::Float64(f64::from_bits(bits)),
        })
    }
}

impl Type {
    /// Put the lowest bytes of `bits` in this order into `bytes`, of which there must be [`Type::bytes`].
    pub fn put(self, bits: u64, bytes: &mut [u8]) {
        let low_first = bits.to_le_bytes();
        let count = bytes.len();
        for (place, byte) in bytes.iter_mut().enumerate() {
            let from = if self.is_big_endian { count - 1 - place } else { place };
            *byte = low_first.get(from).copied().unwrap_or_default();
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        f.write_str(if self.is_big_endian { "-be" } else { "" })
    }
}

/// A number as it was sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Of a signed integer type.
    Int(i64),
    /// Of an unsigned one.
    UInt(u64),
    /// A float32. Its text is shorter than that of the same float64.
    Float32(f32),
    /// A float64.
    Float64(f64),
}

impl Value {
    /// The nearest float64. Integers beyond 2^53 are rounded.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::UInt(value) => value as f64,
            Self::Float32(value) => f64::from(value),
            Self::Float64(value) => value,
        }
    }

    /// Which one is less, exactly, of whatever type they are. NaN is neither.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        let integer = |value| match value {
            Self::Int(value) => Some(i128::from(value)),
            Self::UInt(value) => Some(i128::from(value)),
            Self::Float32(_) | Self::Float64(_) => None,
        };
        match (integer(self), integer(other)) {
            (Some(one), Some(two)) => Some(one.cmp(&two)),
            (None, None) => self.as_f64().partial_cmp(&other.as_f64()),
            (None, Some(two)) => against(self.as_f64(), two),
            (Some(one), None) => against(other.as_f64(), one).map(Ordering::reverse),
        }
    }
}

/// Whether a float is less than an integer of at most 64 bits.
fn against(float: f64, integer: i128) -> Option<Ordering> {
    // Beyond 128 bits it becomes the nearest one, which is beyond 64 bits too.
    let whole = float.floor();
    let ordering = (!float.is_nan()).then(|| (whole as i128).cmp(&integer))?;
    Some(if ordering == Ordering::Equal && float > whole { Ordering::Greater } else { ordering })
}

/// The shortest text that is this number again.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::UInt(value) => value.fmt(f),
            Self::Float32(value) => value.fmt(f),
            Self::Float64(value) => value.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, bytes: &[u8]) -> Value {
        Type::named(name).unwrap().value(bytes).unwrap()
    }

    #[test]
    fn edge_values_are_exact_in_both_byte_orders() {
        let cases: [(&str, &[u8], Value); 14] = [
            ("int8", &[0x80], Value::Int(-128)),
            ("uint8", &[0xff], Value::UInt(255)),
            ("int16", &[0x00, 0x80], Value::Int(-32768)),
            ("uint16", &[0xff, 0xff], Value::UInt(65535)),
            ("int24", &[0x00, 0x00, 0x80], Value::Int(-8_388_608)),
            ("int24", &[0xff, 0xff, 0x7f], Value::Int(8_388_607)),
            ("int24", &[0xff, 0xff, 0xff], Value::Int(-1)),
            ("int32", &[0, 0, 0, 0x80], Value::Int(i64::from(i32::MIN))),
            ("uint32", &[0xff; 4], Value::UInt(u64::from(u32::MAX))),
            ("int64", &[0, 0, 0, 0, 0, 0, 0, 0x80], Value::Int(i64::MIN)),
            ("uint64", &[0xff; 8], Value::UInt(u64::MAX)),
            ("float32", &1.5_f32.to_le_bytes(), Value::Float32(1.5)),
            ("float64", &f64::MIN_POSITIVE.to_le_bytes(), Value::Float64(f64::MIN_POSITIVE)),
            ("float32", &f32::from_bits(1).to_le_bytes(), Value::Float32(f32::from_bits(1))),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(value(name, bytes), expected, "{name}");
            let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
            assert_eq!(value(&format!("{name}-be"), &reversed), expected, "{name}-be");
            let mut low_first = [0; 8];
            low_first[..bytes.len()].copy_from_slice(bytes);
            for (name, bytes) in [(name.to_owned(), bytes), (format!("{name}-be"), &reversed)] {
                let mut put = vec![0; bytes.len()];
                Type::named(&name).unwrap().put(u64::from_le_bytes(low_first), &mut put);
                assert_eq!(put, bytes, "{name}");
            }
        }
    }

    #[test]
    fn the_bits_of_a_float_stay_what_they_are() {
        let Value::Float64(zero) = value("float64", &(-0.0_f64).to_le_bytes()) else { panic!("no float64") };
        assert_eq!(zero.to_bits(), (-0.0_f64).to_bits());
        let signalling = 0x7f80_0001_u32;
        let Value::Float32(nan) = value("float32", &signalling.to_le_bytes()) else { panic!("no float32") };
        assert_eq!(nan.to_bits(), signalling);
    }

    #[test]
    fn numbers_of_all_types_have_one_order() {
        let ascending = [
            Value::Float64(f64::NEG_INFINITY),
            Value::Int(i64::MIN),
            Value::Float32(-0.5),
            Value::UInt(0),
            Value::Float64(0.5),
            Value::Int((1 << 53) + 1),
            Value::Float64(9_007_199_254_740_994.0),
            Value::UInt(u64::MAX),
            Value::Float64(18_446_744_073_709_551_616.0),
            Value::Float32(f32::INFINITY),
        ];
        for (a, one) in ascending.iter().enumerate() {
            for (b, two) in ascending.iter().enumerate() {
                assert_eq!(one.compare(*two), Some(a.cmp(&b)), "{one} and {two}");
            }
            assert_eq!((one.compare(Value::Float32(f32::NAN)), Value::Float64(f64::NAN).compare(*one)), (None, None));
        }
        assert_eq!(Value::Int(2).compare(Value::Float32(2.0)), Some(Ordering::Equal));
    }

    #[test]
    fn too_few_or_too_many_bytes_are_no_number() {
        let int24 = Type::named("int24").unwrap();
        assert_eq!((int24.value(&[1, 2]), int24.value(&[1, 2, 3, 4])), (None, None));
        assert_eq!([Type::named("int12"), Type::named(""), Type::named("int16-le")], [None; 3]);
    }

    #[test]
    fn every_type_has_a_name_that_leads_to_it() {
        for kind in Scalar::ALL {
            for is_big_endian in [false, true] {
                let found = Type { kind, is_big_endian };
                assert_eq!(Type::named(&found.to_string()), Some(found));
            }
        }
    }
}
