//! What the messages of an unknown device most likely are: a guess from a sample of them, for people to check.
//!
//! A wrong layout makes messages undecodable, while `bytes` keeps them all, so a guess must read everything that was seen, and
//! what is in doubt is `bytes`.

use crate::codec::layout::Layout;
use crate::codec::likely::header::Counted;
use crate::codec::number::Type;
use crate::codec::reading::check;
use crate::codec::stream::assume;

mod header;
mod marks;
mod numbers;

/// Frames of a message that get a part of their own; the last part serves all further ones.
const PARTS_MAX: usize = 8;

/// A single message that is shorter shows no type.
const ALONE_MIN_BYTES: usize = 64;

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

/// What these messages are, of each the frames behind the topic: those that came first, in their order, and others that looked
/// different.
pub fn likely<'m>(topic: &[u8], messages: &'m [Vec<Vec<u8>>], others: &'m [Vec<Vec<u8>>]) -> Likely {
    let Some(first) = messages.first() else {
        return Likely { layout: Layout::bytes(), why: "no message to look at".to_owned(), counter: None };
    };
    let reads_all = |layout: &Layout| messages.iter().chain(others).all(|message| reads(layout, message));
    let assumed = assume(topic, false, first.iter().map(Vec::as_slice));
    let text = assumed.to_string();
    if (text == "int16" || text == "ndarray") && reads_all(&assumed) {
        let why = if text == "int16" { "the reference device's topic" } else { "every array is described" };
        return Likely { layout: assumed, why: why.to_owned(), counter: None };
    }
    let (mut names, mut whys, mut counter) = (Vec::new(), Vec::new(), None);
    for part in 0..first.len().clamp(1, PARTS_MAX) {
        let of = |messages: &'m [Vec<Vec<u8>>]| messages.iter().flat_map(|message| of_part(message, part)).collect();
        let (frames, others): (Vec<&[u8]>, Vec<&[u8]>) = (of(messages), of(others));
        let guess = part_of(&frames, &others);
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
    match names.join("+").parse() {
        Ok(layout) if reads_all(&layout) => Likely { layout, why: whys.join("; "), counter },
        _ => Likely { layout: Layout::bytes(), why: "the messages are of several kinds".to_owned(), counter },
    }
}

/// The frames of a message that belong to a part: one, or all that follow for the last one.
fn of_part(message: &[Vec<u8>], part: usize) -> impl Iterator<Item = &[u8]> {
    let count = if part + 1 == PARTS_MAX { usize::MAX } else { 1 };
    message.iter().skip(part).take(count).map(Vec::as_slice)
}

/// Whether a layout reads a message.
fn reads(layout: &Layout, message: &[Vec<u8>]) -> bool {
    check(layout, message.iter().map(Vec::as_slice)).is_ok()
}

/// What a part seems to be, in the words of a layout.
struct Guess {
    text: String,
    why: String,
    counter: Option<Type>,
}

impl Guess {
    fn of(text: &str, why: &str) -> Self {
        Self { text: text.to_owned(), why: why.to_owned(), counter: None }
    }
}

/// What the frames of a part are, given those that came first and others that looked different.
fn part_of(frames: &[&[u8]], others: &[&[u8]]) -> Guess {
    let all = || frames.iter().chain(others);
    if all().all(|frame| frame.is_empty()) {
        return Guess::of("bytes", "empty");
    }
    let kinds: Vec<String> = all().map(|frame| assume(b"", false, std::iter::once(*frame)).to_string()).collect();
    if kinds.iter().all(|kind| kind == "json") {
        return Guess::of("json", "every message reads so");
    }
    // An empty text is one.
    if kinds.iter().zip(all()).all(|(kind, frame)| kind != "bytes" || frame.is_empty()) {
        return Guess::of("text", "every message reads so");
    }
    if kinds.iter().zip(all()).any(|(kind, frame)| kind != "bytes" && frame.len() > numbers::PRINTABLE_MAX_BYTES) {
        return Guess::of("bytes", "some messages are text, and others are not");
    }
    // One short message can be anything.
    if frames.len() < 2 && frames.concat().len() < ALONE_MIN_BYTES {
        return Guess::of("bytes", "one short message says nothing");
    }
    if let Some(what) = marks::structure(frames) {
        return Guess::of("bytes", what);
    }
    let guess = binary(frames, others);
    let fits = |layout: Layout| all().all(|frame| check(&layout, std::iter::once(*frame)).is_ok());
    match guess.text.parse().is_ok_and(fits) {
        true => guess,
        false => Guess { counter: guess.counter, ..Guess::of("bytes", "the messages have several lengths or kinds") },
    }
}

