//! `fancyhwd replay`.

use std::thread;

use serde_json::Value;

use crate::command::{bind, close, join, spawn};
use crate::envelope::{self, Wanted};
use crate::error::Result;
use crate::exit::Exit;
use crate::queue::{CloseOnDrop, Queue};
use crate::replayer::{PREFETCH_BYTES, Played, Player, prefetch};
use crate::service;
use crate::settings::ReplaySettings;
use crate::socket::Sender;
use crate::stop::Stop;
use crate::store::{Database, Reader, Session};

/// Replay a session, or as many passes over it as asked for.
///
/// # Errors
/// When there is no such session, it is empty, the endpoint cannot be bound, or database or socket fail later.
pub fn run(settings: &ReplaySettings, stop: &Stop) -> Result<Exit> {
    let database = Database::for_reading(&settings.database)?;
    let session = database.find_session(&settings.session)?;
    let reader = Reader::new(database, &session)?;
    let mut sender = bind(&settings.send, heads(&session), reader.message_bytes()?)?;
    let status = format!("replaying session {} on {}", session.id, sender.endpoints().join(" "));
    tracing::info!("{status}");
    service::ready(&status);

    let played = play(settings, reader, &mut sender, stop)?;
    service::stopping();
    let (loss, exit) = close(sender, settings.send.on_full, stop);
    let verb = if played.stopped { "stopped replay of" } else { "replayed" };
    let underruns = match played.underruns {
        0 => String::new(),
        count => format!(", {count} underruns"),
    };
    tracing::info!(
        "{verb} session {}: {}, {loss}; {}{underruns}",
        session.id,
        played.tally.over(played.elapsed_ns),
        played.lateness,
    );
    Ok(exit)
}

/// Run reader and player side by side until both are done.
fn play(settings: &ReplaySettings, reader: Reader, sender: &mut Sender, stop: &Stop) -> Result<Played> {
    let queue = Queue::new(PREFETCH_BYTES);
    thread::scope(|scope| {
        let queue = &queue;
        let reader = spawn(scope, "reader", move || prefetch(reader, queue, settings.passes))?;
        let player = spawn(scope, "player", move || {
            let _close = CloseOnDrop(queue);
            match sender.wait_for_subscribers(settings.send.wait_subscribers, stop)? {
                true => Ok(Played { stopped: true, ..Played::default() }),
                false => Player::new(sender, settings.speed, stop).run(queue),
            }
        })
        .inspect_err(|_| queue.close())?;
        let played = join(player);
        join(reader)?;
        played
    })
}

/// What the session's messages begin with, to tell which subscriptions are for them.
fn heads(session: &Session) -> Vec<Vec<u8>> {
    let names: Vec<&str> = session.topics.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match names.as_slice() {
        // Every topic: any subscription may be for this session.
        ["*"] => Wanted::Every.subscriptions(),
        names => names.iter().map(|name| envelope::head(name.as_bytes())).collect(),
    }
}
