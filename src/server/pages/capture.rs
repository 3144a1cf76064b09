//! One capture: what is known of it, its picture, and the messages where it begins.

use std::fmt::Display;

use crate::error::Result;
use crate::escape::html::Html;
use crate::escape::shell;
use crate::server::pages::messages::{Place, list};
use crate::server::pages::picture::{Subject, draw};
use crate::server::pages::window::{Window, offset};
use crate::server::pages::{address, links, page, pairs, table, warn_of_suspicion};
use crate::server::routes::About;
use crate::server::site::{Allowance, Site};
use crate::summary::card;
use crate::summary::figures::name as words_of_stream;
use crate::summary::running::recorder;
use crate::time::durations::seconds;

/// Messages that are shown below the picture.
const MESSAGES: u64 = 10;

/// Streams that are named.
const STREAMS_MAX: usize = 200;

/// The page.
pub fn show(site: &Site, about: &About<'_>, allowance: Allowance) -> Result<Html> {
    let About { database, session, name, query } = about;
    let window = Window::of(query, database, session)?;
    let lines = card::lines(session, &database.endpoints(session)?, &database.secured(session)?);
    let streams = database.streams(session)?;
    let place = Place::of(about, &window, MESSAGES)?;
    let subject = Subject::of(query)?;
    let is_recorded = session.ended_unix_ns.is_none() && recorder(database).is_some();
    Ok(page(&title(about), None, None, |html| {
        warn_of_suspicion(database, html);
        links(name, "", html);
        if is_recorded {
            html.element("p", &[], |html| {
                html.text("It is being recorded: ");
                html.leaf("a", &[("href", &"/live")], "live");
            });
        }
        html.leaf("h2", &[], "What is seen");
        draw(database, session, (window.from_ns, window.to_ns), &subject, allowance, html);
        navigation(name, &window, &subject, html);
        export(site, about, &window, html);
        html.leaf("h2", &[], "Messages");
        list(about, &place, allowance, html);
        let more = address(name, "/messages", &[("at", &place.at())]);
        html.element("p", &[], |html| html.leaf("a", &[("href", &more)], "More messages from here"));
        html.leaf("h2", &[], "Streams");
        table(&["#Stream", "How it is read"], html, |html| {
            for (id, stream) in streams.iter().take(STREAMS_MAX) {
                html.element("tr", &[], |html| {
                    html.leaf("td", &[("class", &"n")], id);
                    html.element("td", &[], |html| {
                        let (from, to) = (offset(window.from_ns), offset(window.to_ns));
                        let alone = address(name, "", &[("from", &from), ("to", &to), ("stream", id)]);
                        html.leaf("a", &[("href", &alone)], super::shortened(&words_of_stream(stream)));
                    });
                });
            }
        });
        if streams.len() > STREAMS_MAX {
            html.leaf("p", &[("class", &"quiet")], format!("and {} more", streams.len() - STREAMS_MAX));
        }
        html.leaf("h2", &[], "Summary");
        pairs(lines, html);
    }))
}

/// `Capture 3: label`.
pub fn title(about: &About<'_>) -> String {
    let ids = about.session.ids();
    match &about.session.label {
        Some(label) => format!("Capture {ids}: {}", crate::summary::text::cell(label)),
        None => format!("Capture {ids}"),
    }
}

/// Links that move and zoom, and a form for the same.
fn navigation(name: &str, window: &Window, subject: &Subject, html: &mut Html) {
    let query = |part: Option<(String, String)>| {
        let mut query = part.map_or_else(Vec::new, |(from, to)| vec![("from", from), ("to", to)]);
        query.extend(subject.stream.map(|stream| ("stream", stream.to_string())));
        let query: Vec<(&str, &dyn Display)> =
            query.iter().map(|(name, value)| (*name, value as &dyn Display)).collect();
        address(name, "", &query)
    };
    let (from_s, to_s) = (seconds(window.from_ns), seconds(window.to_ns));
    let whole = if window.is_whole() { ", all of it" } else { "" };
    html.leaf("p", &[], format!("{from_s:.6} s to {to_s:.6} s{whole}"));
    html.element("nav", &[("class", &"zoom"), ("aria-label", &"Zoom")], |html| {
        for (what, times, later) in
            [("Zoom in", 0.5, 0.0), ("Zoom out", 2.0, 0.0), ("Earlier", 1.0, -0.5), ("Later", 1.0, 0.5)]
        {
            html.leaf("a", &[("href", &query(Some(window.moved(times, later))))], what);
        }
        html.leaf("a", &[("href", &query(None))], "All");
        if subject.stream.is_some() {
            html.leaf("a", &[("href", &address(name, "", &[]))], "All streams");
        }
    });
    html.element("form", &[("action", &address(name, "", &[])), ("class", &"window")], |html| {
        for (label, name, asked, ns) in
            [("From ", "from", &window.from, window.from_ns), ("To ", "to", &window.to, window.to_ns)]
        {
            html.element("label", &[], |html| {
                html.text(label);
                let value = asked.clone().unwrap_or_else(|| offset(ns));
                html.begin("input", &[("name", &name), ("value", &value), ("size", &24), ("autocomplete", &"off")]);
            });
        }
        if let Some(stream) = subject.stream {
            html.begin("input", &[("type", &"hidden"), ("name", &"stream"), ("value", &stream)]);
        }
        html.leaf("button", &[], "Show");
    });
}

/// The command line that exports exactly what is seen.
fn export(site: &Site, about: &About<'_>, window: &Window, html: &mut Html) {
    let mut line = "fancyhwd session export".to_owned();
    for (option, asked, ns) in [("--from", &window.from, window.from_ns), ("--to", &window.to, window.to_ns)] {
        if !window.is_whole() {
            // As it was asked for where that is what is seen: a number or a moment says more than an offset.
            let value = asked.clone().unwrap_or_else(|| offset(ns));
            line += &format!(" {}", shell::option(option, &value));
        }
    }
    let database = site.database.to_string_lossy();
    line += &format!(" {} --format csv --output capture.csv", shell::option("--database", &database));
    // Behind `--`, a label that begins with a dash is none the less a label.
    line += &format!(" -- {}", shell::quoted(about.name));
    html.leaf("p", &[], "Export exactly this:");
    html.element("pre", &[("class", &"scroll"), ("tabindex", &0)], |html| html.leaf("code", &[], &line));
}
