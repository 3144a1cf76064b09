//! One capture: what is known of it, its picture, and the messages where it begins.

use crate::error::Result;
use crate::escape::html::Html;
use crate::escape::shell;
use crate::server::pages::messages::{Place, list};
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
        navigation(name, &window, html);
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
                    html.leaf("td", &[], super::shortened(&words_of_stream(stream)));
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
fn navigation(name: &str, window: &Window, html: &mut Html) {
    let (from_s, to_s) = (seconds(window.from_ns), seconds(window.to_ns));
    let whole = if window.is_whole() { ", all of it" } else { "" };
    html.leaf("p", &[], format!("{from_s:.6} s to {to_s:.6} s{whole}"));
    html.element("nav", &[("class", &"zoom"), ("aria-label", &"Zoom")], |html| {
        for (what, times, later) in
            [("Zoom in", 0.5, 0.0), ("Zoom out", 2.0, 0.0), ("Earlier", 1.0, -0.5), ("Later", 1.0, 0.5)]
        {
            let (from, to) = window.moved(times, later);
            html.leaf("a", &[("href", &address(name, "", &[("from", &from), ("to", &to)]))], what);
        }
        html.leaf("a", &[("href", &address(name, "", &[]))], "All");
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
