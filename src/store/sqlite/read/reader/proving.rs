//! Reading a commit as a whole, and comparing it with its digest.

use crate::message::{Batch, Digest, Digester, Mark};
use crate::store::sqlite::read::commits::Commit;
use crate::store::sqlite::read::reader::{FULL_BYTES, Reader};
use crate::store::sqlite::untrusted::damage::is_damage;
use crate::store::sqlite::untrusted::foreign::words;

/// What became of the attempt to prove a commit.
pub(super) enum Proof {
    /// It is as it was recorded, and in the batch.
    Whole,
    /// It is as it was recorded, but larger than a batch. When its first and its last message came.
    Large(i64, i64),
    /// It does not fit behind what is in the batch.
    NoRoom,
    /// It cannot be read, or is not as it was recorded.
    Damaged,
}

impl Reader {
    /// Read a commit into the batch, as far as it fits, and compare it with its digest.
    pub(super) fn prove(&mut self, commit: Commit, batch: &mut Batch) -> rusqlite::Result<Proof> {
        let Some(previous) = commit.previous else { return Ok(Proof::Damaged) };
        match self.read_and_digest(commit, &previous, batch) {
            Err(cause) if is_damage(&cause) => {
                self.unreadable.get_or_insert_with(|| words(&cause));
                Ok(Proof::Damaged)
            }
            Ok((_, Some(digest))) if digest != commit.digest => Ok(Proof::Damaged),
            Ok((proof, _)) => Ok(proof),
            Err(cause) => Err(cause),
        }
    }

    fn read_and_digest(
        &mut self,
        commit: Commit,
        previous: &Digest,
        batch: &mut Batch,
    ) -> rusqlite::Result<(Proof, Option<Digest>)> {
        let mark = batch.mark();
        let part = self.session.parts.of(commit.first_id);
        let mut digester = Digester::new(previous, commit.first_id.saturating_sub(part.first_id));
        let mut next_id = self.fill(commit.first_id, commit.last_id, batch)?;
        digester.add(batch, mark);
        if next_id.is_some() && !mark.is_beginning() {
            return Ok((Proof::NoRoom, None));
        }
        let is_large = next_id.is_some();
        let (first_ns, mut last_ns) = times_ns(batch, mark);
        while let Some(piece_id) = next_id {
            batch.truncate(mark);
            next_id = self.fill(piece_id, commit.last_id, batch)?;
            digester.add(batch, mark);
            last_ns = times_ns(batch, mark).1;
        }
        let proof = if is_large { Proof::Large(first_ns, last_ns) } else { Proof::Whole };
        Ok((proof, Some(digester.finish())))
    }

    /// Append the messages of a range of ids, which are of one part, as far as they fit.
    pub(super) fn fill(&mut self, first_id: i64, last_id: i64, batch: &mut Batch) -> rusqlite::Result<Option<i64>> {
        let Self { database, rows, session, .. } = self;
        rows.enter(session.parts.of(first_id).id);
        database.bounded(0, || rows.fill(&database.connection, first_id, last_id, FULL_BYTES, batch))
    }
}

/// When the first and the last message behind a place came.
pub(super) fn times_ns(batch: &Batch, mark: Mark) -> (i64, i64) {
    let first_ns = batch.messages_from(mark).next().map(|message| message.elapsed_ns).unwrap_or_default();
    (first_ns, batch.last().map_or(first_ns, |message| message.elapsed_ns))
}
