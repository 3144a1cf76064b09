//! The wire: `topic 0x20 payload`, one frame per message. Pure: bytes in, envelope or what was wrong out.

use std::fmt;
use std::str::FromStr;

/// The byte that ends the topic.
pub const SEPARATOR: u8 = b' ';

/// The longest topic in bytes.
pub const TOPIC_MAX_BYTES: usize = 255;

/// The most samples in a packet that we publish.
pub const PACKET_MAX_SAMPLES: u32 = 65_536;

/// A message as it came, taken apart. The payload holds whole little-endian int16 samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// 1 to 255 bytes without a space.
    pub topic: &'a [u8],
    /// An even number of bytes, zero included.
    pub payload: &'a [u8],
}

/// Why a message is no envelope that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// More than one frame.
    SeveralFrames,
    /// More frames than are kept.
    TooManyFrames,
    /// No space, so that no topic ends.
    NoSpace,
    /// The first byte is the space.
    EmptyTopic,
    /// More than 255 bytes before the space.
    LongTopic,
    /// The payload is no whole number of int16 samples.
    OddPayload,
    /// A good envelope of a topic that nobody asked for.
    WrongTopic,
}

impl Fault {
    /// The name under which the fault stands in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::SeveralFrames => "several-frames",
            Self::TooManyFrames => "too-many-frames",
            Self::NoSpace => "no-space",
            Self::EmptyTopic => "empty-topic",
            Self::LongTopic => "long-topic",
            Self::OddPayload => "odd-payload",
            Self::WrongTopic => "wrong-topic",
        }
    }
}

/// Take one frame apart. The first space ends the topic; later ones belong to the payload.
///
/// # Errors
/// The [`Fault`] when the frame is no envelope.
pub fn decode(frame: &[u8]) -> Result<Envelope<'_>, Fault> {
    let space = frame.iter().position(|&byte| byte == SEPARATOR).ok_or(Fault::NoSpace)?;
    let (topic, rest) = frame.split_at(space);
    let payload = rest.get(1..).unwrap_or_default();
    match topic.len() {
        0 => Err(Fault::EmptyTopic),
        1..=TOPIC_MAX_BYTES if payload.len() % 2 == 0 => Ok(Envelope { topic, payload }),
        1..=TOPIC_MAX_BYTES => Err(Fault::OddPayload),
        _ => Err(Fault::LongTopic),
    }
}

/// Append the envelope of `topic` and `payload` to `out`.
pub fn encode(topic: &[u8], payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(topic);
    out.push(SEPARATOR);
    out.extend_from_slice(payload);
}

/// What every envelope of `topic` begins with: the topic and the space.
pub fn head(topic: &[u8]) -> Vec<u8> {
    let mut head = Vec::with_capacity(topic.len() + 1);
    encode(topic, b"", &mut head);
    head
}

/// The samples of a payload: its bytes in pairs, as little-endian int16.
pub fn samples(payload: &[u8]) -> impl Iterator<Item = i16> {
    payload.as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair))
}

/// A topic that can stand on the wire: 1 to 255 bytes without a space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic(String);

impl Topic {
    /// The topic's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What every envelope of this topic begins with. Also the subscription for it.
    pub fn head(&self) -> Vec<u8> {
        head(self.0.as_bytes())
    }
}

impl FromStr for Topic {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.len() {
            0 => Err("a topic has at least one byte"),
            _ if text.contains(' ') => Err("a topic has no space, because the first space ends it on the wire"),
            1..=TOPIC_MAX_BYTES => Ok(Self(text.to_owned())),
            _ => Err("a topic has at most 255 bytes"),
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The topics that a recorder asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Every topic.
    Every,
    /// Exactly these.
    Only(Vec<Topic>),
}

impl Wanted {
    /// The subscriptions that bring these topics: prefixes of messages.
    pub fn subscriptions(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Every => vec![Vec::new()],
            Self::Only(topics) => topics.iter().map(Topic::head).collect(),
        }
    }

