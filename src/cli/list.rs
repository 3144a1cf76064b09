//! What can be typed behind `fancyhwd session list`.

use chrono::{DateTime, NaiveDate};
use clap::Args;

use crate::cli::SessionOutput;
use crate::cli::values::{duration_ns, refuse};
use crate::command::session::list::{self, Since};
use crate::error::Result;

/// Options of `session list`.
#[derive(Args, Debug)]
pub struct ListArguments {
    /// Only sessions that end at or after this time, or go on: an age (2h, 3days), a day (2026-11-22) or a time
    /// (2026-11-22T10:00:00Z)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only sessions with this label; `NAME*` is all that begin so
    #[arg(long, value_name = "LABEL")]
    pub label: Option<String>,
    /// Only so many, the newest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Where to look
    #[command(flatten)]
    pub output: SessionOutput,
}

impl ListArguments {
    /// Check what was typed for `session list`.
    ///
    /// # Errors
    /// [`crate::error::Error::Setting`] for the first value that cannot be used.
    pub fn settings(&self) -> Result<list::Settings> {
        Ok(list::Settings {
            source: self.output.source.source()?,
            is_json: self.output.json,
            since: self.since.as_deref().map(since).transpose()?,
            label: self.label.clone().filter(|label| !label.is_empty()),
            limit: self.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
        })
    }
}

/// A time, or how long ago it was.
fn since(text: &str) -> Result<Since> {
    const OPTION: &str = "--since";
    let rule = || {
        let rule = "it is so long ago (2h, 3days), a day (2026-11-22) or a time (2026-11-22T10:00:00Z), in UTC";
        refuse(OPTION, text, rule.to_owned())
    };
    let midnight = || text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|time| time.and_utc());
    let time = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).ok().or_else(midnight);
    match time {
        Some(time) => time.timestamp_nanos_opt().map(Since::Unix).ok_or_else(rule),
        None if humantime::parse_duration(text).is_ok() => duration_ns(OPTION, text).map(Since::AgoNs),
        None => Err(rule()),
    }
}
