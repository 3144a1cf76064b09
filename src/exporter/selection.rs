//! Which packets are exported, and what must be known of them before.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::envelope::head;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::exporter::extent::{Extent, by_topic};
use crate::exporter::text::printable;
use crate::exporter::wav::{SAMPLE_RATE_MAX_HZ, SAMPLES_MAX_BYTES};
use crate::exporter::{Export, Format, Watch};
use crate::store::{Database, Session};
use crate::time::durations::seconds;

/// Topics that a message names; a session may have any number.
const NAMED_MAX_TOPICS: usize = 10;

/// The topics that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topics {
    /// Nobody said.
    Unsaid,
    /// Every topic.
    Every,
    /// Exactly these, byte for byte.
    Only(Vec<Vec<u8>>),
}

/// The packets that are exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// What their messages begin with (a topic and its space); `None` is every topic.
    pub heads: Option<Vec<Vec<u8>>>,
    /// Samples in a second, for a sound file.
    pub sample_rate_hz: u32,
}

impl Selection {
    /// Select what the export asks for. The session is read for it where its totals do not say enough.
    ///
    /// # Errors
    /// When a topic does not occur, or the format cannot hold what is selected, or a stop is asked for.
    pub fn of(database: &Database, session: &Session, export: &Export, watch: &Watch<'_>) -> Result<Self> {
        if !matches!(export.topics, Topics::Only(_)) && !export.format.hides_topics() {
            return Ok(Self::default());
        }
        let refuse = |cause, hint| Error::Export { to: watch.to().to_owned(), cause, hint, exit: Exit::Usage };
        let topics = by_topic(database, session, watch)?;
        if export.format.hides_topics() && export.topics == Topics::Unsaid && topics.len() > 1 {
            let cause = format!(
                "session {} has {} topics ({}), which cannot be told apart in {}",
                session.id,
                topics.len(),
                names(database, &topics)?,
                export.format
            );
            return Err(refuse(cause, "choose one with --topic, or mix all with --topic '*'"));
        }
        let (heads, topic_ids) = match &export.topics {
            Topics::Only(wanted) => {
                let heads = wanted.iter().map(|name| head(name)).collect();
                (Some(heads), Some(ids(database, session, &topics, wanted)?))
            }
            _ => (None, None),
        };
        let is_selected = |id: &i64| topic_ids.as_ref().is_none_or(|ids| ids.contains(id));
        let extent =
            topics.iter().filter(|(id, _)| is_selected(id)).fold(Extent::default(), |sum, (_, topic)| sum.and(*topic));
        let sample_rate_hz = match export.format {
            Format::Wav => sound_rate_hz(extent, export.sample_rate_hz).map_err(|(cause, hint)| refuse(cause, hint))?,
            _ => 0,
        };
        Ok(Self { heads, sample_rate_hz })
    }
}

/// The ids of the topics of these names, each of which must occur.
fn ids(
    database: &Database,
    session: &Session,
    topics: &BTreeMap<i64, Extent>,
    wanted: &[Vec<u8>],
) -> Result<BTreeSet<i64>> {
    let mut ids = BTreeSet::new();
    for name in wanted {
        match database.topic_id(name)?.filter(|id| topics.contains_key(id)) {
            Some(id) => ids.insert(id),
            None => {
                let cause = match names(database, topics)? {
                    found if found.is_empty() => format!("session {} has no packets", session.id),
                    found => format!("session {} has no packets of that topic; it has: {found}", session.id),
                };
                return Err(Error::Setting { option: "--topic", value: printable(name), cause });
            }
        };
    }
    Ok(ids)
}

/// The names of topics, with commas between them.
fn names(database: &Database, topics: &BTreeMap<i64, Extent>) -> Result<String> {
    let named = topics.keys().take(NAMED_MAX_TOPICS);
    let mut names = Vec::new();
    for &id in named {
        names.extend(database.topic(id)?.map(|name| printable(&name)));
    }
    if topics.len() > NAMED_MAX_TOPICS {
        names.push("...".to_owned());
    }
    Ok(names.join(", "))
}

/// Samples in a second of a sound file, or why there cannot be one and what to try.
fn sound_rate_hz(extent: Extent, asked_for: Option<u32>) -> std::result::Result<u32, (String, &'static str)> {
    if extent.bytes > SAMPLES_MAX_BYTES {
        let cause = format!("{} bytes of samples are more than a wav file can hold (4 GiB)", extent.bytes);
        return Err((cause, "use --format raw"));
    }
    let unknown =
        || ("the sample rate cannot be estimated from packets of one moment".to_owned(), "give it with --sample-rate");
    asked_for.or_else(|| estimated_rate_hz(extent)).ok_or_else(unknown)
}

/// Samples in a second: those of all packets but the first, which came within the time from the first to the last.
fn estimated_rate_hz(extent: Extent) -> Option<u32> {
    let elapsed_ns = extent.last_elapsed_ns.saturating_sub(extent.first_elapsed_ns);
    let samples = extent.bytes.saturating_sub(extent.first_bytes) / 2;
    // The conversion of too large a number gives the largest one.
    (elapsed_ns > 0).then(|| ((samples as f64 / seconds(elapsed_ns)).round() as u32).clamp(1, SAMPLE_RATE_MAX_HZ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::clock::NS_PER_S;

    #[test]
    fn the_rate_is_that_between_the_first_packet_and_the_last() {
        let extent = |packets, elapsed_ns| Extent {
            packets,
            bytes: packets * 960,
            first_bytes: 960,
            first_elapsed_ns: 5,
            last_elapsed_ns: 5 + elapsed_ns,
        };
        assert_eq!(estimated_rate_hz(extent(101, NS_PER_S)), Some(48_000));
        assert_eq!(estimated_rate_hz(extent(2, 3_600 * NS_PER_S)), Some(1));
        assert_eq!(estimated_rate_hz(extent(1_000_000_000, 1)), Some(SAMPLE_RATE_MAX_HZ));
        assert_eq!(estimated_rate_hz(extent(1, 0)), None);
        assert_eq!(estimated_rate_hz(Extent::default()), None);
    }

    #[test]
    fn a_sound_is_as_long_as_its_header_can_say() {
        let longest = Extent { bytes: u64::from(u32::MAX) - 37, ..Extent::default() };
        assert_eq!(sound_rate_hz(longest, Some(8000)), Ok(8000));
        let longer = Extent { bytes: longest.bytes + 2, ..longest };
        let (cause, hint) = sound_rate_hz(longer, Some(8000)).unwrap_err();
        assert_eq!(cause, "4294967260 bytes of samples are more than a wav file can hold (4 GiB)");
        assert_eq!(hint, "use --format raw");
        assert!(sound_rate_hz(Extent::default(), None).unwrap_err().1.contains("--sample-rate"));
    }
}