    /// The topics as the user typed them.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Every => vec!["*"],
            Self::Only(topics) => topics.iter().map(Topic::as_str).collect(),
        }
    }

    /// Take a message of `frames` apart and compare its topic: a subscription is only a prefix match.
    ///
    /// # Errors
    /// The [`Fault`] when the message is no envelope of a wanted topic.
    pub fn decode<'a>(&self, mut frames: impl Iterator<Item = &'a [u8]>) -> Result<Envelope<'a>, Fault> {
        let first = frames.next().unwrap_or_default();
        if frames.next().is_some() {
            return Err(Fault::SeveralFrames);
        }
        let envelope = decode(first)?;
        match self {
            Self::Only(topics) if !topics.iter().any(|topic| topic.0.as_bytes() == envelope.topic) => {
                Err(Fault::WrongTopic)
            }
            _ => Ok(envelope),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter::once;

    use proptest::prelude::*;

    use super::*;

    fn topic_bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>().prop_filter("no space", |&byte| byte != SEPARATOR), 1..=TOPIC_MAX_BYTES)
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same(topic in topic_bytes(), values in prop::collection::vec(any::<i16>(), 0..200)) {
            let payload: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let mut frame = Vec::new();
            encode(&topic, &payload, &mut frame);
            prop_assert_eq!(frame.len(), topic.len() + 1 + 2 * values.len());
            prop_assert_eq!(decode(&frame), Ok(Envelope { topic: &topic, payload: &payload }));
            prop_assert_eq!(samples(&payload).collect::<Vec<_>>(), values);
        }

        #[test]
        fn any_bytes_decode_to_themselves_or_to_a_fault(frame in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(envelope) = decode(&frame) {
                let mut again = Vec::new();
                encode(envelope.topic, envelope.payload, &mut again);
                prop_assert_eq!(&again, &frame);
                prop_assert!(envelope.payload.len() % 2 == 0);
                prop_assert!((1..=TOPIC_MAX_BYTES).contains(&envelope.topic.len()));
            }
        }
    }

    #[test]
    fn each_fault_is_named() {
        assert_eq!(decode(b""), Err(Fault::NoSpace));
        assert_eq!(decode(b"topic"), Err(Fault::NoSpace));
        assert_eq!(decode(b" ab"), Err(Fault::EmptyTopic));
        assert_eq!(decode(b"topic a"), Err(Fault::OddPayload));
        let mut long = vec![b't'; TOPIC_MAX_BYTES + 1];
        long.extend_from_slice(b" ab");
        assert_eq!(decode(&long), Err(Fault::LongTopic));
        assert!(decode(&long[1..]).is_ok());
    }

    #[test]
    fn a_space_in_the_payload_is_data() {
        assert_eq!(decode(b"t    "), Err(Fault::OddPayload));
        assert_eq!(decode(b"t     "), Ok(Envelope { topic: b"t", payload: b"    " }));
        assert_eq!(decode(b"t "), Ok(Envelope { topic: b"t", payload: b"" }));
    }

    #[test]
    fn only_whole_topics_are_wanted() {
        let wanted = Wanted::Only(vec!["data".parse().unwrap(), "more".parse().unwrap()]);
        assert!(wanted.decode(once(&b"more ab"[..])).is_ok());
        assert_eq!(wanted.decode(once(&b"datas ab"[..])), Err(Fault::WrongTopic));
        assert_eq!(wanted.decode([&b"data ab"[..], b"x"].into_iter()), Err(Fault::SeveralFrames));
        assert!(Wanted::Every.decode(once(&b"\xff\x00 ab"[..])).is_ok());
        assert_eq!(wanted.subscriptions(), [b"data ", b"more "]);
    }

    #[test]
    fn topics_with_spaces_are_refused() {
        for text in ["", " ", "a b", &"x".repeat(256)] {
            assert!(text.parse::<Topic>().is_err(), "{text:?}");
        }
        assert!("x".repeat(255).parse::<Topic>().is_ok());
    }
}
