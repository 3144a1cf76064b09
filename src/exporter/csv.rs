//! A line per message, with a column for each channel.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use csv_core::Writer;

use crate::codec::stream::Stream;
use crate::codec::topic::{shown, trimmed};
use crate::escape::csv::cell;
use crate::escape::json;
use crate::exporter::columns::{Cell, Columns, FIXED, Kind, RECORD, Style, only};
use crate::exporter::text::{Times, append_seconds};
use crate::exporter::{BUFFER_BYTES, Encoder, Packet, Sink, content};

/// What all files that are written at once hold together, ...
const ALL_HELD_BYTES: usize = 16 << 20;

/// ... but each of them at least.
const HELD_MIN_BYTES: usize = 4 << 10;

/// The most columns of a table: more than a spreadsheet has (16,384).
pub(super) const COLUMNS_MAX: usize = 65_536;

pub(super) struct Csv<'a> {
    out: BufWriter<Sink<'a>>,
    /// Knows what needs quotes.
    quoting: Writer,
    times: Times,
    line: Vec<u8>,
    streams: BTreeMap<i64, Line>,
    cells: Vec<Text>,
    is_exploded: bool,
}

/// The text of a column of the line.
#[derive(Clone, Debug, Default)]
struct Text {
    text: Vec<u8>,
    /// Values in it.
    count: usize,
    /// Whether it is one number, which never needs quotes.
    is_number: bool,
}

/// How the messages of a stream are a line.
struct Line {
    /// Endpoint and topic, as fields.
    source: Vec<u8>,
    columns: Columns,
    /// Which column of the table each of them is.
    places: Vec<usize>,
}

impl<'a> Csv<'a> {
    /// A table for these streams. Columns of several streams that have the same name are one.
    pub fn new(sink: Sink<'a>, streams: &BTreeMap<i64, Stream>, style: Style) -> io::Result<Self> {
        Self::holding(BUFFER_BYTES, sink, streams, style)
    }

    fn holding(held_bytes: usize, sink: Sink<'a>, streams: &BTreeMap<i64, Stream>, style: Style) -> io::Result<Self> {
        let (quoting, mut titles) = (Writer::new(), BTreeMap::<String, usize>::new());
        let mut line = |stream: &Stream| {
            let columns = Columns::of(stream, None, style);
            let mut place = |title: String| {
                let next = titles.len();
                *titles.entry(title).or_insert(next)
            };
            let places = columns.iter().map(|column| place(column.title())).collect();
            let mut source = stream.endpoint.to_string().into_bytes();
            append_field(&quoting, &cell(trimmed(&stream.topic)), &mut source);
            Line { source, columns, places }
        };
        let streams = streams.iter().map(|(&id, stream)| (id, line(stream))).collect();
        if titles.len() > COLUMNS_MAX {
            let words = format!("they have {} columns together; choose streams with --topic", titles.len());
            return Err(io::Error::other(words));
        }
        let mut ordered: Vec<(usize, &String)> = titles.iter().map(|(title, &place)| (place, title)).collect();
        ordered.sort_unstable();
        let mut line = FIXED.join(",").into_bytes();
        let record = style.is_exploded.then_some(RECORD.as_bytes().into());
        for title in record.into_iter().chain(ordered.iter().map(|(_, title)| cell(title.as_bytes()))) {
            append_field(&quoting, &title, &mut line);
        }
        line.push(b'\n');
        let mut out = BufWriter::with_capacity(held_bytes, sink);
        out.write_all(&line)?;
        let (cells, is_exploded) = (vec![Text::default(); ordered.len()], style.is_exploded);
        Ok(Self { out, quoting, times: Times::default(), line, streams, cells, is_exploded })
    }
}

/// Append what stands behind another field.
fn append_field(quoting: &Writer, field: &[u8], line: &mut Vec<u8>) {
    line.push(b',');
    if !quoting.should_quote(field) {
        return line.extend_from_slice(field);
    }
    line.push(b'"');
    let begin = line.len();
    // If all of it were quotes.
    line.resize(begin + 2 * field.len(), 0);
    let written = line.get_mut(begin..).map_or(0, |room| csv_core::quote(field, room, b'"', b'"', true).2);
    line.truncate(begin + written);
    line.push(b'"');
}

