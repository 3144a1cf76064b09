//! `fancyhwd record`.

use crate::recorder::{
    self, Arrivals, Capture, EndOnDrop, Gauges, Intake, PRINT_QUEUE_BYTES, STORING_TIMES, Taken, Writer,
};
use crate::socket::curve::Security;
use crate::socket::{Inlets, Receiver};
use crate::store::{
    Chapter, Database, Durability, EndReason, EndpointStart, Limits, Missed, Recording, SessionStart, Target,
};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::thread;

#[cfg(feature = "archive")]
use crate::command::archiving;
use crate::command::{dry_run, join, spawn};
use crate::error::{Error, Result, Trouble};
use crate::exit::Exit;
use crate::log;
use crate::message::queue::{CloseOnDrop, Queue};
use crate::process::signals::Signals;
use crate::service;
use crate::time::clock::SessionClock;

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabasePath {
    /// The file.
    pub path: PathBuf,
    /// Whether its directory may be made if it is missing: only for the default place, not for one that was typed.
    pub make_directory: bool,
}

/// What `record` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// From where.
    pub inlets: Inlets,
    /// Where to.
    pub database: DatabasePath,
    /// Name of the session.
    pub label: Option<String>,
    /// Remark about the session.
    pub note: Option<String>,
    /// What a commit survives.
    pub durability: Durability,
    /// Memory for packets that wait for the disk.
    pub queue_bytes: usize,
    /// How much room it may take.
    pub limits: Limits,
    /// What to take, and when to end.
    pub capture: Capture,
    /// Where it is archived.
    pub archive: Option<Target>,
    /// The topics that are asked for, as they were typed.
    pub topics: Vec<String>,
    /// Whether to print messages.
    pub print: bool,
    /// Only say what could be recorded, with these options.
    pub dry_run: Option<Vec<Given>>,
}

/// An option that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Its name, as in `--topic`.
    pub option: String,
    /// Its value, if it takes one.
    pub value: Option<String>,
}

/// Messages above this size, which is the default for the largest one, are told of at the start.
const LARGE_MESSAGE_BYTES: u64 = 16 << 20;

/// What a recording takes beside messages.
const BASE_BYTES: u64 = 48 << 20;

/// What a recording takes at most: what libzmq may hold, our queue and what a trigger holds, each of which takes one message of
/// any size, and the message that is being stored.
fn memory_max_bytes(settings: &Settings) -> u64 {
    let message_bytes = settings.inlets.message_max_bytes as u64;
    let queue_bytes = message_bytes.max(settings.queue_bytes as u64);
    let held_bytes = settings.capture.trigger.as_ref().map_or(0, |when| when.held_max_bytes as u64 + message_bytes);
    settings.inlets.hold_max_bytes + queue_bytes + held_bytes + STORING_TIMES * message_bytes + BASE_BYTES
}

