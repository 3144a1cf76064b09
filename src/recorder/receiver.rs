//! The receiving thread: receive, stamp, append. It never waits for the disk unless asked to.

use std::str::FromStr;

use crate::batch::{Batch, Gap};
use crate::clock::{NS_PER_S, monotonic_ns};
use crate::envelope::Wanted;
use crate::error::Result;
use crate::queue::{CloseOnDrop, Queue, Refused};
use crate::socket::{Receiver, Woken};
use crate::stop::Stop;
use crate::tally::seconds;

/// How long to go on taking what has already arrived after a stop was asked for. Bounded, because a device that sends
/// without pause always has more.
const DRAIN_NS: i64 = 200_000_000;

/// Messages that are taken before the loop looks at the clock and at the stop again.
const ROUND_MESSAGES: usize = 1_000;

/// Losses are reported at most once in this time.
const REPORT_NS: i64 = NS_PER_S;

/// What to do when the queue to the disk is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOverflow {
    /// Lose the newest messages, and count them.
    Drop,
    /// Stop receiving, so that a device that can wait does.
    Block,
}

impl FromStr for OnOverflow {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text {
            "drop" => Ok(Self::Drop),
            "block" => Ok(Self::Block),
            _ => Err("`drop` or `block`"),
        }
    }
}

/// What to take, and when to end.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which messages are packets.
    pub wanted: Wanted,
    /// Packets after which to end.
    pub count: Option<u64>,
    /// Time after which to end.
    pub duration_ns: Option<i64>,
    /// The age at which a batch is handed over.
    pub commit_every_ns: i64,
    /// What to do when the queue is full.
    pub on_overflow: OnOverflow,
}

/// Why receiving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A stop was asked for, or the writer is gone.
    UntilStop,
    /// The count or the duration was reached.
    UntilLimit,
}

/// The receiving side of a recording.
pub struct Intake<'a> {
    socket: Receiver,
    queue: &'a Queue,
    plan: &'a Plan,
    origin_ns: i64,
    batch: Batch,
    batch_since_ns: i64,
    /// Where messages land that are lost: it is emptied after each one.
    spill: Batch,
    /// What was lost after the last message of `batch`.
    gap: Option<Gap>,
    packets: u64,
    unreported: u64,
    reported_ns: i64,
}

impl<'a> Intake<'a> {
    /// Receive from `socket` into `queue`; elapsed time counts from `origin_ns` on the monotonic clock.
    pub fn new(socket: Receiver, queue: &'a Queue, plan: &'a Plan, origin_ns: i64) -> Self {
        Self {
            socket,
            queue,
            plan,
            origin_ns,
            batch: Batch::default(),
            batch_since_ns: 0,
            spill: Batch::default(),
            gap: None,
            packets: 0,
            unreported: 0,
            reported_ns: 0,
        }
    }

    /// Receive until a stop is asked for or a limit is reached, hand over everything, and close the queue.
    ///
    /// # Errors
    /// When the socket fails; what was received before is handed over.
    pub fn run(mut self, stop: &Stop) -> Result<Taken> {
        let _close = CloseOnDrop(self.queue);
        let taken = self.take_until_end(stop);
        self.hand_over_rest();
        taken
    }

    fn take_until_end(&mut self, stop: &Stop) -> Result<Taken> {
        let end_ns = self.plan.duration_ns.map_or(i64::MAX, |duration_ns| self.origin_ns.saturating_add(duration_ns));
        loop {
            if self.socket.wait(stop, self.wait_ms(end_ns))? == Woken::Stop {
                return self.drain().map(|()| Taken::UntilStop);
            }
            for _ in 0..ROUND_MESSAGES {
                if self.count_reached() || !self.take_one()? {
                    break;
                }
            }
            let now_ns = monotonic_ns();
            if self.count_reached() || now_ns >= end_ns {
                return Ok(Taken::UntilLimit);
            }
            let is_due = !self.batch.is_empty() && now_ns - self.batch_since_ns >= self.plan.commit_every_ns;
            if (is_due || self.batch.is_full()) && !self.hand_over() {
                return Ok(Taken::UntilStop);
            }
            self.report_losses(now_ns);
        }
    }

    /// Milliseconds until the batch must be handed over or the recording ends; -1 when nothing is to be done.
    fn wait_ms(&self, end_ns: i64) -> i64 {
        let batch_due_ns = match self.batch.is_empty() {
            true => i64::MAX,
            false => self.batch_since_ns + self.plan.commit_every_ns,
        };
        match end_ns.min(batch_due_ns) {
            i64::MAX => -1,
            // An overdue batch is still here only because the queue is full: try again in a moment.
            due_ns => ((due_ns - monotonic_ns()) / 1_000_000 + 1).max(1),
        }
    }

    /// Take one message, if there is one. It is lost when the batch is full and the queue took no other.
    fn take_one(&mut self) -> Result<bool> {
        if self.batch.is_full() {
            return self.lose_one();
        }
        if self.batch.is_empty() {
            self.batch_since_ns = monotonic_ns();
        }
        let came = self.socket.receive(&mut self.batch, self.origin_ns)?;
        if came && self.plan.count.is_some() {
            let is_packet = self.batch.last().is_some_and(|last| self.plan.wanted.decode(last.frames()).is_ok());
            self.packets += u64::from(is_packet);
        }
        if self.batch.is_full() {
            self.hand_over();
        }
        Ok(came)
    }

    fn lose_one(&mut self) -> Result<bool> {
        self.spill.clear();
        let came = self.socket.receive(&mut self.spill, self.origin_ns)?;
        if let Some(lost) = self.spill.last() {
            self.gap = Some(Gap::with_loss_at(self.gap, lost.elapsed_ns));
            self.unreported += 1;
        }
        Ok(came)
    }

    fn count_reached(&self) -> bool {
        self.plan.count.is_some_and(|count| self.packets >= count)
    }

    fn drain(&mut self) -> Result<()> {
        let end_ns = monotonic_ns() + DRAIN_NS;
        while monotonic_ns() < end_ns && self.take_one()? {}
        Ok(())
    }

    /// Give the batch to the writer. Says whether the writer is still there; with a full queue the batch stays here.
    fn hand_over(&mut self) -> bool {
        let batch = std::mem::take(&mut self.batch);
        let pushed = match self.plan.on_overflow {
            OnOverflow::Drop => self.queue.try_push(batch),
            OnOverflow::Block => self.queue.push(batch).ok_or(Refused::Closed),
        };
        match pushed {
            Ok(empty) => {
                self.batch = empty;
                self.batch.set_lost_before(self.gap.take());
                true
            }
            Err(Refused::Full(batch)) => {
                self.batch = batch;
                true
            }
            Err(Refused::Closed) => false,
        }
    }

    /// Give the last batch and the last gap to the writer, waiting for room.
    fn hand_over_rest(&mut self) {
        for _ in 0..2 {
            let batch = std::mem::take(&mut self.batch);
            if !batch.is_empty() || batch.lost_before().is_some() {
                self.queue.push(batch);
            }
            self.batch.set_lost_before(self.gap.take());
        }
        self.report_losses(i64::MAX);
    }

    fn report_losses(&mut self, now_ns: i64) {
        if self.unreported > 0 && now_ns.saturating_sub(self.reported_ns) >= REPORT_NS {
            tracing::warn!(
                "{} messages lost up to {:.3} s: the queue to the disk is full (--queue)",
                self.unreported,
                seconds(self.gap.map_or(0, |gap| gap.until_elapsed_ns)),
            );
            self.unreported = 0;
            self.reported_ns = now_ns;
        }
    }
}
