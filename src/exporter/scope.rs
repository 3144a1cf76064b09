//! Which messages are exported, and what must be known of them before.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::codec::framing::Framing;
use crate::codec::stream::Stream;
use crate::codec::topic::{Wanted, shown};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::exporter::extent::{Extent, by_stream, largest};
use crate::exporter::parquet::{COLUMNS_MAX, Table};
use crate::exporter::records::has_records;
use crate::exporter::wav::{GAPS_MAX, Listener, SAMPLE_RATE_MAX_HZ, SAMPLES_MAX_BYTES, Silences, Sound, silent_bytes};
use crate::exporter::{Export, Format, Watch};
use crate::store::{self, Database, Largest, Session, Stamp};
use crate::time::durations::seconds;

/// Topics that a message names; a session may have any number.
const NAMED_MAX_TOPICS: usize = 10;

/// The messages that are exported.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Which ones.
    pub messages: store::Selection,
    /// The streams that they are of, by their rows.
    pub streams: BTreeMap<i64, Stream>,
    /// Samples in a second, for a sound file.
    pub sample_rate_hz: u32,
    /// Whether nobody said so.
    pub is_estimated: bool,
    /// What the sound is made of.
    pub(super) sound: Sound,
    /// Where samples are missing in it, ...
    silences: Silences,
    /// ... and whether they are filled with silence.
    pub fills_gaps: bool,
    /// How large the messages of each stream are at most, for typed columns.
    pub(super) largest: BTreeMap<i64, Largest>,
    /// What a file says of the session beside its messages.
    pub(super) about: About,
}

/// What a file says of the session beside its messages.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    /// As `session show --json` has it.
    pub session: Value,
    /// The entries of its ledger.
    pub ledger: Vec<Value>,
    /// Whether some of them cannot be read.
    pub is_ledger_damaged: bool,
}

impl About {
    fn of(database: &Database, session: &Session) -> Result<Self> {
        let store::Ledger { entries, is_whole, .. } = database.ledger(session)?;
        let mut json = session.as_json();
        if let Some(fields) = json.as_object_mut() {
            let endpoints = database.endpoints(session)?.into_iter();
            let endpoints: Map<String, Value> =
                endpoints.map(|(number, text)| (number.to_string(), text.into())).collect();
            fields.insert("endpoints".to_owned(), endpoints.into());
        }
        Ok(Self { session: json, ledger: entries, is_ledger_damaged: !is_whole })
    }
}

