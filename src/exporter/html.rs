//! A session as a page that a person reads, in one file without scripts: pictures of all of it and of eight parts, figures, ledger.

use std::cell::Cell;
use std::fmt::Display;
use std::io::Write;
use std::ops::Range;

use serde_json::Value;

use crate::analysis::survey::{CHANNELS_MAX, Survey, View};
use crate::codec::stream::Stream;
use crate::codec::topic::{Wanted, shown};
use crate::error::{Error, Result};
use crate::escape::html::Html;
use crate::exporter::{Export, Exported, Output, Watch};
use crate::picture::{Mark, STYLE, columns, number, svg, time_text};
use crate::store::{Database, Ledger, Session};
use crate::time::clock::NS_PER_S;
use crate::time::durations::{iso, seconds};

/// The style sheet of the page: light, dark and print.
const PAGE_STYLE: &str = include_str!("html.css");

/// How wide pictures are.
const WIDTH_PX: u32 = 1200;

/// Into how many parts the session is divided, each with a picture of its own.
const PARTS: i64 = 8;

/// The line of the card that may be a loss.
const LOST: &str = "lost";

const TEXT: (&str, &dyn Display) = ("class", &"text");
const NUMBER: (&str, &dyn Display) = ("class", &"number");

/// What is on the page.
struct Page<'a> {
    session: &'a Session,
    ledger: &'a Ledger,
    window: Range<i64>,
    survey: Survey,
    parts: Vec<Survey>,
}

/// Write the page of the selected part of a session. It is not under its final name yet.
///
/// # Errors
/// When the database cannot be read, the output not be written, or a stop is asked for.
pub fn write_page(
    database: Database,
    session: &Session,
    export: &Export,
    output: &Output,
    watch: &Watch<'_>,
) -> Result<Exported> {
    let window = database.window(session, export.from, export.to)?;
    let ledger = database.ledger(session)?;
    let numbers = database.numbers(session, export.from, export.to)?;
    let streams = selected(&database, session, export)?;
    let path = database.path().to_owned();
    drop(database);
    watch.begin("", PARTS.saturating_add(1).unsigned_abs(), "pictures");
    let done = Cell::new(0);
    let survey = |window: Range<i64>| {
        let view = View {
            from_ns: window.start,
            to_ns: window.end,
            columns: columns(WIDTH_PX),
            streams: streams.clone(),
            channels: 0..CHANNELS_MAX,
        };
        let survey = Survey::of(Database::for_reading(&path)?, session, &view, &mut || watch.at(done.get()));
        done.set(done.get() + 1);
        survey
    };
    let part_ns = (window.end - window.start) / PARTS + 1;
    let begin = |part: i64| window.start.saturating_add(part.saturating_mul(part_ns));
    let parts = (0..PARTS).map(|part| survey(begin(part)..begin(part + 1).min(window.end.max(begin(part) + 1))));
    let page = Page {
        session,
        ledger: &ledger,
        survey: survey(window.clone())?,
        parts: parts.collect::<Result<_>>()?,
        window,
    };
    let text = page.html().into_string();
    let mut sink = output.sink(watch.stop())?;
    sink.write_all(text.as_bytes()).and_then(|()| sink.flush()).map_err(|cause| output.failed(cause))?;
    let messages = numbers.end.saturating_sub(numbers.start).max(0).unsigned_abs();
    Ok(Exported { messages, is_ledger_damaged: !ledger.is_whole, ..Exported::default() })
}

/// The rows of the streams that are asked for; none are all.
fn selected(database: &Database, session: &Session, export: &Export) -> Result<Vec<i64>> {
    let wanted = export.wanted.clone().unwrap_or(Wanted::Every);
    let streams = database.streams(session)?;
    let is_of = |endpoint| export.endpoints.as_ref().is_none_or(|numbers| numbers.contains(&endpoint));
    let is_wanted = |stream: &Stream| is_of(stream.endpoint) && stream.is_asked_for(&wanted);
    let found = streams.iter().filter(|(_, stream)| is_wanted(stream)).map(|(&id, _)| id);
    let found: Vec<i64> = found.collect();
    if found.is_empty() && !streams.is_empty() {
        let cause = database.why_nothing(session, &wanted);
        return Err(Error::EmptySelection { id: session.id, database: database.path().to_owned(), cause });
    }
    Ok(found)
}

