//! `fancyhwd session archive`.

use std::path::PathBuf;

use crate::error::Result;
use crate::exit::Exit;
use crate::process::stop::Stop;
use crate::store::Target;

/// What `session archive` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// An id, a label, or `latest`; `None` is every session.
    pub session: Option<String>,
    /// Where to.
    pub target: Target,
    /// Where it is.
    pub database: PathBuf,
}

/// Send a session to an archive, with all its parts if it was split, or every session.
///
/// # Errors
/// When the archive cannot be used, or the database not be read.
#[cfg(feature = "archive")]
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    use crate::archiver::{Archiver, Standing};
    use crate::error::Error;
    use crate::observe::progress::Progress;
    use crate::store::Database;
    use crate::time::durations::seconds;

    let Settings { target, .. } = settings;
    let mut database = Database::for_archiving(&settings.database)?;
    let sessions = match &settings.session {
        Some(session) => vec![database.find_session(session)?],
        None => database.sessions()?,
    };
    let what = match sessions.as_slice() {
        [session] => session.title(),
        sessions => format!("{} sessions", sessions.len()),
    };
    let progress = Progress::of(sessions.iter().map(|session| session.tally.messages).sum(), "messages", true);
    let pause = |wait_ns: i64| !stop.wait_ns(wait_ns);
    let tell = |standing: &Standing| progress.at(standing.archived);
    let mut archiver = Archiver::new(target.access.clone(), target.keeping, &pause, &tell);
    let (mut messages, mut behind, mut recorder) = (0, 0, target.recorder.to_string());
    database.change(|database| {
        for part in sessions.iter().flat_map(|session| session.parts.iter()) {
            if stop.requested() {
                break;
            }
            database.want_archived(part.id, target.recorder.as_str())?;
            let archived = archiver.once(database, part.id)?;
            messages += archived.archived();
            behind += archived.behind();
            recorder = archived.recorder;
        }
        Ok(())
    })?;
    if stop.requested() {
        return Err(Error::Stopped { what: format!("archive {what}") });
    }
    let (sent, elapsed_ns) = (archiver.standing().clone(), progress.elapsed_ns());
    drop(archiver);
    drop(progress);
    tracing::info!(
        "archived {what} of {} as {recorder} in {}: {} messages sent in {:.3} s ({} bytes), {messages} are there",
        settings.database.display(),
        target.access.address,
        sent.archived,
        seconds(elapsed_ns),
        sent.sent_bytes,
    );
    if behind > 0 {
        tracing::info!("{behind} messages more were recorded meanwhile");
    }
    Ok(Exit::Done)
}

/// Say that this binary cannot do it. The command line has refused it before.
///
/// # Errors
/// Always.
#[cfg(not(feature = "archive"))]
pub fn run(settings: &Settings, _: &Stop) -> Result<Exit> {
    Err(crate::command::here::not_built(&settings.target.access))
}
