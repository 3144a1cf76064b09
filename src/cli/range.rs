//! A part of a session, as it is typed.

use clap::Args;

use crate::analysis::sought::{Sought, Typed};
use crate::cli::values::{parse, refuse, wanted};
use crate::codec::condition::Condition;
use crate::error::Result;
use crate::store::Selection;
use crate::time::position::Position;

/// From where to where.
#[derive(Args, Debug)]
pub struct RangeArguments {
    /// Begin at this position: an offset (90s, or -5s from the end), a message number (n1500), a time (2026-11-22T10:00:00Z, or
    /// 10:00 for the first one, in UTC), or where a condition first holds ('ch3 > 1200')
    #[arg(long, value_name = "POSITION", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// End before this position
    #[arg(long, value_name = "POSITION", allow_hyphen_values = true)]
    pub to: Option<String>,
}

impl RangeArguments {
    /// Check what was typed.
    ///
    /// # Errors
    /// [`crate::error::Error::Setting`] for the first value that is no position and no condition.
    pub fn positions(&self) -> Result<(Option<Position>, Option<Position>, Sought)> {
        let (from, sought_from) = place("--from", self.from.as_deref())?;
        let (to, sought_to) = place("--to", self.to.as_deref())?;
        refuse_backwards(("--from", self.from.as_deref(), from), ("--to", self.to.as_deref(), to))?;
        Ok((from, to, Sought { from: sought_from, to: sought_to }))
    }
}

/// Refuse a range that ends before it begins.
pub(super) fn refuse_backwards(
    (from_option, from_text, from): (&'static str, Option<&str>, Option<Position>),
    (to_option, to_text, to): (&'static str, Option<&str>, Option<Position>),
) -> Result<()> {
    match from.zip(to) {
        Some((from, to)) if from.is_behind(to) => {
            let (from_text, to_text) = (from_text.unwrap_or_default(), to_text.unwrap_or_default());
            let cause = format!(
                "nothing comes at or after {from_text} and before {to_option} {to_text}; if they were exchanged: \
                 {from_option} {to_text} {to_option} {from_text}"
            );
            Err(refuse(from_option, from_text, cause))
        }
        _ => Ok(()),
    }
}

/// A position, or a condition that has to be looked for, and the option that says so.
type Place = (Option<Position>, Option<(&'static str, Condition)>);

/// The place that was typed, if one was.
pub(super) fn place(option: &'static str, text: Option<&str>) -> Result<Place> {
    Ok(match text.map(|text| parse(option, text)).transpose()? {
        None => (None, None),
        Some(Typed::At(position)) => (Some(position), None),
        Some(Typed::Where(condition)) => (None, Some((option, condition))),
    })
}

/// Which messages of a session.
#[derive(Args, Debug)]
pub struct SelectionArguments {
    /// Only this topic, matched exactly; `NAME*` matches all that begin with NAME, `*` everything. May be given several
    /// times
    #[arg(long, value_name = "NAME")]
    pub topic: Vec<String>,
    /// Only what came from the endpoint of this number, as `session show` counts them. May be given several times
    #[arg(long, value_name = "N", value_delimiter = ' ')]
    pub endpoint: Vec<u32>,
    /// From where to where
    #[command(flatten)]
    pub range: RangeArguments,
}

impl SelectionArguments {
    /// Check what was typed.
    ///
    /// # Errors
    /// [`crate::error::Error::Setting`] for the first value that cannot be used.
    pub fn selection(&self) -> Result<(Selection, Sought)> {
        let (from, to, sought) = self.range.positions()?;
        let endpoints = Some(self.endpoint.clone()).filter(|numbers| !numbers.is_empty());
        Ok((Selection { wanted: wanted(&self.topic)?, endpoints, from, to }, sought))
    }
}
