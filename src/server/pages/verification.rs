//! Whether a capture is as it was recorded.

use crate::error::Result;
use crate::escape::html::Html;
use crate::server::checks::Progress;
use crate::server::pages::capture::title;
use crate::server::pages::{self, links, page};
use crate::server::routes::About;
use crate::server::site::{Allowance, Site};
use crate::time::durations::iso;

/// While it runs, the page is looked at again after this time.
const AGAIN_S: u32 = 2;

/// The address of the page.
pub fn address(name: &str) -> String {
    pages::address(name, "/verify", &[])
}

/// The page.
pub fn show(site: &Site, about: &About<'_>, _allowance: Allowance) -> Result<Html> {
    let progress = site.checks.progress(about.session);
    let refresh_s = matches!(progress, Progress::Running(..) | Progress::Other(_)).then_some(AGAIN_S);
    Ok(page(&title(about), None, refresh_s, |html| {
        links(about.name, "/verify", html);
        html.leaf("p", &[], "Every message is read and compared with the digests of its commits.");
        let start = |what: &str, html: &mut Html| {
            let action = pages::address(about.name, "/verify/start", &[]);
            html.element("form", &[("action", &action)], |html| html.leaf("button", &[], what));
        };
        match progress {
            Progress::Nothing => start("Verify this capture", html),
            Progress::Running(passed, all) => {
                html.leaf("p", &[], format!("Verifying: {passed} of {all} messages."));
                html.element("progress", &[("value", &passed.min(all)), ("max", &all.max(1))], |_| {});
            }
            Progress::Other(id) => {
                html.leaf("p", &[], format!("Session {id} is being verified; one is verified at a time."));
            }
            Progress::Done(done) => {
                let class = if done.is_sound { "good" } else { "bad" };
                html.leaf("p", &[("class", &class)], done.words);
                html.leaf("p", &[("class", &"quiet")], format!("Verified at {}.", iso(done.unix_ns)));
                start("Verify again", html);
            }
        }
    }))
}
