//! `fancyhwd session delete`.

use std::io::{self, IsTerminal, Write, stderr, stdin};
use std::os::fd::AsFd;
use std::path::Path;

use crate::error::{Error, Result};
use crate::escape;
use crate::exit::Exit;
use crate::process::stop::Stop;
use crate::store::{Access, Database, Source};

/// What `session delete` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// An id, a label, or `latest`.
    pub session: String,
    /// Whether it is deleted without a question.
    pub is_meant: bool,
    /// From where.
    pub source: Source,
}

/// Delete a session, once it is clear that this is meant.
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    match &settings.source {
        Source::File(path) => delete(settings, path, stop),
        Source::Archive(access) => delete_there(settings, access, stop),
    }
}

/// The same in an archive, where the recorder whose it is, or whoever else may, deletes whole sessions.
#[cfg(feature = "archive")]
fn delete_there(settings: &Settings, access: &Access, stop: &Stop) -> Result<Exit> {
    use crate::store::nats::Found;

    crate::command::fetching::connected(access, stop, |shelves| {
        let (shelf, parts) = shelves.find(&settings.session)?;
        if let Some(open) = parts.iter().find(|found| !found.is_end()) {
            let cause =
                format!("session {} of {} goes on, or its recorder is gone before its end", open.id(), shelf.recorder);
            return Err(shelves.refused(cause, "end it first, or archive its end with `fancyhwd session archive`"));
        }
        let what = |found: &Found| {
            let (id, messages) = (found.id(), found.messages());
            format!("session {id} of {} in archive {} with {messages} messages", shelf.recorder, access.address)
        };
        // All of it, or nothing.
        for found in parts.iter().filter(|_| !settings.is_meant) {
            if !is_meant(found.id(), &what(found), stop)? {
                tracing::info!("nothing was deleted");
                return Ok(Exit::Done);
            }
        }
        for found in &parts {
            shelves.delete(&shelf, found)?;
            tracing::info!("deleted {}", what(found));
        }
        Ok(Exit::Done)
    })
}

#[cfg(not(feature = "archive"))]
fn delete_there(_: &Settings, access: &Access, _: &Stop) -> Result<Exit> {
    Err(crate::command::here::not_built(access))
}

fn delete(settings: &Settings, path: &Path, stop: &Stop) -> Result<Exit> {
    let mut database = Database::for_changing(path)?;
    let session = match database.find_only_session(&settings.session) {
        Ok(session) => session,
        // What was asked for may be done already, but for the rest of an interrupted deletion.
        Err(error @ Error::NoSuchSession { .. }) if settings.is_meant => {
            return match database.clear_leftovers(stop)? {
                0 => Err(error),
                rows => {
                    tracing::info!("removed {rows} rows that an interrupted deletion had left in {}", path.display());
                    Ok(Exit::Done)
                }
            };
        }
        Err(error) => return Err(error),
    };
    let what = format!("session {} of {} with {} messages", session.id, path.display(), session.tally.messages);
    if !settings.is_meant && !is_meant(session.id, &what, stop)? {
        tracing::info!("nothing was deleted");
        return Ok(Exit::Done);
    }
    database.delete_session(session.id, stop)?;
    tracing::info!("deleted {what}");
    Ok(Exit::Done)
}

/// Ask whoever sits at the terminal.
fn is_meant(id: i64, what: &str, stop: &Stop) -> Result<bool> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        let text = format!("cannot delete session {id}: there is no terminal to ask on; confirm it with --yes");
        return Err(Error::CommandLine(text));
    }
    let ask = || -> io::Result<String> {
        write!(stderr(), "Delete {}? [y/N] ", escape::line(what))?;
        stderr().flush()?;
        let mut answer = String::new();
        if stop.wait_readable(stdin().as_fd()) {
            writeln!(stderr())?;
            return Ok(answer);
        }
        stdin().read_line(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(|cause| Error::System { operation: "ask at the terminal", cause })?;
    stop.check(|| format!("delete {what}"))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
