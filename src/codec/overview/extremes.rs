//! The least and the greatest of numbers of one type, as fast as they can be found: a recorder does it with every message.

use std::cmp::Ordering;

use crate::codec::layout::{Fields, Numbers, Part, Placed};
use crate::codec::number::{Scalar, Type, Value};

/// The numbers of a part.
#[derive(Clone, Debug, Default)]
pub(super) struct Lanes {
    header: Vec<Lane>,
    record: Vec<Lane>,
    /// Of an array, whose type each message says: the least and the greatest one.
    array: Option<Option<(Value, Value)>>,
}

/// Numbers of one type that lie one behind the other.
#[derive(Clone, Debug)]
struct Lane {
    of: Type,
    /// Bytes before the first one in the header, or in the record.
    offset: usize,
    extremes: Extremes,
}

impl Lanes {
    /// No number yet.
    pub fn of(part: &Part) -> Self {
        match part {
            Part::Numbers(numbers) => {
                Self { header: lanes(&numbers.header), record: lanes(&numbers.record), array: None }
            }
            Part::NdArray => Self { array: Some(None), ..Self::default() },
            Part::Bytes | Part::Text | Part::Json => Self::default(),
        }
    }

    /// Add the numbers of a frame.
    pub fn add(&mut self, numbers: &Numbers, frame: &[u8]) {
        let (header, records) = frame.split_at_checked(numbers.header.bytes()).unwrap_or_default();
        for lane in &mut self.header {
            lane.add(header, numbers.header.bytes());
        }
        for lane in &mut self.record {
            lane.add(records, numbers.record.bytes());
        }
    }

    /// Add those of an array.
    pub fn add_array(&mut self, of: Type, array: &[u8]) {
        let mut lane = Lane { of, offset: 0, extremes: Extremes::of(of.kind, 1) };
        lane.add(array, of.bytes());
        if let (Some(so_far), Some((least, greatest))) = (&mut self.array, lane.extremes.range(0)) {
            let (known_least, known_greatest) = so_far.unwrap_or((least, greatest));
            let is_less = least.compare(known_least) == Some(Ordering::Less);
            let is_greater = greatest.compare(known_greatest) == Some(Ordering::Greater);
            *so_far =
                Some((if is_less { least } else { known_least }, if is_greater { greatest } else { known_greatest }));
        }
    }

    /// Forget the numbers.
    pub fn restart(&mut self) {
        self.header.iter_mut().chain(&mut self.record).for_each(|lane| lane.extremes.restart());
        self.array = self.array.map(|_| None);
    }

    /// How much memory they take, in bytes.
    pub fn bytes(&self) -> usize {
        let bytes = |lane: &Lane| size_of::<Lane>() + 2 * lane.of.bytes() * lane.extremes.count();
        size_of::<Self>() + self.header.iter().chain(&self.record).map(bytes).sum::<usize>()
    }

    /// Say what was found, channel by channel.
    pub fn append(&self, ranges: &mut Ranges) {
        for lane in self.header.iter().chain(&self.record) {
            for place in 0..lane.extremes.count() {
                ranges.push(lane.of.kind, lane.extremes.range(place));
            }
        }
        if let Some(range) = self.array {
            let kind = range.map_or(Scalar::Int8, |(least, greatest)| kind_of_both(least, greatest));
            ranges.push(kind, range);
        }
    }
}

impl Lane {
    /// Add the numbers of whole records, each of so many bytes.
    fn add(&mut self, records: &[u8], record_bytes: usize) {
        self.extremes.add(records, record_bytes, self.offset, self.of.is_big_endian);
    }
}

/// What is of one type and lies together.
fn lanes(fields: &Fields) -> Vec<Lane> {
    let follows =
        |number: &Placed, next: &Placed| number.of == next.of && number.offset + number.of.bytes() == next.offset;
    let lane = |numbers: &[Placed]| {
        let &Placed { of, offset } = numbers.first()?;
        Some(Lane { of, offset, extremes: Extremes::of(of.kind, numbers.len()) })
    };
    fields.numbers().chunk_by(follows).filter_map(lane).collect()
}

