//! Reading the frames of a message as its layout says.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::codec::layout::{Layout, Numbers, Part, Placed};
use crate::codec::number::{Type, Value};

/// What a frame holds.
#[derive(Clone, Copy, Debug)]
pub enum Content<'l, 'a> {
    /// Anything.
    Bytes(&'a [u8]),
    /// Text.
    Text(&'a str),
    /// The text of a JSON value.
    Json(&'a str),
    /// Numbers, as many as the frame has room for.
    Numbers(&'l Numbers, &'a [u8]),
    /// An array that the frame before it describes, which is JSON: numbers of one type, the last dimension fastest.
    Array(&'a str, Type, &'a [u8]),
}

/// Why a message cannot be read with its layout. Frames count from 1, without that of the topic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what their names say")]
pub enum Undecodable {
    /// There are parts without a frame.
    #[error("frames after the topic: {frames}; the layout needs {needed}")]
    TooFewFrames { frames: usize, needed: usize },
    /// The header does not fit in.
    #[error("frame {frame} has {bytes} bytes; its header alone takes {header_bytes}")]
    NoHeader { frame: usize, bytes: usize, header_bytes: usize },
    /// The last record is not whole.
    #[error("frame {frame} has {bytes} bytes of records, which are no multiple of {record_bytes}")]
    CutRecord { frame: usize, bytes: usize, record_bytes: usize },
    /// It is no UTF-8.
    #[error("frame {frame} is no UTF-8 from byte {at} on")]
    NoText { frame: usize, at: usize },
    /// It is no JSON.
    #[error("frame {frame} is no JSON: {cause}")]
    NoJson { frame: usize, cause: String },
    /// It describes no array of numbers that are known.
    #[error("frame {frame} describes no array: {cause}")]
    NoArray { frame: usize, cause: String },
    /// The array does not fit what describes it.
    #[error("frame {frame} has {bytes} bytes; its array takes {needed}")]
    OtherArray { frame: usize, bytes: usize, needed: u128 },
}

/// Read the frames of a message after its topic, one by one. It ends at the first one that cannot be read.
pub fn read<'l, 'a>(
    layout: &'l Layout,
    frames: impl Iterator<Item = &'a [u8]>,
) -> impl Iterator<Item = Result<Content<'l, 'a>, Undecodable>> {
    let mut read = Read { parts: layout.parts(), frames, part: 0, frame: 0, is_over: false };
    std::iter::from_fn(move || {
        let content = if read.is_over { None } else { read.next().transpose() };
        read.is_over = !matches!(content, Some(Ok(_)));
        content
    })
}

/// Whether a message can be read with its layout.
///
/// # Errors
/// What is wrong with it.
pub fn check<'a>(layout: &Layout, frames: impl Iterator<Item = &'a [u8]>) -> Result<(), Undecodable> {
    // What most devices send is checked without ado: a recorder does it a million times in a second.
    match layout.parts() {
        [Part::Bytes] => Ok(()),
        [Part::Numbers(numbers)] => {
            let mut number = 0;
            for frame in frames {
                number += 1;
                whole(numbers, frame, number)?;
            }
            if number > 0 { Ok(()) } else { Err(Undecodable::TooFewFrames { frames: 0, needed: 1 }) }
        }
        _ => read(layout, frames).try_for_each(|content| content.map(|_| ())),
    }
}

struct Read<'l, F> {
    parts: &'l [Part],
    frames: F,
    /// How many parts were read; the last one is read again and again.
    part: usize,
    /// How many frames were.
    frame: usize,
    is_over: bool,
}

impl<'l, 'a, F: Iterator<Item = &'a [u8]>> Read<'l, F> {
    fn next(&mut self) -> Result<Option<Content<'l, 'a>>, Undecodable> {
        let Some(frame) = self.next_frame() else { return self.end().map(|()| None) };
        let part = self.parts.get(self.part).or(self.parts.last());
        self.part += 1;
        let number = self.frame;
        let content = match part {
            None | Some(Part::Bytes) => Content::Bytes(frame),
            Some(Part::Text) => Content::Text(text(frame, number)?),
            Some(Part::Json) => Content::Json(json(frame, number)?),
            Some(Part::Numbers(numbers)) => Content::Numbers(numbers, whole(numbers, frame, number)?),
            Some(Part::NdArray) => {
                let (of, needed) = Array::of(frame, number)?;
                let described = text(frame, number)?;
                let Some(array) = self.next_frame() else { return self.end().map(|()| None) };
                if array.len() as u128 != needed {
                    return Err(Undecodable::OtherArray { frame: self.frame, bytes: array.len(), needed });
                }
                Content::Array(described, of, array)
            }
        };
        Ok(Some(content))
    }

