//! Which type the numbers have that fill binary frames.
//!
//! Any bytes can be read as numbers of any type, so a type must show itself: the bytes of one number depend on each other, those
//! of two do not. Of a wider type, the upper half is the sign of the lower one, or changes by one where that overflows, or the lower
//! half is noise beside an upper one that is not. Where nothing of this is seen, the narrower type is the better guess, and none
//! the best.

use crate::codec::likely::header::both;
use crate::codec::number::{Scalar, Type, Value};

/// So many numbers are looked at, ...
const NUMBERS_MAX: usize = 2_048;

/// ... and so many of each frame, even if there are many.
const OF_FRAME_MIN: usize = 64;

/// So much of the numbers must be as they are expected.
const MOST: f64 = 0.95;

/// Neighbours of a signal are this much closer to each other than any two of its numbers; those of noise are further apart.
const SMOOTH: f64 = 0.6;

/// Neighbours of noise are at least so far from each other, against how far any number is from the mean; it has about 1.3.
const ROUGH: f64 = 0.75;

/// Fewer numbers say nothing about a signal.
const SIGNAL_MIN_NUMBERS: usize = 16;

/// Fewer numbers say nothing about how they are distributed.
const DISTRIBUTION_MIN_NUMBERS: usize = 64;

/// How far apart two numbers of one channel may be, beside the length of a frame.
const CHANNELS: [usize; 6] = [1, 2, 3, 4, 6, 8];

/// A number may look like text, so shorter frames of text among others say nothing.
pub(super) const PRINTABLE_MAX_BYTES: usize = 8;

/// The longest frame that is taken to be one record, in numbers.
const RECORD_MAX_NUMBERS: usize = 64;

/// The type of the numbers that fill these frames, if one stands out, and why.
pub(super) fn numbers(frames: &[&[u8]]) -> Option<(Type, String)> {
    let found = |of: Type, why: &str| Some((of, why.to_owned()));
    let is_float = |of: &Type| is_measured(&Read::of(*of, frames), *of);
    if let Some(of) = both(Scalar::Float64).into_iter().find(is_float)
        && both(Scalar::Float32).into_iter().all(|half| !is_float(&half) || has_empty_halves(&Read::of(half, frames)))
    {
        return found(of, "the numbers have the sizes that measured ones have");
    }
    if let Some(of) = both(Scalar::Float32).into_iter().find(is_float) {
        return found(of, "the numbers have the sizes that measured ones have");
    }
    for kind in [Scalar::Int64, Scalar::Int32] {
        if let Some((of, why)) = both(kind).into_iter().find_map(|of| Some((of, Halves::of(of, frames)?.why()?))) {
            return found(of, why);
        }
    }
    if let Some(of) = both(Scalar::Int24).into_iter().find(|of| is_wide_24(*of, frames)) {
        return found(of, "read so, neighbours are close to each other");
    }
    let of_16 = both(Scalar::Int16).into_iter().find_map(|of| Some((of, Halves::of(of, frames)?.why()?)));
    if let Some((of, why)) = of_16 {
        let unsigned = Type { kind: Scalar::UInt16, ..of };
        // Where the sign is not one, numbers jump from one end of the range to the other.
        let is_unsigned = Read::of(unsigned, frames).steps() < Read::of(of, frames).steps() * 0.8;
        return found(if is_unsigned { unsigned } else { of }, why);
    }
    let pixels = Read::of(Type { kind: Scalar::UInt8, is_big_endian: false }, frames);
    let is_picture = frames.iter().all(|frame| frame.len() >= DISTRIBUTION_MIN_NUMBERS);
    let is_smooth = is_picture && pixels.roughness_at(1) < SMOOTH;
    if is_smooth {
        return found(
            Type { kind: Scalar::UInt8, is_big_endian: false },
            "read so, neighbours are close to each other",
        );
    }
    None
}

/// Numbers of the frames, one after the other, read as one type; none if they do not fill the frames.
struct Read {
    values: Vec<f64>,
    /// The bits of each, least significant byte first.
    bits: Vec<u64>,
    /// How many numbers a frame has, if all have as many.
    frame: Option<usize>,
}

impl Read {
    fn of(of: Type, frames: &[&[u8]]) -> Self {
        let mut read = Self { values: Vec::new(), bits: Vec::new(), frame: None };
        if frames.iter().any(|frame| frame.len() % of.bytes() != 0) {
            return read;
        }
        let per_frame = OF_FRAME_MIN.max(NUMBERS_MAX / frames.len().max(1));
        let chunks = frames.iter().flat_map(|frame| frame.chunks_exact(of.bytes()).take(per_frame)).take(NUMBERS_MAX);
        for value in chunks.filter_map(|bytes| of.value(bytes)) {
            read.values.push(value.as_f64());
            read.bits.push(match value {
                Value::Int(value) => value.cast_unsigned(),
                Value::UInt(value) => value,
                Value::Float32(value) => u64::from(value.to_bits()),
                Value::Float64(value) => value.to_bits(),
            });
        }
        let lengths = || frames.iter().map(|frame| frame.len() / of.bytes());
        read.frame = lengths().next().filter(|first| {
            (1..=RECORD_MAX_NUMBERS).contains(first) && *first <= per_frame && lengths().all(|length| length == *first)
        });
        read
    }

