//! The sequence number that a device puts into its messages: where it is.

use std::fmt;
use std::str::FromStr;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::codec::number::{Scalar, Type, Value};

/// What a counter looks like, for who typed another one.
const RULE: &str =
    "a counter is TYPE@OFFSET, TYPE@PART:OFFSET or json:FIELD, such as uint32@0, with /STEP where it counts in steps";

/// Where the sequence number is in the frames behind the topic, and how it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    place: Place,
    pub(super) step: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// An integer in a frame.
    Number { of: Type, part: usize, offset: usize },
    /// A field of the first frame that is a JSON object.
    Json(String),
}

impl Counter {
    /// The number in a message, given what is behind its topic; `None` if there is none.
    pub fn read<'a>(&self, mut parts: impl Iterator<Item = &'a [u8]>) -> Option<u64> {
        match &self.place {
            Place::Number { of, part, offset } => {
                let bytes = parts.nth(*part)?.get(*offset..offset.checked_add(of.bytes())?)?;
                bits(of.value(bytes)?)
            }
            Place::Json(field) => parts.find_map(|part| object_field(part, field))?,
        }
    }

    /// A number as people read it.
    pub fn words(&self, number: u64) -> String {
        let signed = self.is_signed() && self.is_in_upper_half(number);
        if signed { (number | !mask(self.bits())).cast_signed().to_string() } else { number.to_string() }
    }

    pub(super) fn is_signed(&self) -> bool {
        match &self.place {
            Place::Number { of, .. } => is_signed(of.kind),
            Place::Json(_) => false,
        }
    }

    fn is_in_upper_half(&self, number: u64) -> bool {
        number & half(self.bits()) != 0
    }

    pub(super) fn bits(&self) -> u32 {
        match &self.place {
            Place::Number { of, .. } => of.bytes() as u32 * 8,
            // Read as a uint64 or int64.
            Place::Json(_) => u64::BITS,
        }
    }
}

/// The integer types whose numbers may be negative.
fn is_signed(kind: Scalar) -> bool {
    matches!(kind, Scalar::Int8 | Scalar::Int16 | Scalar::Int24 | Scalar::Int32 | Scalar::Int64)
}

/// An integer type by its name.
///
/// # Errors
/// What is wrong with it.
pub fn integer(name: &str) -> Result<Type, String> {
    let is_float = |of: &Type| matches!(of.kind, Scalar::Float32 | Scalar::Float64);
    let of = Type::named(name).filter(|of| !is_float(of));
    of.ok_or_else(|| format!("`{name}` is no integer type, such as uint32 or uint16-be"))
}

fn bits(value: Value) -> Option<u64> {
    match value {
        Value::Int(value) => Some(value.cast_unsigned()),
        Value::UInt(value) => Some(value),
        Value::Float32(_) | Value::Float64(_) => None,
    }
}

/// The largest number of so many bits.
pub(super) fn mask(bits: u32) -> u64 {
    u64::MAX >> (u64::BITS - bits)
}

/// Half of how many numbers of so many bits there are.
pub(super) fn half(bits: u32) -> u64 {
    1 << (bits - 1)
}

impl FromStr for Counter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let stepped = text.rsplit_once('/').filter(|(_, step)| step.bytes().all(|byte| byte.is_ascii_digit()));
        let (place, step) = match stepped {
            Some((place, step)) => (place, step.parse().map_err(|_| RULE)?),
            None => (text, 1),
        };
        let counter = Self { place: place.parse()?, step };
        match (1..half(counter.bits())).contains(&step) {
            true => Ok(counter),
            false => Err("a step is from 1 to below half the range of its type".to_owned()),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(field) = text.strip_prefix("json:").filter(|field| !field.is_empty()) {
            return Ok(Self::Json(field.to_owned()));
        }
        let (name, place) = text.split_once('@').ok_or(RULE)?;
        let (part, offset) = place.split_once(':').unwrap_or(("0", place));
        let number = |text: &str| text.parse().map_err(|_| RULE.to_owned());
        Ok(Self::Number { of: integer(name)?, part: number(part)?, offset: number(offset)? })
    }
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Number { of, part: 0, offset } => write!(f, "{of}@{offset}")?,
            Place::Number { of, part, offset } => write!(f, "{of}@{part}:{offset}")?,
            Place::Json(field) => write!(f, "json:{field}")?,
        }
        // Without it, digits behind the last stroke of a field would be read as the step.
        let ends_in_digits =
            |field: &str| field.rsplit_once('/').is_some_and(|(_, end)| end.bytes().all(|byte| byte.is_ascii_digit()));
        let is_ambiguous = matches!(&self.place, Place::Json(field) if ends_in_digits(field));
        if self.step == 1 && !is_ambiguous { Ok(()) } else { write!(f, "/{}", self.step) }
    }
}

