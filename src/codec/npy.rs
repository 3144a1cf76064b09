//! A message as a row of a numpy array, and the text at the beginning of a NPY file that says so.

use crate::codec::layout::{Fields, Numbers, Placed};
use crate::codec::number::{Scalar, Type, Value};

/// What stands before the numbers in each row: nanoseconds since 1970 and since the session began, and the number of the message.
const STAMP: &str = "('time', '<M8[ns]'), ('elapsed_ns', '<i8'), ('number', '<i8')";

/// So many bytes are that.
pub const STAMP_BYTES: usize = 24;

/// The columns of a row that are no channels.
pub const FIXED: [&str; 5] = ["time", "elapsed_ns", "number", "first_record", "records"];

/// What a NPY file begins with.
pub const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// The type of the lengths of frames.
pub const LENGTHS: &str = "'<u4'";

/// The type of bytes.
pub const BYTES: &str = "'|u1'";

/// A row whose numbers are those of a header and so many records. Bytes that are skipped are skipped by numpy too.
pub fn of_row(numbers: &Numbers, names: &[&str], records: usize) -> String {
    let (header, record) = names.split_at(numbers.header.numbers().len().min(names.len()));
    let mut fields = vec![STAMP.to_owned()];
    fields.extend(of_fields(&numbers.header, header));
    let inner = of_fields(&numbers.record, record);
    match (records, inner.as_slice()) {
        (1, _) => fields.extend(inner),
        // One channel needs no record around it.
        (_, [only]) => fields.push(format!("{}, ({records},))", only.trim_end_matches(')'))),
        _ => fields.push(format!("('records', [{}], ({records},))", inner.join(", "))),
    }
    format!("[{}]", fields.join(", "))
}

/// A row of the header alone, with how many records follow from which one on.
pub fn of_header(numbers: &Numbers, names: &[&str]) -> String {
    let mut fields = vec![STAMP.to_owned()];
    fields.extend(of_fields(&numbers.header, names));
    fields.push("('first_record', '<i8'), ('records', '<i8')".to_owned());
    format!("[{}]", fields.join(", "))
}

/// A record alone.
pub fn of_record(numbers: &Numbers, names: &[&str]) -> String {
    let record = names.get(numbers.header.numbers().len()..).unwrap_or_default();
    format!("[{}]", of_fields(&numbers.record, record).join(", "))
}

/// A message that is no row of numbers: how many frames it has from which one on.
pub fn of_frames() -> String {
    format!("[{STAMP}, ('first_frame', '<i8'), ('frames', '<i8')]")
}

/// Whether there are numbers that numpy has no type for.
pub fn has_int24(numbers: &Numbers) -> bool {
    let all = numbers.header.numbers().iter().chain(numbers.record.numbers());
    all.into_iter().any(|number| number.of.kind == Scalar::Int24)
}

/// So many bytes a header or record takes in a row.
pub fn row_bytes(fields: &Fields) -> usize {
    let grown = |number: &Placed| widened(number.of).bytes() - number.of.bytes();
    fields.bytes() + fields.numbers().iter().map(grown).sum::<usize>()
}

/// Append a header or record as it is in a row: int24 as int32.
pub fn widen(fields: &Fields, bytes: &[u8], row: &mut Vec<u8>) {
    let mut end = 0;
    for &Placed { of, offset } in fields.numbers() {
        row.extend_from_slice(bytes.get(end..offset).unwrap_or_default());
        end = offset + of.bytes();
        let number = bytes.get(offset..end).unwrap_or_default();
        match of.value(number) {
            Some(Value::Int(value)) if of.kind == Scalar::Int24 => {
                row.extend_from_slice(&(value as i32).to_le_bytes());
            }
            _ => row.extend_from_slice(number),
        }
    }
    row.extend_from_slice(bytes.get(end..).unwrap_or_default());
}

