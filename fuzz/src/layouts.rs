//! Layouts and framing: the text of a layout in the first line, and behind it frames that are read with it.

use arbitrary::{Arbitrary, Unstructured};
use fancyhwd::codec::framing::{Framed, Framing, Guess, framed, is_likely_topic};
use fancyhwd::codec::layout::{Layout, Part};
use fancyhwd::codec::reading::{Content, Undecodable, check, read};
use fancyhwd::codec::stream::{Stream, after_topic, assume, lengths, stored};
use fancyhwd::codec::topic::{Wanted, printable, trimmed};
use fancyhwd::codec::words;

/// Numbers of a message that are shown, when it is shown.
const SHOWN: usize = 16;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    topic: &'a [u8],
    wanted: Vec<&'a [u8]>,
    is_asked_for: bool,
    frames: Vec<Frame<'a>>,
}

#[derive(Arbitrary, Debug)]
enum Frame<'a> {
    Bytes(&'a [u8]),
    /// So many bytes that are the same.
    Same(u8, u16),
    /// What describes an array.
    Array {
        is_area: bool,
        kind: u8,
        shape: Vec<u8>,
    },
    /// JSON within JSON.
    Deep(u16),
}

/// How an array's type may be written.
const KINDS: [&str; 10] = ["<i2", ">i2", "|u1", "=f8", ">f4", "<c8", "UInt16", "int24", "float64-be", "\u{fc}1"];

impl Frame<'_> {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.to_vec(),
            Self::Same(byte, count) => vec![*byte; usize::from(*count)],
            Self::Array { is_area, kind, shape } => {
                let name = if *is_area { "type" } else { "dtype" };
                let kind = KINDS[usize::from(*kind) % KINDS.len()];
                format!("{{\"{name}\": \"{kind}\", \"shape\": {shape:?}}}").into_bytes()
            }
            Self::Deep(depth) => [vec![b'['; usize::from(*depth)], vec![b']'; usize::from(*depth)]].concat(),
        }
    }
}

/// See the rules.
pub fn run(data: &[u8]) {
    let end = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let (line, rest) = data.split_at(end);
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(rest.get(1..).unwrap_or_default())) else { return };
    let frames: Vec<Vec<u8>> = input.frames.iter().map(Frame::bytes).collect();
    let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    if let Some(layout) = layout(line) {
        reads(&layout, &frames);
        for framing in [Framing::Space, Framing::Frames, Framing::Whole] {
            shows(&layout, framing, input.topic, &frames);
        }
    }
    has_topic(&input, &frames);
    let assumed = assume(input.topic, input.is_asked_for, frames.iter().copied());
    assert_eq!(assumed.to_string().parse(), Ok(assumed.clone()), "what is assumed reads as it is written");
    if trimmed(input.topic) != b"fancyhw_data" {
        // A message of more frames than parts are made up for may end with something else.
        assert!(
            frames.len() > 8 || check(&assumed, frames.iter().copied()).is_ok(),
            "{assumed}: it was made for these"
        );
    }
    reads(&assumed, &frames);
}

/// A layout reads as it is written; what is none is refused in few words.
fn layout(line: &[u8]) -> Option<Layout> {
    match std::str::from_utf8(line).ok()?.parse::<Layout>() {
        Ok(layout) => {
            assert_eq!(layout.to_string().parse(), Ok(layout.clone()), "it reads as it is written");
            assert!(!layout.parts().is_empty() && layout.number_count() <= 65_536 + layout.parts().len());
            for number in layout.numbers() {
                let Part::Numbers(numbers) = &layout.parts()[number.part] else { panic!("{number:?} of no numbers") };
                let fields = if number.is_in_header { &numbers.header } else { &numbers.record };
                assert!(number.placed.offset + number.placed.of.bytes() <= fields.bytes(), "{number:?}");
                assert_eq!(fields.numbers()[number.position], number.placed);
            }
            Some(layout)
        }
        Err(why) => {
            assert!(why.to_string().len() < 500, "{why}");
            None
        }
    }
}

