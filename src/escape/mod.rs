//! Text from outside, made safe to show: no character of it moves a cursor, ends a line, is invisible, or turns the direction
//! of writing around. Each kind of output has one way: [`line()`] and [`lines`] for people, [`html`] for browsers, [`json`] and [`csv`] for programs.

pub mod csv;
pub mod html;
pub mod json;
pub mod shell;

use std::borrow::Cow;
use std::fmt::{self, Write};

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a character is never shown as it is: a control character (C0, DEL, C1), an end of a line or paragraph, one that
/// turns the direction of writing around, or one without a width.
pub fn must_escape(char: char) -> bool {
    matches!(
        char,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Text as a part of one line: `a\nb`, `\x1b[2J`, `\u{202e}`. Text that was escaped before stays what it is.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// Bytes that are text, or nearly: as [`line()`], and what is no UTF-8 as `\xff`.
pub fn bytes(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(&line(chunk.valid()));
        // Writing to a String cannot fail.
        chunk.invalid().iter().for_each(|byte| _ = write!(text, "\\x{byte:02x}"));
    }
    text
}

/// Text whose ends of lines are ours.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |char| char == '\n')
}

fn escaped(text: &str, is_kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_bad = |char| must_escape(char) && !is_kept(char);
    if is_plain(text) || !text.contains(is_bad) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match is_bad(char) {
            true => push(char, &mut escaped),
            false => escaped.push(char),
        }
    }
    Cow::Owned(escaped)
}

/// Append the name of a character: `\n`, `\x1b`, `\u{202e}`.
pub fn push(char: char, text: &mut String) {
    match char {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        // Writing to a String cannot fail.
        _ if char.is_ascii() => _ = write!(text, "\\x{:02x}", u32::from(char)),
        _ => _ = write!(text, "\\u{{{:x}}}", u32::from(char)),
    }
}

/// Writes one [`line()`], whatever is written to it.
#[derive(Debug)]
pub struct Line<W>(pub W);

impl<W: Write> Write for Line<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(&line(text))
    }
}

/// Whether nothing in a text can be escaped, as in nearly all: found many bytes at a time.
fn is_plain(text: &str) -> bool {
    // Besides control characters, the first bytes of all characters that are escaped; they are those of some others too.
    let is_plain = |byte: u8| byte >= b' ' && !matches!(byte, 0x7f | 0xc2 | 0xd8 | 0xe2 | 0xef | 0xf3);
    text.as_bytes().chunks(64).all(|bytes| bytes.iter().fold(true, |all, &byte| all & is_plain(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_named() {
        for (text, expected) in [
            ("a\r\n\tb\0", "a\\r\\n\\tb\\x00"),
            ("\x1b]0;x\x07\x7f", "\\x1b]0;x\\x07\\x7f"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("a\u{202e}b\u{2066}\u{200f}\u{61c}", "a\\u{202e}b\\u{2066}\\u{200f}\\u{61c}"),
            ("a\u{200b}\u{2060}\u{feff}\u{2028}", "a\\u{200b}\\u{2060}\\u{feff}\\u{2028}"),
            ("23 \u{b0}C gr\u{fc}n \u{6e29}\u{5ea6} \u{1f600}\\", "23 \u{b0}C gr\u{fc}n \u{6e29}\u{5ea6} \u{1f600}\\"),
        ] {
            assert_eq!(line(text), expected);
            assert_eq!(line(expected), expected);
            let mut written = String::new();
            Line(&mut written).write_str(text).unwrap();
            assert_eq!(written, expected);
        }
        assert_eq!(lines("a\nb\r\n"), "a\nb\\r\n");
        assert_eq!(bytes(b"gr\xc3\xbcn \xff\x1b\xc3"), "gr\u{fc}n \\xff\\x1b\\xc3");
    }

    #[test]
    fn every_control_character_is_escaped() {
        for char in ('\0'..=char::MAX).filter(|char| char.is_control()) {
            assert!(must_escape(char), "{char:?}");
        }
        for char in ('\0'..=char::MAX).filter(|char| must_escape(*char)) {
            assert!(!is_plain(&char.to_string()), "{char:?}");
        }
    }
}