impl Page<'_> {
    fn html(&self) -> Html {
        let mut html = Html::default();
        let label = self.session.label.as_deref().map_or(String::new(), |label| format!(": {label}"));
        let title = format!("{}{label}", self.session.title());
        html.markup("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        html.markup("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        html.leaf("title", &[], &title);
        html.markup("\n<style>\n");
        html.markup(PAGE_STYLE);
        html.markup(STYLE);
        html.markup("</style>\n</head>\n<body>\n");
        html.leaf("h1", &[], &title);
        html.markup("\n");
        self.card(&mut html);
        let marks: Vec<Mark> =
            self.ledger.entries.iter().filter_map(|entry| Mark::of(entry, self.session.last_elapsed_ns)).collect();
        html.markup("<h2>All of it</h2>\n");
        picture(&mut html, &self.survey, &marks, "the whole part that was chosen");
        self.figures(&mut html);
        self.ledger(&mut html);
        for (part, survey) in (1..).zip(&self.parts) {
            let range = words(survey.from_ns..survey.to_ns, survey.to_ns - survey.from_ns);
            html.leaf("h2", &[], format_args!("Part {part} of {PARTS}: {range}"));
            html.markup("\n");
            picture(&mut html, survey, &marks, &format!("part {part} of {PARTS}, {range}"));
        }
        html.markup("</body>\n</html>\n");
        html
    }

    /// What is known of the session.
    fn card(&self, html: &mut Html) {
        let session = self.session;
        let tally = &session.tally;
        let lines = [
            ("note", session.note.clone()),
            ("start", Some(iso(session.started_unix_ns))),
            ("end", Some(session.ended_unix_ns.map_or_else(|| "being recorded".to_owned(), iso))),
            ("end reason", session.end_reason.clone()),
            ("duration", Some(format!("{:.3} s", seconds(session.duration_ns)))),
            ("this page", Some(words(self.window.clone(), self.window.end - self.window.start))),
            ("messages", Some(tally.messages.to_string())),
            (LOST, Some(tally.lost.to_string())),
            ("undecodable", Some(tally.undecodable.to_string())),
            ("bytes", Some(tally.bytes.to_string())),
            ("host", Some(session.host.clone())),
            ("version", Some(format!("fancyhwd {}", session.version))),
        ];
        html.markup("<div class=\"box\"><table>\n");
        for (name, value) in lines {
            let Some(value) = value else { continue };
            html.element("tr", &[], |html| {
                html.leaf("th", &[("scope", &"row")], name);
                html.element("td", &[TEXT], |html| match name == LOST && tally.lost > 0 {
                    true => html.leaf("span", &[("class", &"loss")], value),
                    false => html.text(value),
                });
            });
            html.markup("\n");
        }
        html.markup("</table></div>\n");
    }

    /// What the channels are, and from where to where they go.
    fn figures(&self, html: &mut Html) {
        html.markup("<h2>Figures</h2>\n<div class=\"box\"><table>\n");
        html.markup("<tr><th>endpoint</th><th>topic</th><th>channel</th><th>unit</th>");
        html.markup("<th class=\"number\">least</th><th class=\"number\">greatest</th></tr>\n");
        for surveyed in self.survey.streams.values() {
            let (topic, endpoint) = (shown(&surveyed.stream.topic), surveyed.stream.endpoint);
            let mut row = |channel: &str, unit: &str, range: Option<(f64, f64)>| {
                let (least, greatest) = range
                    .map_or(("-".to_owned(), "-".to_owned()), |(least, greatest)| (number(least), number(greatest)));
                html.element("tr", &[], |html| {
                    html.leaf("td", &[NUMBER], endpoint);
                    [&topic, channel, unit].into_iter().for_each(|text| html.leaf("td", &[], text));
                    [least, greatest].into_iter().for_each(|text| html.leaf("td", &[NUMBER], text));
                });
                html.markup("\n");
            };
            for band in &surveyed.channels {
                row(&band.channel.name, band.channel.unit.as_deref().unwrap_or_default(), band.range());
            }
            if surveyed.channels.is_empty() {
                row("-", "", None);
            }
        }
        html.markup("</table></div>\n");
        let left = self.survey.streams_left;
        if left > 0 {
            let words = format_args!("{left} more streams: choose with --topic or --endpoint.");
            html.leaf("p", &[("class", &"quiet")], words);
            html.markup("\n");
        }
    }

    fn ledger(&self, html: &mut Html) {
        html.markup("<h2>What happened</h2>\n");
        if self.ledger.entries.is_empty() {
            html.markup("<p>Nothing.</p>\n");
            return;
        }
        html.markup("<div class=\"box\"><table>\n<tr><th>at</th><th>until</th><th>what</th>");
        html.markup("<th>endpoint</th><th>lost</th><th></th></tr>\n");
        for entry in &self.ledger.entries {
            let words = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
            let at = |name: &str| {
                entry.get(name).and_then(Value::as_i64).map(|ns| time_text(ns, NS_PER_S / 1000)).unwrap_or_default()
            };
            let lost = entry.get("lost").and_then(Value::as_u64).map_or("unknown".to_owned(), |lost| lost.to_string());
            let is_loss = Mark::of(entry, self.session.last_elapsed_ns).is_some_and(|mark| mark.is_loss());
            html.element("tr", &[], |html| {
                ["elapsed_ns", "until_elapsed_ns"].into_iter().for_each(|name| html.leaf("td", &[NUMBER], at(name)));
                ["kind", "endpoint"].into_iter().for_each(|name| html.leaf("td", &[], words(name)));
                html.leaf("td", &[("class", if is_loss { &"number loss" } else { &"number" })], lost);
                html.leaf("td", &[TEXT], words("detail"));
            });
            html.markup("\n");
        }
        html.markup("</table></div>\n");
        if !self.ledger.is_whole {
            html.markup("<p class=\"loss\">Other entries are damaged and cannot be read.</p>\n");
        }
    }
}

fn picture(html: &mut Html, survey: &Survey, marks: &[Mark], about: &str) {
    html.picture(&svg(survey, marks, WIDTH_PX, about));
    html.markup("\n");
}

/// `1.200 s to 3.400 s`.
fn words(window: Range<i64>, length_ns: i64) -> String {
    // Three digits of the length.
    let step_ns = 10_i64.pow((length_ns.max(1) / 1000).max(1).ilog10());
    format!("{} to {}", time_text(window.start, step_ns), time_text(window.end, step_ns))
}
