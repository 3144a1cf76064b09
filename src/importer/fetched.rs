//! A session of an archive: the same commits, each compared with its digest before it is written.

use std::collections::HashMap;

use crate::codec::framing::{Framed, Framing};
use crate::codec::stream::{Stream, after_topic, assume};
use crate::importer::Watch;
use crate::message::{Batch, Digest, FIRST_DIGEST};
use crate::store::nats::bundle::Place;
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
    let mut known = Known::new(restored);
    let (mut batch, mut sorted) = (Batch::default(), Sorted::default());
    while let Some(mut bundle) = bundles.next_bundle()? {
        if bundle.first_number() != recording.next_number() || bundle.previous() != recording.digest() {
            return Err(missing(bundles, recording.next_number(), bundle.first_number()));
        }
        let places: Vec<Place> = bundle.streams().iter().map(|(_, place)| place.clone()).collect();
        loop {
            batch.clear();
            (sorted.streams, sorted.faults) = (Vec::new(), Vec::new());
            let next = bundle.next(&mut batch);
            let next = next.map_err(|cause| unreadable(bundles, recording.next_number(), &cause))?;
            let Some(commit) = next else { break };
            for (number, (message, place)) in batch.messages().zip(batch.streams()).enumerate() {
                let of = usize::try_from(*place).ok().and_then(|place| places.get(place));
                let Some(of) = of else { return Err(bundles.senseless("a message has no stream")) };
                let found = known.place(of, message.frames());
                let Some(found) = found else {
                    return Err(bundles.senseless("its streams are more than there can be"));
                };
                if let Some(stream) = known.streams.get(found)
                    && let Err(why) = stream.check(message.frames())
                {
                    sorted.faults.push((number, why.to_string()));
                }
                sorted.streams.push(found);
            }
            let what = ToCommit {
                batch: &batch,
                streams: &known.streams,
                sorted: &sorted,
                unwanted: 0,
                events: &[],
                ended: None,
            };
            recording.commit_again(&what, (commit.unix_ns, &commit.digest))?;
            recording.checkpoint()?;
            watch.at(recording.next_number().unsigned_abs())?;
        }
    }
    Ok(recording.next_number().unsigned_abs())
}

/// What the messages of a session proved to be.
#[derive(Clone, Debug)]
pub struct Proof {
    /// How many are as they were committed.
    pub messages: u64,
    /// In how many commits.
    pub commits: u64,
    /// The digest of the last of them.
    pub digest: Digest,
    /// What is wrong behind them.
    pub damage: Option<String>,
}

/// Compare all messages of a session with their digests, and keep none.
///
/// # Errors
/// When the archive cannot be read, or a stop is asked for.
pub fn prove(bundles: &mut Bundles<'_, '_>, watch: &Watch<'_>) -> std::result::Result<Proof, Failure> {
    let mut proof = Proof { messages: 0, commits: 0, digest: FIRST_DIGEST, damage: None };
    match compare(bundles, watch, &mut proof) {
        Err(Failure::Damaged(what)) => proof.damage = Some(what),
        done => done?,
    }
    Ok(proof)
}

fn compare(bundles: &mut Bundles<'_, '_>, watch: &Watch<'_>, proof: &mut Proof) -> std::result::Result<(), Failure> {
    let mut batch = Batch::default();
    while let Some(mut bundle) = bundles.next_bundle()? {
        let number = |proof: &Proof| i64::try_from(proof.messages).unwrap_or(i64::MAX);
        if bundle.first_number() != number(proof) || *bundle.previous() != proof.digest {
            return Err(missing(bundles, number(proof), bundle.first_number()));
        }
        loop {
            batch.clear();
            let next = bundle.next(&mut batch).map_err(|cause| unreadable(bundles, number(proof), &cause))?;
            let Some(commit) = next else { break };
            if batch.digest(&proof.digest, number(proof)) != commit.digest {
                let number = number(proof);
                return Err(bundles.senseless(&format!(
                    "the digest of message {number} and those behind it says that they were changed"
                )));
            }
            proof.digest = commit.digest;
            proof.messages += batch.len() as u64;
            proof.commits += 1;
        }
        watch.at(proof.messages)?;
    }
    Ok(())
}

fn missing(bundles: &Bundles<'_, '_>, number: i64, first: i64) -> Failure {
    bundles.senseless(&format!("messages {number} to {first} are not there, or are not those that it has"))
}

fn unreadable(bundles: &Bundles<'_, '_>, number: i64, cause: &std::io::Error) -> Failure {
    bundles.senseless(&format!("message {number} and those behind it cannot be read: {cause}"))
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
