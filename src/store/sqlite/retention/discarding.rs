//! Taking a session back that was not finished.

use crate::error::{Result, Trouble};
use crate::process::stop::Stop;
use crate::store::sqlite::open::connection::BUSY_TIMEOUT;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::open::journal;
use crate::store::sqlite::retention::leftovers;
use crate::store::sqlite::write::recording::Recording;

impl Recording {
    /// Delete the session that is being written, and the file too if `is_new`, because it was made for this session.
    ///
    /// # Errors
    /// When the database cannot be written: then the session may be left, open.
    pub fn discard(self, is_new: bool) -> Result<()> {
        let (mut database, session_id) = (self.file.database, self.session.id);
        if is_new {
            database.discard();
            return Ok(());
        }
        // The disk may be full.
        database.release_reserve();
        let delete = || {
            let transaction = database.connection.unchecked_transaction()?;
            leftovers::delete_session(&transaction, session_id)?;
            transaction.commit()
        };
        delete().map_err(database.failed("delete a session"))?;
        match clear(database) {
            // The session is gone. What it leaves goes when there is room again.
            Err(error) if error.trouble() == Trouble::DiskFull => Ok(()),
            cleared => cleared,
        }
    }
}

/// Delete what deleted sessions have left, and close the database.
fn clear(database: Database) -> Result<()> {
    let path = database.path.clone();
    let close = || {
        database.truncate_log(BUSY_TIMEOUT)?;
        journal::end_log(&database.connection).map(|_| ())
    };
    close().map_err(database.failed("delete a session"))?;
    // So that nobody holds the lock.
    drop(database);
    // Whoever asked to stop waits for it, because it is what a stop is to leave behind.
    Database::for_changing(&path)?.clear_leftovers(&Stop::new()?).map(|_| ())
}
