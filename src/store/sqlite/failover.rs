//! When the file of a recording cannot be used any more, the recording goes on in another one.

use std::mem;

use crate::error::Result;
use crate::observe::event::Event;
use crate::observe::tally::Tally;
use crate::store::sqlite::open::connection::BUSY_TIMEOUT;
use crate::store::sqlite::open::database::Database;
use crate::store::sqlite::open::files::{self, Fate};
use crate::store::sqlite::write::beginning::{self, EndReason, Inherited};
use crate::store::sqlite::write::durability::Syncs;
use crate::store::sqlite::write::recording::{Chapter, Recording};

impl Recording {
    /// Why the file is not where it was, if that is so. Whether it was deleted is noted.
    pub fn file_is_gone(&mut self) -> Option<String> {
        let fate = self.note_fate();
        let path = self.database.path.display();
        match fate {
            Fate::There => None,
            Fate::Renamed => Some(format!("{path} was renamed or replaced")),
            Fate::Deleted => Some(format!("{path} was deleted with all that was in it")),
        }
    }

    /// Whether something of the file of now may be missing.
    pub fn is_in_doubt(&self) -> bool {
        self.is_in_doubt
    }

    /// Go on in the next file, in a session that continues this one: the same beginning, so that the times of all
    /// messages stay as they are. `moved` is put into the ledger there. The session in the file that is left is ended,
    /// unless that file is not to be relied on.
    ///
    /// # Errors
    /// When no other file can be opened; then the recording is what it was.
    pub fn go_on_elsewhere(&mut self, moved: &Event) -> Result<()> {
        let mut next = Database::successor_of(self.database.asked_for())?;
        let inherited = Inherited { links_down: &self.links_down, moved: Some(moved) };
        let begun = beginning::start_session(&mut next.connection, &self.about, inherited)
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
        files::release_reserve(&self.database.path);
        self.chapters.push(Chapter {
            path: self.database.path.clone(),
            first_session_id: self.first_session_id,
            last_session_id: self.session_id,
        });
        drop(mem::replace(&mut self.database, next));
        self.syncs = Syncs::new(self.about.durability);
        self.first_session_id = begun.session_id;
        self.begin(begun);
        self.in_file = Tally::default();
        self.is_in_doubt = false;
        self.is_suspect = false;
        Ok(())
    }

    fn leave(&mut self, moved: &Event, next: &Database) {
        if self.is_suspect {
            return;
        }
        let why = moved.detail.as_deref().unwrap_or_default();
        let detail = Some(format!("{why}; it goes on in {}", next.path.display()));
        let left = Event { detail, lost: Some(0), ..moved.clone() };
        let database = &self.database;
        let (id, lost) = (self.session_id, self.tally.lost);
        let ended = self
            .syncs
            .force(&database.connection)
            .and_then(|()| beginning::end_session(&database.connection, id, EndReason::Failed, lost, Some(&left)))
            .and_then(|()| database.truncate_log(BUSY_TIMEOUT));
        database.leave_log();
        match ended {
            Ok(true) => {}
            Ok(false) => {
                self.tell_of_log();
                self.doubt();
            }
            Err(cause) => {
                tracing::error!("cannot end session {} in the file that was left: {cause}", self.session_id);
                self.doubt();
            }
        }
    }
}