/// Record until a limit is reached or a stop is asked for; a reload begins a new session, and marks are set where they are
/// asked for.
///
/// # Errors
/// When the database or an endpoint cannot be opened, or fails later; what was committed before is kept.
pub fn run(settings: &Settings, signals: &Signals) -> Result<Exit> {
    if let Some(given) = &settings.dry_run {
        return dry_run::run(&settings.inlets, &settings.capture, given, signals);
    }
    make_directory(&settings.database)?;
    let database = Database::for_recording(&settings.database.path)?;
    if !settings.limits.fit(database.path()) {
        return Err(Error::Setting {
            option: "--keep-free",
            value: settings.limits.keep_free_bytes.unwrap_or(0).to_string(),
            cause: "the disk has not so much room at all".to_owned(),
        });
    }
    let socket = Receiver::open(&settings.inlets, signals)?;
    let endpoints = socket.endpoints();
    let clock = SessionClock::now();
    let mut recording = Recording::start(database, about(settings, &socket, clock), settings.limits)?;
    let status = format!(
        "recording session {} from {} into {}",
        recording.session_id(),
        endpoints.join(" "),
        recording.path().display(),
    );
    log::about_session(recording.session_id());
    tracing::info!(event = "started", "{status}");
    if settings.inlets.message_max_bytes as u64 > LARGE_MESSAGE_BYTES {
        let mb = |bytes: u64| bytes / 1_000_000;
        tracing::info!(
            "messages of up to {} MB are taken: when they follow one another, that takes up to {} MB of memory",
            mb(settings.inlets.message_max_bytes as u64),
            mb(memory_max_bytes(settings)),
        );
    }
    service::ready(&status);

    let shared = Shared { queue: Queue::new(settings.queue_bytes), gauges: Gauges::default() };
    let ended = capture(settings, socket, &shared, &mut recording, clock, signals);
    let elapsed_ns = clock.elapsed_ns();
    let account = shared.gauges.account();
    let (tally, last_chapters) = (recording.tally(), recording.chapters());
    let chapters = sessions(&last_chapters);
    let closed = recording.end(match &ended {
        Ok(Taken::UntilStop) if !account.is_complete => EndReason::Stopped,
        Ok(_) => EndReason::Limit,
        Err(Error::NoRoom { .. }) => EndReason::DiskFull,
        Err(error) if error.trouble() == Trouble::DiskFull => EndReason::DiskFull,
        Err(_) => EndReason::Failed,
    });
    let known = closed.as_ref().copied().unwrap_or_default();
    let missed = missed(known.missed);
    let doubt = match (known.files_in_doubt, known.deleted_messages) {
        (0, _) => String::new(),
        (files, 0) => format!(", {files} files in doubt"),
        (files, messages) => format!(", {files} files in doubt, {messages} of the messages in deleted files"),
    };
    let unarchived = match known.unarchived_messages {
        0 => String::new(),
        messages => format!(", {messages} older messages were deleted before they were archived"),
    };
    let not_kept = match account.not_kept {
        0 => String::new(),
        messages => format!(", {messages} not kept, as the trigger did not hold near them"),
    };
    let last = shared.gauges.snapshot(&shared.queue);
    let unreached: Vec<&str> =
        last.links.iter().filter(|link| !link.was_up).map(|link| link.endpoint.as_str()).collect();
    if !unreached.is_empty() {
        tracing::warn!("never reached: {}; nothing of it is recorded, and the ledger says why", unreached.join(" "));
    }
    tracing::info!(
        event = "ended",
        messages = tally.messages,
        bytes = tally.bytes,
        lost = tally.lost,
        "recorded {chapters}: {}{not_kept}, {} lost{missed}{doubt}{unarchived}, queue at most {:.1} %, {}",
        tally.over(elapsed_ns),
        tally.lost,
        last.queue_peak_percent,
        last.on_disk_within(),
    );
    #[cfg(feature = "archive")]
    let is_archived = settings.archive.as_ref().is_none_or(|target| archiving::finish(target, &last_chapters));
    #[cfg(not(feature = "archive"))]
    let is_archived = true;
    // What failed first is what the user must know.
    ended.and(closed).map(|_| {
        Exit::from_loss(
            !is_archived
                || tally.lost > 0
                || known.missed != Missed::default()
                || known.files_in_doubt > 0
                || known.unarchived_messages > 0
                || !unreached.is_empty(),
        )
    })
}

/// Where messages may be missing without a number, or nothing.
fn missed(missed: Missed) -> String {
    let gaps = match missed.gaps {
        0 => String::new(),
        gaps => format!(", messages may be missing in {gaps} gaps of the link"),
    };
    let jumps = match missed.jumps {
        0 => gaps,
        jumps => format!("{gaps}, messages may be missing in {jumps} jumps of a counter"),
    };
    match missed.stalls {
        0 => jumps,
        stalls => format!("{jumps}, messages may be missing in {stalls} stops of this recorder"),
    }
}

