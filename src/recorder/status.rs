//! What a recording is doing now: for the terminal, and for the service manager.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytesize::ByteSize;

use crate::log;
use crate::message::queue::Queue;
use crate::observe::tally::Tally;
use crate::recorder::Exposure;
use crate::service;
use crate::store::Space;
use crate::time::clock::{NS_PER_S, monotonic_ns};
use crate::time::durations::seconds;

/// How often the status is brought up to date.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// How often the threads of a recording show at least that they get on.
pub const BEAT_EVERY_NS: i64 = NS_PER_S;

/// How often the growth of the database is noted, and how many notes the forecast looks back: five minutes.
const GROWTH_EVERY_NS: i64 = 5 * NS_PER_S;
const GROWTH_NOTES: usize = 60;

/// The numbers of a recording, brought up to date by its threads while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    session_id: AtomicI64,
    packets: AtomicU64,
    bytes: AtomicU64,
    rejected: AtomicU64,
    lost: AtomicU64,
    used_bytes: AtomicU64,
    room_bytes: AtomicU64,
    exposed_ns: AtomicI64,
    sync_ns: AtomicI64,
    /// The receiver gets on.
    pub receiver: Pulse,
    /// The writer gets on.
    pub writer: Pulse,
    words: Mutex<Words>,
    changed: Condvar,
}

/// When a thread was last seen to get on.
#[derive(Debug)]
pub struct Pulse(AtomicI64);

impl Default for Pulse {
    fn default() -> Self {
        Self(AtomicI64::new(monotonic_ns()))
    }
}

impl Pulse {
    /// The thread gets on, at this time on the monotonic clock. To be said every [`BEAT_EVERY_NS`] at least.
    pub fn beat(&self, now_ns: i64) {
        self.0.store(now_ns, Relaxed);
    }

    /// Until the next beat the thread waits for another one, which has a pulse of its own.
    pub fn rest(&self) {
        self.0.store(i64::MAX, Relaxed);
    }

    fn is_felt(&self, now_ns: i64, within: Duration) -> bool {
        now_ns.saturating_sub(self.0.load(Relaxed)) <= i64::try_from(within.as_nanos()).unwrap_or(i64::MAX)
    }
}

#[derive(Debug, Default)]
struct Words {
    trouble: Option<(String, i64)>,
    ended: bool,
}

impl Progress {
    /// So much is stored.
    pub fn stored(&self, session_id: i64, tally: Tally) {
        self.session_id.store(session_id, Relaxed);
        self.packets.store(tally.packets, Relaxed);
        self.bytes.store(tally.bytes, Relaxed);
        self.rejected.store(tally.rejected, Relaxed);
    }

    /// So many messages more are lost.
    pub fn lose(&self, messages: u64) {
        self.lost.fetch_add(messages, Relaxed);
    }

    /// The database takes, and can take, so much.
    pub fn space(&self, space: Space) {
        self.used_bytes.store(space.used_bytes, Relaxed);
        self.room_bytes.store(space.room_bytes, Relaxed);
    }

    /// So late messages were on the disk at most, and so long the syncs took.
    pub fn synced(&self, exposure: &Exposure) {
        self.exposed_ns.store(exposure.longest_ns(), Relaxed);
        self.sync_ns.store(exposure.longest_sync_ns(), Relaxed);
    }

    /// `on disk within 0.104 s (longest sync 0.003 s)`: what a power cut could have taken, and the part of the disk in it.
    pub fn on_disk_within(&self) -> String {
        let [exposed_s, sync_s] = [&self.exposed_ns, &self.sync_ns].map(|ns| seconds(ns.load(Relaxed)));
        format!("on disk within {exposed_s:.3} s (longest sync {sync_s:.3} s)")
    }

    /// What keeps the recording from being stored from now on; `None` when nothing does.
    pub fn trouble(&self, trouble: Option<String>) {
        self.words().trouble = trouble.map(|what| (what, monotonic_ns()));
    }

    /// The recording is over: nobody watches any more.
    fn end(&self) {
        self.words().ended = true;
        self.changed.notify_all();
    }

    fn words(&self) -> MutexGuard<'_, Words> {
        // Each field is whole between any two statements.
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wait for the next look. Says whether the recording goes on.
    fn wait(&self) -> bool {
        let waited = self.changed.wait_timeout_while(self.words(), STATUS_EVERY, |words| !words.ended);
        !waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }
}

/// Ends the progress when the recording does, however that is, so that nobody watches for ever.
#[derive(Debug)]
pub struct EndOnDrop<'a>(pub &'a Progress);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Whether anybody sees a status.
pub fn is_watched() -> bool {
    log::has_live_line() || service::is_watched()
}

/// Show the status each second until the recording is over.
pub fn watch(progress: &Progress, queue: &Queue) {
    let mut packets = progress.packets.load(Relaxed);
    let mut at_ns = monotonic_ns();
    let mut growth = Growth::default();
    // A thread may hang for half of what the service manager allows: the other half is until the next beat is missed.
    let patience = service::watchdog().map(|watchdog| watchdog / 2);
    while progress.wait() {
        let now_ns = monotonic_ns();
        let now_packets = progress.packets.load(Relaxed);
        let rate_hz = (now_packets - packets.min(now_packets)) as f64 / seconds((now_ns - at_ns).max(1));
        (packets, at_ns) = (now_packets, now_ns);
        let left = growth.time_to_full(now_ns, progress.used_bytes.load(Relaxed), progress.room_bytes.load(Relaxed));
        let line = line(progress, queue, rate_hz, left);
        service::status(&line);
        log::live(line);
        if patience
            .is_some_and(|within| progress.receiver.is_felt(now_ns, within) && progress.writer.is_felt(now_ns, within))
        {
            service::alive();
        }
    }
    log::end_live();
}

