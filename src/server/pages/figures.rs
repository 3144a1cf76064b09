//! Rates and gaps of a capture, for which every message is read.

use crate::error::Result;
use crate::escape::html::Html;
use crate::escape::shell;
use crate::server::pages::capture::title;
use crate::server::pages::{links, page};
use crate::server::routes::About;
use crate::server::site::{Allowance, Site};
use crate::summary::figures::{Figures, READ_MAX_MESSAGES};

/// The page.
pub fn show(site: &Site, about: &About<'_>, allowance: Allowance) -> Result<Html> {
    let About { database, session, name, .. } = about;
    let is_read = session.tally.messages <= READ_MAX_MESSAGES;
    let figures = is_read.then(|| Figures::of(database, session, &mut |_| allowance.check())).transpose()?;
    Ok(page(&title(about), None, None, |html| {
        links(name, "/figures", html);
        match &figures {
            Some(figures) => html.element("pre", &[("class", &"scroll"), ("tabindex", &0)], |html| {
                // Its ends of lines are ours, and each line is escaped on its own.
                for line in figures.lines().lines() {
                    html.text(line);
                    html.markup("\n");
                }
            }),
            None => {
                html.leaf("p", &[], "This capture has so many messages that reading them all takes a while:");
                let database = shell::option("--database", &site.database.to_string_lossy());
                let line = format!("fancyhwd session show --full {database} -- {}", shell::quoted(name));
                html.element("pre", &[("class", &"scroll"), ("tabindex", &0)], |html| html.leaf("code", &[], &line));
            }
        }
    }))
}
