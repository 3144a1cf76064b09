//! The arrays of one stream.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Read, Write};

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::codec::layout::{Numbers, Part};
use crate::codec::npy::{self, STAMP_BYTES};
use crate::codec::stream::Stream;
use crate::codec::topic::{shown, text};
use crate::escape;
use crate::exporter::columns::{Columns, Style, only};
use crate::exporter::npz::spool::{Rows, Spool};
use crate::exporter::{Packet, Sink};

/// What is put together before it goes on: the check sum of a ZIP file is slow for small pieces.
const PIECE_BYTES: usize = 256 << 10;

/// Where arrays are written to.
pub(super) type Zip<'a> = ZipWriter<BufWriter<Sink<'a>>>;

/// What there is of a stream.
pub(super) struct Arrays {
    name: String,
    /// What its numbers are called.
    names: Vec<String>,
    /// How its messages are read, if they are numbers in one frame.
    numbers: Option<Numbers>,
    /// Those that are read. Each row: stamp, bytes behind it (u32), and those.
    read: Rows,
    read_count: u64,
    /// Whether all of them have as many bytes.
    uniform: Uniform,
    records: u64,
    /// All others. Each row: stamp, how many frames (u32), how long each is (u32), and those.
    others: Rows,
    other_count: u64,
    frames: u64,
    bytes: u64,
}

/// Whether all rows have the same length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Uniform {
    Unknown,
    Bytes(u32),
    No,
}

impl Arrays {
    /// None yet, of a stream. `names` are taken.
    pub fn of(stream: &Stream, names: &mut BTreeSet<String>) -> Self {
        // It is the name of a file in the ZIP file. A point tells the arrays of a stream apart.
        let plain = |char: char| if char.is_alphanumeric() || "_-@:".contains(char) { char } else { '_' };
        let mut name: String = shown(&stream.topic).chars().map(plain).collect();
        if name.is_empty() {
            name = format!("endpoint{}", stream.endpoint);
        }
        let (base, mut place) = (format!("{name}@{}", stream.endpoint), names.len());
        if !names.insert(name.clone()) {
            name.clone_from(&base);
            // Topics of one endpoint can look the same when they are names of files.
            while !names.insert(name.clone()) {
                name = format!("{base}@{place}");
                place += 1;
            }
        }
        let numbers = match stream.layout.parts() {
            [Part::Numbers(numbers)] => Some(numbers.clone()),
            _ => None,
        };
        let mut taken: BTreeSet<String> = npy::FIXED.map(str::to_owned).into();
        let columns = Columns::of(stream, None, Style { is_raw: true, is_exploded: false });
        let names = columns.iter().map(|column| only(&mut taken, column.name.clone())).collect();
        Self {
            name,
            names,
            numbers,
            read: Rows::default(),
            read_count: 0,
            uniform: Uniform::Unknown,
            records: 0,
            others: Rows::default(),
            other_count: 0,
            frames: 0,
            bytes: 0,
        }
    }

    /// What they are of, and how many messages are in them.
    pub fn about(&self, stream: &Stream) -> Value {
        let topic_hex = escape::hex(&stream.topic);
        let channels = stream.channels.iter().flat_map(|channels| channels.iter());
        let channels: Vec<Value> = channels
            .map(|channel| {
                json!({ "name": channel.name, "unit": channel.unit, "scale": channel.scale, "offset": channel.offset })
            })
            .collect();
        json!({
            "array": self.name,
            "endpoint": stream.endpoint,
            "framing": stream.framing.name(),
            "topic": text(&stream.topic).0,
            "topic_hex": topic_hex,
            "layout": stream.layout.to_string(),
            "assumed": stream.is_assumed,
            "sample_rate_hz": stream.sample_rate_hz,
            "counter": stream.counter.as_ref().map(ToString::to_string),
            "channels": channels,
            "messages": self.read_count + self.other_count,
        })
    }

