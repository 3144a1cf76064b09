//! The pages, and what they have in common.

pub mod capture;
pub mod captures;
pub mod figures;
pub mod ledger;
pub mod live;
pub mod messages;
pub mod picture;
pub mod verification;
pub mod window;

use std::fmt::Display;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::escape::html::{Attributes, Html};
use crate::store::Database;

/// What is written as it is in a part of a path.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

/// Characters of a text that are shown where there is room for many.
const LONG_MAX_CHARS: usize = 2000;

/// A page with a title and, if it is one of the main ones, its place among these. `refresh_s`: it is asked for again after so many
/// seconds.
pub fn page(title: &str, place: Option<&str>, refresh_s: Option<u32>, inside: impl FnOnce(&mut Html)) -> Html {
    let mut html = Html::default();
    html.markup("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.markup("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    html.markup("<meta name=\"color-scheme\" content=\"light dark\">");
    if let Some(seconds) = refresh_s {
        html.begin("meta", &[("http-equiv", &"refresh"), ("content", &seconds)]);
    }
    html.leaf("title", &[], format!("{title} - fancyhwd"));
    html.markup("<link rel=\"icon\" href=\"/static/icon.svg\"><link rel=\"stylesheet\" href=\"/static/style.css\">");
    html.markup("<script src=\"/static/script.js\" defer></script></head><body>");
    html.markup("<header><a class=\"skip\" href=\"#content\">To the content</a><nav aria-label=\"Main\">");
    for (address, name) in [("/", "Captures"), ("/live", "Live")] {
        match place == Some(address) {
            true => html.leaf("a", &[("href", &address), ("aria-current", &"page")], name),
            false => html.leaf("a", &[("href", &address)], name),
        }
    }
    html.markup("</nav></header>\n<main id=\"content\">");
    html.leaf("h1", &[], title);
    inside(&mut html);
    html.markup("</main></body></html>\n");
    html
}

/// The address of a capture's page, with what stands behind the `?`.
pub fn address(name: &str, rest: &str, query: &[(&str, &dyn Display)]) -> String {
    let mut address = format!("/captures/{}{rest}", utf8_percent_encode(name, IN_PATH));
    append_query(&mut address, query);
    address
}

/// Append names and values.
pub fn append_query(address: &mut String, query: &[(&str, &dyn Display)]) {
    if !query.is_empty() {
        let mut serializer = form_urlencoded::Serializer::new(String::new());
        for (name, value) in query {
            serializer.append_pair(name, &value.to_string());
        }
        address.push('?');
        address.push_str(&serializer.finish());
    }
}

/// The beginning of a text that may be very long.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONG_MAX_CHARS) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "...",
        None => text.to_owned(),
    }
}

/// Say it when a disk error has made the database suspect.
pub fn warn_of_suspicion(database: &Database, html: &mut Html) {
    if let Some((why, next)) = database.suspicion() {
        let text = format!("This database is suspect: {why}. Recordings go on in {}.", next.display());
        html.leaf("p", &[("class", &"bad")], shortened(&text));
    }
}

/// Links to what there is about a capture.
pub fn links(name: &str, here: &str, html: &mut Html) {
    html.element("nav", &[("class", &"about"), ("aria-label", &"Capture")], |html| {
        for (rest, what) in [
            ("", "Overview"),
            ("/messages", "Messages"),
            ("/ledger", "Ledger"),
            ("/figures", "Rates and gaps"),
            ("/verify", "Verify"),
        ] {
            let address = address(name, rest, &[]);
            match rest == here {
                true => html.leaf("a", &[("href", &address), ("aria-current", &"page")], what),
                false => html.leaf("a", &[("href", &address)], what),
            }
        }
    });
}

/// A table in a box of its own, in which a wide one scrolls. A `#` before the name of a column says that it has numbers.
pub fn table(heading: &[&str], html: &mut Html, rows: impl FnOnce(&mut Html)) {
    let scroll: Attributes<'_> =
        &[("class", &"scroll"), ("tabindex", &0), ("role", &"region"), ("aria-label", &"Table")];
    html.element("div", scroll, |html| {
        html.element("table", &[], |html| {
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| heading.iter().for_each(|name| column(name, html)));
            });
            html.element("tbody", &[], rows);
        });
    });
}

fn column(name: &str, html: &mut Html) {
    match name.strip_prefix('#') {
        Some(name) => html.leaf("th", &[("scope", &"col"), ("class", &"n")], name),
        None => html.leaf("th", &[("scope", &"col")], name),
    }
}

/// Names and values under each other.
pub fn pairs<V: Display>(lines: impl IntoIterator<Item = (&'static str, V)>, html: &mut Html) {
    html.element("dl", &[], |html| {
        for (name, value) in lines {
            html.element("div", &[], |html| {
                html.leaf("dt", &[], name);
                html.leaf("dd", &[], shortened(&value.to_string()));
            });
        }
    });
}
