//! `fancyhwd replay`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::thread;

use serde_json::{Value, json};

use crate::analysis::sought::Sought;
use crate::codec::framing::{Framing, SEPARATOR};
use crate::codec::stream::Stream;
use crate::codec::topic::{Topic, trimmed};
use crate::command::here::{Depth, Here};
use crate::command::timing_report::Report;
use crate::command::{SendSettings, cut_off, join, spawn};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::log;
use crate::message::queue::{CloseOnDrop, Queue};
use crate::message::{Batch, Origin};
use crate::process::stop::Stop;
use crate::replayer::{
    Announcement, Companion, Controls, EndOnDrop, Extent, Jumps, Latched, Outlets, PREFETCH_BYTES, Passes, Places,
    Playback, Played, Player, Screen, Standing, latched, prefetch,
};
use crate::service;
use crate::socket::{Dropped, Endpoint, Outlet, Sender};
use crate::store::{Database, Reader, Selection, Session, Source};
use crate::summary::ledger;
use crate::time::clock::monotonic_ns;
use crate::time::position::Position;

/// What `replay` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// An id, a label, or `latest`.
    pub session: String,
    /// From where.
    pub source: Source,
    /// Where to, ...
    pub outlets: To,
    /// ... and how.
    pub send: SendSettings,
    /// Which messages.
    pub selection: Selection,
    /// Where they begin and end, if conditions say so.
    pub sought: Sought,
    /// How.
    pub playback: Playback,
    /// What is sent first, of what came before the beginning.
    pub latched: Option<Latched>,
    /// The process with which it stands still.
    pub pause_with: Option<u32>,
    /// How late a hundredth of the packets may leave.
    pub lateness_budget_ns: Option<i64>,
    /// Where to say how late they left.
    pub timing_report: Option<PathBuf>,
}

/// Where messages go.
#[derive(Clone, Debug)]
pub enum To {
    /// All of them to each of these endpoints: those that are bound, and those that are connected to.
    All(Vec<Endpoint>, Vec<Endpoint>),
    /// Those of each endpoint, by its number, to its own; whether that is bound.
    Each(Vec<(u32, Endpoint, bool)>),
    /// Each to the port that it came from, on loopback.
    AsRecorded,
}

/// Replay a session, or as many passes over it as asked for.
///
/// # Errors
/// When there is no such session, it is empty, the endpoint cannot be bound, or database or socket fail later.
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    let companion = settings.pause_with.map(companion).transpose()?;
    let here = Here::of(&settings.source, &[&settings.session], Depth::Messages, stop)?;
    let database = Database::for_reading(&here.path)?;
    let session = database.find_session(here.session())?;
    let ledger = database.ledger(&session)?;
    if !ledger.is_whole {
        tracing::warn!("the ledger of {} is damaged: what it says is missing may be more", session.title());
    }
    let announcements = announcements(&ledger.entries);
    let database_path = database.path().to_owned();
    let selection = settings.sought.find(&database, &session, &settings.selection, stop)?;
    let reader = Reader::new(database, &session, &selection)?;
    let places = Places::new(&reader, &session, settings.sought.from.clone(), &settings.selection, stop);
    let first = match &settings.latched {
        Some(typed) => {
            let endpoints = selection.endpoints.as_ref();
            latched(reader.database(), &session, typed, endpoints, reader.numbers().0)?
        }
        None => Batch::default(),
    };
    let mut outlets = outlets(settings, &session, &reader)?;
    let report = settings.timing_report.as_deref();
    let report = report.map(|path| Report::create(path, &database_path)).transpose()?;
    let status = format!("replaying {} on {}", session.title(), outlets.endpoints());
    log::about_session(session.id);
    tracing::info!(event = "started", "{status}");
    let controls = Controls::new(stop)?;
    if controls.has_keyboard() {
        tracing::info!(
            "space pauses, n and p step, t and s go on to the next message of the topic or for a second, \
             up and down change the speed, [ ] jump 10 s, g goes to a position, \
             f and F to the next and the previous place of a condition, q quits"
        );
    }
    service::ready(&status);

    let standing = Standing::new(settings.playback.paused, companion, monotonic_ns());
    let said = (announcements.as_slice(), &first);
    let played = play(settings, &session, said, (reader, places), &mut outlets, (controls, standing), stop)?;
    service::stopping();
    let subscribers = outlets.subscribers()?;
    let cut = cut_off(outlets.cut());
    let dropped = outlets.close(stop);
    let verb = if played.stopped { "stopped replay of" } else { "replayed" };
    let underruns = match played.underruns {
        0 => String::new(),
        count => format!(", {count} underruns"),
    };
    if played.lateness.count() > 0 {
        tracing::info!("left latest: {}", played.lateness.worst());
    }
    tracing::info!(
        event = "ended",
        messages = played.tally.messages,
        bytes = played.tally.bytes,
        lost = dropped.messages,
        "{verb} {}: {}, {dropped}; subscribers at the end: {subscribers}{cut}; {}{underruns}{}{}{}",
        session.title(),
        played.tally.over(played.elapsed_ns),
        played.lateness,
        played.stalls,
        played.holds,
        missing(&session, &announcements, &played),
    );
    if let Some(report) = report {
        report.write(&as_json(&session, &played, dropped), stop)?;
    }
    let p99_ns = played.lateness.quantile_ns(0.99);
    match settings.lateness_budget_ns {
        Some(budget_ns) if p99_ns > budget_ns.unsigned_abs() => {
            let (p99_us, budget_us) = (p99_ns as f64 / 1e3, budget_ns as f64 / 1e3);
            tracing::error!("lateness p99 {p99_us:.1} us is above the budget of {budget_us:.1} us");
            Ok(Exit::Loss)
        }
        _ => Ok(Exit::from_loss(dropped.any() || !played.gaps.is_empty() || !ledger.is_whole || !here.is_whole)),
    }
}