    /// Append a message, whose layout can read it or not. `scratch` is room for it.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn append(
        &mut self,
        spool: &mut Spool,
        stamp: &[u8],
        packet: &Packet<'_>,
        is_read: bool,
        scratch: &mut Vec<u8>,
    ) -> io::Result<()> {
        scratch.clear();
        let mut frames = packet.stream.after_topic(packet.message.frames());
        let (first, second) = (frames.next(), frames.next());
        if is_read && let (Some(numbers), Some(frame), None) = (&self.numbers, first, second) {
            let (header, records) = frame.split_at_checked(numbers.header.bytes()).unwrap_or_default();
            let records = records.chunks_exact(numbers.record.bytes().max(1));
            self.read_count += 1;
            self.records += records.len() as u64;
            let mut payload = frame;
            if npy::has_int24(numbers) {
                npy::widen(&numbers.header, header, scratch);
                records.for_each(|record| npy::widen(&numbers.record, record, scratch));
                payload = scratch;
            }
            let bytes = length(payload)?;
            self.uniform = match self.uniform {
                Uniform::Unknown => Uniform::Bytes(bytes),
                Uniform::Bytes(all) if all == bytes => Uniform::Bytes(all),
                _ => Uniform::No,
            };
            return spool.append(&mut self.read, &[stamp, &bytes.to_le_bytes(), payload]);
        }
        let mut count = 0_u32;
        for frame in packet.stream.after_topic(packet.message.frames()) {
            scratch.extend_from_slice(&length(frame)?.to_le_bytes());
            self.bytes += frame.len() as u64;
            count += 1;
        }
        self.other_count += 1;
        self.frames += u64::from(count);
        spool.append(&mut self.others, &[stamp, &count.to_le_bytes(), scratch])?;
        let mut frames = packet.stream.after_topic(packet.message.frames());
        frames.try_for_each(|frame| spool.append(&mut self.others, &[frame]))
    }

    /// Write what there is.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn write(&self, spool: &Spool, zip: &mut Zip<'_>) -> io::Result<()> {
        if let Some(numbers) = self.numbers.as_ref().filter(|_| self.read_count > 0) {
            self.write_read(numbers, spool, zip)?;
        }
        if self.other_count > 0 {
            self.write_others(spool, zip)?;
        }
        Ok(())
    }

    fn write_read(&self, numbers: &Numbers, spool: &Spool, zip: &mut Zip<'_>) -> io::Result<()> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let header_bytes = npy::row_bytes(&numbers.header);
        let record_bytes = npy::row_bytes(&numbers.record).max(1);
        if let Uniform::Bytes(bytes) = self.uniform {
            let records = (bytes as usize).saturating_sub(header_bytes) / record_bytes;
            let dtype = npy::of_row(numbers, &names, records);
            let mut array = Array::begin(zip, &self.name, &dtype, self.read_count)?;
            self.each_read(spool, |stamp, payload| {
                array.push(stamp)?;
                array.push(payload)
            })?;
            return array.end();
        }
        let dtype = npy::of_header(numbers, &names);
        let mut array = Array::begin(zip, &self.name, &dtype, self.read_count)?;
        let mut first = 0_i64;
        self.each_read(spool, |stamp, payload| {
            let (header, records) = payload.split_at_checked(header_bytes).unwrap_or_default();
            let records = (records.len() / record_bytes) as i64;
            array.push(stamp)?;
            array.push(header)?;
            array.push([first, records].map(i64::to_le_bytes).as_flattened())?;
            first += records;
            Ok(())
        })?;
        array.end()?;
        let dtype = npy::of_record(numbers, &names);
        let mut array = Array::begin(zip, &format!("{}.records", self.name), &dtype, self.records)?;
        self.each_read(spool, |_, payload| array.push(payload.get(header_bytes..).unwrap_or_default()))?;
        array.end()
    }

    fn write_others(&self, spool: &Spool, zip: &mut Zip<'_>) -> io::Result<()> {
        let name = |what: &str| format!("{}.{what}", self.name);
        let mut array = Array::begin(zip, &name("messages"), &npy::of_frames(), self.other_count)?;
        let mut first = 0_i64;
        self.each_other(spool, |stamp, lengths, _| {
            let frames = (lengths.len() / 4) as i64;
            array.push(stamp)?;
            array.push([first, frames].map(i64::to_le_bytes).as_flattened())?;
            first += frames;
            Ok(())
        })?;
        array.end()?;
        let mut array = Array::begin(zip, &name("frames"), npy::LENGTHS, self.frames)?;
        self.each_other(spool, |_, lengths, _| array.push(lengths))?;
        array.end()?;
        let mut array = Array::begin(zip, &name("bytes"), npy::BYTES, self.bytes)?;
        self.each_other(spool, |_, _, bytes| array.push(bytes))?;
        array.end()
    }

    /// Give stamp and numbers of each message that is read.
    fn each_read(&self, spool: &Spool, mut give: impl FnMut(&[u8], &[u8]) -> io::Result<()>) -> io::Result<()> {
        let (mut rows, mut stamp, mut row) = (spool.read(&self.read), [0; STAMP_BYTES], Vec::new());
        for _ in 0..self.read_count {
            rows.read_exact(&mut stamp)?;
            let bytes = number(&mut rows)?;
            fill(&mut rows, bytes, &mut row)?;
            give(&stamp, &row)?;
        }
        Ok(())
    }

    /// Give stamp, lengths of frames, and frames of each other message.
    fn each_other(&self, spool: &Spool, mut give: impl FnMut(&[u8], &[u8], &[u8]) -> io::Result<()>) -> io::Result<()> {
        let (mut rows, mut stamp) = (spool.read(&self.others), [0; STAMP_BYTES]);
        let (mut lengths, mut bytes) = (Vec::new(), Vec::new());
        for _ in 0..self.other_count {
            rows.read_exact(&mut stamp)?;
            let count = number(&mut rows)?;
            fill(&mut rows, 4 * count, &mut lengths)?;
            let all = lengths.as_chunks().0.iter().map(|length| u32::from_le_bytes(*length) as usize).sum();
            fill(&mut rows, all, &mut bytes)?;
            give(&stamp, &lengths, &bytes)?;
        }
        Ok(())
    }
}

fn length(bytes: &[u8]) -> io::Result<u32> {
    u32::try_from(bytes.len()).map_err(io::Error::other)
}

fn number(rows: &mut impl Read) -> io::Result<usize> {
    let mut bytes = [0; 4];
    rows.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes) as usize)
}

fn fill(rows: &mut impl Read, bytes: usize, into: &mut Vec<u8>) -> io::Result<()> {
    into.resize(bytes, 0);
    rows.read_exact(into)
}

/// An array that is being written.
pub(super) struct Array<'z, 'a> {
    zip: &'z mut Zip<'a>,
    held: Vec<u8>,
}

impl<'z, 'a> Array<'z, 'a> {
    /// Begin an array of so many rows.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn begin(zip: &'z mut Zip<'a>, name: &str, dtype: &str, rows: u64) -> io::Result<Self> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
        zip.start_file(format!("{name}.npy"), options)?;
        zip.write_all(&npy::head(dtype, rows))?;
        Ok(Self { zip, held: Vec::with_capacity(PIECE_BYTES) })
    }

    /// Append bytes of its rows.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= PIECE_BYTES {
            self.zip.write_all(&self.held)?;
            self.held.clear();
        }
        Ok(())
    }

    /// All rows are there.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn end(self) -> io::Result<()> {
        self.zip.write_all(&self.held)
    }
}
