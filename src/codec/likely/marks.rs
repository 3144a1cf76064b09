//! Signs that binary frames are no numbers, but something with a structure of its own.

/// So many letters in a row at the same place of every frame are a name.
const NAME_LETTERS: usize = 4;

/// ... or so many at the very beginning.
const PREFIX_LETTERS: usize = 3;

/// Names are looked for in so many bytes.
const LOOKED_AT_BYTES: usize = 256;

/// How deep a MessagePack value may be nested.
const DEPTH_MAX: usize = 32;

/// What the frames are instead of numbers, if there are signs of it.
pub(super) fn structure(frames: &[&[u8]]) -> Option<&'static str> {
    let first = frames.first()?;
    if frames.iter().all(|frame| matches!(frame, [0x80, 2..=5, .., b'.'])) {
        return Some("a Python pickle");
    }
    if frames.iter().all(|frame| is_container(frame) && message_pack(frame, 0) == Some(&[])) {
        return Some("MessagePack");
    }
    let first = first.get(..LOOKED_AT_BYTES).unwrap_or(first);
    let mut letters = 0;
    for (place, byte) in first.iter().enumerate() {
        let is_same = frames.iter().all(|frame| frame.get(place) == Some(byte));
        letters = if is_same && byte.is_ascii_alphabetic() { letters + 1 } else { 0 };
        if letters == NAME_LETTERS || letters == PREFIX_LETTERS && place + 1 == PREFIX_LETTERS {
            return Some("there is a name in every message");
        }
    }
    None
}

fn is_container(frame: &[u8]) -> bool {
    matches!(frame.first(), Some(0x80..=0x9f | 0xdc..=0xdf))
}

/// What follows a MessagePack value, if there is one.
fn message_pack(bytes: &[u8], depth: usize) -> Option<&[u8]> {
    let (&kind, rest) = bytes.split_first().filter(|_| depth <= DEPTH_MAX)?;
    let count = |bytes: usize| -> Option<(usize, &[u8])> {
        let (count, rest) = rest.split_at_checked(bytes)?;
        Some((count.iter().fold(0, |count, byte| count << 8 | usize::from(*byte)), rest))
    };
    let low = |bits: u32| usize::from(kind) & ((1 << bits) - 1);
    // How many bytes follow, and how many values.
    let (held_bytes, values, rest) = match kind {
        0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => (0, 0, rest),
        0x80..=0x8f => (0, 2 * low(4), rest),
        0x90..=0x9f => (0, low(4), rest),
        0xa0..=0xbf => (low(5), 0, rest),
        0xc1 => return None,
        0xc4..=0xc6 | 0xd9..=0xdb => {
            let (bytes, rest) = count(if kind < 0xd0 { 1 << (kind - 0xc4) } else { 1 << (kind - 0xd9) })?;
            (bytes, 0, rest)
        }
        0xc7..=0xc9 => {
            let (bytes, rest) = count(1 << (kind - 0xc7))?;
            (bytes.checked_add(1)?, 0, rest)
        }
        0xca => (4, 0, rest),
        0xcb => (8, 0, rest),
        0xcc..=0xd3 => (1 << low(2), 0, rest),
        0xd4..=0xd8 => (1 + (1 << (kind - 0xd4)), 0, rest),
        0xdc..=0xdf => {
            let (values, rest) = count(if kind % 2 == 0 { 2 } else { 4 })?;
            (0, if kind < 0xde { values } else { values.checked_mul(2)? }, rest)
        }
    };
    (0..values).try_fold(rest.get(held_bytes..)?, |rest, _| message_pack(rest, depth + 1))
}
