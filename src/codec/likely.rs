//! What the messages of an unknown device most likely are: a guess from a sample of them, for people to check.

use crate::codec::layout::Layout;
use crate::codec::number::{Scalar, Type};
use crate::codec::stream::assume;

/// So many numbers of a frame are looked at.
const NUMBERS_MAX: usize = 512;

/// Fewer messages say nothing about a counter.
const COUNTER_MIN_MESSAGES: usize = 4;

/// No device has counted so far: a thousand messages in a second would take 35 years.
const YOUNG_COUNTER: u64 = 1 << 40;

/// So much of the numbers must be as they are expected.
const MOST: f64 = 0.95;

/// Neighbours of a signal are this much closer to each other than any two of its numbers; those of noise are further apart.
const SMOOTH: f64 = 0.6;

/// A time stamp lies between 2001 and 2100, in seconds since 1970.
const STAMPS_S: std::ops::Range<u64> = 978_307_200..4_102_444_800;

/// A guess, and what it is founded on.
#[derive(Clone, Debug, PartialEq)]
pub struct Likely {
    /// How the messages can be read.
    pub layout: Layout,
    /// Why.
    pub why: String,
    /// Where the device's own sequence number may be, as `--counter` has it.
    pub counter: Option<String>,
}

/// What these messages are, of each the frames behind the topic, in the order in which they came.
pub fn likely(topic: &[u8], messages: &[Vec<Vec<u8>>]) -> Likely {
    let certain = |layout: Layout, why: &str| Likely { layout, why: why.to_owned(), counter: None };
    let Some(first) = messages.first() else { return certain(Layout::bytes(), "no message to look at") };
    let assumed = assume(topic, false, first.iter().map(Vec::as_slice));
    let text = assumed.to_string();
    let part_names: Vec<&str> = text.split('+').collect();
    if part_names.iter().all(|name| *name != "bytes") {
        let why = if text.starts_with("int16") {
            "the reference device's topic"
        } else {
            "every frame of the first message reads so"
        };
        return certain(assumed, why);
    }
    // Each part that is only bytes so far; the last one serves all further frames.
    let parts = first.len().max(1);
    let mut names = Vec::new();
    let mut whys = Vec::new();
    let mut counter = None;
    for part in 0..parts {
        let name = part_names.get(part).or(part_names.last()).copied().unwrap_or("bytes");
        if name != "bytes" {
            names.push(name.to_owned());
            continue;
        }
        let frames: Vec<&[u8]> = messages.iter().filter_map(|message| message.get(part)).map(Vec::as_slice).collect();
        let guess = binary(&frames);
        if let Some(found) = guess.counter.filter(|_| counter.is_none()) {
            counter = Some(if part == 0 { format!("{found}@0") } else { format!("{found}@{part}:0") });
        }
        names.push(guess.text);
        whys.push(guess.why);
    }
    while let [.., last, end] = names.as_slice()
        && last == end
    {
        names.pop();
    }
    whys.dedup();
    let layout = names.join("+").parse().unwrap_or_else(|_| Layout::bytes());
    Likely { layout, why: whys.join("; "), counter }
}

/// What a binary part seems to be, in the words of a layout.
struct Guess {
    text: String,
    why: String,
    counter: Option<Type>,
}

fn binary(frames: &[&[u8]]) -> Guess {
    let bytes = |why: &str| Guess { text: "bytes".to_owned(), why: why.to_owned(), counter: None };
    if frames.iter().all(|frame| frame.is_empty()) {
        return bytes("empty");
    }
    let counter = counter(frames);
    let mut header: Vec<String> = counter.iter().map(ToString::to_string).collect();
    let mut header_bytes = counter.map_or(0, Type::bytes);
    let mut whys: Vec<String> = counter.iter().map(|of| format!("the first {of} counts the messages")).collect();
    if let Some((of, unit)) = time_stamp(frames, header_bytes) {
        header.push(of.to_string());
        header_bytes += of.bytes();
        whys.push(format!("a time in {unit}"));
    }
    let rest: Vec<&[u8]> = frames.iter().map(|frame| frame.get(header_bytes..).unwrap_or_default()).collect();
    let record = if rest.iter().all(|frame| frame.is_empty()) { None } else { Some(numbers(&rest)) };
    let text = match (header.is_empty(), &record) {
        (true, Some(Some((of, why)))) => {
            whys.push(why.clone());
            of.to_string()
        }
        (false, Some(Some((of, why)))) => {
            whys.push(why.clone());
            format!("{}/{of}", header.join(","))
        }
        (false, None) => header.join(","),
        // What follows the header is unknown.
        (false, Some(None)) => format!("{}/uint8", header.join(",")),
        (true, _) => return bytes("no number type stands out"),
    };
    Guess { text, why: whys.join(", "), counter }
}