/// The integer in this field of a JSON object; `None` if the frame is no object, `Some(None)` if the object has no such
/// integer.
fn object_field(frame: &[u8], field: &str) -> Option<Option<u64>> {
    if frame.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let mut json = serde_json::Deserializer::from_slice(frame);
    let found = Field(field).deserialize(&mut json).ok()?;
    json.end().ok()?;
    Some(found)
}

/// Reads one field, and passes over all others without keeping them.
#[derive(Clone, Copy)]
struct Field<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = Option<u64>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_it) = map.next_key_seed(Named(self.0))? {
            if is_it {
                found = map.next_value::<serde_json::Number>().map(|number| integer_of(&number))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

fn integer_of(number: &serde_json::Number) -> Option<u64> {
    number.as_u64().or_else(|| number.as_i64().map(i64::cast_unsigned))
}

/// Whether a key is this one.
struct Named<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Named<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Named<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(text: &str) -> Counter {
        text.parse().unwrap()
    }

    #[test]
    fn counters_read_as_they_are_typed() {
        for text in [
            "uint32@0",
            "int16-be@4",
            "uint8@1:2",
            "uint64@8/512",
            "json:n",
            "json:frame/2",
            "json:a/b",
            "json:a//1",
            "json:a/5/1",
        ] {
            assert_eq!(counter(text).to_string(), text);
        }
        assert_eq!(counter("uint8@0:2").to_string(), "uint8@2");
        for text in [
            "",
            "uint32",
            "float32@0",
            "uint12@0",
            "uint8@",
            "uint8@x",
            "uint8@0/0",
            "uint8@0/128",
            "json:",
            "uint8@1:",
            "uint8@0/",
        ] {
            assert!(text.parse::<Counter>().is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_are_where_the_counter_says() {
        let read = |text: &str, parts: &[&'static [u8]]| counter(text).read(parts.iter().copied());
        assert_eq!(read("uint16@1", &[&[9, 1, 2]]), Some(0x0201));
        assert_eq!(read("uint16-be@1:0", &[b"", &[1, 2]]), Some(0x0102));
        assert_eq!(read("int8@0", &[&[0xff]]).map(|number| counter("int8@0").words(number)), Some("-1".to_owned()));
        assert_eq!(read("uint16@2", &[&[9, 1, 2]]), None);
        assert_eq!(read("uint16@1:0", &[&[9, 1, 2]]), None);
        assert_eq!(read("uint32@18446744073709551615", &[&[9, 1, 2]]), None);
        assert_eq!(read("json:n", &[b"\xff", b"{\"a\": {\"n\": 1}, \"n\": 7, \"z\": [1]}"]), Some(7));
        assert_eq!(read("json:n", &[b"{\"n\": ", b" {\"n\": 8}\n", b"{\"n\": 9}"]), Some(8));
        assert_eq!(read("json:\u{e9}", &[b"{\"\\u00e9\": 3}"]), Some(3));
        assert_eq!(read("json:n", &[b"{\"n\": 18446744073709551615}"]), Some(u64::MAX));
        assert_eq!(read("json:n", &[b"{\"n\": 1.5}"]), None);
        assert_eq!(read("json:n", &[b"[1]", b"{\"m\": 1}"]), None);
    }
}
