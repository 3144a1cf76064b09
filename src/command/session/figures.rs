//! The figures of `session show` for which every message must be read.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::analysis::statistics::{GAP_FACTOR, Gap, Rates, Statistics, Topic};
use crate::command::ledger::{NAMED_MAX_GAPS, gaps_as_json, printable};
use crate::error::Result;
use crate::message::Gaps;
use crate::process::stop::Stop;
use crate::store::{Database, Session, Stamp};
use crate::time::durations::seconds;

/// So many messages are read without being asked for it: that takes a fraction of a second.
pub(super) const READ_MAX_MESSAGES: u64 = 1_000_000;

/// What was found, with the names of the topics.
pub(super) struct Figures {
    topics: Vec<(String, Topic)>,
    statistics: Statistics,
    damage: Gaps,
}

impl Figures {
    /// Read every message of the session.
    pub fn of(database: &Database, session: &Session, stop: &Stop) -> Result<Self> {
        let messages = session.tally.packets.saturating_add(session.tally.rejected);
        let mut statistics = Statistics::new(messages, session.duration_ns);
        let count = |stamp: Stamp| statistics.count(stamp.number, stamp.elapsed_ns, stamp.topic_id);
        let mut at = |_| stop.check(|| format!("show session {}", session.id));
        let damage = database.stamps(session, &mut at, count)?;
        let mut topics = Vec::new();
        for (&topic_id, &topic) in &statistics.topics {
            // One without a readable name is known by its number.
            let name = database.topic(topic_id)?.unwrap_or_else(|| format!("(damaged, id {topic_id})").into_bytes());
            topics.push((printable(&String::from_utf8_lossy(&name)), topic));
        }
        Ok(Self { topics, statistics, damage })
    }

    /// Whether messages cannot be read.
    pub fn are_damaged(&self) -> bool {
        !self.damage.is_empty()
    }

    /// Which ones, for programs.
    pub fn damage_as_json(&self) -> Value {
        gaps_as_json(&self.damage)
    }

    /// A line for each topic and for each of the longest gaps.
    pub fn lines(&self) -> String {
        let Statistics { other_packets, gap_ns, gaps, longest, .. } = &self.statistics;
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name:<12}{value}");
        };
        for (name, topic) in &self.topics {
            line("topic", format!("{name}: {} packets{}", topic.packets, rates(&topic.rates())));
        }
        if *other_packets > 0 {
            line("topic", format!("others: {other_packets} packets"));
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

    /// The same for programs: topics and gaps.
    pub fn as_json(&self) -> (Value, Value) {
        let topics = self.topics.iter().map(|(name, topic)| {
            let Rates { min_hz, mean_hz, max_hz } = topic.rates();
            json!({
                "topic": name,
                "packets": topic.packets,
                "rate_min_hz": min_hz,
                "rate_mean_hz": mean_hz,
                "rate_max_hz": max_hz,
            })
        });
        let Statistics { other_packets, gap_ns, gaps, longest, .. } = &self.statistics;
        let others = json!({ "topic": null, "packets": other_packets });
        let topics = topics.chain((*other_packets > 0).then_some(others)).collect();
        let longest: Vec<Value> = longest
            .iter()
            .map(|gap| json!({ "number": gap.number, "elapsed_ns": gap.elapsed_ns, "spacing_ns": gap.spacing_ns }))
            .collect();
        let above_ns = (*gap_ns < i64::MAX).then_some(gap_ns);
        (topics, json!({ "above_ns": above_ns, "count": gaps, "longest": longest }))
    }
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
