//! `fancyhwd session find`.

use std::cell::RefCell;
use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Number, Value, json};

use crate::analysis::find::{Finder, Found, Moment, Place, all_threads};
use crate::analysis::sought::{Sought, scope};
use crate::codec::condition::{Condition, Why};
use crate::codec::stream::Stream;
use crate::codec::{number, topic};
use crate::command::here::{Depth, Here};
use crate::command::print;
use crate::error::Result;
use crate::exit::Exit;
use crate::observe::progress::Progress;
use crate::process::stop::Stop;
use crate::store::{Database, Selection, Source};
use crate::summary::ledger;
use crate::summary::text::{self, pretty_end, pretty_item};
use crate::time::clock::monotonic_ns;
use crate::time::durations::{exact, iso, seconds};

/// So much is printed at once at most.
const TEXT_MAX_BYTES: usize = 64 << 10;

/// What `session find` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// An id, a label, or `latest`.
    pub session: String,
    /// From where.
    pub source: Source,
    /// What to look for.
    pub condition: Condition,
    /// Among which messages.
    pub selection: Selection,
    /// Where those begin and end, if conditions say so.
    pub sought: Sought,
    /// How many places are enough.
    pub limit: Option<u64>,
    /// What lies so near together is one place, and is shown with so much around it.
    pub context_ns: Option<i64>,
    /// Whether every message is read.
    pub is_full: bool,
    /// Whether to print JSON.
    pub is_json: bool,
}

/// Say where a condition begins and ends to hold, as soon as it is known.
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    let began_ns = monotonic_ns();
    let here = Here::of(&settings.source, &[&settings.session], Depth::Messages, stop)?;
    let database = Database::for_reading(&here.path)?;
    let session = database.find_session(here.session())?;
    let selection = settings.sought.find(&database, &session, &settings.selection, stop)?;
    let selection = scope(&settings.condition, &selection);
    let finder = Finder::new(database, &session, ("CONDITION", &settings.condition), &selection, all_threads())?;
    let finder = if settings.is_full { finder.read_all() } else { finder };
    let numbers = finder.numbers();
    let all = numbers.end.saturating_sub(numbers.start).unsigned_abs();
    let progress = Progress::new(all, true);
    let report = RefCell::new(Report::new(settings, finder.streams().clone()));
    let searched = finder.run(&mut |found| report.borrow_mut().take(found), &mut |passed| {
        report.borrow_mut().flush()?;
        progress.at(passed);
        stop.check(|| format!("find '{}' in {}", settings.condition, session.title()))
    });
    // The bar goes before the summary comes.
    drop(progress);
    let mut report = report.into_inner();
    let ended = report.end(searched.is_ok());
    let searched = searched?;
    ended?;
    ledger::warn_of_gaps(&searched.gaps);
    if searched.is_deleted {
        tracing::warn!("missing: {}: all or a part was deleted while it was looked at", session.title());
    }
    let places = match report.told {
        0 => "no place".to_owned(),
        1 => "1 place".to_owned(),
        told => format!("{told} places"),
    };
    tracing::info!(
        "found {places} of '{}' in {}: {all} messages, of which {} were read, in {:.3} s{}",
        settings.condition,
        session.title(),
        searched.read,
        seconds(monotonic_ns() - began_ns),
        if searched.is_cut { "; --limit ended it, there may be more" } else { "" },
    );
    Ok(Exit::from_loss(!searched.gaps.is_empty() || searched.is_deleted || !here.is_whole))
}

/// Places that lie near together.
#[derive(Clone, Debug)]
struct Group {
    /// The first one.
    place: Place,
    /// The last message.
    last: Moment,
    messages: u64,
    places: u64,
}

/// Tells of places in their order.
struct Report<'a> {
    settings: &'a Settings,
    streams: BTreeMap<i64, Stream>,
    /// What others may be near to.
    group: Option<Group>,
    told: u64,
    /// What is not printed yet.
    text: String,
}

impl<'a> Report<'a> {
    fn new(settings: &'a Settings, streams: BTreeMap<i64, Stream>) -> Self {
        Self { settings, streams, group: None, told: 0, text: String::new() }
    }

    /// One more beginning or end. Says whether more is wanted.
    fn take(&mut self, found: Found<'_>) -> Result<bool> {
        let context_ns = self.settings.context_ns;
        match found {
            Found::Begin(place) => {
                let is_far = |group: &Group| {
                    let between_ns = place.first.elapsed_ns.saturating_sub(group.last.elapsed_ns);
                    context_ns.is_none_or(|context_ns| between_ns > context_ns)
                };
                if self.group.as_ref().is_some_and(is_far) {
                    self.tell()?;
                }
            }
            Found::End(place) => {
                let alone = Group { place: place.clone(), last: place.last, messages: place.messages, places: 1 };
                self.group = Some(match self.group.take() {
                    None => alone,
                    // Of several streams, the one that began first may end last.
                    Some(group) => Group {
                        last: if place.last.number > group.last.number { place.last } else { group.last },
                        messages: group.messages.saturating_add(place.messages),
                        places: group.places + 1,
                        place: if place.first.number < group.place.first.number { alone.place } else { group.place },
                    },
                });
                if context_ns.is_none() {
                    self.tell()?;
                }
            }
        }
        Ok(self.settings.limit.is_none_or(|limit| self.told < limit))
    }

