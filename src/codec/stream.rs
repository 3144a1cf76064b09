//! A stream: the messages of one endpoint that have the same topic in the same place, and how they are read.

use crate::codec::channels::Channels;
use crate::codec::counter::Counter;
use crate::codec::framing::{Framed, Framing, SEPARATOR};
use crate::codec::layout::{Layout, Part};
use crate::codec::reading::{Content, Undecodable, check, read};
use crate::codec::topic::{Wanted, trimmed};

/// The topic of the reference device.
pub const REFERENCE_TOPIC: &str = "fancyhw_data";

/// Parts that are made up for a message of which nothing was told.
const GUESSED_PARTS_MAX: usize = 8;

/// What tells a stream from the others of its session, and all that is needed to put its messages together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The number of its endpoint in the session, from 1.
    pub endpoint: u32,
    /// Where its topic is.
    pub framing: Framing,
    /// The topic as it is sent; empty if there is none.
    pub topic: Vec<u8>,
}

impl Key {
    /// The topic of its messages, and where it is.
    pub fn framed(&self) -> Framed<'_> {
        Framed { framing: self.framing, topic: &self.topic }
    }
}

/// What is known of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// The number of its endpoint in the session, from 1.
    pub endpoint: u32,
    /// Where its topic is.
    pub framing: Framing,
    /// The topic as it is sent; empty if there is none.
    pub topic: Vec<u8>,
    /// How the frames behind the topic are read.
    pub layout: Layout,
    /// Whether nobody said so.
    pub is_assumed: bool,
    /// What its numbers measure, if somebody said so.
    pub channels: Option<Channels>,
    /// Records per second within a message, if somebody said so.
    pub sample_rate_hz: Option<f64>,
    /// Where the device's own sequence number is, if somebody said so.
    pub counter: Option<Counter>,
}

impl Stream {
    /// One of which nobody said how it is read.
    pub fn assumed(key: Key, layout: Layout) -> Self {
        let Key { endpoint, framing, topic } = key;
        Self { endpoint, framing, topic, layout, is_assumed: true, channels: None, sample_rate_hz: None, counter: None }
    }

    /// What tells it from the others of its session.
    pub fn key(&self) -> Key {
        Key { endpoint: self.endpoint, framing: self.framing, topic: self.topic.clone() }
    }

    /// What its numbers measure, one for each: without names, `ch0`, `ch1`, ...
    pub fn all_channels(&self) -> Channels {
        self.channels.clone().unwrap_or_else(|| Channels::unnamed(&self.layout))
    }

    /// The topic of its messages, and where it is.
    pub fn framed(&self) -> Framed<'_> {
        Framed { framing: self.framing, topic: &self.topic }
    }

    /// Whether its topic is asked for. What has no topic is only asked for with every one.
    pub fn is_asked_for(&self, wanted: &Wanted) -> bool {
        match self.framing {
            Framing::Whole => *wanted == Wanted::Every,
            Framing::Space => wanted.takes(&[&self.topic, &[SEPARATOR][..]].concat(), 1),
            Framing::Frames => wanted.takes(&self.topic, 2),
        }
    }

    /// What follows its topic in the frames of one of its messages.
    pub fn after_topic<'a, F: Iterator<Item = &'a [u8]> + Clone>(
        &self,
        frames: F,
    ) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a, F> {
        after_topic(self.framed(), frames)
    }

    /// Read the frames of one of its messages as its layout says. It ends at the first one that cannot be read.
    pub fn read<'a>(
        &self,
        frames: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> impl Iterator<Item = Result<Content<'_, 'a>, Undecodable>> {
        read(&self.layout, self.after_topic(frames))
    }

    /// Whether its layout can read one of its messages.
    ///
    /// # Errors
    /// What is wrong with the message.
    pub fn check<'a>(&self, frames: impl Iterator<Item = &'a [u8]> + Clone) -> Result<(), Undecodable> {
        check(&self.layout, self.after_topic(frames))
    }
}

