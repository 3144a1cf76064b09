//! The columns of a file: the times and origins of messages, and the columns of all its streams together.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::Result;
use parquet::schema::types::{ColumnPath, Type, TypePtr};

use crate::codec::number::Scalar;
use crate::codec::stream::Stream;
use crate::codec::topic::{shown, trimmed};
use crate::escape::csv::cell;
use crate::exporter::columns::{Column, Columns, Kind, RECORD, Style, only};
use crate::exporter::parquet::buffer::Shape;
use crate::store::Largest;

/// The most columns of a file: a reader has all of them in memory for each row group, and so do we.
pub(in crate::exporter) const COLUMNS_MAX: usize = 10_000;

/// The columns before those of the streams.
pub(super) const FIXED: [(&str, Kind); 5] = [
    ("time", Kind::Number(Scalar::Int64)),
    ("elapsed_ns", Kind::Number(Scalar::Int64)),
    ("endpoint", Kind::Number(Scalar::UInt32)),
    ("topic", Kind::Text),
    ("number", Kind::Number(Scalar::Int64)),
];

/// A column of the file.
#[derive(Debug)]
pub(in crate::exporter) struct Field {
    /// No other one has it.
    pub name: String,
    pub kind: Kind,
    pub shape: Shape,
}

/// How the messages of a stream are rows.
#[derive(Debug)]
pub(in crate::exporter) struct Line {
    pub topic: String,
    pub columns: Columns,
    /// Which column of the file each of them is.
    pub places: Vec<usize>,
}

/// The columns of a file.
#[derive(Debug)]
pub(in crate::exporter) struct Table {
    pub fields: Vec<Field>,
    /// By the rows of their streams.
    pub lines: BTreeMap<i64, Line>,
}

impl Table {
    /// Those of these streams. Columns of several streams that have the same title and type are one.
    pub fn of(streams: &BTreeMap<i64, Stream>, largest: &BTreeMap<i64, Largest>, style: Style) -> Self {
        let mut fields: Vec<Field> =
            FIXED.map(|(name, kind)| Field { name: name.to_owned(), kind, shape: Shape::Required }).into();
        if style.is_exploded {
            let kind = Kind::Number(Scalar::UInt32);
            // A message without records has none.
            fields.push(Field { name: RECORD.to_owned(), kind, shape: Shape::Optional });
        }
        let mut names: BTreeSet<String> = fields.iter().map(|field| field.name.clone()).collect();
        let mut known = HashMap::new();
        let mut line = |(&id, stream): (&i64, &Stream)| {
            let largest = largest.get(&id).copied().unwrap_or_default();
            let columns = Columns::of(stream, Some(largest), style);
            // Two channels of a stream may have the same title: `x (V)`, and `x` with the unit V.
            let mut in_stream = BTreeMap::<String, usize>::new();
            let mut place = |column: &Column| {
                let title = column.title();
                let before = in_stream.entry(title.clone()).or_default();
                let key = (title, column.kind, *before);
                *before += 1;
                let place = *known.entry(key).or_insert_with_key(|(title, kind, _)| {
                    let is_taken = names.contains(title);
                    let name = if is_taken { format!("{title} [{}]", shown(&stream.topic)) } else { title.clone() };
                    fields.push(Field { name: only(&mut names, name), kind: *kind, shape: Shape::Optional });
                    fields.len() - 1
                });
                if let Some(field) = fields.get_mut(place).filter(|_| column.is_list) {
                    field.shape = Shape::List;
                }
                place
            };
            let places = columns.iter().map(&mut place).collect();
            let topic = match std::str::from_utf8(trimmed(&stream.topic)) {
                Ok(topic) => topic.to_owned(),
                Err(_) => String::from_utf8_lossy(&cell(trimmed(&stream.topic))).into_owned(),
            };
            (id, Line { topic, columns, places })
        };
        let lines = streams.iter().map(&mut line).collect();
        Self { fields, lines }
    }

    /// As the file describes them.
    ///
    /// # Errors
    /// When it cannot.
    pub fn schema(&self) -> Result<TypePtr> {
        let mut columns = self.fields.iter().map(Field::described).collect::<Result<Vec<_>>>()?;
        if let Some(time) = columns.first_mut() {
            let utc = LogicalType::timestamp(true, TimeUnit::NANOS);
            let described = Type::primitive_type_builder("time", Physical::INT64).with_logical_type(Some(utc));
            *time = Arc::new(described.with_repetition(Repetition::REQUIRED).build()?);
        }
        Ok(Arc::new(Type::group_type_builder("session").with_fields(columns).build()?))
    }
}

impl Field {
    /// Where its values are in the schema.
    pub fn path(&self) -> ColumnPath {
        let inside: &[&str] = if self.shape == Shape::List { &["list", "element"] } else { &[] };
        let names = std::iter::once(self.name.as_str()).chain(inside.iter().copied());
        ColumnPath::new(names.map(str::to_owned).collect())
    }

    fn described(&self) -> Result<TypePtr> {
        let (physical, logical) = types(self.kind);
        let value = |name, repetition| {
            let of = Type::primitive_type_builder(name, physical).with_logical_type(logical.clone());
            of.with_repetition(repetition).build().map(Arc::new)
        };
        match self.shape {
            Shape::Required => value(&self.name, Repetition::REQUIRED),
            Shape::Optional => value(&self.name, Repetition::OPTIONAL),
            Shape::List => {
                let element = vec![value("element", Repetition::REQUIRED)?];
                let list = Type::group_type_builder("list").with_repetition(Repetition::REPEATED).with_fields(element);
                let whole = Type::group_type_builder(&self.name).with_repetition(Repetition::OPTIONAL);
                let whole = whole.with_logical_type(Some(LogicalType::List));
                Ok(Arc::new(whole.with_fields(vec![Arc::new(list.build()?)]).build()?))
            }
        }
    }
}

/// How values are stored, and what is meant by them.
fn types(kind: Kind) -> (Physical, Option<LogicalType>) {
    let integer = |bits, is_signed| Some(LogicalType::integer(bits, is_signed));
    match kind {
        Kind::Number(of) => match of {
            Scalar::Int8 => (Physical::INT32, integer(8, true)),
            Scalar::UInt8 => (Physical::INT32, integer(8, false)),
            Scalar::Int16 => (Physical::INT32, integer(16, true)),
            Scalar::UInt16 => (Physical::INT32, integer(16, false)),
            Scalar::Int24 | Scalar::Int32 => (Physical::INT32, integer(32, true)),
            Scalar::UInt32 => (Physical::INT32, integer(32, false)),
            Scalar::Int64 => (Physical::INT64, integer(64, true)),
            Scalar::UInt64 => (Physical::INT64, integer(64, false)),
            Scalar::Float32 => (Physical::FLOAT, None),
            Scalar::Float64 => (Physical::DOUBLE, None),
        },
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Json => (Physical::BYTE_ARRAY, Some(LogicalType::Json)),
        Kind::Bytes => (Physical::BYTE_ARRAY, None),
    }
}
