//! What the receiver puts into the ledger beside the messages, and tells of the links.

use std::time::Instant;

use crate::error::Result;
use crate::message::queue::Load;
use crate::observe::event::{Event, Kind};
use crate::process::marks::{MARKS_MAX, Waiting};
use crate::recorder::receiver::Intake;
use crate::recorder::receiver::draining::QUIET_MS;
use crate::recorder::{BEAT_EVERY_NS, STORING_TIMES};
use crate::socket::{Change, Oversize};
use crate::time::clock::{monotonic_ns, unix_ns, wall_offset_ns};
use crate::time::durations::seconds;

/// The wall clock was set when it is ahead by this much more or less than before. Below that it is measuring error.
const CLOCK_STEP_NS: i64 = 1_000_000;

/// So long after a stop of the process, what had waited has been taken whenever nothing is there, ...
const SETTLED_NS: i64 = 100_000_000;

/// ... and after this time also where there is always something.
const CAUGHT_UP_NS: i64 = 1_000_000_000;

impl Intake<'_> {
    /// Put into the ledger that the process did not run, once all that had waited meanwhile is taken: libzmq still hands it
    /// over when there was nothing for a moment.
    pub(super) fn note_stall(&mut self, is_drained: bool) -> Result<()> {
        let Some(until_ns) = self.observer.stalled_until_ns() else { return Ok(()) };
        let since_ns = monotonic_ns() - until_ns;
        if since_ns >= CAUGHT_UP_NS || is_drained && (since_ns >= SETTLED_NS || self.socket.wait_quiet(QUIET_MS)?) {
            self.tell_of_stall();
        }
        Ok(())
    }

    /// Put into the ledger that the process did not run, if it did not and that is not said yet.
    pub(super) fn tell_of_stall(&mut self) {
        if let Some(event) = self.observer.drained(self.messages, self.clock) {
            self.note(event);
        }
    }

    /// Put into the ledger that the wall clock was set.
    pub(super) fn note_clock_step(&mut self) {
        let Some(offset_ns) = wall_offset_ns() else { return };
        let step_ns = offset_ns - self.wall_offset_ns.replace(offset_ns).unwrap_or(offset_ns);
        if step_ns.abs() >= CLOCK_STEP_NS {
            let detail = format!("the wall clock was set by {:+.6} s", seconds(step_ns));
            self.note(Event { detail: Some(detail), ..self.event(Kind::ClockStep, Some(0)) });
        }
    }

    /// Put into the ledger what became of the links.
    pub(super) fn note_link_changes(&mut self) -> Result<()> {
        for (place, change) in self.socket.visits() {
            self.note_change(place, change);
        }
        while let Some((place, change)) = self.socket.next_change()? {
            self.tell_counters(place, &change);
            self.note_change(place, change);
            self.told_ns = 0;
        }
        let waiting_bytes = self.queue.fill().bytes + self.arrivals.bytes();
        let held_bytes = self.gauges.account().held_bytes;
        let own_bytes = (waiting_bytes + held_bytes) as u64 + STORING_TIMES * self.gauges.storing_bytes();
        for (place, change) in self.socket.guard(own_bytes) {
            self.note_change(place, change);
        }
        Ok(())
    }

    fn note_change(&mut self, place: usize, change: Change) {
        let endpoint = self.socket.endpoint_at(place).unwrap_or_default();
        let events = self.observer.change(place, endpoint, change, self.clock);
        events.into_iter().for_each(|event| self.note(event));
    }

    /// Put into the ledger what became of links over which nothing comes.
    pub(super) fn note_silence(&mut self) {
        let events = self.observer.look(&mut self.socket, self.clock);
        events.into_iter().for_each(|event| self.note(event));
    }

    /// Say that this thread makes progress and, once a second, how the links are.
    pub(super) fn tell(&mut self, now_ns: i64) {
        self.gauges.receiver.beat(now_ns);
        if now_ns - self.told_ns >= BEAT_EVERY_NS {
            self.told_ns = now_ns;
            self.gauges.links(self.observer.status(&self.socket));
            self.note_counters(false);
            self.note_marks();
        }
    }

    /// Put into the ledger the marks that were asked for. While the batch waits with many entries, they wait too.
    pub(super) fn note_marks(&mut self) {
        let Waiting { came, more } = self.signals.marks.take(self.arrivals.events.len() < MARKS_MAX);
        let Some(&last) = came.last() else { return };
        let (unix_ns, elapsed_ns) = (unix_ns(), self.clock.elapsed_ns());
        let mark = |came: Instant, detail: String| {
            let ago_ns = i64::try_from(came.elapsed().as_nanos()).unwrap_or(i64::MAX);
            let at = (unix_ns.saturating_sub(ago_ns), elapsed_ns.saturating_sub(ago_ns).max(0));
            Event { detail: Some(detail), ..Event::at(at.0, at.1, Kind::Mark, Some(0)) }
        };
        let several = (more > 0).then(|| mark(last, format!("SIGUSR1, and {more} more soon after it")));
        let marks: Vec<Event> = came.into_iter().map(|came| mark(came, "SIGUSR1".to_owned())).collect();
        marks.into_iter().chain(several).for_each(|event| self.note(event));
    }

    /// Put into the ledger that a message was too large, together with those before it.
    pub(super) fn note_too_large(&mut self, message: Oversize) {
        self.gauges.lose(Kind::TooLarge, 1);
        let Oversize { origin, bytes, frames } = message;
        self.counters.iter_mut().for_each(|counters| counters.counted_lost(origin, 1));
        let endpoint = self.socket.endpoint(origin);
        let elapsed_ns = self.clock.elapsed_ns();
        let is_same = |event: &&mut Event| event.kind == Kind::TooLarge && event.endpoint == endpoint;
        if let Some(event) = self.arrivals.events.last_mut().filter(is_same) {
            event.until_elapsed_ns = Some(elapsed_ns);
            event.lost = event.lost.map(|lost| lost + 1);
            return;
        }
        let detail = format!("the first of them has {bytes} bytes in {frames} frames, more than --max-message allows");
        self.note(Event { endpoint, detail: Some(detail), ..self.event(Kind::TooLarge, Some(1)) });
    }
}
