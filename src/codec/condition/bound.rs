//! A condition and the streams that it is about.

use std::collections::BTreeSet;

use crate::codec::condition::plan::Plan;
use crate::codec::condition::{Condition, Pattern, What, quoted};
use crate::codec::framing::{Framed, Framing};
use crate::codec::layout::{Layout, Part};
use crate::codec::number::Value;
use crate::codec::overview::Overview;
use crate::codec::reading::{Content, check, read};
use crate::codec::stream::{Stream, after_topic};
use crate::codec::topic::printable;
use crate::escape;

/// Topics, and channels, that an error names at most.
const NAMED_MAX: usize = 16;

/// A condition as it is looked for in the messages of a stream, one after the other.
#[derive(Clone, Debug)]
pub struct Bound {
    framing: Framing,
    topic: Vec<u8>,
    look: Look,
}

#[derive(Clone, Debug)]
enum Look {
    Record(Plan),
    Gap {
        longer_than_ns: i64,
        /// When the message before came.
        previous_elapsed_ns: Option<i64>,
        /// Before the message that was looked at last.
        gap_ns: i64,
    },
    Text {
        layout: Layout,
        pattern: Pattern,
    },
}

/// Why a condition holds for a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Why {
    /// For the record of this number in the message, from 0, by these values.
    Record(usize, Vec<Measured>),
    /// The message came so many nanoseconds after the one before it.
    Gap(i64),
    /// It has this text.
    Text(String),
}

/// The physical value of a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The channel's name.
    pub channel: String,
    /// Its unit, if it has one.
    pub unit: Option<String>,
    /// What it was.
    pub value: Value,
}

impl Condition {
    /// Look for it in a stream; `None` if the stream has another topic, not all of the channels, or no texts.
    pub fn bind(&self, stream: &Stream) -> Option<Bound> {
        if self.topic.as_ref().is_some_and(|topic| *topic != printable(&stream.topic)) {
            return None;
        }
        let look = match &self.what {
            What::Record(expression) => Look::Record(Plan::of(expression, &stream.layout, &stream.all_channels())?),
            What::Gap(longer_than_ns) => {
                Look::Gap { longer_than_ns: *longer_than_ns, previous_elapsed_ns: None, gap_ns: 0 }
            }
            What::Text(pattern) => {
                let is_text = |part: &Part| matches!(part, Part::Text | Part::Json | Part::NdArray);
                stream.layout.parts().iter().any(is_text).then_some(())?;
                Look::Text { layout: stream.layout.clone(), pattern: pattern.clone() }
            }
        };
        Some(Bound { framing: stream.framing, topic: stream.topic.clone(), look })
    }

    /// Look for it in those of these streams that it is about: of one topic, from one or several endpoints. Gives them with their
    /// keys.
    ///
    /// # Errors
    /// Which channels or topics there are, when it is about none or about several topics.
    pub fn bind_all<'a, K>(
        &self,
        streams: impl Iterator<Item = (K, &'a Stream)> + Clone,
    ) -> Result<Vec<(K, Bound)>, String> {
        let named = streams.clone().map(|(_, stream)| stream);
        let bound: Vec<_> =
            streams.filter_map(|(key, stream)| self.bind(stream).map(|bound| (key, stream, bound))).collect();
        let topics: BTreeSet<String> = bound.iter().map(|(_, stream, _)| printable(&stream.topic)).collect();
        if topics.is_empty() {
            return Err(self.refuse(named));
        }
        if topics.len() > 1 {
            let topics = list(topics.iter().map(|topic| quoted_topic(topic)));
            return Err(format!("several topics have it: {topics}; name one of them, as in TOPIC.CHANNEL"));
        }
        if !bound.iter().any(|(_, _, bound)| bound.can_hold()) {
            return Err("its channels are in several frames, so no record has all of them".to_owned());
        }
        Ok(bound.into_iter().map(|(key, _, bound)| (key, bound)).collect())
    }

    /// Why no stream has what it is about.
    fn refuse<'a>(&self, streams: impl Iterator<Item = &'a Stream> + Clone) -> String {
        let is_of_topic = |stream: &&Stream| self.topic.as_ref().is_none_or(|topic| *topic == printable(&stream.topic));
        let mut of_topic = streams.clone().filter(is_of_topic).peekable();
        if of_topic.peek().is_none() {
            let topics: BTreeSet<String> = streams.map(|stream| printable(&stream.topic)).collect();
            let wanted = self.topic.as_deref().map(quoted_topic).unwrap_or_default();
            return match topics.is_empty() {
                true => "there are no streams".to_owned(),
                false => format!(
                    "no stream has the topic {wanted}; there are {}",
                    list(topics.iter().map(|topic| quoted_topic(topic)))
                ),
            };
        }
        let What::Record(expression) = &self.what else { return "no stream has texts: see its layout".to_owned() };
        let (mut wanted, mut known) = (Vec::new(), Vec::new());
        for stream in of_topic {
            let channels = stream.all_channels();
            let names = channels.iter().map(|channel| quoted(&channel.name, false));
            known.extend(names.take(NAMED_MAX + 1).filter(|name| !known.contains(name)).collect::<Vec<_>>());
            if known.len() > NAMED_MAX {
                break;
            }
        }
        expression.each(&mut |comparison| {
            let name = quoted(&comparison.channel, false);
            if !known.contains(&name) && !wanted.contains(&name) {
                wanted.push(name);
            }
        });
        match (known.as_slice(), wanted.as_slice()) {
            ([], _) => "no stream has numbers: see its layout".to_owned(),
            (_, []) => "no stream has all of its channels".to_owned(),
            _ => {
                format!("no stream has the channel {}; there are {}", list(wanted.into_iter()), list(known.into_iter()))
            }
        }
    }
}