    fn next_frame(&mut self) -> Option<&'a [u8]> {
        let frame = self.frames.next();
        self.frame += usize::from(frame.is_some());
        frame
    }

    /// There are no more frames. What is not read at all needs none.
    fn end(&self) -> Result<(), Undecodable> {
        let frames = |part: &Part| if *part == Part::NdArray { 2 } else { 1 };
        let is_read = |part: &Part| *part != Part::Bytes;
        let needed_parts = self.parts.iter().rposition(is_read).map_or(0, |last| last + 1).max(self.part);
        let repeated = self.parts.last().map_or(0, frames) * needed_parts.saturating_sub(self.parts.len());
        let needed = self.parts.iter().take(needed_parts).map(frames).sum::<usize>() + repeated;
        if self.frame < needed {
            return Err(Undecodable::TooFewFrames { frames: self.frame, needed });
        }
        Ok(())
    }
}

fn text(frame: &[u8], number: usize) -> Result<&str, Undecodable> {
    std::str::from_utf8(frame).map_err(|error| Undecodable::NoText { frame: number, at: error.valid_up_to() })
}

fn json(frame: &[u8], number: usize) -> Result<&str, Undecodable> {
    let text = text(frame, number)?;
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(IgnoredAny) => Ok(text),
        Err(error) => Err(Undecodable::NoJson { frame: number, cause: error.to_string() }),
    }
}

/// The frame, if it holds the header and whole records.
fn whole<'a>(numbers: &Numbers, frame: &'a [u8], number: usize) -> Result<&'a [u8], Undecodable> {
    let (header_bytes, record_bytes) = (numbers.header.bytes(), numbers.record.bytes());
    let Some(bytes) = frame.len().checked_sub(header_bytes) else {
        return Err(Undecodable::NoHeader { frame: number, bytes: frame.len(), header_bytes });
    };
    match bytes.checked_rem(record_bytes) {
        Some(0) | None => Ok(frame),
        Some(_) => Err(Undecodable::CutRecord { frame: number, bytes, record_bytes }),
    }
}

impl Numbers {
    /// The numbers of the header in a frame that holds it.
    pub fn header_of<'a>(&'a self, frame: &'a [u8]) -> impl Iterator<Item = Value> + 'a {
        values(self.header.numbers(), frame)
    }

    /// The records in a frame, each with its numbers in their order.
    pub fn records_of<'a>(
        &'a self,
        frame: &'a [u8],
    ) -> impl ExactSizeIterator<Item = impl Iterator<Item = Value> + 'a> {
        let records = frame.get(self.header.bytes()..).unwrap_or_default();
        records.chunks_exact(self.record.bytes().max(1)).map(|record| values(self.record.numbers(), record))
    }
}

fn values<'a>(numbers: &'a [Placed], bytes: &'a [u8]) -> impl Iterator<Item = Value> + 'a {
    numbers.iter().filter_map(|number| {
        let end = number.offset + number.of.bytes();
        number.of.value(bytes.get(number.offset..end)?)
    })
}

