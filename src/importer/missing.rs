//! What is missing between the messages that are taken of another session: it is in the ledger of the new one.

use crate::error::Result;
use crate::importer::gathering::Gathering;
use crate::message::{Gap, Gaps};
use crate::observe::event::{Event, Kind};
use crate::store::Session;

/// Takes the messages of a session, and notes what is missing.
pub(super) struct Missing<'a> {
    pub gathering: Gathering<'a>,
    session: &'a Session,
    /// Whether all messages are taken, so that all that are missing are missing here.
    is_unselected: bool,
    /// What those are that are missing, such as damaged.
    what: &'static str,
    pub gaps: Gaps,
    /// The last gap, which may go on.
    pending: Option<Gap>,
    /// When the first message came, ...
    pub first_ns: Option<i64>,
    /// ... and the last one so far.
    pub last_ns: i64,
    pub last_unix_ns: i64,
}

impl<'a> Missing<'a> {
    pub fn new(gathering: Gathering<'a>, session: &'a Session, is_unselected: bool, what: &'static str) -> Self {
        Self {
            gathering,
            session,
            is_unselected,
            what,
            gaps: Gaps::default(),
            pending: None,
            first_ns: None,
            last_ns: 0,
            last_unix_ns: 0,
        }
    }

    /// The next message came then.
    pub fn arrive(&mut self, elapsed_ns: i64, unix_ns: i64) {
        if let Some(pending) = &mut self.pending {
            pending.until_elapsed_ns.get_or_insert(elapsed_ns);
        }
        self.first_ns.get_or_insert(elapsed_ns);
        (self.last_ns, self.last_unix_ns) = (elapsed_ns, unix_ns);
    }

    /// From this number to that one there are none behind the last message.
    pub fn between(&mut self, first_number: i64, last_number: i64) -> Result<()> {
        let elapsed_ns = self.first_ns.map(|_| self.last_ns);
        self.miss(Gap { first_number, last_number, elapsed_ns, until_elapsed_ns: None })
    }

    /// These messages are missing.
    pub fn miss(&mut self, gap: Gap) -> Result<()> {
        self.gaps.add(gap);
        match self.pending {
            Some(pending) if pending.touches(&gap) => self.pending = Some(pending.and(&gap)),
            _ => {
                self.note()?;
                self.pending = Some(gap);
            }
        }
        Ok(())
    }

    /// Say in the ledger what is missing.
    pub fn note(&mut self) -> Result<()> {
        let Some(gap) = self.pending.take() else { return Ok(()) };
        let (title, started_unix_ns) = (self.session.title(), self.session.started_unix_ns);
        let elapsed_ns = gap.elapsed_ns.or(gap.until_elapsed_ns).unwrap_or_default();
        let (first, last, what) = (gap.first_number, gap.last_number, self.what);
        let what = match gap.messages() {
            1 => format!("message #{first} of {title} is {what}"),
            _ => format!("messages #{first} to #{last} of {title} are {what}"),
        };
        let lost = self.is_unselected.then(|| gap.messages());
        let event = Event::at(started_unix_ns.saturating_add(elapsed_ns), elapsed_ns, Kind::Damaged, lost);
        let until_elapsed_ns = gap.until_elapsed_ns.filter(|_| gap.elapsed_ns.is_some());
        self.gathering.note(Event { until_elapsed_ns, detail: Some(what), ..event })
    }
}
