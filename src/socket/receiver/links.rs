//! What is asked of the links of a receiver, and done for them, beside receiving.

use crate::error::Result;
use crate::message::Origin;
use crate::observe::snapshot;
use crate::socket::curve::Security;
use crate::socket::hold;
use crate::socket::link::{Change, Link, Traffic};
use crate::socket::receiver::{CONNECTION, Receiver};
use crate::time::clock::monotonic_ns;

/// What came over a link that nobody had asked for.
#[derive(Clone, Copy, Debug)]
pub struct Unwanted<'a> {
    /// How many messages.
    pub messages: u64,
    /// What the first one began with.
    pub begins: &'a [u8],
    /// Their first topics, if they have some.
    pub topics: &'a [Vec<u8>],
}

impl Receiver {
    /// The endpoint that messages of this origin came from.
    pub fn endpoint(&self, origin: Origin) -> Option<String> {
        self.endpoint_at((origin.0 as usize).checked_sub(1)?)
    }

    /// Whether the last look at all links found no message.
    pub fn is_drained(&self) -> bool {
        self.is_drained
    }

    /// The endpoint of a link, by its place.
    pub fn endpoint_at(&self, place: usize) -> Option<String> {
        self.links.get(place).map(|link| link.endpoint.clone())
    }

    /// Since when a link is not up, on the monotonic clock.
    pub fn away_ns(&self, place: usize) -> Option<i64> {
        self.links.get(place)?.away_ns()
    }

    /// Ask the monitors for changes the next time, whether they have spoken up or not.
    pub fn listen_to_monitors(&mut self) {
        self.monitor_speaks = true;
    }

    /// The endpoints, in the order of their numbers; of bound ones with the port that `*` became.
    pub fn endpoints(&self) -> Vec<String> {
        self.links.iter().map(|link| link.endpoint.clone()).collect()
    }

    /// How the connections of each endpoint are secured, in the order of their numbers.
    pub fn securities(&self) -> Vec<Security> {
        self.links.iter().map(|link| link.security).collect()
    }

    /// How each link is, in the order of their numbers.
    pub fn status(&self) -> Vec<snapshot::Link> {
        self.links.iter().map(Link::status).collect()
    }

    /// Since when nothing came that was asked for over each link that is up, on the monotonic clock, and whether nothing did
    /// since it went up.
    pub fn quiet(&self) -> impl Iterator<Item = Option<(i64, bool)>> {
        self.links.iter().map(|link| Some((link.quiet_ns()?, link.is_silent_since_up())))
    }

    /// What came over a link that nobody had asked for, if something did.
    pub fn unwanted(&self, place: usize) -> Option<Unwanted<'_>> {
        let Traffic { unwanted: messages, unwanted_begins: begins, other_topics: topics, .. } =
            &self.links.get(place)?.traffic;
        (*messages > 0).then_some(Unwanted { messages: *messages, begins, topics })
    }

    /// See what else comes over a link than what is asked for, or no longer.
    pub fn look_around(&mut self, place: usize, is_on: bool) {
        self.links.get_mut(place).into_iter().for_each(|link| link.look_around(is_on));
    }

    /// When a link has something to do, on the monotonic clock.
    pub fn due_ns(&self) -> Option<i64> {
        self.links.iter().filter_map(Link::due_ns).chain(self.guard_due_ns).min()
    }

    /// Look how much libzmq holds, if it is time, and cut the largest off if it is too much; the process itself knows of
    /// `own_bytes`. Gives whose links those were.
    pub fn guard(&mut self, own_bytes: u64) -> Vec<(usize, Change)> {
        let now_ns = monotonic_ns();
        if self.guard_due_ns.is_none_or(|due_ns| now_ns < due_ns) {
            return Vec::new();
        }
        let mut held = Vec::new();
        for (place, link) in self.links.iter_mut().enumerate() {
            let of_link = link.held_bytes(self.is_drained, now_ns);
            held.extend(of_link.into_iter().map(|(connection, bytes)| (place, connection, bytes)));
        }
        let bytes: Vec<Option<u64>> = held.iter().map(|(_, _, bytes)| *bytes).collect();
        let bytes = hold::with_uncounted(&bytes, || hold::in_libzmq_bytes(own_bytes));
        let sum = bytes.iter().fold(0_u64, |sum, bytes| sum.saturating_add(*bytes));
        let mut in_libzmq_bytes = 0;
        let largest = hold::too_much(&bytes, self.hold_max_bytes, || {
            in_libzmq_bytes = hold::in_libzmq_bytes(own_bytes);
            in_libzmq_bytes
        });
        // Endless empty frames are few bytes on the wire and many in memory.
        if !largest.is_empty() || sum.max(in_libzmq_bytes) > self.hold_max_bytes / 16 {
            self.guard_due_ns = Some(now_ns + hold::LOOK_SOON_NS);
        } else if sum > hold::MOVING_BYTES {
            self.guard_due_ns = Some(now_ns + hold::LOOK_EVERY_NS);
        } else {
            self.guard_due_ns = None;
            for link in &self.links {
                link.for_each_connection(|connection| hold::wake_once(&self.epoll, connection, CONNECTION));
            }
        }
        self.monitor_speaks |= !largest.is_empty();
        let mut cut = Vec::new();
        for largest in largest {
            let (Some(&(place, connection, _)), Some(&bytes)) = (held.get(largest), bytes.get(largest)) else {
                continue;
            };
            let change = self.links.get_mut(place).and_then(|link| link.cut(connection, bytes, now_ns));
            cut.extend(change.map(|change| (place, change)));
        }
        cut
    }

    /// Who wanted to connect to a bound endpoint, and who was cut off because it is not admitted any more: by the place of the
    /// link.
    pub fn visits(&mut self) -> Vec<(usize, Change)> {
        let Some(doorkeeper) = &self.doorkeeper else { return Vec::new() };
        let visitors = std::iter::from_fn(|| doorkeeper.visitor());
        let mut visits: Vec<(usize, Change)> =
            visitors.map(|visitor| (visitor.link, Change::Visited(visitor))).collect();
        if doorkeeper.was_shortened() {
            for (place, link) in self.links.iter_mut().enumerate() {
                let dismissed = link.dismiss(|key| doorkeeper.admits(key));
                visits.extend(dismissed.into_iter().map(|address| (place, Change::Dismissed(address))));
            }
        }
        visits
    }

    /// What became of a link, by its place, if there is something that was not told yet. Does what is due for the links.
    ///
    /// # Errors
    /// When a socket fails.
    pub fn next_change(&mut self) -> Result<Option<(usize, Change)>> {
        let now_ns = monotonic_ns();
        if !self.monitor_speaks && self.due_ns().is_none_or(|due_ns| now_ns < due_ns) {
            return Ok(None);
        }
        while let Some((place, answer)) = self.scout.answer() {
            if let Some(link) = self.links.get_mut(place) {
                link.answer(answer, now_ns)?;
            }
        }
        for (place, link) in self.links.iter_mut().enumerate() {
            if let Some(change) = link.tend(&self.scout, self.listened_ns, now_ns)? {
                self.monitor_speaks = true;
                return Ok(Some((place, change)));
            }
        }
        (self.monitor_speaks, self.listened_ns) = (false, now_ns);
        // There may be new connections.
        self.guard_due_ns.get_or_insert(now_ns);
        Ok(None)
    }
}