impl Scope {
    /// Select what the export asks for. The session is read for it where its totals do not say enough.
    ///
    /// # Errors
    /// When nothing is asked for that is there, or the format cannot hold what is selected, or a stop is asked for.
    pub fn of(database: &Database, session: &Session, export: &Export, watch: &Watch<'_>) -> Result<Self> {
        let wanted = export.wanted.clone().unwrap_or(Wanted::Every);
        let endpoints = export.endpoints.clone();
        let is_wanted = |stream: &Stream| {
            export.endpoints.as_ref().is_none_or(|numbers| numbers.contains(&stream.endpoint))
                && match stream.framing {
                    // Its messages are looked at one by one.
                    Framing::Whole => true,
                    Framing::Space => wanted.takes(&[&stream.topic, &b" "[..]].concat(), 1),
                    Framing::Frames => wanted.takes(&stream.topic, 2),
                }
        };
        let messages = store::Selection { wanted: wanted.clone(), endpoints, from: export.from, to: export.to };
        let all = database.streams(session)?;
        let selected: BTreeMap<i64, Stream> =
            all.iter().filter(|(_, stream)| is_wanted(stream)).map(|(&id, stream)| (id, stream.clone())).collect();
        if selected.is_empty() && export.wanted.is_some() && wanted != Wanted::Every {
            let cause = match names(all.values()) {
                found if found.is_empty() => format!("{} has no messages", session.title()),
                found => format!("{} has no messages of that topic; it has: {found}", session.title()),
            };
            return Err(Error::Setting { option: "--topic", value: wanted.to_string(), cause });
        }
        let refuse = |cause, hint| Error::Export { to: watch.to().to_owned(), cause, hint, exit: Exit::Usage };
        let is_timeless = |stream: &&Stream| stream.sample_rate_hz.is_none() && has_records(stream);
        if export.is_exploded && selected.values().any(|stream| is_timeless(&stream)) {
            let streams = names(selected.values().filter(is_timeless));
            let cause = format!("no sample rate is known of {streams}, so that records have no time of their own");
            return Err(refuse(cause, "say it with `fancyhwd session describe SESSION TOPIC --sample-rate HZ`"));
        }
        if export.format == Format::Parquet {
            let largest = largest(database, session, (export.from, export.to), watch)?;
            let columns = Table::of(&selected, &largest, export.style()).fields.len();
            if columns > COLUMNS_MAX {
                let cause =
                    format!("its streams have {columns} columns together, and a file has {COLUMNS_MAX} at most");
                return Err(refuse(cause, "choose streams with --topic or --endpoint"));
            }
            let about = About::of(database, session)?;
            return Ok(Self { messages, streams: selected, largest, about, ..Self::default() });
        }
        if export.format == Format::Npz {
            let about = About::of(database, session)?;
            return Ok(Self { messages, streams: selected, about, ..Self::default() });
        }
        if !export.format.hides_topics() {
            let largest = match export.format == Format::Mcap && !export.is_untouched {
                true => largest(database, session, (export.from, export.to), watch)?,
                false => BTreeMap::new(),
            };
            return Ok(Self { messages, streams: selected, largest, ..Self::default() });
        }
        if export.wanted.is_none() && selected.len() > 1 {
            let cause = format!(
                "{} has {} streams ({}), which cannot be told apart in {}",
                session.title(),
                selected.len(),
                names(selected.values()),
                export.format
            );
            return Err(refuse(cause, "choose one with --topic, or mix all with --topic '*'"));
        }
        if export.format != Format::Wav {
            return Ok(Self { messages, streams: selected, ..Self::default() });
        }
        let mut sound = None;
        for stream in selected.values() {
            let found = Sound::of(stream);
            if found.is_none() {
                let cause = format!(
                    "its layout is {}, and a sound file holds int16, int24, int32 or float32 alone, as many as there are channels",
                    stream.layout
                );
                return Err(refuse(
                    cause,
                    "choose another topic with --topic, or say with `session describe` how it is read",
                ));
            }
            if sound.is_some_and(|sound| Some(sound) != found) {
                let cause = "its streams differ in type or channels, and a sound file has one of each".to_owned();
                return Err(refuse(cause, "choose one with --topic"));
            }
            sound = found;
        }
        let sound = sound.unwrap_or_default();
        let told_hz = selected.values().find_map(|stream| stream.sample_rate_hz).map(|rate_hz| rate_hz.round() as u32);
        let told_hz = export.sample_rate_hz.or(told_hz.filter(|rate_hz| (1..=SAMPLE_RATE_MAX_HZ).contains(rate_hz)));
        let extents = by_stream(database, session, (export.from, export.to), false, watch, |_| {})?;
        let extent = extents
            .iter()
            .filter(|(id, _)| selected.contains_key(id))
            .fold(Extent::default(), |sum, (_, extent)| sum.and(*extent));
        let sample_rate_hz = sound_rate_hz(extent, sound, told_hz).map_err(|(cause, hint)| refuse(cause, hint))?;
        let is_estimated = told_hz.is_none();
        let scope = Self { messages, streams: selected, sample_rate_hz, is_estimated, sound, ..Self::default() };
        let scope = scope.with_silences(database, session, export, watch)?;
        if !export.fills_gaps {
            return Ok(scope);
        }
        if is_estimated {
            let cause = "how long gaps are is not known without the sample rate".to_owned();
            return Err(refuse(cause, "give it with --sample-rate"));
        }
        if scope.streams.len() > 1 {
            let cause = format!("it has {} streams, which have gaps of their own", scope.streams.len());
            return Err(refuse(cause, "choose one with --topic, or leave --fill-gaps out"));
        }
        if scope.silences.count > GAPS_MAX as u64 {
            let cause = format!("{} gaps are more than are filled ({GAPS_MAX})", scope.silences.count);
            return Err(refuse(cause, "check the sample rate, or export parts with --from and --to"));
        }
        let silent_bytes = silent_bytes(sound, sample_rate_hz, scope.silences.total_ns);
        let whole = Extent { bytes: extent.bytes.saturating_add(silent_bytes), ..extent };
        sound_rate_hz(whole, sound, told_hz).map_err(|(cause, hint)| refuse(cause, hint))?;
        Ok(Self { fills_gaps: true, ..scope })
    }

