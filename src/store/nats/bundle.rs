//! What one message of an archive holds: some commits of a session, one after the other, as `ARCHITECTURE.md` describes it. Each
//! bundle can be read by itself.
//!
//! ```text
//! bundle  = version u8 | first_number i64 | previous digest, 32 bytes | count, streams | count, commits | bytes of heads | heads | payload
//! stream  = id | endpoint | framing u8 | bytes of topic | topic
//! commit  = messages | committed_unix_ns i64 | digest, 32 bytes
//! head    = place of the stream in the list | elapsed_ns, less that of the message before, signed
//!         | unix_ns less elapsed_ns, less the same of the message before, signed
//!         | 0 and the length of the only frame behind the topic, or their number + 1 and each length
//! payload = all frames behind the topics, one after the other
//! ```
//!
//! Numbers without a type are LEB128, signed ones zigzag; integers are little-endian.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use crate::codec::framing::{Framed, Framing, SEPARATOR, TOPIC_MAX_BYTES};
use crate::codec::stream::{Key, after_topic};
use crate::message::{
    BATCH_MAX_BYTES, BATCH_MAX_MESSAGES, Batch, Digest, FRAME_COST_BYTES, MESSAGE_MAX_BYTES, Message, Origin,
};

/// The version of this format.
const VERSION: u8 = 1;

/// Commits in one bundle. At the default commit interval these are minutes.
pub const COMMITS_MAX: usize = 4096;

/// A bundle takes no further commit once it has so many messages ...
pub const FULL_MESSAGES: usize = 40_000;

/// ... or so many bytes: then it is about one message of the archive.
pub const FULL_BYTES: usize = 768 << 10;

/// What a bundle can have: a full one takes one commit more.
const MESSAGES_MAX: usize = FULL_MESSAGES + BATCH_MAX_MESSAGES;

/// All frames of a bundle: those of a full one and one commit more, which has a message of any size in it.
const PAYLOAD_MAX_BYTES: u64 = (FULL_BYTES + BATCH_MAX_BYTES + MESSAGE_MAX_BYTES) as u64;

/// The heads of all messages: each length is counted as more bytes than it takes where messages are received.
const HEADS_MAX_BYTES: u64 = PAYLOAD_MAX_BYTES;

/// One commit of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// How many messages it has.
    pub messages: usize,
    /// When it was committed.
    pub unix_ns: i64,
    /// Its digest in the chain of the session.
    pub digest: Digest,
}

/// What a bundle is made of: commits that follow one another.
#[derive(Clone, Copy, Debug)]
pub struct Bundle<'a> {
    /// The number of the first message in its session.
    pub first_number: i64,
    /// The digest of the commit before.
    pub previous: &'a Digest,
    /// The commits.
    pub commits: &'a [Committed],
    /// Their messages, each with the row of its stream.
    pub batch: &'a Batch,
    /// The streams by their rows.
    pub streams: &'a BTreeMap<i64, Key>,
}

impl Bundle<'_> {
    /// Write it.
    ///
    /// # Errors
    /// When it cannot be written, or a message has a stream that is not there.
    pub fn write(&self, to: &mut (impl Write + ?Sized)) -> io::Result<()> {
        let (mut places, mut heads) = (BTreeMap::new(), Vec::new());
        let mut used = Vec::new();
        let mut before = (0_i64, 0_i64);
        for (message, row) in self.batch.messages().zip(self.batch.streams()) {
            let stream = self.streams.get(row).ok_or_else(|| malformed("a message has no stream"))?;
            let place = *places.entry(*row).or_insert_with(|| {
                used.push((*row, stream));
                used.len() - 1
            });
            write_head(message, place, stream.framed(), &mut before, &mut heads);
        }
        let mut front = vec![VERSION];
        front.extend_from_slice(&self.first_number.to_le_bytes());
        front.extend_from_slice(self.previous);
        number(used.len() as u64, &mut front);
        for (row, stream) in used {
            number(row.unsigned_abs(), &mut front);
            number(u64::from(stream.endpoint), &mut front);
            front.push(code(stream.framing));
            number(stream.topic.len() as u64, &mut front);
            front.extend_from_slice(&stream.topic);
        }
        number(self.commits.len() as u64, &mut front);
        for commit in self.commits {
            number(commit.messages as u64, &mut front);
            front.extend_from_slice(&commit.unix_ns.to_le_bytes());
            front.extend_from_slice(&commit.digest);
        }
        number(heads.len() as u64, &mut front);
        to.write_all(&front)?;
        to.write_all(&heads)?;
        for (message, row) in self.batch.messages().zip(self.batch.streams()) {
            let Some(stream) = self.streams.get(row) else { continue };
            after_topic(stream.framed(), message.frames()).try_for_each(|frame| to.write_all(frame))?;
        }
        Ok(())
    }
}

