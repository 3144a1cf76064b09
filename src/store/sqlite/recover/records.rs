//! What the bytes of a page say, as the file format of SQLite has it. Nothing is believed: each length is compared with what is
//! there.

use rusqlite::types::ValueRef;

/// Columns of a row. Our tables have 24 at most.
const COLUMNS_MAX: usize = 32;

/// A leaf of a table, ...
const TABLE_LEAF: u8 = 13;
/// ... a leaf of an index, as which a table without row ids is stored, ...
const INDEX_LEAF: u8 = 10;
/// ... and a page above it, which has rows too, ...
const INDEX_INTERIOR: u8 = 2;
/// ... as one of a table has not.
const TABLE_INTERIOR: u8 = 5;

/// The header of the file, which stands before that of the first page.
pub(super) const FILE_HEADER_BYTES: usize = 100;

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A number of SQLite's of one to nine bytes, and what is behind it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for at in 0..8 {
        let byte = *bytes.get(at)?;
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..)?));
        }
    }
    Some((value << 8 | u64::from(*bytes.get(8)?), bytes.get(9..)?))
}

/// Whether a page is one of a tree; and then, whether it leads to others.
pub(super) fn is_of_tree(page: &[u8], is_first: bool) -> Option<bool> {
    match *page.get(if is_first { FILE_HEADER_BYTES } else { 0 })? {
        TABLE_LEAF | INDEX_LEAF => Some(false),
        TABLE_INTERIOR | INDEX_INTERIOR => Some(true),
        _ => None,
    }
}

/// The pages that such a page leads to.
pub(super) fn children(page: &[u8], is_first: bool) -> impl Iterator<Item = u32> {
    let header = if is_first { FILE_HEADER_BYTES } else { 0 };
    let count = u16_at(page, header + 3).unwrap_or_default();
    let cells =
        (0..count.into()).map_while(move |cell: usize| u32_at(page, u16_at(page, header + 12 + 2 * cell)?.into()));
    cells.chain(u32_at(page, header + 8))
}

/// A row on a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell<'a> {
    /// `None` in a table without row ids.
    pub rowid: Option<i64>,
    /// The beginning of the row, ...
    pub local: &'a [u8],
    /// ... its size, ...
    pub bytes: usize,
    /// ... and the page on which it goes on.
    pub overflow: Option<u32>,
}

/// The rows on a page of so many bytes, of which the end may be cut off. Each is `None` where it makes no sense.
pub(super) fn cells(page: &[u8], is_first: bool, page_bytes: usize) -> impl Iterator<Item = Option<Cell<'_>>> {
    let header = if is_first { FILE_HEADER_BYTES } else { 0 };
    let kind = page.get(header).copied().unwrap_or_default();
    let pointers = header + if kind == INDEX_INTERIOR { 12 } else { 8 };
    let count = match kind {
        TABLE_LEAF | INDEX_LEAF | INDEX_INTERIOR => u16_at(page, header + 3).unwrap_or_default().into(),
        _ => 0,
    };
    let most = page_bytes.saturating_sub(pointers) / 2;
    (0..count.min(most)).map(move |number| cell(page, u16_at(page, pointers + 2 * number)?.into(), kind, page_bytes))
}

fn cell(page: &[u8], at: usize, kind: u8, page_bytes: usize) -> Option<Cell<'_>> {
    let bytes = page.get(at..)?;
    let bytes = if kind == INDEX_INTERIOR { bytes.get(4..)? } else { bytes };
    let (payload_bytes, bytes) = varint(bytes)?;
    let payload_bytes = usize::try_from(payload_bytes).ok()?;
    let (rowid, bytes) = match kind {
        TABLE_LEAF => varint(bytes).map(|(rowid, rest)| (Some(rowid as i64), rest))?,
        _ => (None, bytes),
    };
    // So much of a row stays on its page. The numbers are those of the file format.
    let most = if kind == TABLE_LEAF { page_bytes - 35 } else { (page_bytes - 12) * 64 / 255 - 23 };
    let least = (page_bytes - 12) * 32 / 255 - 23;
    if payload_bytes <= most {
        return Some(Cell { rowid, local: bytes.get(..payload_bytes)?, bytes: payload_bytes, overflow: None });
    }
    let wanted = least + (payload_bytes - least) % (page_bytes - 4);
    let local_bytes = if wanted <= most { wanted } else { least };
    let overflow = Some(u32_at(bytes, local_bytes)?);
    Some(Cell { rowid, local: bytes.get(..local_bytes)?, bytes: payload_bytes, overflow })
}

/// Where the columns of a row are, as its header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    kinds: [u64; COLUMNS_MAX],
    count: usize,
    header_bytes: usize,
}

