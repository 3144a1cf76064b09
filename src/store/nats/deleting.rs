//! Deleting in an archive: whole sessions only.

use std::future::IntoFuture;

use crate::store::nats::failure::Failure;
use crate::store::nats::finding::Found;
use crate::store::nats::names;
use crate::store::nats::reading::{Archived, Reading};

impl Reading<'_> {
    /// Delete a session with all that is known of it, at once. Gives how many messages of the archive that were.
    ///
    /// # Errors
    /// When it does not answer, or we may not.
    pub fn delete(&self, of: &Archived) -> Result<u64, Failure> {
        let filter = names::all_of_session(&self.recorder, &of.database_id, of.session_id);
        self.link.patiently(|| {
            let purged = self.link.wait(self.stream.purge().filter(filter.as_str()).into_future())?;
            let purged = purged.map_err(|error| self.link.failed("delete a session", &error))?;
            Ok(purged.purged)
        })
    }

    /// Delete the sessions of this database that ended before this time. Gives their numbers.
    ///
    /// # Errors
    /// As [`Self::delete`].
    pub fn delete_ended_before(&self, database_id: &str, unix_ns: i64) -> Result<Vec<i64>, Failure> {
        let own: Vec<Archived> = self.sessions()?.into_iter().filter(|of| of.database_id == database_id).collect();
        let mut old = Vec::new();
        self.find_each(&own, &mut |of, found| {
            // Of one that is damaged nobody knows how old it is.
            let ended = found.ok().filter(Found::is_end).and_then(|found| found.restored.number("ended_unix_ns"));
            if ended.is_some_and(|at| at < unix_ns) {
                old.push(of.clone());
            }
            Ok(())
        })?;
        for of in &old {
            self.delete(of)?;
        }
        Ok(old.into_iter().map(|of| of.session_id).collect())
    }
}
