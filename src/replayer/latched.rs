//! What a replay that begins in the middle of a session sends first: the latest message of some topics before its beginning, such as a
//! header or a configuration.

use std::collections::BTreeMap;

use bytesize::ByteSize;

use crate::codec::framing::Framing;
use crate::codec::topic::{Wanted, shown, trimmed};
use crate::error::{Error, Result};
use crate::message::{Batch, Message, Piece};
use crate::store::{Database, Reader, Selection, Session};
use crate::time::position::Position;

/// So many topics can be latched: each is looked for.
const TOPICS_MAX: usize = 256;

/// So many bytes their messages can have: they stay in memory.
const BYTES_MAX: usize = 64 << 20;

/// The topics whose latest messages are sent first.
#[derive(Clone, Debug)]
pub struct Latched {
    /// As they were typed, ...
    pub texts: Vec<String>,
    /// ... and what they mean.
    pub wanted: Wanted,
}

/// A topic of an endpoint, and before which number its latest message is.
type Latch = ((u32, Vec<u8>), i64);

/// The latest messages of the topics that were typed before the message of number `first`, in the order in which they came, from the
/// endpoints that are selected.
///
/// # Errors
/// When the database cannot be read, or there are none or too many of such topics.
pub fn latched(
    database: &Database,
    session: &Session,
    typed: &Latched,
    endpoints: Option<&Vec<u32>>,
    first: i64,
) -> Result<Batch> {
    let refuse = |cause| Error::Setting { option: "--latched", value: typed.texts.join(" "), cause };
    let latches = latches(database, session, typed, endpoints, first)?;
    match latches.len() {
        0 => return Err(refuse(format!("{} has no such topic", session.title()))),
        count if count > TOPICS_MAX => {
            return Err(refuse(format!("{count} topics are meant; {TOPICS_MAX} are allowed")));
        }
        _ => {}
    }
    let (mut found, mut bytes) = (BTreeMap::new(), 0);
    for ((endpoint, topic), end) in latches {
        let Some((number, message)) = latest(database, session, (endpoint, &topic), end)? else {
            tracing::warn!("'{}' has no message before the beginning of the replay", shown(&topic));
            continue;
        };
        tracing::info!("message #{number} of '{}' is sent first", shown(&topic));
        bytes += message.bytes();
        if bytes > BYTES_MAX {
            return Err(refuse(format!("their messages have more than {}", ByteSize(BYTES_MAX as u64))));
        }
        found.insert(number, message);
    }
    let mut all = Batch::default();
    found.values().flat_map(Batch::messages).for_each(|message| copy(message, &mut all));
    Ok(all)
}

/// The topics that are meant. Overviews of a finished session are of all its messages: they say where the last one is.
fn latches(
    database: &Database,
    session: &Session,
    typed: &Latched,
    endpoints: Option<&Vec<u32>>,
    first: i64,
) -> Result<Vec<Latch>> {
    let mut streams = database.streams(session)?;
    streams.retain(|_, stream| {
        stream.framing != Framing::Whole
            && stream.is_asked_for(&typed.wanted)
            && endpoints.is_none_or(|numbers| numbers.contains(&stream.endpoint))
    });
    let mut ends = BTreeMap::<i64, i64>::new();
    if !matches!(session.end_reason.as_deref(), None | Some("interrupted")) {
        database.overviews(session, 0..first, &mut |stream_id, overview| {
            ends.insert(stream_id, overview.last.saturating_add(1).min(first));
            Ok(())
        })?;
    }
    // In both framings it is the same topic.
    let mut latches = BTreeMap::new();
    for (stream_id, stream) in streams {
        let end = ends.get(&stream_id).copied().unwrap_or(first);
        let known = latches.entry((stream.endpoint, trimmed(&stream.topic).to_vec())).or_insert(end);
        *known = end.max(*known);
    }
    Ok(latches.into_iter().collect())
}

/// The last message of a topic with a number below `end`, and that number.
fn latest(
    database: &Database,
    session: &Session,
    (endpoint, topic): (u32, &[u8]),
    end: i64,
) -> Result<Option<(i64, Batch)>> {
    let to = Some(Position::Number(end));
    let selection = Selection { wanted: Wanted::exactly(topic), endpoints: Some(vec![endpoint]), from: None, to };
    let mut reader = match Reader::new(Database::for_reading(database.path())?, session, &selection) {
        Err(Error::EmptySelection { .. }) => return Ok(None),
        reader => reader?,
    };
    reader.seek_before(end)?;
    let (mut batch, mut one) = (Batch::default(), Batch::default());
    reader.read(&mut batch)?;
    let Some((message, &number)) = batch.messages().zip(batch.numbers()).last() else { return Ok(None) };
    copy(message, &mut one);
    Ok(Some((number, one)))
}

fn copy(message: Message<'_>, batch: &mut Batch) {
    let mut entry = batch.message(message.origin, message.unix_ns, message.elapsed_ns);
    message.frames().pieces().for_each(|piece| match piece {
        Piece::Lent(frame) => entry.frame(&[frame]),
        Piece::Shared(frame) => entry.share(frame),
    });
}
