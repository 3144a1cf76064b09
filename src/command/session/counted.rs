//! What the devices' own sequence numbers say of a session: for `session verify --counter`.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::codec::counter::Counter;
use crate::codec::sequence::{Seen, Sequence};
use crate::codec::stream::Stream;
use crate::error::Result;
use crate::message::{Batch, Message};
use crate::observe::event::Kind;
use crate::process::stop::Stop;
use crate::store::{Database, Reader, Selection, Session};
use crate::streams::{About, about};
use crate::summary::figures::name;
use crate::summary::ledger::NAMED_MAX_GAPS;
use crate::time::durations::seconds;

/// What was found in the streams of a session, by their rows.
#[derive(Debug, Default)]
pub(super) struct Counted {
    streams: BTreeMap<i64, Count>,
}

/// What was found in one stream.
#[derive(Debug)]
struct Count {
    stream: Stream,
    counter: Counter,
    sequence: Sequence,
    /// When its link was down, since the session began: from and to.
    breaks: VecDeque<(i64, i64)>,
    /// When a trigger began to leave messages out.
    pauses: VecDeque<i64>,
    messages: u64,
    without: u64,
    lost: u64,
    gaps: u64,
    late: u64,
    repeats: u64,
    restarts: u64,
    jumps: u64,
    /// The first gaps: how many are lost, before which message, and when that came.
    first: Vec<(u64, i64, i64)>,
}

impl Counted {
    /// Read the messages of a session, and follow the numbers of those streams that have such a counter.
    ///
    /// # Errors
    /// When the database cannot be read, or a stop is asked for.
    pub fn of(path: &Path, session: &Session, counters: &[About<Counter>], stop: &Stop) -> Result<Self> {
        let database = Database::for_reading(path)?;
        let breaks = breaks(&database, session)?;
        let pauses = database.spans(session, Kind::NotTriggered)?;
        let pauses: VecDeque<i64> = pauses.into_iter().map(|(from_ns, ..)| from_ns).collect();
        let streams = database.streams(session)?.into_iter().filter_map(|(id, stream)| {
            let counter = about(counters, &stream.topic)?.clone();
            let breaks = breaks.get(&stream.endpoint).cloned().unwrap_or_default();
            Some((id, Count::new(stream, counter, breaks, pauses.clone())))
        });
        let mut counted = Self { streams: streams.collect() };
        if session.is_empty() || counted.streams.is_empty() {
            return Ok(counted);
        }
        let mut reader = Reader::new(database, session, &Selection::default())?;
        let mut batch = Batch::default();
        while reader.step(&mut batch)? {
            for ((message, number), stream) in batch.messages().zip(batch.numbers()).zip(batch.streams()) {
                if let Some(count) = counted.streams.get_mut(stream) {
                    count.see(message, *number);
                }
            }
            batch.clear();
            stop.check(|| format!("count what is missing of {}", session.title()))?;
        }
        Ok(counted)
    }

    /// Whether something is missing, or may be.
    pub fn has_loss(&self) -> bool {
        self.streams.values().any(|count| count.gaps > 0 || count.jumps > 0)
    }

    /// A line for each stream, and for the first of its gaps.
    pub fn lines(&self, session: &Session) -> String {
        let mut text = String::new();
        for count in self.streams.values() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}: {}", session.title(), count.words());
            for (lost, number, elapsed_ns) in &count.first {
                let at_s = seconds(*elapsed_ns);
                let _ = writeln!(text, "  {lost} missing before #{number}, which came at {at_s:.3} s");
            }
            if count.gaps > count.first.len() as u64 {
                let _ = writeln!(text, "  and {} more gaps", count.gaps - count.first.len() as u64);
            }
        }
        if text.is_empty() {
            let _ = writeln!(text, "{}: no stream has that counter", session.title());
        }
        text
    }

    /// The same for programs.
    pub fn as_json(&self) -> Value {
        self.streams.iter().map(|(id, count)| count.as_json(*id)).collect()
    }
}

/// When the links of a session were down, by the numbers of their endpoints.
fn breaks(database: &Database, session: &Session) -> Result<BTreeMap<u32, VecDeque<(i64, i64)>>> {
    let endpoints = database.endpoints(session)?;
    let mut breaks: BTreeMap<u32, VecDeque<(i64, i64)>> = BTreeMap::new();
    for (from_ns, until_ns, name) in database.spans(session, Kind::Disconnected)? {
        if let Some((number, _)) = endpoints.iter().find(|(_, endpoint)| Some(*endpoint) == name.as_ref()) {
            breaks.entry(*number).or_default().push_back((from_ns, until_ns.unwrap_or(from_ns)));
        }
    }
    Ok(breaks)
}

impl Count {
    fn new(stream: Stream, counter: Counter, breaks: VecDeque<(i64, i64)>, pauses: VecDeque<i64>) -> Self {
        Self {
            sequence: Sequence::new(&counter),
            stream,
            counter,
            breaks,
            pauses,
            messages: 0,
            without: 0,
            lost: 0,
            gaps: 0,
            late: 0,
            repeats: 0,
            restarts: 0,
            jumps: 0,
            first: Vec::new(),
        }
    }

    fn see(&mut self, message: Message<'_>, number: i64) {
        self.messages += 1;
        let Some(value) = self.counter.read(self.stream.after_topic(message.frames())) else {
            self.without += 1;
            return;
        };
        while self.pauses.front().is_some_and(|began_ns| *began_ns <= message.elapsed_ns) {
            self.pauses.pop_front();
            self.sequence = Sequence::new(&self.counter);
        }
        // A link may be up a little before the ledger says so.
        let mut is_up_again = false;
        while let Some((from_ns, until_ns)) = self.breaks.front()
            && *from_ns <= message.elapsed_ns
        {
            self.sequence.link_broke();
            is_up_again = *until_ns <= message.elapsed_ns;
            if !is_up_again {
                break;
            }
            self.breaks.pop_front();
        }
        match self.sequence.see(value) {
            Seen::First | Seen::Next => {}
            Seen::Gap { lost, .. } => {
                self.gaps += 1;
                self.lost = self.lost.saturating_add(lost);
                if self.first.len() < NAMED_MAX_GAPS {
                    self.first.push((lost, number, message.elapsed_ns));
                }
            }
            Seen::Late { .. } => {
                self.late += 1;
                self.lost = self.lost.saturating_sub(1);
            }
            Seen::Repeat => self.repeats += 1,
            Seen::Restart => self.restarts += 1,
            Seen::Jump => self.jumps += 1,
        }
        if is_up_again {
            self.sequence.link_holds();
        }
    }

    fn words(&self) -> String {
        let Self { counter, messages, without, lost, gaps, late, repeats, restarts, jumps, .. } = self;
        format!(
            "{} by {counter}: {messages} messages, {without} without it, {lost} lost in {gaps} gaps, {late} late, {repeats} \
             repeats, {restarts} restarts, {jumps} jumps",
            name(&self.stream)
        )
    }

    fn as_json(&self, id: i64) -> Value {
        let first = self.first.iter().map(
            |(lost, number, elapsed_ns)| json!({ "lost": lost, "before_number": number, "elapsed_ns": elapsed_ns }),
        );
        json!({
            "stream": id,
            "counter": self.counter.to_string(),
            "messages": self.messages,
            "without": self.without,
            "lost": self.lost,
            "gaps": self.gaps,
            "first_gaps": first.collect::<Value>(),
            "late": self.late,
            "repeats": self.repeats,
            "restarts": self.restarts,
            "jumps": self.jumps,
        })
    }
}
