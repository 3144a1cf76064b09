//! What the recorder is doing now.

use bytesize::ByteSize;
use serde_json::Value;

use crate::escape::html::Html;
use crate::server::pages::picture::{Subject, draw};
use crate::server::pages::{address, page, pairs, shortened, table, warn_of_suspicion};
use crate::server::site::{Allowance, Site};
use crate::store::Database;
use crate::summary::running::recorder;
use crate::time::clock::{NS_PER_S, unix_ns};
use crate::time::durations::{iso, whole};

/// How much of a recording is seen while it goes on.
const SEEN_NS: i64 = 60 * NS_PER_S;

/// Without script, a browser asks for the page again after this time.
const AGAIN_S: u32 = 2;

/// The page. With script it stays, and only [`part`] is brought up to date.
pub fn show(site: &Site, allowance: Allowance) -> Html {
    page("Live", Some("/live"), None, |html| {
        html.element("noscript", &[], |html| {
            html.begin("meta", &[("http-equiv", &"refresh"), ("content", &AGAIN_S)]);
        });
        html.element("div", &[("id", &"live"), ("data-events", &"/live/events")], |html| {
            html.append(&part(site, allowance));
        });
    })
}

/// What changes, of which the picture is of the last messages.
pub fn part(site: &Site, allowance: Allowance) -> Html {
    let mut html = Html::default();
    html.leaf("p", &[("class", &"quiet")], format!("{}, {}", site.database.display(), iso(unix_ns())));
    let database = match Database::for_viewing(&site.database) {
        Ok(database) => database,
        Err(error) => {
            html.leaf("p", &[("class", &"bad")], error);
            return html;
        }
    };
    warn_of_suspicion(&database, &mut html);
    match recorder(&database) {
        Some(said) => {
            recording(&said, &mut html);
            html.leaf("h2", &[], format!("The last {} s", SEEN_NS / NS_PER_S));
            newest_messages(&database, &said, allowance, &mut html);
        }
        None => {
            let why = match database.is_recorded() {
                Ok(true) => {
                    "A recorder has the database, but has not said for five seconds what it is doing.".to_owned()
                }
                Ok(false) => "No recorder is running.".to_owned(),
                Err(error) => error.to_string(),
            };
            html.leaf("p", &[("class", &"bad")], why);
            newest(&database, &mut html);
        }
    }
    html
}

/// The picture of the last messages.
fn newest_messages(database: &Database, said: &Value, allowance: Allowance, html: &mut Html) {
    let id = said.get("session_id").and_then(Value::as_i64).unwrap_or_default();
    match database.find_only_session(&id.to_string()) {
        Ok(session) if session.is_empty() => html.leaf("p", &[("class", &"quiet")], "No message came yet."),
        Ok(session) => {
            let to_ns = session.last_elapsed_ns.saturating_add(1);
            let window = (to_ns.saturating_sub(SEEN_NS).max(0), to_ns);
            draw(database, &session, window, &Subject::usual(), allowance, html);
        }
        Err(error) => html.leaf("p", &[("class", &"bad")], error),
    }
}

/// A link to the newest capture.
fn newest(database: &Database, html: &mut Html) {
    if let Some(session) = database.sessions().ok().and_then(|sessions| sessions.into_iter().next_back()) {
        html.element("p", &[], |html| {
            html.text("The newest capture: ");
            html.leaf("a", &[("href", &address(&session.id.to_string(), "", &[]))], session.title());
        });
    }
}

fn recording(said: &Value, html: &mut Html) {
    let count = |name: &str| said.get(name).and_then(Value::as_u64).unwrap_or(0);
    let number = |name: &str| said.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    let id = said.get("session_id").and_then(Value::as_i64).unwrap_or_default();
    html.element("p", &[("class", &"good")], |html| {
        html.text("Recording ");
        html.leaf("a", &[("href", &address(&id.to_string(), "", &[]))], format!("session {id}"));
    });
    if let Some(what) = said.get("trouble").and_then(|trouble| trouble.get("what")).and_then(Value::as_str) {
        html.leaf("p", &[("class", &"bad")], shortened(what));
    }
    let full = match said.get("full_in_s").and_then(Value::as_u64) {
        Some(full_in_s) => format!("full in {}", whole(full_in_s)),
        None => "not growing".to_owned(),
    };
    let lines = [
        ("messages", count("messages").to_string()),
        ("rate", format!("{:.1}/s", number("rate_hz"))),
        ("lost", lost(said)),
        ("undecodable", count("undecodable").to_string()),
        ("unwanted", count("unwanted").to_string()),
        ("size", ByteSize(count("bytes")).to_string()),
        ("queue", format!("{:.1} %, at most {:.1} %", number("queue_percent"), number("queue_peak_percent"))),
        ("disk", format!("{} free, {full}", ByteSize(count("free_bytes")))),
        ("on disk within", format!("{:.3} s", number("on_disk_within_ns") / 1e9)),
        ("longest sync", format!("{:.3} s", number("longest_sync_ns") / 1e9)),
        ("commits", count("commits").to_string()),
        ("process", count("pid").to_string()),
    ];
    pairs(lines, html);
    links(said, html);
}

/// How many messages are lost, and why.
fn lost(said: &Value) -> String {
    let lost = said.get("lost").and_then(Value::as_u64).unwrap_or(0);
    let causes = said.get("lost_by").and_then(Value::as_object);
    let causes: Vec<String> = causes.into_iter().flatten().map(|(cause, lost)| format!("{lost} {cause}")).collect();
    match causes.is_empty() {
        true => lost.to_string(),
        false => format!("{lost} ({})", causes.join(", ")),
    }
}

fn links(said: &Value, html: &mut Html) {
    let links = said.get("links").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    html.leaf("h2", &[], "Links");
    if links.is_empty() {
        html.leaf("p", &[("class", &"quiet")], "There are too many links for the recorder to say how they are.");
        return;
    }
    table(&["Endpoint", "State", "#Last message", "#Peers", "#Unwanted"], html, |html| {
        for link in links {
            let text = |name: &str| shortened(link.get(name).and_then(Value::as_str).unwrap_or_default());
            let flag = |name: &str| link.get(name).and_then(Value::as_bool).unwrap_or(false);
            html.element("tr", &[], |html| {
                html.leaf("td", &[], text("endpoint"));
                let cause = text("cause");
                let cause = if cause.is_empty() { cause } else { format!(" ({cause})") };
                let silent = if flag("is_silent") { ", silent" } else { "" };
                let class = if flag("is_up") && !flag("is_silent") { "good" } else { "bad" };
                html.leaf("td", &[("class", &class)], format!("{}{cause}{silent}", text("state")));
                let last_ns = link.get("last_message_unix_ns").and_then(Value::as_i64);
                let ago = |ns: i64| format!("{:.1} s ago", unix_ns().saturating_sub(ns).max(0) as f64 / 1e9);
                html.leaf("td", &[("class", &"n")], last_ns.map_or_else(|| "none yet".to_owned(), ago));
                let peers = link.get("peers").and_then(Value::as_u64);
                html.leaf("td", &[("class", &"n")], peers.map_or_else(|| "-".to_owned(), |peers| peers.to_string()));
                html.leaf("td", &[("class", &"n")], link.get("unwanted").and_then(Value::as_u64).unwrap_or(0));
            });
        }
    });
}