    /// How far neighbours are from each other, with the number of channels for which that is least.
    fn steps(&self) -> f64 {
        let mean = |distance: usize| {
            let pairs = self.values.iter().zip(self.values.iter().skip(distance));
            let steps = pairs.map(|(before, after)| (after - before).abs());
            steps.sum::<f64>() / self.values.len().saturating_sub(distance).max(1) as f64
        };
        let can_be = |distance: &usize| *distance < self.values.len();
        self.distances().filter(can_be).map(mean).fold(f64::INFINITY, f64::min)
    }

    /// How far apart two numbers of one channel may be.
    fn distances(&self) -> impl Iterator<Item = usize> + use<> {
        CHANNELS.into_iter().chain(self.frame)
    }

    fn roughness_at(&self, distance: usize) -> f64 {
        roughness(&self.values, distance)
    }
}

/// How far numbers at this distance are from each other, against how far any number is from the mean of its channel. Numbers
/// that do not change have no roughness to speak of.
fn roughness(values: &[f64], distance: usize) -> f64 {
    if values.len() < SIGNAL_MIN_NUMBERS.max(2 * distance) {
        return f64::INFINITY;
    }
    let (mut spread, mut steps) = (0.0, 0.0);
    for channel in 0..distance {
        let channel: Vec<f64> = values.iter().skip(channel).step_by(distance).copied().collect();
        let mean = channel.iter().sum::<f64>() / channel.len() as f64;
        spread += channel.iter().map(|value| (value - mean).abs()).sum::<f64>();
        let pairs = channel.iter().zip(channel.iter().skip(1));
        steps += pairs.map(|(left, right)| (left - right).abs()).sum::<f64>();
    }
    if spread > 0.0 { steps / spread } else { f64::INFINITY }
}

/// Whether these parts of numbers are noise, however many channels there are.
fn is_noise(parts: &[f64], of: &Read) -> bool {
    // Where nothing changes, nothing is known.
    let mut known = of.distances().map(|distance| roughness(parts, distance)).filter(|roughness| roughness.is_finite());
    known.next().is_some_and(|first| first > ROUGH) && known.all(|roughness| roughness > ROUGH)
}

fn share<T: Copy>(values: &[T], is_so: impl Fn(T) -> bool) -> f64 {
    values.iter().filter(|value| is_so(**value)).count() as f64 / values.len().max(1) as f64
}

fn distinct(values: impl Iterator<Item = u64>) -> usize {
    values.collect::<std::collections::BTreeSet<u64>>().len()
}

/// Whether a float has a size that measured ones have. Of random bytes a fifth would pass.
pub(super) fn is_usual(value: f64) -> bool {
    (1e-6..1e9).contains(&value.abs())
}

/// Whether these floats are as measured ones are: of a usual size, with a fraction, and with an exponent that varies less than
/// what stands below it.
fn is_measured(read: &Read, of: Type) -> bool {
    if share(&read.values, |value| value == 0.0 || is_usual(value)) < MOST
        || !read.values.iter().any(|value| *value != 0.0 && value.fract() != 0.0)
    {
        return false;
    }
    if of.kind == Scalar::Float64 {
        return true;
    }
    // A pair of int16 has two halves that are alike.
    let exponents = distinct(read.bits.iter().map(|bits| bits >> 24 & 0x7f));
    let fractions = distinct(read.bits.iter().map(|bits| bits >> 8 & 0x7f));
    share(&read.bits, |bits| bits & 0xff == 0) >= MOST
        || share(&read.bits, |bits| bits & 0xffff == 0) >= 0.25
        || 2 * fractions >= 3 * exponents
}

/// Whether every second one of these numbers is zero, so that they are rather halves of larger ones.
fn has_empty_halves(read: &Read) -> bool {
    let is_empty = |skipped: usize| read.values.iter().skip(skipped).step_by(2).all(|value| *value == 0.0);
    is_empty(0) || is_empty(1)
}

/// Whether these are 24-bit numbers of a signal, whose lowest bytes are noise. Short records of other numbers look so too.
fn is_wide_24(of: Type, frames: &[&[u8]]) -> bool {
    let read = Read::of(of, frames);
    let low: Vec<f64> = read.bits.iter().map(|bits| f64::from(*bits as u8 as i8)).collect();
    let is_long = frames.iter().all(|frame| frame.len() >= of.bytes() * SIGNAL_MIN_NUMBERS);
    if !is_long || !(0.25..=0.75).contains(&share(&low, |value| value.abs() > 64.0)) {
        return false;
    }
    is_noise(&low, &read) && read.distances().any(|distance| read.roughness_at(distance) < SMOOTH)
}

