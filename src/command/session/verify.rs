//! `fancyhwd session verify`.

use serde_json::{Value, json};
use std::path::Path;

use crate::codec::counter::Counter;
use crate::command::here::{Depth, Here};
use crate::command::print;
use crate::command::session::counted::Counted;
use crate::command::session::list::warn_of_damage;
use crate::error::{Error, Result};
use crate::escape;
use crate::exit::Exit;
use crate::observe::progress::Progress;
use crate::process::stop::Stop;
use crate::store::{Damage, Database, Session, Source, Verdict};
use crate::streams::About;
use crate::summary::text::{pretty_end, pretty_item};

/// What `session verify` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// An id, a label, or `latest`; `None` is every session.
    pub session: Option<String>,
    /// From where.
    pub source: Source,
    /// The devices' own sequence numbers, to count what is missing.
    pub counters: Vec<About<Counter>>,
    /// Whether to print JSON.
    pub is_json: bool,
}

/// Compare one session, or each of them, with its digests.
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    let mut report = Report { is_json: settings.is_json, told: 0, has_damage: false };
    let verified = match &settings.source {
        Source::File(path) => verify_file(settings, path, settings.session.as_deref(), &mut report, stop),
        // Only messages that are here can be counted.
        source @ Source::Archive(_) if !settings.counters.is_empty() => match &settings.session {
            Some(session) => Here::of(source, &[session], Depth::Messages, stop).and_then(|here| {
                report.has_damage |= !here.is_whole;
                verify_file(settings, &here.path, Some(here.session()), &mut report, stop)
            }),
            None => Err(Error::CommandLine("--counter of an archive is for one session; name it".to_owned())),
        },
        Source::Archive(access) => archived::verify(settings, access, &mut report, stop),
    };
    let ended = report.end(verified.is_ok());
    verified.and(ended).map(|_| Exit::from_loss(report.has_damage))
}

fn verify_file(
    settings: &Settings,
    path: &Path,
    session: Option<&str>,
    report: &mut Report,
    stop: &Stop,
) -> Result<()> {
    let database = Database::for_reading(path)?;
    let (sessions, whole) = match session {
        None => {
            let listed = database.list()?;
            report.has_damage = warn_of_damage(&listed);
            (listed.sessions, None)
        }
        Some(wanted) => {
            let whole = database.find_session(wanted)?;
            // The devices' numbers go on from one part to the next.
            (database.parts(&whole)?, Some(whole).filter(|whole| whole.parts.count() > 1))
        }
    };
    let is_all = session.is_none();
    let counters = if whole.is_some() { &[] } else { settings.counters.as_slice() };
    verify(&database, &sessions, (path, counters), is_all, report, stop)?;
    if let Some(whole) = whole.filter(|_| !settings.counters.is_empty()) {
        report.tell_of_counters(&whole, &Counted::of(path, &whole, &settings.counters, stop)?)?;
    }
    let strays = if is_all { database.strays()? } else { Vec::new() };
    database.compare_fixed()?.into_iter().chain(strays).try_for_each(|what| report.tell_of_file(&what))
}

/// Compare these sessions and tell of each one as soon as it is known.
fn verify(
    database: &Database,
    sessions: &[Session],
    (path, counters): (&Path, &[About<Counter>]),
    is_all: bool,
    report: &mut Report,
    stop: &Stop,
) -> Result<()> {
    let count = |session: &Session| match counters {
        [] => Ok(None),
        counters => Counted::of(path, session, counters, stop).map(Some),
    };
    let messages = |session: &Session| session.tally.messages;
    let progress = Progress::new(sessions.iter().map(messages).fold(0, u64::saturating_add), true);
    let mut done = 0_u64;
    for session in sessions {
        tracing::debug!("verifying session {}", session.id);
        let mut at = |passed| {
            progress.at(done.saturating_add(passed));
            stop.check(|| format!("verify session {}", session.id))
        };
        match database.verify(session, &mut at).and_then(|verdict| Ok((verdict, count(session)?))) {
            Ok((verdict, counted)) => report.tell(session, &verdict, counted.as_ref())?,
            // A recorder makes room, or somebody tidies up.
            Err(Error::NoSuchSession { .. }) if is_all => {
                tracing::warn!("session {} was deleted while it was verified", session.id);
            }
            Err(error) => return Err(error),
        }
        done = done.saturating_add(messages(session));
    }
    Ok(())
}

/// What is printed: a line for each session, or an array in JSON.
struct Report {
    is_json: bool,
    told: usize,
    has_damage: bool,
}

impl Report {
    /// Tell of one more session.
    fn tell(&mut self, session: &Session, verdict: &Verdict, counted: Option<&Counted>) -> Result<()> {
        match self.is_json {
            true => print(&pretty_item(&as_json(session, verdict, counted), self.told))?,
            false => print(&line(session, verdict, counted))?,
        };
        self.told += 1;
        self.has_damage |= verdict.damage.is_some() || counted.is_some_and(Counted::has_loss);
        Ok(())
    }

