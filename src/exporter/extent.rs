//! How much of which topic is in a session.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::exporter::Watch;
use crate::store::{Database, Session, Stamp};

/// Topics that are told apart. Each message may have its own, and memory is to stay small.
const TOPICS_MAX: usize = 500_000;

/// How much there is of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// Packets.
    pub packets: u64,
    /// Bytes of samples in them.
    pub bytes: u64,
    /// Bytes of samples in the first of them.
    pub first_bytes: u64,
    /// When the first one came, since the session began.
    pub first_elapsed_ns: i64,
    /// When the last one came.
    pub last_elapsed_ns: i64,
}

impl Extent {
    /// One packet.
    fn of(stamp: Stamp) -> Self {
        let Stamp { bytes, elapsed_ns, .. } = stamp;
        Self { packets: 1, bytes, first_bytes: bytes, first_elapsed_ns: elapsed_ns, last_elapsed_ns: elapsed_ns }
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        let (first, second) = match (self.packets, other.packets) {
            (0, _) => return other,
            (_, 0) => return self,
            _ if other.first_elapsed_ns < self.first_elapsed_ns => (other, self),
            _ => (self, other),
        };
        Self {
            packets: first.packets + second.packets,
            bytes: first.bytes.saturating_add(second.bytes),
            last_elapsed_ns: first.last_elapsed_ns.max(second.last_elapsed_ns),
            ..first
        }
    }
}

/// Count the packets of a session by topic: the id of each topic that occurs, and how much there is of it.
///
/// # Errors
/// When the database cannot be read, there are too many topics, or a stop is asked for.
pub(super) fn by_topic(database: &Database, session: &Session, watch: &Watch<'_>) -> Result<BTreeMap<i64, Extent>> {
    let mut topics = BTreeMap::<i64, Extent>::new();
    database.stamps(session, &mut |done| watch.at(done), |stamp| {
        if let Some(topic_id) = stamp.topic_id
            && (topics.len() <= TOPICS_MAX || topics.contains_key(&topic_id))
        {
            let so_far = topics.entry(topic_id).or_default();
            *so_far = so_far.and(Extent::of(stamp));
        }
    })?;
    // What has no name is damaged, and not exported.
    let mut nameless = Vec::new();
    for &topic_id in topics.keys().filter(|_| topics.len() > 1) {
        if database.topic(topic_id)?.is_none() {
            nameless.push(topic_id);
        }
    }
    topics.retain(|topic_id, _| nameless.binary_search(topic_id).is_err());
    match topics.len() <= TOPICS_MAX {
        true => Ok(topics),
        false => Err(Error::Export {
            to: watch.to().to_owned(),
            cause: format!("session {} has more than {TOPICS_MAX} topics", session.id),
            hint: "export all of them with --format csv or jsonl, and choose there",
            exit: Exit::Failed,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_add_up_in_any_order() {
        let of = |bytes, elapsed_ns| Extent::of(Stamp { number: 0, elapsed_ns, topic_id: Some(1), bytes });
        let (early, late) = (of(10, 1), of(20, 5));
        let both = Extent { packets: 2, bytes: 30, first_bytes: 10, first_elapsed_ns: 1, last_elapsed_ns: 5 };
        assert_eq!(early.and(late), both);
        assert_eq!(late.and(early), both);
        assert_eq!(Extent::default().and(late), late);
        assert_eq!(late.and(Extent::default()), late);
    }
}
