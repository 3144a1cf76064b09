//! What happened to a capture beside its messages.

use serde_json::Value;

use crate::error::Result;
use crate::escape::html::Html;
use crate::server::pages::capture::title;
use crate::server::pages::window::offset;
use crate::server::pages::{address, links, page, shortened, table};
use crate::server::routes::About;
use crate::server::site::{Allowance, Site};
use crate::summary::ledger::{at, lost};
use crate::time::durations::seconds;

/// The page.
pub fn show(_site: &Site, about: &About<'_>, _allowance: Allowance) -> Result<Html> {
    let ledger = about.database.ledger(about.session)?;
    Ok(page(&title(about), None, None, |html| {
        links(about.name, "/ledger", html);
        if !ledger.is_whole {
            html.leaf("p", &[("class", &"bad")], "The ledger is damaged: other entries cannot be read.");
        }
        if ledger.entries.is_empty() {
            html.leaf("p", &[("class", &"quiet")], "Nothing happened beside the messages.");
            return;
        }
        table(&["#From", "#To", "What", "#Lost", "Endpoint", "Peer", "Cause"], html, |html| {
            ledger.entries.iter().for_each(|entry| row(about.name, entry, html));
        });
    }))
}

fn row(name: &str, entry: &Value, html: &mut Html) {
    let words = |field: &str| shortened(entry.get(field).and_then(Value::as_str).unwrap_or_default());
    let time = |ns: Option<i64>| ns.map_or_else(String::new, |ns| format!("{:.3} s", seconds(ns)));
    let from_ns = at(entry, "elapsed_ns");
    html.element("tr", &[], |html| {
        html.element("td", &[("class", &"n")], |html| {
            let there = address(name, "/messages", &[("at", &offset(from_ns.unwrap_or_default()))]);
            html.leaf("a", &[("href", &there)], time(from_ns));
        });
        html.leaf("td", &[("class", &"n")], time(at(entry, "until_elapsed_ns")));
        html.leaf("td", &[], words("kind"));
        let class = if at(entry, "lost") == Some(0) { "n" } else { "n bad" };
        html.leaf("td", &[("class", &class)], lost(entry));
        html.leaf("td", &[], words("endpoint"));
        html.leaf("td", &[], words("peer"));
        html.leaf("td", &[], words("detail"));
    });
}
