//! Topics, and which of them are asked for.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::codec::framing::{Framed, Framing, SEPARATOR, TOPIC_MAX_BYTES, framed};
use crate::escape;

/// A topic that can be sent: 1 to 255 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic(String);

impl Topic {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it can stand before a space, which would end it.
    pub fn has_space(&self) -> bool {
        self.0.as_bytes().contains(&SEPARATOR)
    }
}

impl FromStr for Topic {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.len() {
            0 => Err("a topic has at least one byte"),
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

/// A topic without what a program in C sends along: a final NUL.
pub fn trimmed(topic: &[u8]) -> &[u8] {
    topic.strip_suffix(b"\0").unwrap_or(topic)
}

/// A topic as people read it, on one line without anything that a terminal would obey.
pub fn shown(topic: &[u8]) -> String {
    escape::bytes(trimmed(topic))
}

/// The same in a table, where something stands for none.
pub fn cell(topic: &[u8]) -> String {
    if trimmed(topic).is_empty() { "-".to_owned() } else { shown(topic) }
}

/// The same at the beginning of a sentence.
pub fn title(topic: &[u8]) -> String {
    if topic.is_empty() { "messages without a topic".to_owned() } else { format!("topic {}", shown(topic)) }
}

/// What the stream of a topic is named in a database: always UTF-8, without control characters. It stays what it is; for people
/// there is [`shown`].
pub fn printable(topic: &[u8]) -> String {
    match std::str::from_utf8(trimmed(topic)) {
        Ok(text) if !text.contains(char::is_control) => text.to_owned(),
        _ => topic.escape_ascii().to_string(),
    }
}

/// A topic as the text that it is; one that is no UTF-8 as it is printed, and its bytes in hexadecimal, which no other has.
pub fn text(topic: &[u8]) -> (Cow<'_, str>, Option<String>) {
    let topic = trimmed(topic);
    match std::str::from_utf8(topic) {
        Ok(text) => (Cow::Borrowed(text), None),
        Err(_) => (printable(topic).into(), Some(escape::hex(topic))),
    }
}

/// Where the topic is in a message of this topic, if it is one: before a space, or all of its first frame.
pub fn named<'a>(topic: &[u8], first: &'a [u8], frame_count: usize) -> Option<Framed<'a>> {
    let framed_as = |framing, bytes| first.get(..bytes).map(|topic| Framed { framing, topic });
    match first.strip_prefix(topic)? {
        [] | [0] if frame_count > 0 => framed_as(Framing::Frames, first.len()),
        [SEPARATOR, ..] if frame_count == 1 => framed_as(Framing::Space, topic.len()),
        _ => None,
    }
}

/// The topics that are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Every topic, and what has none.
    Every,
    /// These.
    Only(Vec<Pattern>),
}

/// One topic that is asked for, or all that begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    bytes: Vec<u8>,
    is_prefix: bool,
}

impl Pattern {
    /// What somebody means who types this: `NAME` or `NAME*`.
    ///
    /// # Errors
    /// When no topic is so long.
    pub fn of(text: &[u8]) -> Result<Self, &'static str> {
        let (bytes, is_prefix) = text.strip_suffix(b"*").map_or((text, false), |prefix| (prefix, true));
        match bytes.len() {
            0 if !is_prefix => Err("a topic has at least one byte"),
            0..=TOPIC_MAX_BYTES => Ok(Self { bytes: bytes.to_owned(), is_prefix }),
            _ => Err("a topic has at most 255 bytes"),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape::bytes(&self.bytes))?;
        f.write_str(if self.is_prefix { "*" } else { "" })
    }
}

