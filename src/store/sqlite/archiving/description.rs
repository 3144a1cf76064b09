//! All that is known of a session beside its messages, as lines of JSON: the session, its endpoints, its streams, its ledger.

use std::io::BufRead;

use rusqlite::params;
use serde_json::{Value, json};

use crate::codec::framing::Framing;
use crate::codec::layout::Layout;
use crate::codec::stream::Stream;
use crate::error::Result;
use crate::escape;
use crate::message::Digest;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::read::sessions::Session;
use crate::store::sqlite::seal;

/// The columns of a session that go with it; its ids do not.
pub(super) const COLUMNS: &str = "'label', label, 'note', note, 'started_unix_ns', started_unix_ns, 'ended_unix_ns', ended_unix_ns, \
     'end_reason', end_reason, 'topics', topics, 'framing', framing, 'host', host, 'boot_id', boot_id, 'version', version, \
     'durability', durability, 'continues', continues, 'continues_elapsed_ns', continues_elapsed_ns, 'first_elapsed_ns', first_elapsed_ns, \
     'last_elapsed_ns', last_elapsed_ns, 'messages', messages, \
     'undecodable', undecodable, 'unwanted', unwanted, 'lost', lost, 'bytes', bytes, 'seal', lower(hex(seal))";

const EVENT: &str = "'unix_ns', unix_ns, 'elapsed_ns', elapsed_ns, 'until_elapsed_ns', until_elapsed_ns, 'kind', kind, \
     'endpoint', endpoint, 'peer', peer, 'lost', lost, 'detail', detail";

/// Entries of the ledger that are read in one transaction.
const STEP_ENTRIES: i64 = 1000;

/// The longest line: a note has at most 64 KiB, which JSON may write six times as long.
const LINE_MAX_BYTES: u64 = 1 << 20;

/// What an archive says of a session.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Names and values as in the table `sessions`.
    pub session: Value,
    /// Its streams, each with the row that it had.
    pub streams: Vec<(i64, Stream)>,
}

