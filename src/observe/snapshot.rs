//! What a recording is doing at one moment. The live line, what the service manager is told, the status file and the end of the
//! summary are made of it.

use std::collections::BTreeMap;
use std::fmt;

use bytesize::ByteSize;
use serde::Serialize;

use crate::observe::tally::Tally;
use crate::time::clock::NS_PER_S;
use crate::time::durations::{seconds, whole};

/// A recording at one moment. As JSON, what stands in the status file.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Snapshot {
    /// The recorder's process.
    pub pid: u32,
    /// When this was so.
    pub unix_ns: i64,
    /// What is recorded now.
    pub session_id: i64,
    /// What is stored in this run, and what is lost.
    #[serde(flatten)]
    pub tally: Tally,
    /// How many messages were lost by each cause, by its name in the ledger.
    pub lost_by: BTreeMap<&'static str, u64>,
    /// Messages that the trigger did not keep.
    pub not_kept: u64,
    /// Commits of this run.
    pub commits: u64,
    /// How long its syncs took.
    pub syncs: Syncs,
    /// Messages that were stored in the last second.
    pub rate_hz: f64,
    /// When the newest message that is stored came.
    pub last_message_unix_ns: Option<i64>,
    /// How full the queue to the disk is.
    pub queue_percent: f64,
    /// ... and was at most.
    pub queue_peak_percent: f64,
    /// Room for the database.
    pub free_bytes: u64,
    /// When there is none at the present rate; `None` while the database does not grow.
    pub full_in_s: Option<u64>,
    /// The longest time that a message was not on the disk.
    pub on_disk_within_ns: i64,
    /// The longest sync in it.
    pub longest_sync_ns: i64,
    /// How many links there are.
    pub link_count: usize,
    /// The endpoints, and whether their links are up; none in the status file where they have no room.
    pub links: Vec<Link>,
    /// What keeps messages from being stored, if anything does.
    pub trouble: Option<Trouble>,
    /// How far it is archived, if it is to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<Archive>,
}

/// How far a recording is archived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Archive {
    /// Messages that a quorum has acknowledged in this run.
    pub archived: u64,
    /// Messages that are stored here and not there.
    pub behind: u64,
    /// Since how many seconds some are.
    pub behind_s: u64,
    /// Why nothing is sent now, if that is so.
    pub trouble: Option<String>,
}

impl fmt::Display for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.behind {
            0 => f.write_str("all archived")?,
            behind => write!(f, "{behind} messages not archived for {}", whole(self.behind_s))?,
        }
        self.trouble.iter().try_for_each(|trouble| write!(f, " ({trouble})"))
    }
}

/// How long syncs took, as a histogram: each bucket has those that took no longer than its bound, and longer than the one
/// before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Syncs {
    /// Syncs by [`SYNC_BOUNDS_NS`]; the last are those that took longer than all.
    pub buckets: [u64; SYNC_BOUNDS_NS.len() + 1],
    /// How long they took together.
    pub total_ns: u64,
}

/// The bounds of the buckets: from what a battery-backed cache takes to what a failing disk does.
pub const SYNC_BOUNDS_NS: [i64; 10] = [
    100_000,
    300_000,
    1_000_000,
    3_000_000,
    10_000_000,
    30_000_000,
    100_000_000,
    300_000_000,
    1_000_000_000,
    10_000_000_000,
];

impl Syncs {
    /// Count one that took so long.
    pub fn count(&mut self, sync_ns: i64) {
        let bucket = SYNC_BOUNDS_NS.iter().position(|bound_ns| sync_ns <= *bound_ns).unwrap_or(SYNC_BOUNDS_NS.len());
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            *bucket += 1;
        }
        self.total_ns = self.total_ns.saturating_add(sync_ns.max(0).unsigned_abs());
    }
}

/// A link to a device, or an endpoint that devices connect to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Its endpoint.
    pub endpoint: String,
    /// Whether it is up.
    pub is_up: bool,
    /// Where it is, in words.
    pub state: &'static str,
    /// Whether it ever was up.
    pub was_up: bool,
    /// Why it is not up, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// How many peers are connected to a bound endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers: Option<u64>,
    /// When the last message came that was asked for.
    pub last_message_unix_ns: Option<i64>,
    /// Messages that came and that nobody had asked for.
    pub unwanted: u64,
    /// Whether it is silent for longer than it may be.
    pub is_silent: bool,
}