fn write_head(
    message: Message<'_>,
    place: usize,
    framed: Framed<'_>,
    (elapsed_before, behind_before): &mut (i64, i64),
    heads: &mut Vec<u8>,
) {
    let behind_ns = message.unix_ns.wrapping_sub(message.elapsed_ns);
    number(place as u64, heads);
    signed(message.elapsed_ns.wrapping_sub(*elapsed_before), heads);
    signed(behind_ns.wrapping_sub(*behind_before), heads);
    (*elapsed_before, *behind_before) = (message.elapsed_ns, behind_ns);
    let frames = after_topic(framed, message.frames());
    let mut rest = frames.clone();
    match (rest.next(), rest.next()) {
        (Some(_), None) => number(0, heads),
        _ => number(frames.clone().count() as u64 + 1, heads),
    }
    frames.for_each(|frame| number(frame.len() as u64, heads));
}

/// Reads a bundle that somebody else may have made. It takes memory for what comes, not for what is announced.
#[derive(Debug)]
pub struct Unbundling<R> {
    from: R,
    first_number: i64,
    previous: Digest,
    streams: Vec<(i64, Key)>,
    commits: std::vec::IntoIter<Committed>,
    heads: io::Cursor<Vec<u8>>,
    before: (i64, i64),
    payload_bytes: u64,
    scratch: Vec<u8>,
}

impl<R: Read> Unbundling<R> {
    /// Read what stands before the messages.
    ///
    /// # Errors
    /// When it cannot be read, or is no bundle.
    pub fn new(mut from: R) -> io::Result<Self> {
        if byte(&mut from)? != VERSION {
            return Err(malformed("it is of another version"));
        }
        let (first_number, previous) = (i64::from_le_bytes(array(&mut from)?), array(&mut from)?);
        if first_number < 0 {
            return Err(malformed("its first message has no number"));
        }
        let mut streams = Vec::new();
        for _ in 0..counted(&mut from, MESSAGES_MAX as u64)? {
            streams.push(stream(&mut from)?);
        }
        let (mut commits, mut messages) = (Vec::new(), 0);
        for _ in 0..counted(&mut from, COMMITS_MAX as u64)? {
            let count = counted(&mut from, BATCH_MAX_MESSAGES as u64)? as usize;
            messages += count;
            if count == 0 || messages > MESSAGES_MAX {
                return Err(malformed("its commits have not as many messages as a recorder makes"));
            }
            let unix_ns = i64::from_le_bytes(array(&mut from)?);
            commits.push(Committed { messages: count, unix_ns, digest: array(&mut from)? });
        }
        let heads_bytes = counted(&mut from, HEADS_MAX_BYTES)?;
        let mut heads = Vec::new();
        take(&mut from, heads_bytes, &mut heads)?;
        Ok(Self {
            from,
            first_number,
            previous,
            streams,
            commits: commits.into_iter(),
            heads: io::Cursor::new(heads),
            before: (0, 0),
            payload_bytes: 0,
            scratch: Vec::new(),
        })
    }

    /// The number of its first message in the session.
    pub fn first_number(&self) -> i64 {
        self.first_number
    }

    /// The digest that the first of its commits follows.
    pub fn previous(&self) -> &Digest {
        &self.previous
    }

    /// The streams of its messages, each with the row that it had.
    pub fn streams(&self) -> &[(i64, Key)] {
        &self.streams
    }

