//! What a message holds, as JSON: numbers in the values of their channels, text, JSON as it came, and bytes in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::codec::channels::Channel;
use crate::codec::layout::Part;
use crate::codec::number::Value;
use crate::codec::reading::{Content, Undecodable};
use crate::codec::stream::Stream;
use crate::escape::json;
use crate::message::Message;

/// Whether the content of a message is one list of numbers: `[1,-2,3]`.
pub(super) fn is_list(stream: &Stream, message: Message<'_>) -> bool {
    let frames = match stream.layout.parts() {
        [Part::Numbers(numbers)] if numbers.header.numbers().is_empty() => 1,
        [Part::NdArray] => 2,
        _ => return false,
    };
    stream.after_topic(message.frames()).count() == frames
}

/// Append the numbers of a message whose content is one list, or else a list of what is in each frame: a list of numbers, or
/// `{"header":[..],"records":[..]}`, a string, the JSON that it is, or bytes in base64.
///
/// # Errors
/// When the layout cannot read the message; then nothing is appended.
pub(super) fn append(stream: &Stream, message: Message<'_>, text: &mut Vec<u8>) -> Result<(), Undecodable> {
    let begin = text.len();
    let is_list = is_list(stream, message);
    if !is_list {
        text.push(b'[');
    }
    let mut channels = Scales::of(stream);
    for (place, content) in stream.read(message.frames()).enumerate() {
        if place > 0 {
            text.push(b',');
        }
        if place >= stream.layout.parts().len() {
            channels.next = channels.last;
        }
        match content {
            Ok(content) => append_frame(content, &mut channels, text),
            Err(why) => {
                text.truncate(begin);
                return Err(why);
            }
        }
    }
    if !is_list {
        text.push(b']');
    }
    Ok(())
}

/// Append frames as they are: a list of base64.
pub(super) fn append_raw<'a>(frames: impl Iterator<Item = &'a [u8]>, text: &mut Vec<u8>) {
    text.push(b'[');
    for (place, frame) in frames.enumerate() {
        if place > 0 {
            text.push(b',');
        }
        append_base64(frame, text);
    }
    text.push(b']');
}

/// The channels of the numbers that come next; nothing where no number is scaled.
struct Scales<'a> {
    channels: Vec<Option<&'a Channel>>,
    next: usize,
    /// The first one of the last part, which also serves all further frames.
    last: usize,
}

impl<'a> Scales<'a> {
    fn of(stream: &'a Stream) -> Self {
        let named = stream.channels.iter().flat_map(|channels| channels.iter());
        let channels: Vec<_> = named.map(|channel| Some(channel).filter(|channel| !channel.is_raw())).collect();
        let is_scaled = channels.iter().any(Option::is_some);
        let of_last = match stream.layout.parts().last() {
            Some(Part::Numbers(numbers)) => numbers.header.numbers().len() + numbers.record.numbers().len(),
            Some(Part::NdArray) => 1,
            _ => 0,
        };
        let last = channels.len().saturating_sub(of_last);
        Self { channels: if is_scaled { channels } else { Vec::new() }, next: 0, last }
    }

    /// Those of so many numbers.
    fn take(&mut self, count: usize) -> &[Option<&'a Channel>] {
        let from = self.next.min(self.channels.len());
        self.next += count;
        self.channels.get(from..self.next.min(self.channels.len())).unwrap_or_default()
    }
}

fn append_frame(content: Content<'_, '_>, scales: &mut Scales<'_>, text: &mut Vec<u8>) {
    match content {
        Content::Bytes(bytes) => append_base64(bytes, text),
        // Writing to a Vec cannot fail.
        Content::Text(words) => drop(json::append(words, text)),
        Content::Json(theirs) => json::append_json(theirs, text),
        Content::Array(_, of, array) => {
            let scale = scales.take(1);
            append_list(array.chunks_exact(of.bytes()).filter_map(|number| of.value(number)), scale, text);
        }
        Content::Numbers(numbers, frame) => {
            let has_header = !numbers.header.numbers().is_empty();
            if has_header {
                text.extend_from_slice(b"{\"header\":");
                append_list(numbers.header_of(frame), scales.take(numbers.header.numbers().len()), text);
                text.extend_from_slice(b",\"records\":");
            }
            append_list(numbers.records_of(frame).flatten(), scales.take(numbers.record.numbers().len()), text);
            if has_header {
                text.push(b'}');
            }
        }
    }
}

/// Append numbers as an array; their channels come again and again in this order.
fn append_list(values: impl Iterator<Item = Value>, channels: &[Option<&Channel>], text: &mut Vec<u8>) {
    text.push(b'[');
    let mut next = channels.iter().cycle();
    for (place, value) in values.enumerate() {
        if place > 0 {
            text.push(b',');
        }
        append_number(value, next.next().copied().flatten(), text);
    }
    text.push(b']');
}

/// JSON has no word for what is no number, which is `null`, and a number beyond all floats for infinity.
pub(super) fn append_number(value: Value, channel: Option<&Channel>, text: &mut Vec<u8>) {
    let value = match channel {
        Some(channel) => Value::Float64(value.as_f64() * channel.scale + channel.offset),
        None => value,
    };
    match value {
        Value::Int(value) => append_integer(value.unsigned_abs(), value < 0, text),
        Value::UInt(value) => append_integer(value, false, text),
        Value::Float32(value) if value.is_finite() => drop(json::append(&value, text)),
        Value::Float64(value) if value.is_finite() => drop(json::append(&value, text)),
        _ => text.extend_from_slice(match value.as_f64() {
            value if value.is_nan() => b"null",
            value if value > 0.0 => b"1e999",
            _ => b"-1e999",
        }),
    }
}

