//! Bringing sessions back from an archive.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::command::record::make_directory;
use crate::command::session::fetch::Settings;
use crate::command::session::making::{about, all_of};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::importer::{self, Watch};
use crate::process::stop::Stop;
use crate::store::nats::{Archived, Described, Failure, Link, Reading};
use crate::store::{Database, EndReason, Limits, Name, RecorderName, Recording, Restored};
use crate::time::durations::seconds;

/// A session that was found.
struct Found {
    archived: Archived,
    described: Described,
    restored: Restored,
}

impl Found {
    /// The session that it goes on from, if both were split from one.
    fn before(&self) -> Option<Archived> {
        let session_id = self.restored.number("continues")?;
        Some(Archived { session_id, ..self.archived.clone() })
    }
}

/// Bring a session back, with all its parts if it was split and is named by its label.
///
/// # Errors
/// When the archive cannot be read or is damaged, or the database not be written.
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    let address = &settings.access.address;
    let failed = |failure: Failure| match stop.requested() {
        true => Error::Stopped { what: format!("fetch from archive {address}") },
        false => failure.error("read", address),
    };
    let pause = |wait_ns: i64| !stop.wait_ns(wait_ns);
    let link = Rc::new(Link::connect(&settings.access, &pause).map_err(failed)?);
    let recorder = recorder(settings, &link).map_err(failed)?;
    let reading = Reading::open(link, recorder.clone()).map_err(failed)?;
    let parts = find(&reading, &settings.session, &recorder).map_err(failed)?;
    make_directory(&settings.database)?;
    let (mut new_ids, mut is_whole) = (BTreeMap::new(), true);
    for found in &parts {
        let continues = found.before().and_then(|before| new_ids.get(&before.session_id).copied());
        let (session_id, is_sound) = fetch(settings, stop, &reading, found, continues, &failed)?;
        new_ids.insert(found.archived.session_id, session_id);
        is_whole &= is_sound;
    }
    Ok(Exit::from_loss(!is_whole))
}

/// Whose captures are meant.
fn recorder(settings: &Settings, link: &Link<'_>) -> std::result::Result<RecorderName, Failure> {
    if let Some(recorder) = &settings.recorder {
        return Ok(recorder.clone());
    }
    let recorders = link.recorders()?;
    match recorders.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Failure::refused("nothing is archived in it", "check the address")),
        several => {
            let names: Vec<&str> = several.iter().map(RecorderName::as_str).take(20).collect();
            Err(Failure::refused(
                format!("it has {} recorders: {}", several.len(), names.join(", ")),
                "name one, as in RECORDER/SESSION",
            ))
        }
    }
}

/// The parts of the capture that is meant, in their order.
fn find(reading: &Reading<'_>, wanted: &str, recorder: &RecorderName) -> std::result::Result<Vec<Found>, Failure> {
    let missing = || {
        Failure::refused(
            format!("there is no session '{wanted}' of {recorder} in it"),
            "name an id, a label, or `latest`",
        )
    };
    let name = Name::of(wanted);
    for archived in reading.sessions()?.into_iter().rev() {
        if matches!(name, Name::Id(id) if id != Some(archived.session_id)) {
            continue;
        }
        let Some(described) = reading.described(&archived)? else { continue };
        if name == Name::Latest && !described.is_end {
            continue;
        }
        let restored = reading.restored(&archived, &described)?;
        if name == Name::Label && restored.text("label") != Some(wanted) {
            continue;
        }
        let mut parts = vec![Found { archived, described, restored }];
        while name == Name::Label
            && let Some(before) = parts.first().and_then(Found::before)
            && parts.first().is_some_and(|first| before.session_id < first.archived.session_id)
            && let Some(described) = reading.described(&before)?
        {
            let restored = reading.restored(&before, &described)?;
            if restored.text("label") != Some(wanted) || restored.text("end_reason") != Some("split") {
                break;
            }
            parts.insert(0, Found { archived: before, described, restored });
        }
        return Ok(parts);
    }
    Err(missing())
}

/// Fetch one session. Gives its number here, and whether it is what its seal says.
fn fetch(
    settings: &Settings,
    stop: &Stop,
    reading: &Reading<'_>,
    found: &Found,
    continues: Option<i64>,
    failed: &dyn Fn(Failure) -> Error,
) -> Result<(i64, bool)> {
    let Found { archived, described, restored } = found;
    let messages = restored.number("messages").unwrap_or_default().max(0).unsigned_abs();
    let what = format!("fetch session {} from archive {}", archived.session_id, settings.access.address);
    let watch = Watch::new(stop, what, messages, "messages");
    let is_new = !settings.database.path.exists();
    let database = Database::for_recording(&settings.database.path)?;
    let label = restored.text("label").map(str::to_owned);
    let start =
        about(label.as_ref(), &format!("session {} of archive {}", archived.session_id, settings.access.address));
    let recording = Recording::start(database, start, Limits::default())?;
    let (session_id, path) = (recording.session_id(), recording.path().to_owned());
    let reason = restored.text("end_reason").and_then(EndReason::named).unwrap_or(EndReason::Interrupted);
    let mut is_sealed = true;
    let fetched = all_of(recording, is_new, reason, |recording| {
        let mut bundles = reading.bundles(archived).map_err(failed)?;
        let fetched = importer::fetch(&mut bundles, restored, recording, &watch).map_err(failed)?;
        if described.is_end && fetched != messages {
            let what = format!("it has {fetched} messages of session {}, and not {messages}", archived.session_id);
            return Err(failed(bundles.senseless(&what)));
        }
        let unreadable = |cause: std::io::Error| {
            failed(
                bundles
                    .senseless(&format!("the description of session {} cannot be read: {cause}", archived.session_id)),
            )
        };
        is_sealed = recording.restore(&mut described.lines().map_err(unreadable)?, restored, continues)?;
        Ok(fetched)
    })?;
    let elapsed_ns = watch.elapsed_ns();
    drop(watch);
    tracing::info!(
        "fetched session {} as session {session_id} of {}: {fetched} messages in {:.3} s",
        archived.session_id,
        path.display(),
        seconds(elapsed_ns)
    );
    if !is_sealed {
        tracing::warn!("what the archive says of session {} is not what its seal was made of", archived.session_id);
    }
    if !described.is_end {
        tracing::warn!(
            "session {} goes on, or its recorder is gone: these are the messages so far, and its ledger as it was last sent",
            archived.session_id
        );
    }
    Ok((session_id, is_sealed))
}
