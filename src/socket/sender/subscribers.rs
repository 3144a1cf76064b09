//! Who is there to be sent to: subscriptions that are read, or peers that pull.

use std::os::fd::{AsFd, AsRawFd};

use zmq::{DONTWAIT, Message, POLLIN, PollItem};

use crate::error::Result;
use crate::process::stop::Stop;
use crate::socket::binding::{self, SendingKind};
use crate::socket::curve::of_user_id;
use crate::socket::raw;
use crate::socket::sender::{COUNT_EVERY_NS, Sender};
use crate::socket::socket_error;
use crate::time::clock::{NS_PER_S, monotonic_ns};

/// So many subscriptions are read in each [`COUNT_EVERY_NS`]. A subscriber that sends them without end must not keep the others
/// waiting, ...
const SUBSCRIPTIONS_AT_ONCE: i64 = 64;

/// ... one that sends ten thousand is heeded in ten seconds also where a message is sent once a second, and what thousands have left
/// behind does not pile up.
const SUBSCRIPTIONS_MAX_AT_ONCE: i64 = 1_024;

/// How often to look whether a peer has come that pulls, in nanoseconds.
const PEER_LOOK_NS: i64 = NS_PER_S / 100;

/// A peer that refused us is connected to again after this time: it may admit us now.
const REDIAL_NS: i64 = NS_PER_S / 2;

/// After which time it is said that nobody pulls, ...
const WAIT_TELL_NS: i64 = NS_PER_S;

/// ... and how often.
const WAIT_REPORT_NS: i64 = 5 * NS_PER_S;

impl Sender {
    /// Wait until `wanted` subscriptions for our messages are there. Says whether to stop.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn wait_for_subscribers(&mut self, wanted: u64, stop: &Stop) -> Result<bool> {
        // Where nobody pulls, the first message would wait, and its time be over.
        let wanted = if self.kind == SendingKind::Push { wanted.max(1) } else { wanted };
        let mut waited_ns = 0;
        self.take_subscriptions()?;
        if self.subscribers < wanted && self.kind != SendingKind::Push {
            let (there, endpoints) = (self.subscribers, self.endpoints.join(" "));
            tracing::info!("waiting for subscribers on {endpoints}: {there} of {wanted} are there");
        }
        while self.subscribers < wanted {
            if self.kind == SendingKind::Push {
                if stop.wait_ns(PEER_LOOK_NS) {
                    return Ok(true);
                }
                waited_ns += PEER_LOOK_NS;
                if waited_ns == WAIT_TELL_NS || waited_ns % WAIT_REPORT_NS == 0 {
                    tracing::warn!("waiting for a PULL peer on {}", self.endpoints.join(" "));
                }
                self.take_subscriptions()?;
                continue;
            }
            let stop_fd = stop.as_fd().as_raw_fd();
            let mut items = [PollItem::from_fd(stop_fd, POLLIN), self.socket.as_poll_item(POLLIN)];
            let timeout_ms = if self.keys.is_client() { REDIAL_NS / 1_000_000 } else { -1 };
            match zmq::poll(&mut items, timeout_ms) {
                Ok(_) if items[0].is_readable() => return Ok(true),
                Ok(_) | Err(zmq::Error::EINTR) => {}
                Err(cause) => return Err(socket_error("wait for subscribers", cause)),
            }
            self.take_subscriptions()?;
        }
        Ok(false)
    }

    /// Count the subscriptions that came and went. Unread, they would pile up in libzmq, which heeds them by itself.
    pub(super) fn take_subscriptions(&mut self) -> Result<()> {
        self.redial()?;
        if self.kind == SendingKind::Push {
            self.subscribers = self.guard.peers();
            return Ok(());
        }
        let now_ns = monotonic_ns();
        let times = (now_ns - std::mem::replace(&mut self.counted_ns, now_ns)) / COUNT_EVERY_NS;
        let most = match std::mem::replace(&mut self.has_unread, false) {
            true => SUBSCRIPTIONS_MAX_AT_ONCE,
            false => {
                times.saturating_mul(SUBSCRIPTIONS_AT_ONCE).clamp(SUBSCRIPTIONS_AT_ONCE, SUBSCRIPTIONS_MAX_AT_ONCE)
            }
        };
        let mut message = Message::new();
        for _ in 0..most {
            match self.socket.recv(&mut message, DONTWAIT) {
                Ok(()) => {
                    self.subscription(&message);
                    self.name(&mut message);
                }
                Err(zmq::Error::EAGAIN) => return Ok(()),
                Err(zmq::Error::EINTR) => {}
                Err(cause) => return Err(socket_error("receive subscriptions", cause)),
            }
        }
        self.has_unread = true;
        Ok(())
    }

    /// Tell the guard whose connection it is that a subscription came from, where that is known.
    fn name(&mut self, subscription: &mut Message) {
        if self.keys.is_server()
            && let Some((key, admitted_ns)) = subscription.gets("User-Id").and_then(of_user_id)
            && let Some(descriptor) = subscription.gets("__fd").and_then(|descriptor| descriptor.parse().ok())
        {
            self.guard.name(descriptor, key, admitted_ns);
        }
    }

    /// Connect anew where we were refused: libzmq would not do it again.
    fn redial(&mut self) -> Result<()> {
        let now_ns = monotonic_ns();
        if !self.keys.is_client() || now_ns - self.redialled_ns < REDIAL_NS {
            return Ok(());
        }
        self.redialled_ns = now_ns;
        for refused in self.guard.take_refused() {
            let Some(place) = self.connect.iter().position(|endpoint| endpoint.as_str() == refused) else { continue };
            self.keys.for_connecting(&mut self.socket, place + 1)?;
            if let Some(endpoint) = self.connect.get(place) {
                // Fails when libzmq has already forgotten the endpoint, which is as good.
                let _ = raw::disconnect(&mut self.socket, endpoint.as_str());
                binding::connect(&mut self.socket, endpoint)?;
            }
        }
        Ok(())
    }

    /// `\x01prefix` subscribes, `\x00prefix` ends a subscription.
    fn subscription(&mut self, message: &[u8]) {
        let Some((&kind, prefix)) = message.split_first() else { return };
        if !self.heads.iter().any(|head| head.starts_with(prefix) || prefix.starts_with(head)) {
            return;
        }
        self.subscribers = match kind {
            1 => self.subscribers + 1,
            0 => self.subscribers.saturating_sub(1),
            _ => return,
        };
        tracing::debug!("{} subscribers", self.subscribers);
    }
}
