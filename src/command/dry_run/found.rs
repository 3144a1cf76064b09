//! A stream that was heard, and how it is read.

use std::collections::BTreeMap;

use crate::codec::channels::Channels;
use crate::codec::counter::Counter;
use crate::codec::framing::Framing;
use crate::codec::layout::{Layout, Part};
use crate::codec::likely::{Likely, likely};
use crate::codec::reading::check;
use crate::codec::stream::Stream;
use crate::command::dry_run::heard::Heard;
use crate::command::dry_run::whole_stream;
use crate::streams::{Told, about};

/// Texts with so many topics, each of which came once, have none: what stands before the first space is a part of the text.
const TEXT_MANY_TOPICS: usize = 100;

/// Fewer topics say nothing about what names they are.
const ODD_MIN_TOPICS: usize = 8;

/// A stream, and how it most likely is to be read.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) stream: Stream,
    pub(super) heard: Heard,
    /// How it is read: as somebody said, or as it looks.
    pub(super) likely: Likely,
    /// Whether somebody said so.
    pub(super) is_told: bool,
    /// The counter that was told.
    pub(super) counter: Option<Counter>,
    /// The channels that were told.
    pub(super) channels: Option<Channels>,
}

impl Found {
    pub(super) fn of(stream: Stream, heard: Heard, told: &Told) -> Self {
        let mut likely = likely(&stream.topic, &heard.sample, &heard.others);
        let layout = about(&told.layouts, &stream.topic);
        let channels = about(&told.channels, &stream.topic);
        match (layout, channels) {
            (Some(layout), _) => {
                likely.layout = layout.clone();
                likely.why = as_told(layout, &heard);
            }
            (None, Some(channels)) => {
                if let Some(wider) = with_channels(&likely.layout, channels, &heard) {
                    likely.layout = wider;
                    likely.why += ", with as many channels as told";
                }
            }
            (None, None) => {}
        }
        let (counter, channels) = (about(&told.counters, &stream.topic).cloned(), channels.cloned());
        Self { stream, heard, likely, is_told: layout.is_some(), counter, channels }
    }

    /// Whether the channels that were told are as many as the numbers of the layout.
    pub(super) fn fits_channels(&self) -> bool {
        self.channels.as_ref().is_none_or(|channels| channels.fit(&self.likely.layout).is_ok())
    }

    fn is_text(&self) -> bool {
        self.likely.layout.parts().iter().all(|part| matches!(part, Part::Text | Part::Json))
    }

    fn is_bytes(&self) -> bool {
        self.likely.layout == Layout::bytes()
    }
}

/// `as told`, and how much of what was looked at is not so.
fn as_told(layout: &Layout, heard: &Heard) -> String {
    let held = heard.held().count();
    match heard.held().filter(|message| !reads(layout, message)).count() {
        0 => "as told".to_owned(),
        other => format!("as told; {other} of the {held} messages that were looked at cannot be read so"),
    }
}

/// Whether a layout reads a message.
pub(super) fn reads(layout: &Layout, message: &[Vec<u8>]) -> bool {
    check(layout, message.iter().map(Vec::as_slice)).is_ok()
}

/// A layout of one repeated number with as many of them as there are channels, if all messages can be read so.
fn with_channels(layout: &Layout, channels: &Channels, heard: &Heard) -> Option<Layout> {
    let missing = channels.iter().count().checked_sub(layout.number_count())?;
    let wider: Layout = format!("{layout}x{}", missing + 1).parse().ok()?;
    let fits = missing > 0 && channels.fit(&wider).is_ok();
    (fits && heard.held().all(|message| reads(&wider, message))).then_some(wider)
}

/// The streams, but those without topics where what looked like topics is a part of binary messages: most came once, and what
/// follows them says less than the whole. `whole` is what came of each endpoint, as if there were no topics.
pub(super) fn without_invented_topics(found: Vec<Found>, whole: BTreeMap<u32, Heard>, told: &Told) -> Vec<Found> {
    let has_topics = |framing| found.iter().any(|found: &Found| found.stream.framing == framing);
    if has_topics(Framing::Frames) || !has_topics(Framing::Space) {
        return found;
    }
    let mut instead = Vec::new();
    for (endpoint, heard) in whole {
        let of_endpoint = || found.iter().filter(|found| found.stream.endpoint == endpoint);
        let Some(like) = of_endpoint().next() else { continue };
        let without = Found::of(whole_stream(&like.stream), heard, told);
        let topics: Vec<&Found> = of_endpoint().filter(|found| found.stream.framing == Framing::Space).collect();
        let rest = of_endpoint().find(|found| found.stream.framing == Framing::Whole);
        if !topics.is_empty() && !are_invented(&topics, rest, &without) {
            return found;
        }
        instead.push(without);
    }
    instead
}

/// Whether a topic has characters that nobody gives a name.
fn is_odd(found: &Found) -> bool {
    found.stream.topic.iter().any(|byte| br#"!"$%&'()*;<=>?[\]^`{|}~"#.contains(byte))
}

fn are_invented(topics: &[&Found], rest: Option<&Found>, without: &Found) -> bool {
    let most = |count: usize| count * 2 > topics.len();
    if !most(topics.iter().filter(|found| found.heard.messages == 1).count()) {
        return false;
    }
    if most(topics.iter().filter(|found| found.is_text()).count()) {
        return topics.len() >= TEXT_MANY_TOPICS && rest.is_some_and(Found::is_text) && without.is_text();
    }
    match rest {
        // Numbers that count through all bytes make topics of every kind.
        _ if topics.len() >= ODD_MIN_TOPICS
            && topics.iter().filter(|found| is_odd(found)).count() * 8 >= topics.len() =>
        {
            true
        }
        Some(rest) => !rest.is_text() && (rest.is_bytes() || !without.is_bytes()),
        None => without.likely.counter.is_some(),
    }
}
