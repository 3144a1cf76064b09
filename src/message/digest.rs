//! The chain of digests.

use crate::message::{Batch, Mark, Origin};

/// A BLAKE3 digest.
pub type Digest = [u8; 32];

/// The digest before the first batch of a session.
pub const FIRST_DIGEST: Digest = [0; 32];

/// Makes the digest of a batch out of its parts.
#[derive(Debug)]
pub struct Digester(blake3::Hasher);

impl Digester {
    /// Begin the digest that follows `previous`, with the number of its first message in the session.
    pub fn new(previous: &Digest, first_number: i64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(previous).update(&first_number.to_le_bytes());
        Self(hasher)
    }

    /// The next messages: those of `batch` behind a place.
    pub fn add(&mut self, batch: &Batch, mark: Mark) {
        batch.records_from(mark, |record| _ = self.0.update(record));
    }

    /// The next message by itself.
    pub fn add_message<'a>(
        &mut self,
        origin: Origin,
        (unix_ns, elapsed_ns): (i64, i64),
        frames: impl Iterator<Item = &'a [u8]> + Clone,
    ) {
        // No message has more, or larger ones.
        let count = frames.clone().count() as u32;
        self.0.update(&origin.0.to_le_bytes()).update(&count.to_le_bytes());
        self.0.update(&unix_ns.to_le_bytes()).update(&elapsed_ns.to_le_bytes());
        for frame in frames {
            self.0.update(&(frame.len() as u32).to_le_bytes()).update(frame);
        }
    }

    /// The digest of all that was added.
    pub fn finish(&self) -> Digest {
        *self.0.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_depends_on_every_bit_and_on_the_chain() {
        let batch = |unix_ns, frame: &[u8]| {
            let mut batch = Batch::default();
            batch.message(Origin(1), unix_ns, 9).frame(&[frame]);
            batch
        };
        let digest = batch(1, b"t ab").digest(&FIRST_DIGEST, 1);
        assert_eq!(digest, batch(1, b"t ab").digest(&FIRST_DIGEST, 1));
        assert_ne!(digest, batch(1, b"t ac").digest(&FIRST_DIGEST, 1));
        assert_ne!(digest, batch(2, b"t ab").digest(&FIRST_DIGEST, 1));
        assert_ne!(digest, batch(1, b"t ab").digest(&FIRST_DIGEST, 2));
        assert_ne!(digest, batch(1, b"t ab").digest(&digest, 1));
        let mut one_by_one = Digester::new(&FIRST_DIGEST, 1);
        one_by_one.add_message(Origin(1), (1, 9), std::iter::once(&b"t ab"[..]));
        assert_eq!(one_by_one.finish(), digest);
    }
}