fn binary(frames: &[&[u8]], others: &[&[u8]]) -> Guess {
    let counted = header::counted(frames);
    let counter = match counted {
        Counted::By(of) => Some(of),
        Counted::No => None,
        Counted::Perhaps => {
            return Guess::of(
                "bytes",
                "it begins with a number that counts, of which it cannot be told how long it is",
            );
        }
    };
    let mut header: Vec<String> = counter.iter().map(ToString::to_string).collect();
    let mut header_bytes = counter.map_or(0, Type::bytes);
    let mut whys: Vec<String> = counter.iter().map(|of| format!("the first {of} counts the messages")).collect();
    if let Some((of, what)) = header::time(frames, header_bytes) {
        header.push(of.to_string());
        header_bytes += of.bytes();
        whys.push(what);
    }
    let is_over = |frame: &&[u8]| frame.len() == header_bytes;
    if !header.is_empty() && frames.iter().chain(others).all(is_over) {
        return Guess { text: header.join(","), why: whys.join(", "), counter };
    }
    let rest: Vec<&[u8]> = frames.iter().map(|frame| frame.get(header_bytes..).unwrap_or_default()).collect();
    let text = match numbers::numbers(&rest) {
        Some((of, why)) => {
            whys.push(why);
            if header.is_empty() { of.to_string() } else { format!("{}/{of}", header.join(",")) }
        }
        None => {
            whys.push(
                if header.is_empty() { "no number type stands out" } else { "what follows is unknown" }.to_owned(),
            );
            "bytes".to_owned()
        }
    };
    Guess { text, why: whys.join(", "), counter }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(messages: &[Vec<Vec<u8>>]) -> (String, Option<String>) {
        let likely = likely(b"t", messages, &[]);
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

    /// Makes the nth frame.
    type Frame<'a> = &'a dyn Fn(u32) -> Vec<u8>;

    /// So many messages as a dry run holds.
    const HELD: u32 = 64;

    fn numbered(first: u32, frame: impl Fn(u32) -> Vec<u8>) -> Vec<Vec<Vec<u8>>> {
        single((first..first + HELD).map(frame))
    }

    fn int16(numbers: impl IntoIterator<Item = i32>) -> Vec<u8> {
        numbers.into_iter().flat_map(|number| (number as i16).to_le_bytes()).collect()
    }

    #[test]
    fn a_counter_is_no_guess() {
        let packed = |n: u32| [&b"\x81\xa1t"[..], &[n as u8]].concat();
        let channels = |n: u32| [n as u16, 40_000, 65_535].map(u16::to_le_bytes).concat();
        let protobuf = |n: u32| vec![0x0a, 0x07, 0x08, n as u8, 0x12, 0x03, b'a', b'b', b'c'];
        for first in [0, 97, 30_000] {
            assert_eq!(of(&numbered(first, packed)), ("bytes".to_owned(), None));
            assert_eq!(of(&numbered(first, channels)), ("bytes".to_owned(), None));
            assert_eq!(of(&numbered(first.min(100), protobuf)), ("bytes".to_owned(), None));
        }
        // A uint32 that was never seen to carry, or two numbers.
        let one = |n: u32| [&n.to_le_bytes()[..], &[1, 0, 2, 0]].concat();
        assert_eq!(of(&numbered(70_000, one)), ("bytes".to_owned(), None));
        let counter = |of: &str| Some(format!("{of}@0"));
        assert_eq!(of(&numbered(7, one)), ("uint32/int16".to_owned(), counter("uint32")));
        assert_eq!(of(&numbered(65_500, one)), ("uint32/int16".to_owned(), counter("uint32")));
        assert_eq!(
            of(&numbered(0x0003_fff0, |n| n.to_be_bytes().to_vec())),
            ("uint32-be".to_owned(), counter("uint32-be"))
        );
        let random = |n: u32| [&n.to_le_bytes()[..], blake3::hash(&n.to_le_bytes()).as_bytes()].concat();
        assert_eq!(of(&numbered(0, random)), ("bytes".to_owned(), counter("uint32")));
        let one_longer = |n: u32| n.to_le_bytes().into_iter().chain((n == 40).then_some(9)).collect();
        assert_eq!(of(&numbered(0, one_longer)).0, "bytes");
    }

    #[test]
    fn numbers_are_as_narrow_as_they_look() {
        let struct_of = |n: u32| [&u64::from(n).to_le_bytes()[..], &int16([1, 2, 3, 32])].concat();
        for first in [0, 8_225, 70_000, 16_777_300] {
            assert_eq!(of(&numbered(first, struct_of)), ("uint64/int16".to_owned(), Some("uint64@0".to_owned())));
        }
        let sine = |n: u32, by: f64| (f64::from(n) / by).sin();
        let quiet = |n: u32| int16((0..64).map(|k| (sine(n * 64 + k, 9.0) * 90.0) as i32));
        let noise = |n: u32| int16(blake3::hash(&n.to_le_bytes()).as_bytes().map(|byte| i32::from(byte as i8) / 3));
        let pair = |n: u32| int16([100 + (n % 20) as i32, 7]);
        let interleaved = |n: u32| {
            int16(
                (n * 32..n * 32 + 32)
                    .flat_map(|k| [sine(k, 9.0) * 20_000.0, sine(k, 15.0) * -15_000.0].map(|v| v as i32)),
            )
        };
        let loud_and_quiet = |n: u32| {
            int16(
                (n * 32..n * 32 + 32).flat_map(|k| [sine(k, 9.0) * 30_000.0, sine(k, 15.0) * 100.0].map(|v| v as i32)),
            )
        };
        let offset = |n: u32| int16((0..64).map(|k| 17_000 + (sine(n * 64 + k, 9.0) * 500.0) as i32));
        let kinds: [(&str, Frame<'_>); 5] =
            [("quiet", &quiet), ("noise", &noise), ("pair", &pair), ("interleaved", &interleaved), ("offset", &offset)];
        for (name, kind) in kinds {
            assert_eq!(of(&numbered(0, kind)), ("int16".to_owned(), None), "{name}");
        }
        assert_ne!(of(&numbered(0, loud_and_quiet)).0, "int32");
        let unsigned = |n: u32| int16((0..32).map(|k| (32_768.0 + sine(n * 32 + k, 9.0) * 30_000.0) as i32));
        assert_eq!(of(&numbered(0, unsigned)).0, "uint16");
        let floats = |n: u32| [n as f32, 1.5, -2.25].map(f32::to_le_bytes).concat();
        for first in [1, 250, 1_000, 40_000, 70_000] {
            assert_eq!(of(&numbered(first, floats)), ("float32".to_owned(), None));
        }
        let big_endian = |n: u32| [n as i16, 256, -2].map(i16::to_be_bytes).concat();
        assert_eq!(of(&numbered(97, big_endian)).0, "int16-be");
        let micros = |n: u32| (u64::from(n) * 20_000 + u64::from(n % 7)).to_le_bytes().to_vec();
        assert_eq!(of(&numbered(0, micros)), ("uint64".to_owned(), None));
        assert_eq!(of(&numbered(4_000_000, micros)), ("uint64".to_owned(), None));
        let int32 = |by: f64| {
            move |n: u32| -> Vec<u8> {
                (0..32).flat_map(|k| ((sine(n * 32 + k, 90.0) * by) as i32).to_le_bytes()).collect()
            }
        };
        for loudness in [50.0, 1_000.0, 1e6, 2e9] {
            assert_eq!(of(&numbered(0, int32(loudness))).0, "int32", "{loudness}");
        }
        let int24 = |n: u32| -> Vec<u8> {
            (0..32).flat_map(|k| ((sine(n * 32 + k, 9.0) * 9e5) as i32).to_le_bytes().into_iter().take(3)).collect()
        };
        assert_eq!(of(&numbered(0, int24)).0, "int24");
        let bytes = |n: u32| blake3::hash(&n.to_le_bytes()).as_bytes().map(|byte| (byte as i8 / 16) as u8).to_vec();
        assert_eq!(of(&numbered(0, bytes)).0, "bytes");
    }

    #[test]
    fn a_layout_reads_every_message_that_was_held() {
        let floats =
            |n: u32| -> Vec<u8> { (0..8).flat_map(|k| ((n * 8 + k) as f32 / 7.0).sin().to_le_bytes()).collect() };
        let mut messages = numbered(0, floats);
        assert_eq!(of(&messages).0, "float32");
        let late = vec![vec![b"status ok!!".to_vec()]];
        assert_eq!(likely(b"t", &messages, &late).layout.to_string(), "bytes");
        messages.insert(0, vec![b"hello".to_vec()]);
        assert_eq!(of(&messages).0, "bytes");
        let documents = |n: u32| if n == 50 { b"none".to_vec() } else { format!("{{\"n\": {n}}}").into_bytes() };
        assert_eq!(of(&numbered(0, documents)).0, "text");
        let described: Vec<Vec<Vec<u8>>> = (0..HELD).map(|n| vec![b"{\"n\": 1}".to_vec(), floats(n)]).collect();
        assert_eq!(of(&described).0, "json+float32");
        let cut = vec![vec![b"{\"n\": 1}".to_vec(), vec![0xff; 7]]];
        assert_eq!(likely(b"t", &described, &cut).layout.to_string(), "json+bytes");
    }
}