    fn tell(&mut self) -> Result<()> {
        let Some(group) = self.group.take() else { return Ok(()) };
        let is_first = self.told == 0;
        let text = match (self.settings.is_json, is_first) {
            (true, _) => pretty_item(&self.as_json(&group), usize::from(!is_first)),
            (false, true) => self.heading() + &self.line(&group),
            (false, false) => self.line(&group),
        };
        self.text.push_str(&text);
        self.told += 1;
        if self.text.len() >= TEXT_MAX_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if !self.text.is_empty() {
            print(&std::mem::take(&mut self.text))?;
        }
        Ok(())
    }

    /// Tell of the last one, and end what is printed.
    fn end(&mut self, is_whole: bool) -> Result<()> {
        if is_whole && self.settings.limit.is_none_or(|limit| self.told < limit) {
            self.tell()?;
        }
        match (self.settings.is_json, self.told) {
            (true, told) => self.text.push_str(pretty_end(usize::from(told > 0))),
            (false, 0) if is_whole => self.text.push_str("it holds nowhere\n"),
            (false, _) => {}
        }
        self.flush()
    }

    /// From where to where the session is to be replayed or exported, with the context: whole milliseconds.
    fn around(&self, group: &Group) -> Option<(String, String)> {
        let context_ns = self.settings.context_ns?;
        let from_ms = group.place.first.elapsed_ns.saturating_sub(context_ns).max(0) / 1_000_000;
        // It ends before that position.
        let to_ms = group.last.elapsed_ns.saturating_add(context_ns).max(0) / 1_000_000 + 1;
        let position = |ms: i64| exact(ms.unsigned_abs().saturating_mul(1_000_000)).replace(' ', "");
        Some((position(from_ms), position(to_ms)))
    }

    fn heading(&self) -> String {
        let endpoint = if self.streams.len() > 1 { "  ENDPOINT" } else { "" };
        format!("{:>14}  {:<24}  {:<27}  {:>12}{endpoint}  WHY\n", "BEGINS", "TIME", "MESSAGES", "LASTS")
    }

    fn line(&self, group: &Group) -> String {
        let Group { place, last, messages, places } = group;
        let first = place.first;
        let endpoint = match self.streams.get(&place.stream_id) {
            Some(stream) if self.streams.len() > 1 => format!("  {:<8}", stream.endpoint),
            _ => String::new(),
        };
        let time = DateTime::<Utc>::from_timestamp_nanos(first.unix_ns).to_rfc3339_opts(SecondsFormat::Millis, true);
        let numbers = match last.number {
            last if last == first.number => format!("#{last}"),
            last => format!("#{} to #{last}", first.number),
        };
        let lasts = seconds(last.elapsed_ns.saturating_sub(first.elapsed_ns));
        let mut words: Vec<String> = place.why.iter().map(text::why).collect();
        words.extend((*messages > 1).then(|| format!("{messages} messages")));
        words.extend((*places > 1).then(|| format!("{places} places")));
        words.extend(self.around(group).map(|(from, to)| format!("--from {from} --to {to}")));
        let begins = seconds(first.elapsed_ns);
        format!("{begins:>12.6} s  {time:<24}  {numbers:<27}  {lasts:>10.3} s{endpoint}  {}\n", words.join("; "))
    }

    fn as_json(&self, group: &Group) -> Value {
        let Group { place, last, messages, places } = group;
        let first = place.first;
        let stream = self.streams.get(&place.stream_id);
        let (text, hex) = stream.map(|stream| topic::text(&stream.topic)).unwrap_or_default();
        let mut json = json!({
            "first_number": first.number,
            "last_number": last.number,
            "messages": messages,
            "elapsed_ns": first.elapsed_ns,
            "until_elapsed_ns": last.elapsed_ns,
            "time": iso(first.unix_ns),
            "until_time": iso(last.unix_ns),
            "endpoint": stream.map_or(0, |stream| stream.endpoint),
            "topic": text,
        });
        let Some(fields) = json.as_object_mut() else { return json };
        fields.extend(hex.map(|hex| ("topic_hex".to_owned(), hex.into())));
        match &place.why {
            Some(Why::Record(record, measured)) => {
                fields.insert("record".to_owned(), (*record).into());
                let values = measured.iter().map(|it| (it.channel.clone(), as_number(it.value)));
                fields.insert("values".to_owned(), Value::Object(values.collect()));
            }
            Some(Why::Gap(gap_ns)) => drop(fields.insert("gap_ns".to_owned(), (*gap_ns).into())),
            Some(Why::Text(text)) => drop(fields.insert("text".to_owned(), text.as_str().into())),
            None => {}
        }
        if let Some((from, to)) = self.around(group) {
            fields.insert("places".to_owned(), (*places).into());
            fields.insert("from".to_owned(), from.into());
            fields.insert("to".to_owned(), to.into());
        }
        json
    }
}

/// A number of JSON, or where it has none such, as infinity, its text.
fn as_number(value: number::Value) -> Value {
    let text = value.to_string();
    text.parse::<Number>().map_or(Value::String(text), Value::Number)
}
