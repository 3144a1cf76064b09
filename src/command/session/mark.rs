//! `fancyhwd session mark`.

use std::path::PathBuf;

use crate::analysis::sought::Sought;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::process::stop::Stop;
use crate::store::{Database, Selection};
use crate::time::clock::unix_ns;
use crate::time::durations::seconds;
use crate::time::position::Position;

/// What `session mark` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// An id, a label, or `latest`; `None` is what is being recorded.
    pub session: Option<String>,
    /// What the mark says.
    pub text: String,
    /// Where it is, as it was typed; `None` is now.
    pub at: Option<String>,
    /// The position that it means, ...
    pub position: Option<Position>,
    /// ... or what it says about that place.
    pub sought: Sought,
    /// In which database.
    pub database: PathBuf,
}

/// Set a mark in a session.
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    // Before anything that takes its time: a mark without a place means the moment at which it was asked for.
    let now_unix_ns = unix_ns();
    let mut database = Database::for_changing(&settings.database)?;
    let running = database.running_session()?;
    let session = match (&settings.session, &running) {
        (Some(wanted), _) => database.find_session(wanted)?,
        (None, Some(running)) => running.clone(),
        (None, None) => return Err(Error::NothingIsRecorded { database: settings.database.clone() }),
    };
    let found = settings.sought.find(&database, &session, &Selection::default(), stop)?.from;
    let marked = match found.or(settings.position) {
        Some(position) => database.mark_at(&session, position, &settings.text)?,
        None => {
            let part = session.parts.iter().next_back().map(|part| part.id);
            if running.is_none_or(|running| Some(running.id) != part) {
                let cause = "it is not being recorded; say with --at where the mark is to be".to_owned();
                return Err(Error::Setting { option: "SESSION", value: session.ids(), cause });
            }
            database.mark_now(&session, now_unix_ns, &settings.text)?
        }
    };
    match (marked, &settings.at) {
        (Some(elapsed_ns), _) => {
            tracing::info!("{} has a mark at {:.3} s", session.title(), seconds(elapsed_ns));
            Ok(Exit::Done)
        }
        (None, Some(typed)) => {
            let cause = format!("{} has no such place", session.title());
            Err(Error::Setting { option: "--at", value: typed.clone(), cause })
        }
        (None, None) => Err(database.no_such_session(&session.ids())),
    }
}
