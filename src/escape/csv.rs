//! Text in a cell of a table that programs read.

use std::borrow::Cow;

use super::{must_escape, push};

/// A cell that holds these bytes and nothing else: `\\` is a backslash, `\n`, `\r`, `\t`, `\x1b` and `\u{202e}` are characters
/// that are not written as they are, and `\xff` is a byte that is no UTF-8. What a spreadsheet would take for a formula
/// begins with `\x3d` for its `=`, and so do those with `+`, `-` and `@`.
pub fn cell(bytes: &[u8]) -> Cow<'_, [u8]> {
    let begins_formula = |char| matches!(char, '=' | '+' | '-' | '@');
    let is_bad = |char| must_escape(char) || char == '\\';
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.starts_with(begins_formula)
        && !text.contains(is_bad)
    {
        return Cow::Borrowed(bytes);
    }
    let mut cell = String::new();
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\\' => cell.push_str("\\\\"),
                _ if is_bad(char) || (cell.is_empty() && begins_formula(char)) => push(char, &mut cell),
                _ => cell.push(char),
            }
        }
        chunk.invalid().iter().for_each(|byte| cell.push_str(&format!("\\x{byte:02x}")));
    }
    Cow::Owned(cell.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_text_and_no_formula() {
        for (bytes, expected) in [
            (&b"data"[..], "data"),
            (b"a=b -c", "a=b -c"),
            ("gr\u{fc}n".as_bytes(), "gr\u{fc}n"),
            (b"=1+1", "\\x3d1+1"),
            (b"+1", "\\x2b1"),
            (b"-1", "\\x2d1"),
            (b"@a", "\\x40a"),
            (b"a\\n", "a\\\\n"),
            (b"a\n\x1b\xff", "a\\n\\x1b\\xff"),
            ("\u{202e}\u{9b}".as_bytes(), "\\u{202e}\\u{9b}"),
            (b"", ""),
        ] {
            assert_eq!(String::from_utf8(cell(bytes).into_owned()).unwrap(), expected);
        }
    }
}
