//! When the file of a recording cannot be used any more, the recording goes on in another one.

use std::mem;

use rusqlite::config::DbConfig;

use crate::error::Result;
use crate::event::Event;
use crate::store::beginning::{self, EndReason, Inherited};
use crate::store::files::{self, Fate};
use crate::store::recording::Chapter;
use crate::store::{Database, Recording};

impl Recording {
    /// Why the file is not where it was, if it is not: in words, and whether what was in it is lost with it.
    pub fn file_is_gone(&self) -> Option<(String, bool)> {
        let path = self.database.path.display();
        match self.database.fate() {
            Fate::There => None,
            Fate::Renamed => Some((format!("{path} was renamed or replaced"), false)),
            Fate::Deleted => Some((format!("{path} was deleted with all that was in it"), true)),
        }
    }

    /// Go on in the next file, in a session that continues this one: the same beginning, so that the times of all
    /// messages stay as they are. `moved` is put into the ledger there. With `is_sound` the old file is only somewhere
    /// else: its session is ended; otherwise it is marked as suspect, and not touched any more.
    ///
    /// # Errors
    /// When no other file can be opened; then the recording is what it was.
    pub fn go_on_elsewhere(&mut self, moved: &Event, is_sound: bool) -> Result<()> {
        let mut next = Database::successor_of(&self.first_path, self.about.durability)?;
        let inherited = Inherited { links_down: &self.links_down, moved: Some(moved) };
        let begun = beginning::start_session(&mut next.connection, &self.about, inherited)
            .map_err(next.failed("begin a session"))
            .inspect_err(|_| files::remove(&next.path))?;
        let old = mem::replace(&mut self.database, next);
        let chapter = Chapter {
            path: old.path.clone(),
            first_session_id: self.first_session_id,
            last_session_id: self.session_id,
        };
        self.leave(&old, moved, is_sound);
        self.chapters.push(chapter);
        self.first_session_id = begun.0;
        self.begin(begun);
        self.files_in_doubt += u64::from(!is_sound || moved.lost.is_none());
        Ok(())
    }

    fn leave(&self, old: &Database, moved: &Event, is_sound: bool) {
        let why = moved.detail.as_deref().unwrap_or_default();
        if is_sound {
            let left =
                Event { detail: Some(format!("{why}; it goes on in {}", self.path().display())), ..moved.clone() };
            let ended = beginning::end_session(
                &old.connection,
                self.session_id,
                EndReason::Failed,
                self.tally.lost,
                Some(&Event { lost: Some(0), ..left }),
            )
            .and_then(|()| old.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
            if let Err(cause) = ended {
                tracing::warn!("cannot end session {} in the file that was left: {cause}", self.session_id);
            }
        } else if let Err(cause) = files::mark_suspect(&old.path, why) {
            tracing::error!("cannot mark {} as suspect: {cause}; {why}", old.path.display());
        }
        // Closing would move the log into the file, which a failing disk may not do rightly, and delete a log of this
        // name, which may be another one by now.
        let _ = old.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    }
}
