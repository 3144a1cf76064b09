//! A typed table for pandas, DuckDB, Polars and Spark: one row a message, and what is known of the session as metadata.

mod buffer;
mod table;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use serde_json::{Value, json};

use crate::codec::channels::Channels;
use crate::codec::number::Scalar;
use crate::codec::stream::Stream;
use crate::escape::json;
use crate::exporter::columns::{Cell, Column, Kind, Style};
use crate::exporter::scope::{About, Scope};
use crate::exporter::{BUFFER_BYTES, Encoder, Packet, Sink};

use buffer::Buffer;
use table::{FIXED, Field, Line};

pub(super) use table::{COLUMNS_MAX, Table};

/// A row group is written when it has so many rows ...
const GROUP_MAX_ROWS: u32 = 1_000_000;

/// ... or takes so much memory. Readers want row groups of that size or larger, and all of one is in memory.
const GROUP_MAX_BYTES: usize = 64 << 20;

/// How hard it is compressed.
const ZSTD_LEVEL: i32 = 1;

pub(super) struct Parquet<'a> {
    out: SerializedFileWriter<BufWriter<Sink<'a>>>,
    lines: BTreeMap<i64, Line>,
    /// One for each column of the file.
    buffers: Vec<Buffer>,
    rows: u32,
    held_bytes: usize,
}

impl<'a> Parquet<'a> {
    pub fn new(sink: Sink<'a>, scope: &Scope, style: Style) -> io::Result<Self> {
        let table = Table::of(&scope.streams, &scope.largest, style);
        let properties = properties(&table, &scope.streams, &scope.about).map_err(io_error)?;
        let sink = BufWriter::with_capacity(BUFFER_BYTES, sink);
        let schema = table.schema().map_err(io_error)?;
        let out = SerializedFileWriter::new(sink, schema, Arc::new(properties)).map_err(io_error)?;
        let buffers = table.fields.iter().map(|field| Buffer::new(field.kind, field.shape)).collect();
        Ok(Self { out, lines: table.lines, buffers, rows: 0, held_bytes: 0 })
    }

    fn write_group(&mut self) -> Result<()> {
        let mut group = self.out.next_row_group()?;
        for buffer in &mut self.buffers {
            if let Some(mut column) = group.next_column()? {
                buffer.write(self.rows, &mut column)?;
                column.close()?;
            }
        }
        group.close()?;
        (self.rows, self.held_bytes) = (0, 0);
        Ok(())
    }
}

impl Encoder for Parquet<'_> {
    fn message(&mut self, packet: &Packet<'_>) -> io::Result<bool> {
        let Some(line) = self.lines.get(&packet.stream_id) else { return Ok(false) };
        let [time, elapsed, endpoint, topic, number, ..] = self.buffers.as_mut_slice() else { return Ok(false) };
        time.push_integer(packet.message.unix_ns);
        elapsed.push_integer(packet.message.elapsed_ns);
        endpoint.push_integer(packet.stream.endpoint.into());
        topic.push(Cell::Text(&line.topic));
        number.push_integer(packet.number);
        let buffers = &mut self.buffers;
        let take = |place: usize, cell: Cell<'_>| {
            if let Some(column) = line.places.get(place).and_then(|&place| buffers.get_mut(place)) {
                column.push(cell);
            }
        };
        let is_read = line.columns.read(packet, take).is_ok();
        let mut added_bytes = 4 * size_of::<u64>() + line.topic.len();
        if let Some((record, column)) = packet.record.zip(self.buffers.get_mut(FIXED.len())) {
            column.push_integer(record as i64);
            added_bytes += column.end_row(self.rows).map_err(io::Error::other)?;
        }
        if is_read {
            for &place in &line.places {
                if let Some(column) = self.buffers.get_mut(place) {
                    added_bytes += column.end_row(self.rows).map_err(io::Error::other)?;
                }
            }
        }
        self.rows += 1;
        self.held_bytes += added_bytes;
        if self.rows >= GROUP_MAX_ROWS || self.held_bytes >= GROUP_MAX_BYTES {
            self.write_group().map_err(io_error)?;
        }
        Ok(is_read)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        if self.rows > 0 {
            self.write_group().map_err(io_error)?;
        }
        self.out.finish().map_err(io_error)?;
        self.out.inner_mut().flush()
    }
}

/// How the columns are written, and what is said of the session.
fn properties(table: &Table, streams: &BTreeMap<i64, Stream>, about: &About) -> Result<WriterProperties> {
    let streams: Vec<Value> = streams.iter().filter_map(|(id, stream)| described(table, *id, stream)).collect();
    let metadata = |name: &str, value: &Value| KeyValue::new(format!("fancyhwd.{name}"), json::compact(value));
    let metadata = vec![
        metadata("session", &about.session),
        metadata("streams", &streams.into()),
        metadata("ledger", &about.ledger.clone().into()),
    ];
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_dictionary_enabled(false)
        // Those of each page would be in memory until the end.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_key_value_metadata(Some(metadata));
    for (place, field) in table.fields.iter().enumerate() {
        properties = match field.kind {
            Kind::Number(Scalar::Float32 | Scalar::Float64) => properties,
            // The steps between integers are smaller than they are, and those of 8 and 16 bits have 32 otherwise.
            Kind::Number(_) => properties.set_column_encoding(field.path(), Encoding::DELTA_BINARY_PACKED),
            Kind::Text if place < FIXED.len() => properties.set_column_dictionary_enabled(field.path(), true),
            _ => properties,
        };
    }
    Ok(properties.build())
}

/// What is known of a stream, and which columns are its channels.
fn described(table: &Table, id: i64, stream: &Stream) -> Option<Value> {
    let line = table.lines.get(&id)?;
    let unnamed = Channels::unnamed(&stream.layout);
    let channels = stream.channels.as_ref().unwrap_or(&unnamed);
    let column = |(column, place): (&Column, &usize)| {
        let Field { name, .. } = table.fields.get(*place)?;
        let channel = channels.iter().find(|channel| Some(&channel.name) == column.channel.as_ref());
        Some(json!({
            "column": name,
            "channel": column.channel,
            "unit": column.unit,
            "scale": channel.map(|channel| channel.scale),
            "offset": channel.map(|channel| channel.offset),
            "is_scaled": column.scaled.is_some(),
        }))
    };
    let columns: Vec<Value> = line.columns.iter().zip(&line.places).filter_map(column).collect();
    Some(json!({
        "endpoint": stream.endpoint,
        "topic": line.topic,
        "layout": stream.layout.to_string(),
        "sample_rate_hz": stream.sample_rate_hz,
        "columns": columns,
    }))
}

/// What the system said, as it said it.
fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(cause) => *cause,
            Err(cause) => io::Error::other(cause),
        },
        other => io::Error::other(other),
    }
}
