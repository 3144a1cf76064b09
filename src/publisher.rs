//! The loop of `publish`: device, message, socket.

use crate::codec::framing::{Framing, SEPARATOR};
use crate::codec::layout::Fields;
use crate::codec::number::Type;
use crate::codec::topic::Topic;
use crate::device::{Device, Fill};
use crate::error::Result;
use crate::log::Minute;
use crate::message::Piece;
use crate::observe::tally::Tally;
use crate::process::stop::Stop;
use crate::service;
use crate::socket::{Sender, Sent};
use crate::time::clock::{NS_PER_S, Pacing, monotonic_ns, wait_until};
use crate::time::pace::Cadence;
use crate::time::stalls::Stalls;

/// At full speed nobody waits, so a stop is looked for, and the status told, after so many packets.
const LOOK_PACKETS: u64 = 256;

/// How often the service manager is told what was published.
const STATUS_EVERY_NS: i64 = NS_PER_S;

/// The most records in a packet.
pub const PACKET_MAX_RECORDS: u32 = 65_536;

/// What to publish, and how fast.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The topic of every packet ...
    pub topic: Topic,
    /// ... and where it is.
    pub framing: Framing,
    /// The numbers of a record ...
    pub record: Fields,
    /// ... and how many records are in a packet.
    pub packet_records: u32,
    /// The type of the number that stands before the records and counts the packets, if there is one.
    pub counter: Option<Type>,
    /// When packets are due.
    pub cadence: Cadence,
    /// Packets after which to end.
    pub count: Option<u64>,
    /// Whether to send at once what was due while this process was stopped.
    pub catch_up: bool,
}

impl Publication {
    /// What every message begins with.
    pub fn head(&self) -> Vec<u8> {
        let mut head = Vec::new();
        if self.framing != Framing::Whole {
            head.extend_from_slice(self.topic.as_str().as_bytes());
        }
        if self.framing == Framing::Space {
            head.push(SEPARATOR);
        }
        head
    }

    /// How many bytes follow it.
    pub fn payload_bytes(&self) -> usize {
        self.counter_bytes() + self.packet_records as usize * self.record.bytes()
    }

    fn counter_bytes(&self) -> usize {
        self.counter.map_or(0, Type::bytes)
    }
}

/// What was published.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// The totals.
    pub tally: Tally,
    /// From the first packet to the end.
    pub elapsed_ns: i64,
    /// Bytes at the end of a stream that made no record.
    pub odd_bytes: u64,
    /// When this process was stopped.
    pub stalls: Stalls,
}

/// Publish until the count is reached, the device ends, or a stop is asked for. `about` says what, for the service
/// manager.
///
/// # Errors
/// When the device or the socket fails.
pub fn run(
    device: &mut dyn Device,
    sender: &mut Sender,
    publication: &Publication,
    about: &str,
    stop: &Stop,
) -> Result<Published> {
    let mut minute = Minute::new(monotonic_ns());
    let is_told = service::is_watched() || minute.is_wanted();
    let mut status_due_ns = if is_told { 0 } else { i64::MAX };
    let mut payload = vec![0; publication.payload_bytes()];
    let head = publication.head();
    let mut first = Vec::with_capacity(head.len() + payload.len());
    let mut published = Published { stalls: Stalls::new(publication.catch_up), ..Published::default() };
    let mut began_ns = None;
    // By how much the schedule was moved.
    let mut moved_ns = 0;
    let counter_bytes = publication.counter_bytes();
    for index in 0..publication.count.unwrap_or(u64::MAX) {
        let (counter, records) = payload.split_at_mut(counter_bytes);
        if let Some(of) = publication.counter {
            of.put(index, counter);
        }
        let filled_bytes = match device.fill(records, stop)? {
            Fill::Records(filled_bytes) => counter_bytes + filled_bytes,
            Fill::End { odd_bytes } => {
                published.odd_bytes = odd_bytes;
                break;
            }
            Fill::Stopped => break,
        };
        // A stream's first records may come late: the schedule begins with them.
        let began_ns = *began_ns.get_or_insert_with(monotonic_ns);
        if device.may_wait() {
            published.stalls.ran_at(monotonic_ns());
        }
        let records = payload.get(..filled_bytes).unwrap_or_default();
        first.clear();
        first.extend_from_slice(&head);
        let second = match publication.framing {
            Framing::Frames => Some(records),
            Framing::Space | Framing::Whole => {
                first.extend_from_slice(records);
                None
            }
        };
        let due_ns = publication.cadence.due_ns(began_ns.saturating_add(moved_ns), index);
        match due_ns {
            Some(due_ns) => match wait_until(due_ns, Pacing::Economical, |ns| stop.wait_ns(ns)) {
                Some(now_ns) => moved_ns += published.stalls.look(now_ns, due_ns, index as i64),
                None => break,
            },
            None if index % LOOK_PACKETS == 0 && stop.requested() => break,
            None => {}
        }
        let frames = std::iter::once(first.as_slice()).chain(second).map(Piece::Lent);
        let Sent::At(at_ns) = sender.send(frames, monotonic_ns(), stop)? else { break };
        if let Some(due_ns) = due_ns {
            published.stalls.waited(sender.take_blocked_ns());
            moved_ns += published.stalls.look(at_ns, due_ns, index as i64);
        }
        published.tally.message(head.len() + filled_bytes);
        if (due_ns.is_some() || index % LOOK_PACKETS == 0) && monotonic_ns() >= status_due_ns {
            status_due_ns = monotonic_ns() + STATUS_EVERY_NS;
            let (messages, subscribers) = (published.tally.messages, sender.subscribers()?);
            let status = format!("{about}; {messages} sent, {}, subscribers: {subscribers}", sender.dropped());
            service::status(&status);
            if let Some(rate_hz) = minute.over(monotonic_ns(), messages) {
                let lost = sender.dropped().messages;
                tracing::debug!(
                    event = "status",
                    messages,
                    rate_hz,
                    lost,
                    subscribers,
                    "{status}, {rate_hz:.1} packets/s"
                );
            }
        }
    }
    published.elapsed_ns = began_ns.map_or(0, |began_ns| monotonic_ns() - began_ns);
    Ok(published)
}
