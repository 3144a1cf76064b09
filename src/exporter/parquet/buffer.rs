//! The values of one column until its row group is written, in as many bytes as they had on the wire.

use std::iter;

use bytes::Bytes;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::Result;
use parquet::file::writer::SerializedColumnWriter;

use crate::codec::number::{Scalar, Value};
use crate::exporter::columns::{Cell, Kind};

/// Values that are handed over at once; those of one row always are.
const CHUNK_VALUES: usize = 8192;

/// How many values a row has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exporter) enum Shape {
    /// Always one.
    Required,
    /// One, or null.
    Optional,
    /// Any number, or null.
    List,
}

/// The values of one column.
#[derive(Debug)]
pub(super) struct Buffer {
    kind: Kind,
    shape: Shape,
    /// Numbers with the least significant byte first, or what else it is, one behind the other.
    bytes: Vec<u8>,
    /// How long those are that are no numbers.
    lengths: Vec<u32>,
    /// The rows that are not null.
    runs: Vec<Run>,
    /// Values in these rows.
    done: usize,
    /// What it took when the last row was complete.
    held_before_bytes: usize,
}

/// Rows one behind the other that have as many values each.
#[derive(Clone, Copy, Debug)]
struct Run {
    first_row: u32,
    rows: u32,
    values: u32,
}

impl Buffer {
    pub fn new(kind: Kind, shape: Shape) -> Self {
        Self { kind, shape, bytes: Vec::new(), lengths: Vec::new(), runs: Vec::new(), done: 0, held_before_bytes: 0 }
    }

    /// One more value of the row that comes next.
    pub fn push(&mut self, cell: Cell<'_>) {
        match (cell, self.kind) {
            (Cell::Number(value), Kind::Number(of)) => {
                let bits = match (value, of) {
                    (Value::Float32(value), Scalar::Float32) => u64::from(value.to_bits()),
                    (value, Scalar::Float64) => value.as_f64().to_bits(),
                    (Value::Int(value), _) => value as u64,
                    (Value::UInt(value), _) => value,
                    (value, _) => value.as_f64() as u64,
                };
                self.bytes.extend_from_slice(bits.to_le_bytes().get(..of.bytes()).unwrap_or_default());
            }
            (Cell::Text(text) | Cell::Json(text), Kind::Text | Kind::Json) => self.push_bytes(text.as_bytes()),
            (Cell::Bytes(bytes), Kind::Bytes) => self.push_bytes(bytes),
            // No column is given what it does not hold.
            _ => {}
        }
    }

    /// An integer of a column that has one in each row.
    pub fn push_integer(&mut self, value: i64) {
        self.push(Cell::Number(Value::Int(value)));
    }

