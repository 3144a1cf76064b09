//! When the file of a recording cannot be used any more, the recording goes on in another one.

use std::mem;

use crate::error::Result;
use crate::observe::event::Event;
use crate::observe::tally::Tally;
use crate::store::sqlite::open::connection::BUSY_TIMEOUT;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::open::files::Fate;
use crate::store::sqlite::write::beginning::{self, EndReason, Inherited};
use crate::store::sqlite::write::recording::{File, Recording};
use crate::time::clock::unix_ns;

impl Recording {
    /// Why the file is not where it was, if that is so. Whether it was deleted is noted.
    pub fn file_is_gone(&mut self) -> Option<String> {
        let fate = self.note_fate();
        let path = self.file.database.path.display();
        match fate {
            Fate::There => None,
            Fate::Renamed => Some(format!("{path} was renamed or replaced")),
            Fate::Deleted => Some(format!("{path} was deleted with all that was in it")),
        }
    }

    /// Whether something of the file of now may be missing.
    pub fn is_in_doubt(&self) -> bool {
        self.file.is_in_doubt
    }

    /// Go on in the next file, in a session that continues this one: the same beginning, so that the times of all
    /// messages stay as they are. `moved` is put into the ledger there. The session in the file that is left is ended,
    /// unless that file is not to be relied on.
    ///
    /// # Errors
    /// When no other file can be opened; then the recording is what it was.
    pub fn go_on_elsewhere(&mut self, moved: &Event) -> Result<()> {
        let mut next = Database::successor_of(self.file.database.asked_for())?;
        let inherited = Inherited { begun: &self.session.begun, moved: Some(moved), continues: None };
        let about = self.about.in_file(&next);
        let begun = beginning::start_session(&mut next.connection, &about, inherited)
            .and_then(|begun| self.limits.limit_log(&next.connection).map(|()| begun))
            .map_err(next.failed("begin a session"));
        let begun = match begun {
            Ok(begun) => begun,
            Err(error) => {
                next.discard();
                return Err(error);
            }
        };
        self.leave(moved, &next);
        self.count_deleted();
        self.file.database.release_reserve();
        self.run.chapters.push(self.chapter());
        let left = mem::replace(&mut self.file, File::new(next, &self.about, begun.session_id));
        drop(left);
        self.begin(begun);
        self.file.tally = Tally::default();
        Ok(())
    }

    fn leave(&mut self, moved: &Event, next: &Database) {
        if self.file.is_suspect {
            return;
        }
        let why = moved.detail.as_deref().unwrap_or_default();
        let detail = Some(format!("{why}; it goes on in {}", next.path.display()));
        let left = Event { detail, lost: Some(0), ..moved.clone() };
        let database = &self.file.database;
        self.session.summing.roll_back();
        let (session, lost) = (self.session.closing(), self.session.tally.lost);
        let ended = self
            .file
            .syncs
            .force(&database.connection)
            .and_then(|()| {
                beginning::end_session(&database.connection, session, (EndReason::Failed, unix_ns()), lost, Some(&left))
            })
            .and_then(|()| database.truncate_log(BUSY_TIMEOUT));
        database.leave_log();
        match ended {
            Ok(true) => {}
            Ok(false) => {
                self.tell_of_log();
                self.doubt();
            }
            Err(cause) => {
                tracing::error!("cannot end session {} in the file that was left: {cause}", self.session.id);
                self.doubt();
            }
        }
    }
}
