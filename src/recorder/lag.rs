//! How long the archive could not follow what is stored, for the ledger.

use crate::observe::snapshot::Archive;
use crate::time::clock::NS_PER_S;

/// What is not archived for so long is behind, also when nothing is wrong with the archive.
const BEHIND_S: u64 = 60;

/// What passes sooner, as the election of a leader does, is not worth an entry.
const NOTED_NS: i64 = 10 * NS_PER_S;

/// Follows how far the archive is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    now: Option<Lagged>,
    over: Option<Lagged>,
}

/// The archive was behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lagged {
    /// Since when, on the monotonic clock.
    pub since_ns: i64,
    /// By how many messages at most.
    pub messages: u64,
    /// What was wrong with it last.
    pub trouble: Option<String>,
}

impl Lag {
    /// The archive is so far now.
    pub fn follow(&mut self, archive: &Archive, now_ns: i64) {
        let is_behind = archive.trouble.is_some() || archive.behind_s >= BEHIND_S;
        if !is_behind {
            self.end(now_ns);
            return;
        }
        let since_ns = now_ns - i64::try_from(archive.behind_s).unwrap_or(0).saturating_mul(NS_PER_S);
        let lagged = self.now.get_or_insert(Lagged { since_ns, messages: 0, trouble: None });
        lagged.messages = lagged.messages.max(archive.behind);
        if archive.trouble.is_some() {
            lagged.trouble.clone_from(&archive.trouble);
        }
    }

    /// Nobody follows any more.
    pub fn end(&mut self, now_ns: i64) {
        let lagged = self.now.take().filter(|lagged| now_ns - lagged.since_ns >= NOTED_NS);
        self.over = lagged.or(self.over.take());
    }

    /// What is over and was not taken.
    pub fn take(&mut self) -> Option<Lagged> {
        self.over.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(behind: u64, behind_s: u64, trouble: Option<&str>) -> Archive {
        Archive { archived: 0, behind, behind_s, trouble: trouble.map(str::to_owned) }
    }

    #[test]
    fn what_lasts_is_noted_with_its_cause_when_it_is_over() {
        let mut lag = Lag::default();
        let s = NS_PER_S;
        lag.follow(&archive(5, 1, Some("gone")), 100 * s);
        lag.follow(&archive(900, 30, Some("gone")), 129 * s);
        assert_eq!(lag.take(), None);
        lag.follow(&archive(0, 0, None), 130 * s);
        let noted = Lagged { since_ns: 99 * s, messages: 900, trouble: Some("gone".to_owned()) };
        assert_eq!((lag.take(), lag.take()), (Some(noted), None));
        // An election, and being busy.
        lag.follow(&archive(5, 1, Some("electing")), 200 * s);
        lag.follow(&archive(5, 5, None), 205 * s);
        assert_eq!(lag.take(), None);
        // Slow, with nothing wrong.
        lag.follow(&archive(70, 60, None), 300 * s);
        lag.end(301 * s);
        assert_eq!(lag.take(), Some(Lagged { since_ns: 240 * s, messages: 70, trouble: None }));
    }
}
