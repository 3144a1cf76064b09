//! The figures of a recording, brought up to date by its threads while it runs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::message::queue::Queue;
use crate::observe::event::Kind;
use crate::observe::snapshot::{Archive, Link, Snapshot, Syncs, Trouble};
use crate::observe::tally::Tally;
use crate::recorder::lag::{Lag, Lagged};
use crate::recorder::{Account, Arrivals, Exposure, Holdup};
use crate::store::Space;
use crate::time::clock::{NS_PER_S, monotonic_ns, unix_ns};

/// How often the threads of a recording show at least that they get on.
pub const BEAT_EVERY_NS: i64 = NS_PER_S;

/// What the threads of a recording say of it.
#[derive(Debug, Default)]
pub struct Gauges {
    stored: Mutex<Stored>,
    lost: Mutex<BTreeMap<Kind, u64>>,
    /// What the writer is storing, in bytes.
    storing_bytes: AtomicU64,
    /// What the trigger makes of it, if there is one.
    triggered: Mutex<Account>,
    /// The receiver gets on.
    pub receiver: Pulse,
    /// The writer gets on.
    pub writer: Pulse,
    /// Whether the writer is held up, and by whom.
    pub holdup: Holdup,
    words: Mutex<Words>,
    changed: Condvar,
}

/// What the writer says, once for each batch.
#[derive(Clone, Copy, Debug, Default)]
struct Stored {
    session_id: i64,
    tally: Tally,
    last_message_unix_ns: Option<i64>,
    space: Space,
    on_disk_within_ns: i64,
    longest_sync_ns: i64,
    commits: u64,
    syncs: Syncs,
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

    /// Whether it got on within this time.
    pub fn is_felt(&self, now_ns: i64, within: Duration) -> bool {
        now_ns.saturating_sub(self.0.load(Relaxed)) <= i64::try_from(within.as_nanos()).unwrap_or(i64::MAX)
    }
}

#[derive(Debug, Default)]
struct Words {
    links: Vec<Link>,
    trouble: Option<(String, i64)>,
    archive: Option<Archive>,
    lag: Lag,
    ended: bool,
}

impl Gauges {
    /// So much is stored, and the newest message came at this time, if one did.
    pub fn stored(&self, session_id: i64, tally: Tally, last_message_unix_ns: Option<i64>) {
        let mut stored = self.lock();
        (stored.session_id, stored.tally) = (session_id, tally);
        stored.last_message_unix_ns = last_message_unix_ns.or(stored.last_message_unix_ns);
    }

    /// So many messages more are lost, for this reason.
    pub fn lose(&self, cause: Kind, messages: u64) {
        if messages > 0 {
            *self.lost.lock().unwrap_or_else(PoisonError::into_inner).entry(cause).or_default() += messages;
        }
    }

    /// One commit more is done.
    pub fn committed(&self) {
        self.lock().commits += 1;
    }

    /// So many bytes of messages are being stored.
    pub fn storing(&self, bytes: usize) {
        self.storing_bytes.store(bytes as u64, Relaxed);
    }

    /// How many bytes of messages are being stored.
    pub fn storing_bytes(&self) -> u64 {
        self.storing_bytes.load(Relaxed)
    }

    /// The trigger has made this of what came.
    pub fn triggered(&self, account: Account) {
        let before = std::mem::replace(&mut *self.lock_triggered(), account);
        self.lose(Kind::Overflow, account.lost.saturating_sub(before.lost));
    }

    /// What the trigger has made of what came; all zero without one.
    pub fn account(&self) -> Account {
        *self.lock_triggered()
    }

    /// The database takes, and can take, so much.
    pub fn space(&self, space: Space) {
        self.lock().space = space;
    }

    /// So late messages were on the disk at most, and so long the syncs took, the last one of them.
    pub fn synced(&self, exposure: &Exposure, sync_ns: i64) {
        let mut stored = self.lock();
        stored.syncs.count(sync_ns);
        (stored.on_disk_within_ns, stored.longest_sync_ns) = (exposure.longest_ns(), exposure.longest_sync_ns());
    }

    /// How the links are.
    pub fn links(&self, links: Vec<Link>) {
        self.words().links = links;
    }

    /// What keeps the recording from being stored from now on; `None` when nothing does.
    pub fn trouble(&self, trouble: Option<String>) {
        self.words().trouble = trouble.map(|what| (what, monotonic_ns()));
    }

    /// How far it is archived.
    pub fn archive(&self, archive: Archive) {
        let mut words = self.words();
        words.lag.follow(&archive, monotonic_ns());
        words.archive = Some(archive);
    }

    /// How the archive was behind, if that is over, or if all ends.
    pub fn lagged(&self, is_end: bool) -> Option<Lagged> {
        let mut words = self.words();
        if is_end {
            words.lag.end(monotonic_ns());
        }
        words.lag.take()
    }

    /// What there is to see now, without what only time tells: rate and forecast.
    pub fn snapshot(&self, queue: &Queue<Arrivals>) -> Snapshot {
        let stored = *self.lock();
        let lost_by = self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let words = self.words();
        let fill = queue.fill();
        let percent = |bytes: usize| bytes as f64 * 100.0 / fill.limit_bytes.max(1) as f64;
        let trouble = words.trouble.as_ref().map(|(what, since_ns)| Trouble {
            what: what.clone(),
            for_s: (monotonic_ns().saturating_sub(*since_ns) / NS_PER_S).max(0).unsigned_abs(),
        });
        Snapshot {
            pid: std::process::id(),
            unix_ns: unix_ns(),
            session_id: stored.session_id,
            tally: Tally { lost: lost_by.values().sum(), ..stored.tally },
            lost_by: lost_by.into_iter().map(|(cause, lost)| (cause.name(), lost)).collect(),
            not_kept: self.account().not_kept,
            commits: stored.commits,
            syncs: stored.syncs,
            rate_hz: 0.0,
            last_message_unix_ns: stored.last_message_unix_ns,
            queue_percent: percent(fill.bytes),
            queue_peak_percent: percent(fill.peak_bytes),
            free_bytes: stored.space.room_bytes,
            full_in_s: None,
            on_disk_within_ns: stored.on_disk_within_ns,
            longest_sync_ns: stored.longest_sync_ns,
            link_count: words.links.len(),
            links: words.links.clone(),
            trouble,
            archive: words.archive.clone(),
        }
    }

    /// How much the database takes.
    pub fn used_bytes(&self) -> u64 {
        self.lock().space.used_bytes
    }

    fn lock(&self) -> MutexGuard<'_, Stored> {
        // Each field is whole between any two statements.
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_triggered(&self) -> MutexGuard<'_, Account> {
        self.triggered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn words(&self) -> MutexGuard<'_, Words> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wait for so long, or until the recording is over. Says whether it goes on.
    pub fn wait(&self, timeout: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.words(), timeout, |words| !words.ended);
        !waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }
}

impl Gauges {
    /// The recording is over, for all who watch it.
    pub fn end(&self) {
        self.words().ended = true;
        self.changed.notify_all();
    }
}

/// Ends the gauges when the recording does, however that is, so that nobody watches for ever.
#[derive(Debug)]
pub struct EndOnDrop<'a>(pub &'a Gauges);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