/// What pyzmq's example and areaDetector say of the array that follows.
#[derive(Deserialize)]
struct Array {
    /// As numpy names it.
    dtype: Option<String>,
    /// As areaDetector does.
    #[serde(rename = "type")]
    named: Option<String>,
    shape: Vec<u64>,
}

impl Array {
    /// The type of the array that a frame describes, and how many bytes it takes.
    fn of(frame: &[u8], number: usize) -> Result<(Type, u128), Undecodable> {
        let refuse = |cause: String| Undecodable::NoArray { frame: number, cause };
        let array: Self = serde_json::from_slice(frame).map_err(|error| refuse(error.to_string()))?;
        let name = array.dtype.or(array.named).ok_or_else(|| refuse("it has neither dtype nor type".to_owned()))?;
        let of = numpy_type(&name).ok_or_else(|| refuse(format!("its type {name:?} is not known")))?;
        let bytes = array.shape.iter().try_fold(of.bytes() as u128, |bytes, &size| bytes.checked_mul(size.into()));
        bytes.map(|bytes| (of, bytes)).ok_or_else(|| refuse("its shape is beyond all bounds".to_owned()))
    }
}

/// The type of the array that a frame describes.
pub fn array_type(frame: &[u8]) -> Option<Type> {
    Array::of(frame, 0).ok().map(|(of, _)| of)
}

