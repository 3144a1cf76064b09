//! The figures of `session show` for which every message must be read.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::command::ledger::printable;
use crate::error::Result;
use crate::statistics::{GAP_FACTOR, Gap, Statistics, Topic};
use crate::store::{Database, Session, Stamp};
use crate::tally::{rate_hz, seconds};

/// So many messages are read without being asked for it: that takes a fraction of a second.
pub(super) const READ_MAX_MESSAGES: u64 = 1_000_000;

/// What was found, with the names of the topics.
pub(super) struct Figures {
    topics: Vec<(String, Topic)>,
    statistics: Statistics,
}

impl Figures {
    /// Read every message of the session.
    pub fn of(database: &Database, session: &Session) -> Result<Self> {
        let messages = session.tally.packets.saturating_add(session.tally.rejected);
        let mut statistics = Statistics::new(messages, session.duration_ns);
        let count = |stamp: Stamp| statistics.count(stamp.number, stamp.elapsed_ns, stamp.topic_id);
        database.stamps(session, &mut |_| Ok(()), count)?;
        let mut topics = Vec::new();
        for (&topic_id, &topic) in &statistics.topics {
            let name = database.topic(topic_id)?;
            topics.push((printable(&String::from_utf8_lossy(&name)), topic));
        }
        Ok(Self { topics, statistics })
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
            let spacing = match topic.min_spacing_ns.zip(topic.max_spacing_ns) {
                Some((least, most)) => format!(", spacing {} to {}", milliseconds(least), milliseconds(most)),
                None => String::new(),
            };
            let rate = rate_hz(topic.packets, topic.duration_ns());
            line("topic", format!("{name}: {} packets, {rate:.1}/s{spacing}", topic.packets));
        }
        if *other_packets > 0 {
            line("topic", format!("others: {other_packets} packets"));
        }
        let threshold = match *gap_ns {
            i64::MAX => String::new(),
            gap_ns => format!(" above {} ({GAP_FACTOR} times the mean spacing)", milliseconds(gap_ns)),
        };
        line("gaps", format!("{gaps}{threshold}"));
        for Gap { number, elapsed_ns, spacing_ns } in longest {
            let at_s = seconds(*elapsed_ns);
            line("gap", format!("{} before #{number}, which came at {at_s:.3} s", milliseconds(*spacing_ns)));
        }
        text
    }

    /// The same for programs: topics and gaps.
    pub fn as_json(&self) -> (Value, Value) {
        let topics = self.topics.iter().map(|(name, topic)| {
            json!({
                "topic": name,
                "packets": topic.packets,
                "rate_hz": rate_hz(topic.packets, topic.duration_ns()),
                "min_spacing_ns": topic.min_spacing_ns,
                "max_spacing_ns": topic.max_spacing_ns,
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

fn milliseconds(ns: i64) -> String {
    format!("{:.3} ms", ns as f64 / 1e6)
}