impl Link {
    /// `up, last message 3 s ago` or `not connected (connection refused)`, at this time on the wall clock.
    pub fn words(&self, unix_ns: i64) -> String {
        let mut text = match (self.is_up, self.peers) {
            (true, Some(peers)) => format!("{peers} peers"),
            _ => self.state.to_owned(),
        };
        if let Some(cause) = &self.cause {
            text += &format!(" ({cause})");
        }
        text += &match self.last_message_unix_ns {
            None => ", no message yet".to_owned(),
            Some(last_ns) => {
                let ago_s = unix_ns.saturating_sub(last_ns).max(0) / NS_PER_S;
                let silent = if self.is_silent { "silent, " } else { "" };
                format!(", {silent}last message {} ago", whole(ago_s.unsigned_abs()))
            }
        };
        text
    }
}

/// What keeps messages from being stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// In words.
    pub what: String,
    /// For how long.
    pub for_s: u64,
}

impl Snapshot {
    /// `on disk within 0.104 s (longest sync 0.003 s)`: what a power cut could have taken, and the part of the disk in it.
    pub fn on_disk_within(&self) -> String {
        let (within_s, sync_s) = (seconds(self.on_disk_within_ns), seconds(self.longest_sync_ns));
        format!("on disk within {within_s:.3} s (longest sync {sync_s:.3} s)")
    }
}

/// `session 3: 12000 messages, 1000.0/s, 375.0 KiB, queue 0.1 %, 0 lost, full in 3d 4h, on disk within 0.104 s
/// (longest sync 0.003 s)`.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Trouble { what, for_s }) = &self.trouble {
            write!(f, "degraded for {}: {what}; ", whole(*for_s))?;
        }
        let Tally { messages, undecodable, unwanted, lost, bytes } = self.tally;
        write!(f, "session {}: {messages} messages, {:.1}/s, {}", self.session_id, self.rate_hz, ByteSize(bytes))?;
        for (number, what) in [(undecodable, "undecodable"), (unwanted, "unwanted"), (self.not_kept, "not kept")] {
            if number > 0 {
                write!(f, ", {number} {what}")?;
            }
        }
        write!(f, ", queue {:.1} %, {lost} lost, ", self.queue_percent)?;
        match self.full_in_s {
            Some(full_in_s) => write!(f, "full in {}", whole(full_in_s))?,
            None => write!(f, "{} free", ByteSize(self.free_bytes))?,
        }
        write!(f, ", {}", self.on_disk_within())?;
        self.archive.iter().try_for_each(|archive| write!(f, ", {archive}"))?;
        self.links.iter().try_for_each(|link| write!(f, "; {} {}", link.endpoint, link.words(self.unix_ns)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_names_all_figures() {
        let tally = Tally { messages: 12_000, bytes: 384_000, lost: 2, ..Tally::default() };
        let mut snapshot =
            Snapshot { session_id: 3, tally, rate_hz: 1000.0, free_bytes: 1 << 30, ..Snapshot::default() };
        assert_eq!(
            snapshot.to_string(),
            "session 3: 12000 messages, 1000.0/s, 375.0 KiB, queue 0.0 %, 2 lost, 1.0 GiB free, \
             on disk within 0.000 s (longest sync 0.000 s)"
        );
        snapshot.unix_ns = 10 * NS_PER_S;
        let up = Link { endpoint: "tcp://a:5".to_owned(), is_up: true, state: "up", ..Link::default() };
        let down = Link { state: "not connected", is_up: false, cause: Some("refused".to_owned()), ..up.clone() };
        snapshot.links = vec![Link { last_message_unix_ns: Some(7 * NS_PER_S), ..up }, down];
        snapshot.tally = Tally { messages: 1, undecodable: 1, unwanted: 7, lost: 2, bytes: 32 };
        snapshot.trouble = Some(Trouble { what: "disk full".to_owned(), for_s: 0 });
        (snapshot.rate_hz, snapshot.full_in_s) = (1.0, Some(90_000));
        (snapshot.on_disk_within_ns, snapshot.longest_sync_ns) = (104_000_000, 3_000_000);
        assert_eq!(
            snapshot.to_string(),
            "degraded for 0 s: disk full; session 3: 1 messages, 1.0/s, 32 B, 1 undecodable, 7 unwanted, queue 0.0 %, 2 lost, \
             full in 1d 1h, on disk within 0.104 s (longest sync 0.003 s); tcp://a:5 up, last message 3 s ago; \
             tcp://a:5 not connected (refused), no message yet"
        );
        let mut archive = Archive { archived: 7, ..Archive::default() };
        assert_eq!(archive.to_string(), "all archived");
        (archive.behind, archive.behind_s, archive.trouble) = (12, 3, Some("no server".to_owned()));
        let snapshot = Snapshot { archive: Some(archive), ..Snapshot::default() };
        let line = snapshot.to_string();
        assert!(line.ends_with(", 12 messages not archived for 3 s (no server)"), "{line}");
    }
}
