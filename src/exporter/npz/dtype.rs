//! How a message is a row of a numpy array: the text that stands in the head of a NPY file.

use crate::codec::layout::{Fields, Numbers, Placed};
use crate::codec::number::{Scalar, Type, Value};
use crate::exporter::columns::Column;

/// What stands before the numbers in each row: nanoseconds since 1970 and since the session began, and the number of the message.
pub(super) const STAMP: &str = "('time', '<M8[ns]'), ('elapsed_ns', '<i8'), ('number', '<i8')";

/// A row whose numbers are those of a header and so many records. Bytes that are skipped are skipped by numpy too.
pub(super) fn of_row(numbers: &Numbers, columns: &[Column], records: usize) -> String {
    let is_kept = !has_int24(numbers);
    let (header, record) = columns.split_at(numbers.header.numbers().len().min(columns.len()));
    let mut fields = vec![STAMP.to_owned()];
    fields.extend(of_fields(&numbers.header, header, is_kept));
    let inner = of_fields(&numbers.record, record, is_kept);
    match (records, inner.as_slice()) {
        (1, _) => fields.extend(inner),
        // One channel needs no record around it.
        (_, [only]) => fields.push(format!("{}, ({records},))", only.trim_end_matches(')'))),
        _ => fields.push(format!("('records', [{}], ({records},))", inner.join(", "))),
    }
    format!("[{}]", fields.join(", "))
}

/// A row of the header alone, with how many records follow from which one on.
pub(super) fn of_header(numbers: &Numbers, columns: &[Column]) -> String {
    let mut fields = vec![STAMP.to_owned()];
    fields.extend(of_fields(&numbers.header, columns, !has_int24(numbers)));
    fields.push("('first_record', '<i8'), ('records', '<i8')".to_owned());
    format!("[{}]", fields.join(", "))
}

/// A record alone.
pub(super) fn of_record(numbers: &Numbers, columns: &[Column]) -> String {
    let record = columns.get(numbers.header.numbers().len()..).unwrap_or_default();
    format!("[{}]", of_fields(&numbers.record, record, !has_int24(numbers)).join(", "))
}

/// Whether there are numbers that numpy has no type for.
pub(super) fn has_int24(numbers: &Numbers) -> bool {
    let all = numbers.header.numbers().iter().chain(numbers.record.numbers());
    all.into_iter().any(|number| number.of.kind == Scalar::Int24)
}

/// So many bytes each number, or header, or record takes in a row.
pub(super) fn row_bytes(fields: &Fields, is_kept: bool) -> usize {
    if is_kept { fields.bytes() } else { fields.numbers().iter().map(|number| widened(number.of).bytes()).sum() }
}

/// Append the numbers of a header or record without what is skipped, int24 as int32.
pub(super) fn append_widened(fields: &Fields, bytes: &[u8], row: &mut Vec<u8>) {
    for &Placed { of, offset } in fields.numbers() {
        let Some(number) = bytes.get(offset..offset + of.bytes()) else { return };
        match of.value(number) {
            Some(Value::Int(value)) if of.kind == Scalar::Int24 => {
                row.extend_from_slice(&(value as i32).to_le_bytes());
            }
            _ => row.extend_from_slice(number),
        }
    }
}

fn of_fields(fields: &Fields, columns: &[Column], is_kept: bool) -> Vec<String> {
    let mut texts = Vec::new();
    let mut end = 0;
    let skip = |from: usize, to: usize, texts: &mut Vec<String>| {
        if is_kept && to > from {
            texts.push(format!("('', '|V{}')", to - from));
        }
    };
    for (number, column) in fields.numbers().iter().zip(columns) {
        skip(end, number.offset, &mut texts);
        end = number.offset + number.of.bytes();
        texts.push(format!("({}, '{}')", quoted(&column.name), code(number.of)));
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
pub(super) fn head(dtype: &str, rows: u64) -> Vec<u8> {
    // Where the array begins is a multiple of this.
    const ALIGNED_BYTES: usize = 64;
    let mut words = format!("{{'descr': {dtype}, 'fortran_order': False, 'shape': ({rows},), }}");
    let is_first_version = words.is_ascii() && words.len() + ALIGNED_BYTES < usize::from(u16::MAX);
    let before = if is_first_version { 10 } else { 12 };
    let padding = ALIGNED_BYTES - (before + words.len() + 1) % ALIGNED_BYTES;
    words.push_str(&" ".repeat(padding));
    words.push('\n');
    let mut head = b"\x93NUMPY".to_vec();
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
