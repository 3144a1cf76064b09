//! `fancyhwd session import`.

use std::path::PathBuf;

use crate::command::record::{DatabasePath, make_directory};
use crate::error::Result;
use crate::exit::Exit;
use crate::importer::{Imported, Source, Watch};
use crate::process::stop::Stop;
use crate::store::{Database, Durability, EndReason, Limits, Recording, SessionStart};
use crate::time::clock::unix_ns;
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
    let mut recording = Recording::start(database, about(settings), Limits::default())?;
    let (session_id, path) = (recording.session_id(), recording.path().to_owned());
    let Imported { messages, is_changed } = match source.read(&mut recording, &watch) {
        Ok(imported) => imported,
        Err(error) => {
            // What failed first is what the user must know.
            if let Err(other) = recording.discard(is_new) {
                tracing::error!("what is imported so far may be left as session {session_id}: {other}");
            }
            return Err(error);
        }
    };
    recording.end(EndReason::Imported)?;
    let elapsed_ns = watch.elapsed_ns();
    // The bar goes before the summary comes.
    drop(watch);
    let (words, name) = (if messages == 1 { "message" } else { "messages" }, file.display());
    tracing::info!(
        "imported {name} as session {session_id} of {}: {messages} {words} in {:.3} s",
        path.display(),
        seconds(elapsed_ns)
    );
    if is_changed {
        tracing::warn!("its messages are not those of the session that it was exported from, as its digest says");
    }
    Ok(Exit::from_loss(is_changed))
}

/// Of what is not known before all of the file was read, something that fits if this process is killed.
fn about(settings: &Settings) -> SessionStart {
    SessionStart {
        label: settings.label.clone(),
        note: Some(format!("a part of {}", settings.file.display())),
        started_unix_ns: unix_ns(),
        endpoints: Vec::new(),
        connected: 0,
        socket: "sub",
        topics: vec!["*".to_owned()],
        framing: None,
        host: String::new(),
        boot_id: String::new(),
        durability: Durability::Normal,
        resumes: false,
    }
}
