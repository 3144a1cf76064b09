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
    /// All of them, in their order.
    pub const ALL: [Self; 28] = [
        Self::Connected,
        Self::Disconnected,
        Self::Unreached,
        Self::Silence,
        Self::OwnStall,
        Self::ClockStep,
        Self::Overflow,
        Self::Stall,
        Self::DiskFull,
        Self::SyncedLate,
        Self::Moved,
        Self::TooLarge,
        Self::Cut,
        Self::Admitted,
        Self::Refused,
        Self::CounterGap,
        Self::CounterReorder,
        Self::CounterRepeat,
        Self::CounterRestart,
        Self::CounterJump,
        Self::ArchiveLag,
        Self::Deleted,
        Self::Gap,
        Self::Failed,
        Self::Damaged,
        Self::Mark,
        Self::Trigger,
        Self::NotTriggered,
    ];

    /// The kind of this name; `None` where another version has more of them.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether an entry without an end is one of something that is not over.
    pub fn goes_on(self) -> bool {
        matches!(self, Self::Disconnected | Self::Unreached | Self::Silence)
    }

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

    /// `MESSAGE_ID=` in the journal: made once, and never changed.
    pub fn message_id(self) -> &'static str {
        match self {
            Self::Connected => "95425fb4548d42afb7d414d5bb06ebf2",
            Self::Disconnected => "c3961b1fb38e480597fc1dc64640deee",
            Self::Unreached => "8cbafe236c3940369cd220b343edb563",
            Self::Silence => "5475b8e52d6947b7bfff99e18b99f416",
            Self::OwnStall => "f1adee6e220b47bfa1e8dea83794b139",
            Self::ClockStep => "c59d5448c47f478b9ba04be43446ec50",
            Self::Overflow => "2febc7d600fd4cb58dbed0cfe30557f8",
            Self::Stall => "ba10c61cb8214d12b2ab90fa37044e09",
            Self::DiskFull => "2f9692d4795b4924a4ca6e734f900bab",
            Self::SyncedLate => "d413dbca542e4303be7208b4c700424d",
            Self::Moved => "9cadf288ab9e422f89ee4538a9c0b4d6",
            Self::TooLarge => "f896e1cbd7a2413ca3bda9e78314ec60",
            Self::Cut => "596a4ce24902488e987d7bb464d8cd5e",
            Self::Admitted => "d32fc9c6c03a4f5f94a1c9e3c3430e89",
            Self::Refused => "64aed5b89e7943b7b83b59f4389aeb62",
            Self::CounterGap => "09e4940037a249e0b356218c7b59291c",
            Self::CounterReorder => "0e9922bcc1e44d31bce0daa159a5fbea",
            Self::CounterRepeat => "4ea9bda500d3453ab179aba17b009988",
            Self::CounterRestart => "9d20e03c79614b42b69fe15cf8443695",
            Self::CounterJump => "936583801d0047ea9e66d81408a8b045",
            Self::ArchiveLag => "bfb85f48f2244fc082946f84bcc5a46c",
            Self::Deleted => "92cf8c17439a4af291174e9e9a95fad4",
            Self::Gap => "3a353604df0b43a5898595e1773be7f2",
            Self::Failed => "3ca7e94d36fc49c6b07d21891353d59c",
            Self::Damaged => "1096d25c90264f75845be903cced06e2",
            Self::Mark => "9409cde6185c429cb271c83be0850736",
            Self::Trigger => "526478ca549e499096ea457d454f9e9d",
            Self::NotTriggered => "0172412bdf40465fa1e89451c3b48615",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_name() {
        assert_eq!(Kind::ALL.len(), Kind::NotTriggered as usize + 1);
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!((kind as usize, Kind::named(kind.name())), (place, Some(kind)));
        }
        assert_eq!(Kind::named("counter"), None);
    }
}
