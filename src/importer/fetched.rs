//! A session of an archive: the same commits, each compared with its digest before it is written.

use std::collections::HashMap;

use crate::codec::framing::{Framed, Framing};
use crate::codec::stream::{Stream, after_topic, assume};
use crate::importer::Watch;
use crate::message::{Batch, Digest, FIRST_DIGEST};
use crate::store::nats::bundle::{Committed, Place};
use crate::store::nats::{Bundles, Failure};
use crate::store::{Recording, Restored, ToCommit};
use crate::streams::Sorted;

/// Memory for how streams are read: what one bundle names is bounded, and they are many.
const STREAMS_MAX: usize = 1 << 20;

/// Write all messages of a session into one that has just begun. Gives their number.
///
/// # Errors
/// When the archive cannot be read or is damaged, the database cannot be written, or a stop is asked for.
pub fn fetch(
    bundles: &mut Bundles<'_, '_>,
    restored: &Restored,
    recording: &mut Recording,
    watch: &Watch<'_>,
) -> std::result::Result<u64, Failure> {
    let (mut known, mut sorted) = (Known::new(restored), Sorted::default());
    let walked = walk(bundles, watch, &mut |bundles, Next { batch, streams, commit, .. }| {
        (sorted.streams, sorted.faults) = (Vec::new(), Vec::new());
        for (number, (message, place)) in batch.messages().zip(batch.streams()).enumerate() {
            let of = usize::try_from(*place).ok().and_then(|place| streams.get(place));
            let Some((_, of)) = of else { return Err(bundles.senseless("a message has no stream")) };
            let found = known.place(of, message.frames());
            let Some(found) = found else { return Err(bundles.senseless("its streams are more than there can be")) };
            if let Some(stream) = known.streams.get(found)
                && let Err(why) = stream.check(message.frames())
            {
                sorted.faults.push((number, why.to_string()));
            }
            sorted.streams.push(found);
        }
        let what = ToCommit { batch, streams: &known.streams, sorted: &sorted, unwanted: 0, events: &[], ended: None };
        recording.commit_again(&what, (commit.unix_ns, &commit.digest))?;
        recording.checkpoint()?;
        Ok(())
    })?;
    Ok(walked.messages)
}

/// What the messages of a session proved to be.
#[derive(Clone, Debug)]
pub struct Proof {
    /// How many are as they were committed, in how many commits.
    pub whole: Walked,
    /// What is wrong behind them.
    pub damage: Option<String>,
}

/// Compare all messages of a session with their digests, and keep none.
///
/// # Errors
/// When the archive cannot be read, or a stop is asked for.
pub fn prove(bundles: &mut Bundles<'_, '_>, watch: &Watch<'_>) -> std::result::Result<Proof, Failure> {
    let mut whole = Walked::default();
    let walked = walk(bundles, watch, &mut |bundles, Next { batch, commit, before, .. }| {
        let number = before.number();
        if batch.digest(&before.digest, number) != commit.digest {
            let what = format!("the digest of message {number} and those behind it says that they were changed");
            return Err(bundles.senseless(&what));
        }
        whole = before.and(commit);
        Ok(())
    });
    match walked {
        Err(Failure::Damaged(what)) => Ok(Proof { whole, damage: Some(what) }),
        walked => walked.map(|whole| Proof { whole, damage: None }),
    }
}

/// How far somebody came with the commits of a session.
#[derive(Clone, Copy, Debug)]
pub struct Walked {
    /// Messages.
    pub messages: u64,
    /// Commits.
    pub commits: u64,
    /// The digest of the last of them.
    pub digest: Digest,
}

impl Default for Walked {
    fn default() -> Self {
        Self { messages: 0, commits: 0, digest: FIRST_DIGEST }
    }
}

impl Walked {
    /// The number of the next message.
    fn number(&self) -> i64 {
        i64::try_from(self.messages).unwrap_or(i64::MAX)
    }

    /// With one commit more.
    fn and(&self, commit: &Committed) -> Self {
        let messages = self.messages.saturating_add(commit.messages as u64);
        Self { messages, commits: self.commits + 1, digest: commit.digest }
    }
}

/// The next commit, whose digest nobody has looked at yet.
struct Next<'a> {
    batch: &'a Batch,
    /// The streams of its messages, by the places that the batch names.
    streams: &'a [(i64, Place)],
    commit: &'a Committed,
    /// What came before.
    before: &'a Walked,
}

/// Give one commit after the other, each of which must be said to follow the one before.
fn walk(
    bundles: &mut Bundles<'_, '_>,
    watch: &Watch<'_>,
    take: &mut dyn FnMut(&Bundles<'_, '_>, Next<'_>) -> std::result::Result<(), Failure>,
) -> std::result::Result<Walked, Failure> {
    let (mut batch, mut walked) = (Batch::default(), Walked::default());
    while let Some(mut bundle) = bundles.next_bundle()? {
        let (number, first) = (walked.number(), bundle.first_number());
        if first != number || *bundle.previous() != walked.digest {
            let what = format!("messages {number} to {first} are not there, or are not those that it has");
            return Err(bundles.senseless(&what));
        }
        loop {
            batch.clear();
            let next = bundle.next(&mut batch).map_err(|cause| {
                let number = walked.number();
                bundles.senseless(&format!("message {number} and those behind it cannot be read: {cause}"))
            })?;
            let Some(commit) = next else { break };
            take(bundles, Next { batch: &batch, streams: bundle.streams(), commit: &commit, before: &walked })?;
            walked = walked.and(&commit);
            watch.at(walked.messages)?;
        }
    }
    Ok(walked)
}

/// The streams so far.
struct Known {
    /// How they are read, as the session is described.
    described: HashMap<(u32, Framing, Vec<u8>), Stream>,
    streams: Vec<Stream>,
    places: HashMap<(u32, Framing, Vec<u8>), usize>,
    last: Option<(Place, usize)>,
}

impl Known {
    fn new(restored: &Restored) -> Self {
        let key = |stream: &Stream| (stream.endpoint, stream.framing, stream.topic.clone());
        let described = restored.streams.iter().map(|(_, stream)| (key(stream), stream.clone())).collect();
        Self { described, streams: Vec::new(), places: HashMap::new(), last: None }
    }

    /// The place of the stream of a message, which may be its first one.
    fn place<'f>(&mut self, of: &Place, frames: impl Iterator<Item = &'f [u8]> + Clone) -> Option<usize> {
        if let Some((last, place)) = &self.last
            && last == of
        {
            return Some(*place);
        }
        let key = (of.endpoint, of.framing, of.topic.clone());
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None if self.streams.len() >= STREAMS_MAX => return None,
            None => {
                let framed = Framed { framing: of.framing, topic: &of.topic };
                let stream = self.described.get(&key).cloned().unwrap_or_else(|| Stream {
                    endpoint: of.endpoint,
                    framing: of.framing,
                    topic: of.topic.clone(),
                    layout: assume(&of.topic, false, after_topic(framed, frames)),
                    is_assumed: true,
                    channels: None,
                    sample_rate_hz: None,
                    counter: None,
                });
                self.streams.push(stream);
                self.places.insert(key, self.streams.len() - 1);
                self.streams.len() - 1
            }
        };
        self.last = Some((of.clone(), place));
        Some(place)
    }
}
