//! Stamped messages, one behind the other in one piece of memory: what moves between threads, is stored in one
//! transaction, and is digested.
//!
//! One message is this record, all integers little-endian:
//!
//! ```text
//! unix_ns i64 | elapsed_ns i64 | frame_count u32 | kept_count u32 | kept_count times: length_bytes u32 | that many bytes
//! ```
//!
//! Appending to a batch that was used before allocates nothing, and the digest runs over the memory as it is.

use crate::message::{Digest, Digester, Gap, Message, Messages};
use crate::observe::event::Event;
use crate::time::clock::SessionClock;

/// A batch is handed over when it holds this many messages: 20,000 rows make a transaction in which the commit itself
/// is a twentieth of the work.
pub const BATCH_MAX_MESSAGES: usize = 20_000;

/// ... or this many bytes, so that large messages do not make large batches.
pub const BATCH_MAX_BYTES: usize = 4 << 20;

/// Frames that are kept of one message; what follows is counted and thrown away. Envelopes have one frame, and no
/// socket option limits the number.
pub const MESSAGE_MAX_FRAMES: u32 = 1024;

/// The largest message: no frame that is received is longer, nor are the frames of a message that are kept, together.
/// Where a message is read again there are up to eight copies of it, and whoever reads a file that somebody else sent
/// should not need more than 256 MB.
pub const MESSAGE_MAX_BYTES: usize = 16 << 20;

/// What an entry of the ledger takes, with its texts, about.
const EVENT_BYTES: usize = 512;

pub(super) const HEADER_BYTES: usize = 8 + 8 + 4 + 4;

/// Where the two counts of frames stand in the header.
pub(super) const COUNTS_AT: usize = 16;

/// Messages in the order of their arrival, each with its two stamps and its frames.
#[derive(Debug, Default)]
pub struct Batch {
    log: Vec<u8>,
    messages: usize,
    last_at: usize,
    events: Vec<Event>,
    session_start: Option<SessionClock>,
    numbers: Vec<i64>,
    gaps: Vec<Gap>,
    jump: u64,
}

/// A place between two messages of a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    bytes: usize,
    messages: usize,
    last_at: usize,
}

impl Mark {
    /// Whether it is before all messages.
    pub fn is_beginning(&self) -> bool {
        self.messages == 0
    }
}

impl Batch {
    /// Append a message without frames, stamped with wall clock time and nanoseconds since the session began. Its
    /// frames follow through [`Entry::frame`].
    pub fn message(&mut self, unix_ns: i64, elapsed_ns: i64) -> Entry<'_> {
        let start = self.log.len();
        self.log.extend_from_slice(&unix_ns.to_le_bytes());
        self.log.extend_from_slice(&elapsed_ns.to_le_bytes());
        self.log.extend_from_slice(&[0; HEADER_BYTES - COUNTS_AT]);
        self.messages += 1;
        self.last_at = start;
        Entry { log: &mut self.log, counts_at: start + COUNTS_AT, frame_count: 0, kept_count: 0 }
    }

    /// The messages in the order in which they were appended.
    pub fn messages(&self) -> Messages<'_> {
        Messages::of(&self.log)
    }

    /// The message that was appended last.
    pub fn last(&self) -> Option<Message<'_>> {
        Messages::of(self.log.get(self.last_at..)?).next()
    }

    /// Number of messages.
    pub fn len(&self) -> usize {
        self.messages
    }

    /// Whether there is neither a message nor an event nor a gap nor the start of a session.
    pub fn is_empty(&self) -> bool {
        self.messages == 0 && self.events.is_empty() && self.gaps.is_empty() && self.session_start.is_none()
    }

    /// Size in memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.log.len() + EVENT_BYTES * self.events.len()
    }

    /// Whether it should be handed over instead of growing.
    pub fn is_full(&self) -> bool {
        self.messages >= BATCH_MAX_MESSAGES || self.bytes() >= BATCH_MAX_BYTES
    }

    /// Entries for the ledger that are to be stored together with the messages.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Add an entry for the ledger.
    pub fn push_event(&mut self, event: Event) {
        self.events.push(event);
    }

    /// The session that begins with this batch, if one does.
    pub fn session_start(&self) -> Option<SessionClock> {
        self.session_start
    }

    /// A new session begins with this batch.
    pub fn start_session(&mut self, clock: SessionClock) {
        self.session_start = Some(clock);
    }

    /// The number in its session, from 0, of each message; when it is being recorded, of the first one only, once that is
    /// stored: the others follow.
    pub fn numbers(&self) -> &[i64] {
        &self.numbers
    }

    /// The messages have the numbers from this one on.
    pub fn set_numbers_from(&mut self, first_number: i64) {
        self.numbers.clear();
        self.numbers.push(first_number);
    }

    /// The same of the messages behind a place, to be changed.
    pub fn numbers_from_mut(&mut self, mark: Mark) -> &mut [i64] {
        self.numbers.get_mut(mark.messages..).unwrap_or_default()
    }

    /// Note the number of the message that was appended last.
    pub fn push_number(&mut self, number: i64) {
        self.numbers.push(number);
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
        Mark { bytes: self.log.len(), messages: self.messages, last_at: self.last_at }
    }

    /// How many bytes the messages behind a place take.
    pub fn bytes_from(&self, mark: Mark) -> usize {
        self.log_from(mark).len()
    }

    /// The messages behind a place.
    pub fn messages_from(&self, mark: Mark) -> Messages<'_> {
        Messages::of(self.log_from(mark))
    }

    pub(super) fn log_from(&self, mark: Mark) -> &[u8] {
        self.log.get(mark.bytes..).unwrap_or_default()
    }

    /// Remove the messages behind a place.
    pub fn truncate(&mut self, mark: Mark) {
        self.log.truncate(mark.bytes);
        self.numbers.truncate(mark.messages);
        (self.messages, self.last_at) = (mark.messages, mark.last_at);
    }

    /// Remove those messages behind a place that `keeps` does not want, by their numbers.
    pub fn retain_from(&mut self, mark: Mark, mut keeps: impl FnMut(i64) -> bool) {
        let mut kept = mark;
        let (mut at, mut read) = (mark.bytes, mark.messages);
        while let Some(&number) = self.numbers.get(read) {
            let mut rest = Messages::of(self.log.get(at..).unwrap_or_default());
            if rest.next().is_none() {
                break;
            }
            let end = self.log.len() - rest.bytes();
            if keeps(number) {
                self.log.copy_within(at..end, kept.bytes);
                self.numbers.swap(kept.messages, read);
                kept = Mark { bytes: kept.bytes + end - at, messages: kept.messages + 1, last_at: kept.bytes };
            }
            (at, read) = (end, read + 1);
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
        self.messages = 0;
        self.last_at = 0;
        self.events.clear();
        self.session_start = None;
        self.numbers.clear();
        self.gaps.clear();
        self.jump = 0;
    }

    /// The digest of this batch in a chain: BLAKE3 over the previous digest, the id of the first message
    /// (i64, little-endian) and all records.
    pub fn digest(&self, previous: &Digest, first_id: i64) -> Digest {
        let mut digester = Digester::new(previous, first_id);
        digester.add(self, Mark::default());
        digester.finish()
    }
}

