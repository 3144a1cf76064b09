//! Stamped messages, one behind the other in one piece of memory: what moves between threads, is stored in one
//! transaction, and is digested.
//!
//! One message is this record, all integers little-endian:
//!
//! ```text
//! origin u32 | frame_count u32 | unix_ns i64 | elapsed_ns i64 | frame_count times: length_bytes u32 | that many bytes
//! ```
//!
//! The origin is the number of the endpoint in the session. Appending to a batch that was used before allocates nothing, and the digest
//! runs over the memory as it is.
//!
//! A large frame has memory of its own: here is a mark in the place of its length. The digest runs over its length and its bytes
//! as if they were here.

use std::sync::Arc;

use crate::message::queue::Load;
use crate::message::{Digest, Digester, Frame, Gap, Lying, Message, Messages, Origin};

/// A batch is handed over when it holds this many messages: 20,000 rows make a transaction in which the commit itself
/// is a twentieth of the work.
pub const BATCH_MAX_MESSAGES: usize = 20_000;

/// ... or this many bytes, so that large messages do not make large batches.
pub const BATCH_MAX_BYTES: usize = 4 << 20;

/// The largest message: what its frames take together, with [`FRAME_COST_BYTES`] for each. A BLOB in SQLite ends at
/// 1,000,000,000 bytes.
pub const MESSAGE_MAX_BYTES: usize = 900_000_000;

/// What a frame counts beside its bytes: its length here, and in the list of lengths in the database.
pub const FRAME_COST_BYTES: usize = 12;

pub(super) const HEADER_BYTES: usize = 4 + 4 + 8 + 8;

/// Where the number of frames stands in the header.
pub(super) const COUNT_AT: usize = 4;

/// Where the time since the beginning stands in it.
const ELAPSED_AT: usize = HEADER_BYTES - 8;

/// This bit of a length says that the frame is not here. No message is so large.
pub(super) const IS_LARGE: u32 = 1 << 31;

/// A frame of this size is not copied where it can be taken: while that takes its time, those of other devices wait for their
/// stamps.
const LARGE_FRAME_BYTES: usize = 64 << 10;

/// Messages in the order of their arrival, each with its two stamps and its frames.
#[derive(Debug, Default)]
pub struct Batch {
    log: Vec<u8>,
    large: Vec<Arc<dyn Frame>>,
    messages: usize,
    /// Where the last message begins: in the log, and among the large frames.
    last: (usize, usize),
    numbers: Vec<i64>,
    streams: Vec<i64>,
    gaps: Vec<Gap>,
    jump: u64,
}

/// A place between two messages of a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    bytes: usize,
    large: usize,
    messages: usize,
    /// Where the message before it begins.
    last: (usize, usize),
}

impl Mark {
    /// Whether it is before all messages.
    pub fn is_beginning(&self) -> bool {
        self.messages == 0
    }
}