impl Columns {
    /// Of a row of this size. The header is in its beginning; `None` if it makes no sense.
    pub fn of(row: &[u8], row_bytes: usize) -> Option<Self> {
        let (header_bytes, rest) = varint(row)?;
        let header_bytes = usize::try_from(header_bytes).ok()?;
        let first = row.len() - rest.len();
        let mut header = row.get(first..header_bytes)?;
        let mut columns = Self { kinds: [0; COLUMNS_MAX], count: 0, header_bytes };
        let mut bytes = header_bytes;
        while !header.is_empty() {
            let (kind, rest) = varint(header)?;
            *columns.kinds.get_mut(columns.count)? = kind;
            columns.count += 1;
            bytes = bytes.checked_add(value_bytes(kind)?)?;
            header = rest;
        }
        (bytes == row_bytes).then_some(columns)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The letter of what each of them is: n(ull), i(nteger), r(eal), t(ext), b(lob).
    pub fn letters(&self) -> impl Iterator<Item = u8> {
        self.kinds.iter().take(self.count).map(|kind| match kind {
            0 => b'n',
            7 => b'r',
            kind if *kind < 12 => b'i',
            kind if kind % 2 == 0 => b'b',
            _ => b't',
        })
    }

    /// The value of one of them, if it is in this beginning of the row.
    pub fn value<'a>(&self, row: &'a [u8], column: usize) -> Option<ValueRef<'a>> {
        let kind = *self.kinds.get(..self.count)?.get(column)?;
        let before = self
            .kinds
            .iter()
            .take(column)
            .try_fold(self.header_bytes, |sum, kind| sum.checked_add(value_bytes(*kind)?))?;
        let bytes = row.get(before..)?.get(..value_bytes(kind)?)?;
        Some(match kind {
            0 => ValueRef::Null,
            7 => ValueRef::Real(f64::from_be_bytes(bytes.try_into().ok()?)),
            8 | 9 => ValueRef::Integer(kind as i64 - 8),
            kind if kind < 7 => {
                let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
                let start = if negative { -1 } else { 0 };
                ValueRef::Integer(bytes.iter().fold(start, |value: i64, byte| value << 8 | i64::from(*byte)))
            }
            kind if kind % 2 == 0 => ValueRef::Blob(bytes),
            _ => ValueRef::Text(bytes),
        })
    }

    /// A value that must be an integer.
    pub fn integer(&self, row: &[u8], column: usize) -> Option<i64> {
        match self.value(row, column)? {
            ValueRef::Integer(value) => Some(value),
            _ => None,
        }
    }
}

/// How many bytes a value of this kind takes.
fn value_bytes(kind: u64) -> Option<usize> {
    match kind {
        0 | 8 | 9 => Some(0),
        1..=4 => Some(kind as usize),
        5 => Some(6),
        6 | 7 => Some(8),
        10 | 11 => None,
        _ => usize::try_from((kind - 12) / 2).ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_of_all_lengths_are_read() {
        for (bytes, value) in
            [(&b"\x00"[..], 0), (b"\x7f", 127), (b"\x81\x00", 128), (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff", u64::MAX)]
        {
            assert_eq!(varint(bytes), Some((value, &b""[..])));
        }
        assert_eq!(varint(b"\x81"), None);
        assert_eq!(varint(b""), None);
    }

    #[test]
    fn a_row_is_read_column_by_column() {
        let row = b"\x08\x00\x01\x02\x09\x07\x10\x13\xff\x01\x00\x3f\xf8\0\0\0\0\0\0abxyz";
        let columns = Columns::of(row, row.len()).unwrap();
        assert_eq!(columns.letters().collect::<Vec<_>>(), b"niiirbt");
        assert_eq!(columns.integer(row, 1), Some(-1));
        assert_eq!(columns.integer(row, 2), Some(256));
        assert_eq!(columns.integer(row, 3), Some(1));
        assert_eq!(columns.value(row, 4), Some(ValueRef::Real(1.5)));
        assert_eq!(columns.value(row, 5), Some(ValueRef::Blob(b"ab")));
        assert_eq!(columns.value(row, 6), Some(ValueRef::Text(b"xyz")));
        assert_eq!(columns.value(row, 7), None);
        assert!(Columns::of(row, row.len() + 1).is_none());
    }

    proptest! {
        #[test]
        fn any_page_is_read_or_not(mut page in prop::collection::vec(any::<u8>(), 0..1024), kind in 0..4_usize) {
            if let Some(first) = page.first_mut() {
                *first = [TABLE_LEAF, INDEX_LEAF, INDEX_INTERIOR, TABLE_INTERIOR][kind];
            }
            for cell in cells(&page, false, 1024).flatten() {
                prop_assert!(cell.local.len() <= page.len());
                if let Some(columns) = Columns::of(cell.local, cell.bytes) {
                    (0..columns.count()).for_each(|column| _ = columns.value(cell.local, column));
                }
            }
        }
    }
}