/// A type that holds both, of arrays of several types.
fn kind_of_both(least: Value, greatest: Value) -> Scalar {
    let holds = |kind: Scalar, value: Value| {
        let mut bytes = [0; 8];
        let of = Type { kind, is_big_endian: false };
        let Some(bytes) = bytes.get_mut(..of.bytes()) else { return false };
        of.put(bits(kind, value), bytes);
        of.value(bytes).is_some_and(|again| again.compare(value) == Some(Ordering::Equal))
    };
    Scalar::ALL.into_iter().find(|&kind| holds(kind, least) && holds(kind, greatest)).unwrap_or(Scalar::Float64)
}

/// The bits of a number in this type.
fn bits(kind: Scalar, value: Value) -> u64 {
    match (kind, value) {
        (Scalar::Float32, value) => u64::from((value.as_f64() as f32).to_bits()),
        (Scalar::Float64, value) => value.as_f64().to_bits(),
        (_, Value::Int(value)) => value as u64,
        (_, Value::UInt(value)) => value,
        (_, Value::Float32(value)) => value as i64 as u64,
        (_, Value::Float64(value)) => value as i64 as u64,
    }
}

/// Ranges of channels, as [`super::Overview::ranges`] has them.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    bytes: Vec<u8>,
    /// Behind the last channel that has numbers.
    end: usize,
}

impl Ranges {
    fn push(&mut self, kind: Scalar, range: Option<(Value, Value)>) {
        let Some((least, greatest)) = range else { return self.bytes.push(0) };
        // There are eleven.
        let place = Scalar::ALL.iter().position(|known| *known == kind).unwrap_or_default();
        self.bytes.push(place as u8 + 1);
        for value in [least, greatest] {
            let low_first = bits(kind, value).to_le_bytes();
            self.bytes.extend_from_slice(low_first.get(..kind.bytes()).unwrap_or_default());
        }
        self.end = self.bytes.len();
    }

    /// All of them.
    pub fn end(mut self) -> Vec<u8> {
        self.bytes.truncate(self.end);
        self.bytes
    }
}

/// A number whose order is known.
pub(super) trait Number: Copy + PartialOrd {
    const BYTES: usize;
    /// No number is greater ...
    const TOP: Self;
    /// ... or less.
    const BOTTOM: Self;
    fn read(bytes: &[u8], is_big_endian: bool) -> Self;
    fn value(self) -> Value;
}

macro_rules! numbers {
    ($($type:ty, $bytes:literal, $top:expr, $bottom:expr, $value:expr;)*) => {$(
        impl Number for $type {
            const BYTES: usize = $bytes;
            const TOP: Self = $top;
            const BOTTOM: Self = $bottom;
            fn read(bytes: &[u8], is_big_endian: bool) -> Self {
                let bytes: [u8; $bytes] = bytes.try_into().unwrap_or_default();
                if is_big_endian { Self::from_be_bytes(bytes) } else { Self::from_le_bytes(bytes) }
            }
            fn value(self) -> Value {
                $value(self)
            }
        }
    )*};
}

numbers! {
    i8, 1, i8::MAX, i8::MIN, |it| Value::Int(i64::from(it));
    u8, 1, u8::MAX, u8::MIN, |it| Value::UInt(u64::from(it));
    i16, 2, i16::MAX, i16::MIN, |it| Value::Int(i64::from(it));
    u16, 2, u16::MAX, u16::MIN, |it| Value::UInt(u64::from(it));
    i32, 4, i32::MAX, i32::MIN, |it| Value::Int(i64::from(it));
    u32, 4, u32::MAX, u32::MIN, |it| Value::UInt(u64::from(it));
    i64, 8, i64::MAX, i64::MIN, Value::Int;
    u64, 8, u64::MAX, u64::MIN, Value::UInt;
    f32, 4, f32::INFINITY, f32::NEG_INFINITY, Value::Float32;
    f64, 8, f64::INFINITY, f64::NEG_INFINITY, Value::Float64;
}

/// Three bytes, signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Int24(i32);