/// Numbers of a signed type, and their halves.
struct Halves {
    read: Read,
    /// Bits of a half.
    bits: u32,
    /// As signed numbers.
    low: Vec<f64>,
    high: Vec<f64>,
}

impl Halves {
    fn of(of: Type, frames: &[&[u8]]) -> Option<Self> {
        let read = Read::of(of, frames);
        let bits = of.bytes() as u32 * 4;
        let shift = 64 - bits;
        let signed = |half: u64| ((half << shift).cast_signed() >> shift) as f64;
        let low = read.bits.iter().map(|bits| signed(*bits)).collect();
        let high = read.bits.iter().map(|whole| signed(whole >> bits)).collect();
        (read.values.len() >= 2).then_some(Self { read, bits, low, high })
    }

    /// Why this is one number and not two, if it is.
    fn why(&self) -> Option<&'static str> {
        if self.extends_sign() || self.is_small() {
            return Some("the numbers are small for their type");
        }
        if self.overflows() || self.is_signal() {
            return Some("read so, neighbours are close to each other");
        }
        self.has_noise_below().then_some("the upper half of each number varies less than the lower one")
    }

    /// The upper half is nothing but the sign.
    fn extends_sign(&self) -> bool {
        let is_sign = |high: f64| high == 0.0 || high == -1.0;
        if self.bits == 8 {
            return share(&self.high, is_sign) >= MOST && self.read.values.iter().any(|value| *value != 0.0);
        }
        let is_exact = self.low.iter().zip(&self.high).all(|(low, high)| *high == if *low < 0.0 { -1.0 } else { 0.0 });
        let negative = self.low.iter().filter(|low| **low < 0.0).count();
        let positive = self.low.iter().filter(|low| **low > 0.0).count();
        let least = self.low.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.low.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // A second channel that is zero looks alike, unless there are signs, or more than a few values.
        const FEW: usize = 4;
        is_exact && (negative >= FEW && positive >= FEW || most - least >= 1024.0 && self.low.len() >= 2 * FEW)
    }

    /// Of 16 bits, as of an ADC with twelve: the upper byte is small, and the lower one spread wider.
    fn is_small(&self) -> bool {
        let spread = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
            values.iter().map(|value| (value - mean).abs()).sum::<f64>()
        };
        self.bits == 8
            && share(&self.read.values, |value| value.abs() < 4_096.0) >= MOST
            && spread(&self.low) > 4.0 * spread(&self.high)
    }

    /// Wherever the lower half overflows, the upper one goes on by one.
    fn overflows(&self) -> bool {
        let half = f64::from(1_u32 << (self.bits - 1));
        let unsigned = |low: f64| if low < 0.0 { low + 2.0 * half } else { low };
        self.read.distances().any(|distance| {
            let wholes = self.read.values.iter().zip(self.read.values.iter().skip(distance));
            let lows = self.low.iter().zip(self.low.iter().skip(distance));
            let (mut jumps, mut carried) = (0_usize, 0_usize);
            for ((before, after), (low_before, low_after)) in wholes.zip(lows) {
                if (unsigned(*low_after) - unsigned(*low_before)).abs() > half {
                    jumps += 1;
                    carried += usize::from((after - before).abs() < half);
                }
            }
            jumps >= 2 && carried * 10 >= jumps * 9
        })
    }

    /// The numbers are smooth though their lower halves are noise: of wide ones, however many channels there are.
    fn is_signal(&self) -> bool {
        let is_signal = |distance: usize| {
            let below = roughness(&self.low, distance);
            self.read.roughness_at(distance) < SMOOTH && below.is_finite() && below > ROUGH
        };
        (0.25..=0.75).contains(&self.outer_share(&self.low))
            && self.read.distances().any(is_signal)
            && (self.bits == 8 || is_noise(&self.low, &self.read))
    }

    /// The numbers are noise, whose lower halves have every value alike and whose upper ones have not.
    fn has_noise_below(&self) -> bool {
        self.bits < 32
            && self.low.len() >= DISTRIBUTION_MIN_NUMBERS
            && (0.35..=0.65).contains(&self.outer_share(&self.low))
            && self.outer_share(&self.high) <= 0.1
            && is_noise(&self.low, &self.read)
    }

    /// How many of these halves are in the outer half of their range: half of them if they have every value alike.
    fn outer_share(&self, values: &[f64]) -> f64 {
        let quarter = f64::from(1_u32 << (self.bits - 2));
        share(values, |value| value.abs() > quarter)
    }
}