    /// Append the messages of the next commit, each with its place in the list of streams. Nothing says yet whether its digest
    /// is right.
    ///
    /// # Errors
    /// When it cannot be read, or is no bundle. What was appended then is of no use.
    pub fn next(&mut self, batch: &mut Batch) -> io::Result<Option<Committed>> {
        let Some(commit) = self.commits.next() else {
            return match (self.heads.position() < self.heads.get_ref().len() as u64, self.from.read(&mut [0])?) {
                (false, 0) => Ok(None),
                _ => Err(malformed("there is more in it than its messages")),
            };
        };
        (0..commit.messages).try_for_each(|_| self.message(batch))?;
        Ok(Some(commit))
    }

    fn message(&mut self, batch: &mut Batch) -> io::Result<()> {
        let Self { from, heads, streams, before: (elapsed_before, behind_before), payload_bytes, scratch, .. } = self;
        let place = count(heads)?;
        let (_, stream) = usize::try_from(place)
            .ok()
            .and_then(|place| streams.get(place))
            .ok_or_else(|| malformed("a message has no stream"))?;
        *elapsed_before = elapsed_before.wrapping_add(zigzag(count(heads)?));
        *behind_before = behind_before.wrapping_add(zigzag(count(heads)?));
        let unix_ns = behind_before.wrapping_add(*elapsed_before);
        let (frames, is_one) = match count(heads)? {
            0 => (1, true),
            more => (more - 1, false),
        };
        if !is_one && stream.framing == Framing::Space {
            return Err(malformed("a message has more frames than its topic allows"));
        }
        let mut message_bytes = 0;
        let mut entry = batch.message(Origin(stream.endpoint), unix_ns, *elapsed_before);
        if stream.framing == Framing::Frames {
            entry.frame(&[&stream.topic]);
        }
        for _ in 0..frames {
            let bytes = counted(heads, MESSAGE_MAX_BYTES as u64)?;
            message_bytes += bytes + FRAME_COST_BYTES as u64;
            *payload_bytes += bytes;
            if message_bytes > MESSAGE_MAX_BYTES as u64 || *payload_bytes > PAYLOAD_MAX_BYTES {
                return Err(malformed("a message is larger than any that is recorded"));
            }
            scratch.clear();
            if stream.framing == Framing::Space {
                scratch.extend_from_slice(&stream.topic);
                scratch.push(SEPARATOR);
            }
            take(from, bytes, scratch)?;
            entry.take(scratch, Vec::new);
        }
        batch.push_place(0, place as i64);
        Ok(())
    }
}

fn stream(from: &mut impl Read) -> io::Result<(i64, Key)> {
    let row = i64::try_from(count(from)?).map_err(|_| malformed("a stream has no number"))?;
    let endpoint = u32::try_from(count(from)?).map_err(|_| malformed("a stream has no endpoint"))?;
    let framing = match byte(from)? {
        0 => Framing::Space,
        1 => Framing::Frames,
        2 => Framing::Whole,
        _ => return Err(malformed("a stream has no framing that is known")),
    };
    let mut topic = Vec::new();
    let topic_bytes = counted(from, TOPIC_MAX_BYTES as u64)?;
    take(from, topic_bytes, &mut topic)?;
    Ok((row, Key { endpoint, framing, topic }))
}

fn code(framing: Framing) -> u8 {
    match framing {
        Framing::Space => 0,
        Framing::Frames => 1,
        Framing::Whole => 2,
    }
}

/// Append a number in as few bytes as it needs.
fn number(mut number: u64, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// The same of one that may be below zero.
fn signed(value: i64, to: &mut Vec<u8>) {
    number(((value << 1) ^ (value >> 63)) as u64, to);
}

fn zigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

fn count(from: &mut impl Read) -> io::Result<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = byte(from)?;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            break;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(malformed("a number in it is too large"))
}

/// A number up to this one.
fn counted(from: &mut impl Read, max: u64) -> io::Result<u64> {
    match count(from)? {
        number if number <= max => Ok(number),
        _ => Err(malformed("it announces more than a recorder writes")),
    }
}

fn byte(from: &mut impl Read) -> io::Result<u8> {
    array::<1>(from).map(|[byte]| byte)
}

fn array<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Append so many bytes.
fn take(from: &mut impl Read, bytes: u64, to: &mut Vec<u8>) -> io::Result<()> {
    match from.take(bytes).read_to_end(to)? as u64 == bytes {
        true => Ok(()),
        false => Err(malformed("it ends too early")),
    }
}

/// What is wrong with a bundle.
pub(super) fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests;