impl Batch {
    /// Append a message without frames, with where it came from, and stamped with wall clock time and nanoseconds since
    /// the session began. Its frames follow through [`Entry::frame`].
    pub fn message(&mut self, origin: Origin, unix_ns: i64, elapsed_ns: i64) -> Entry<'_> {
        self.last = (self.log.len(), self.large.len());
        self.log.extend_from_slice(&origin.0.to_le_bytes());
        self.log.extend_from_slice(&0_u32.to_le_bytes());
        self.log.extend_from_slice(&unix_ns.to_le_bytes());
        self.log.extend_from_slice(&elapsed_ns.to_le_bytes());
        self.messages += 1;
        Entry { batch: self, frame_count: 0 }
    }

    /// The messages in the order in which they were appended.
    pub fn messages(&self) -> Messages<'_> {
        self.messages_from(Mark::default())
    }

    /// The message that was appended last.
    pub fn last(&self) -> Option<Message<'_>> {
        let (bytes, large) = self.last;
        self.messages_from(Mark { bytes, large, ..Mark::default() }).next()
    }

    /// Number of messages.
    pub fn len(&self) -> usize {
        self.messages
    }

    /// Whether there is neither a message nor a gap.
    pub fn is_empty(&self) -> bool {
        self.messages == 0 && self.gaps.is_empty()
    }

    /// Size in memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes_from(Mark::default())
    }

    /// Whether it should be handed over instead of growing.
    pub fn is_full(&self) -> bool {
        self.messages >= BATCH_MAX_MESSAGES || self.bytes() >= BATCH_MAX_BYTES
    }

    /// The number in its session, from 0, of each message, where they are read.
    pub fn numbers(&self) -> &[i64] {
        &self.numbers
    }

    /// The same of the messages behind a place, to be changed.
    pub fn numbers_from_mut(&mut self, mark: Mark) -> &mut [i64] {
        self.numbers.get_mut(mark.messages..).unwrap_or_default()
    }

    /// The row of the stream of each message, where they are read.
    pub fn streams(&self) -> &[i64] {
        &self.streams
    }

    /// The same of the messages behind a place, to be changed.
    pub fn streams_from_mut(&mut self, mark: Mark) -> &mut [i64] {
        self.streams.get_mut(mark.messages..).unwrap_or_default()
    }

    /// Let the messages behind a place have come so much later, since what their session began with.
    pub fn delay_from(&mut self, mark: Mark, later_ns: i64) {
        let mut next = mark;
        while let Some(end) = self.behind(next) {
            let at = next.bytes + ELAPSED_AT;
            if let Some(bytes) = self.log.get_mut(at..).and_then(|log| log.first_chunk_mut()) {
                *bytes = i64::from_le_bytes(*bytes).saturating_add(later_ns).to_le_bytes();
            }
            next = end;
        }
    }

    /// The place behind the next message behind a place, if there is one.
    fn behind(&self, mark: Mark) -> Option<Mark> {
        let mut behind = self.messages_from(mark);
        behind.next()?;
        let Lying { log, large } = behind.rest;
        Some(Mark {
            bytes: self.log.len() - log.len(),
            large: self.large.len() - large.len(),
            messages: mark.messages + 1,
            last: (mark.bytes, mark.large),
        })
    }

    /// The next message behind a place, if there is one, and the place behind it.
    pub fn next_behind(&self, mark: Mark) -> Option<(Message<'_>, Mark)> {
        self.messages_from(mark).next().zip(self.behind(mark))
    }

    /// Append the messages of another batch between two places, with their stamps and origins.
    pub fn append(&mut self, other: &Self, from: Mark, to: Mark) {
        let (bytes, large) = (to.last.0.saturating_sub(from.bytes), to.last.1.saturating_sub(from.large));
        self.last = (self.log.len() + bytes, self.large.len() + large);
        self.log.extend_from_slice(other.log.get(from.bytes..to.bytes).unwrap_or_default());
        self.large.extend_from_slice(other.large.get(from.large..to.large).unwrap_or_default());
        self.messages += to.messages - from.messages;
    }

    /// A copy of its messages, in no more memory than they need.
    pub fn compact(&self) -> Self {
        let mut copy = Self { log: Vec::with_capacity(self.log.len()), ..Self::default() };
        copy.append(self, Mark::default(), self.mark());
        copy
    }

    /// Note the number of the message that was appended last, and the row of its stream.
    pub fn push_place(&mut self, number: i64, stream: i64) {
        self.numbers.push(number);
        self.streams.push(stream);
    }

    /// What is missing before some of the messages, or behind the last one, in the order of the numbers.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Note what is missing behind the messages so far.
    pub fn push_gap(&mut self, gap: Gap) {
        self.gaps.push(gap);
    }

    /// The place behind the last message.
    pub fn mark(&self) -> Mark {
        Mark { bytes: self.log.len(), large: self.large.len(), messages: self.messages, last: self.last }
    }

    /// How many bytes the messages behind a place take.
    pub fn bytes_from(&self, mark: Mark) -> usize {
        let Lying { log, large } = self.lying_from(mark);
        log.len() + large.iter().map(|frame| frame.len()).sum::<usize>()
    }

    /// The messages behind a place.
    pub fn messages_from(&self, mark: Mark) -> Messages<'_> {
        Messages { rest: self.lying_from(mark) }
    }

    /// The records behind a place, in pieces: what is digested.
    pub(super) fn records_from(&self, mark: Mark, mut add: impl FnMut(&[u8])) {
        let Lying { log, large } = self.lying_from(mark);
        if large.is_empty() {
            return add(log);
        }
        let mut messages = self.messages_from(mark);
        while let Some(header) = messages.rest.log.get(..HEADER_BYTES)
            && let Some(message) = messages.next()
        {
            add(header);
            for frame in message.frames() {
                add(&(frame.len() as u32).to_le_bytes());
                add(frame);
            }
        }
    }

    fn lying_from(&self, mark: Mark) -> Lying<'_> {
        Lying {
            log: self.log.get(mark.bytes..).unwrap_or_default(),
            large: self.large.get(mark.large..).unwrap_or_default(),
        }
    }

    /// Remove the messages behind a place.
    pub fn truncate(&mut self, mark: Mark) {
        self.log.truncate(mark.bytes);
        self.large.truncate(mark.large);
        self.numbers.truncate(mark.messages);
        self.streams.truncate(mark.messages);
        (self.messages, self.last) = (mark.messages, mark.last);
    }

    /// Remove those messages behind a place that `keeps` does not want, by their numbers.
    pub fn retain_from(&mut self, mark: Mark, mut keeps: impl FnMut(i64) -> bool) {
        let mut kept = mark;
        let mut read = mark;
        while let Some(&number) = self.numbers.get(read.messages) {
            let Some(end) = self.behind(read) else { break };
            if keeps(number) {
                self.log.copy_within(read.bytes..end.bytes, kept.bytes);
                (read.large..end.large).zip(kept.large..).for_each(|(from, to)| self.large.swap(from, to));
                self.numbers.swap(kept.messages, read.messages);
                self.streams.swap(kept.messages, read.messages);
                kept = Mark {
                    bytes: kept.bytes + end.bytes - read.bytes,
                    large: kept.large + end.large - read.large,
                    messages: kept.messages + 1,
                    last: (kept.bytes, kept.large),
                };
            }
            read = end;
        }
        self.truncate(kept);
    }

    /// After how many jumps in the session this was read.
    pub fn jump(&self) -> u64 {
        self.jump
    }

    /// Note after how many jumps in the session this was read.
    pub fn set_jump(&mut self, jump: u64) {
        self.jump = jump;
    }

    /// Empty it, keeping the memory for the next messages unless that became very large.
    pub fn clear(&mut self) {
        if self.log.capacity() > 2 * BATCH_MAX_BYTES {
            self.log = Vec::new();
        }
        self.log.clear();
        self.large.clear();
        self.messages = 0;
        self.last = (0, 0);
        self.numbers.clear();
        self.streams.clear();
        self.gaps.clear();
        self.jump = 0;
    }

    /// The digest of this batch in a chain: BLAKE3 over the previous digest, the number of the first message in its
    /// session (i64, little-endian) and all records.
    pub fn digest(&self, previous: &Digest, first_number: i64) -> Digest {
        let mut digester = Digester::new(previous, first_number);
        digester.add(self, Mark::default());
        digester.finish()
    }
}

