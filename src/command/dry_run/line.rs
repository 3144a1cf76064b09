//! The line that records what was heard.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::codec::framing::Framing;
use crate::codec::layout::Layout;
use crate::codec::stream::assume;
use crate::codec::topic::{Wanted, text, trimmed};
use crate::command::dry_run::found::{Found, reads};
use crate::command::dry_run::refused::{Refused, size};
use crate::command::record::Given;
use crate::escape;
use crate::escape::shell::option;
use crate::socket::{Inlets, ReceivingKind};
use crate::streams::Told;

/// More topics than this are asked for together.
const TOPICS_MAX: usize = 16;

/// More layouts than this are not said: what they are of is read as its first message looks.
const LAYOUTS_MAX: usize = 100;

/// Options that stand in the line in a place of their own, or say only how to look.
const OWN_PLACE: [&str; 9] =
    ["--connect", "--bind", "--socket", "--topic", "--framing", "--layout", "--dry-run", "--duration", "--count"];

/// The line that records what was heard, with all options that were given and concern it.
pub(super) fn line(
    inlets: &Inlets,
    told: &Told,
    found: &[Found],
    refused: &BTreeMap<u32, Refused>,
    given: &[Given],
) -> String {
    // What was too large may have topics and layouts of which nothing is known.
    let is_all = !refused.values().any(Refused::is_too_large);
    let layouts = layouts(found, told, is_all);
    let values = |option: &str| -> Vec<&str> {
        given.iter().filter(|given| given.option == option).filter_map(|given| given.value.as_deref()).collect()
    };
    let mut words = vec!["fancyhwd record".to_owned()];
    words.extend(inlets.connect.iter().map(|endpoint| option("--connect", endpoint.as_str())));
    words.extend(inlets.bind.iter().map(|endpoint| option("--bind", endpoint.as_str())));
    if inlets.kind == ReceivingKind::Pull {
        words.push("--socket pull".to_owned());
    }
    let topics = values("--topic");
    if !topics.is_empty() {
        words.extend(topics.into_iter().map(|topic| option("--topic", topic)));
    } else if inlets.kind == ReceivingKind::Sub {
        words.extend(heard_topics(found, is_all && layouts.is_complete).iter().map(|topic| option("--topic", topic)));
    }
    let framings: BTreeSet<&str> = found.iter().map(|found| found.stream.framing.name()).collect();
    match (values("--framing").first(), framings.first()) {
        (Some(framing), _) => words.push(option("--framing", framing)),
        (None, Some(framing)) if framings.len() == 1 && is_all => words.push(option("--framing", framing)),
        _ => {}
    }
    // What is said of a topic is said after what is said of all.
    let (of_topic, of_all): (Vec<&str>, _) = values("--layout").into_iter().partition(|layout| layout.contains('='));
    let of_all = of_all.into_iter().map(str::to_owned).chain(layouts.of_all);
    let all = of_all.chain(of_topic.into_iter().map(str::to_owned)).chain(layouts.of_topic);
    words.extend(all.map(|layout| option("--layout", &layout)));
    for Given { option: name, value } in given.iter().filter(|given| !OWN_PLACE.contains(&given.option.as_str())) {
        words.push(value.as_deref().map_or_else(|| name.clone(), |value| option(name, value)));
    }
    if values("--max-message").is_empty() {
        let larger = refused.values().filter_map(|refused| refused.message_max_bytes(inlets.message_max_bytes)).max();
        words.extend(larger.map(|bytes| option("--max-message", &size(bytes))));
    }
    words.join(" ")
}

/// The topics that came, or all where they cannot be asked for one by one. One that is asked for by its name is read as int16
/// where no layout is said, so then all are asked for too.
fn heard_topics(found: &[Found], are_known: bool) -> Vec<String> {
    let topics: BTreeSet<&[u8]> = found.iter().map(|found| trimmed(&found.stream.topic)).collect();
    let can_be_asked_for = |topic: &&[u8]| !topic.is_empty() && is_typed(topic) && !topic.ends_with(b"*");
    match are_known && topics.len() <= TOPICS_MAX && topics.iter().all(can_be_asked_for) {
        true => topics.iter().map(|topic| text(topic).0.into_owned()).collect(),
        false => vec!["*".to_owned()],
    }
}

/// Whether a topic can be typed.
fn is_typed(topic: &[u8]) -> bool {
    std::str::from_utf8(topic).is_ok_and(|text| !text.contains(escape::must_escape))
}

/// The layouts that are said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Layouts {
    /// Of all topics of which no other one is.
    of_all: Option<String>,
    /// `TOPIC=LAYOUT`.
    of_topic: Vec<String>,
    /// Whether every stream has one.
    is_complete: bool,
}

/// What to say so that every stream is read as it looks. Streams that have one topic, of several endpoints or in several
/// framings, cannot be told apart: if they differ, each is left to be read as its own first message looks, or, where that would
/// not read all of its messages, all are bytes. One layout is said of all topics if these are all that there are.
fn layouts(found: &[Found], told: &Told, is_all: bool) -> Layouts {
    let mut topics: BTreeMap<&[u8], Vec<&Found>> = BTreeMap::new();
    for found in found.iter().filter(|found| !found.is_told) {
        topics.entry(trimmed(&found.stream.topic)).or_default().push(found);
    }
    if topics.is_empty() {
        return Layouts { is_complete: true, ..Layouts::default() };
    }
    let distinct: BTreeSet<String> = topics.values().flatten().map(|found| found.likely.layout.to_string()).collect();
    let fits = |layout: &Layout| told.channels.iter().all(|channels| channels.what.fit(layout).is_ok());
    if let (1, Some(only)) = (distinct.len(), found.iter().find(|found| !found.is_told))
        && fits(&only.likely.layout)
        && is_all
    {
        return Layouts { of_all: distinct.first().cloned(), of_topic: Vec::new(), is_complete: true };
    }
    let mut layouts = Layouts { is_complete: true, ..Layouts::default() };
    for (topic, of_topic) in topics {
        let first = of_topic.first().map(|found| &found.likely.layout);
        let is_one = of_topic.iter().all(|found| Some(&found.likely.layout) == first && found.fits_channels());
        let bytes = Layout::bytes();
        let can_be_said = is_typed(topic) && layouts.of_topic.len() < LAYOUTS_MAX;
        let layout = match is_one && can_be_said {
            true => first,
            false if of_topic.iter().all(|found| is_read_as_it_looks(found, &told.wanted)) => None,
            false => Some(&bytes),
        };
        match layout {
            Some(layout) if can_be_said => layouts.of_topic.push(format!("{}={layout}", text(topic).0)),
            Some(layout) if fits(layout) => layouts.of_all = Some(layout.to_string()),
            _ => layouts.is_complete = false,
        }
    }
    layouts
}

/// Whether a recorder that is told no layout reads every message of this stream, whichever comes first.
fn is_read_as_it_looks(found: &Found, wanted: &Wanted) -> bool {
    let topic = &found.stream.topic;
    let is_asked_for = wanted.find(Some(Framing::Frames), topic, 2).is_some();
    let of = |message: &Vec<Vec<u8>>| assume(topic, is_asked_for, message.iter().map(Vec::as_slice));
    let looks: HashSet<Layout> = found.heard.held().map(of).collect();
    looks.iter().all(|layout| found.heard.held().all(|message| reads(layout, message)))
}
