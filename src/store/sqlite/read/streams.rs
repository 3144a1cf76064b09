//! The endpoints and streams of a session.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, params};

use crate::codec::channels::{Channel, Channels};
use crate::codec::framing::{Framing, TOPIC_MAX_BYTES};
use crate::codec::layout::Layout;
use crate::codec::stream::Stream;
use crate::error::Result;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::read::sessions::Session;
use crate::store::sqlite::untrusted::damage::{id_from, is_damage, read_past};
use crate::store::sqlite::untrusted::foreign::damaged;

/// Endpoints that are read of a session: more are not given on a command line.
const ENDPOINTS_MAX: i64 = 10_000;

/// Memory for all streams of a session together.
const STREAMS_MAX_BYTES: usize = 64 << 20;

impl Database {
    /// The endpoints of a session by their numbers, as far as they can be read.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn endpoints(&self, session: &Session) -> Result<BTreeMap<u32, String>> {
        let mut endpoints = BTreeMap::new();
        for part in session.parts.iter().rev() {
            self.read_endpoints(part.id, &mut endpoints)?;
        }
        Ok(endpoints)
    }

    fn read_endpoints(&self, session_id: i64, endpoints: &mut BTreeMap<u32, String>) -> Result<()> {
        let sql =
            "SELECT number, endpoint FROM endpoints WHERE session_id = ?1 AND number >= ?2 ORDER BY number LIMIT ?3";
        let read = |next: &mut i64| -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![session_id, *next, ENDPOINTS_MAX])?;
            while let Some(row) = rows.next()? {
                let number = id_from(row, *next)?;
                let text = String::from_utf8_lossy(row.get_ref(1)?.as_bytes()?).into_owned();
                endpoints.insert(u32::try_from(number).map_err(|_| damaged("an endpoint has no number"))?, text);
                *next = number.saturating_add(1);
            }
            Ok(())
        };
        let ask = |from: i64| {
            self.connection
                .prepare_cached(sql)?
                .query_row(params![session_id, from, 1], |row| id_from(row, from))
                .optional()
        };
        self.quick(|| read_past(0, i64::from(u32::MAX), read, ask)).map_err(self.failed("read the endpoints"))?;
        Ok(())
    }

    /// The endpoints of a session whose connections were encrypted, by their numbers, with the public key of the peer where it was
    /// connected to.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn secured(&self, session: &Session) -> Result<BTreeMap<u32, Option<String>>> {
        let sql = "SELECT number, substr(peer_key, 1, 40) FROM endpoints WHERE session_id = ?1 AND number BETWEEN 1 AND ?2 \
                   AND security = 'curve' LIMIT ?2";
        let mut secured = BTreeMap::new();
        let mut read = |session_id| -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows =
                statement.query_map(params![session_id, ENDPOINTS_MAX], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.try_for_each(|row| row.map(|(number, key)| drop(secured.insert(number, key))))
        };
        let read = self.quick(|| session.parts.iter().rev().try_for_each(|part| read(part.id)));
        read.map(|()| secured).map_err(self.failed("read how the endpoints were secured"))
    }

    /// The streams of a session by their rows, as far as they can be read. One whose layout cannot be read is `bytes`. Those that are
    /// the same in several parts stand once, by the row in the first of them.
    ///
    /// # Errors
    /// When the database cannot be read, or they are more than can be shown.
    pub fn streams(&self, session: &Session) -> Result<BTreeMap<i64, Stream>> {
        Ok(self.same_streams(session)?.0)
    }

    /// Those of one part.
    pub(in crate::store) fn streams_of(&self, session_id: i64) -> Result<BTreeMap<i64, Stream>> {
        let sql = "SELECT id, endpoint, framing, topic, layout, assumed, sample_rate_hz, counter FROM streams \
                   WHERE id >= ?1 AND session_id = ?2 AND length(topic) <= ?3 ORDER BY id";
        let (mut streams, mut bytes) = (BTreeMap::new(), 0);
        let range = |from: i64| params_of(from, session_id);
        let read = |next_id: &mut i64| -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query(range(*next_id))?;
            while bytes <= STREAMS_MAX_BYTES
                && let Some(row) = rows.next()?
            {
                let id = id_from(row, *next_id)?;
                let mut stream = from_row(row)?;
                stream.channels = match self.channels(id, &stream.layout) {
                    Err(cause) if is_damage(&cause) => None,
                    channels => channels?,
                };
                bytes +=
                    size_of::<Stream>() + stream.topic.len() + stream.layout.numbers().count() * size_of::<Channel>();
                streams.insert(id, stream);
                *next_id = id.saturating_add(1);
            }
            Ok(())
        };
        let ask = |from_id: i64| {
            self.connection.prepare_cached(sql)?.query_row(range(from_id), |row| id_from(row, from_id)).optional()
        };
        let read = self.quick(|| read_past(i64::MIN, i64::MAX, read, ask));
        read.map_err(self.failed("read the streams"))?;
        if bytes > STREAMS_MAX_BYTES {
            return Err(self.failed("read the streams")(damaged("its streams are more than can be shown")));
        }
        Ok(streams)
    }

    /// Why the layout of its stream cannot read the message of this number, if that is so.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn fault(&self, session: &Session, number: i64) -> Result<Option<String>> {
        let id = session.first_id.saturating_add(number);
        let sql = "SELECT reason FROM faults WHERE message_id = ?1";
        let ask = || self.connection.query_row(sql, [id], |row| row.get(0)).optional();
        self.quick(ask).map_err(self.failed("read why a message cannot be read"))
    }

    /// What was said about the numbers of a stream; `None` if nothing was.
    fn channels(&self, stream_id: i64, layout: &Layout) -> rusqlite::Result<Option<Channels>> {
        let sql = "SELECT channel, unit, scale, \"offset\" FROM fields WHERE stream_id = ?1 AND place <> 'frame' \
                   ORDER BY part, place, position LIMIT ?2";
        let numbers = layout.number_count();
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![stream_id, numbers as i64], |row| {
            Ok(Channel {
                name: row.get::<_, Option<String>>(0)?.unwrap_or_default(),
                unit: row.get(1)?,
                scale: row.get::<_, Option<f64>>(2)?.unwrap_or(1.0),
                offset: row.get::<_, Option<f64>>(3)?.unwrap_or(0.0),
            })
        })?;
        let channels = Channels::of(rows.collect::<rusqlite::Result<_>>()?);
        Ok(Some(channels).filter(|channels| *channels != Channels::unnamed(layout) && channels.fit(layout).is_ok()))
    }
}

fn params_of(from: i64, session_id: i64) -> [i64; 3] {
    [from, session_id, TOPIC_MAX_BYTES as i64]
}

/// The framing in this column.
pub(in crate::store) fn framing(row: &Row<'_>, column: usize) -> rusqlite::Result<Framing> {
    let name: String = row.get(column)?;
    Framing::named(&name).ok_or_else(|| damaged("a stream has no framing that is known"))
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Stream> {
    let layout = String::from_utf8_lossy(row.get_ref(4)?.as_bytes()?).parse();
    let counter = row.get_ref(7)?.as_bytes_or_null()?.map(String::from_utf8_lossy);
    Ok(Stream {
        endpoint: row.get(1)?,
        framing: framing(row, 2)?,
        topic: row.get(3)?,
        layout: layout.unwrap_or_else(|_| Layout::bytes()),
        is_assumed: row.get(5)?,
        channels: None,
        sample_rate_hz: row.get(6)?,
        counter: counter.and_then(|text| text.parse().ok()),
    })
}