/// Append a header or record as it was sent, out of what it is in a row. `None`: one of the numbers does not fit.
pub fn narrow(fields: &Fields, row: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
    let (mut rest, mut end) = (row, 0);
    for &Placed { of, offset } in fields.numbers() {
        let (skipped, behind) = rest.split_at_checked(offset.checked_sub(end)?)?;
        let (number, behind) = behind.split_at_checked(widened(of).bytes())?;
        bytes.extend_from_slice(skipped);
        (rest, end) = (behind, offset + of.bytes());
        if of.kind != Scalar::Int24 {
            bytes.extend_from_slice(number);
            continue;
        }
        let value = i32::from_le_bytes(number.try_into().ok()?);
        let mut three = [0; 3];
        of.put(value as u64, &mut three);
        if of.value(&three) != Some(Value::Int(i64::from(value))) {
            return None;
        }
        bytes.extend_from_slice(&three);
    }
    bytes.extend_from_slice(rest);
    Some(())
}

fn of_fields(fields: &Fields, names: &[&str]) -> Vec<String> {
    let mut texts = Vec::new();
    let mut end = 0;
    let skip = |from: usize, to: usize, texts: &mut Vec<String>| {
        if to > from {
            texts.push(format!("('', '|V{}')", to - from));
        }
    };
    for (number, name) in fields.numbers().iter().zip(names) {
        skip(end, number.offset, &mut texts);
        end = number.offset + number.of.bytes();
        texts.push(format!("({}, '{}')", quoted(name), code(number.of)));
    }
    skip(end, fields.bytes(), &mut texts);
    texts
}

/// The type that a number has in a row.
fn widened(of: Type) -> Type {
    match of.kind {
        Scalar::Int24 => Type { kind: Scalar::Int32, is_big_endian: false },
        _ => of,
    }
}

/// As numpy writes a type.
fn code(of: Type) -> String {
    let of = widened(of);
    let kind = match of.kind {
        Scalar::Int8 | Scalar::Int16 | Scalar::Int24 | Scalar::Int32 | Scalar::Int64 => 'i',
        Scalar::UInt8 | Scalar::UInt16 | Scalar::UInt32 | Scalar::UInt64 => 'u',
        Scalar::Float32 | Scalar::Float64 => 'f',
    };
    let order = match (of.bytes(), of.is_big_endian) {
        (1, _) => '|',
        (_, true) => '>',
        (_, false) => '<',
    };
    format!("{order}{kind}{}", of.bytes())
}

