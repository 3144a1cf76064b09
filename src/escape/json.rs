//! JSON in which [`must_escape`] characters are `\u202e`: a program reads the text as it was, and a terminal obeys nothing.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

use super::{is_plain, must_escape};

/// Append a value on one line.
///
/// # Errors
/// When it is nothing that JSON can hold.
pub fn append<T: Serialize + ?Sized>(value: &T, text: &mut Vec<u8>) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(text, Escaping(CompactFormatter)))
}

/// A value on one line.
pub fn compact(value: &serde_json::Value) -> String {
    let mut text = Vec::new();
    // A value is JSON already.
    let _ = append(value, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// A value over several lines, without one at its end.
pub fn pretty(value: &serde_json::Value) -> String {
    let mut text = Vec::new();
    // As above.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut text, Escaping(PrettyFormatter::new())));
    String::from_utf8_lossy(&text).into_owned()
}

/// Append JSON that somebody else wrote, on one line.
pub fn append_json(json: &str, text: &mut Vec<u8>) {
    // Between its tokens JSON has no other control characters, and in its texts none of these.
    let is_space = |char| matches!(char, '\n' | '\r' | '\t');
    for part in json.trim().split_inclusive(is_space) {
        let token = part.strip_suffix(is_space);
        // Writing to a Vec cannot fail.
        let _ = write_fragment(text, token.unwrap_or(part));
        if token.is_some() {
            text.push(b' ');
        }
    }
}

/// Another formatter, with more escaped.
struct Escaping<F>(F);

impl<F: Formatter> Formatter for Escaping<F> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        write_fragment(writer, fragment)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

/// Write a part of a text in which nothing is left that JSON itself escapes.
fn write_fragment<W: ?Sized + Write>(writer: &mut W, fragment: &str) -> io::Result<()> {
    if is_plain(fragment) {
        return writer.write_all(fragment.as_bytes());
    }
    let mut written = 0;
    for (at, found) in fragment.match_indices(must_escape) {
        writer.write_all(fragment.as_bytes().get(written..at).unwrap_or_default())?;
        for unit in found.encode_utf16() {
            write!(writer, "\\u{unit:04x}")?;
        }
        written = at + found.len();
    }
    writer.write_all(fragment.as_bytes().get(written..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_text_is_escaped_and_the_layout_is_that_of_serde() {
        let value = json!({ "a\u{202e}": ["\u{9b}2J\x7f\n\"", "gr\u{fc}n \u{e0001}"], "b": {}, "c": [], "d": 1.5 });
        assert_eq!(
            compact(&value),
            "{\"a\\u202e\":[\"\\u009b2J\\u007f\\n\\\"\",\"gr\u{fc}n \\udb40\\udc01\"],\"b\":{},\"c\":[],\"d\":1.5}"
        );
        let plain = json!({ "a": [1, { "b": null }, [], {}], "c": "d" });
        assert_eq!(pretty(&plain), format!("{plain:#}"));
    }

    #[test]
    fn the_json_of_somebody_else_stays_what_it_is() {
        let mut text = Vec::new();
        append_json("{\n\t\"a\" : \"\u{9b}\u{200b}\",\r\n \"b\": [1.50]\n}\n", &mut text);
        assert_eq!(String::from_utf8(text).unwrap(), "{  \"a\" : \"\\u009b\\u200b\",   \"b\": [1.50] }");
    }

    proptest! {
        #[test]
        fn any_text_is_read_back(text in any::<String>()) {
            let value = json!({ &text: [&text] });
            for written in [compact(&value), pretty(&value)] {
                prop_assert!(!written.contains(|char| must_escape(char) && char != '\n'));
                prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), value.clone());
            }
        }
    }
}
