//! Arrays for numpy: one for each stream, with the numbers in the types in which they came.
//!
//! A message whose numbers are read is a row: `time`, `elapsed_ns`, `number`, its header and its records. Where the messages of a
//! stream do not have the same number of records, those are an array of their own, `NAME.records`, and the row says which ones
//! are its. All other messages are in `NAME.messages`, `NAME.frames` (how long each frame is) and `NAME.bytes`.

mod arrays;
mod spool;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::{Value, json};
use zip::ZipWriter;

use crate::codec::npy;
use crate::codec::stream::Stream;
use crate::escape;
use crate::exporter::{Encoder, Packet, Scope, Sink};
use arrays::{Array, Arrays};
use spool::Spool;

/// What is handed to the operating system at once.
const BUFFER_BYTES: usize = 1 << 20;

/// The array that says what the others are: JSON.
const ABOUT: &str = "fancyhwd";

pub(super) struct Npz<'a> {
    sink: Sink<'a>,
    spool: Spool,
    scope: &'a Scope,
    streams: BTreeMap<i64, Arrays>,
    row: Vec<u8>,
}

impl<'a> Npz<'a> {
    /// For these streams. Rows wait in `directory`.
    pub fn new(sink: Sink<'a>, directory: &Path, scope: &'a Scope) -> io::Result<Self> {
        let spool = Spool::new(directory, scope.streams.len())?;
        let mut names = BTreeSet::from([ABOUT.to_owned()]);
        let arrays = |(&id, stream): (&i64, &Stream)| (id, Arrays::of(stream, &mut names));
        let streams = scope.streams.iter().map(arrays).collect();
        Ok(Self { sink, spool, scope, streams, row: Vec::new() })
    }
}

impl Encoder for Npz<'_> {
    fn message(&mut self, packet: &Packet<'_>) -> io::Result<bool> {
        let Self { spool, streams, row, .. } = self;
        let Some(arrays) = streams.get_mut(&packet.stream_id) else { return Ok(false) };
        let is_read = packet.stream.check(packet.message.frames()).is_ok();
        let [time, elapsed, number] =
            [packet.message.unix_ns, packet.message.elapsed_ns, packet.number].map(i64::to_le_bytes);
        arrays.append(spool, [time, elapsed, number].as_flattened(), packet, is_read, row)?;
        Ok(is_read)
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        let Self { sink, spool, scope, streams, .. } = *self;
        let mut zip = ZipWriter::new(BufWriter::with_capacity(BUFFER_BYTES, sink));
        let arrays_of = |(id, stream)| streams.get(id).map(|arrays: &Arrays| arrays.about(stream));
        let said: Vec<Value> = scope.streams.iter().filter_map(arrays_of).collect();
        let about = json!({ "session": scope.about.session, "ledger": scope.about.ledger, "streams": said });
        let about = escape::json::compact(&about);
        let mut array = Array::begin(&mut zip, ABOUT, npy::BYTES, about.len() as u64)?;
        array.push(about.as_bytes())?;
        array.end()?;
        for arrays in streams.values() {
            arrays.write(&spool, &mut zip)?;
        }
        zip.finish()?.flush()
    }
}
