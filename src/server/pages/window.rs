//! The part of a capture that is seen: from and to, as they were asked for, and in time.

use crate::error::Result;
use crate::server::query::Query;
use crate::store::{Database, Session};
use crate::time::durations::exact;
use crate::time::position::Position;

/// No narrower: ten microseconds, far less than lies between two messages of a fast device.
const WIDTH_MIN_NS: i64 = 10_000;

/// A part of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Since the session began.
    pub from_ns: i64,
    /// Behind it.
    pub to_ns: i64,
    /// Where the capture begins and ends.
    pub whole: (i64, i64),
    /// How it was asked for.
    pub from: Option<String>,
    /// How it was asked for.
    pub to: Option<String>,
}

impl Window {
    /// The part of a capture that an address asks for; all of it if it does not.
    ///
    /// # Errors
    /// When it asks for no position, or the database cannot be read.
    pub fn of(query: &Query, database: &Database, session: &Session) -> Result<Self> {
        let at = |position: Option<Position>, default_ns: i64| {
            position.map_or(Ok(default_ns), |position| database.elapsed_at(session, position))
        };
        let begin_ns = session.first_elapsed_ns;
        let whole = (begin_ns, session.last_elapsed_ns.saturating_add(1).max(begin_ns.saturating_add(WIDTH_MIN_NS)));
        let (from_ns, to_ns) = (at(query.position("from")?, whole.0)?, at(query.position("to")?, whole.1)?);
        // The end of a damaged session may lie before its beginning.
        let from_ns = from_ns.min(whole.1.saturating_sub(WIDTH_MIN_NS)).max(whole.0);
        let to_ns = to_ns.min(whole.1).max(from_ns.saturating_add(WIDTH_MIN_NS));
        let text = |name| query.text(name).map(str::to_owned);
        Ok(Self { from_ns, to_ns, whole, from: text("from"), to: text("to") })
    }

    /// How wide it is.
    fn width_ns(&self) -> i64 {
        self.to_ns.saturating_sub(self.from_ns)
    }

    /// Whether it is all of the capture.
    pub fn is_whole(&self) -> bool {
        (self.from_ns, self.to_ns) == self.whole
    }

    /// The part that is so many times as wide and lies so many widths later, within the capture.
    pub fn moved(&self, times: f64, later: f64) -> (String, String) {
        let width = self.width_ns() as f64;
        let middle = self.from_ns as f64 + width * (0.5 + later);
        let wanted = (width * times).min((self.whole.1.saturating_sub(self.whole.0)) as f64);
        let least = self.whole.0 as f64;
        let most = (self.whole.1 as f64 - wanted).max(least);
        let from = (middle - wanted / 2.0).clamp(least, most);
        (offset(from as i64), offset((from + wanted).ceil() as i64))
    }
}

/// A time since the session began as a position on the command line: `1m 30s 5ms`.
pub fn offset(ns: i64) -> String {
    exact(ns.max(0).unsigned_abs())
}
