//! What the receiver tells those who follow the devices' own numbers, if somebody does.

use crate::message::Origin;
use crate::recorder::receiver::Intake;
use crate::socket::{Change, Received};

impl Intake<'_> {
    /// The last message of the batch has just come.
    pub(super) fn count_taken(&mut self) {
        if let (Some(counters), Some(message)) = (&mut self.counters, self.arrivals.batch.last()) {
            counters.see(message, self.clock);
        }
    }

    /// A message came that is lost for want of room: its number was seen all the same.
    pub(super) fn count_spilled(&mut self, received: Received) {
        match (&mut self.counters, received, self.spill.last()) {
            (Some(counters), Received::TooLarge(large), _) => counters.counted_lost(large.origin, 1),
            (Some(counters), _, Some(message)) => counters.see(message, self.clock),
            _ => {}
        }
    }

    /// Tell those who follow the devices' numbers what became of a link.
    pub(super) fn tell_counters(&mut self, place: usize, change: &Change) {
        let (Some(counters), origin) = (&mut self.counters, Origin(place as u32 + 1)) else { return };
        match change {
            Change::Up => counters.link_is_up(origin),
            Change::Down(_) => counters.link_broke(origin, true, self.clock),
            // Of a bound socket, which has several peers.
            Change::Left(_) | Change::Broke(_) => counters.link_broke(origin, false, self.clock),
            Change::Away { .. }
            | Change::Joined(_)
            | Change::TurnedAway(_)
            | Change::Refused(..)
            | Change::Visited(_)
            | Change::Dismissed(_)
            | Change::TooLarge
            | Change::Cut(..) => {}
        }
    }

    /// Put into the ledger what the devices' numbers say that is missing.
    pub(super) fn note_counters(&mut self, is_end: bool) {
        let events = self.counters.as_mut().map(|counters| counters.due(is_end, self.clock)).unwrap_or_default();
        for event in events {
            self.gauges.lose(event.kind, event.lost.unwrap_or(0));
            self.note(event);
        }
    }
}
