//! The picture of a part of a capture, over which a part of it can be chosen.

use crate::analysis::survey::{CHANNELS_MAX, Survey, View};
use crate::error::Result;
use crate::escape::html::{Attributes, Html};
use crate::picture::{Mark, WIDTH_MAX_PX, WIDTH_MIN_PX, across, columns, svg};
use crate::server::query::Query;
use crate::server::site::Allowance;
use crate::store::{Database, Session};
use crate::time::durations::seconds;

/// How wide a picture is unless another width is asked for.
const WIDTH_PX: u32 = 1200;

/// Of what a picture is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// How wide it is.
    pub width_px: u32,
    /// The row of the only stream in it; `None` is the first ones.
    pub stream: Option<i64>,
}

impl Subject {
    /// The first streams, as wide as usual.
    pub fn usual() -> Self {
        Self { width_px: WIDTH_PX, stream: None }
    }

    /// What an address asks for.
    ///
    /// # Errors
    /// When it asks for no number.
    pub fn of(query: &Query) -> Result<Self> {
        let width_px = query.count("width", WIDTH_PX.into(), WIDTH_MAX_PX.into())?;
        let width_px = u32::try_from(width_px).unwrap_or(WIDTH_MAX_PX).max(WIDTH_MIN_PX);
        Ok(Self { width_px, stream: query.parsed("stream")? })
    }
}

/// Draw it, or say why it cannot be drawn.
pub fn draw(
    database: &Database,
    session: &Session,
    (from_ns, to_ns): (i64, i64),
    subject: &Subject,
    allowance: Allowance,
    html: &mut Html,
) {
    let drawn = || -> Result<(String, usize)> {
        let ledger = database.ledger(session)?;
        let marks: Vec<Mark> =
            ledger.entries.iter().filter_map(|entry| Mark::of(entry, session.last_elapsed_ns)).collect();
        let view = View {
            from_ns,
            to_ns,
            columns: columns(subject.width_px),
            streams: subject.stream.into_iter().collect(),
            channels: 0..CHANNELS_MAX,
        };
        // The survey has a connection of its own.
        let database = Database::for_viewing(database.path())?;
        let survey = Survey::of(database, session, &view, &mut || allowance.check())?;
        let about = format!("{} from {:.6} s to {:.6} s", session.title(), seconds(from_ns), seconds(to_ns));
        Ok((svg(&survey, &marks, subject.width_px, &about), survey.streams_left))
    };
    match drawn() {
        Ok((svg, streams_left)) => {
            let (left, right) = across(subject.width_px);
            let place: Attributes<'_> =
                &[("data-from-ns", &from_ns), ("data-to-ns", &to_ns), ("data-left", &left), ("data-right", &right)];
            html.element("div", &[("class", &"pictures")], |html| {
                html.element("figure", place, |html| html.picture(&svg));
            });
            if streams_left > 0 && subject.stream.is_none() {
                let text =
                    format!("{streams_left} more streams have no room here; each has a picture of its own below.");
                html.leaf("p", &[("class", &"quiet")], text);
            }
        }
        Err(error) => html.leaf("p", &[("class", &"bad")], error),
    }
}