    /// With the gaps of a stream that is to be sound.
    fn with_silences(
        mut self,
        database: &Database,
        session: &Session,
        export: &Export,
        watch: &Watch<'_>,
    ) -> Result<Self> {
        let sound = self.sound;
        let mut listener = Listener::new(self.sample_rate_hz);
        let hear = |stamp: &Stamp| {
            let header_bytes = stamp.frames.saturating_mul(sound.header_bytes() as u64);
            let samples = stamp.bytes.saturating_sub(header_bytes) / (sound.record_bytes() as u64).max(1);
            if self.streams.contains_key(&stamp.stream_id) && !stamp.is_undecodable {
                listener.hear(stamp.number, stamp.elapsed_ns, samples);
            }
        };
        by_stream(database, session, (export.from, export.to), sound.header_bytes() > 0, watch, hear)?;
        self.silences = listener.end();
        Ok(self)
    }

    /// How many gaps a sound has, and how long they are together.
    pub fn gaps(&self) -> (u64, i64) {
        (self.silences.count, self.silences.total_ns)
    }

    /// The gaps that are filled with silence.
    pub(super) fn filled(&self) -> Silences {
        if self.fills_gaps { self.silences.clone() } else { Silences::default() }
    }
}

/// The names of streams, with commas between them.
fn names<'a>(streams: impl Iterator<Item = &'a Stream>) -> String {
    let mut names: BTreeSet<String> = streams.map(|stream| shown(&stream.topic)).collect();
    names.remove("");
    let more = if names.len() > NAMED_MAX_TOPICS { ", ..." } else { "" };
    names.into_iter().take(NAMED_MAX_TOPICS).collect::<Vec<_>>().join(", ") + more
}

/// Samples in a second of a sound file, or why there cannot be one and what to try.
fn sound_rate_hz(
    extent: Extent,
    sound: Sound,
    asked_for: Option<u32>,
) -> std::result::Result<u32, (String, &'static str)> {
    if extent.bytes > SAMPLES_MAX_BYTES {
        let cause = format!("{} bytes of samples are more than a wav file can hold (4 GiB)", extent.bytes);
        return Err((cause, "use --format raw"));
    }
    let unknown =
        || ("the sample rate cannot be estimated from messages of one moment".to_owned(), "give it with --sample-rate");
    asked_for.or_else(|| estimated_rate_hz(extent, sound)).ok_or_else(unknown)
}

/// Samples in a second: those of all messages but the first, which came within the time from the first to the last.
fn estimated_rate_hz(extent: Extent, sound: Sound) -> Option<u32> {
    let elapsed_ns = extent.last_elapsed_ns.saturating_sub(extent.first_elapsed_ns);
    let headers_bytes = extent.messages.saturating_sub(1).saturating_mul(sound.header_bytes() as u64);
    let bytes = extent.bytes.saturating_sub(extent.first_bytes).saturating_sub(headers_bytes);
    let samples = bytes.checked_div(sound.record_bytes() as u64).unwrap_or_default();
    // The conversion of too large a number gives the largest one.
    (elapsed_ns > 0).then(|| ((samples as f64 / seconds(elapsed_ns)).round() as u32).clamp(1, SAMPLE_RATE_MAX_HZ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::clock::NS_PER_S;

    #[test]
    fn the_rate_is_that_between_the_first_message_and_the_last() {
        let extent = |messages, elapsed_ns| Extent {
            messages,
            bytes: messages * 960,
            first_bytes: 960,
            first_elapsed_ns: 5,
            last_elapsed_ns: 5 + elapsed_ns,
        };
        assert_eq!(estimated_rate_hz(extent(101, NS_PER_S), Sound::default()), Some(48_000));
        assert_eq!(estimated_rate_hz(extent(2, 3_600 * NS_PER_S), Sound::default()), Some(1));
        assert_eq!(estimated_rate_hz(extent(1_000_000_000, 1), Sound::default()), Some(SAMPLE_RATE_MAX_HZ));
        assert_eq!(estimated_rate_hz(extent(1, 0), Sound::default()), None);
        assert_eq!(estimated_rate_hz(Extent::default(), Sound::default()), None);
    }

    #[test]
    fn a_sound_is_as_long_as_its_header_can_say() {
        let longest = Extent { bytes: u64::from(u32::MAX) - 37, ..Extent::default() };
        assert_eq!(sound_rate_hz(longest, Sound::default(), Some(8000)), Ok(8000));
        let longer = Extent { bytes: longest.bytes + 2, ..longest };
        let (cause, hint) = sound_rate_hz(longer, Sound::default(), Some(8000)).unwrap_err();
        assert_eq!(cause, "4294967260 bytes of samples are more than a wav file can hold (4 GiB)");
        assert_eq!(hint, "use --format raw");
        assert!(sound_rate_hz(Extent::default(), Sound::default(), None).unwrap_err().1.contains("--sample-rate"));
    }
}
