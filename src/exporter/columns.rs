//! A stream as a table: one row a message, one column for each number that its layout names, and for each frame that is none.

use std::collections::BTreeSet;

use crate::codec::channels::{Channel, Channels};
use crate::codec::layout::Part;
use crate::codec::number::{Scalar, Value};
use crate::codec::reading::{Content, Undecodable};
use crate::codec::stream::Stream;
use crate::exporter::Packet;
use crate::store::Largest;

/// The columns that stand before those of a stream in every table.
pub(super) const FIXED: [&str; 5] = ["time", "elapsed_s", "endpoint", "topic", "number"];

/// The column behind those in a table with a row of each record: its number in its message, from 0.
pub(super) const RECORD: &str = "record";

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Numbers as the device sent them, or, where they are scaled, as float64.
    Number(Scalar),
    /// Text.
    Text,
    /// JSON, as it came.
    Json,
    /// Anything.
    Bytes,
}

/// A column of a stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    /// Its channel's name, or what it is. No two columns of a stream have the same one.
    pub name: String,
    /// The name of its channel, if it is one.
    pub channel: Option<String>,
    /// Of its channel.
    pub unit: Option<String>,
    /// What is in it.
    pub kind: Kind,
    /// A value is raw * scale + offset; `None`: raw.
    pub scaled: Option<(f64, f64)>,
    /// Whether a message may have several values, or none.
    pub is_list: bool,
}

impl Column {
    /// Name and unit: `x (mV)`.
    pub fn title(&self) -> String {
        self.unit.as_ref().map_or_else(|| self.name.clone(), |unit| format!("{} ({unit})", self.name))
    }
}

/// One value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    /// A number, in physical units where its column is scaled.
    Number(Value),
    /// Text.
    Text(&'a str),
    /// JSON.
    Json(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// How numbers become rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// As they came, also where a channel is scaled.
    pub is_raw: bool,
    /// A row of each record instead of each message.
    pub is_exploded: bool,
}

/// The columns of a stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Columns {
    columns: Vec<Column>,
    /// The first column of each part of the layout.
    firsts: Vec<usize>,
}

impl Columns {
    /// Those of a stream whose messages are no larger than this, which says whether there can be several values of a kind in one
    /// of them; `None`: it is not known how large they are.
    pub fn of(stream: &Stream, largest: Option<Largest>, style: Style) -> Self {
        let Style { is_raw, is_exploded } = style;
        let parts = stream.layout.parts();
        let unnamed;
        let channels = match &stream.channels {
            Some(channels) => channels,
            None => {
                unnamed = Channels::unnamed(&stream.layout);
                &unnamed
            }
        };
        let mut channels = channels.iter();
        let mut made = Self { columns: Vec::new(), firsts: Vec::new() };
        let record = is_exploded.then_some(RECORD);
        let mut names: BTreeSet<String> = FIXED.into_iter().chain(record).map(str::to_owned).collect();
        for (place, part) in parts.iter().enumerate() {
            made.firsts.push(made.columns.len());
            let is_last = place + 1 == parts.len();
            // The last part also serves all further frames.
            let comes_again = is_last && largest.is_none_or(|largest| largest.frames > parts.len() as u64);
            let mut push = |name: String, kind, channel: Option<&Channel>, is_list| {
                let scaled = channel.filter(|channel| !is_raw && !channel.is_raw()).map(|it| (it.scale, it.offset));
                let kind = if scaled.is_some() { Kind::Number(Scalar::Float64) } else { kind };
                let unit = channel.and_then(|channel| channel.unit.clone());
                let of_channel = channel.map(|channel| channel.name.clone());
                let name = only(&mut names, name);
                made.columns.push(Column { name, channel: of_channel, unit, kind, scaled, is_list });
            };
            let numbered = |word: &str| if parts.len() > 1 { format!("{word}{place}") } else { word.to_owned() };
            match part {
                Part::Bytes => push(numbered("bytes"), Kind::Bytes, None, comes_again),
                Part::Text => push(numbered("text"), Kind::Text, None, comes_again),
                Part::Json => push(numbered("json"), Kind::Json, None, comes_again),
                Part::NdArray => {
                    let Some(channel) = channels.next() else { continue };
                    let comes_again = is_last && largest.is_none_or(|largest| largest.frames > parts.len() as u64 + 1);
                    push(format!("{}_array", channel.name), Kind::Json, None, comes_again && !is_exploded);
                    // Its type is another one in each message.
                    push(channel.name.clone(), Kind::Number(Scalar::Float64), Some(channel), !is_exploded);
                }
                Part::Numbers(numbers) => {
                    let one_bytes = (numbers.header.bytes() + numbers.record.bytes()) as u64;
                    let is_one = parts.len() == 1 && largest.is_some_and(|largest| largest.bytes <= one_bytes);
                    let (in_header, in_record) =
                        (comes_again && !is_exploded, (comes_again || !is_one) && !is_exploded);
                    let header = numbers.header.numbers().iter().map(|number| (number, in_header));
                    let record = numbers.record.numbers().iter().map(|number| (number, in_record));
                    for (number, is_list) in header.chain(record) {
                        let Some(channel) = channels.next() else { break };
                        push(channel.name.clone(), Kind::Number(number.of.kind), Some(channel), is_list);
                    }
                }
            }
        }
        made
    }

