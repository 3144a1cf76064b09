//! `fancyhwd session diff`.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::analysis::diff::{Comparison, Difference, Placed, compare};
use crate::analysis::sought::Sought;
use crate::codec::stream::Stream;
use crate::command::here::{Depth, Here};
use crate::command::print;
use crate::command::session::message::Excerpt;
use crate::error::Result;
use crate::escape;
use crate::exit::Exit;
use crate::process::stop::Stop;
use crate::store::{Database, Reader, Selection, Session, Source};
use crate::summary::ledger::{NAMED_MAX_GAPS, gaps_as_json};
use crate::summary::text::pretty;

/// What `session diff` compares.
#[derive(Clone, Debug)]
pub struct Settings {
    /// An id, a label, or `latest`.
    pub a: String,
    /// See `a`.
    pub b: String,
    /// Where A is.
    pub source: Source,
    /// Where B is.
    pub other: Source,
    /// Which messages of A, and of B, with what is looked for.
    pub selections: [(Selection, Sought); 2],
    /// By how much the spacing may differ.
    pub timing_tolerance_ns: Option<i64>,
    /// Whether to print JSON.
    pub is_json: bool,
}

/// Compare two sessions.
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    let [in_a, in_b] = &settings.selections;
    let here = |wanted: &str, source| Here::of(source, &[wanted], Depth::Messages, stop);
    let (a, b) = (here(&settings.a, &settings.source)?, here(&settings.b, &settings.other)?);
    let (names, are_whole) = ([&a.name, &b.name], a.is_whole && b.is_whole);
    let (a, a_streams, a_reader) = open(&a, in_a, stop)?;
    let (b, b_streams, b_reader) = open(&b, in_b, stop)?;
    let streams = [&a_streams, &b_streams];
    let found = compare(a_reader, b_reader, stop)?;
    let is_late = settings.timing_tolerance_ns.is_some_and(|most_ns| found.spacing.p99_ns() > most_ns.unsigned_abs());
    let text = match settings.is_json {
        true => pretty(&as_json(settings, (names, [&a, &b]), streams, &found, is_late)),
        false => lines((names, [&a, &b]), streams, &found, is_late),
    };
    print(&text)?;
    Ok(Exit::from_loss(!found.is_same() || found.is_damaged() || !are_whole || is_late))
}

/// Streams by their rows.
type Streams = BTreeMap<i64, Stream>;

/// A session, its streams, and its messages if it has any.
fn open(
    here: &Here,
    (selection, sought): &(Selection, Sought),
    stop: &Stop,
) -> Result<(Session, Streams, Option<Reader>)> {
    let database = Database::for_reading(&here.path)?;
    let session = database.find_session(here.session())?;
    let streams = database.streams(&session)?;
    if session.is_empty() {
        return Ok((session, streams, None));
    }
    let selection = sought.find(&database, &session, selection, stop)?;
    let reader = Reader::new(database, &session, &selection)?;
    Ok((session, streams, Some(reader)))
}

fn lines(
    ([name_a, name_b], [a, b]): ([&String; 2], [&Session; 2]),
    streams: [&Streams; 2],
    found: &Comparison,
    is_late: bool,
) -> String {
    let side = |session: &Session, name: &str, messages| format!("{} of {name}, {messages} messages", session.title());
    let mut lines = vec![
        ("A", side(a, name_a, found.messages_in_a())),
        ("B", side(b, name_b, found.messages_in_b())),
        ("equal", found.equal.to_string()),
        ("changed", found.changed.to_string()),
        ("only in A", found.only_in_a.to_string()),
        ("only in B", found.only_in_b.to_string()),
    ];
    for (side, gaps, not_compared) in
        [("A", &found.gaps_in_a, found.not_compared_in_b), ("B", &found.gaps_in_b, found.not_compared_in_a)]
    {
        for gap in gaps.iter().take(NAMED_MAX_GAPS) {
            lines.push(("damage", format!("in {side}, {gap}")));
        }
        if !gaps.is_empty() {
            let other = if side == "A" { "B" } else { "A" };
            lines.push(("damage", format!("in {side}, {gaps}; {not_compared} of {other} are not compared for it")));
        }
    }
    if let Some(difference) = &found.first {
        let (a, b) = excerpts(difference, streams);
        let words = |excerpt: Option<Excerpt>| excerpt.map_or("nothing there".to_owned(), |it| it.to_string());
        lines.push(("first in A", words(a)));
        lines.push(("first in B", words(b)));
    }
    lines.push(("spacing", found.spacing.to_string()));
    if is_late {
        lines.push(("", "p99 of the spacing is above --timing-tolerance".to_owned()));
    }
    let mut text = String::new();
    for (name, value) in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<12}{}", escape::line(&value));
    }
    text
}

/// Both sides of a difference, cut in the same place.
fn excerpts(difference: &Difference, [in_a, in_b]: [&Streams; 2]) -> (Option<Excerpt>, Option<Excerpt>) {
    let Difference { a, b } = difference;
    let from = a
        .as_ref()
        .zip(b.as_ref())
        .map_or(0, |(a, b)| Excerpt::start((&a.content, in_a.get(&a.stream_id)), (&b.content, in_b.get(&b.stream_id))));
    let excerpt = |message: &Option<Placed>, streams| message.as_ref().map(|it| Excerpt::new(it, streams, from));
    (excerpt(a, in_a), excerpt(b, in_b))
}

fn as_json(
    settings: &Settings,
    ([name_a, name_b], [a, b]): ([&String; 2], [&Session; 2]),
    streams: [&Streams; 2],
    found: &Comparison,
    is_late: bool,
) -> Value {
    let side = |session: &Session, name: &str, messages| json!({ "database": name, "id": session.id, "label": session.label, "messages": messages });
    let spacing = &found.spacing;
    json!({
        "same": found.is_same() && !found.is_damaged(),
        "a": side(a, name_a, found.messages_in_a()),
        "b": side(b, name_b, found.messages_in_b()),
        "equal": found.equal,
        "changed": found.changed,
        "only_in_a": found.only_in_a,
        "only_in_b": found.only_in_b,
        "not_compared": found.not_compared_in_a + found.not_compared_in_b,
        "damage_in_a": gaps_as_json(&found.gaps_in_a),
        "damage_in_b": gaps_as_json(&found.gaps_in_b),
        "first_difference": found.first.as_ref().map(|difference| {
            let (a, b) = excerpts(difference, streams);
            json!({ "a": a.map(|it| it.as_json()), "b": b.map(|it| it.as_json()) })
        }),
        "spacing": {
            "compared": spacing.count(),
            "p50_ns": spacing.p50_ns(),
            "p99_ns": spacing.p99_ns(),
            "max_ns": spacing.max_ns(),
        },
        "timing_tolerance_ns": settings.timing_tolerance_ns,
        "within_tolerance": settings.timing_tolerance_ns.map(|_| !is_late),
    })
}
