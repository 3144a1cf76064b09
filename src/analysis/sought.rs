//! Where a part of a session begins and ends, where conditions say so: it first holds there.

use std::str::FromStr;

use crate::analysis::find::{Finder, all_threads};
use crate::codec::condition::{Condition, NoCondition};
use crate::codec::topic::Wanted;
use crate::error::{Error, Result};
use crate::process::stop::Stop;
use crate::store::{Database, Selection, Session};
use crate::time::position::Position;

/// A place, as it is typed.
#[derive(Clone, Debug, PartialEq)]
pub enum Typed {
    /// A position.
    At(Position),
    /// Where this first holds.
    Where(Condition),
}

impl FromStr for Typed {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.parse() {
            Ok(position) => Ok(Self::At(position)),
            // No position has one of these.
            Err(_) if text.contains(['<', '>', '=', '~', '!', '"']) => {
                text.parse().map(Self::Where).map_err(|cause: NoCondition| cause.to_string())
            }
            Err(rule) => Err(format!("{rule}, or a condition such as 'ch3 > 1200'")),
        }
    }
}

/// What is looked for before something is done with a part of a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sought {
    /// Where it begins: the option that says so, and what it says.
    pub from: Option<(&'static str, Condition)>,
    /// Before which message it ends.
    pub to: Option<(&'static str, Condition)>,
}

impl Sought {
    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// The part of a session that is meant. The end is looked for behind the beginning.
    ///
    /// # Errors
    /// When a condition holds nowhere, or for the reasons of [`Finder::new`] and [`Finder::run`].
    pub fn find(
        &self,
        database: &Database,
        session: &Session,
        selection: &Selection,
        stop: &Stop,
    ) -> Result<Selection> {
        let mut found = selection.clone();
        if let Some(sought) = &self.from {
            found.from = Some(Position::Number(first(database, session, sought, selection, stop)?));
        }
        if let Some(sought) = &self.to {
            let behind = match found.from {
                Some(Position::Number(number)) if self.from.is_some() => {
                    Some(Position::Number(number.saturating_add(1)))
                }
                from => from,
            };
            let part = Selection { from: behind, to: None, ..selection.clone() };
            found.to = Some(Position::Number(first(database, session, sought, &part, stop)?));
        }
        Ok(found)
    }
}

/// Where a condition may be looked for: what names its topic needs no other choice of streams.
pub fn scope(condition: &Condition, selection: &Selection) -> Selection {
    match condition.has_topic() {
        true => Selection { wanted: Wanted::Every, endpoints: None, ..selection.clone() },
        false => selection.clone(),
    }
}

/// The number of the first message for which a condition holds.
fn first(
    database: &Database,
    session: &Session,
    (option, condition): &(&'static str, Condition),
    selection: &Selection,
    stop: &Stop,
) -> Result<i64> {
    let what = || format!("find '{condition}' in {}", session.title());
    let nowhere = || Error::NoSuchPlace {
        condition: condition.to_string(),
        session: session.title(),
        database: database.path().to_owned(),
    };
    let finder = Finder::new(
        Database::for_reading(database.path())?,
        session,
        (option, condition),
        &scope(condition, selection),
        all_threads(),
    );
    let finder = match finder {
        Err(Error::EmptySelection { .. }) => return Err(nowhere()),
        finder => finder?,
    };
    let (place, searched) = finder.first(&mut |_| stop.check(what))?;
    if !searched.gaps.is_empty() {
        tracing::warn!("{option}: messages that are damaged could not be looked at: {}", searched.gaps);
    }
    let place = place.ok_or_else(nowhere)?;
    tracing::info!("{option} '{condition}': first at #{}", place.first.number);
    Ok(place.first.number)
}