/// `session 3: 12000 packets, 1000.0/s, 375.0 KiB, queue 0.1 %, 0 lost, full in 3days 4h, on disk within 0.104 s
/// (longest sync 0.003 s)`.
fn line(progress: &Progress, queue: &Queue, rate_hz: f64, left: Option<Duration>) -> String {
    let trouble = progress.words().trouble.as_ref().map_or(String::new(), |(what, since_ns)| {
        format!("degraded for {:.0} s: {what}; ", seconds(monotonic_ns() - since_ns))
    });
    let rejected = match progress.rejected.load(Relaxed) {
        0 => String::new(),
        rejected => format!("{rejected} rejected, "),
    };
    let fill = queue.fill();
    format!(
        "{trouble}session {}: {} packets, {rate_hz:.1}/s, {}, {rejected}queue {:.1} %, {} lost, {}, {}",
        progress.session_id.load(Relaxed),
        progress.packets.load(Relaxed),
        ByteSize(progress.bytes.load(Relaxed)),
        percent(fill.bytes, fill.limit_bytes),
        progress.lost.load(Relaxed),
        match left {
            Some(left) => format!("full in {}", humantime::format_duration(left)),
            None => format!("{} free", ByteSize(progress.room_bytes.load(Relaxed))),
        },
        progress.on_disk_within(),
    )
}

/// A part as percent of the whole.
pub fn percent(part: usize, whole: usize) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

/// How the database grew in the last minutes.
#[derive(Debug, Default)]
struct Growth {
    notes: VecDeque<(i64, u64)>,
}

impl Growth {
    /// When it will be full if it goes on growing like this; `None` while it does not grow.
    fn time_to_full(&mut self, now_ns: i64, used_bytes: u64, room_bytes: u64) -> Option<Duration> {
        if self.notes.back().is_none_or(|(at_ns, _)| now_ns - at_ns >= GROWTH_EVERY_NS) {
            self.notes.push_back((now_ns, used_bytes));
            if self.notes.len() > GROWTH_NOTES {
                self.notes.pop_front();
            }
        }
        let &(then_ns, then_bytes) = self.notes.front()?;
        let grown_bytes = used_bytes.checked_sub(then_bytes).filter(|&bytes| bytes > 0)?;
        let left_s = seconds(now_ns - then_ns) * room_bytes as f64 / grown_bytes as f64;
        Some(rounded(Duration::try_from_secs_f64(left_s).ok()?))
    }
}

/// As exact as a forecast can be: days with hours, hours with minutes, or seconds.
fn rounded(duration: Duration) -> Duration {
    let unit_s = match duration.as_secs() {
        86_400.. => 3_600,
        3_600.. => 60,
        _ => 1,
    };
    Duration::from_secs(duration.as_secs() / unit_s * unit_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::clock::SessionClock;

    #[test]
    fn a_forecast_follows_the_growth_of_the_last_minutes() {
        let mut growth = Growth::default();
        let mib = 1 << 20;
        assert_eq!(growth.time_to_full(0, 0, 100 * mib), None);
        assert_eq!(growth.time_to_full(10 * NS_PER_S, 10 * mib, 90 * mib), Some(Duration::from_secs(90)));
        // From here on twice as fast: in the end the slow minutes are forgotten.
        let mut left = None;
        for second in 11..=1000_u64 {
            left = growth.time_to_full(second as i64 * NS_PER_S, 10 * mib + 2 * (second - 10) * mib, 400_000 * mib);
        }
        assert_eq!(left, Some(Duration::from_secs(200_000 / 3_600 * 3_600)));
        assert_eq!(growth.time_to_full(1001 * NS_PER_S, 0, mib), None);
    }

    #[test]
    fn a_status_names_all_figures() {
        let progress = Progress::default();
        progress.stored(3, Tally { packets: 12_000, rejected: 0, lost: 0, bytes: 384_000 });
        progress.space(Space { used_bytes: 0, room_bytes: 1 << 30 });
        progress.lose(2);
        let queue = Queue::new(1000);
        assert_eq!(
            line(&progress, &queue, 1000.0, None),
            "session 3: 12000 packets, 1000.0/s, 375.0 KiB, queue 0.0 %, 2 lost, 1.0 GiB free, \
             on disk within 0.000 s (longest sync 0.000 s)"
        );
        progress.trouble(Some("disk full".to_owned()));
        let mut exposure = Exposure::new(0);
        exposure.written(Some(0));
        exposure.synced(3_000_000, 104_000_000, SessionClock { unix_ns: 0, origin_ns: 0 });
        progress.synced(&exposure);
        progress.stored(3, Tally { packets: 1, rejected: 7, lost: 0, bytes: 32 });
        assert_eq!(
            line(&progress, &queue, 1.0, Some(rounded(Duration::from_secs(90_061)))),
            "degraded for 0 s: disk full; session 3: 1 packets, 1.0/s, 32 B, 7 rejected, queue 0.0 %, 2 lost, full in 1day 1h, \
             on disk within 0.104 s (longest sync 0.003 s)"
        );
    }
}
