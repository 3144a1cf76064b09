//! `fancyhwd session import`.

use std::path::PathBuf;

use crate::command::counted;
use crate::command::record::{DatabasePath, make_directory};
use crate::command::session::making::{about, all_of};
use crate::error::Result;
use crate::exit::Exit;
use crate::importer::{Imported, Source, Watch};
use crate::process::stop::Stop;
use crate::store::{Database, EndReason, Limits, Recording};
use crate::time::durations::seconds;

/// What `session import` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file.
    pub file: PathBuf,
    /// A name for the session.
    pub label: Option<String>,
    /// Where to.
    pub database: DatabasePath,
}

/// Make a session of a file. It is there when all of the file is in it, or not at all.
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    let file = &settings.file;
    let source = Source::open(file)?;
    let watch = Watch::new(stop, format!("import {}", file.display()), source.bytes(), "bytes");
    make_directory(&settings.database)?;
    let is_new = !settings.database.path.exists();
    let database = Database::for_recording(&settings.database.path)?;
    let about = about(settings.label.as_ref(), &file.display().to_string());
    let recording = Recording::start(database, about, Limits::default())?;
    let (session_id, path) = (recording.session_id(), recording.path().to_owned());
    let Imported { messages, is_changed } =
        all_of(recording, is_new, EndReason::Imported, |recording| source.read(recording, &watch))?;
    let elapsed_ns = watch.elapsed_ns();
    // The bar goes before the summary comes.
    drop(watch);
    tracing::info!(
        "imported {} as session {session_id} of {}: {} in {:.3} s",
        file.display(),
        path.display(),
        counted(messages, "message"),
        seconds(elapsed_ns)
    );
    if is_changed {
        tracing::warn!("its messages are not those of the session that it was exported from, as its digest says");
    }
    Ok(Exit::from_loss(is_changed))
}
