//! Where messages go: all to one sender, or those of each endpoint to its own.

use std::collections::HashMap;

use crate::error::Result;
use crate::message::Origin;
use crate::process::stop::Stop;
use crate::socket::{Dropped, Sender};

/// The senders of a replay.
pub struct Outlets {
    senders: Vec<Sender>,
    /// Which one takes the messages of an endpoint; those of others go to the first one.
    places: HashMap<Origin, usize>,
}

impl Outlets {
    /// All messages go to one sender.
    pub fn one(sender: Sender) -> Self {
        Self { senders: vec![sender], places: HashMap::new() }
    }

    /// The messages of each endpoint go to a sender of its own.
    pub fn each(senders: Vec<(Origin, Sender)>) -> Self {
        let places = senders.iter().enumerate().map(|(place, (origin, _))| (*origin, place)).collect();
        Self { senders: senders.into_iter().map(|(_, sender)| sender).collect(), places }
    }

    /// The sender for the messages of an endpoint.
    pub fn of(&mut self, origin: Origin) -> Option<&mut Sender> {
        let place = match self.senders.as_slice() {
            [_] => 0,
            _ => self.places.get(&origin).copied().unwrap_or_default(),
        };
        self.senders.get_mut(place)
    }

    /// The endpoints that were bound.
    pub fn endpoints(&self) -> String {
        self.senders.iter().flat_map(Sender::endpoints).map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// How long subscribers were waited for since this was asked last.
    pub fn take_blocked_ns(&mut self) -> i64 {
        self.senders.iter_mut().map(Sender::take_blocked_ns).sum()
    }

    /// Wait until each sender has so many subscriptions for its messages. Says whether to stop.
    ///
    /// # Errors
    /// When a socket fails.
    pub fn wait_for_subscribers(&mut self, wanted: u64, stop: &Stop) -> Result<bool> {
        for sender in &mut self.senders {
            if sender.wait_for_subscribers(wanted, stop)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Number of subscriptions for our messages now.
    ///
    /// # Errors
    /// When a socket fails.
    pub fn subscribers(&mut self) -> Result<u64> {
        self.senders.iter_mut().map(Sender::subscribers).sum()
    }

    /// How many peers were cut off, because they sent more than a subscriber needs.
    pub fn cut(&self) -> u64 {
        self.senders.iter().map(Sender::cut).sum()
    }

    /// Close all, when what was sent is read or it is known that it is not. Gives what was dropped.
    pub fn close(self, stop: &Stop) -> Dropped {
        self.senders.into_iter().map(|sender| sender.close(stop)).fold(Dropped::default(), Dropped::and)
    }
}
