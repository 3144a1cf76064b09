//! Messages into the batches of a session, by the streams that they belong to.
//!
//! Where one batch ends and the next begins follows from the messages alone, so that the same messages have the same digests,
//! whatever they come from.

use crate::codec::stream::Stream;
use crate::error::Result;
use crate::message::{Batch, Entry, Message, Origin, Piece};
use crate::observe::event::Event;
use crate::store::{Recording, ToCommit};
use crate::streams::Sorted;

/// Entries of the ledger that are written with the next messages, or without any when they are so many.
const EVENTS_MAX: usize = 1000;

/// Takes messages and entries of the ledger, and commits them.
#[derive(Debug)]
pub(super) struct Gathering<'a> {
    recording: &'a mut Recording,
    batch: Batch,
    streams: Vec<Stream>,
    sorted: Sorted,
    events: Vec<Event>,
    messages: u64,
}

impl<'a> Gathering<'a> {
    pub fn new(recording: &'a mut Recording) -> Self {
        let (batch, sorted) = Default::default();
        Self { recording, batch, streams: Vec::new(), sorted, events: Vec::new(), messages: 0 }
    }

    /// How many messages were taken.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// The streams so far.
    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// One more stream. Gives its place.
    pub fn add(&mut self, stream: Stream) -> usize {
        self.streams.push(stream);
        self.streams.len() - 1
    }

    /// The next message, whose frames are to be appended. It is [placed](Self::place) then.
    pub fn message(&mut self, origin: Origin, unix_ns: i64, elapsed_ns: i64) -> Entry<'_> {
        self.batch.message(origin, unix_ns, elapsed_ns)
    }

    /// The message that was appended is of the stream at this place.
    pub fn place<'f>(&mut self, place: usize, frames: impl Iterator<Item = &'f [u8]> + Clone) -> Result<()> {
        if let Some(stream) = self.streams.get(place)
            && let Err(why) = stream.check(frames)
        {
            self.sorted.faults.push((self.sorted.streams.len(), why.to_string()));
        }
        self.sorted.streams.push(place);
        self.messages += 1;
        if self.batch.is_full() { self.commit() } else { Ok(()) }
    }

    /// Take a message of another batch, which came at this time since the session began.
    pub fn copy(&mut self, message: Message<'_>, elapsed_ns: i64, place: usize) -> Result<()> {
        let mut entry = self.message(message.origin, message.unix_ns, elapsed_ns);
        for piece in message.frames().pieces() {
            match piece {
                Piece::Lent(frame) => entry.frame(&[frame]),
                Piece::Shared(frame) => entry.share(frame),
            }
        }
        self.place(place, message.frames())
    }

    /// Take an entry of the ledger.
    pub fn note(&mut self, event: Event) -> Result<()> {
        self.events.push(event);
        if self.events.len() < EVENTS_MAX {
            return Ok(());
        }
        // Where batches end is not for the ledger to say.
        let (batch, sorted) = (Batch::default(), Sorted::default());
        let what = ToCommit {
            batch: &batch,
            streams: &self.streams,
            sorted: &sorted,
            unwanted: 0,
            events: &self.events,
            ended: None,
        };
        self.recording.commit(&what)?;
        self.events.clear();
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        let Self { recording, batch, streams, sorted, events, .. } = self;
        recording.commit(&ToCommit { batch, streams, sorted, unwanted: 0, events, ended: None })?;
        recording.checkpoint()?;
        batch.clear();
        sorted.streams.clear();
        sorted.faults.clear();
        events.clear();
        Ok(())
    }

    /// Commit what is left. Gives the session.
    pub fn finish(mut self) -> Result<&'a mut Recording> {
        if !self.batch.is_empty() || !self.events.is_empty() {
            self.commit()?;
        }
        Ok(self.recording)
    }
}