impl Database {
    /// Give each line of what is known of a session that stands alone, as its row is now.
    ///
    /// # Errors
    /// When it cannot be read, or what `give` fails with.
    pub fn describe_lines(&self, session: &Session, give: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let sql = format!("SELECT json_object('session', json_object({COLUMNS})) FROM sessions WHERE id = ?1");
        let ask = || self.connection.query_row(&sql, [session.id], |row| row.get::<_, String>(0));
        let line = self.quick(ask).map_err(self.failed("read the sessions"))?;
        give(line.as_bytes())?;
        let sql = "SELECT json_object('endpoint', json_object('number', number, 'endpoint', endpoint, 'socket', socket, 'side', side, \
             'security', security, 'peer_key', peer_key)) FROM endpoints WHERE session_id = ?1 ORDER BY number LIMIT 10000";
        let ask = || -> rusqlite::Result<Vec<String>> {
            self.connection.prepare_cached(sql)?.query_map([session.id], |row| row.get(0))?.collect()
        };
        for line in self.quick(ask).map_err(self.failed("read the endpoints"))? {
            give(line.as_bytes())?;
        }
        for (row, stream) in self.streams_of(session.id)? {
            give(escape::json::compact(&json!({ "stream": as_json(row, &stream) })).as_bytes())?;
        }
        let sql = format!(
            "SELECT id, json_object('event', json_object({EVENT})) FROM events WHERE id > ?1 AND session_id = ?2 ORDER BY id LIMIT ?3"
        );
        let mut last_row = i64::MIN;
        loop {
            let ask = || -> rusqlite::Result<Vec<(i64, String)>> {
                let mut statement = self.connection.prepare_cached(&sql)?;
                let range = params![last_row, session.id, STEP_ENTRIES];
                statement.query_map(range, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            };
            let lines = self.quick(ask).map_err(self.failed("read the ledger"))?;
            for (_, line) in &lines {
                give(line.as_bytes())?;
            }
            match lines.last() {
                Some((row, _)) if *row > last_row => last_row = *row,
                _ => return Ok(()),
            }
        }
    }
}

fn as_json(row: i64, stream: &Stream) -> Value {
    json!({
        "row": row,
        "endpoint": stream.endpoint,
        "framing": stream.framing.name(),
        "topic": stream.topic.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        "layout": stream.layout.to_string(),
        "assumed": stream.is_assumed,
        "channels": stream.channels.as_ref().map(ToString::to_string),
        "sample_rate_hz": stream.sample_rate_hz,
        "counter": stream.counter.as_ref().map(ToString::to_string),
    })
}

/// A stream and its row, as a line says. What cannot be read of how its messages are read is left out.
fn stream(of: &Value) -> Option<(i64, Stream)> {
    let text = |name: &str| of.get(name).and_then(Value::as_str);
    let layout: Option<Layout> = text("layout")?.parse().ok();
    let layout = layout.unwrap_or_else(Layout::bytes);
    let hex = text("topic")?.as_bytes();
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let stream = Stream {
        endpoint: u32::try_from(of.get("endpoint")?.as_u64()?).ok()?,
        framing: Framing::named(text("framing")?)?,
        topic: hex.chunks(2).map(digits).collect::<Option<_>>()?,
        is_assumed: of.get("assumed")?.as_bool()?,
        channels: text("channels").and_then(|text| text.parse().ok()).filter(|channels| {
            let channels: &crate::codec::channels::Channels = channels;
            channels.fit(&layout).is_ok()
        }),
        layout,
        sample_rate_hz: of.get("sample_rate_hz").and_then(Value::as_f64).filter(|rate_hz| *rate_hz > 0.0),
        counter: text("counter").and_then(|text| text.parse().ok()),
    };
    Some((of.get("row")?.as_i64()?, stream))
}

/// One line of what an archive says.
#[derive(Clone, Debug)]
pub(super) enum Line {
    Session(Value),
    Endpoint(Value),
    Stream(i64, Box<Stream>),
    Event(Value),
}

/// Read the next line that somebody else may have written; `None` at the end.
pub(super) fn next_line(from: &mut impl BufRead) -> std::result::Result<Option<Line>, String> {
    let mut line = Vec::new();
    let mut bounded = std::io::Read::take(&mut *from, LINE_MAX_BYTES + 1);
    let bytes = bounded.read_until(b'\n', &mut line).map_err(|cause| cause.to_string())?;
    if bytes == 0 {
        return Ok(None);
    }
    if bytes as u64 > LINE_MAX_BYTES {
        return Err("a line is longer than any that a recorder writes".to_owned());
    }
    let wrong = || "a line is not as a recorder writes it".to_owned();
    let mut value: Value = serde_json::from_slice(&line).map_err(|_| wrong())?;
    let mut of = |name: &str| value.get_mut(name).filter(|of| of.is_object()).map(Value::take);
    if let Some(session) = of("session") {
        return Ok(Some(Line::Session(session)));
    }
    if let Some(endpoint) = of("endpoint") {
        return Ok(Some(Line::Endpoint(endpoint)));
    }
    if let Some(event) = of("event") {
        return Ok(Some(Line::Event(event)));
    }
    let (row, stream) = of("stream").as_ref().and_then(stream).ok_or_else(wrong)?;
    Ok(Some(Line::Stream(row, Box::new(stream))))
}

impl Restored {
    /// Read what comes before the ledger.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(from: &mut impl BufRead) -> std::result::Result<Self, String> {
        let Some(Line::Session(session)) = next_line(from)? else {
            return Err("it does not begin with the session".to_owned());
        };
        let (mut streams, mut bytes) = (Vec::new(), 0);
        while let Some(line) = next_line(from)? {
            match line {
                Line::Stream(row, stream) => {
                    bytes += size_of::<Stream>() + stream.topic.len() + stream.layout.number_count() * 64;
                    streams.push((row, *stream));
                }
                Line::Event(_) => break,
                Line::Session(_) => return Err("it has two sessions".to_owned()),
                Line::Endpoint(_) => {}
            }
            if bytes > STREAMS_MAX_BYTES {
                return Err("its streams are more than can be remembered".to_owned());
            }
        }
        Ok(Self { session, streams })
    }

    /// Whether what is said of it is what its seal was made of, if its last commit has this digest. One that has not ended has none.
    pub fn is_sealed(&self, last_digest: &Digest) -> bool {
        let sealed = self.text("seal").filter(|seal| !seal.is_empty());
        sealed.is_none_or(|sealed| seal::of_values(last_digest, &self.session) == sealed)
    }

    /// A text of the session.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.session.get(name).and_then(Value::as_str)
    }

    /// A number of the session.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.session.get(name).and_then(Value::as_i64)
    }
}

/// Memory for all streams of a session together.
const STREAMS_MAX_BYTES: usize = 64 << 20;