impl Number for Int24 {
    const BYTES: usize = 3;
    const TOP: Self = Self(i32::MAX);
    const BOTTOM: Self = Self(i32::MIN);
    fn read(bytes: &[u8], is_big_endian: bool) -> Self {
        let [a, b, c] = bytes.try_into().unwrap_or_default();
        // The sign is moved down from the top.
        Self(if is_big_endian { i32::from_be_bytes([a, b, c, 0]) } else { i32::from_le_bytes([0, a, b, c]) } >> 8)
    }
    fn value(self) -> Value {
        Value::Int(i64::from(self.0))
    }
}

/// The least and the greatest one of each of some channels. Where there is none, the least is above the greatest.
#[derive(Clone, Debug)]
pub(super) struct Ends<T> {
    least: Vec<T>,
    greatest: Vec<T>,
}

impl<T: Number> Ends<T> {
    fn new(count: usize) -> Self {
        Self { least: vec![T::TOP; count], greatest: vec![T::BOTTOM; count] }
    }

    fn restart(&mut self) {
        self.least.fill(T::TOP);
        self.greatest.fill(T::BOTTOM);
    }

    /// Add those of whole records that begin behind `offset` in each. NaN is neither less nor greater than anything.
    fn add(&mut self, records: &[u8], record_bytes: usize, offset: usize, is_big_endian: bool) {
        match is_big_endian {
            true => self.add_ordered::<true>(records, record_bytes, offset),
            false => self.add_ordered::<false>(records, record_bytes, offset),
        }
    }

    #[inline]
    fn add_ordered<const IS_BIG_ENDIAN: bool>(&mut self, records: &[u8], record_bytes: usize, offset: usize) {
        if let ([least], [greatest]) = (self.least.as_mut_slice(), self.greatest.as_mut_slice())
            && record_bytes == T::BYTES
        {
            let (mut low, mut high) = (*least, *greatest);
            for bytes in records.chunks_exact(T::BYTES) {
                let number = T::read(bytes, IS_BIG_ENDIAN);
                low = if number < low { number } else { low };
                high = if number > high { number } else { high };
            }
            (*least, *greatest) = (low, high);
            return;
        }
        for record in records.chunks_exact(record_bytes.max(1)) {
            let numbers = record.get(offset..).unwrap_or_default().chunks_exact(T::BYTES);
            for ((least, greatest), bytes) in self.least.iter_mut().zip(&mut self.greatest).zip(numbers) {
                let number = T::read(bytes, IS_BIG_ENDIAN);
                *least = if number < *least { number } else { *least };
                *greatest = if number > *greatest { number } else { *greatest };
            }
        }
    }

    fn range(&self, place: usize) -> Option<(Value, Value)> {
        let (&least, &greatest) = self.least.get(place).zip(self.greatest.get(place))?;
        (least <= greatest).then(|| (least.value(), greatest.value()))
    }
}

macro_rules! extremes {
    ($($variant:ident($type:ty)),*) => {
        /// [`Ends`] of each type.
        #[derive(Clone, Debug)]
        pub(super) enum Extremes {
            $($variant(Ends<$type>)),*
        }

        impl Extremes {
            /// No numbers yet of so many channels.
            pub fn of(kind: Scalar, count: usize) -> Self {
                match kind {
                    $(Scalar::$variant => Self::$variant(Ends::new(count))),*
                }
            }

            fn add(&mut self, records: &[u8], record_bytes: usize, offset: usize, is_big_endian: bool) {
                match self {
                    $(Self::$variant(ends) => ends.add(records, record_bytes, offset, is_big_endian)),*
                }
            }

            fn range(&self, place: usize) -> Option<(Value, Value)> {
                match self {
                    $(Self::$variant(ends) => ends.range(place)),*
                }
            }

            fn restart(&mut self) {
                match self {
                    $(Self::$variant(ends) => ends.restart()),*
                }
            }

            fn count(&self) -> usize {
                match self {
                    $(Self::$variant(ends) => ends.least.len()),*
                }
            }
        }
    };
}

extremes! {
    Int8(i8), UInt8(u8), Int16(i16), UInt16(u16), Int24(Int24), Int32(i32), UInt32(u32), Int64(i64), UInt64(u64), Float32(f32),
    Float64(f64)
}