    /// In the order of the layout.
    pub fn iter(&self) -> std::slice::Iter<'_, Column> {
        self.columns.iter()
    }

    /// Whether a column is one of the last part, which also serves all further frames.
    pub fn is_last(&self, place: usize) -> bool {
        self.firsts.last().is_some_and(|&first| place >= first)
    }

    /// Give each value of a message with the place of its column, in the order in which they came. With the number of a record, of
    /// all records only this one and the header of its frame.
    ///
    /// # Errors
    /// When the layout cannot read the message: then none is given.
    pub fn read<'a>(&self, packet: &Packet<'a>, mut take: impl FnMut(usize, Cell<'a>)) -> Result<(), Undecodable> {
        let Packet { stream, message, record, .. } = *packet;
        // Of a message whose records are given, that is known.
        if record.is_none() {
            stream.check(message.frames())?;
        }
        let mut before = 0;
        // Which records of a frame with so many are given.
        let mut given = |records: usize| match record {
            None => 0..records,
            Some(record) => {
                let first = before;
                before += records;
                let place = record.checked_sub(first).filter(|&place| place < records);
                place.map_or(0..0, |place| place..place + 1)
            }
        };
        for (place, content) in stream.read(message.frames()).enumerate() {
            let first = self.firsts.get(place).or(self.firsts.last()).copied().unwrap_or_default();
            match content? {
                Content::Bytes(bytes) => take(first, Cell::Bytes(bytes)),
                Content::Text(text) => take(first, Cell::Text(text)),
                Content::Json(text) => take(first, Cell::Json(text)),
                Content::Array(described, of, array) => {
                    let given = given(array.len() / of.bytes());
                    if record.is_none() || !given.is_empty() {
                        take(first, Cell::Json(described));
                    }
                    let numbers = array.chunks_exact(of.bytes()).skip(given.start).take(given.len());
                    for value in numbers.filter_map(|number| of.value(number)) {
                        take(first + 1, Cell::Number(self.scaled(first + 1, value)));
                    }
                }
                Content::Numbers(numbers, frame) => {
                    let records = numbers.records_of(frame);
                    let given = given(records.len());
                    if record.is_none() || !given.is_empty() {
                        for (place, value) in (first..).zip(numbers.header_of(frame)) {
                            take(place, Cell::Number(self.scaled(place, value)));
                        }
                    }
                    let first = first + numbers.header.numbers().len();
                    for record in records.skip(given.start).take(given.len()) {
                        for (place, value) in (first..).zip(record) {
                            take(place, Cell::Number(self.scaled(place, value)));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn scaled(&self, place: usize, value: Value) -> Value {
        match self.columns.get(place).and_then(|column| column.scaled) {
            Some((scale, offset)) => Value::Float64(value.as_f64() * scale + offset),
            None => value,
        }
    }
}

/// The name, with as many lines behind it as make it the only one.
pub(super) fn only(names: &mut BTreeSet<String>, mut name: String) -> String {
    while !names.insert(name.clone()) {
        name.push('_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::framing::Framing;
    use crate::message::{Batch, Origin};

    fn stream(layout: &str, channels: Option<&str>) -> Stream {
        Stream {
            endpoint: 1,
            framing: Framing::Frames,
            topic: b"t".to_vec(),
            layout: layout.parse().unwrap(),
            is_assumed: false,
            channels: channels.map(|channels| channels.parse().unwrap()),
            sample_rate_hz: None,
            counter: None,
        }
    }

    /// Titles, with `*` behind those of lists.
    fn titles(layout: &str, channels: Option<&str>, largest: Option<Largest>) -> String {
        let columns = Columns::of(&stream(layout, channels), largest, Style::default());
        let title = |column: &Column| column.title() + if column.is_list { "*" } else { "" };
        columns.iter().map(title).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_number_and_each_other_frame_has_a_column() {
        let largest = |frames, bytes| Some(Largest { frames, bytes });
        for (layout, channels, largest, expected) in [
            ("int16", None, None, "ch0*"),
            ("int16", None, largest(1, 2), "ch0"),
            ("int16", None, largest(1, 4), "ch0*"),
            ("int16", None, largest(2, 2), "ch0*"),
            ("uint32/int16x2", Some("n,x:mV:0.5,y:mV"), largest(1, 8), "n x (mV) y (mV)"),
            ("uint32/int16x2", Some("n,x:mV:0.5,y:mV"), largest(1, 12), "n x (mV)* y (mV)*"),
            ("json+int8", None, largest(2, 100), "json0 ch0*"),
            ("text", None, largest(1, 100), "text"),
            ("text", None, largest(3, 100), "text*"),
            ("json+bytes", Some("time"), largest(2, 9), "json0 bytes1"),
            ("int8x2", Some("time,topic"), largest(1, 2), "time_ topic_"),
            ("ndarray", None, largest(2, 9), "ch0_array ch0*"),
        ] {
            assert_eq!(titles(layout, channels, largest), expected, "{layout}");
        }
    }

    #[test]
    fn values_are_given_in_their_order_and_physical() {
        let stream = stream("uint8/int8x2+text", Some("n,x:V:0.5:1,y"));
        let mut batch = Batch::default();
        let mut entry = batch.message(Origin(1), 0, 0);
        [&b"t"[..], &[9, 2, 3, 4, 0xff], b"a", b"b"].iter().for_each(|frame| entry.frame(&[frame]));
        let message = batch.messages().next().unwrap();
        let read = |is_raw, record: Option<usize>| {
            let style = Style { is_raw, is_exploded: record.is_some() };
            let (columns, mut cells) = (Columns::of(&stream, None, style), Vec::new());
            let packet = Packet { number: 0, message, stream_id: 1, stream: &stream, record };
            columns.read(&packet, |place, cell| cells.push((place, cell))).unwrap();
            cells
        };
        let number = |place, value| (place, Cell::Number(value));
        let expected = vec![
            number(0, Value::UInt(9)),
            number(1, Value::Float64(2.0)),
            number(2, Value::Int(3)),
            number(1, Value::Float64(3.0)),
            number(2, Value::Int(-1)),
            (3, Cell::Text("a")),
            (3, Cell::Text("b")),
        ];
        assert_eq!(read(false, None), expected);
        assert_eq!(read(true, None)[1], number(1, Value::Int(2)));
        let second = vec![expected[0], expected[3], expected[4], expected[5], expected[6]];
        assert_eq!(read(false, Some(1)), second);
        assert_eq!(read(false, Some(2)), [expected[5], expected[6]]);
    }
}
