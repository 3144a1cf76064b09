//! The receiving side, in the main thread: receive, stamp, append. It never waits for the disk unless asked to.

use std::time::Duration;

use crate::error::Result;
use crate::message::Batch;
use crate::message::queue::{CloseOnDrop, Load, OnFull, Queue, Refused};
use crate::observe::event::{Event, Kind};
use crate::process::signals::Signals;
use crate::recorder::counters::Counters;
use crate::recorder::observer::Observer;
use crate::recorder::own_stall::Runs;
use crate::recorder::{Arrivals, BEAT_EVERY_NS, Capture, Gauges, SplitEvery};
use crate::service;
use crate::socket::{Received, Receiver, Woken};
use crate::time::clock::{SessionClock, monotonic_ns, unix_ns, wall_offset_ns};

mod counting;
mod draining;
mod ledger;

/// A batch that the writer cannot take yet is offered again after this time.
const RETRY_MS: i64 = 5;

/// How often the links are looked at while the writer is waited for.
const LOOK_EVERY_NS: i64 = 100_000_000;

/// Messages that are taken before the loop looks at the clock and at the stop again.
const ROUND_MESSAGES: usize = 1_000;

/// Why receiving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A stop was asked for, or the writer is gone.
    UntilStop,
    /// The count or the duration was reached.
    UntilLimit,
}

/// What became of a batch that was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handed {
    /// The writer has it.
    Over,
    /// The queue is full: it is still here.
    Back,
    /// The writer is gone.
    Nowhere,
}

/// The receiving side of a recording.
pub struct Intake<'a> {
    socket: Receiver,
    queue: &'a Queue<Arrivals>,
    capture: &'a Capture,
    gauges: &'a Gauges,
    /// The stop is requested at the end too, so that the writer waits no longer for a disk that is full.
    signals: &'a Signals,
    /// When to end, on the monotonic clock.
    end_ns: i64,
    clock: SessionClock,
    /// Bytes of messages in this session that were handed over.
    session_bytes: u64,
    /// Bytes of messages that a trigger had kept when the session began.
    kept_before_bytes: u64,
    split_asked_for: bool,
    wall_offset_ns: Option<i64>,
    on_full: OnFull,
    arrivals: Arrivals,
    batch_since_ns: i64,
    /// Where messages land that are lost: it is emptied after each one.
    spill: Batch,
    /// What was lost after the last message of `arrivals`.
    overflow: Option<Event>,
    messages: u64,
    observer: Observer,
    counters: Option<Counters>,
    runs: Runs,
    told_ns: i64,
}

impl<'a> Intake<'a> {
    /// Receive from `socket` into `queue`, in a session that began at `clock`.
    pub fn new(
        socket: Receiver,
        queue: &'a Queue<Arrivals>,
        capture: &'a Capture,
        clock: SessionClock,
        gauges: &'a Gauges,
        signals: &'a Signals,
    ) -> Self {
        let origin_ns = clock.origin_ns;
        let links = socket.endpoints().len();
        Self {
            observer: Observer::new(links, capture.silence_ns, capture.told.wanted.to_string()),
            counters: Counters::new(&capture.told, socket.endpoints()),
            runs: Runs::new(),
            told_ns: 0,
            socket,
            queue,
            capture,
            gauges,
            signals,
            end_ns: capture.duration_ns.map_or(i64::MAX, |duration_ns| origin_ns.saturating_add(duration_ns)),
            clock,
            session_bytes: 0,
            kept_before_bytes: 0,
            split_asked_for: false,
            wall_offset_ns: wall_offset_ns(),
            on_full: capture.on_full,
            arrivals: Arrivals::default(),
            batch_since_ns: 0,
            spill: Batch::default(),
            overflow: None,
            messages: 0,
        }
    }

    /// Receive until a stop is asked for or a limit is reached, hand over everything, and close the queue.
    ///
    /// # Errors
    /// When the socket fails; what was received before is handed over.
    pub fn run(mut self) -> Result<Taken> {
        let _close = CloseOnDrop(self.queue);
        let taken = self.take_until_end();
        service::stopping();
        self.signals.stop.request();
        self.note_marks();
        // From here on nothing is lost for want of room: the writer is waited for.
        self.on_full = OnFull::Block;
        let drained = match taken {
            Ok(Taken::UntilStop) => self.drain(),
            _ => Ok(()),
        };
        // A link may have come up with the very last messages, before its monitor was heard.
        self.socket.listen_to_monitors();
        let drained = drained.and_then(|()| self.note_link_changes());
        self.tell_of_stall();
        let left = self.observer.finish(&self.socket, self.clock);
        left.into_iter().for_each(|event| self.note(event));
        self.note_counters(true);
        self.gauges.links(self.observer.status(&self.socket));
        // The last batch, and then what was lost after it.
        while self.is_pending() && self.hand_over() == Handed::Over {}
        taken.and_then(|taken| drained.map(|()| taken))
    }