/// The type of a number at the beginning that rises by one from message to message.
fn counter(frames: &[&[u8]]) -> Option<Type> {
    if frames.len() < COUNTER_MIN_MESSAGES {
        return None;
    }
    let candidates = [(Scalar::UInt64, false), (Scalar::UInt64, true), (Scalar::UInt32, false), (Scalar::UInt32, true)];
    candidates.into_iter().map(|(kind, is_big_endian)| Type { kind, is_big_endian }).find(|of| {
        let values: Option<Vec<u64>> = frames.iter().map(|frame| unsigned(*of, frame, 0)).collect();
        values.is_some_and(|values| {
            // Of eight bytes that happen to begin with four that count, the others are seldom zero.
            let is_young = values.iter().all(|value| *value < YOUNG_COUNTER);
            is_young
                && values.windows(2).all(|pair| matches!(pair, [before, after] if after.wrapping_sub(*before) == 1))
        })
    })
}

/// A number behind the header so far that is a time of our century, and its unit.
fn time_stamp(frames: &[&[u8]], at: usize) -> Option<(Type, &'static str)> {
    let of = |is_big_endian| Type { kind: Scalar::UInt64, is_big_endian };
    let units = [(1_000_000_000, "nanoseconds"), (1_000_000, "microseconds"), (1_000, "milliseconds")];
    [of(false), of(true)].into_iter().find_map(|of| {
        let values: Vec<u64> = frames.iter().map(|frame| unsigned(of, frame, at)).collect::<Option<_>>()?;
        let is_rising = values.windows(2).all(|pair| matches!(pair, [before, after] if before < after));
        let unit = units.iter().find(|(per_s, _)| values.iter().all(|value| STAMPS_S.contains(&(value / per_s))));
        unit.filter(|_| is_rising && frames.len() >= COUNTER_MIN_MESSAGES).map(|(_, unit)| (of, *unit))
    })
}

fn unsigned(of: Type, frame: &[u8], at: usize) -> Option<u64> {
    match of.value(frame.get(at..at + of.bytes())?)? {
        crate::codec::number::Value::UInt(value) => Some(value),
        _ => None,
    }
}

/// The type of the numbers that fill these frames, if one stands out, and why.
fn numbers(frames: &[&[u8]]) -> Option<(Type, String)> {
    let both = |kind| [Type { kind, is_big_endian: false }, Type { kind, is_big_endian: true }];
    let values = |of: Type| -> Option<Vec<f64>> {
        let is_whole = frames.iter().all(|frame| frame.len() % of.bytes() == 0);
        let all = frames.iter().flat_map(|frame| frame.chunks_exact(of.bytes())).take(NUMBERS_MAX);
        is_whole.then(|| all.filter_map(|bytes| of.value(bytes)).map(|value| value.as_f64()).collect())
    };
    let share = |values: &[f64], is_so: &dyn Fn(f64) -> bool| {
        values.iter().filter(|value| is_so(**value)).count() as f64 / values.len().max(1) as f64
    };
    // Of random bytes a fifth would pass.
    let is_usual = |value: f64| value == 0.0 || (1e-6..1e9).contains(&value.abs());
    for of in [Scalar::Float32, Scalar::Float64].into_iter().flat_map(both) {
        let Some(values) = values(of).filter(|values| !values.is_empty()) else { continue };
        if share(&values, &is_usual) >= MOST && values.iter().any(|value| *value != 0.0 && value.fract() != 0.0) {
            return Some((of, "the numbers have the sizes that measured ones have".to_owned()));
        }
    }
    for (kind, small) in [(Scalar::Int32, 8_388_608.0), (Scalar::Int16, 4_096.0)] {
        for of in both(kind) {
            let Some(values) = values(of).filter(|values| values.len() >= 2) else { continue };
            let is_large_enough = values.iter().any(|value| value.abs() > 127.0);
            if share(&values, &|value| value.abs() < small) >= MOST && is_large_enough {
                return Some((of, "the numbers are small for their type".to_owned()));
            }
        }
    }
    let smooth =
        [Scalar::Int16, Scalar::UInt16, Scalar::Int24, Scalar::Int32, Scalar::UInt8].into_iter().flat_map(both);
    let roughness = smooth.filter_map(|of| Some((of, roughness(&values(of)?)?)));
    let (of, roughness) = roughness.min_by(|(_, left), (_, right)| left.total_cmp(right))?;
    (roughness < SMOOTH).then(|| (of, "read so, neighbours are close to each other".to_owned()))
}

