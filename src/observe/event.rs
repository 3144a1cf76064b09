//! What happens to a capture beside its messages: the entries of the ledger.

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A link came up: from here on messages arrive.
    Connected,
    /// A link went down: until it is up again, messages may be missed.
    Disconnected,
    /// An endpoint was not reached: nothing can have come from it.
    Unreached,
    /// A link was up and nothing came for longer than it may be silent.
    Silence,
    /// The recorder itself did not run: what came meanwhile may be lost, and what waited is stamped late.
    OwnStall,
    /// The wall clock was set: stamps before and after it do not compare, elapsed time does.
    ClockStep,
    /// Messages came faster than the disk took them.
    Overflow,
    /// The database was held by another program for a while; nothing was lost by that alone.
    Stall,
    /// There was no room on the disk for a while; nothing was lost by that alone.
    DiskFull,
    /// Messages were on the disk later than the commit interval and a sync promise; nothing was lost by that alone.
    SyncedLate,
    /// The file could not be used any more: the recording went on in another one.
    Moved,
    /// Messages were larger than a message may be.
    TooLarge,
    /// A peer was cut off, because it sent more than could be held.
    Cut,
    /// Somebody connected to a bound endpoint with a key that is admitted.
    Admitted,
    /// Somebody could not connect to a bound endpoint: it has no key, or one that is not admitted.
    Refused,
    /// The device's own numbers say that messages were lost on their way.
    CounterGap,
    /// A message came after others that the device sent later.
    CounterReorder,
    /// A number came again.
    CounterRepeat,
    /// Across a link break, the device began to count anew.
    CounterRestart,
    /// The device's numbers jumped, and no link broke: what is missing is not known.
    CounterJump,
    /// The archive did not have what is stored here, for longer than it takes to elect a leader; nothing was lost by that.
    ArchiveLag,
    /// An older session was deleted to make room.
    Deleted,
    /// The recorder was not there: nothing was recorded until the next session.
    Gap,
    /// The database could not be written any more.
    Failed,
    /// Messages of the session that this one was made of are damaged, and not here.
    Damaged,
    /// Somebody set a mark.
    Mark,
    /// The condition of the trigger began to hold.
    Trigger,
    /// Messages that the trigger did not keep. That is no loss.
    NotTriggered,
}

impl Kind {
    /// The name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Unreached => "unreached",
            Self::Silence => "silence",
            Self::OwnStall => "own-stall",
            Self::ClockStep => "clock-step",
            Self::Overflow => "overflow",
            Self::Stall => "stall",
            Self::DiskFull => "disk-full",
            Self::SyncedLate => "synced-late",
            Self::Moved => "moved",
            Self::TooLarge => "too-large",
            Self::Cut => "cut",
            Self::Admitted => "admitted",
            Self::Refused => "refused",
            Self::CounterGap => "counter-gap",
            Self::CounterReorder => "counter-reorder",
            Self::CounterRepeat => "counter-repeat",
            Self::CounterRestart => "counter-restart",
            Self::CounterJump => "counter-jump",
            Self::ArchiveLag => "archive-lag",
            Self::Deleted => "deleted",
            Self::Gap => "gap",
            Self::Failed => "failed",
            Self::Damaged => "damaged",
            Self::Mark => "mark",
            Self::Trigger => "trigger",
            Self::NotTriggered => "not-triggered",
        }
    }
}

/// What an entry says of what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// All of it.
    Whole,
    /// That it begins; its end follows.
    Begins,
    /// That it ends, which belongs into the entry of its beginning.
    Ends,
    /// That it goes on: for the log alone.
    GoesOn,
    /// How many messages were lost while the link was down that has just come up.
    Fills,
}

/// One entry: a moment or an interval, and what was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: Kind,
    /// When it began, wall clock.
    pub unix_ns: i64,
    /// When it began, since the session began.
    pub elapsed_ns: i64,
    /// When it ended, since the session began; `None` for a moment.
    pub until_elapsed_ns: Option<i64>,
    /// Whose link it is about, if it is about one.
    pub endpoint: Option<String>,
    /// The peer, where several have one endpoint.
    pub peer: Option<String>,
    /// Messages lost; `None` when nobody knows.
    pub lost: Option<u64>,
    /// The cause in words.
    pub detail: Option<String>,
    /// How much of what happened is over.
    pub phase: Phase,
}

impl Event {
    /// An entry for a moment, about no link and without a cause in words.
    pub fn at(unix_ns: i64, elapsed_ns: i64, kind: Kind, lost: Option<u64>) -> Self {
        Self {
            kind,
            unix_ns,
            elapsed_ns,
            until_elapsed_ns: None,
            endpoint: None,
            peer: None,
            lost,
            detail: None,
            phase: Phase::Whole,
        }
    }

    /// The session began later by this much than when this was noted. What began before it began with it.
    pub fn begin_later(&mut self, by_ns: i64) {
        self.elapsed_ns = self.elapsed_ns.saturating_sub(by_ns).max(0);
        self.until_elapsed_ns = self.until_elapsed_ns.map(|until_ns| until_ns.saturating_sub(by_ns).max(0));
    }
}