/// What follows this topic in the frames of a message that has it.
pub fn after_topic<'a, F: Iterator<Item = &'a [u8]> + Clone>(
    of: Framed<'_>,
    frames: F,
) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a, F> {
    let (skipped_frames, skipped_bytes) = match of.framing {
        Framing::Space => (0, of.topic.len() + 1),
        Framing::Frames => (1, 0),
        Framing::Whole => (0, 0),
    };
    frames.skip(skipped_frames).map(move |frame| frame.get(skipped_bytes..).unwrap_or_default())
}

/// The frames behind the topic as they are stored: one after the other, and their lengths if they are not exactly one.
/// `scratch` holds them then.
pub fn stored<'a>(
    of: Framed<'_>,
    frames: impl Iterator<Item = &'a [u8]> + Clone,
    scratch: &'a mut Vec<u8>,
) -> (&'a [u8], Option<String>) {
    let frames = after_topic(of, frames);
    let mut rest = frames.clone();
    if let (Some(only), None) = (rest.next(), rest.next()) {
        return (only, None);
    }
    scratch.clear();
    frames.clone().for_each(|frame| scratch.extend_from_slice(frame));
    (scratch, Some(list_of_lengths(frames)))
}

/// The lengths of frames, as they are stored.
pub fn list_of_lengths<'a>(frames: impl Iterator<Item = &'a [u8]>) -> String {
    let mut lengths = String::from("[");
    for frame in frames {
        if lengths.len() > 1 {
            lengths.push(',');
        }
        lengths.push_str(itoa::Buffer::new().format(frame.len()));
    }
    lengths.push(']');
    lengths
}

/// The lengths in such a list; `None` where it is none.
pub fn lengths(list: &[u8]) -> impl Iterator<Item = Option<usize>> {
    let inside = list.strip_prefix(b"[").and_then(|list| list.strip_suffix(b"]"));
    let is_empty = inside.is_some_and(<[u8]>::is_empty);
    let number = |digits: &[u8]| match digits {
        [b'0', _, ..] => None,
        [b'0'..=b'9', ..] => std::str::from_utf8(digits).ok()?.parse().ok(),
        _ => None,
    };
    inside.unwrap_or(b"?").split(|&byte| byte == b',').filter(move |_| !is_empty).map(number)
}

/// How the frames behind a topic are read until somebody says so, by those of the first message.
pub fn assume<'a>(topic: &[u8], is_asked_for: bool, frames: impl Iterator<Item = &'a [u8]> + Clone) -> Layout {
    let int16 = || "int16".parse().unwrap_or_else(|_| Layout::bytes());
    if trimmed(topic) == REFERENCE_TOPIC.as_bytes() {
        return int16();
    }
    let mut parts: Vec<Part> = frames.clone().take(GUESSED_PARTS_MAX).map(guess).collect();
    if let ([Part::Json, ..], Ok(described)) = (parts.as_slice(), "ndarray".parse())
        && check(&described, frames.clone()).is_ok()
    {
        return described;
    }
    // What is the same from some part on is said once.
    while let [.., last, end] = parts.as_slice()
        && last == end
    {
        parts.pop();
    }
    let is_one = frames.clone().nth(1).is_none();
    let is_even = frames.clone().next().is_some_and(|frame| frame.len() % 2 == 0);
    match parts.as_slice() {
        [Part::Bytes] if is_asked_for && is_one && is_even => int16(),
        _ => Layout::of(parts).unwrap_or_else(Layout::bytes),
    }
}

