use proptest::prelude::*;

use super::*;
use crate::message::{FIRST_DIGEST, Mark};
use crate::store::nats::parts::{PART_MAX_BYTES, Parts, Whole};

/// A message as it is made up: its stream, both times, and the frames behind its topic.
type Made = (usize, i64, i64, Vec<Vec<u8>>);

fn streams() -> BTreeMap<i64, Key> {
    let place = |endpoint, framing, topic: &[u8]| Key { endpoint, framing, topic: topic.to_vec() };
    BTreeMap::from([
        (7, place(1, Framing::Space, b"fancyhw_data")),
        (9, place(2, Framing::Frames, b"cam\0")),
        (12, place(u32::MAX, Framing::Whole, b"")),
    ])
}

fn batch(messages: &[Made]) -> Batch {
    let (streams, mut batch) = (streams(), Batch::default());
    for (place, unix_ns, elapsed_ns, frames) in messages {
        let (row, stream) = streams.iter().nth(*place).unwrap();
        let mut entry = batch.message(Origin(stream.endpoint), *unix_ns, *elapsed_ns);
        match stream.framing {
            Framing::Space => entry.frame(&[&stream.topic, b" ", &frames.concat()]),
            Framing::Frames => {
                entry.frame(&[&stream.topic]);
                frames.iter().for_each(|frame| entry.frame(&[frame]));
            }
            Framing::Whole => frames.iter().for_each(|frame| entry.frame(&[frame])),
        }
        batch.push_place(0, *row);
    }
    batch
}

/// One commit for each of the lengths, and the bundle of all in pieces.
fn sent(batch: &Batch, lengths: &[usize]) -> (Vec<Committed>, Vec<Vec<u8>>) {
    let (mut digest, mut commits, mut from) = (FIRST_DIGEST, Vec::new(), 0);
    for &messages in lengths {
        let mut one = Batch::default();
        for message in batch.messages().skip(from).take(messages) {
            let mut entry = one.message(message.origin, message.unix_ns, message.elapsed_ns);
            message.frames().for_each(|frame| entry.frame(&[frame]));
        }
        digest = one.digest(&digest, from as i64);
        commits.push(Committed { messages, unix_ns: from as i64, digest });
        from += messages;
    }
    let mut parts = Vec::new();
    let mut out = Parts::new(|part: Vec<u8>| {
        parts.push(part);
        Ok(())
    })
    .unwrap();
    let streams = streams();
    let bundle = Bundle { first_number: 0, previous: &FIRST_DIGEST, commits: &commits, batch, streams: &streams };
    bundle.write(&mut out).unwrap();
    let last = out.finish().unwrap();
    parts.push(last);
    (commits, parts)
}

/// Read it, compare all digests, and give all messages.
fn received(parts: Vec<Vec<u8>>) -> io::Result<(Vec<Committed>, Batch)> {
    let mut unbundling = Unbundling::new(Whole::new(parts)?)?;
    let (mut all, mut commits, mut digest) = (Batch::default(), Vec::new(), *unbundling.previous());
    let mut first_number = unbundling.first_number();
    loop {
        let mark: Mark = all.mark();
        let Some(commit) = unbundling.next(&mut all)? else { return Ok((commits, all)) };
        let mut digester = crate::message::Digester::new(&digest, first_number);
        digester.add(&all, mark);
        digest = digester.finish();
        assert_eq!(digest, commit.digest);
        first_number += commit.messages as i64;
        commits.push(commit);
    }
}

fn message() -> impl Strategy<Value = Made> {
    let frames = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4);
    (0..3_usize, any::<i64>(), any::<i64>(), frames)
}

proptest! {
    #[test]
    fn what_is_bundled_comes_out_byte_for_byte(
        messages in prop::collection::vec(message(), 1..40),
        cut in 1..40_usize,
    ) {
        let batch = batch(&messages);
        let cut = cut.min(messages.len());
        let lengths: Vec<usize> = [cut, messages.len() - cut].into_iter().filter(|length| *length > 0).collect();
        let (commits, parts) = sent(&batch, &lengths);
        let (found, all) = received(parts).unwrap();
        prop_assert_eq!(found, commits);
        prop_assert_eq!(all.digest(&FIRST_DIGEST, 0), batch.digest(&FIRST_DIGEST, 0));
    }

    #[test]
    fn what_is_no_bundle_is_refused_or_read_and_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = bytes;
        bytes.insert(0, VERSION);
        if let Ok(mut unbundling) = Unbundling::new(&bytes[..]) {
            let mut batch = Batch::default();
            while let Ok(Some(_)) = unbundling.next(&mut batch) {}
        }
    }
}

#[test]
fn a_large_message_goes_in_parts_and_a_changed_or_missing_byte_is_seen() {
    // Noise, which cannot be made smaller.
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"seed");
    let mut noise = vec![0; 3 * PART_MAX_BYTES];
    hasher.finalize_xof().fill(&mut noise);
    let (commits, parts) = sent(&batch(&[(2, 5, 3, vec![noise, Vec::new()])]), &[1]);
    assert!(parts.len() > 3 && parts.iter().all(|part| part.len() <= PART_MAX_BYTES));
    assert_eq!(received(parts.clone()).unwrap().0, commits);
    for place in 0..parts.len() {
        let mut changed = parts.clone();
        changed.remove(place);
        assert!(received(changed).is_err());
    }
    let mut longer = parts;
    longer.push(b"more".to_vec());
    assert!(received(longer).is_err());
}

#[test]
fn what_is_announced_takes_no_memory() {
    let mut huge = vec![VERSION];
    huge.extend([0; 40]);
    huge.extend([1, 7, 1, 2, 0]);
    huge.push(1);
    huge.push(1);
    huge.extend([0; 40]);
    number(HEADS_MAX_BYTES, &mut huge);
    assert_eq!(Unbundling::new(&huge[..]).unwrap_err().to_string(), "it ends too early");
    huge.pop();
    huge.push(0x7f);
    assert_eq!(Unbundling::new(&huge[..]).unwrap_err().to_string(), "it announces more than a recorder writes");
}

#[test]
fn numbers_are_written_and_read() {
    for value in [0, 1, -1, 63, 64, -65, i64::MAX, i64::MIN] {
        let mut bytes = Vec::new();
        signed(value, &mut bytes);
        assert_eq!(zigzag(count(&mut &bytes[..]).unwrap()), value);
    }
    assert!(count(&mut &[0xff; 11][..]).is_err());
    assert!(count(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02][..]).is_err());
}
