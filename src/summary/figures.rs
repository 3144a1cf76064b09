//! The figures of `session show` for which every message must be read.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::analysis::statistics::{self, GAP_FACTOR, Gap, Rates, Statistics};
use crate::codec::stream::Stream;
use crate::codec::topic;
use crate::error::Result;
use crate::escape;
use crate::message::Gaps;
use crate::store::{Asked, Database, Session, Stamp};
use crate::summary::ledger::{NAMED_MAX_GAPS, gaps_as_json};
use crate::time::durations::seconds;

/// So many messages are read without being asked for it: that takes a fraction of a second.
pub const READ_MAX_MESSAGES: u64 = 1_000_000;

/// What was found, and what it was found in.
pub struct Figures {
    streams: BTreeMap<i64, Stream>,
    statistics: Statistics,
    damage: Gaps,
    /// The first message of a stream that its layout cannot read, and why, by the stream's row.
    faults: BTreeMap<i64, (i64, String)>,
}

impl Figures {
    /// Read every message of the session. `at` is told how many were passed, again and again, and can end it.
    ///
    /// # Errors
    /// When the database cannot be read, or what `at` ends it with.
    pub fn of(database: &Database, session: &Session, at: &mut dyn FnMut(u64) -> Result<()>) -> Result<Self> {
        let mut statistics = Statistics::new(session.tally.messages, session.duration_ns);
        let mut first_faults = BTreeMap::<i64, i64>::new();
        let count = |stamp: Stamp| {
            if stamp.is_undecodable {
                first_faults.entry(stamp.stream_id).or_insert(stamp.number);
            }
            statistics.count(&stamp);
        };
        let damage = database.stamps(session, 0..i64::MAX, Asked { frames: false, faults: true }, at, count)?;
        let mut faults = BTreeMap::new();
        for (stream_id, number) in first_faults {
            let reason = database.fault(session, number)?.unwrap_or_default();
            faults.insert(stream_id, (number, reason));
        }
        Ok(Self { streams: database.streams(session)?, statistics, damage, faults })
    }

    /// Whether messages cannot be read.
    pub fn are_damaged(&self) -> bool {
        !self.damage.is_empty()
    }

    /// Which ones, for programs.
    pub fn damage_as_json(&self) -> Value {
        gaps_as_json(&self.damage)
    }

    /// A line for each stream and for each of the longest gaps.
    pub fn lines(&self) -> String {
        let Statistics { gap_ns, gaps, longest, .. } = &self.statistics;
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name:<12}{value}");
        };
        for (id, figures) in &self.statistics.streams {
            line(
                "stream",
                format!(
                    "{}: {}{}",
                    self.streams.get(id).map_or_else(|| format!("(damaged, id {id})"), name),
                    counted(figures),
                    rates(&figures.rates())
                ),
            );
            if let Some((number, reason)) = self.faults.get(id) {
                let undecodable = figures.undecodable;
                line("", format!("{undecodable} undecodable, the first is #{number}: {}", escape::line(reason)));
            }
        }
        let threshold = match *gap_ns {
            i64::MAX => String::new(),
            gap_ns => format!(" above {} ({GAP_FACTOR} times the mean spacing)", milliseconds(gap_ns)),
        };
        line("gaps", format!("{gaps}{threshold}"));
        for gap in self.damage.iter().take(NAMED_MAX_GAPS) {
            line("damage", gap.to_string());
        }
        if self.damage.iter().len() > NAMED_MAX_GAPS {
            line("damage", format!("... in all, {}", self.damage));
        }
        for Gap { number, elapsed_ns, spacing_ns } in longest {
            let at_s = seconds(*elapsed_ns);
            line("gap", format!("{} before #{number}, which came at {at_s:.3} s", milliseconds(*spacing_ns)));
        }
        text
    }

    /// The same for programs: streams and gaps.
    pub fn as_json(&self) -> (Value, Value) {
        let streams = self.statistics.streams.iter().map(|(id, figures)| {
            let stream = self.streams.get(id);
            let Rates { min_hz, mean_hz, max_hz } = figures.rates();
            let fault = self.faults.get(id);
            let mut json = json!({
                "id": id,
                "endpoint": stream.map(|stream| stream.endpoint),
                "topic": stream.map(|stream| topic::text(&stream.topic).0),
                "framing": stream.map(|stream| stream.framing.name()),
                "layout": stream.map(|stream| stream.layout.to_string()),
                "assumed": stream.map(|stream| stream.is_assumed),
                "channels": stream.and_then(|stream| stream.channels.as_ref()).map(ToString::to_string),
                "sample_rate_hz": stream.and_then(|stream| stream.sample_rate_hz),
                "counter": stream.and_then(|stream| stream.counter.as_ref()).map(ToString::to_string),
                "messages": figures.messages,
                "undecodable": figures.undecodable,
                "first_undecodable": fault.map(|(number, reason)| json!({ "number": number, "reason": reason })),
                "bytes": figures.bytes,
                "rate_min_hz": min_hz,
                "rate_mean_hz": mean_hz,
                "rate_max_hz": max_hz,
            });
            let hex = stream.and_then(|stream| topic::text(&stream.topic).1);
            if let Some((fields, hex)) = json.as_object_mut().zip(hex) {
                fields.insert("topic_hex".to_owned(), hex.into());
            }
            json
        });
        let streams = streams.collect();
        let Statistics { gap_ns, gaps, longest, .. } = &self.statistics;
        let longest: Vec<Value> = longest
            .iter()
            .map(|gap| json!({ "number": gap.number, "elapsed_ns": gap.elapsed_ns, "spacing_ns": gap.spacing_ns }))
            .collect();
        let above_ns = (*gap_ns < i64::MAX).then_some(gap_ns);
        (streams, json!({ "above_ns": above_ns, "count": gaps, "longest": longest }))
    }
}

/// What a stream is called, and how it is read.
pub fn name(stream: &Stream) -> String {
    let Stream { endpoint, framing, layout, .. } = stream;
    let topic = topic::cell(&stream.topic);
    let assumed = if stream.is_assumed { " (assumed)" } else { "" };
    let rate = stream.sample_rate_hz.map_or(String::new(), |hz| format!(", {hz} records/s"));
    let channels = stream.channels.as_ref().map_or(String::new(), |channels| format!(", channels {channels}"));
    let counter = stream.counter.as_ref().map_or(String::new(), |counter| format!(", counter {counter}"));
    let name =
        format!("endpoint {endpoint}, topic {topic} ({framing}), layout {layout}{assumed}{rate}{channels}{counter}");
    escape::line(&name).into_owned()
}

/// `12 messages, 384 bytes`.
fn counted(figures: &statistics::Figures) -> String {
    let plural = if figures.messages == 1 { "" } else { "s" };
    format!("{} message{plural}, {} bytes", figures.messages, figures.bytes)
}

/// `, rate 3.1/s mean, 1.0/s min, 7.0/s max`, or nothing where nothing can be said.
fn rates(rates: &Rates) -> String {
    let rate = |name: &str, hz: Option<f64>| hz.map(|hz| format!("{hz:.1}/s {name}"));
    let known = [rate("mean", rates.mean_hz), rate("min", rates.min_hz), rate("max", rates.max_hz)];
    match known.into_iter().flatten().collect::<Vec<_>>().join(", ") {
        known if known.is_empty() => known,
        known => format!(", rate {known}"),
    }
}

fn milliseconds(ns: i64) -> String {
    format!("{:.3} ms", ns as f64 / 1e6)
}
