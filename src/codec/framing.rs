//! How the topic of a message is found.
//!
//! Devices do it in two ways: the topic is the first frame of several, or stands before the first space of the only frame.
//! Many have no topic at all, and their messages may look as if they had one. Unless it was told, the recorder decides for
//! each message, and opens a new topic only where that makes sense of what came so far.

use std::fmt;

use clap::ValueEnum;

/// How a topic is found in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub enum Framing {
    /// Before the first space of the only frame.
    Space,
    /// It is the first frame.
    Frames,
    /// Nowhere: there is none.
    Whole,
}

impl Framing {
    /// The framing of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::value_variants().iter().copied().find(|framing| framing.name() == name)
    }

    /// Its name in the database and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Space => "space",
            Self::Frames => "frames",
            Self::Whole => "whole",
        }
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The byte that ends a topic in a frame.
pub const SEPARATOR: u8 = b' ';

/// The longest topic in bytes.
pub const TOPIC_MAX_BYTES: usize = 255;

/// The most topics of an endpoint; messages of further ones have none.
pub const TOPICS_MAX: usize = 65_536;

/// So many topics may be new, one after the other; then there must be messages that have them. With the messages that have
/// none, these are 256 streams.
const FREE_TOPICS: u64 = 255;

/// ... as many as this for each topic.
const MESSAGES_PER_TOPIC: u64 = 8;

/// A frame that begins with one of these is JSON, XML or a quoted text, whatever stands in it.
const NO_TOPIC_BEGINS_WITH: [u8; 4] = *b"{[<\"";

/// Where the topic of a message is, if a rule says that it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed<'a> {
    /// How it was found.
    pub framing: Framing,
    /// The topic as it was sent, with a final NUL if it has one; empty if there is none.
    pub topic: &'a [u8],
}

impl Framed<'_> {
    /// No topic.
    pub const WHOLE: Framed<'static> = Framed { framing: Framing::Whole, topic: b"" };
}

/// The topic that this framing finds in a message of `frame_count` frames; none if that cannot be one.
pub fn framed(framing: Framing, first: &[u8], frame_count: usize) -> Framed<'_> {
    let topic = match framing {
        Framing::Space if frame_count == 1 => before_space(first),
        Framing::Frames if frame_count > 0 => Some(first),
        _ => None,
    };
    match topic.filter(|topic| (1..=TOPIC_MAX_BYTES).contains(&topic.len())) {
        Some(topic) => Framed { framing, topic },
        None => Framed::WHOLE,
    }
}

fn before_space(frame: &[u8]) -> Option<&[u8]> {
    let places = frame.iter().take(TOPIC_MAX_BYTES + 1).position(|&byte| byte == SEPARATOR)?;
    frame.get(..places)
}

/// Whether bytes can be a topic: printable UTF-8, but for a final NUL, and not the beginning of a document.
pub fn is_likely_topic(topic: &[u8]) -> bool {
    let text = topic.strip_suffix(b"\0").unwrap_or(topic);
    let is_begun_well = text.first().is_some_and(|byte| !NO_TOPIC_BEGINS_WITH.contains(byte));
    is_begun_well
        && topic.len() <= TOPIC_MAX_BYTES
        && std::str::from_utf8(text).is_ok_and(|text| !text.contains(char::is_control))
}

/// Finds the topics of one endpoint, of which nothing was told.
#[derive(Clone, Debug, Default)]
pub struct Guess {
    /// Messages of one frame.
    single: Seen,
    /// Messages of several.
    several: Seen,
    topics: u64,
}

/// Messages of one kind so far.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    messages: u64,
    /// Those that have a topic.
    with_topic: u64,
}

impl Guess {
    /// The next message has a topic that is known.
    pub fn saw_topic(&mut self, frame_count: usize) {
        let seen = if frame_count > 1 { &mut self.several } else { &mut self.single };
        seen.messages += 1;
        seen.with_topic += 1;
    }