    fn take_until_end(&mut self) -> Result<Taken> {
        loop {
            let wait_ms = self.wait_ms();
            let woken = self.socket.wait(wait_ms)?;
            if let Some(stall) = self.runs.waited(wait_ms) {
                self.observer.stalled(stall, self.messages);
            }
            match woken {
                Woken::Stop => return Ok(Taken::UntilStop),
                Woken::Reload => {
                    self.signals.reload.take();
                    self.split_asked_for = true;
                }
                Woken::Mark => self.note_marks(),
                Woken::Look | Woken::Message => {}
            }
            if woken != Woken::Message {
                self.note_clock_step();
                self.note_link_changes()?;
                self.note_silence();
            }
            let bytes = self.arrivals.bytes();
            let mut is_drained = false;
            for _ in 0..ROUND_MESSAGES {
                is_drained = !self.take_one()?;
                if is_drained || self.count_reached() {
                    break;
                }
            }
            if let Some(stall) = self.runs.worked(self.arrivals.bytes().abs_diff(bytes)) {
                self.observer.stalled(stall, self.messages);
            }
            self.note_stall(is_drained)?;
            let now_ns = monotonic_ns();
            self.tell(now_ns);
            if self.count_reached() || now_ns >= self.end_ns {
                return Ok(Taken::UntilLimit);
            }
            let is_due = self.is_pending() && now_ns >= self.batch_due_ns();
            // While another batch waits for the disk, this one goes on growing: a slow disk gets few large commits
            // instead of many small ones.
            if is_due && !self.queue.has_waiting() && self.hand_over() == Handed::Nowhere {
                return Ok(Taken::UntilStop);
            }
            if self.split_asked_for || now_ns >= self.split_due_ns() || self.session_is_large() {
                self.split();
            }
        }
    }

    /// Begin the next session, as soon as the queue has taken all of this one.
    fn split(&mut self) {
        self.split_asked_for = true;
        self.note_counters(true);
        while self.is_pending() {
            if self.hand_over() != Handed::Over {
                return;
            }
        }
        self.clock = SessionClock::now();
        self.batch_since_ns = self.clock.origin_ns;
        self.arrivals.session_start = Some(self.clock);
        self.session_bytes = 0;
        self.kept_before_bytes = self.gauges.account().kept_bytes;
        self.split_asked_for = false;
    }

    fn split_due_ns(&self) -> i64 {
        match self.capture.split_every {
            Some(SplitEvery::ElapsedNs(every_ns)) => self.clock.origin_ns.saturating_add(every_ns),
            _ => i64::MAX,
        }
    }

    fn session_is_large(&self) -> bool {
        let Some(SplitEvery::Bytes(most)) = self.capture.split_every else { return false };
        let bytes = match self.capture.trigger {
            None => self.session_bytes + self.arrivals.bytes() as u64,
            Some(_) => self.gauges.account().kept_bytes - self.kept_before_bytes,
        };
        bytes >= most
    }

    fn note(&mut self, event: Event) {
        if !self.is_pending() {
            self.batch_since_ns = monotonic_ns();
        }
        self.arrivals.events.push(event);
    }

    /// Something that happens now.
    fn event(&self, kind: Kind, lost: Option<u64>) -> Event {
        Event::at(unix_ns(), self.clock.elapsed_ns(), kind, lost)
    }

    /// When the batch is to be handed over: a little before the commit interval is over, so that it holds until the writer
    /// has the batch, also on a busy machine.
    fn batch_due_ns(&self) -> i64 {
        self.batch_since_ns.saturating_add(self.capture.commit_every_ns / 10 * 9)
    }

    /// Milliseconds until the batch must be handed over, a link has something to do, the session split, the recording ended, or
    /// shown that it gets on.
    fn wait_ms(&self) -> i64 {
        let batch_due_ns = if self.is_pending() { self.batch_due_ns() } else { i64::MAX };
        let link_due_ns = self.socket.due_ns().unwrap_or(i64::MAX);
        let due_ns = self.end_ns.min(batch_due_ns).min(link_due_ns).min(self.split_due_ns());
        match due_ns.saturating_sub(monotonic_ns()) {
            // An overdue batch is still here only because the disk is slow: try again in a moment.
            ..0 => RETRY_MS,
            left_ns => left_ns.min(BEAT_EVERY_NS) / 1_000_000 + 1,
        }
    }

