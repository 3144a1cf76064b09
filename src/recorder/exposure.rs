//! What a power cut could take: the messages that the disk does not have yet.

use crate::observe::event::{Event, Kind};
use crate::time::clock::{NS_PER_S, SessionClock};
use crate::time::durations::seconds;

/// What lies between a message and its commit beside the interval and the syncs: threads that wake up, rows that are
/// inserted. More of it is a bound that does not hold.
const SLACK_NS: i64 = 50_000_000;

/// A sync that takes longer is said: a disk that is this slow is about to fail, or has too much to do.
const SLOW_SYNC_NS: i64 = NS_PER_S;

/// Commits that are late share an entry in the ledger for this time.
const SHARE_NS: i64 = 60 * NS_PER_S;

/// How old the messages were that a power cut could have taken, and how long the syncs took.
#[derive(Debug)]
pub struct Exposure {
    /// The time after which what has come is to be synced.
    interval_ns: i64,
    /// When the oldest message came that the disk does not have, on the monotonic clock.
    oldest_ns: Option<i64>,
    longest_ns: i64,
    longest_sync_ns: i64,
    late: Option<Event>,
    is_late: bool,
}

impl Exposure {
    /// Of a recording that is to sync what has come after so long.
    pub fn new(interval_ns: i64) -> Self {
        Self { interval_ns, oldest_ns: None, longest_ns: 0, longest_sync_ns: 0, late: None, is_late: false }
    }

    /// The longest time that a message was not on the disk.
    pub fn longest_ns(&self) -> i64 {
        self.longest_ns
    }

    /// The longest sync.
    pub fn longest_sync_ns(&self) -> i64 {
        self.longest_sync_ns
    }

    /// Messages are written, perhaps without a sync; the first of them came at `first_ns` on the monotonic clock.
    pub fn written(&mut self, first_ns: Option<i64>) {
        self.oldest_ns = self.oldest_ns.or(first_ns);
    }

    /// A sync of the log has taken so long, also of one that is moved into the database.
    pub fn waited(&mut self, sync_ns: i64) {
        self.longest_sync_ns = self.longest_sync_ns.max(sync_ns);
        if sync_ns > SLOW_SYNC_NS {
            tracing::warn!(
                "the disk took {:.1} s for a sync: a power cut takes what came since it began",
                seconds(sync_ns)
            );
        }
    }

    /// All that is written is on the disk at `now_ns` on the monotonic clock, in a session that began at `clock`.
    pub fn synced(&mut self, sync_ns: i64, now_ns: i64, clock: SessionClock) {
        self.waited(sync_ns);
        let Some(oldest_ns) = self.oldest_ns.take() else { return };
        let exposed_ns = now_ns.saturating_sub(oldest_ns);
        self.longest_ns = self.longest_ns.max(exposed_ns);
        self.is_late = exposed_ns > self.interval_ns.saturating_add(self.longest_sync_ns).saturating_add(SLACK_NS);
        if !self.is_late {
            return;
        }
        let since_ns = oldest_ns.saturating_sub(clock.origin_ns).max(0);
        let begin = || Event::at(clock.unix_ns.saturating_add(since_ns), since_ns, Kind::SyncedLate, Some(0));
        let late = self.late.get_or_insert_with(begin);
        late.until_elapsed_ns = Some(now_ns.saturating_sub(clock.origin_ns));
        late.detail = Some(format!(
            "messages were on the disk up to {:.3} s after they came; the commit interval and the longest sync are {:.3} s \
             and {:.3} s",
            seconds(self.longest_ns),
            seconds(self.interval_ns),
            seconds(self.longest_sync_ns),
        ));
    }

    /// The entry of the ledger about commits that were late, once they are no longer or for a minute.
    pub fn take_late(&mut self, is_end: bool) -> Option<Event> {
        let is_over = |late: &mut Event| {
            let until_ns = late.until_elapsed_ns.unwrap_or(late.elapsed_ns);
            is_end || !self.is_late || until_ns.saturating_sub(late.elapsed_ns) >= SHARE_NS
        };
        self.late.take_if(is_over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;
    const CLOCK: SessionClock = SessionClock { unix_ns: 7_000 * MS, origin_ns: 1_000 * MS };

    #[test]
    fn the_oldest_message_since_the_last_sync_counts() {
        let mut exposure = Exposure::new(100 * MS);
        exposure.written(Some(2_000 * MS));
        exposure.written(Some(2_050 * MS));
        exposure.synced(3 * MS, 2_103 * MS, CLOCK);
        exposure.written(Some(2_110 * MS));
        exposure.synced(2 * MS, 2_200 * MS, CLOCK);
        exposure.synced(MS, 9_000 * MS, CLOCK);
        assert_eq!((exposure.longest_ns(), exposure.longest_sync_ns()), (103 * MS, 3 * MS));
        assert_eq!(exposure.take_late(true), None);
    }

    #[test]
    fn a_bound_that_does_not_hold_is_one_entry_until_it_holds_again() {
        let mut exposure = Exposure::new(100 * MS);
        for came_ms in [2_000, 2_400] {
            exposure.written(Some(came_ms * MS));
            exposure.synced(20 * MS, (came_ms + 400) * MS, CLOCK);
            assert_eq!(exposure.take_late(false), None);
        }
        exposure.written(Some(2_810 * MS));
        exposure.synced(20 * MS, 2_900 * MS, CLOCK);
        let late = exposure.take_late(false).unwrap();
        assert_eq!((late.unix_ns, late.elapsed_ns, late.until_elapsed_ns), (8_000 * MS, 1_000 * MS, Some(1_800 * MS)));
        assert!(late.detail.unwrap().contains("up to 0.400 s after they came"));
        assert_eq!(exposure.take_late(true), None);
    }
}
