//! Messages: frames and when they came. What they mean is not known here.

mod batch;
mod digest;
mod gap;
pub mod queue;

use std::fmt::Debug;
use std::ops::Deref;
use std::sync::Arc;

pub use batch::{BATCH_MAX_BYTES, BATCH_MAX_MESSAGES, Batch, Entry, FRAME_COST_BYTES, MESSAGE_MAX_BYTES, Mark};
pub use digest::{Digest, Digester, FIRST_DIGEST};
pub use gap::{Gap, Gaps};

use batch::{COUNT_AT, HEADER_BYTES, IS_LARGE};

/// Where a message came from: the number of its endpoint in the session, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(pub u32);

/// A frame that stays where it came, in memory of its own, instead of being copied.
pub trait Frame: Deref<Target = [u8]> + Debug + Send + Sync {}

impl<T: Deref<Target = [u8]> + Debug + Send + Sync> Frame for T {}

/// Messages as they lie in a batch: the records, and the frames that are not in them.
#[derive(Clone, Copy, Debug)]
struct Lying<'a> {
    log: &'a [u8],
    large: &'a [Arc<dyn Frame>],
}

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
    bytes: usize,
    frames: Lying<'a>,
}

impl<'a> Message<'a> {
    /// The same frames with other times.
    pub fn at(self, unix_ns: i64, elapsed_ns: i64) -> Self {
        Self { unix_ns, elapsed_ns, ..self }
    }

    /// The frames, byte for byte.
    pub fn frames(&self) -> Frames<'a> {
        Frames { rest: self.frames }
    }

    /// All bytes of its frames.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Iterator over the messages of a batch.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: Lying<'a>,
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (header, log) = self.rest.log.split_first_chunk::<HEADER_BYTES>()?;
        let origin = Origin(u32::from_le_bytes(*header.first_chunk()?));
        let frame_count = u32::from_le_bytes(*header.get(COUNT_AT..)?.first_chunk()?);
        let unix_ns = i64::from_le_bytes(*header.get(COUNT_AT + 4..)?.first_chunk()?);
        let elapsed_ns = i64::from_le_bytes(*header.last_chunk()?);
        let frames = Lying { log, large: self.rest.large };
        let (mut behind, mut bytes) = (Frames { rest: frames }, 0);
        for _ in 0..frame_count {
            bytes += behind.next()?.len();
        }
        self.rest = behind.rest;
        let frames = Lying { log: log.get(..log.len() - self.rest.log.len())?, ..frames };
        Some(Message { origin, unix_ns, elapsed_ns, frame_count, bytes, frames })
    }
}

/// Iterator over the frames of a message.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    rest: Lying<'a>,
}

impl<'a> Frames<'a> {
    /// The frames, and which of them can be shared.
    pub fn pieces(mut self) -> impl Iterator<Item = Piece<'a>> + Clone {
        std::iter::from_fn(move || self.piece())
    }

    fn piece(&mut self) -> Option<Piece<'a>> {
        let (length_bytes, log) = self.rest.log.split_first_chunk()?;
        let length_bytes = u32::from_le_bytes(*length_bytes);
        if length_bytes & IS_LARGE != 0 {
            let (frame, large) = self.rest.large.split_first()?;
            self.rest = Lying { log, large };
            return Some(Piece::Shared(frame));
        }
        let (frame, log) = log.split_at_checked(length_bytes as usize)?;
        self.rest.log = log;
        Some(Piece::Lent(frame))
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        self.piece().map(|piece| piece.bytes())
    }
}

/// A frame of a message.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'a> {
    /// It belongs to the batch.
    Lent(&'a [u8]),
    /// It has memory of its own.
    Shared(&'a Arc<dyn Frame>),
}

impl<'a> Piece<'a> {
    /// Its bytes.
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Self::Lent(frame) => frame,
            Self::Shared(frame) => frame,
        }
    }
}
