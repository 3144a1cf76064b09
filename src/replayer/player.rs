//! The playing thread: sends each message when it is due, and notes how late it left.

use crate::batch::{Batch, Message};
use crate::clock::{NS_PER_S, monotonic_ns, sharpen_wakeups, wait_until};
use crate::envelope;
use crate::error::Result;
use crate::pace::{Schedule, Speed};
use crate::queue::Queue;
use crate::socket::{Sender, Sent};
use crate::stop::Stop;
use crate::tally::{Lateness, Tally};

/// At full speed nobody waits, so a stop is looked for after so many messages.
const STOP_CHECK_MESSAGES: u64 = 256;

/// The pause between two passes over a session that has one message only, and so no spacing of its own.
const LONE_MESSAGE_SPACING_NS: i64 = NS_PER_S;

/// Plays batches.
pub struct Player<'a> {
    sender: &'a mut Sender,
    stop: &'a Stop,
    speed: Speed,
    pass: Option<Pass>,
    /// When the next pass begins; `None` means at once.
    next_anchor_ns: Option<i64>,
    sent: u64,
    played: Played,
}

/// Where a pass over the session is.
struct Pass {
    schedule: Schedule,
    messages: i64,
    first_elapsed_ns: i64,
    last_elapsed_ns: i64,
}

/// What was played.
#[derive(Debug, Default)]
pub struct Played {
    /// The totals.
    pub tally: Tally,
    /// From the first message to the last.
    pub elapsed_ns: i64,
    /// How late messages left.
    pub lateness: Lateness,
    /// How often the next message was not read yet when it was wanted.
    pub underruns: u64,
    /// Whether a stop ended it.
    pub stopped: bool,
}

impl<'a> Player<'a> {
    /// Play through `sender` at `speed`.
    pub fn new(sender: &'a mut Sender, speed: Speed, stop: &'a Stop) -> Self {
        Self { sender, stop, speed, pass: None, next_anchor_ns: None, sent: 0, played: Played::default() }
    }

    /// Play everything that comes through the queue, or until a stop is asked for. The caller closes the queue then.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn run(mut self, queue: &Queue) -> Result<Played> {
        sharpen_wakeups();
        let Some(mut batch) = queue.pop() else { return Ok(self.played) };
        let started_ns = monotonic_ns();
        loop {
            if self.play_batch(&batch)? == Sent::Stopped {
                self.played.stopped = true;
                break;
            }
            queue.recycle(batch);
            self.played.underruns += u64::from(queue.is_starved());
            match queue.pop() {
                Some(next) => batch = next,
                None => break,
            }
        }
        self.played.elapsed_ns = monotonic_ns() - started_ns;
        Ok(self.played)
    }

    fn play_batch(&mut self, batch: &Batch) -> Result<Sent> {
        if batch.is_empty() {
            self.end_pass();
        }
        for message in batch.messages() {
            if self.play(message)? == Sent::Stopped {
                return Ok(Sent::Stopped);
            }
        }
        Ok(Sent::Done)
    }

    fn play(&mut self, message: Message<'_>) -> Result<Sent> {
        let elapsed_ns = message.elapsed_ns;
        let anchor_ns = self.next_anchor_ns;
        let pass = self.pass.get_or_insert_with(|| Pass {
            schedule: Schedule::new(anchor_ns.unwrap_or_else(monotonic_ns), elapsed_ns, self.speed),
            messages: 0,
            first_elapsed_ns: elapsed_ns,
            last_elapsed_ns: elapsed_ns,
        });
        pass.messages += 1;
        pass.last_elapsed_ns = elapsed_ns;
        let due_ns = pass.schedule.due_ns(elapsed_ns);
        let stopped = match due_ns {
            Some(due_ns) => wait_until(due_ns, self.stop),
            None => self.sent.is_multiple_of(STOP_CHECK_MESSAGES) && self.stop.requested(),
        };
        if stopped || self.sender.send(message.frames(), self.stop)? == Sent::Stopped {
            return Ok(Sent::Stopped);
        }
        if let Some(due_ns) = due_ns {
            self.played.lateness.record(monotonic_ns().saturating_sub(due_ns));
        }
        self.count(message);
        Ok(Sent::Done)
    }

    fn count(&mut self, message: Message<'_>) {
        self.sent += 1;
        let mut frames = message.frames();
        match (frames.next().map(envelope::decode), frames.next()) {
            (Some(Ok(envelope)), None) => self.played.tally.packet(envelope.payload.len()),
            _ => self.played.tally.rejected += 1,
        }
    }

    /// The next pass begins one mean spacing after the last message, so that a loop has no seam.
    fn end_pass(&mut self) {
        let Some(pass) = self.pass.take() else { return };
        let spacing_ns = match pass.messages {
            0 | 1 => LONE_MESSAGE_SPACING_NS,
            messages => pass.last_elapsed_ns.saturating_sub(pass.first_elapsed_ns) / (messages - 1),
        };
        self.next_anchor_ns = pass.schedule.due_ns(pass.last_elapsed_ns.saturating_add(spacing_ns));
    }
}
