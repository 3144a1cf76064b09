//! `fancyhwd session cut`.

use std::path::PathBuf;

use crate::analysis::sought::Sought;
use crate::command::counted;
use crate::command::session::making::{about, all_of};
use crate::error::Result;
use crate::exit::Exit;
use crate::importer::{self, Cut, Watch};
use crate::process::stop::Stop;
use crate::store::{Database, EndReason, Limits, Reader, Recording, Selection};
use crate::summary::ledger;
use crate::time::durations::seconds;

/// What `session cut` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// An id, a label, or `latest`.
    pub session: String,
    /// Which of its messages.
    pub selection: Selection,
    /// Where they begin and end, if conditions say so.
    pub sought: Sought,
    /// A name for the new session.
    pub label: Option<String>,
    /// Where both are.
    pub database: PathBuf,
}

/// Make a session of a part of another one. It is there when all of the part is in it, or not at all.
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    let source = Database::for_reading(&settings.database)?;
    let session = source.find_session(&settings.session)?;
    let selection = settings.sought.find(&source, &session, &settings.selection, stop)?;
    let reader = Reader::new(source, &session, &selection)?;
    let (first, last) = reader.numbers();
    let what = format!("cut {} of {}", session.title(), reader.database().path().display());
    let watch = Watch::new(stop, what, last.abs_diff(first).saturating_add(1), "messages");
    let database = Database::for_recording(&settings.database)?;
    let recording = Recording::start(database, about(settings.label.as_ref(), &session.title()), Limits::default())?;
    let (session_id, path) = (recording.session_id(), recording.path().to_owned());
    let cut = all_of(recording, false, EndReason::Cut, |recording| {
        importer::cut(reader, &session, &selection, recording, &watch)
    })?;
    let elapsed_ns = watch.elapsed_ns();
    // The bar goes before the summary comes.
    drop(watch);
    tracing::info!(
        "cut {} into session {session_id} of {}: {} in {:.3} s",
        session.title(),
        path.display(),
        counted(cut.messages, "message"),
        seconds(elapsed_ns)
    );
    Ok(Exit::from_loss(report(&cut)))
}

/// Say what the cut does not hold. Gives whether that is a loss.
fn report(cut: &Cut) -> bool {
    ledger::warn_of_gaps(&cut.gaps);
    if cut.is_ledger_damaged {
        tracing::warn!("missing: endpoints or entries of its ledger, which are damaged");
    }
    cut.is_ledger_damaged || !cut.gaps.is_empty()
}