impl Wanted {
    /// What is meant by these words; `*` is everything.
    ///
    /// # Errors
    /// When one of them cannot be a topic.
    pub fn of(texts: &[impl AsRef<[u8]>]) -> Result<Self, &'static str> {
        if texts.iter().any(|text| text.as_ref() == b"*") {
            return Ok(Self::Every);
        }
        texts.iter().map(|text| Pattern::of(text.as_ref())).collect::<Result<_, _>>().map(Self::Only)
    }

    /// Just this topic, whatever its characters are.
    pub fn exactly(topic: &[u8]) -> Self {
        Self::Only(vec![Pattern { bytes: topic.to_owned(), is_prefix: false }])
    }

    /// The subscriptions that bring these topics: prefixes of messages.
    pub fn subscriptions(&self, told: Option<Framing>) -> Vec<Vec<u8>> {
        let subscription = |pattern: &Pattern| {
            let mut bytes = pattern.bytes.clone();
            if told == Some(Framing::Space) && !pattern.is_prefix {
                bytes.push(SEPARATOR);
            }
            bytes
        };
        match self {
            Self::Every => vec![Vec::new()],
            Self::Only(patterns) => patterns.iter().map(subscription).collect(),
        }
    }

    /// Whether a message with this first frame is asked for: a subscription is only a prefix match.
    pub fn takes(&self, first: &[u8], frame_count: usize) -> bool {
        let takes = |pattern: &Pattern| match pattern.is_prefix {
            true => first.starts_with(&pattern.bytes),
            false => named(&pattern.bytes, first, frame_count).is_some(),
        };
        match self {
            Self::Every => true,
            Self::Only(patterns) => patterns.iter().any(takes),
        }
    }

    /// Whether messages of a stream may be asked for. Of one without topics each message has to be looked at.
    pub fn may_take(&self, framing: Framing, topic: &[u8]) -> bool {
        let Self::Only(patterns) = self else { return true };
        let before_space = [topic, &[SEPARATOR]].concat();
        match framing {
            Framing::Whole => true,
            Framing::Frames => self.takes(topic, 2),
            // A name with a space begins with a topic that has none.
            Framing::Space => {
                self.takes(&before_space, 1) || patterns.iter().any(|pattern| pattern.bytes.starts_with(&before_space))
            }
        }
    }

    /// The topic of a message, if it was asked for by its exact name: then it needs no guess. What was told about the framing
    /// comes first.
    pub fn find<'a>(&self, told: Option<Framing>, first: &'a [u8], frame_count: usize) -> Option<Framed<'a>> {
        let Self::Only(patterns) = self else { return None };
        let exact = patterns.iter().filter(|pattern| !pattern.is_prefix);
        let found = exact.filter_map(|pattern| named(&pattern.bytes, first, frame_count)).next()?;
        // A name with a space ends no topic in one frame: there the first space does.
        let framing = told.unwrap_or(found.framing);
        Some(framed(framing, first, frame_count)).filter(|framed| framed.topic == found.topic)
    }
}

/// `*`, or the names as they were typed.
impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => f.write_str("*"),
            Self::Only(patterns) => {
                for (place, pattern) in patterns.iter().enumerate() {
                    f.write_str(if place > 0 { " " } else { "" })?;
                    pattern.fmt(f)?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(names: &[&str]) -> Wanted {
        Wanted::of(names).unwrap()
    }

    #[test]
    fn a_name_is_exact_in_each_framing() {
        let cam1 = wanted(&["cam1", "x y"]);
        for (first, frame_count) in [
            (&b"cam1 \x01"[..], 1),
            (b"cam1", 1),
            (b"cam1", 2),
            (b"cam1\0", 3),
            (b"cam1 ", 1),
            (b"x y", 2),
            (b"x y z", 1),
        ] {
            assert!(cam1.takes(first, frame_count), "{}", first.escape_ascii());
        }
        for (first, frame_count) in [
            (&b"cam10 \x01"[..], 1),
            (b"cam10", 2),
            (b"cam1 \x01", 2),
            (b"cam1\0\0", 2),
            (b"cam", 1),
            (b"", 0),
            (b"x z", 1),
        ] {
            assert!(!cam1.takes(first, frame_count), "{}", first.escape_ascii());
        }
        assert!(wanted(&["cam*"]).takes(b"cam10\xff", 1) && !wanted(&["cam*"]).takes(b"ca", 1));
        assert!(wanted(&["a", "*"]).takes(b"", 0));
        assert!(wanted(&["*"]) == Wanted::Every && Wanted::of(&[""]).is_err());
    }

    #[test]
    fn what_is_asked_for_by_name_is_found_without_a_guess() {
        let odd = wanted(&["{a", "b"]);
        let space = Framed { framing: Framing::Space, topic: b"{a" };
        assert_eq!(odd.find(None, b"{a 12", 1), Some(space));
        assert_eq!(odd.find(None, b"b\0", 2), Some(Framed { framing: Framing::Frames, topic: b"b\0" }));
        assert_eq!(odd.find(Some(Framing::Space), b"{a 12", 1), Some(space));
        assert_eq!(odd.find(Some(Framing::Whole), b"{a 12", 1), None);
        assert_eq!(wanted(&["x y"]).find(None, b"x y z", 1), None);
        assert_eq!((wanted(&["b*"]).find(None, b"b 1", 1), Wanted::Every.find(None, b"b 1", 1)), (None, None));
    }

    #[test]
    fn a_subscription_is_a_name_or_its_beginning() {
        let some = wanted(&["a", "b*"]);
        assert_eq!(some.subscriptions(None), [b"a", b"b"]);
        assert_eq!(some.subscriptions(Some(Framing::Space)), [&b"a "[..], b"b"]);
        assert_eq!(Wanted::Every.subscriptions(None), [b""]);
    }

    #[test]
    fn any_topic_can_be_printed() {
        assert_eq!(printable("m\u{fc}hle".as_bytes()), "m\u{fc}hle");
        assert_eq!(printable(b"DATA\0"), "DATA");
        assert_eq!(printable(b"\xff\x1b[2J\0"), "\\xff\\x1b[2J\\x00");
        assert_eq!(shown("m\u{fc}hle\x1b\u{202e}\0".as_bytes()), "m\u{fc}hle\\x1b\\u{202e}");
        assert_eq!(text(b"a\xff\0"), ("a\\xff".into(), Some("61ff".to_owned())));
        assert_eq!(text(b"a\x1b\0"), ("a\x1b".into(), None));
    }
}
