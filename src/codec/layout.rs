//! How the bytes of a message are numbers or text: what `--layout` says.
//!
//! ```text
//! layout  = part *( "+" part )               one part for each frame after the topic; the last part serves all further frames
//! part    = "bytes" | "text" | "json" | "ndarray" | numbers
//! numbers = [ fields "/" ] fields            what stands before "/" comes once a frame, what stands behind it repeats
//! fields  = type [ "x" count ] *( "," type [ "x" count ] )
//! ```

use std::fmt;
use std::str::FromStr;

use crate::codec::number::Type;

/// The most numbers, and bytes to skip, that one layout may name.
pub const LAYOUT_MAX_NUMBERS: usize = 65_536;

/// The most parts of a layout.
const PARTS_MAX: usize = 64;

/// How the frames of a message after its topic are read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// At least one.
    parts: Vec<Part>,
}

/// How one frame is read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Not at all.
    Bytes,
    /// As UTF-8.
    Text,
    /// As one JSON value.
    Json,
    /// As a JSON value that describes the array in the frame behind it.
    NdArray,
    /// As numbers.
    Numbers(Numbers),
}

/// Numbers in a frame: once those of the header, and those of the record until the frame ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Numbers {
    /// What comes once.
    pub header: Fields,
    /// What repeats; at least one number.
    pub record: Fields,
}

/// Numbers one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fields {
    /// As they were written.
    runs: Vec<Run>,
    /// Where each number is.
    numbers: Vec<Placed>,
    bytes: usize,
}

/// `int16x8`: so many of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Run {
    /// `None` is a byte that is skipped.
    of: Option<Type>,
    count: usize,
}

/// A number and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Placed {
    /// What it is.
    pub of: Type,
    /// Bytes before it in the header, or in the record.
    pub offset: usize,
}

/// One number of a layout: what a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// In which part, from 0.
    pub part: usize,
    /// Whether it comes once a frame.
    pub is_in_header: bool,
    /// Which number of the header or record, from 0.
    pub position: usize,
    /// What and where it is.
    pub placed: Placed,
}

impl Layout {
    /// Of these parts, if there are any.
    pub fn of(parts: Vec<Part>) -> Option<Self> {
        (!parts.is_empty()).then_some(Self { parts })
    }

    /// How to read bytes that nobody can read: not at all.
    pub fn bytes() -> Self {
        Self { parts: vec![Part::Bytes] }
    }

    /// The parts, one for each frame; the last one serves all further frames.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// All numbers that it names, in their order: those of a header before those of its record.
    pub fn numbers(&self) -> impl Iterator<Item = Number> {
        self.parts.iter().enumerate().flat_map(|(part, how)| {
            let both = match how {
                Part::Numbers(numbers) => [(true, numbers.header.numbers()), (false, numbers.record.numbers())],
                _ => [(true, &[][..]), (false, &[][..])],
            };
            both.into_iter().flat_map(move |(is_in_header, numbers)| {
                let number =
                    move |(position, &placed): (usize, &Placed)| Number { part, is_in_header, position, placed };
                numbers.iter().enumerate().map(number)
            })
        })
    }

    /// How many numbers have a channel: those that it names, and one for each array.
    pub fn number_count(&self) -> usize {
        let arrays = self.parts.iter().filter(|part| **part == Part::NdArray).count();
        self.numbers().count() + arrays
    }
}

impl Fields {
    /// Where each number is.
    pub fn numbers(&self) -> &[Placed] {
        &self.numbers
    }

    /// How many bytes they take together, with those that are skipped.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn push(&mut self, run: Run) {
        self.runs.push(run);
        for _ in 0..run.count {
            match run.of {
                Some(of) => {
                    self.numbers.push(Placed { of, offset: self.bytes });
                    self.bytes += of.bytes();
                }
                None => self.bytes += 1,
            }
        }
    }
}

/// Why a text is no layout, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {}, '{found}': {rule}", .at + 1)]
pub struct NoLayout {
    /// Where, in characters from 0.
    at: usize,
    found: String,
    rule: &'static str,
}

const TYPES: &str = "a type is int8, int16, int24, int32, int64, uint8, uint16, uint32, uint64, float32 or float64, \
                     each also with -be, or pad; a whole part may also be bytes, text, json or ndarray";
const PARTS: &str = "a part is bytes, text, json, ndarray or types such as int16 or uint32/int16x8";

impl FromStr for Layout {
    type Err = NoLayout;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let whole = Piece { text, at: 0 };
        let parts: Vec<Piece<'_>> = whole.split('+').collect();
        if parts.len() > PARTS_MAX {
            return Err(whole.refuse("a layout has at most 64 parts; the last one serves all further frames"));
        }
        let mut left = LAYOUT_MAX_NUMBERS;
        let parts = parts.into_iter().map(|piece| part(piece, &mut left)).collect::<Result<_, _>>()?;
        Ok(Self { parts })
    }
}

/// A part of the text, and where it begins in it.
#[derive(Clone, Copy)]
struct Piece<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Piece<'a> {
    fn split(self, separator: char) -> impl Iterator<Item = Self> {
        let mut at = self.at;
        self.text.split(separator).map(move |text| {
            let piece = Piece { text, at };
            at += text.chars().count() + 1;
            piece
        })
    }

    /// What stands before and behind the first separator, if there is one.
    fn cut(self, separator: char) -> Option<(Self, Self)> {
        let (before, behind) = self.text.split_once(separator)?;
        let at = self.at + before.chars().count() + 1;
        Some((Piece { text: before, at: self.at }, Piece { text: behind, at }))
    }

    fn refuse(self, rule: &'static str) -> NoLayout {
        NoLayout { at: self.at, found: self.text.chars().take(40).collect(), rule }
    }
}

