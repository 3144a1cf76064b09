//! `fancyhwd record --dry-run`: who answers, what comes, and how it can be recorded. Nothing is stored.

use std::collections::BTreeMap;

use bytesize::ByteSize;

use crate::codec::framing::Framing;
use crate::codec::stream::Stream;
use crate::codec::topic::Wanted;
use crate::command::dry_run::heard::Heard;
use crate::command::dry_run::refused::Refused;
use crate::command::dry_run::report::{Found, report};
use crate::command::print;
use crate::command::record::Given;
use crate::error::Result;
use crate::exit::Exit;
use crate::message::{Batch, Origin};
use crate::process::signals::Signals;
use crate::recorder::Capture;
use crate::service;
use crate::socket::{Change, Inlets, Received, Receiver, Woken};
use crate::streams::{Streams, Told};
use crate::time::clock::{NS_PER_S, monotonic_ns};
use crate::time::durations::seconds;

mod found;
mod heard;
mod line;
mod refused;
mod report;

/// How long to listen unless it is said.
const LISTEN_NS: i64 = 5 * NS_PER_S;

/// The longest wait for something to happen, in milliseconds.
const WAIT_MS: i64 = 100;

/// Everything that came while it was listened.
struct Listened {
    streams: Streams,
    /// What came of each stream, in the order of [`Streams::all`].
    heard: Vec<Heard>,
    /// The messages of each endpoint whose first frame is no topic, as if they had none.
    whole: BTreeMap<u32, Heard>,
    /// What was sent and could not be taken, by the number of the endpoint.
    refused: BTreeMap<u32, Refused>,
}

/// Listen for a while, and say what was heard.
///
/// # Errors
/// When an endpoint cannot be opened.
pub(super) fn run(inlets: &Inlets, capture: &Capture, given: &[Given], signals: &Signals) -> Result<Exit> {
    let mut socket = Receiver::open(inlets, signals)?;
    let listen_ns = capture.duration_ns.unwrap_or(LISTEN_NS);
    let status =
        format!("listening to {} for {:.1} s; nothing is stored", socket.endpoints().join(" "), seconds(listen_ns));
    tracing::info!("{status}");
    service::ready(&status);
    let Listened { streams, heard, whole, refused } = listen(&mut socket, capture, listen_ns, signals)?;
    service::stopping();
    let links = socket.status();
    let held: usize = heard.iter().map(Heard::held_bytes).sum();
    tracing::debug!("looked at {}", ByteSize(held as u64));
    let mut found: Vec<Found> = streams
        .all()
        .iter()
        .zip(heard)
        .map(|(stream, heard)| Found::of(stream.clone(), heard, &capture.told))
        .collect();
    // Whoever says what framing or which topics there are knows it.
    if capture.told.framing.is_none() && capture.told.wanted == Wanted::Every {
        found = found::without_invented_topics(found, whole, &capture.told);
    }
    print(&report(inlets, &capture.told, &links, &found, &refused, given))?;
    let is_unreached = links.iter().any(|link| !link.was_up);
    Ok(Exit::from_loss(found.is_empty() || is_unreached || !refused.is_empty()))
}

fn listen(socket: &mut Receiver, capture: &Capture, listen_ns: i64, signals: &Signals) -> Result<Listened> {
    let mut listened = Listened {
        // Whether channels fit is seen when the layout is known.
        streams: Streams::new(Told { channels: Vec::new(), ..capture.told.clone() }),
        heard: Vec::new(),
        whole: BTreeMap::new(),
        refused: BTreeMap::new(),
    };
    let (origin_ns, mut batch, mut messages) = (monotonic_ns(), Batch::default(), 0_u64);
    let is_over = |messages: u64| capture.count.is_some_and(|count| messages >= count);
    while monotonic_ns() - origin_ns < listen_ns && !is_over(messages) {
        match socket.wait(WAIT_MS)? {
            Woken::Stop => break,
            // There is no session that could be followed by another one, or marked.
            Woken::Reload => _ = signals.reload.take(),
            Woken::Mark => _ = signals.marks.take(true),
            Woken::Look | Woken::Message => {}
        }
        listened.look(socket)?;
        while monotonic_ns() - origin_ns < listen_ns && !is_over(messages) {
            batch.clear();
            let wanted = &capture.told.wanted;
            match socket.receive(&mut batch, origin_ns, |first, frames| wanted.takes(first, frames))? {
                Received::Nothing => break,
                Received::Unwanted => continue,
                Received::TooLarge(message) => {
                    listened.refused(message.origin).large(message);
                    continue;
                }
                Received::Message => messages += u64::from(listened.hear(&batch)),
            }
        }
    }
    // What broke a link at the very end is known only now.
    listened.look(socket)?;
    Ok(listened)
}

impl Listened {
    fn refused(&mut self, origin: Origin) -> &mut Refused {
        self.refused.entry(origin.0).or_default()
    }

    /// See what became of the links.
    fn look(&mut self, socket: &mut Receiver) -> Result<()> {
        let number = |place: usize| Origin(place as u32 + 1);
        while let Some((place, change)) = socket.next_change()? {
            match change {
                Change::TooLarge => self.refused(number(place)).broke(),
                Change::Cut(..) => self.refused(number(place)).cut(),
                _ => {}
            }
        }
        // Who sends more than can be held is cut off, as when it is recorded.
        for (place, _) in socket.guard(0) {
            self.refused(number(place)).cut();
        }
        Ok(())
    }

    /// Take the only message of a batch.
    fn hear(&mut self, batch: &Batch) -> bool {
        let Some(message) = batch.last() else { return false };
        let place = self.streams.of(message);
        self.heard.resize_with(self.heard.len().max(place + 1), Heard::default);
        let (Some(heard), Some(stream)) = (self.heard.get_mut(place), self.streams.all().get(place)) else {
            return false;
        };
        heard.hear(message, stream.after_topic(message.frames()));
        if stream.framing != Framing::Frames {
            self.whole.entry(stream.endpoint).or_default().hear(message, message.frames());
        }
        true
    }
}

/// A stream of an endpoint without topics.
fn whole_stream(like: &Stream) -> Stream {
    Stream { framing: Framing::Whole, topic: Vec::new(), ..like.clone() }
}
