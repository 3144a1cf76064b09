//! Messages: frames and when they came. What they mean is not known here.

mod batch;
mod digest;
mod gap;
pub mod queue;

pub use batch::{BATCH_MAX_BYTES, BATCH_MAX_MESSAGES, Batch, Entry, FRAME_COST_BYTES, MESSAGE_MAX_BYTES, Mark};
pub use digest::{Digest, Digester, FIRST_DIGEST};
pub use gap::{Gap, Gaps};

use batch::{COUNT_AT, FRAME_LENGTH_BYTES, HEADER_BYTES};

/// Where a message came from: the number of its endpoint in the session, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(pub u32);

/// One stamped message of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Where it came from.
    pub origin: Origin,
    /// Wall clock time of its arrival.
    pub unix_ns: i64,
    /// Monotonic time of its arrival since the session began.
    pub elapsed_ns: i64,
    /// How many frames it has.
    pub frame_count: u32,
    frames: &'a [u8],
}

impl<'a> Message<'a> {
    /// The frames, byte for byte.
    pub fn frames(&self) -> Frames<'a> {
        Frames { rest: self.frames }
    }

    /// All bytes of its frames.
    pub fn bytes(&self) -> usize {
        self.frames.len() - FRAME_LENGTH_BYTES * self.frame_count as usize
    }
}

/// Iterator over the messages of a batch.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Those of this part of a batch.
    pub(super) fn of(log: &'a [u8]) -> Self {
        Self { rest: log }
    }

    /// How many bytes are left.
    pub(super) fn bytes(&self) -> usize {
        self.rest.len()
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (header, rest) = self.rest.split_first_chunk::<HEADER_BYTES>()?;
        let origin = Origin(u32::from_le_bytes(*header.first_chunk()?));
        let frame_count = u32::from_le_bytes(*header.get(COUNT_AT..)?.first_chunk()?);
        let unix_ns = i64::from_le_bytes(*header.get(COUNT_AT + 4..)?.first_chunk()?);
        let elapsed_ns = i64::from_le_bytes(*header.last_chunk()?);
        let mut frames = Frames { rest };
        for _ in 0..frame_count {
            frames.next()?;
        }
        let (frames, rest) = rest.split_at_checked(rest.len() - frames.rest.len())?;
        self.rest = rest;
        Some(Message { origin, unix_ns, elapsed_ns, frame_count, frames })
    }
}

/// Iterator over the frames of a message.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Frames<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let (length_bytes, rest) = self.rest.split_first_chunk()?;
        let (frame, rest) = rest.split_at_checked(u32::from_le_bytes(*length_bytes) as usize)?;
        self.rest = rest;
        Some(frame)
    }
}