fn quoted_topic(topic: &str) -> String {
    quoted(topic, true)
}

/// Some words, safe to show.
fn list(words: impl ExactSizeIterator<Item = String>) -> String {
    let more = words.len().saturating_sub(NAMED_MAX);
    let words: Vec<String> = words.take(NAMED_MAX).map(|word| escape::line(&word).into_owned()).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", words.join(", "))
}

impl Bound {
    /// Whether it holds for the next message of the stream, which came then and has these frames. A message that its layout cannot
    /// read holds nothing but a gap.
    pub fn holds<'a>(&mut self, elapsed_ns: i64, frames: impl Iterator<Item = &'a [u8]> + Clone) -> bool {
        let framed = Framed { framing: self.framing, topic: &self.topic };
        match &mut self.look {
            Look::Record(plan) => plan.holds(after_topic(framed, frames)),
            Look::Gap { longer_than_ns, previous_elapsed_ns, gap_ns } => {
                let previous_elapsed_ns = previous_elapsed_ns.replace(elapsed_ns);
                *gap_ns = previous_elapsed_ns.map_or(0, |previous_ns| elapsed_ns.saturating_sub(previous_ns));
                previous_elapsed_ns.is_some() && *gap_ns > *longer_than_ns
            }
            Look::Text { layout, pattern } => {
                let mut found = false;
                for content in read(layout, after_topic(framed, frames)) {
                    let Ok(content) = content else { return false };
                    found = found || text_of(content).is_some_and(|text| pattern.0.is_match(text));
                }
                found
            }
        }
    }

    /// Messages of the stream up to that moment are passed over: it is known that none holds it, or nobody wants to know.
    pub fn pass_over(&mut self, last_elapsed_ns: i64) {
        if let Look::Gap { previous_elapsed_ns, .. } = &mut self.look {
            *previous_elapsed_ns = Some(last_elapsed_ns);
        }
    }

    /// Messages of the stream may be missing here: how long none came is not known.
    pub fn lose_sight(&mut self) {
        if let Look::Gap { previous_elapsed_ns, .. } = &mut self.look {
            *previous_elapsed_ns = None;
        }
    }

    /// Whether it may hold for one of these messages. If not, it surely holds for none of them.
    pub fn may_hold(&self, overview: &Overview) -> bool {
        match &self.look {
            Look::Record(plan) => plan.may_hold(overview),
            Look::Gap { longer_than_ns, .. } => overview.longest_gap_ns > *longer_than_ns,
            Look::Text { .. } => true,
        }
    }

    /// Whether it holds for a message whatever came before.
    pub fn is_about_one(&self) -> bool {
        !matches!(self.look, Look::Gap { .. })
    }

    /// Why it holds for the message that was looked at last; `None` if it does not.
    pub fn why<'a>(&self, frames: impl Iterator<Item = &'a [u8]> + Clone) -> Option<Why> {
        let frames = after_topic(Framed { framing: self.framing, topic: &self.topic }, frames);
        match &self.look {
            Look::Record(plan) => {
                let (record, values) = plan.found(frames)?;
                let measured = values.into_iter().map(|(channel, value)| Measured {
                    channel: channel.name.clone(),
                    unit: channel.unit.clone(),
                    value,
                });
                Some(Why::Record(record, measured.collect()))
            }
            Look::Gap { gap_ns, .. } => Some(Why::Gap(*gap_ns)),
            Look::Text { layout, pattern } => {
                check(layout, frames.clone()).ok()?;
                let mut texts = read(layout, frames).filter_map(|content| text_of(content.ok()?));
                texts.find(|text| pattern.0.is_match(text)).map(|text| Why::Text(text.to_owned()))
            }
        }
    }

    fn can_hold(&self) -> bool {
        match &self.look {
            Look::Record(plan) => plan.can_hold(),
            Look::Gap { .. } | Look::Text { .. } => true,
        }
    }
}

fn text_of<'a>(content: Content<'_, 'a>) -> Option<&'a str> {
    match content {
        Content::Text(text) | Content::Json(text) | Content::Array(text, ..) => Some(text),
        Content::Bytes(_) | Content::Numbers(..) => None,
    }
}
