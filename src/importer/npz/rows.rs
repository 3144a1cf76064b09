//! The messages of one stream, out of the rows of its arrays.

use crate::codec::framing::{Framing, SEPARATOR};
use crate::codec::layout::Numbers;
use crate::codec::npy::{self, BYTES, LENGTHS, STAMP_BYTES};
use crate::importer::Read;
use crate::importer::npz::array::Array;
use crate::message::{FRAME_COST_BYTES, MESSAGE_MAX_BYTES};

/// What stands before the numbers of a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stamp {
    pub unix_ns: i64,
    pub elapsed_ns: i64,
    /// Which message of the session it is.
    pub number: i64,
}

/// The frames of a message: all bytes, and where each frame ends.
#[derive(Debug, Default)]
pub(super) struct Frames {
    pub bytes: Vec<u8>,
    pub ends: Vec<usize>,
    /// Numbers as they stand in a row.
    row: Vec<u8>,
}

impl Frames {
    /// The frames.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(from, &to)| self.bytes.get(from..to).unwrap_or_default())
    }
}

/// Rows, of which one is a message.
#[derive(Debug)]
pub(super) struct Rows<'f> {
    array: Array<'f>,
    left: u64,
    of: Of<'f>,
}

/// Where what is behind the stamp of a row is.
#[derive(Debug)]
enum Of<'f> {
    /// In the row. They are kept if they are not the same as in the message.
    Row(Option<Numbers>),
    /// The header in the row, and the records in an array of their own.
    Records { widened: Option<Numbers>, header_bytes: u64, record_bytes: u64, records: Array<'f>, first: i64 },
    /// In arrays of lengths and of bytes.
    Frames { lengths: Array<'f>, bytes: Array<'f>, first: i64 },
}

impl<'f> Rows<'f> {
    /// Messages that are rows of numbers, whose records are in the row or in an array of their own.
    pub fn of_numbers(mut array: Array<'f>, records: Option<Array<'f>>, numbers: &Numbers, layout: &str) -> Read<Self> {
        let names = vec![""; numbers.header.numbers().len() + numbers.record.numbers().len()];
        let widened = npy::has_int24(numbers).then(|| numbers.clone());
        let header_bytes = npy::row_bytes(&numbers.header) as u64;
        let record_bytes = npy::row_bytes(&numbers.record) as u64;
        let of_layout = format!("layout {layout}");
        let of = match records {
            None => {
                let bytes = array.row_bytes().saturating_sub(STAMP_BYTES as u64).saturating_sub(header_bytes);
                let count = bytes.checked_div(record_bytes).unwrap_or_default();
                array.expect(&npy::of_row(numbers, &names, count as usize), &of_layout)?;
                if STAMP_BYTES as u64 + header_bytes + count * record_bytes != array.row_bytes() {
                    return Err(array.damaged("has rows that are not as long as their type"));
                }
                Of::Row(widened)
            }
            Some(mut records) => {
                array.expect(&npy::of_header(numbers, &names), &of_layout)?;
                records.expect(&npy::of_record(numbers, &names), &of_layout)?;
                Of::Records { widened, header_bytes, record_bytes, records, first: 0 }
            }
        };
        Ok(Self { left: array.rows(), array, of })
    }

    /// Messages that are frames of bytes.
    pub fn of_frames(mut array: Array<'f>, mut lengths: Array<'f>, mut bytes: Array<'f>) -> Read<Self> {
        array.expect(&npy::of_frames(), "messages")?;
        lengths.expect(LENGTHS, "lengths of frames")?;
        bytes.expect(BYTES, "bytes")?;
        Ok(Self { left: array.rows(), array, of: Of::Frames { lengths, bytes, first: 0 } })
    }

