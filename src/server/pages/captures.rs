//! All captures: those that are recorded now first, then the newest.

use std::cmp::Reverse;

use serde_json::Value;

use crate::error::Result;
use crate::escape::html::Html;
use crate::server::pages::{address, append_query, page, shortened, table, warn_of_suspicion};
use crate::server::query::Query;
use crate::server::site::Site;
use crate::store::{Database, Session};
use crate::summary::running::recorder;
use crate::summary::text::{cell, duration, end, iso_seconds, rate, size};

/// Captures on a page.
const ROWS_MAX: u64 = 100;

/// The page.
pub fn show(site: &Site, database: &Database, query: &Query) -> Result<Html> {
    let listed = database.list()?;
    let said = recorder(database);
    let recorded = said.as_ref().and_then(|said| said.get("session_id")).and_then(Value::as_i64);
    let is_recorded = |session: &Session| session.ended_unix_ns.is_none() && recorded == Some(session.id);
    let wanted = query.text("q").unwrap_or_default().to_lowercase();
    let skip = query.count("skip", 0, u64::MAX)?;
    let all = listed.sessions.len();
    let mut found: Vec<&Session> = listed.sessions.iter().filter(|session| has(session, &wanted)).collect();
    found.sort_by_key(|session| (!is_recorded(session), Reverse(session.id)));
    Ok(page("Captures", Some("/"), None, |html| {
        html.leaf("p", &[("class", &"quiet")], site.database.display());
        warn_of_suspicion(database, html);
        if !listed.damaged_ids.is_empty() {
            html.leaf("p", &[("class", &"bad")], "Rows of some captures are damaged; those cannot be shown.");
        }
        search(&wanted, html);
        html.leaf("p", &[("class", &"quiet")], format!("{} of {all} captures", found.len()));
        let shown = found.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).take(ROWS_MAX as usize);
        let heading =
            ["#Id", "Label", "Start (UTC)", "#Duration", "#Messages", "#Rate", "#Lost", "#Undecodable", "End", "#Size"];
        table(&heading, html, |html| {
            shown.for_each(|session| row(session, said.as_ref().filter(|_| is_recorded(session)), html));
        });
        pages(&wanted, skip, found.len() as u64, html);
    }))
}

/// Whether a capture is one of those that are looked for: each word is somewhere in what it says of itself.
fn has(session: &Session, wanted: &str) -> bool {
    let texts = [session.label.as_deref(), session.note.as_deref(), session.end_reason.as_deref(), Some(&session.host)];
    let mut texts: Vec<String> = texts.into_iter().flatten().map(str::to_lowercase).collect();
    texts.extend(session.topics.iter().map(|topic| topic.to_lowercase()));
    texts.push(session.id.to_string());
    texts.push(iso_seconds(session.started_unix_ns).to_lowercase());
    wanted.split_whitespace().all(|word| texts.iter().any(|text| text.contains(word)))
}

fn search(wanted: &str, html: &mut Html) {
    html.element("form", &[("action", &"/"), ("role", &"search")], |html| {
        html.element("label", &[], |html| {
            html.text("Search ");
            html.begin("input", &[("type", &"search"), ("name", &"q"), ("value", &shortened(wanted))]);
        });
        html.leaf("button", &[], "Find");
    });
}

fn row(session: &Session, said: Option<&Value>, html: &mut Html) {
    html.element("tr", &[], |html| {
        let id = session.id.to_string();
        html.element("td", &[("class", &"n")], |html| html.leaf("a", &[("href", &address(&id, "", &[]))], &id));
        html.element("td", &[], |html| match &session.label {
            Some(label) => html.leaf("a", &[("href", &address(label, "", &[]))], cell(label)),
            None => html.text("-"),
        });
        html.leaf("td", &[], iso_seconds(session.started_unix_ns));
        html.leaf("td", &[("class", &"n")], duration(session));
        html.leaf("td", &[("class", &"n")], session.tally.messages);
        let rate_hz = said.and_then(|said| said.get("rate_hz")).and_then(Value::as_f64);
        let rate = rate_hz.map_or_else(|| rate(session), |rate_hz| format!("{rate_hz:.1}/s"));
        html.leaf("td", &[("class", &"n")], rate);
        let lost = session.tally.lost;
        html.leaf("td", &[("class", if lost > 0 { &"n bad" } else { &"n" })], lost);
        html.leaf("td", &[("class", &"n")], session.tally.undecodable);
        html.element("td", &[], |html| match said {
            Some(_) => html.leaf("a", &[("href", &"/live"), ("class", &"good")], "recording"),
            None => html.text(cell(end(session))),
        });
        html.leaf("td", &[("class", &"n")], size(session));
    });
}

/// Links to the next captures, and to those before.
fn pages(wanted: &str, skip: u64, all: u64, html: &mut Html) {
    let to = |skip: u64| {
        let mut address = "/".to_owned();
        append_query(&mut address, &[("q", &wanted), ("skip", &skip)]);
        address
    };
    html.element("nav", &[("class", &"pages"), ("aria-label", &"Pages")], |html| {
        if skip > 0 {
            html.leaf("a", &[("href", &to(skip.saturating_sub(ROWS_MAX)))], "Newer");
        }
        if skip.saturating_add(ROWS_MAX) < all {
            html.leaf("a", &[("href", &to(skip.saturating_add(ROWS_MAX)))], "Older");
        }
    });
}
