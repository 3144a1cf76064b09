//! `fancyhwd record`.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::thread;

use crate::batch::SessionClock;
use crate::command::{join, spawn};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::queue::{CloseOnDrop, Queue};
use crate::recorder::{self, Intake, PRINT_QUEUE_BYTES, Taken, Writer};
use crate::service;
use crate::settings::{DatabasePath, RecordSettings};
use crate::socket::Receiver;
use crate::stop::{Reload, Stop};
use crate::store::{Database, EndReason, Recording, SessionStart};

/// Record until a limit is reached or a stop is asked for.
///
/// # Errors
/// When the database or an endpoint cannot be opened, or fails later; what was committed before is kept.
pub fn run(settings: &RecordSettings, stop: &Stop) -> Result<Exit> {
    make_directory(&settings.database)?;
    let database = Database::for_recording(&settings.database.path, settings.durability)?;
    let socket = Receiver::connect(&settings.connect, &settings.plan.wanted.subscriptions(), settings.frame_max_bytes)?;
    let reload = Reload::on_signal()?;
    let clock = SessionClock::now();
    let mut recording = Recording::start(database, about(settings, clock))?;
    let (session_id, _) = recording.session_ids();
    let status = format!(
        "recording session {session_id} from {} into {}",
        settings.connect.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        settings.database.path.display(),
    );
    tracing::info!("{status}");
    service::ready(&status);

    let ended = capture(settings, socket, &mut recording, clock, stop, &reload);
    let elapsed_ns = clock.elapsed_ns();
    let tally = recording.tally();
    let reason = match ended {
        Ok(Taken::UntilStop) => EndReason::Stopped,
        Ok(Taken::UntilLimit) => EndReason::Limit,
        Err(_) => EndReason::Failed,
    };
    let sessions = match recording.session_ids() {
        (first, last) if first == last => format!("session {last}"),
        (first, last) => format!("sessions {first} to {last}"),
    };
    let closed = recording.end(reason);
    let gaps = closed.as_ref().copied().unwrap_or(0);
    let missed = if gaps > 0 { format!(", packets may be missing in {gaps} gaps of the link") } else { String::new() };
    tracing::info!("recorded {sessions}: {}, {} lost{missed}", tally.over(elapsed_ns), tally.lost);
    // What failed first is what the user must know.
    ended.and(closed).map(|gaps| Exit::from_loss(tally.lost > 0 || gaps > 0))
}

/// Run receiver, writer and, if asked for, printer side by side until all are done.
fn capture(
    settings: &RecordSettings,
    socket: Receiver,
    recording: &mut Recording,
    clock: SessionClock,
    stop: &Stop,
    reload: &Reload,
) -> Result<Taken> {
    let plan = &settings.plan;
    let queue = &Queue::new(settings.queue_bytes);
    let print_queue = &Queue::new(PRINT_QUEUE_BYTES);
    let to_print = settings.print.then_some(print_queue);
    thread::scope(|scope| {
        let writer = Writer { queue, recording, to_print, clock, stop };
        let writer = spawn(scope, "writer", move || writer.run())?;
        // If one of the others cannot be started, the writer must not wait for ever.
        let _close = CloseOnDrop(queue);
        if settings.print {
            spawn(scope, "printer", move || {
                recorder::print(print_queue, &plan.wanted, stop);
                Ok(())
            })?;
        }
        let receiver = spawn(scope, "receiver", move || Intake::new(socket, queue, plan, clock).run(stop, reload))?;
        let taken = join(receiver);
        join(writer)?;
        taken
    })
}

fn about(settings: &RecordSettings, clock: SessionClock) -> SessionStart {
    SessionStart {
        label: settings.label.clone(),
        note: settings.note.clone(),
        started_unix_ns: clock.unix_ns,
        endpoints: settings.connect.iter().map(ToString::to_string).collect(),
        wanted: settings.plan.wanted.clone(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        boot_id: fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned(),
        durability: settings.durability,
    }
}

/// Make the default place for captures, for its owner alone.
fn make_directory(database: &DatabasePath) -> Result<()> {
    let Some(directory) = database.path.parent().filter(|_| database.make_directory) else { return Ok(()) };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|cause| Error::OpenDatabase {
        path: database.path.clone(),
        cause: format!("its directory cannot be made: {cause}"),
        hint: "choose another place with --database",
    })
}