    /// How many messages are left.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The stamp of the next message, if there is one. Its frames follow.
    pub fn next(&mut self) -> Read<Option<Stamp>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let [unix_ns, elapsed_ns, number] = numbers_of(&mut self.array)?;
        Ok(Some(Stamp { unix_ns, elapsed_ns, number }))
    }

    /// Read the frames of the message whose stamp was read last.
    pub fn frames(&mut self, framing: Framing, topic: &[u8], frames: &mut Frames) -> Read<()> {
        frames.bytes.clear();
        frames.ends.clear();
        frames.bytes.extend_from_slice(topic);
        match framing {
            Framing::Space => frames.bytes.push(SEPARATOR),
            Framing::Frames => frames.ends.push(topic.len()),
            Framing::Whole => {}
        }
        match &mut self.of {
            Of::Row(widened) => {
                let bytes = self.array.row_bytes().saturating_sub(STAMP_BYTES as u64);
                match widened {
                    None => append(&mut self.array, bytes, &mut frames.bytes)?,
                    Some(numbers) => {
                        frames.row.clear();
                        append(&mut self.array, bytes, &mut frames.row)?;
                        narrow(&self.array, numbers, frames)?;
                    }
                }
                frames.ends.push(frames.bytes.len());
            }
            Of::Records { widened, header_bytes, record_bytes, records, first } => {
                let into = if widened.is_some() { &mut frames.row } else { &mut frames.bytes };
                if widened.is_some() {
                    into.clear();
                }
                append(&mut self.array, *header_bytes, into)?;
                let count = counted(&mut self.array, first)?;
                append(records, count.saturating_mul(*record_bytes), into)?;
                if let Some(numbers) = widened {
                    narrow(records, numbers, frames)?;
                }
                frames.ends.push(frames.bytes.len());
            }
            Of::Frames { lengths, bytes, first } => {
                let count = counted(&mut self.array, first)?;
                if count.saturating_mul(FRAME_COST_BYTES as u64) > MESSAGE_MAX_BYTES as u64 {
                    return Err(self.array.damaged(format!("has a message of {count} frames")));
                }
                for _ in 0..count {
                    let mut length = [0; 4];
                    lengths.fill(&mut length)?;
                    append(bytes, u32::from_le_bytes(length).into(), &mut frames.bytes)?;
                    frames.ends.push(frames.bytes.len());
                }
            }
        }
        match framing == Framing::Space && frames.ends.len() != 1 {
            true => Err(self
                .array
                .damaged("has a message of several frames, whose topic is before a space in the only one")),
            false => Ok(()),
        }
    }

    /// All of its arrays must have been read.
    pub fn end(self) -> Read<()> {
        self.array.end()?;
        match self.of {
            Of::Row(_) => Ok(()),
            Of::Records { records, .. } => records.end(),
            Of::Frames { lengths, bytes, .. } => lengths.end().and_then(|()| bytes.end()),
        }
    }
}

/// Read so many bytes of a message, if it can be that large.
fn append(array: &mut Array<'_>, bytes: u64, into: &mut Vec<u8>) -> Read<()> {
    // In a row int24 takes four bytes.
    if bytes.saturating_add(into.len() as u64) > 2 * MESSAGE_MAX_BYTES as u64 {
        return Err(array.damaged("has a message that is too large"));
    }
    array.append(bytes, into)
}

/// How many follow, which must be those behind the ones before.
fn counted(array: &mut Array<'_>, first: &mut i64) -> Read<u64> {
    let [from, count] = numbers_of(array)?;
    let is_next = from == *first && count >= 0;
    *first = first.saturating_add(count);
    match u64::try_from(count) {
        Ok(count) if is_next => Ok(count),
        _ => Err(array.damaged("has a row whose part is not behind that of the row before")),
    }
}

/// Append the numbers of a row as they were sent.
fn narrow(array: &Array<'_>, numbers: &Numbers, frames: &mut Frames) -> Read<()> {
    let Frames { bytes, row, .. } = frames;
    let (header, records) = row.split_at_checked(npy::row_bytes(&numbers.header)).unwrap_or_default();
    let record_bytes = npy::row_bytes(&numbers.record).max(1);
    npy::narrow(&numbers.header, header, bytes)
        .and_then(|()| records.chunks(record_bytes).try_for_each(|record| npy::narrow(&numbers.record, record, bytes)))
        .ok_or_else(|| array.damaged("has a number that is no int24"))
}

fn numbers_of<const N: usize>(array: &mut Array<'_>) -> Read<[i64; N]> {
    let mut numbers = [[0; 8]; N];
    array.fill(numbers.as_flattened_mut())?;
    Ok(numbers.map(i64::from_le_bytes))
}
