//! Makes batches out of rows again.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::codec::framing::{Framing, SEPARATOR, TOPIC_MAX_BYTES};
use crate::codec::stream::{Key, lengths};
use crate::codec::topic::Wanted;
use crate::message::{Batch, Origin};
use crate::store::sqlite::read::streams::framing;
use crate::store::sqlite::untrusted::foreign::damaged;
use crate::time::position::Position;

/// Where to end is not said: SQLite would compare it with each row.
const SELECT: &str = "SELECT id, received_unix_ns, elapsed_ns, stream_id, payload, parts FROM messages \
     WHERE id >= ?1 ORDER BY id";

/// Streams that are kept in memory. Devices have a few; when there are more, the table is asked again.
const STREAMS_MAX: usize = 65_536;

/// Which messages of a session are read.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Of which topics.
    pub wanted: Wanted,
    /// From the endpoints of these numbers; `None` is all of them.
    pub endpoints: Option<Vec<u32>>,
    /// Where to begin; the beginning of the session if it is not said.
    pub from: Option<Position>,
    /// Where to end, before that message; the end of the session if it is not said.
    pub to: Option<Position>,
}

impl Default for Selection {
    fn default() -> Self {
        Self { wanted: Wanted::Every, endpoints: None, from: None, to: None }
    }
}

/// Reads rows, and remembers streams.
#[derive(Debug)]
pub(in crate::store) struct Rows {
    session_id: i64,
    selection: Selection,
    keys: Vec<Key>,
    /// Where the key of a stream is, ...
    streams: HashMap<i64, usize>,
    /// ... and that of the stream which was asked for last: most often it is the next one too.
    last: Option<(i64, usize)>,
    /// Of the messages that were appended last, whether they are selected.
    taken: Vec<bool>,
}

impl Rows {
    /// Of the messages of a session that are selected.
    pub fn new(session_id: i64, selection: &Selection) -> Self {
        Self {
            session_id,
            selection: selection.clone(),
            keys: Vec::new(),
            streams: HashMap::new(),
            last: None,
            taken: Vec::new(),
        }
    }

    /// Of which topics messages are selected.
    pub fn wanted(&self) -> &Wanted {
        &self.selection.wanted
    }

