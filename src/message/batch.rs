//! Stamped messages, one behind the other in one piece of memory: what moves between threads, is stored in one
//! transaction, and is digested.
//!
//! One message is this record, all integers little-endian:
//!
//! ```text
//! origin u32 | frame_count u32 | unix_ns i64 | elapsed_ns i64 | frame_count times: length_bytes u32 | that many bytes
//! ```
//!
//! The origin is the number of the endpoint in the session. Appending to a batch that was used before allocates nothing, and the digest runs over the memory as it is.
//!
//! A large frame has memory of its own, and its length here is marked.

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

/// This bit of a length says that the frame is not here. No message is so large.
pub(super) const IS_LARGE: u32 = 1 << 31;

/// A frame of this size is not copied where it can be taken: while that takes its time, those of other devices wait for their
/// stamps.
const LARGE_FRAME_BYTES: usize = 256 << 10;

/// Messages in the order of their arrival, each with its two stamps and its frames.
#[derive(Debug, Default)]
pub struct Batch {
    log: Vec<u8>,
    large: Vec<Arc<dyn Frame>>,
    large_bytes: usize,
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
        self.log.len() + self.large_bytes
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
        self.large_bytes = self.large.iter().map(|frame| frame.len()).sum();
        self.numbers.truncate(mark.messages);
        self.streams.truncate(mark.messages);
        (self.messages, self.last) = (mark.messages, mark.last);
    }

    /// Remove those messages behind a place that `keeps` does not want, by their numbers.
    pub fn retain_from(&mut self, mark: Mark, mut keeps: impl FnMut(i64) -> bool) {
        let mut kept = mark;
        let mut read = mark;
        while let Some(&number) = self.numbers.get(read.messages) {
            let mut behind = self.messages_from(read);
            if behind.next().is_none() {
                break;
            }
            let Lying { log, large } = behind.rest;
            let end = Mark {
                bytes: self.log.len() - log.len(),
                large: self.large.len() - large.len(),
                messages: read.messages + 1,
                ..read
            };
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
        self.large_bytes = 0;
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

    fn large_frame(&mut self, frame: Arc<dyn Frame>) {
        self.begin_frame(IS_LARGE);
        self.batch.large_bytes += frame.len();
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::FIRST_DIGEST;

    fn frames_of(batch: &Batch) -> Vec<(u32, i64, i64, Vec<Vec<u8>>)> {
        batch
            .messages()
            .map(|message| {
                (message.origin.0, message.unix_ns, message.elapsed_ns, message.frames().map(<[u8]>::to_vec).collect())
            })
            .collect()
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in(
            messages in prop::collection::vec(
                (any::<u32>(), any::<i64>(), any::<i64>(), prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5)),
                0..20,
            )
        ) {
            let mut batch = Batch::default();
            for (origin, unix_ns, elapsed_ns, frames) in &messages {
                let mut entry = batch.message(Origin(*origin), *unix_ns, *elapsed_ns);
                for frame in frames {
                    let (left, right) = frame.split_at(frame.len() / 2);
                    entry.frame(&[left, right]);
                }
            }
            prop_assert_eq!(batch.len(), messages.len());
            prop_assert_eq!(batch.last().map(|last| last.unix_ns), messages.last().map(|last| last.1));
            prop_assert_eq!(frames_of(&batch), messages);
        }
    }

    /// What each message holds besides its number.
    type Append = fn(&mut Entry<'_>, usize);

    fn a_part_is_digested_kept_and_removed(append: Append) {
        let add = |batch: &mut Batch, numbers: &[i64]| {
            for &number in numbers {
                append(&mut batch.message(Origin(1), number, number), number as usize);
                batch.push_place(number, 1);
            }
        };
        let numbered = |numbers: &[i64]| {
            let mut batch = Batch::default();
            add(&mut batch, numbers);
            batch
        };
        let mut batch = numbered(&[1, 2]);
        let mark = batch.mark();
        add(&mut batch, &[3, 4, 5, 6]);
        let mut digester = Digester::new(&FIRST_DIGEST, 3);
        digester.add(&batch, mark);
        assert_eq!(digester.finish(), numbered(&[3, 4, 5, 6]).digest(&FIRST_DIGEST, 3));
        batch.retain_from(mark, |number| number % 2 == 0);
        assert_eq!(
            (frames_of(&batch), batch.numbers()),
            (frames_of(&numbered(&[1, 2, 4, 6])), [1, 2, 4, 6].as_slice())
        );
        assert_eq!(batch.last().map(|last| last.unix_ns), Some(6));
        batch.truncate(mark);
        assert_eq!((frames_of(&batch), batch.numbers()), (frames_of(&numbered(&[1, 2])), [1, 2].as_slice()));
        assert_eq!(batch.last().map(|last| last.unix_ns), Some(2));
        assert_eq!(batch.bytes(), numbered(&[1, 2]).bytes());
    }

    #[test]
    fn a_part_of_a_batch_is_digested_kept_and_removed() {
        a_part_is_digested_kept_and_removed(|entry, number| entry.frame(&[&vec![7; number]]));
    }

    #[test]
    fn so_is_one_with_large_frames() {
        a_part_is_digested_kept_and_removed(|entry, number| {
            for size in [number, LARGE_FRAME_BYTES + number, 0, LARGE_FRAME_BYTES].into_iter().take(number) {
                entry.take(&mut vec![number as u8; size], Vec::new);
            }
        });
    }

    #[test]
    fn a_large_frame_is_the_same_as_a_copy_of_it() {
        let (mut taken, mut copied) = (Batch::default(), Batch::default());
        for size in [5, LARGE_FRAME_BYTES, LARGE_FRAME_BYTES + 1, LARGE_FRAME_BYTES - 1] {
            let frame = vec![size as u8; size];
            taken.message(Origin(1), 2, 3).take(&mut frame.clone(), Vec::new);
            copied.message(Origin(1), 2, 3).frame(&[&frame]);
        }
        assert_eq!(taken.large.len(), 2);
        assert_eq!(frames_of(&taken), frames_of(&copied));
        assert_eq!(taken.digest(&FIRST_DIGEST, 1), copied.digest(&FIRST_DIGEST, 1));
        assert_eq!((taken.bytes(), taken.len()), (copied.bytes(), copied.len()));
        assert_eq!(taken.last().map(|last| last.bytes()), Some(LARGE_FRAME_BYTES - 1));
    }
}