/// Run reader, player and, if somebody watches, the screen side by side until all are done.
fn play(
    settings: &Settings,
    session: &Session,
    (announcements, first): (&[Announcement], &Batch),
    (reader, places): (Reader, Places<'_>),
    outlets: &mut Outlets,
    (controls, standing): (Controls<'_>, Standing),
    stop: &Stop,
) -> Result<Played> {
    let (queue, jumps) = (&Queue::new(PREFETCH_BYTES), &Jumps::default());
    let extent = extent(&reader, session, settings.playback.passes);
    let screen = &Screen::new(extent, settings.playback.rhythm);
    screen.waiting(awaited(outlets, settings.send.wait_subscribers));
    thread::scope(|scope| {
        // However this ends, none of the others waits for ever.
        let _close = CloseOnDrop(queue);
        let _end = EndOnDrop(screen);
        let reader = spawn(scope, "reader", move || prefetch(reader, places, queue, jumps))?;
        if screen.is_watched() {
            spawn(scope, "screen", move || {
                screen.run();
                Ok(())
            })?;
        }
        let player = spawn(scope, "player", move || {
            let _close = CloseOnDrop(queue);
            let is_stopped = outlets.wait_for_subscribers(settings.send.wait_subscribers, stop)?;
            screen.waiting(None);
            match is_stopped {
                true => Ok(Played { stopped: true, ..Played::default() }),
                false => {
                    let (playback, before) = (&settings.playback, (standing, first));
                    Player::new(outlets, controls, playback, jumps, screen, announcements, before).run(queue)
                }
            }
        })?;
        let played = join(player);
        join(reader)?;
        played
    })
}

/// What is played: from where to where, and how often.
fn extent(reader: &Reader, session: &Session, passes: Passes) -> Extent {
    let numbers = reader.numbers();
    let is_whole = numbers.1 >= session.last_id.saturating_sub(session.first_id);
    // Where the last message cannot be read, it is taken for that of the session.
    let last = || reader.database().window(session, None, Some(Position::Number(numbers.1)));
    let last_elapsed_ns = match is_whole {
        true => session.last_elapsed_ns,
        false => last().map_or(session.last_elapsed_ns, |window| window.end),
    };
    Extent { started_unix_ns: session.started_unix_ns, numbers, last_elapsed_ns, passes }
}

/// What the replay waits for before it begins, if that is so.
fn awaited(outlets: &Outlets, wanted: u64) -> Option<String> {
    (wanted > 0).then(|| format!("waiting for subscribers on {}, {wanted} wanted", outlets.endpoints()))
}

/// The process that the replay goes with.
fn companion(pid: u32) -> Result<Companion> {
    Companion::open(pid).map_err(|cause| {
        let cause = match cause.kind() {
            io::ErrorKind::NotFound => "there is no such process".to_owned(),
            _ => format!("it cannot be looked at: {cause}"),
        };
        Error::Setting { option: "--pause-with", value: pid.to_string(), cause }
    })
}

/// Bind what the messages go to.
fn outlets(settings: &Settings, session: &Session, reader: &Reader) -> Result<Outlets> {
    let message_bytes = reader.message_bytes()?;
    let streams = reader.streams()?;
    let heads = |of: Option<u32>| {
        let is_for = |stream: &&Stream| of.is_none_or(|number| number == stream.endpoint);
        streams
            .iter()
            .filter(is_for)
            .map(|stream| head(settings, stream))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    };
    let open = |bind: &[Endpoint], connect: &[Endpoint], keys, heads| {
        let SendSettings { kind, on_full, .. } = settings.send;
        let outlet = Outlet { bind: bind.to_vec(), connect: connect.to_vec(), keys, kind, on_full };
        Sender::open(&outlet, heads, message_bytes)
    };
    let recorded = || reader.endpoints();
    let each = match &settings.outlets {
        To::All(bind, connect) => {
            return Ok(Outlets::one(open(bind, connect, settings.send.keys.clone(), heads(None))?));
        }
        To::Each(each) => each.clone(),
        To::AsRecorded => {
            as_recorded(recorded()?, session)?.into_iter().map(|(number, endpoint)| (number, endpoint, true)).collect()
        }
    };
    let opened = each.into_iter().map(|(number, endpoint, is_bound)| {
        let (bind, connect) = if is_bound { (vec![endpoint], vec![]) } else { (vec![], vec![endpoint]) };
        let keys = settings.send.keys.of(number as usize);
        Ok((Origin(number), open(&bind, &connect, keys, heads(Some(number)))?))
    });
    Ok(Outlets::each(opened.collect::<Result<_>>()?))
}

/// The endpoints of a session on loopback.
fn as_recorded(recorded: BTreeMap<u32, String>, session: &Session) -> Result<Vec<(u32, Endpoint)>> {
    let refuse = |cause: String| Error::Setting { option: "--as-recorded", value: session.id.to_string(), cause };
    let mut found: Vec<(u32, Endpoint)> = Vec::new();
    for (number, text) in recorded {
        let local = match text.strip_prefix("tcp://").and_then(|address| address.rsplit_once(':')) {
            Some((_, port)) => format!("tcp://127.0.0.1:{port}"),
            None => text,
        };
        let endpoint: Endpoint =
            local.parse().map_err(|cause| refuse(format!("endpoint {number} is '{local}': {cause}")))?;
        if let Some((other, _)) = found.iter().find(|(_, known)| *known == endpoint) {
            return Err(refuse(format!(
                "endpoints {other} and {number} would both be {endpoint}; give each its own with --bind {number}=ENDPOINT"
            )));
        }
        found.push((number, endpoint));
    }
    Ok(found)
}

/// What the messages of a stream begin with, to tell which subscriptions are for them.
fn head(settings: &Settings, stream: &Stream) -> Vec<u8> {
    let is_old = |(old, _): &&(Topic, Topic)| old.as_str().as_bytes() == trimmed(&stream.topic);
    let renamed = settings.playback.renamed.iter().find(is_old);
    let mut head = renamed.map_or_else(|| stream.topic.clone(), |(_, new)| new.as_str().as_bytes().to_vec());
    if stream.framing == Framing::Space {
        head.push(SEPARATOR);
    }
    head
}

/// What of the ledger is said when the replay comes by: all that lost or may have lost packets.
fn announcements(entries: &[Value]) -> Vec<Announcement> {
    let announcement = |entry: &Value| {
        let lost = match ledger::at(entry, "lost") {
            Some(0) => return None,
            Some(lost) => format!("{lost} messages are missing"),
            None => "messages may be missing".to_owned(),
        };
        let text = format!("in the capture, {}", ledger::line(entry, &lost));
        Some(Announcement { elapsed_ns: ledger::at(entry, "elapsed_ns")?, text })
    };
    let mut announcements: Vec<Announcement> = entries.iter().filter_map(announcement).collect();
    announcements.sort_by_key(|announcement| announcement.elapsed_ns);
    announcements
}

/// How much of the capture is known to be missing.
fn missing(session: &Session, announcements: &[Announcement], played: &Played) -> String {
    let in_ledger = match (session.tally.lost, announcements.len()) {
        (0, 0) => String::new(),
        (lost, entries) => {
            format!("; of the capture itself {lost} messages are known to be missing, entries in its ledger: {entries}")
        }
    };
    match played.gaps.is_empty() {
        true => in_ledger,
        false => format!("{in_ledger}; its database is damaged: {}", played.gaps),
    }
}

fn as_json(session: &Session, played: &Played, dropped: Dropped) -> Value {
    json!({
        "session": session.id,
        "version": env!("CARGO_PKG_VERSION"),
        "messages": played.tally.messages,
        "bytes": played.tally.bytes,
        "elapsed_ns": played.elapsed_ns,
        "underruns": played.underruns,
        "stops": played.stalls.count,
        "stopped_ns": played.stalls.total_ns,
        "holds": played.holds.count,
        "held_ns": played.holds.total_ns,
        "dropped": dropped.messages,
        "dropped_is_exact": !dropped.and_more,
        "capture_lost": session.tally.lost,
        "damaged": played.gaps.messages(),
        "damaged_is_exact": !played.gaps.and_more(),
        "damage": ledger::gaps_as_json(&played.gaps),
        "processors_kept_awake": played.kept_awake,
        "lateness": played.lateness.as_json(),
    })
}