    /// The messages that follow are of this session.
    pub fn enter(&mut self, session_id: i64) {
        if self.session_id != session_id {
            self.session_id = session_id;
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.keys.clear();
        self.streams.clear();
        self.last = None;
    }

    /// Append all messages of a range of ids to `batch`, each with its id as its number, until it has so many bytes. Gives
    /// the id to go on at, if that was not the end of the range.
    pub fn fill(
        &mut self,
        connection: &Connection,
        first_id: i64,
        last_id: i64,
        full_bytes: usize,
        batch: &mut Batch,
    ) -> rusqlite::Result<Option<i64>> {
        self.taken.clear();
        let mut statement = connection.prepare_cached(SELECT)?;
        let mut rows = statement.query([first_id])?;
        for id in first_id..=last_id {
            let row = rows.next()?.ok_or_else(|| damaged("some of its messages are missing"))?;
            let stream_id = row.get(3)?;
            self.append(connection, row, stream_id, batch)?;
            batch.push_place(id, stream_id);
            let is_full = batch.bytes() >= full_bytes;
            // The last one has this id only if each between has its own.
            if (is_full || id == last_id) && row.get::<_, i64>(0)? != id {
                return Err(damaged("some of its messages are missing"));
            }
            if is_full && id < last_id {
                return Ok(Some(id + 1));
            }
        }
        Ok(None)
    }

    /// Whether messages are left out at all.
    pub fn are_selected(&self) -> bool {
        self.selection.wanted != Wanted::Every || self.selection.endpoints.is_some()
    }

    /// Whether messages of the endpoint of this number are selected.
    pub fn selects(&self, endpoint: u32) -> bool {
        self.selection.endpoints.as_ref().is_none_or(|numbers| numbers.contains(&endpoint))
    }

    /// Which of the messages that were appended last are selected.
    pub fn taken(&self) -> &[bool] {
        &self.taken
    }

    /// Nothing is appended when it cannot be read.
    fn append(
        &mut self,
        connection: &Connection,
        row: &Row<'_>,
        stream_id: i64,
        batch: &mut Batch,
    ) -> rusqlite::Result<()> {
        let (payload, parts) = (row.get_ref(4)?.as_blob()?, row.get_ref(5)?.as_bytes_or_null()?);
        let times = (row.get(1)?, row.get(2)?);
        let is_selecting = self.are_selected();
        put_together(self.key(connection, stream_id)?, times, payload, parts, batch)?;
        let is_taken = !is_selecting || self.takes(batch);
        self.taken.push(is_taken);
        Ok(())
    }

    /// Whether the last message is selected.
    fn takes(&self, batch: &Batch) -> bool {
        let wanted = &self.selection.wanted;
        batch.last().is_some_and(|message| {
            self.selects(message.origin.0)
                && wanted.takes(message.frames().next().unwrap_or_default(), message.frame_count as usize)
        })
    }

    fn key(&mut self, connection: &Connection, stream_id: i64) -> rusqlite::Result<&Key> {
        let at = match self.last {
            Some((last_id, at)) if last_id == stream_id => at,
            _ => self.key_of_another(connection, stream_id)?,
        };
        self.last = Some((stream_id, at));
        self.keys.get(at).ok_or_else(|| damaged("a message has no stream of its session"))
    }

    fn key_of_another(&mut self, connection: &Connection, stream_id: i64) -> rusqlite::Result<usize> {
        if let Some(&at) = self.streams.get(&stream_id) {
            return Ok(at);
        }
        if self.keys.len() >= STREAMS_MAX {
            self.forget();
        }
        self.keys.push(key(connection, self.session_id, stream_id)?);
        let at = self.keys.len() - 1;
        self.streams.insert(stream_id, at);
        Ok(at)
    }
}

/// Append a message with both times, as its row has it. Nothing is appended when it makes no sense.
pub(in crate::store) fn put_together(
    key: &Key,
    (unix_ns, elapsed_ns): (i64, i64),
    payload: &[u8],
    parts: Option<&[u8]>,
    batch: &mut Batch,
) -> rusqlite::Result<()> {
    let no_frames = || damaged("the frames of a message do not agree with their lengths");
    let has_lengths =
        |parts| lengths(parts).try_fold(0, |sum: usize, length| sum.checked_add(length?)) == Some(payload.len());
    if !parts.is_none_or(has_lengths) || (key.framing == Framing::Space && parts.is_some()) {
        return Err(no_frames());
    }
    let mut entry = batch.message(Origin(key.endpoint), unix_ns, elapsed_ns);
    match (key.framing, parts) {
        (Framing::Space, _) => entry.frame(&[&key.topic, &[SEPARATOR], payload]),
        (Framing::Frames | Framing::Whole, parts) => {
            if key.framing == Framing::Frames {
                entry.frame(&[&key.topic]);
            }
            match parts {
                None => entry.frame(&[payload]),
                Some(parts) => {
                    let mut rest = payload;
                    for length in lengths(parts).flatten() {
                        let (frame, after) = rest.split_at_checked(length).ok_or_else(no_frames)?;
                        entry.frame(&[frame]);
                        rest = after;
                    }
                }
            }
        }
    }
    Ok(())
}

/// What a message of this stream is put together with. A topic that is too long is not even read.
pub(in crate::store) fn key(connection: &Connection, session_id: i64, stream_id: i64) -> rusqlite::Result<Key> {
    let sql = "SELECT endpoint, framing, topic FROM streams WHERE id = ?1 AND session_id = ?2 AND length(topic) <= ?3";
    let found =
        connection.prepare_cached(sql)?.query_row(params![stream_id, session_id, TOPIC_MAX_BYTES as i64], |row| {
            Ok(Key { endpoint: row.get(0)?, framing: framing(row, 1)?, topic: row.get(2)? })
        });
    found.optional()?.ok_or_else(|| damaged("a message has no stream of its session"))
}