    fn push_bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        // A message is smaller.
        self.lengths.push(bytes.len() as u32);
    }

    /// The row is complete: its values are those since the one before. Rows between them that are not given are null. Gives how
    /// much more memory it takes now.
    ///
    /// # Errors
    /// When they are more than it can have.
    pub fn end_row(&mut self, row: u32) -> std::result::Result<usize, &'static str> {
        let values = self.len() - self.done;
        match (self.shape, values) {
            (Shape::Optional, 0) => return Ok(0),
            (Shape::Required | Shape::Optional, 2..) => return Err("messages became larger while they were exported"),
            _ => {}
        }
        self.done += values;
        let each = u32::try_from(values).map_err(|_| "a message has too many values")?;
        match self.runs.last_mut() {
            Some(run) if run.values == each && run.first_row + run.rows == row => run.rows += 1,
            _ => self.runs.push(Run { first_row: row, rows: 1, values: each }),
        }
        let held_bytes = self.held_bytes();
        Ok(held_bytes - std::mem::replace(&mut self.held_before_bytes, held_bytes))
    }

    fn len(&self) -> usize {
        match self.kind {
            Kind::Number(of) => self.bytes.len() / of.bytes(),
            _ => self.lengths.len(),
        }
    }

    /// What it takes in memory.
    fn held_bytes(&self) -> usize {
        self.bytes.len() + self.lengths.len() * size_of::<u32>() + self.runs.len() * size_of::<Run>()
    }

    /// Write a row group of so many rows, and begin the next one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, rows: u32, out: &mut SerializedColumnWriter<'_>) -> Result<()> {
        match self.kind {
            Kind::Number(of) => match of {
                Scalar::Int8 => self.numbers::<Int32Type, 1>(rows, out, |bytes| i8::from_le_bytes(bytes).into()),
                Scalar::UInt8 => self.numbers::<Int32Type, 1>(rows, out, |bytes| u8::from_le_bytes(bytes).into()),
                Scalar::Int16 => self.numbers::<Int32Type, 2>(rows, out, |bytes| i16::from_le_bytes(bytes).into()),
                Scalar::UInt16 => self.numbers::<Int32Type, 2>(rows, out, |bytes| u16::from_le_bytes(bytes).into()),
                // The sign is moved to the top and back.
                Scalar::Int24 => {
                    self.numbers::<Int32Type, 3>(rows, out, |[a, b, c]| i32::from_le_bytes([0, a, b, c]) >> 8)
                }
                Scalar::Int32 | Scalar::UInt32 => self.numbers::<Int32Type, 4>(rows, out, i32::from_le_bytes),
                Scalar::Int64 | Scalar::UInt64 => self.numbers::<Int64Type, 8>(rows, out, i64::from_le_bytes),
                Scalar::Float32 => self.numbers::<FloatType, 4>(rows, out, f32::from_le_bytes),
                Scalar::Float64 => self.numbers::<DoubleType, 8>(rows, out, f64::from_le_bytes),
            }?,
            Kind::Text | Kind::Json | Kind::Bytes => {
                let mut bytes = Bytes::from(std::mem::take(&mut self.bytes));
                let lengths = self.lengths.iter();
                let values = lengths.map(|&length| ByteArray::from(bytes.split_to((length as usize).min(bytes.len()))));
                self.chunks::<ByteArrayType>(rows, out, values)?;
            }
        }
        self.bytes.clear();
        self.lengths.clear();
        self.runs.clear();
        (self.done, self.held_before_bytes) = (0, 0);
        Ok(())
    }

    fn numbers<T: DataType, const BYTES: usize>(
        &self,
        rows: u32,
        out: &mut SerializedColumnWriter<'_>,
        value: impl Fn([u8; BYTES]) -> T::T,
    ) -> Result<()> {
        self.chunks::<T>(rows, out, self.bytes.as_chunks().0.iter().map(|&bytes| value(bytes)))
    }

    /// Write values with the levels that say which row they are of: of definition (0 is null, and the highest one a value), and of
    /// repetition (0 begins a row).
    fn chunks<T: DataType>(
        &self,
        rows: u32,
        out: &mut SerializedColumnWriter<'_>,
        mut values: impl Iterator<Item = T::T>,
    ) -> Result<()> {
        let out = out.typed::<T>();
        let is_list = self.shape == Shape::List;
        let (mut chunk, mut defined, mut repeated) = (Vec::new(), Vec::<i16>::new(), Vec::<i16>::new());
        let mut hand_over = |chunk: &mut Vec<T::T>, defined: &mut Vec<i16>, repeated: &mut Vec<i16>| -> Result<()> {
            let has_levels = self.shape != Shape::Required;
            out.write_batch(chunk, has_levels.then_some(&*defined), is_list.then_some(&*repeated))?;
            chunk.clear();
            defined.clear();
            repeated.clear();
            Ok(())
        };
        for (rows, each) in self.stretches(rows) {
            let mut left = rows as usize;
            while left > 0 {
                let each_values = each.unwrap_or_default();
                let now = left.min((CHUNK_VALUES / each_values.max(1)).max(1));
                left -= now;
                chunk.extend(values.by_ref().take(now * each_values));
                let (level, levels) = match each {
                    None => (0, 1),
                    Some(0) => (1, 1),
                    Some(values) => (if is_list { 2 } else { 1 }, values),
                };
                defined.resize(defined.len() + now * levels, level);
                if is_list {
                    for _ in 0..now {
                        repeated.push(0);
                        repeated.resize(repeated.len() + levels - 1, 1);
                    }
                }
                if defined.len() >= CHUNK_VALUES {
                    hand_over(&mut chunk, &mut defined, &mut repeated)?;
                }
            }
        }
        if !defined.is_empty() {
            hand_over(&mut chunk, &mut defined, &mut repeated)?;
        }
        Ok(())
    }

    /// The rows as they follow each other: how many, and how many values each of them has; `None` is null.
    fn stretches(&self, rows: u32) -> impl Iterator<Item = (u32, Option<usize>)> {
        let is_required = self.shape == Shape::Required;
        let whole = is_required.then_some(Run { first_row: 0, rows, values: 1 });
        let mut next_row = 0;
        let end = Run { first_row: rows, rows: 0, values: 0 };
        self.runs.iter().copied().chain(whole).chain(iter::once(end)).flat_map(move |run| {
            let nulls = run.first_row - next_row;
            next_row = run.first_row + run.rows;
            [(nulls, None), (run.rows, Some(run.values as usize))]
        })
    }
}