/// Append an integer. Most are of 16 bits: they have up to five digits, which are put there at once.
fn append_integer(size: u64, is_negative: bool, text: &mut Vec<u8>) {
    if is_negative {
        text.push(b'-');
    }
    if size > 99_999 {
        text.extend_from_slice(itoa::Buffer::new().format(size).as_bytes());
        return;
    }
    let size = size as u32;
    let digits = [size / 10_000, size / 1_000 % 10, size / 100 % 10, size / 10 % 10, size % 10, 0, 0, 0];
    let zeros = [10_000, 1_000, 100, 10].into_iter().map(|least| usize::from(size < least)).sum::<usize>();
    // Moved down by the zeros before the first digit. What is put behind the last one is taken away again.
    let word = u64::from_le_bytes(digits.map(|digit| b'0' + digit as u8)) >> (8 * zeros);
    let end = text.len() + 5 - zeros;
    text.extend_from_slice(&word.to_le_bytes());
    text.truncate(end);
}

/// Append bytes in base64, as a string.
pub(super) fn append_base64(bytes: &[u8], text: &mut Vec<u8>) {
    text.push(b'"');
    append_bare_base64(bytes, text);
    text.push(b'"');
}

/// Append bytes in base64.
pub(super) fn append_bare_base64(bytes: &[u8], text: &mut Vec<u8>) {
    let begin = text.len();
    text.resize(begin + bytes.len().div_ceil(3) * 4, b'=');
    if let Some(room) = text.get_mut(begin..) {
        // There is room for all of it.
        let _ = STANDARD.encode_slice(bytes, room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::framing::Framing;
    use crate::message::{Batch, Origin};

    const ARRAY: &[u8] = b"{\"dtype\": \"uint8\", \"shape\": [1]}";

    fn content(layout: &str, channels: Option<&str>, frames: &[&[u8]]) -> Result<String, Undecodable> {
        let stream = Stream {
            endpoint: 1,
            framing: Framing::Frames,
            topic: b"t".to_vec(),
            layout: layout.parse().unwrap(),
            is_assumed: false,
            channels: channels.map(|channels| channels.parse().unwrap()),
            sample_rate_hz: None,
            counter: None,
        };
        let mut batch = Batch::default();
        let mut entry = batch.message(Origin(1), 0, 0);
        entry.frame(&[b"t"]);
        frames.iter().for_each(|frame| entry.frame(&[frame]));
        let mut text = Vec::new();
        append(&stream, batch.messages().next().unwrap(), &mut text)?;
        Ok(String::from_utf8(text).unwrap())
    }

    #[test]
    fn integers_of_any_length_are_written_as_they_are() {
        let ends = (0..20).flat_map(|zeros| [10_u64.pow(zeros) - 1, 10_u64.pow(zeros)]);
        for size in (0..=100_001).chain(ends).chain([u64::MAX]) {
            let written = |value| {
                let mut text = b"1,".to_vec();
                append_number(value, None, &mut text);
                String::from_utf8(text).unwrap()
            };
            assert_eq!(written(Value::UInt(size)), format!("1,{size}"));
            let negative = 0_i64.wrapping_sub_unsigned(size);
            assert_eq!(written(Value::Int(negative)), format!("1,{negative}"));
        }
    }

    #[test]
    fn content_is_json() {
        let floats = [1.5_f32.to_le_bytes(), f32::NAN.to_le_bytes(), f32::INFINITY.to_le_bytes()].concat();
        for (layout, channels, frames, expected) in [
            ("int16", None, vec![&b"\x01\x00\xff\xff"[..]], "[1,-1]"),
            ("int16", None, vec![b""], "[]"),
            ("int16", None, vec![b"\x01\x00", b"", b"\x02\x00"], "[[1],[],[2]]"),
            ("ndarray", None, vec![ARRAY, b"\x01"], "[1]"),
            ("ndarray", None, vec![ARRAY, b"\x01", ARRAY, b"\x02"], "[[1],[2]]"),
            ("float32", None, vec![&floats], "[1.5,null,1e999]"),
            ("int8x2", Some("a:V:0.5,b"), vec![b"\x01\x02\x03\x04"], "[0.5,2,1.5,4]"),
            (
                "text+uint8/int8",
                Some("n,a:V:0.5"),
                vec![b"", b"\x07\x02", b"\x08\x04"],
                r#"["",{"header":[7],"records":[1.0]},{"header":[8],"records":[2.0]}]"#,
            ),
            ("ndarray", Some("a:V:0.5"), vec![ARRAY, b"\x01", ARRAY, b"\x04"], "[[0.5],[2.0]]"),
            ("uint8/int8", None, vec![b"\x07\x01\x02"], r#"[{"header":[7],"records":[1,2]}]"#),
            ("json+int8", None, vec![b" {\"a\": 1}\n", b"\x05"], r#"[{"a": 1},[5]]"#),
            ("text+bytes", None, vec![b"a\"b", b"\x00\x01\x02\x03"], r#"["a\"b","AAECAw=="]"#),
            ("bytes", None, vec![], "[]"),
        ] {
            assert_eq!(content(layout, channels, &frames).unwrap(), expected);
        }
        assert!(content("int16", None, &[b"\x01"]).is_err());
    }
}
