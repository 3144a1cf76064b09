//! Finding sessions in an archive, and bringing them here.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use crate::command::counted;
use crate::command::session::making::{about, all_of};
use crate::error::{Error, Result};
use crate::importer::{self, Walked, Watch};
use crate::process::stop::Stop;
use crate::store::nats::{Failure, Found, Link, Reading};
use crate::store::{
    Access, Captures, Damage, Database, EndReason, Limits, RecorderName, Recording, Session, SessionStart, Verdict,
};
use crate::time::durations::seconds;

/// Names that an error lists.
const NAMED_MAX: usize = 20;

/// A connection to an archive that captures are read in.
pub(super) struct Shelves<'a> {
    access: &'a Access,
    stop: &'a Stop,
    link: Rc<Link<'a>>,
}

/// The captures of one recorder.
pub(super) struct Shelf<'a> {
    pub recorder: RecorderName,
    reading: Reading<'a>,
}

/// Where fetched sessions go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Onto<'a> {
    /// Behind those of a database that is kept.
    Kept(&'a Path),
    /// Into a file that only this thread has open, under the numbers that they have in the archive.
    Lent(&'a Path),
    /// The same into one that others read meanwhile.
    Shown(&'a Path),
}

/// Do something with an archive that can be reached.
///
/// # Errors
/// When it cannot, or what `work` fails with.
pub(super) fn connected<T>(access: &Access, stop: &Stop, work: impl FnOnce(&Shelves<'_>) -> Result<T>) -> Result<T> {
    let pause = |wait_ns: i64| !stop.wait_ns(wait_ns);
    let link = Link::connect(access, &pause).map_err(|failure| failed(access, stop, failure))?;
    work(&Shelves { access, stop, link: Rc::new(link) })
}

fn failed(access: &Access, stop: &Stop, failure: Failure) -> Error {
    failed_to("read", access, stop, failure)
}

fn failed_to(operation: &'static str, access: &Access, stop: &Stop, failure: Failure) -> Error {
    match stop.requested() {
        true => Error::Stopped { what: format!("{operation} archive {}", access.address) },
        false => failure.error(operation, &access.address),
    }
}

impl<'a> Shelves<'a> {
    fn failed(&self, failure: Failure) -> Error {
        failed(self.access, self.stop, failure)
    }

    pub fn refused(&self, cause: String, hint: &str) -> Error {
        Failure::refused(cause, hint).error("read", &self.access.address)
    }

    /// The recorder that the address names, or all that there are.
    ///
    /// # Errors
    /// When the archive does not answer.
    pub fn recorders(&self) -> Result<Vec<RecorderName>> {
        match &self.access.address.recorder {
            Some(recorder) => Ok(vec![recorder.clone()]),
            None => self.link.recorders().map_err(|failure| self.failed(failure)),
        }
    }

    /// The captures of a recorder.
    ///
    /// # Errors
    /// When there are none.
    pub fn shelf(&self, recorder: RecorderName) -> Result<Shelf<'a>> {
        let reading = Reading::open(self.link.clone(), recorder.clone()).map_err(|failure| self.failed(failure))?;
        Ok(Shelf { recorder, reading })
    }

    /// The capture that `typed` means, with its parts in their order: a session, or RECORDER/SESSION.
    ///
    /// # Errors
    /// When there is none, or several.
    pub fn find(&self, typed: &str) -> Result<(Shelf<'a>, Vec<Found>)> {
        let named = typed.split_once('/').and_then(|(recorder, session)| Some((recorder.parse().ok()?, session)));
        let (recorders, wanted) = match (named, &self.access.address.recorder) {
            (Some((recorder, session)), None) => (vec![recorder], session),
            (Some((recorder, session)), Some(only)) if recorder == *only => (vec![recorder], session),
            _ => (self.recorders()?, typed),
        };
        let (mut found, mut advice, names) = (Vec::new(), String::new(), listed(&recorders));
        let is_only = recorders.len() == 1;
        for recorder in recorders {
            let shelf = self.shelf(recorder)?;
            let mut parts = shelf.reading.capture(wanted).map_err(|failure| self.failed(failure))?;
            parts.reverse();
            if !parts.is_empty() {
                found.push((shelf, parts));
            } else if is_only {
                // Of several, nobody knows which is meant.
                advice = shelf.reading.advice(wanted);
            }
        }
        if let Some((shelf, parts)) = found.pop() {
            if found.is_empty() {
                return Ok((shelf, parts));
            }
            let all = found.iter().map(|(shelf, _)| &shelf.recorder).chain([&shelf.recorder]);
            let all = all.map(|recorder| format!("{recorder}/{wanted}")).take(NAMED_MAX).collect::<Vec<_>>();
            return Err(self.refused(format!("several recorders have such a session: {}", all.join(", ")), "say which"));
        }
        if names.is_empty() {
            return Err(self.refused("nothing is archived in it".to_owned(), "check the address"));
        }
        let hint = "name an id, a label or `latest`, as `fancyhwd session list --database nats://...` shows them";
        Err(self.refused(format!("there is no session '{wanted}' of {names} in it"), &(advice + hint)))
    }

    /// What is known of the sessions of a recorder whose numbers are wanted, oldest first, and how many messages of each are
    /// there. Those of which it is damaged are passed over; gives whether there was none.
    ///
    /// # Errors
    /// When they cannot be read, or what `take` fails with.
    pub fn each(
        &self,
        shelf: &Shelf<'_>,
        is_wanted: &dyn Fn(i64) -> bool,
        take: &mut dyn FnMut(Found, u64) -> Result<()>,
    ) -> Result<bool> {
        let (reading, mut is_whole) = (&shelf.reading, true);
        let mut each = || {
            let mut sessions = reading.sessions()?;
            sessions.retain(|archived| is_wanted(archived.session_id));
            reading.find_each(&sessions, &mut |archived, found| {
                let found = match found {
                    Err(what) => {
                        tracing::warn!("session {} of {} is passed over: {what}", archived.session_id, shelf.recorder);
                        is_whole = false;
                        return Ok(());
                    }
                    Ok(found) => found,
                };
                let messages = if found.is_end() { found.messages() } else { reading.messages(archived)? };
                Ok(take(found, messages)?)
            })
        };
        each().map_err(|failure| self.failed(failure))?;
        Ok(is_whole)
    }

    /// The sessions of a recorder whose numbers are wanted, oldest first, and whether none is missing, as in [`Self::each`].
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn list(&self, shelf: &Shelf<'_>, is_wanted: &dyn Fn(i64) -> bool) -> Result<(Vec<Found>, bool)> {
        let mut all = Vec::new();
        let is_whole = self.each(shelf, is_wanted, &mut |found, _| {
            all.push(found);
            Ok(())
        })?;
        Ok((all, is_whole))
    }

    /// Read all messages of a session, compare them with their digests, and take over what is known of it beside them. Gives it
    /// with what was found.
    ///
    /// # Errors
    /// When the archive does not answer, or the database cannot be written.
    pub fn prove(&self, shelf: &Shelf<'_>, found: &Found, database: &mut Database) -> Result<(Session, Verdict)> {
        let title = format!("session {} of {}", found.id(), shelf.recorder);
        let watch = Watch::new(self.stop, format!("verify {title}"), found.messages(), "messages");
        let mut bundles = shelf.reading.bundles(&found.archived).map_err(|failure| self.failed(failure))?;
        let proof = importer::prove(&mut bundles, &watch).map_err(|failure| self.failed(failure))?;
        let Walked { messages, commits, digest } = proof.whole;
        self.take_card(found, messages, database)?;
        let session = database.find_session(&found.id().to_string())?;
        let of_session = |what: String| Damage { first_id: 1, last_id: 0, what: what.into() };
        let damage = match proof.damage {
            Some(what) => {
                let behind_id = session.last_id.saturating_add(1);
                Some(Damage { first_id: behind_id, last_id: behind_id, what: what.into() })
            }
            None if found.is_end() && messages != found.messages() => {
                Some(of_session(format!("{messages} messages of it are there, and not {}", found.messages())))
            }
            None if !found.restored.is_sealed(&digest) => {
                Some(of_session("what is known of it is not what its seal was made of".to_owned()))
            }
            None => None,
        };
        Ok((session, Verdict { damage, commits }))
    }

    /// Delete a session in the archive.
    ///
    /// # Errors
    /// When it does not answer, or we may not.
    pub fn delete(&self, shelf: &Shelf<'_>, found: &Found) -> Result<()> {
        let done = shelf.reading.delete(&found.archived);
        done.map(|_| ()).map_err(|failure| failed_to("delete in", self.access, self.stop, failure))
    }

    /// Take over what is known of a session into a database for this command alone.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn take_card(&self, found: &Found, messages: u64, database: &mut Database) -> Result<()> {
        let Found { archived, described, restored } = found;
        let mut lines = described.lines().map_err(|cause| {
            self.failed(Failure::Damaged(format!("the description of session {} cannot be read: {cause}", found.id())))
        })?;
        database.take_card(archived.session_id, restored, &mut lines, messages)
    }

    /// Fetch the parts of a capture. Says whether all are what their seals say.
    ///
    /// # Errors
    /// When the archive cannot be read or is damaged, or the database not be written.
    pub fn fetch(&self, shelf: &Shelf<'_>, parts: &[Found], onto: Onto<'_>) -> Result<bool> {
        let (mut new_ids, mut is_whole) = (BTreeMap::new(), true);
        for found in parts {
            let continues = found.continues().and_then(|before_id| new_ids.get(&before_id).copied());
            let (session_id, is_sound) = self.fetch_one(shelf, found, onto, continues)?;
            new_ids.insert(found.id(), session_id);
            is_whole &= is_sound;
        }
        Ok(is_whole)
    }

    fn fetch_one(
        &self,
        Shelf { recorder, reading }: &Shelf<'_>,
        found: &Found,
        onto: Onto<'_>,
        continues: Option<i64>,
    ) -> Result<(i64, bool)> {
        let failed = |failure| self.failed(failure);
        let Found { archived, described, restored } = found;
        let (messages, title) = (found.messages(), format!("session {} of {recorder}", archived.session_id));
        let address = &self.access.address;
        let watch = Watch::new(self.stop, format!("fetch {title} from archive {address}"), messages, "messages");
        let start = about(restored.text("label").map(str::to_owned).as_ref(), &format!("{title} in archive {address}"));
        let numbered = |start| SessionStart { id: Some(archived.session_id), ..start };
        let (recording, is_new) = match onto {
            Onto::Kept(path) => {
                let is_new = !path.exists();
                (Recording::start(Database::for_recording(path)?, start, Limits::default())?, is_new)
            }
            Onto::Lent(file) => (Recording::build(file, file, numbered(start))?, false),
            Onto::Shown(file) => {
                (Recording::start(Database::for_recording(file)?, numbered(start), Limits::default())?, false)
            }
        };
        let (session_id, path) = (recording.session_id(), recording.path().to_owned());
        let reason = restored.text("end_reason").and_then(EndReason::named).unwrap_or(EndReason::Interrupted);
        let mut is_sealed = true;
        let fetched = all_of(recording, is_new, reason, |recording| {
            let mut bundles = reading.bundles(archived).map_err(failed)?;
            let fetched = importer::fetch(&mut bundles, restored, recording, &watch).map_err(failed)?;
            if described.is_end && fetched != messages {
                let what = format!("it has {fetched} messages of {title}, and not {messages}");
                return Err(failed(bundles.senseless(&what)));
            }
            let unreadable = |cause: std::io::Error| {
                failed(bundles.senseless(&format!("the description of {title} cannot be read: {cause}")))
            };
            is_sealed = recording.restore(&mut described.lines().map_err(unreadable)?, restored, continues)?;
            Ok(fetched)
        })?;
        let elapsed_s = seconds(watch.elapsed_ns());
        drop(watch);
        match onto {
            Onto::Kept(_) => tracing::info!(
                "fetched {title} as session {session_id} of {}: {} in {elapsed_s:.3} s",
                path.display(),
                counted(fetched, "message"),
            ),
            Onto::Lent(_) | Onto::Shown(_) => {
                let messages = counted(fetched, "message");
                tracing::info!("read {title} in archive {address}: {messages} in {elapsed_s:.3} s")
            }
        }
        if !is_sealed {
            tracing::warn!("what the archive says of {title} is not what its seal was made of");
        }
        if !described.is_end {
            tracing::warn!(
                "{title} goes on, or its recorder is gone: these are the messages so far, and its ledger as it was last sent"
            );
        }
        Ok((session_id, is_sealed))
    }
}

fn listed(recorders: &[RecorderName]) -> String {
    let more = if recorders.len() > NAMED_MAX { ", ..." } else { "" };
    recorders.iter().map(RecorderName::as_str).take(NAMED_MAX).collect::<Vec<_>>().join(", ") + more
}