    /// The topic of the next message. `is_known` says whether the endpoint has sent this topic already.
    pub fn next<'a>(
        &mut self,
        first: &'a [u8],
        frame_count: usize,
        is_known: impl FnOnce(Framed<'_>) -> bool,
    ) -> Framed<'a> {
        let (framing, seen) = match frame_count {
            0 | 1 => (Framing::Space, &mut self.single),
            _ => (Framing::Frames, &mut self.several),
        };
        let framed = Some(framed(framing, first, frame_count)).filter(|framed| is_likely_topic(framed.topic));
        let has_room = seen.with_topic >= seen.messages.div_ceil(2)
            && self.topics < TOPICS_MAX as u64
            && (self.topics < FREE_TOPICS || seen.messages >= self.topics.saturating_mul(MESSAGES_PER_TOPIC));
        seen.messages += 1;
        let Some(framed) = framed else { return Framed::WHOLE };
        let is_known = is_known(framed);
        if !is_known && !has_room {
            return Framed::WHOLE;
        }
        self.topics += u64::from(!is_known);
        seen.with_topic += 1;
        framed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The topics that are found in these messages, and how many messages have one.
    fn topics(messages: impl Iterator<Item = Vec<u8>>) -> (usize, usize) {
        let (mut guess, mut known, mut with_topic) = (Guess::default(), HashSet::new(), 0);
        for message in messages {
            let framed = guess.next(&message, 1, |framed| known.contains(framed.topic));
            if framed.framing == Framing::Space {
                known.insert(framed.topic.to_vec());
                with_topic += 1;
            }
        }
        (known.len(), with_topic)
    }

    #[test]
    fn a_topic_stands_before_the_space_or_is_the_first_frame() {
        let guess = |first, frame_count| Guess::default().next(first, frame_count, |_| false);
        let space = |topic| Framed { framing: Framing::Space, topic };
        let frames = |topic| Framed { framing: Framing::Frames, topic };
        assert_eq!(guess(b"fancyhw_data ab cd", 1), space(b"fancyhw_data".as_slice()));
        assert_eq!(guess("m\u{fc}hle x".as_bytes(), 1), space("m\u{fc}hle".as_bytes()));
        assert_eq!(guess(b"DATA\0", 3), frames(b"DATA\0".as_slice()));
        assert_eq!(guess(b"with space", 2), frames(b"with space".as_slice()));
        for (first, frame_count) in [
            (&b"{\"temp\": 21}"[..], 1),
            (b"[1, 2]", 1),
            (b"<xml a=1>", 1),
            (b"\"a b\"", 1),
            (b"no-space", 1),
            (b" leading", 1),
            (b"", 1),
            (b"a\x01b c", 1),
            (b"\xff\xfe c", 1),
            (b"{\"dtype\": \"<i2\"}", 2),
            (b"", 2),
            (b"\0", 2),
            (b"", 0),
        ] {
            assert_eq!(guess(first, frame_count), Framed::WHOLE, "{}", first.escape_ascii());
        }
        let long = [b'a'; TOPIC_MAX_BYTES + 1];
        assert_eq!((guess(&long, 2), guess(&long[1..], 2)), (Framed::WHOLE, frames(&long[1..])));
    }

    #[test]
    fn what_was_told_needs_not_to_be_likely() {
        let told = |framing, first, frame_count| framed(framing, first, frame_count).topic;
        assert_eq!(told(Framing::Space, b"\xff{ x", 1), b"\xff{");
        assert_eq!(told(Framing::Frames, b"\x01", 2), b"\x01");
        assert_eq!(told(Framing::Frames, b"alone", 1), b"alone");
        for (framing, first, frame_count) in [
            (Framing::Space, &b"a b"[..], 2),
            (Framing::Space, b" b", 1),
            (Framing::Frames, b"", 2),
            (Framing::Frames, b"", 0),
            (Framing::Whole, b"a b", 1),
        ] {
            assert_eq!(framed(framing, first, frame_count), Framed::WHOLE);
        }
    }

    #[test]
    fn a_device_without_topics_cannot_invent_many() {
        let mut random = blake3::Hasher::new().finalize_xof();
        let bytes = |number: usize| {
            let mut bytes = vec![0; 1 + number % 2000];
            random.fill(&mut bytes);
            bytes
        };
        assert!(topics((0..20_000).map(bytes)).0 <= 1);
        assert_eq!(topics((0..10_000).map(|n| format!("{{\"temp\": {n}}}").into_bytes())).0, 0);
        assert_eq!(topics((0..100_000).map(|n| format!("{n}.5 {n}.7").into_bytes())), (255, 255));
    }

    #[test]
    fn a_device_with_many_topics_gets_them() {
        let messages = 100_000;
        let (found, with_topic) = topics((0..messages).map(|n| format!("sensor/{} {n}", n % 300).into_bytes()));
        assert_eq!(found, 300);
        assert!(messages - with_topic <= messages / 50, "{with_topic}");
    }
}