/// How far neighbours are from each other, against how far any number is from the mean; noise has about 1.2.
fn roughness(values: &[f64]) -> Option<f64> {
    const MIN_NUMBERS: usize = 16;
    if values.len() < MIN_NUMBERS {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let spread = values.iter().map(|value| (value - mean).abs()).sum::<f64>() / values.len() as f64;
    let pairs = values.iter().zip(values.iter().skip(1));
    let steps = pairs.map(|(left, right)| (left - right).abs()).sum::<f64>() / (values.len() - 1) as f64;
    (spread > 0.0).then(|| steps / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(messages: &[Vec<Vec<u8>>]) -> (String, Option<String>) {
        let likely = likely(b"t", messages);
        (likely.layout.to_string(), likely.counter)
    }

    fn single(frames: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<Vec<u8>>> {
        frames.map(|frame| vec![frame]).collect()
    }

    fn wave<T>(put: impl Fn(f64) -> T) -> Vec<T> {
        (0..64).map(|n| put((f64::from(n) / 9.0).sin() * 20_000.0)).collect()
    }

    #[test]
    fn what_stands_out_is_found() {
        let int16 = wave(|value| (value as i16).to_le_bytes()).concat();
        let int16_be = wave(|value| (value as i16).to_be_bytes()).concat();
        let float32 = wave(|value| (value as f32 / 7.0).to_le_bytes()).concat();
        let float64 = wave(|value| (value / 7.0).to_be_bytes()).concat();
        let int32 = wave(|value| (value as i32 * 9).to_le_bytes()).concat();
        for (bytes, expected) in [
            (int16.clone(), "int16"),
            (int16_be, "int16-be"),
            (float32, "float32"),
            (float64, "float64-be"),
            (int32, "int32"),
        ] {
            assert_eq!(of(&single(std::iter::repeat_n(bytes, 3))), (expected.to_owned(), None));
        }
        let counted = single((7_u32..12).map(|n| [n.to_le_bytes().to_vec(), int16.clone()].concat()));
        assert_eq!(of(&counted), ("uint32/int16".to_owned(), Some("uint32@0".to_owned())));
        let stamped = single((7_u32..12).map(|n| {
            let time_ns = 1_795_000_000_000_000_000_u64 + u64::from(n) * 1_000_000;
            [&n.to_be_bytes()[..], &time_ns.to_be_bytes(), &int16].concat()
        }));
        assert_eq!(of(&stamped).0, "uint32-be,uint64-be/int16");
    }

    #[test]
    fn what_does_not_stand_out_is_bytes() {
        let mut random = blake3::Hasher::new().finalize_xof();
        let noise = single((0..20).map(|_| {
            let mut bytes = vec![0; 256];
            random.fill(&mut bytes);
            bytes
        }));
        assert_eq!(of(&noise), ("bytes".to_owned(), None));
        assert_eq!(of(&[]), ("bytes".to_owned(), None));
        assert_eq!(of(&single(std::iter::once(b"{\"a\": 1}".to_vec()))), ("json".to_owned(), None));
    }
}
