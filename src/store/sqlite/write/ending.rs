//! How a recording ends, and what becomes of a file that cannot be relied on.

use crate::error::{Error, Result, Trouble};
use crate::store::sqlite::open::connection::BUSY_TIMEOUT;
use crate::store::sqlite::open::files::{self, Fate};
use crate::store::sqlite::open::{holders, journal};
use crate::store::sqlite::write::beginning::{self, EndReason};
use crate::store::sqlite::write::recording::{Ended, Recording};
use crate::time::clock::unix_ns;

impl Recording {
    /// End the session, move the write-ahead log into the database and close it.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn end(mut self, reason: EndReason) -> Result<Ended> {
        self.file.database.release_reserve();
        let fate = self.file.database.fate();
        let ended = self.refuse_suspect().and_then(|()| self.try_end(reason, fate));
        // Somebody may have taken it away in the last second, or just now.
        self.note_fate();
        self.count_deleted();
        let mut known = self.run.known;
        match ended {
            Ok(is_whole) => {
                known.files_in_doubt += u64::from(!is_whole && !self.file.is_in_doubt);
                Ok(known)
            }
            Err(error) => {
                self.distrust(&error);
                Err(error)
            }
        }
    }

    /// Says whether all is in the file.
    fn try_end(&mut self, reason: EndReason, fate: Fate) -> Result<bool> {
        self.session.summing.roll_back();
        let database = &self.file.database;
        self.file.syncs.force(&database.connection).map_err(database.failed("end the session"))?;
        beginning::end_session(
            &database.connection,
            self.session.closing(),
            (reason, self.run.ended_unix_ns.unwrap_or_else(unix_ns)),
            self.session.tally.lost,
            self.run.given_up.as_ref(),
        )
        .map_err(database.failed("end the session"))?;
        let is_whole = match database.truncate_log(BUSY_TIMEOUT).map_err(database.failed("checkpoint")) {
            Ok(is_whole) => {
                if let Some(who) = holders::of_checkpoint(&database.path).filter(|_| !is_whole) {
                    let path = database.path.display();
                    tracing::warn!("{who}: the newest messages stay in {path}-wal, copy it together with {path}");
                }
                is_whole
            }
            // It is stored all the same, in the log, which stays beside the file.
            Err(error) if error.trouble() == Trouble::DiskFull => {
                tracing::warn!("{error}; the write-ahead log stays beside the database, copy both");
                true
            }
            Err(error) => return Err(error),
        };
        if fate != Fate::There {
            // What goes by the old names now is not ours.
            database.leave_log();
            if !is_whole {
                self.tell_of_log();
            }
            return Ok(is_whole);
        }
        // At rest the database is one file without a write-ahead log, which can be read where nobody may write.
        if journal::end_log(&database.connection).map_err(database.failed("close the write-ahead log"))? {
            files::tell_of_leftovers(&database.path);
        }
        Ok(true)
    }

    /// The log of a file that has another name now could not be moved into it.
    pub(in crate::store) fn tell_of_log(&self) {
        let path = self.file.database.path.display();
        tracing::error!(
            "somebody reads the file that was {path}: its newest packets are still in {path}-wal; \
             rename that like the database, NAME and NAME-wal, before anything else opens it"
        );
    }

    /// Nobody knows what of this file is on the disk: say so beside it, and do not touch it any more.
    pub fn distrust(&mut self, error: &Error) {
        // What has no name yet is removed.
        if error.trouble() != Trouble::Disk || !self.file.database.is_held() {
            return;
        }
        if std::mem::replace(&mut self.file.is_suspect, true) {
            return;
        }
        self.file.database.leave_log();
        self.doubt();
        let known =
            format!("{error}; known to be stored: session {} up to id {}", self.session.id, self.session.next_id - 1);
        if let Err(cause) = files::mark_suspect(&self.file.database.path, &known) {
            tracing::error!("cannot mark {} as suspect: {cause}; {known}", self.file.database.path.display());
        }
    }

    pub(in crate::store) fn doubt(&mut self) {
        if !std::mem::replace(&mut self.file.is_in_doubt, true) {
            self.run.known.files_in_doubt += 1;
        }
    }

    /// See what became of the file, and note it when it was deleted, with what is in it.
    pub(in crate::store) fn note_fate(&mut self) -> Fate {
        let fate = self.file.database.fate();
        if fate == Fate::Deleted && !self.file.is_in_doubt {
            self.doubt();
            let messages = self.file.tally.plus(self.session.tally).messages;
            tracing::error!("{} was deleted, with {messages} messages of this run", self.file.database.path.display());
        }
        fate
    }

    /// The file is left or closed: if it was deleted, what is in it is gone now.
    pub(in crate::store) fn count_deleted(&mut self) {
        if self.file.database.fate() == Fate::Deleted {
            self.run.known.deleted_messages += self.file.tally.plus(self.session.tally).messages;
        }
    }
}