impl Line {
    /// Fill the cells of a message. Says whether its layout can read it.
    fn fill(&self, packet: &Packet<'_>, cells: &mut [Text]) -> bool {
        let frames = packet.stream.after_topic(packet.message.frames()).count();
        let comes_again = frames > packet.stream.layout.parts().len();
        // Texts of several frames are known to be a list before the first one; of numbers, the second one tells.
        let is_list = |place| comes_again && self.columns.is_last(place);
        let take = |place: usize, value: Cell<'_>| {
            let Some(Text { text, count, is_number }) = self.places.get(place).and_then(|&place| cells.get_mut(place))
            else {
                return;
            };
            *is_number = *count == 0 && matches!(value, Cell::Number(_));
            match (value, *count) {
                (Cell::Number(_), 1) => {
                    text.insert(0, b'[');
                    text.push(b',');
                }
                (Cell::Number(_), 0) => {}
                (_, 0) if !is_list(place) => {}
                (_, 0) => text.push(b'['),
                _ => text.push(b','),
            }
            *count += 1;
            match value {
                Cell::Number(value) => content::append_number(value, None, text),
                Cell::Json(theirs) => json::append_json(theirs, text),
                // Writing to a Vec cannot fail.
                Cell::Text(words) if is_list(place) => drop(json::append(words, text)),
                Cell::Text(words) => text.extend_from_slice(&cell(words.as_bytes())),
                Cell::Bytes(bytes) if is_list(place) => content::append_base64(bytes, text),
                Cell::Bytes(bytes) => content::append_bare_base64(bytes, text),
            }
        };
        if self.columns.read(packet, take).is_err() {
            return false;
        }
        for ((place, column), &at) in self.columns.iter().enumerate().zip(&self.places) {
            let Some(Text { text, count, .. }) = cells.get_mut(at) else { continue };
            match (column.kind, *count) {
                (Kind::Number(_), 0) if column.is_list => text.extend_from_slice(b"[]"),
                (Kind::Number(_), 0 | 1) => {}
                (Kind::Number(_), _) => text.push(b']'),
                (_, 1..) if is_list(place) => text.push(b']'),
                _ => {}
            }
        }
        true
    }
}

impl Encoder for Csv<'_> {
    fn message(&mut self, packet: &Packet<'_>) -> io::Result<bool> {
        let Self { out, quoting, times, line, streams, cells, is_exploded } = self;
        let Some(of_stream) = streams.get(&packet.stream_id) else { return Ok(false) };
        let mut integer = itoa::Buffer::new();
        line.clear();
        times.append(packet.message.unix_ns, line);
        line.push(b',');
        append_seconds(packet.message.elapsed_ns, line);
        line.push(b',');
        line.extend_from_slice(&of_stream.source);
        line.push(b',');
        line.extend_from_slice(integer.format(packet.number).as_bytes());
        if *is_exploded {
            append_field(quoting, packet.record.map_or("", |record| integer.format(record)).as_bytes(), line);
        }
        for Text { text, count, is_number } in &mut *cells {
            text.clear();
            (*count, *is_number) = (0, false);
        }
        let is_read = of_stream.fill(packet, cells);
        for Text { text, is_number, .. } in &*cells {
            match is_number {
                true => {
                    line.push(b',');
                    line.extend_from_slice(text);
                }
                false => append_field(quoting, text, line),
            }
        }
        line.push(b'\n');
        out.write_all(line)?;
        Ok(is_read)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}

/// A file for each stream.
pub(super) struct CsvFiles<'a> {
    files: BTreeMap<i64, Csv<'a>>,
}

impl CsvFiles<'_> {
    /// In this directory.
    pub fn new(directory: &Path, streams: &BTreeMap<i64, Stream>, style: Style) -> io::Result<Self> {
        let held_bytes = (ALL_HELD_BYTES / streams.len().max(1)).clamp(HELD_MIN_BYTES, BUFFER_BYTES);
        let mut names = BTreeSet::new();
        let endpoints: BTreeSet<u32> = streams.values().map(|stream| stream.endpoint).collect();
        let mut file = |(&id, stream): (&i64, &Stream)| {
            let mut name = file_name(stream);
            if endpoints.len() > 1 && !stream.topic.is_empty() {
                name += &format!(".{}", stream.endpoint);
            }
            let path = directory.join(only(&mut names, name) + ".csv");
            let streams = BTreeMap::from([(id, stream.clone())]);
            Ok((id, Csv::holding(held_bytes, Sink::Closed(path), &streams, style)?))
        };
        Ok(Self { files: streams.iter().map(&mut file).collect::<io::Result<_>>()? })
    }
}

impl Encoder for CsvFiles<'_> {
    fn message(&mut self, packet: &Packet<'_>) -> io::Result<bool> {
        self.files.get_mut(&packet.stream_id).map_or(Ok(false), |file| file.message(packet))
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.files.into_values().try_for_each(|file| Box::new(file).finish())
    }
}

/// A name for the file of a stream, without its ending: its topic, with a line in the place of what a shell or a file system takes
/// for something else.
fn file_name(stream: &Stream) -> String {
    const TOPIC_MAX_CHARS: usize = 200;
    let plain = |char: char| if char.is_ascii_alphanumeric() || ".-_".contains(char) { char } else { '_' };
    let topic: String = shown(&stream.topic).chars().map(plain).take(TOPIC_MAX_CHARS).collect();
    // No hidden file, and no option.
    let topic = topic.trim_start_matches(['.', '-']);
    match topic.is_empty() {
        true => format!("endpoint{}", stream.endpoint),
        false => topic.to_owned(),
    }
}
