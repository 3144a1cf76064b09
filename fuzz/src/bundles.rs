//! What an archive may answer: the first byte says whether a bundle as it is, compressed parts, or what is known of a session follows.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};

use fancyhwd::codec::stream::Key;
use fancyhwd::message::{Batch, Digest, Digester, FIRST_DIGEST, Mark};
use fancyhwd::store::Restored;
use fancyhwd::store::nats::bundle::{Bundle, Committed, Unbundling};
use fancyhwd::store::nats::parts::Whole;

/// See the rules.
pub fn run(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    match kind % 3 {
        0 => bundle(data),
        1 => {
            let half = data.len() / 2;
            let parts = vec![data[..half].to_vec(), data[half..].to_vec()];
            if let Ok(whole) = Whole::new(parts) {
                // A few bytes may say that gigabytes follow.
                let _ = read(whole.take(1 << 20));
            }
        }
        _ => {
            let mut lines = BufReader::new(data);
            let _ = Restored::read(&mut lines);
        }
    }
}

/// All of a bundle.
struct All {
    first_number: i64,
    previous: Digest,
    commits: Vec<Committed>,
    batch: Batch,
    streams: BTreeMap<i64, Key>,
}

impl All {
    /// What is the same however often it is written and read.
    fn essence(&self) -> (i64, Digest, &[Committed], Digest) {
        let mut digester = Digester::new(&FIRST_DIGEST, 0);
        digester.add(&self.batch, Mark::default());
        (self.first_number, self.previous, &self.commits, digester.finish())
    }
}

fn read(from: impl Read) -> Option<All> {
    let mut unbundling = Unbundling::new(from).ok()?;
    let (mut commits, mut batch) = (Vec::new(), Batch::default());
    while let Some(commit) = unbundling.next(&mut batch).ok()? {
        commits.push(commit);
    }
    let streams = unbundling.streams().iter().enumerate().map(|(place, (_, stream))| (place as i64, stream.clone()));
    let (first_number, previous) = (unbundling.first_number(), *unbundling.previous());
    Some(All { first_number, previous, commits, batch, streams: streams.collect() })
}

/// What can be read is written again, and read as the same.
fn bundle(data: &[u8]) {
    let Some(all) = read(data) else { return };
    let All { first_number, previous, commits, batch, streams } = &all;
    let mut written = Vec::new();
    let bundle = Bundle { first_number: *first_number, previous, commits, batch, streams };
    bundle.write(&mut written).unwrap();
    let again = read(&written[..]).expect("it was written by us");
    assert_eq!(again.essence(), all.essence());
}
