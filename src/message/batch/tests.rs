//! Batches that are filled, cut and digested.

use proptest::prelude::*;

use super::*;
use crate::message::FIRST_DIGEST;

fn frames_of(batch: &Batch) -> Vec<(u32, i64, i64, Vec<Vec<u8>>)> {
    batch
        .messages()
        .map(|message| {
            (message.origin.0, message.unix_ns, message.elapsed_ns, message.frames().map(<[u8]>::to_vec).collect())
        })
        .collect()
}

proptest! {
    #[test]
    fn messages_come_out_as_they_went_in(
        messages in prop::collection::vec(
            (any::<u32>(), any::<i64>(), any::<i64>(), prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5)),
            0..20,
        )
    ) {
        let mut batch = Batch::default();
        for (origin, unix_ns, elapsed_ns, frames) in &messages {
            let mut entry = batch.message(Origin(*origin), *unix_ns, *elapsed_ns);
            for frame in frames {
                let (left, right) = frame.split_at(frame.len() / 2);
                entry.frame(&[left, right]);
            }
        }
        prop_assert_eq!(batch.len(), messages.len());
        prop_assert_eq!(batch.last().map(|last| last.unix_ns), messages.last().map(|last| last.1));
        prop_assert_eq!(frames_of(&batch), messages.clone());

        // One by one into another one, behind what is there.
        let mut copy = batch.compact();
        let mut mark = Mark::default();
        while let Some((message, behind)) = batch.next_behind(mark) {
            let unix_ns = message.unix_ns;
            copy.append(&batch, mark, behind);
            prop_assert_eq!(copy.last().map(|last| last.unix_ns), Some(unix_ns));
            mark = behind;
        }
        prop_assert_eq!(copy.len(), 2 * messages.len());
        prop_assert_eq!(frames_of(&copy), [messages.clone(), messages].concat());
    }
}

/// What each message holds besides its number.
type Append = fn(&mut Entry<'_>, usize);

fn a_part_is_digested_kept_and_removed(append: Append) {
    let add = |batch: &mut Batch, numbers: &[i64]| {
        for &number in numbers {
            append(&mut batch.message(Origin(1), number, number), number as usize);
            batch.push_place(number, 1);
        }
    };
    let numbered = |numbers: &[i64]| {
        let mut batch = Batch::default();
        add(&mut batch, numbers);
        batch
    };
    let mut batch = numbered(&[1, 2]);
    let mark = batch.mark();
    add(&mut batch, &[3, 4, 5, 6]);
    let mut digester = Digester::new(&FIRST_DIGEST, 3);
    digester.add(&batch, mark);
    assert_eq!(digester.finish(), numbered(&[3, 4, 5, 6]).digest(&FIRST_DIGEST, 3));
    batch.retain_from(mark, |number| number % 2 == 0);
    assert_eq!((frames_of(&batch), batch.numbers()), (frames_of(&numbered(&[1, 2, 4, 6])), [1, 2, 4, 6].as_slice()));
    assert_eq!(batch.last().map(|last| last.unix_ns), Some(6));
    batch.truncate(mark);
    assert_eq!((frames_of(&batch), batch.numbers()), (frames_of(&numbered(&[1, 2])), [1, 2].as_slice()));
    assert_eq!(batch.last().map(|last| last.unix_ns), Some(2));
    assert_eq!(batch.bytes(), numbered(&[1, 2]).bytes());
}

#[test]
fn a_part_of_a_batch_is_digested_kept_and_removed() {
    a_part_is_digested_kept_and_removed(|entry, number| entry.frame(&[&vec![7; number]]));
}

#[test]
fn so_is_one_with_large_frames() {
    a_part_is_digested_kept_and_removed(|entry, number| {
        for size in [number, LARGE_FRAME_BYTES + number, 0, LARGE_FRAME_BYTES].into_iter().take(number) {
            entry.take(&mut vec![number as u8; size], Vec::new);
        }
    });
}

#[test]
fn a_large_frame_is_the_same_as_a_copy_of_it() {
    let (mut taken, mut copied) = (Batch::default(), Batch::default());
    for size in [5, LARGE_FRAME_BYTES, LARGE_FRAME_BYTES + 1, LARGE_FRAME_BYTES - 1] {
        let frame = vec![size as u8; size];
        taken.message(Origin(1), 2, 3).take(&mut frame.clone(), Vec::new);
        copied.message(Origin(1), 2, 3).frame(&[&frame]);
    }
    assert_eq!(taken.large.len(), 2);
    assert_eq!(frames_of(&taken), frames_of(&copied));
    assert_eq!(taken.digest(&FIRST_DIGEST, 1), copied.digest(&FIRST_DIGEST, 1));
    assert_eq!((taken.bytes(), taken.len()), (copied.bytes(), copied.len()));
    assert_eq!(taken.last().map(|last| last.bytes()), Some(LARGE_FRAME_BYTES - 1));
}