fn guess(frame: &[u8]) -> Part {
    let is_json = || matches!(frame.trim_ascii_start().first(), Some(b'{' | b'['));
    if is_json() && "json".parse().is_ok_and(|json| check(&json, std::iter::once(frame)).is_ok()) {
        return Part::Json;
    }
    let is_printable = std::str::from_utf8(frame).is_ok_and(|text| {
        !text.is_empty() && !text.contains(|char: char| char.is_control() && !char.is_ascii_whitespace())
    });
    if is_printable { Part::Text } else { Part::Bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assumed(topic: &[u8], is_asked_for: bool, frames: &[&[u8]]) -> String {
        assume(topic, is_asked_for, frames.iter().copied()).to_string()
    }

    #[test]
    fn the_first_message_says_how_to_read_the_others() {
        assert_eq!(assumed(b"fancyhw_data", false, &[b"abcd"]), "int16");
        assert_eq!(assumed(b"t", false, &[b"{\"a\": 1}\n"]), "json");
        assert_eq!(assumed(b"t", false, &[b"21.5 C\r\n"]), "text");
        assert_eq!(assumed(b"t", false, &[b"{not json}"]), "text");
        assert_eq!(assumed(b"t", true, &[b"\x01\xff"]), "int16");
        assert_eq!(assumed(b"t", true, &[b"\x01\xff\x02"]), "bytes");
        assert_eq!(assumed(b"t", false, &[b"\x01\xff"]), "bytes");
        assert_eq!(assumed(b"", false, &[]), "bytes");
        assert_eq!(assumed(b"t", false, &[b""]), "bytes");
        assert_eq!(assumed(b"DATA\0", false, &[b"{\"n\": 1}", &[0xff; 8]]), "json+bytes");
        assert_eq!(assumed(b"hash", false, &[&[0xff; 32], &[1, 0, 0, 0]]), "bytes");
        assert_eq!(assumed(b"", false, &[b"{\"dtype\": \"<f4\", \"shape\": [2]}", &[0; 8]]), "ndarray");
        assert_eq!(assumed(b"", false, &[b"{\"dtype\": \"<f4\", \"shape\": [3]}", &[0; 8]]), "json+bytes");
    }

    #[test]
    fn what_is_stored_is_taken_apart_again() {
        let mut scratch = Vec::new();
        let whole = |frames: &[&'static [u8]], scratch: &mut Vec<u8>| {
            let (payload, parts) = stored(Framed::WHOLE, frames.iter().copied(), scratch);
            (payload.to_vec(), parts)
        };
        assert_eq!(whole(&[b"abc"], &mut scratch), (b"abc".to_vec(), None));
        assert_eq!(whole(&[], &mut scratch), (Vec::new(), Some("[]".to_owned())));
        assert_eq!(whole(&[b"ab", b"", b"c"], &mut scratch), (b"abc".to_vec(), Some("[2,0,1]".to_owned())));
        let found = |list: &[u8]| lengths(list).collect::<Option<Vec<usize>>>();
        assert_eq!((found(b"[2,0,1]"), found(b"[]")), (Some(vec![2, 0, 1]), Some(vec![])));
        for list in
            [&b""[..], b"[", b"2", b"[01]", b"[-1]", b"[+1]", b"[1,]", b"[ 1]", b"[1.0]", b"[99999999999999999999]"]
        {
            assert_eq!(found(list), None, "{}", list.escape_ascii());
        }
    }

    #[test]
    fn what_follows_the_topic_is_the_rest_of_the_frame_or_the_other_frames() {
        let rest = |framing, frames: &[&'static [u8]]| {
            after_topic(Framed { framing, topic: b"t" }, frames.iter().copied()).collect::<Vec<_>>()
        };
        assert_eq!(rest(Framing::Space, &[b"t a b"]), [b"a b"]);
        assert_eq!(rest(Framing::Frames, &[b"t", b"a", b"b"]), [b"a", b"b"]);
        assert_eq!(rest(Framing::Frames, &[b"t"]), [b""; 0]);
        assert_eq!(rest(Framing::Whole, &[b"t a", b"b"]), [&b"t a"[..], b"b"]);
    }
}
