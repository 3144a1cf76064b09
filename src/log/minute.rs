//! When it is time to log how it goes, where no terminal shows it.

use tracing::Level;

use crate::log::has_live_line;

/// How often.
const EVERY_NS: i64 = 60_000_000_000;

/// Says when a minute is over, on the clock of the caller.
#[derive(Clone, Copy, Debug)]
pub struct Minute {
    is_wanted: bool,
    began_ns: i64,
    messages: u64,
}

impl Minute {
    /// Begins now, with no message.
    pub fn new(now_ns: i64) -> Self {
        let is_wanted = !has_live_line() && tracing::enabled!(Level::DEBUG);
        Self { is_wanted, began_ns: now_ns, messages: 0 }
    }

    /// Whether anybody wants to know.
    pub fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// The mean rate since the last time, in Hz, when a minute is over; there were so many messages by now.
    pub fn over(&mut self, now_ns: i64, messages: u64) -> Option<f64> {
        let elapsed_ns = now_ns.saturating_sub(self.began_ns);
        if !self.is_wanted || elapsed_ns < EVERY_NS {
            return None;
        }
        let rate_hz = messages.saturating_sub(self.messages) as f64 * 1e9 / elapsed_ns as f64;
        (self.began_ns, self.messages) = (now_ns, messages);
        Some(rate_hz)
    }
}
