//! `fancyhwd session delete`.

use std::io::{self, IsTerminal, Write, stderr, stdin};
use std::os::fd::AsFd;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::escape;
use crate::exit::Exit;
use crate::process::stop::Stop;
use crate::store::{Database, Session};

/// What `session delete` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// An id, a label, or `latest`.
    pub session: String,
    /// Whether it is deleted without a question.
    pub is_meant: bool,
    /// From where.
    pub database: PathBuf,
}

/// Delete a session, once it is clear that this is meant.
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    let path = &settings.database;
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
    if !settings.is_meant && !is_meant(&session, &what, stop)? {
        tracing::info!("nothing was deleted");
        return Ok(Exit::Done);
    }
    database.delete_session(session.id, stop)?;
    tracing::info!("deleted {what}");
    Ok(Exit::Done)
}

/// Ask whoever sits at the terminal.
fn is_meant(session: &Session, what: &str, stop: &Stop) -> Result<bool> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        let text = format!("session {} is deleted without a question only with --yes", session.id);
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
