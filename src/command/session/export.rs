//! `fancyhwd session export`.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use crate::analysis::sought::Sought;
use crate::codec::topic::Wanted;
use crate::command::counted;
use crate::command::here::{Depth, Here};
use crate::error::Result;
use crate::exit::Exit;
use crate::exporter::{Export, Exported, Format, Output, Scope, Watch, write_database, write_messages, write_page};
use crate::process::stop::Stop;
use crate::store::{Database, Selection, Session, Source};
use crate::summary::ledger;
use crate::time::clock::monotonic_ns;
use crate::time::durations::seconds;

/// What `session export` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Each an id, a label, or `latest`.
    pub sessions: Vec<String>,
    /// From where.
    pub source: Source,
    /// Into which file, or directory; `None` is standard output.
    pub output: Option<PathBuf>,
    /// Whether the file may be replaced.
    pub replace: bool,
    /// What, and how.
    pub export: Export,
    /// From where to where, if conditions say so.
    pub sought: Sought,
}

/// Export sessions. A file gets its name at the very end, and a directory when all files in it are whole.
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    let Settings { sessions, replace, export, .. } = settings;
    let wanted: Vec<&str> = sessions.iter().map(String::as_str).collect();
    let here = Here::of(&settings.source, &wanted, Depth::Messages, stop)?;
    let database = Database::for_reading(&here.path)?;
    let sessions = &here.sessions;
    if let [session] = sessions.as_slice() {
        let session = database.find_session(session)?;
        let output = Output::open(settings.output.as_deref(), *replace, export.format, database.path())?;
        let name = output.name();
        let has_loss = export_one(settings, database, &session, (output, &name), stop)?;
        return Ok(Exit::from_loss(has_loss || !here.is_whole));
    }
    let mut found = sessions.iter().map(|wanted| database.find_session(wanted)).collect::<Result<Vec<_>>>()?;
    // By its id and by its label is the same one.
    let mut names = BTreeSet::new();
    found.retain(|session| names.insert(session.ids()));
    let whole = Output::open_directory(settings.output.as_deref().unwrap_or(Path::new("")))?;
    let mut has_loss = !here.is_whole;
    for session in found {
        let file = format!("{}.{}", session.ids().replace(' ', "-"), export.format.ending());
        let (path, name) = (whole.path().join(&file), whole.name() + &file);
        let database = Database::for_reading(&here.path)?;
        let output = Output::open(Some(&path), false, export.format, database.path())?;
        has_loss |= export_one(settings, database, &session, (output, &name), stop)?;
    }
    let (name, bytes) = (whole.name(), whole.finish()?);
    tracing::info!("exported {} sessions, {bytes} bytes to {name}", names.len());
    Ok(Exit::from_loss(has_loss))
}

/// Export one session into what has this name. Gives whether something of it is missing.
fn export_one(
    settings: &Settings,
    database: Database,
    session: &Session,
    (output, name): (Output, &str),
    stop: &Stop,
) -> Result<bool> {
    let format = settings.export.format;
    let export = &found(settings, &database, session, stop)?;
    // Lines that run over the terminal show well enough how far it is.
    let is_shown = settings.output.is_some() || !io::stdout().is_terminal();
    let watch = Watch::new(stop, (&output, name), session.tally.messages, is_shown);
    let exported = match format {
        Format::Sqlite => write_database(database, session, &output, &watch)?,
        Format::Html => write_page(database, session, export, &output, &watch)?,
        _ => write_selected(export, database, session, &output, &watch)?,
    };
    let began_ns = watch.began_ns();
    // The bar goes before the summary comes.
    drop(watch);
    let bytes = output.finish()?;
    tracing::info!(
        "exported {} as {format}: {}, {bytes} bytes in {:.3} s to {name}",
        session.title(),
        counted(exported.messages, "message"),
        seconds(monotonic_ns() - began_ns),
    );
    Ok(report(session, &exported))
}

/// What is exported of a session, whose range conditions may say.
fn found(settings: &Settings, database: &Database, session: &Session, stop: &Stop) -> Result<Export> {
    let Settings { export, sought, .. } = settings;
    if sought.is_empty() {
        return Ok(export.clone());
    }
    let Export { endpoints, from, to, .. } = export.clone();
    let selection = Selection { wanted: export.wanted.clone().unwrap_or(Wanted::Every), endpoints, from, to };
    let Selection { from, to, .. } = sought.find(database, session, &selection, stop)?;
    Ok(Export { from, to, ..export.clone() })
}

fn write_selected(
    export: &Export,
    database: Database,
    session: &Session,
    output: &Output,
    watch: &Watch<'_>,
) -> Result<Exported> {
    let scope = Scope::of(&database, session, export, watch)?;
    if export.format == Format::Wav && scope.is_estimated {
        tracing::info!(
            "{} samples per second, as estimated from the session; --sample-rate sets it",
            scope.sample_rate_hz
        );
    }
    if export.format == Format::Wav {
        tell_of_silence(&scope);
    }
    write_messages(database, session, export, &scope, output, watch)
}

/// Say what becomes of the gaps between the messages of a sound.
fn tell_of_silence(scope: &Scope) {
    let (count, total_ns) = scope.gaps();
    let gaps = format!("{} of {:.3} s in all", counted(count, "gap"), seconds(total_ns));
    match (count, scope.fills_gaps) {
        (0, _) => {}
        (_, true) => tracing::info!("{gaps}: filled with silence"),
        (_, false) => tracing::warn!("{gaps}: left out of the sound; --fill-gaps fills them with silence"),
    }
}

/// Say what the export does not hold. Gives whether that is a loss.
fn report(session: &Session, exported: &Exported) -> bool {
    if exported.undecodable > 0 {
        tracing::warn!(
            "{} cannot be read by their layout, and have no values in the export; `fancyhwd session show` says why",
            counted(exported.undecodable, "message")
        );
    }
    if exported.is_deleted {
        tracing::warn!("missing: {}: all or a part was deleted while it was exported", session.title());
    } else {
        ledger::warn_of_gaps(&exported.gaps);
    }
    if exported.is_ledger_damaged {
        tracing::warn!("missing: entries of its ledger, which are damaged");
    }
    exported.is_deleted || exported.is_ledger_damaged || !exported.gaps.is_empty()
}