fn part(piece: Piece<'_>, left: &mut usize) -> Result<Part, NoLayout> {
    Ok(match piece.text {
        "bytes" => Part::Bytes,
        "text" => Part::Text,
        "json" => Part::Json,
        "ndarray" => Part::NdArray,
        "" => return Err(piece.refuse(PARTS)),
        _ => {
            let (header, record) = match piece.cut('/') {
                Some((header, record)) => (fields(header, left)?, record),
                None => (Fields::default(), piece),
            };
            let repeated = fields(record, left)?;
            if repeated.numbers.is_empty() {
                return Err(record.refuse("what repeats has at least one number that is not skipped"));
            }
            Part::Numbers(Numbers { header, record: repeated })
        }
    })
}

fn fields(piece: Piece<'_>, left: &mut usize) -> Result<Fields, NoLayout> {
    let mut fields = Fields::default();
    for piece in piece.split(',') {
        // No name of a type has an x in it.
        let (name, count) = match piece.cut('x') {
            Some((name, count)) => (name, self::count(count)?),
            None => (piece, 1),
        };
        let of = match name.text {
            "pad" => None,
            text => Some(Type::named(text).ok_or_else(|| name.refuse(TYPES))?),
        };
        *left = left.checked_sub(count).ok_or_else(|| piece.refuse("a layout has at most 65536 numbers"))?;
        fields.push(Run { of, count });
    }
    Ok(fields)
}

fn count(piece: Piece<'_>) -> Result<usize, NoLayout> {
    let is_plain = piece.text.bytes().all(|byte| byte.is_ascii_digit());
    match piece.text.parse() {
        Ok(count @ 1..) if is_plain => Ok(count),
        _ => Err(piece.refuse("behind x stands how many there are, from 1 to 65536")),
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.parts.iter().enumerate() {
            f.write_str(if place > 0 { "+" } else { "" })?;
            part.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes => f.write_str("bytes"),
            Self::Text => f.write_str("text"),
            Self::Json => f.write_str("json"),
            Self::NdArray => f.write_str("ndarray"),
            Self::Numbers(numbers) => {
                numbers.header.fmt(f)?;
                f.write_str(if numbers.header.runs.is_empty() { "" } else { "/" })?;
                numbers.record.fmt(f)
            }
        }
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, run) in self.runs.iter().enumerate() {
            f.write_str(if place > 0 { "," } else { "" })?;
            match run.of {
                Some(of) => of.fmt(f)?,
                None => f.write_str("pad")?,
            }
            if run.count != 1 {
                write!(f, "x{}", run.count)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::number::Scalar;

    fn layout(text: &str) -> Layout {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_layout_reads_as_it_is_written() {
        for text in [
            "int16",
            "int16x2",
            "uint32,uint64/int16x8",
            "json+float32",
            "ndarray",
            "bytes",
            "text+bytes",
            "padx3,int24-be/padx2,float64-be,uint8x3",
            "int16+int16+uint8",
        ] {
            assert_eq!(layout(text).to_string(), text);
        }
    }

    #[test]
    fn numbers_are_placed_behind_each_other() {
        let found: Vec<_> = layout("pad,uint32/int24-be,padx2,int16+bytes+float64")
            .numbers()
            .map(|number| (number.part, number.is_in_header, number.position, number.placed.offset))
            .collect();
        assert_eq!(found, [(0, true, 0, 1), (0, false, 0, 0), (0, false, 1, 5), (2, false, 0, 0)]);
        let layout = layout("uint32,uint64/int16x8");
        let Part::Numbers(numbers) = &layout.parts()[0] else { panic!("no numbers") };
        assert_eq!((numbers.header.bytes(), numbers.record.bytes()), (12, 16));
        assert_eq!(numbers.record.numbers()[7].of, Type { kind: Scalar::Int16, is_big_endian: false });
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, at, found) in [
            ("", 1, ""),
            ("int12", 1, "int12"),
            ("int16,uint24", 7, "uint24"),
            ("json+", 6, ""),
            ("json+int16x", 12, ""),
            ("int16x0", 7, "0"),
            ("int16x+5", 7, ""),
            ("int16x99999999999999999999", 7, "99999999999999999999"),
            ("uint32/pad", 8, "pad"),
            ("/int16", 1, ""),
            ("int16 ", 1, "int16 "),
            ("ü+bogus", 1, "ü"),
            ("json+ü/int8", 6, "ü"),
            ("int16x65536,int8", 13, "int8"),
            ("int16/int16/int16", 7, "int16/int16"),
        ] {
            let error = text.parse::<Layout>().unwrap_err();
            assert_eq!((error.at + 1, error.found.as_str()), (at, found), "{text}: {error}");
        }
        let error = "int16,uint24".parse::<Layout>().unwrap_err().to_string();
        assert!(error.starts_with("at character 7, 'uint24': a type is int8"), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_is_a_layout_that_reads_back_or_an_error(text in "[a-z0-9,+/x-]{0,40}|.{0,40}") {
            if let Ok(layout) = text.parse::<Layout>() {
                prop_assert_eq!(layout.to_string().parse::<Layout>(), Ok(layout));
            }
        }
    }
}