impl Load for Batch {
    fn bytes(&self) -> usize {
        self.bytes()
    }

    fn clear(&mut self) {
        self.clear();
    }
}

/// A message that is being appended.
#[derive(Debug)]
pub struct Entry<'a> {
    batch: &'a mut Batch,
    frame_count: u32,
}

impl Entry<'_> {
    /// Append one frame, given in parts.
    pub fn frame(&mut self, parts: &[&[u8]]) {
        // A message is bounded to far less than 2 GiB where it is received and where it is read.
        let length_bytes: usize = parts.iter().map(|part| part.len()).sum();
        if length_bytes >= LARGE_FRAME_BYTES {
            return self.large_frame(Arc::new(parts.concat()));
        }
        self.begin_frame(length_bytes as u32);
        for part in parts {
            self.batch.log.extend_from_slice(part);
        }
    }

    /// Append one frame. If it is large it is taken, and an empty one left.
    pub fn take<F: Frame + 'static>(&mut self, frame: &mut F, empty: fn() -> F) {
        if frame.len() < LARGE_FRAME_BYTES {
            return self.frame(&[frame]);
        }
        self.large_frame(Arc::new(std::mem::replace(frame, empty())));
    }

    /// Append one frame that has memory of its own already.
    pub fn share(&mut self, frame: &Arc<dyn Frame>) {
        self.large_frame(frame.clone());
    }

    fn large_frame(&mut self, frame: Arc<dyn Frame>) {
        self.begin_frame(IS_LARGE);
        self.batch.large.push(frame);
    }

    fn begin_frame(&mut self, length: u32) {
        self.frame_count += 1;
        let count_at = self.batch.last.0 + COUNT_AT;
        self.batch.log.extend_from_slice(&length.to_le_bytes());
        if let Some(count) = self.batch.log.get_mut(count_at..count_at + 4) {
            count.copy_from_slice(&self.frame_count.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
