//! One side of a comparison: the messages that come next.

use std::collections::VecDeque;

use crate::error::Result;
use crate::message::{Batch, Gap, Gaps, Message};
use crate::process::stop::Stop;
use crate::store::Reader;

/// No more than this is looked ahead, however large the messages are: four of the largest batches.
const LOOKAHEAD_MAX_BYTES: usize = 16 << 20;

/// What is compared of a message: its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Content {
    /// Its frames.
    pub frames: Vec<Vec<u8>>,
}

/// A message and its place in its session.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its number, from 0.
    pub number: i64,
    /// When it came, since the session began.
    pub elapsed_ns: i64,
    /// The row of its stream.
    pub stream_id: i64,
    /// What is compared.
    pub content: Content,
}

impl Placed {
    fn new(number: i64, stream_id: i64, message: Message<'_>) -> Self {
        let frames = message.frames().map(<[u8]>::to_vec).collect();
        Self { number, elapsed_ns: message.elapsed_ns, stream_id, content: Content { frames } }
    }

    fn bytes(&self) -> usize {
        self.content.frames.iter().map(Vec::len).sum()
    }
}

/// A session that is read, as far as is needed.
#[derive(Debug)]
pub(super) struct Side<'a> {
    stop: &'a Stop,
    /// `None` at its end.
    reader: Option<Reader>,
    batch: Batch,
    /// What was read and not compared yet.
    pub messages: VecDeque<Placed>,
    /// Damaged messages that stand before those, and behind the last one that was compared.
    damaged: VecDeque<Gap>,
    /// All that is damaged so far.
    pub gaps: Gaps,
}

impl<'a> Side<'a> {
    pub fn new(reader: Option<Reader>, stop: &'a Stop) -> Self {
        Self {
            stop,
            reader,
            batch: Batch::default(),
            messages: VecDeque::new(),
            damaged: VecDeque::new(),
            gaps: Gaps::default(),
        }
    }

    /// Have so many messages at hand, or as many as there are or can be kept, but at least one if there is one.
    pub fn look_ahead(&mut self, messages: usize) -> Result<()> {
        while self.messages.len() < messages
            && let Some(reader) = &mut self.reader
            && (self.messages.is_empty()
                || self.messages.iter().map(Placed::bytes).sum::<usize>() < LOOKAHEAD_MAX_BYTES)
        {
            self.stop.check(|| "compare the sessions".to_owned())?;
            reader.read(&mut self.batch)?;
            if self.batch.is_empty() {
                self.reader = None;
            }
            let places = self.batch.numbers().iter().zip(self.batch.streams());
            for ((&number, &stream_id), message) in places.zip(self.batch.messages()) {
                self.messages.push_back(Placed::new(number, stream_id, message));
            }
            self.damaged.extend(self.batch.gaps());
            self.batch.gaps().iter().for_each(|gap| self.gaps.add(*gap));
            self.batch.clear();
        }
        Ok(())
    }

    /// Take one of the damaged messages that stand before the next one. Says whether there is one.
    pub fn take_damaged(&mut self) -> bool {
        let next_number = self.messages.front().map(|message| message.number);
        let Some(gap) = self.damaged.front_mut() else { return false };
        if next_number.is_some_and(|number| number < gap.first_number) {
            return false;
        }
        match gap.first_number < gap.last_number {
            true => gap.first_number += 1,
            false => drop(self.damaged.pop_front()),
        }
        true
    }

    /// Take the next message. The damaged ones before it are passed then.
    pub fn take(&mut self) -> Option<Placed> {
        let message = self.messages.pop_front()?;
        while self.damaged.front().is_some_and(|gap| gap.first_number < message.number) {
            self.damaged.pop_front();
        }
        Some(message)
    }
}
