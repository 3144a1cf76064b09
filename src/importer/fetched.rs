//! A session of an archive: the same commits again.

use std::collections::HashMap;

use crate::codec::stream::{Key, Stream, after_topic, assume};
use crate::error::Error;
use crate::importer::Watch;
use crate::message::{Batch, Digest, FIRST_DIGEST};
use crate::store::nats::Failure;
use crate::store::{Commits, ProvenCommit, Recording, Restored, ToCommit};
use crate::streams::Sorted;

/// Memory for how streams are read: what one bundle names is bounded, and they are many.
const STREAMS_MAX: usize = 1 << 20;

/// Write all messages of a session into one that has just begun. Gives their number.
///
/// # Errors
/// When they cannot be read or are damaged, the database cannot be written, or a stop is asked for.
pub fn fetch<C: Commits>(
    commits: &mut C,
    restored: &Restored,
    recording: &mut Recording,
    watch: &Watch<'_>,
) -> std::result::Result<u64, C::Error>
where
    C::Error: From<Error>,
{
    let (mut known, mut sorted, mut batch) = (Known::new(restored), Sorted::default(), Batch::default());
    let mut messages = 0;
    while let Some(commit) = commits.next(&mut batch)? {
        (sorted.streams, sorted.faults) = (Vec::new(), Vec::new());
        for (number, (message, stream)) in batch.messages().zip(batch.streams()).enumerate() {
            let of = commits.stream(*stream).ok_or_else(|| recording.refuse("a message has no stream".to_owned()))?;
            let found = known.place(of, message.frames());
            let found = found.ok_or_else(|| recording.refuse("its streams are more than there can be".to_owned()))?;
            if let Some(stream) = known.streams.get(found)
                && let Err(why) = stream.check(message.frames())
            {
                sorted.faults.push((number, why.to_string()));
            }
            sorted.streams.push(found);
        }
        let what =
            ToCommit { batch: &batch, streams: &known.streams, sorted: &sorted, unwanted: 0, events: &[], ended: None };
        recording.commit_again(&what, commit.unix_ns)?;
        recording.checkpoint()?;
        messages += commit.messages as u64;
        watch.at(messages)?;
        batch.clear();
    }
    Ok(messages)
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
pub fn prove(commits: &mut impl Commits<Error = Failure>, watch: &Watch<'_>) -> std::result::Result<Proof, Failure> {
    let (mut whole, mut batch) = (Walked::default(), Batch::default());
    loop {
        batch.clear();
        match commits.next(&mut batch) {
            Ok(Some(commit)) => whole = whole.and(&commit),
            Ok(None) => return Ok(Proof { whole, damage: None }),
            Err(Failure::Damaged(what)) => return Ok(Proof { whole, damage: Some(what) }),
            Err(failure) => return Err(failure),
        }
        watch.at(whole.messages)?;
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
    /// With one commit more.
    fn and(&self, commit: &ProvenCommit) -> Self {
        let messages = self.messages.saturating_add(commit.messages as u64);
        Self { messages, commits: self.commits + 1, digest: commit.digest }
    }
}

/// The streams so far.
struct Known {
    /// How they are read, as the session is described.
    described: HashMap<Key, Stream>,
    streams: Vec<Stream>,
    places: HashMap<Key, usize>,
    last: Option<(Key, usize)>,
}

impl Known {
    fn new(restored: &Restored) -> Self {
        let described = restored.streams.iter().map(|(_, stream)| (stream.key(), stream.clone())).collect();
        Self { described, streams: Vec::new(), places: HashMap::new(), last: None }
    }

    /// The place of the stream of a message, which may be its first one.
    fn place<'f>(&mut self, key: &Key, frames: impl Iterator<Item = &'f [u8]> + Clone) -> Option<usize> {
        if let Some((last, place)) = &self.last
            && last == key
        {
            return Some(*place);
        }
        let place = match self.places.get(key) {
            Some(place) => *place,
            None if self.streams.len() >= STREAMS_MAX => return None,
            None => {
                let stream = self.described.get(key).cloned().unwrap_or_else(|| {
                    let layout = assume(&key.topic, false, after_topic(key.framed(), frames));
                    Stream::assumed(key.clone(), layout)
                });
                self.streams.push(stream);
                self.places.insert(key.clone(), self.streams.len() - 1);
                self.streams.len() - 1
            }
        };
        self.last = Some((key.clone(), place));
        Some(place)
    }
}
