//! The end of receiving: what has already arrived is taken.

use crate::error::Result;
use crate::recorder::receiver::{Handed, Intake};
use crate::time::clock::monotonic_ns;

/// How long to go on taking what has already arrived after a stop was asked for, not counting the time that the disk
/// takes. Bounded, because a device that sends without pause always has more.
const DRAIN_NS: i64 = 200_000_000;

/// Of it, for so long nothing may have been there: a device that goes on sending always has one more.
const DRAIN_WAIT_NS: i64 = 60_000_000;

/// What has arrived has been taken when nothing came for this long: libzmq's thread hands messages over in pieces, and may have to
/// wait for a processor.
pub(super) const QUIET_MS: i64 = 20;

impl Intake<'_> {
    /// Take what has already arrived.
    pub(super) fn drain(&mut self) -> Result<()> {
        let (mut left_ns, mut wait_ns) = (DRAIN_NS, DRAIN_WAIT_NS);
        while left_ns > 0 && wait_ns > 0 && !self.count_reached() {
            // Handed over here, the time that the disk takes does not count.
            let is_due = self.arrivals.is_full() || self.is_pending() && monotonic_ns() >= self.batch_due_ns();
            if is_due && self.hand_over() != Handed::Over {
                break;
            }
            let began_ns = monotonic_ns();
            if !self.take_one()? {
                if self.socket.wait_quiet(QUIET_MS)? {
                    break;
                }
                wait_ns -= monotonic_ns() - began_ns;
            }
            left_ns -= monotonic_ns() - began_ns;
        }
        Ok(())
    }
}