    /// Whether there is something for the writer.
    fn is_pending(&self) -> bool {
        !self.arrivals.is_empty() || self.overflow.is_some()
    }

    /// Take one message, if there is one. It is lost when the batch is full and the queue takes no other.
    fn take_one(&mut self) -> Result<bool> {
        if self.arrivals.is_full() {
            self.hand_over();
        }
        if self.arrivals.is_full() {
            return self.lose_one();
        }
        if !self.is_pending() {
            self.batch_since_ns = monotonic_ns();
        }
        let Self { socket, arrivals, capture, clock, .. } = self;
        match socket
            .receive(&mut arrivals.batch, clock.origin_ns, |first, frames| capture.told.wanted.takes(first, frames))?
        {
            Received::Nothing => return Ok(false),
            Received::Message => {
                self.messages += 1;
                self.count_taken();
            }
            Received::Unwanted => self.arrivals.unwanted += 1,
            Received::TooLarge(message) => self.note_too_large(message),
        }
        Ok(true)
    }

    fn lose_one(&mut self) -> Result<bool> {
        self.spill.clear();
        let Self { socket, spill, capture, clock, .. } = self;
        let received =
            socket.receive(spill, clock.origin_ns, |first, frames| capture.told.wanted.takes(first, frames))?;
        match received {
            Received::Nothing => return Ok(false),
            Received::Unwanted => self.arrivals.unwanted += 1,
            Received::Message | Received::TooLarge(_) => {
                self.count_spilled(received);
                let now = Event::at(unix_ns(), self.clock.elapsed_ns(), Kind::Overflow, Some(0));
                let at =
                    self.spill.last().map_or((now.unix_ns, now.elapsed_ns), |lost| (lost.unix_ns, lost.elapsed_ns));
                let event = self.overflow.get_or_insert_with(|| overflow_at(at));
                event.until_elapsed_ns = Some(at.1);
                event.lost = event.lost.map(|lost| lost + 1);
                self.gauges.lose(Kind::Overflow, 1);
            }
        }
        Ok(true)
    }

    fn count_reached(&self) -> bool {
        self.capture.count.is_some_and(|count| self.messages >= count)
    }

    /// Wait until the queue takes the batch. What becomes of the links meanwhile is noted, and libzmq holds no more than it may.
    fn wait_for_room(&mut self) {
        self.gauges.receiver.rest();
        loop {
            let left_ns = self.end_ns.saturating_sub(monotonic_ns()).max(0);
            let wait = Duration::from_nanos(left_ns.min(LOOK_EVERY_NS).unsigned_abs());
            if self.queue.wait_for_room_within(self.arrivals.bytes(), wait) {
                return;
            }
            self.observer.was_deaf();
            if left_ns == 0 {
                // The time is over. The writer makes room: it stores the batches, or counts them as lost.
                return self.signals.stop.request();
            }
            self.socket.listen_to_monitors();
            if self.note_link_changes().is_err() {
                // It fails again where that ends the recording.
                return;
            }
        }
    }

    /// Give the batch to the writer. With a full queue it stays here, unless the writer is waited for.
    fn hand_over(&mut self) -> Handed {
        if self.on_full == OnFull::Block {
            self.wait_for_room();
        }
        let arrivals = std::mem::take(&mut self.arrivals);
        let bytes = arrivals.bytes();
        let pushed = match self.on_full {
            OnFull::Drop => self.queue.try_push(arrivals),
            OnFull::Block => self.queue.push(arrivals).ok_or(Refused::Closed),
        };
        if self.on_full == OnFull::Block {
            // It may have waited for the writer.
            self.runs.now();
        }
        match pushed {
            Ok(empty) => {
                self.arrivals = empty;
                self.session_bytes += bytes as u64;
                self.batch_since_ns = monotonic_ns();
                // What was lost after the batch stands before what comes now.
                if let Some(overflow) = self.overflow.take() {
                    self.arrivals.events.push(overflow);
                }
                Handed::Over
            }
            Err(Refused::Full(arrivals)) => {
                self.arrivals = arrivals;
                Handed::Back
            }
            Err(Refused::Closed) => Handed::Nowhere,
        }
    }
}

/// From this time on, on both clocks.
fn overflow_at((unix_ns, elapsed_ns): (i64, i64)) -> Event {
    Event {
        detail: Some("the queue to the disk was full".to_owned()),
        ..Event::at(unix_ns, elapsed_ns, Kind::Overflow, Some(0))
    }
}
