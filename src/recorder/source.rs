//! Where the writer's batches come from: the queue, and a trigger between it and the writer, if there is one.

use std::time::Duration;

use crate::message::queue::{Popped, Queue};
use crate::process::stop::Stop;
use crate::recorder::{Arrivals, BEAT_EVERY_NS, Capture, Gauges, Trigger};
use crate::time::clock::SessionClock;

/// Gives what is to be stored.
#[derive(Debug)]
pub struct Source<'a> {
    queue: &'a Queue<Arrivals>,
    trigger: Option<Trigger>,
    /// Asked for when as many messages are kept as were asked for.
    stop: &'a Stop,
    gauges: &'a Gauges,
}

impl<'a> Source<'a> {
    /// What comes through `queue` in sessions of which the first began at `clock`, or what the trigger keeps of it.
    pub fn new(
        queue: &'a Queue<Arrivals>,
        capture: &Capture,
        clock: SessionClock,
        stop: &'a Stop,
        gauges: &'a Gauges,
    ) -> Self {
        let trigger = capture.trigger.clone().map(|when| Trigger::new(when, capture.told.clone(), clock));
        Self { queue, trigger, stop, gauges }
    }

    /// Take the next batch; wait for one if there is none, but not longer than `wait`.
    pub fn pop_within(&mut self, wait: Duration) -> Popped<Arrivals> {
        let Some(trigger) = &mut self.trigger else { return self.queue.pop_within(wait) };
        if let Some(decided) = trigger.decided() {
            self.gauges.triggered(trigger.account());
            return Popped::Batch(decided);
        }
        match self.queue.pop_within(wait) {
            Popped::Batch(mut arrivals) => {
                trigger.take(&mut arrivals);
                self.queue.recycle(arrivals);
            }
            Popped::Nothing => return Popped::Nothing,
            Popped::End if trigger.is_over() => return Popped::End,
            Popped::End => trigger.finish(),
        }
        let decided = trigger.decided();
        self.gauges.triggered(trigger.account());
        if trigger.account().is_complete {
            self.stop.request();
        }
        decided.map_or(Popped::Nothing, Popped::Batch)
    }

    /// Take the next batch; wait for one if there is none. `None` when no more comes.
    pub fn pop(&mut self) -> Option<Arrivals> {
        loop {
            match self.pop_within(Duration::from_nanos(BEAT_EVERY_NS.unsigned_abs())) {
                Popped::Batch(arrivals) => return Some(arrivals),
                Popped::Nothing => {}
                Popped::End => return None,
            }
        }
    }

    /// Since when a message is on its way to the disk that came at `first_ns` on the monotonic clock, and may have waited to be
    /// wanted.
    pub fn on_its_way_ns(&self, first_ns: i64) -> i64 {
        self.trigger.as_ref().map_or(first_ns, |trigger| first_ns.max(trigger.taken_ns()))
    }
}
