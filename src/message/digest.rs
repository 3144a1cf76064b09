//! The chain of digests.

use crate::message::{Batch, Mark};

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

    /// The digest of all that was added.
    pub fn finish(&self) -> Digest {
        *self.0.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Origin;

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
    }
}