/// A name as Python writes it. It has no control characters.
fn quoted(name: &str) -> String {
    format!("'{}'", name.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The head of a NPY file: an array of so many rows.
pub fn head(dtype: &str, rows: u64) -> Vec<u8> {
    // Where the array begins is a multiple of this.
    const ALIGNED_BYTES: usize = 64;
    let mut words = format!("{{'descr': {dtype}, 'fortran_order': False, 'shape': ({rows},), }}");
    let is_first_version = words.is_ascii() && words.len() + ALIGNED_BYTES < usize::from(u16::MAX);
    let before = if is_first_version { 10 } else { 12 };
    let padding = ALIGNED_BYTES - (before + words.len() + 1) % ALIGNED_BYTES;
    words.push_str(&" ".repeat(padding));
    words.push('\n');
    let mut head = MAGIC.to_vec();
    match is_first_version {
        true => {
            head.extend_from_slice(&[1, 0]);
            head.extend_from_slice(&(words.len() as u16).to_le_bytes());
        }
        // UTF-8, and a length of 32 bits.
        false => {
            head.extend_from_slice(&[3, 0]);
            head.extend_from_slice(&(words.len() as u32).to_le_bytes());
        }
    }
    head.extend_from_slice(words.as_bytes());
    head
}

/// The type and the number of rows of the words in the head of a NPY file, if it has one dimension.
pub fn read_head(words: &str) -> Option<(&str, u64)> {
    let (dtype, shape) =
        words.trim().strip_prefix("{'descr': ")?.rsplit_once(", 'fortran_order': False, 'shape': (")?;
    let (rows, end) = shape.split_once(",)")?;
    [", }", "}"].contains(&end).then_some(())?;
    Some((dtype, rows.parse().ok()?))
}

/// Whether two types are the same but for the names of their fields.
pub fn is_same(dtype: &str, other: &str) -> bool {
    nameless(dtype).is_some_and(|dtype| nameless(other) == Some(dtype))
}

/// A type without the names of its fields, and without blanks.
fn nameless(dtype: &str) -> Option<String> {
    let mut bare = String::new();
    let mut chars = dtype.chars();
    while let Some(char) = chars.next() {
        match char {
            quote @ ('\'' | '"') => {
                // The name of a field stands behind its bracket.
                let is_name = bare.ends_with('(');
                loop {
                    match chars.next()? {
                        '\\' => drop(chars.next()?),
                        char if char == quote => break,
                        char if !is_name => bare.push(char),
                        _ => {}
                    }
                }
            }
            char if char.is_whitespace() => {}
            char => bare.push(char),
        }
    }
    Some(bare)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::layout::{Layout, Part};

    fn numbers(layout: &str) -> Numbers {
        let layout: Layout = layout.parse().unwrap();
        let [Part::Numbers(numbers)] = layout.parts() else { panic!("no numbers") };
        numbers.clone()
    }

    #[test]
    fn types_are_the_same_whatever_their_fields_are_called() {
        let sent = numbers("uint32/pad,int24-be,float64-be");
        for records in [0, 1, 7] {
            let dtype = of_row(&sent, &["n", "it's (\\) ', '", "\u{fc}"], records);
            assert!(is_same(&dtype, &of_row(&sent, &["", "", ""], records)), "{dtype}");
            assert!(!is_same(&dtype, &of_row(&sent, &["n", "x", "y"], records + 2)), "{dtype}");
            let other = numbers("uint32/pad,int24-be,float64");
            assert!(!is_same(&dtype, &of_row(&other, &["n", "x", "y"], records)), "{dtype}");
        }
        let dtype = of_row(&numbers("int16"), &["ch0"], 16);
        assert!(dtype.ends_with(", ('ch0', '<i2', (16,))]"), "{dtype}");
        assert!(is_same("'|u1'", " \"|u1\"") && !is_same("'|u1'", "'|u1") && !is_same("'", "'"));
    }

    #[test]
    fn a_head_says_type_and_rows() {
        for (dtype, version) in
            [("'<u4'", 1), ("[('\u{fc}', '<u4')]", 3), (&*format!("[('{}', '<u4')]", "x".repeat(70_000)), 3)]
        {
            let head = head(dtype, 12);
            assert_eq!((head.len() % 64, head[6]), (0, version));
            let words = &head[if version == 1 { 10 } else { 12 }..];
            assert_eq!(read_head(std::str::from_utf8(words).unwrap()), Some((dtype, 12)));
        }
        let of_numpy = "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }   \n";
        assert_eq!(read_head(of_numpy), Some(("'<f8'", 3)));
        for other in ["(3, 2), }", "(), }", "(3,)", "(-3,), }", "(99999999999999999999,), }"] {
            assert_eq!(read_head(&of_numpy.replace("(3,), }", other)), None, "{other}");
        }
        assert_eq!(read_head(&of_numpy.replace("False", "True")), None);
    }

    proptest! {
        #[test]
        fn what_is_widened_comes_back(bytes in prop::collection::vec(any::<u8>(), 14)) {
            let fields = numbers("padx2,int24-be,int16,int24,pad,uint8,padx2").record;
            let (mut row, mut back) = (Vec::new(), Vec::new());
            widen(&fields, &bytes, &mut row);
            prop_assert_eq!(row.len(), row_bytes(&fields));
            prop_assert_eq!(narrow(&fields, &row, &mut back), Some(()));
            prop_assert_eq!(back, bytes);
            // Beyond 24 bits.
            row[5] ^= 0x80;
            prop_assert_eq!(narrow(&fields, &row, &mut Vec::new()), None);
            prop_assert_eq!(narrow(&fields, &row[..9], &mut Vec::new()), None);
        }

        #[test]
        fn any_head_is_read_or_refused(words in "[{}'a-z(): ,0-9\\\\\"]{0,60}") {
            let _ = read_head(&words);
            let _ = nameless(&words);
        }
    }
}