/// What the threads of a recording share.
struct Shared {
    queue: Queue<Arrivals>,
    gauges: Gauges,
}

/// Run receiver, writer and, if asked for, printer and status side by side until all are done.
fn capture(
    settings: &Settings,
    socket: Receiver,
    shared: &Shared,
    recording: &mut Recording,
    clock: SessionClock,
    signals: &Signals,
) -> Result<Taken> {
    let (capture, stop) = (&settings.capture, &signals.stop);
    let Shared { queue, gauges } = shared;
    gauges.stored(recording.session_id(), recording.tally(), None);
    gauges.links(socket.status());
    let database = recording.path().to_owned();
    let print_queue = &Queue::new(PRINT_QUEUE_BYTES);
    let to_print = settings.print.then_some(print_queue);
    thread::scope(|scope| {
        // However this ends, none of the others waits for ever.
        let _close = CloseOnDrop(queue);
        let _end = EndOnDrop(gauges);
        let writer = Writer::new(queue, recording, to_print, clock, capture, stop, gauges);
        let writer = spawn(scope, "writer", move || writer.run())?;
        if settings.print {
            spawn(scope, "printer", move || {
                recorder::print(print_queue, &capture.told, settings.inlets.count() > 1, stop);
                Ok(())
            })?;
        }
        spawn(scope, "status", move || {
            recorder::watch(gauges, queue, &database);
            Ok(())
        })?;
        #[cfg(feature = "archive")]
        let archiver = match &settings.archive {
            Some(target) => Some(spawn(scope, "archiver", move || {
                archiving::follow(target, gauges);
                Ok(())
            })?),
            None => None,
        };
        let taken = Intake::new(socket, queue, capture, clock, gauges, signals).run();
        join(writer)?;
        #[cfg(feature = "archive")]
        if let Some(archiver) = archiver {
            gauges.end();
            // Whatever becomes of it, what is stored here is stored.
            if let Err(error) = join(archiver) {
                tracing::error!("{error}");
            }
        }
        taken
    })
}

/// `session 3`, `sessions 3 to 5`, or, when there are several files, which sessions of which file.
fn sessions(chapters: &[Chapter]) -> String {
    let words = |chapter: &Chapter| {
        let file = if chapters.len() > 1 { format!(" of {}", chapter.path.display()) } else { String::new() };
        match (chapter.first_session_id, chapter.last_session_id) {
            (first, last) if first == last => format!("session {last}{file}"),
            (first, last) => format!("sessions {first} to {last}{file}"),
        }
    };
    chapters.iter().map(words).collect::<Vec<_>>().join(" and ")
}

fn about(settings: &Settings, socket: &Receiver, clock: SessionClock) -> SessionStart {
    SessionStart {
        id: None,
        label: settings.label.clone(),
        note: settings.note.clone(),
        started_unix_ns: clock.unix_ns,
        endpoints: socket
            .endpoints()
            .into_iter()
            .zip(socket.securities())
            .map(|(endpoint, security)| EndpointStart {
                endpoint,
                is_secured: security != Security::None,
                peer_key: security.peer_key().map(|key| key.to_string()),
            })
            .collect(),
        connected: settings.inlets.connect.len(),
        socket: settings.inlets.kind.name(),
        topics: settings.topics.clone(),
        framing: settings.capture.told.framing,
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        boot_id: fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned(),
        durability: settings.durability,
        recorder: settings.archive.as_ref().map(|target| target.recorder.clone()),
        resumes: service::is_watched(),
    }
}

/// Make the default place for captures, for its owner alone.
pub(super) fn make_directory(database: &DatabasePath) -> Result<()> {
    let Some(directory) = database.path.parent().filter(|_| database.make_directory) else { return Ok(()) };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|cause| Error::OpenDatabase {
        path: database.path.clone(),
        cause: format!("its directory cannot be made: {cause}"),
        hint: "choose another place with --database",
    })
}
