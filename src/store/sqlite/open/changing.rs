//! Small changes to what was captured.

use crate::error::Result;
use crate::store::sqlite::open::connection::BUSY_TIMEOUT;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::open::journal::{begin_log, end_log};

impl Database {
    /// Make changes in small transactions that a crash cannot leave half done, and that hold nobody up, least of all a
    /// recorder that is started meanwhile. Then leave the database as one file again, unless a recorder or a reader has it
    /// open.
    ///
    /// # Errors
    /// When `changes` fail, or the disk does.
    pub fn change<T>(&mut self, changes: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        // Where it is refused, because a reader holds the file, they are as safe with a journal.
        let _ = begin_log(&self.connection);
        let changed = changes(self);
        // Also after an error: what was changed until then stays.
        let rested = self.rest();
        let changed = changed?;
        rested?;
        Ok(changed)
    }

    fn rest(&self) -> Result<()> {
        if self.is_recorded()? {
            return Ok(());
        }
        let left = end_log(&self.connection);
        self.connection.busy_timeout(BUSY_TIMEOUT).map_err(self.failed("wait for other programs"))?;
        left.map(|_| ()).map_err(self.failed("close the write-ahead log"))
    }
}
