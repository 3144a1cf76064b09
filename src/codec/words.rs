//! The content of a message as people read it: one line, without anything that a terminal would obey.

use std::fmt::Write;

use crate::codec::number::Value;
use crate::codec::reading::Content;
use crate::codec::stream::Stream;
use crate::escape;

/// Bytes that are shown of what is not read.
const BYTES_MAX: usize = 32;

/// Append what the frames of a message hold behind its topic: `[1,2,3]` for the records of a layout, `{7} [1,2]` with a
/// header, text and JSON in quotes and as they are, bytes in hexadecimal. What cannot be read is shown as bytes, with why.
/// At most so many numbers or characters of a frame.
pub fn append<'a>(stream: &Stream, frames: impl Iterator<Item = &'a [u8]> + Clone, most: usize, text: &mut String) {
    let begin = text.len();
    for (place, content) in stream.read(frames.clone()).enumerate() {
        if place > 0 {
            text.push(' ');
        }
        match content {
            Ok(Content::Numbers(numbers, frame)) => {
                if !numbers.header.numbers().is_empty() {
                    list('{', numbers.header_of(frame), '}', most, text);
                    text.push(' ');
                }
                list('[', numbers.records_of(frame).flatten(), ']', most, text);
            }
            Ok(Content::Array(_, of, array)) => {
                list('[', array.chunks_exact(of.bytes()).filter_map(|number| of.value(number)), ']', most, text);
            }
            Ok(Content::Text(words)) => quoted(words, most, text),
            Ok(Content::Json(json)) => escaped(json.trim(), most, text),
            Ok(Content::Bytes(bytes)) => hex(bytes, text),
            Err(why) => {
                text.truncate(begin);
                for (place, frame) in stream.after_topic(frames).enumerate().take(BYTES_MAX) {
                    if place > 0 {
                        text.push(' ');
                    }
                    hex(frame, text);
                }
                // Writing to a String cannot fail.
                let _ = write!(text, " (undecodable: {})", escape::line(&why.to_string()));
                return;
            }
        }
    }
}

fn list(open: char, values: impl Iterator<Item = Value>, close: char, most: usize, text: &mut String) {
    text.push(open);
    for (place, value) in values.enumerate() {
        if place >= most {
            text.push_str(",...");
            break;
        }
        if place > 0 {
            text.push(',');
        }
        let _ = write!(text, "{value}");
    }
    text.push(close);
}

fn quoted(words: &str, most: usize, text: &mut String) {
    text.push('"');
    escaped(words, most, text);
    text.push('"');
}

fn escaped(words: &str, most: usize, text: &mut String) {
    let mut chars = words.chars();
    for char in chars.by_ref().take(most) {
        match escape::must_escape(char) {
            true => escape::push(char, text),
            false => text.push(char),
        }
    }
    if chars.next().is_some() {
        text.push_str("...");
    }
}

fn hex(bytes: &[u8], text: &mut String) {
    text.push_str("0x");
    for byte in bytes.iter().take(BYTES_MAX) {
        let _ = write!(text, "{byte:02x}");
    }
    if bytes.len() > BYTES_MAX {
        text.push_str("...");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::framing::Framing;

    fn words(framing: Framing, layout: &str, frames: &[&[u8]], most: usize) -> String {
        let stream = Stream {
            endpoint: 1,
            framing,
            topic: b"t".to_vec(),
            layout: layout.parse().unwrap(),
            is_assumed: false,
            channels: None,
            sample_rate_hz: None,
            counter: None,
        };
        let mut text = String::new();
        append(&stream, frames.iter().copied(), most, &mut text);
        text
    }

    #[test]
    fn content_is_one_line() {
        assert_eq!(words(Framing::Space, "int16", &[b"t \x01\x00\xff\xff"], 9), "[1,-1]");
        assert_eq!(words(Framing::Frames, "uint8/int16", &[b"t", b"\x07\x01\x00\x02\x00"], 9), "{7} [1,2]");
        assert_eq!(words(Framing::Whole, "uint8", &[&[1; 9]], 3), "[1,1,1,...]");
        assert_eq!(words(Framing::Whole, "text+json", &[b"a\n\x1b", b" {\"a\": 1}\n"], 99), "\"a\\n\\x1b\" {\"a\": 1}");
        assert_eq!(words(Framing::Whole, "text", &["\u{202e}abc".as_bytes()], 2), "\"\\u{202e}a...\"");
        assert_eq!(words(Framing::Whole, "bytes", &[b"\x01", &[0; 40]], 9), format!("0x01 0x{}...", "00".repeat(32)));
        assert_eq!(
            words(Framing::Frames, "int16", &[b"t", b"\x01\x02\x03"], 9),
            "0x010203 (undecodable: frame 1 has 3 bytes of records, which are no multiple of 2)"
        );
    }
}