/// A type by its name here, in any case, or as numpy writes it: `<i2`, `>f4`, `|u1`.
fn numpy_type(name: &str) -> Option<Type> {
    let (order, code) = match name.split_at_checked(1) {
        Some((order @ ("<" | ">" | "|" | "="), code)) => (order, code),
        _ => return Type::named(&name.to_ascii_lowercase()),
    };
    let name = match code {
        "i1" => "int8",
        "u1" => "uint8",
        "i2" => "int16",
        "u2" => "uint16",
        "i4" => "int32",
        "u4" => "uint32",
        "i8" => "int64",
        "u8" => "uint64",
        "f4" => "float32",
        "f8" => "float64",
        _ => return None,
    };
    Type::named(name).map(|of| Type { is_big_endian: order == ">", ..of })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a message is read as, in short.
    fn words(layout: &str, frames: &[&[u8]]) -> String {
        let layout: Layout = layout.parse().unwrap();
        let list = |values: &mut dyn Iterator<Item = Value>| {
            values.map(|value| value.to_string()).collect::<Vec<_>>().join(" ")
        };
        let words = |content: Result<Content<'_, '_>, Undecodable>| match content {
            Ok(Content::Bytes(bytes)) => format!("bytes {}", bytes.len()),
            Ok(Content::Text(text)) => format!("text {text}"),
            Ok(Content::Json(text)) => format!("json {text}"),
            Ok(Content::Array(_, of, array)) => format!("array {of} {}", array.len() / of.bytes()),
            Ok(Content::Numbers(numbers, frame)) => {
                let records = numbers.records_of(frame).map(|mut record| list(&mut record));
                let records = records.collect::<Vec<_>>().join(", ");
                format!("numbers {} / {records}", list(&mut numbers.header_of(frame)))
            }
            Err(undecodable) => undecodable.to_string(),
        };
        read(&layout, frames.iter().copied()).map(words).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn frames_are_read_as_their_parts_say() {
        assert_eq!(words("int16x2", &[&[1, 0, 2, 0, 3, 0, 0xff, 0xff]]), "numbers  / 1 2, 3 -1");
        assert_eq!(words("uint32,pad/uint8,int16-be", &[&[7, 0, 0, 0, 99, 5, 0, 6]]), "numbers 7 / 5 6");
        assert_eq!(words("int16", &[&[]]), "numbers  / ");
        assert_eq!(words("json+float32", &[b"{\"n\": 1}", &1.5_f32.to_le_bytes()]), "json {\"n\": 1}; numbers  / 1.5");
        assert_eq!(words("text", &["gr\u{fc}n".as_bytes(), b""]), "text gr\u{fc}n; text ");
        assert_eq!(words("bytes", &[]), "");
        assert_eq!(words("text+bytes", &[b"a"]), "text a");
        let numpy = b"{\"dtype\": \">i2\", \"shape\": [2, 3]}";
        assert_eq!(words("ndarray", &[numpy, &[0; 12], numpy, &[0; 12]]), "array int16-be 6; array int16-be 6");
        let area = b"{\"htype\": \"array-1.0\", \"type\": \"UInt16\", \"shape\": [1]}";
        assert_eq!(words("ndarray", &[area, &[0; 2]]), "array uint16 1");
        assert_eq!(words("ndarray", &[b"{\"dtype\": \"float64\", \"shape\": []}", &[0; 8]]), "array float64 1");
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(words("int16", &[&[0; 3]]), "frame 1 has 3 bytes of records, which are no multiple of 2");
        assert_eq!(words("uint32/int16", &[&[0; 3]]), "frame 1 has 3 bytes; its header alone takes 4");
        assert_eq!(words("text+int16", &[b"a"]), "text a; frames after the topic: 1; the layout needs 2");
        assert_eq!(words("int16", &[]), "frames after the topic: 0; the layout needs 1");
        assert_eq!(words("text", &[b"ab\xff"]), "frame 1 is no UTF-8 from byte 2 on");
        assert!(words("json", &[b"{", b"{}"]).starts_with("frame 1 is no JSON: EOF"));
        let numpy = b"{\"dtype\": \"<i2\", \"shape\": [2, 3]}";
        assert_eq!(words("ndarray", &[numpy, &[0; 11]]), "frame 2 has 11 bytes; its array takes 12");
        assert_eq!(words("ndarray", &[numpy]), "frames after the topic: 1; the layout needs 2");
        for (described, cause) in [
            (&b"{\"shape\": [1]}"[..], "neither dtype nor type"),
            (b"{\"dtype\": \"<c8\", \"shape\": [1]}", "its type \"<c8\" is not known"),
            (b"{\"dtype\": [[\"a\", \"<i2\"]], \"shape\": [1]}", "invalid type"),
            (b"{\"dtype\": \"<i2\"}", "missing field `shape`"),
            (b"{\"dtype\": \"<i2\", \"shape\": [18446744073709551615, 18446744073709551615, 9]}", "beyond all bounds"),
            (b"no", "expected"),
        ] {
            let words = words("ndarray", &[described, b""]);
            assert!(words.starts_with("frame 1 describes no array: ") && words.contains(cause), "{words}");
        }
    }

    #[test]
    fn deep_json_is_read_without_a_deep_stack() {
        let deep = [vec![b'['; 1_000_000], vec![b']'; 1_000_000]].concat();
        assert_eq!(check(&"json".parse().unwrap(), [deep.as_slice()].into_iter()), Ok(()));
        let array = [b"{\"shape\": [1], \"x\": ", deep.as_slice(), b"}"].concat();
        assert!(check(&"ndarray".parse().unwrap(), [array.as_slice()].into_iter()).is_err());
    }

    proptest! {
        #[test]
        fn any_frames_are_read_or_refused(
            layout in prop::sample::select(vec!["int24,pad/float64-be,uint8x3", "ndarray", "json+text", "text+int16x2", "bytes"]),
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5),
        ) {
            let layout: Layout = layout.parse().unwrap();
            let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
            let count = read(&layout, frames.iter().copied()).take_while(Result::is_ok).count();
            prop_assert!(count <= frames.len());
            let is_whole = check(&layout, frames.iter().copied()).is_ok();
            let read_to_its_end = read(&layout, frames.iter().copied()).all(|content| content.is_ok());
            prop_assert_eq!(is_whole, read_to_its_end);
            prop_assert!(!is_whole || layout.parts() == [Part::NdArray] || count == frames.len());
        }
    }
}