/// Frames are read or refused, the same by both ways.
fn reads(layout: &Layout, frames: &[&[u8]]) {
    let read_to_its_end = read(layout, frames.iter().copied()).all(|content| content.is_ok());
    assert_eq!(check(layout, frames.iter().copied()).is_ok(), read_to_its_end);
    let all: Vec<Result<Content<'_, '_>, Undecodable>> = read(layout, frames.iter().copied()).collect();
    assert!(all.len() <= frames.len() + 1);
    for content in all {
        match content {
            Ok(Content::Numbers(numbers, frame)) => {
                let (header, record) = (numbers.header.bytes(), numbers.record.bytes());
                assert_eq!(numbers.header_of(frame).count(), numbers.header.numbers().len());
                let records = numbers.records_of(frame);
                assert_eq!(records.len() * record, frame.len() - header, "whole records");
                for record in records.take(SHOWN) {
                    assert_eq!(record.count(), numbers.record.numbers().len());
                }
            }
            Ok(Content::Array(_, of, array)) => assert_eq!(array.len() % of.bytes(), 0),
            Ok(_) => {}
            Err(why) => assert!(!why.to_string().is_empty()),
        }
    }
}

/// A message is one line, in which nothing is that a terminal obeys.
fn shows(layout: &Layout, framing: Framing, topic: &[u8], frames: &[&[u8]]) {
    let stream = Stream {
        endpoint: 1,
        framing,
        topic: topic.to_vec(),
        layout: layout.clone(),
        is_assumed: false,
        channels: None,
        sample_rate_hz: None,
        counter: None,
    };
    let mut text = String::new();
    words::append(&stream, frames.iter().copied(), SHOWN, &mut text);
    assert!(!text.contains(char::is_control), "{text:?}");
    assert_eq!(stream.check(frames.iter().copied()).is_err(), text.contains(" (undecodable: "), "{text:?}");
}

/// A topic is a piece of the first frame, and what is stored beside it is taken apart again.
fn has_topic(input: &Input<'_>, frames: &[&[u8]]) {
    let first = frames.first().copied().unwrap_or_default();
    let mut guess = Guess::default();
    let mut found = vec![Framed::WHOLE, guess.next(first, frames.len(), |_| false)];
    guess.saw_topic(frames.len());
    for framing in [Framing::Space, Framing::Frames, Framing::Whole] {
        assert_eq!(Framing::named(framing.name()), Some(framing));
        found.push(framed(framing, first, frames.len()));
    }
    if let Ok(wanted) = Wanted::of(&input.wanted) {
        assert_eq!(wanted.subscriptions(None).len(), if wanted == Wanted::Every { 1 } else { input.wanted.len() });
        for told in [None, Some(Framing::Space), Some(Framing::Frames), Some(Framing::Whole)] {
            let of = wanted.find(told, first, frames.len());
            assert!(of.is_none() || wanted.takes(first, frames.len()), "it is found, and not asked for");
            found.extend(of);
        }
    }
    for of in found {
        assert!(first.starts_with(of.topic) && of.topic.len() <= 255);
        assert_eq!(of.topic.is_empty(), of.framing == Framing::Whole);
        assert!(!printable(of.topic).contains(char::is_control));
        let mut scratch = Vec::new();
        let behind: Vec<&[u8]> = after_topic(of, frames.iter().copied()).collect();
        let (payload, parts) = stored(of, frames.iter().copied(), &mut scratch);
        assert_eq!(payload, behind.concat());
        let counted: Vec<usize> = behind.iter().map(|frame| frame.len()).collect();
        match parts {
            Some(list) => assert_eq!(lengths(list.as_bytes()).collect::<Option<Vec<usize>>>(), Some(counted)),
            None => assert_eq!(counted.len(), 1),
        }
    }
    let _ = (is_likely_topic(input.topic), printable(input.topic), lengths(input.topic).count());
}