    /// Tell what is missing in a capture of several parts, by the devices' own numbers.
    fn tell_of_counters(&mut self, whole: &Session, counted: &Counted) -> Result<()> {
        match self.is_json {
            true => {
                let ids: Vec<i64> = whole.parts.iter().map(|part| part.id).collect();
                let item = json!({ "id": null, "ids": ids, "ok": !counted.has_loss(), "counters": counted.as_json() });
                print(&pretty_item(&item, self.told))?
            }
            false => print(&counted.lines(whole))?,
        };
        self.told += 1;
        self.has_damage |= counted.has_loss();
        Ok(())
    }

    /// Tell of damage that is none of a session.
    fn tell_of_file(&mut self, what: &str) -> Result<()> {
        match self.is_json {
            true => print(&pretty_item(&json!({ "id": null, "ok": false, "damage": { "what": what } }), self.told))?,
            false => print(&format!("file: damaged: {}\n", escape::line(what)))?,
        };
        self.told += 1;
        self.has_damage = true;
        Ok(())
    }

    /// End it. What was begun is brought to its end also when it was cut short, so that it stays a document.
    fn end(&self, is_whole: bool) -> Result<Exit> {
        match (self.is_json, self.told) {
            (_, 0) if !is_whole => Ok(Exit::Done),
            (true, told) => print(pretty_end(told)),
            (false, 0) => print("no sessions\n"),
            (false, _) => Ok(Exit::Done),
        }
    }
}

fn line(session: &Session, verdict: &Verdict, counted: Option<&Counted>) -> String {
    let words = match &verdict.damage {
        None => {
            let open = if session.ended_unix_ns.is_none() { ", as far as it is committed" } else { "" };
            format!("ok, {} messages in {} commits{open}", session.tally.messages, verdict.commits)
        }
        Some(damage) => format!("damaged{}: {}", place(session, damage), escape::line(&damage.what)),
    };
    let counted = counted.map_or(String::new(), |counted| counted.lines(session));
    format!("session {}: {words}\n{counted}", session.id)
}

/// The numbers in the session, from 0, of the first and the last message among which the damage is.
fn numbers(session: &Session, damage: &Damage) -> Option<(i64, i64)> {
    let number = |id: i64| id.saturating_sub(session.first_id);
    (damage.first_id <= damage.last_id).then(|| (number(damage.first_id), number(damage.last_id)))
}

fn place(session: &Session, damage: &Damage) -> String {
    let (first_id, last_id) = (damage.first_id, damage.last_id);
    match numbers(session, damage) {
        None => String::new(),
        Some((first, last)) if first == last => format!(" at message #{first} (id {first_id})"),
        Some((first, last)) => format!(" at messages #{first} to #{last} (ids {first_id} to {last_id})"),
    }
}

fn as_json(session: &Session, verdict: &Verdict, counted: Option<&Counted>) -> Value {
    let damage = verdict.damage.as_ref().map(|damage| {
        let (first_number, last_number) = numbers(session, damage).unzip();
        let ids = first_number.map(|_| (damage.first_id, damage.last_id));
        let (first_id, last_id) = ids.unzip();
        json!({
            "what": damage.what,
            "first_number": first_number,
            "last_number": last_number,
            "first_id": first_id,
            "last_id": last_id,
        })
    });
    let mut item = json!({
        "id": session.id,
        "label": session.label,
        "ok": damage.is_none(),
        "open": session.ended_unix_ns.is_none(),
        "messages": session.tally.messages,
        "commits": verdict.commits,
        "damage": damage,
    });
    if let (Some(counted), Some(fields)) = (counted, item.as_object_mut()) {
        fields.insert("counters".to_owned(), counted.as_json());
    }
    item
}

#[cfg(not(feature = "archive"))]
mod archived {
    use super::{Report, Result, Settings, Stop};
    use crate::store::Access;

    pub fn verify(_: &Settings, access: &Access, _: &mut Report, _: &Stop) -> Result<()> {
        Err(crate::command::here::not_built(access))
    }
}

/// Sessions of an archive are proven as they come, and kept nowhere.
#[cfg(feature = "archive")]
mod archived {
    use super::{Report, Result, Settings, Stop};
    use crate::command::fetching::connected;
    use crate::command::here::lend;
    use crate::store::{Access, Database};

    pub fn verify(settings: &Settings, access: &Access, report: &mut Report, stop: &Stop) -> Result<()> {
        connected(access, stop, |shelves| {
            let mut all = Vec::new();
            match &settings.session {
                Some(wanted) => all.push(shelves.find(wanted)?),
                None => {
                    for recorder in shelves.recorders()? {
                        let shelf = shelves.shelf(recorder)?;
                        let (found, is_whole) = shelves.list(&shelf, &|_| true)?;
                        report.has_damage |= !is_whole;
                        all.push((shelf, found));
                    }
                }
            }
            for (shelf, sessions) in &all {
                // For what is said of them.
                let here = lend(access, shelf)?;
                let mut database = Database::for_lending(&here.path)?;
                for found in sessions {
                    let (session, verdict) = shelves.prove(shelf, found, &mut database)?;
                    report.tell(&session, &verdict, None)?;
                }
            }
            Ok(())
        })
    }
}