/// A message that is being appended.
#[derive(Debug)]
pub struct Entry<'a> {
    log: &'a mut Vec<u8>,
    counts_at: usize,
    frame_count: u32,
    kept_count: u32,
}

impl Entry<'_> {
    /// Append one frame, given in parts. Those beyond [`MESSAGE_MAX_FRAMES`] and [`MESSAGE_MAX_BYTES`] are only counted.
    pub fn frame(&mut self, parts: &[&[u8]]) {
        // Frames are limited to far less than 4 GiB where they are received and where they are stored.
        let length_bytes: usize = parts.iter().map(|part| part.len()).sum();
        let kept_bytes = self.log.len() - self.counts_at;
        let has_room = self.kept_count == 0 || kept_bytes + length_bytes <= MESSAGE_MAX_BYTES;
        // One that is left out is followed by no other: what is kept is the beginning of the message.
        if has_room && self.kept_count == self.frame_count && self.kept_count < MESSAGE_MAX_FRAMES {
            self.log.extend_from_slice(&(length_bytes as u32).to_le_bytes());
            for part in parts {
                self.log.extend_from_slice(part);
            }
            self.kept_count += 1;
        }
        self.set_frame_count(self.frame_count.saturating_add(1));
    }

    /// Say how many frames the message had when it came, if some of them were not kept.
    pub fn set_frame_count(&mut self, frame_count: u32) {
        self.frame_count = frame_count;
        if let Some(counts) = self.log.get_mut(self.counts_at..self.counts_at + 8) {
            let both = u64::from(self.frame_count) | u64::from(self.kept_count) << 32;
            counts.copy_from_slice(&both.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::FIRST_DIGEST;

    fn frames_of(batch: &Batch) -> Vec<(i64, i64, Vec<Vec<u8>>)> {
        batch
            .messages()
            .map(|message| (message.unix_ns, message.elapsed_ns, message.frames().map(<[u8]>::to_vec).collect()))
            .collect()
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in(
            messages in prop::collection::vec(
                (any::<i64>(), any::<i64>(), prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5)),
                0..20,
            )
        ) {
            let mut batch = Batch::default();
            for (unix_ns, elapsed_ns, frames) in &messages {
                let mut entry = batch.message(*unix_ns, *elapsed_ns);
                for frame in frames {
                    let (left, right) = frame.split_at(frame.len() / 2);
                    entry.frame(&[left, right]);
                }
            }
            prop_assert_eq!(batch.len(), messages.len());
            prop_assert_eq!(batch.last().map(|last| last.unix_ns), messages.last().map(|last| last.0));
            prop_assert_eq!(frames_of(&batch), messages);
        }
    }

    #[test]
    fn a_part_of_a_batch_is_digested_kept_and_removed() {
        let numbered = |numbers: &[i64]| {
            let mut batch = Batch::default();
            for &number in numbers {
                batch.message(number, number).frame(&[&vec![7; number as usize]]);
                batch.push_number(number);
            }
            batch
        };
        let mut batch = numbered(&[1, 2]);
        let mark = batch.mark();
        for number in [3, 4, 5, 6] {
            batch.message(number, number).frame(&[&vec![7; number as usize]]);
            batch.push_number(number);
        }
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
    }

    #[test]
    fn a_message_of_endless_frames_is_cut() {
        let mut batch = Batch::default();
        let mut entry = batch.message(1, 2);
        for _ in 0..MESSAGE_MAX_FRAMES + 10 {
            entry.frame(&[b"x"]);
        }
        batch.message(3, 4).frame(&[b"next"]);
        assert_eq!(batch.messages().next().unwrap().frame_count, MESSAGE_MAX_FRAMES + 10);
        let messages = frames_of(&batch);
        assert_eq!(messages[0].2.len(), MESSAGE_MAX_FRAMES as usize);
        assert_eq!(messages[1], (3, 4, vec![b"next".to_vec()]));
    }
}
