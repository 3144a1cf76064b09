//! Sessions of a recorder by their names, each with what is known of it beside its messages.

use std::collections::VecDeque;

use crate::store::Restored;
use crate::store::captures::{Captures, Lineage, Name};
use crate::store::nats::described::Described;
use crate::store::nats::failure::Failure;
use crate::store::nats::names::About;
use crate::store::nats::reading::{Archived, Reading};

/// Descriptions that are asked for at once. Most are of some hundred bytes.
const IN_FLIGHT_MAX: usize = 64;

/// A session that was found, or how what is known of it is damaged.
pub type Finding = Result<Found, String>;

/// A session that was found.
pub struct Found {
    /// Where it is.
    pub archived: Archived,
    /// What is known of it, as it was sent.
    pub described: Described,
    /// The same, read.
    pub restored: Restored,
}

impl Found {
    /// Its number there.
    pub fn id(&self) -> i64 {
        self.archived.session_id
    }

    /// Whether nothing more comes.
    pub fn is_end(&self) -> bool {
        self.described.is_end
    }

    /// How many messages it had when it was described last.
    pub fn messages(&self) -> u64 {
        self.restored.number("messages").unwrap_or_default().max(0).unsigned_abs()
    }

    /// The session that it goes on from, if both were split from one.
    pub fn continues(&self) -> Option<i64> {
        self.restored.number("continues")
    }
}

impl Reading<'_> {
    /// A session with what is known of it; `None` if it is not there.
    fn found(&self, archived: Archived) -> Result<Option<Found>, Failure> {
        let described = self.described(&archived)?;
        described.map(|described| self.found_as(archived, described)).transpose()
    }

    fn found_as(&self, archived: Archived, described: Described) -> Result<Found, Failure> {
        let restored = self.restored(&archived, &described)?;
        Ok(Found { archived, described, restored })
    }

    /// Each of these sessions with what is known of it, in their order, or how that is damaged. One that is not there any more is
    /// passed over.
    ///
    /// # Errors
    /// When it does not answer, or what `take` fails with.
    pub fn find_each(
        &self,
        sessions: &[Archived],
        take: &mut dyn FnMut(&Archived, Finding) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut asked = VecDeque::new();
        let mut rest = sessions.iter();
        loop {
            for of in rest.by_ref().take(IN_FLIGHT_MAX - asked.len()) {
                let (stream, subject) = (self.stream.clone(), self.subject(of, About::Description));
                let get = async move { stream.direct_get_last_for_subject(subject.as_str()).await.ok() };
                asked.push_back((of, self.link.begin(get)?));
            }
            let Some((of, get)) = asked.pop_front() else { return Ok(()) };
            let described = match self.link.wait(get)? {
                Ok(Some(last)) => self.described_by(last),
                // It is not there, or not yet on that server, or that server is gone.
                _ => self.described(of),
            };
            let Some(described) = described.transpose() else { continue };
            match described.and_then(|described| self.found_as(of.clone(), described)) {
                Err(Failure::Damaged(what)) => take(of, Err(what))?,
                found => take(of, Ok(found?))?,
            }
        }
    }
}

impl Captures for Reading<'_> {
    type Session = Found;
    type Error = Failure;

    fn lineage(found: &Found) -> Lineage<'_> {
        Lineage {
            id: found.id(),
            label: found.restored.text("label"),
            continues: found.continues(),
            end_reason: found.restored.text("end_reason"),
        }
    }

    fn newest(&self, wanted: &str) -> Result<Option<Found>, Failure> {
        let (name, mut empty) = (Name::of(wanted), None);
        for archived in self.sessions()?.into_iter().rev() {
            if matches!(name, Name::Id(id) if id != Some(archived.session_id)) {
                continue;
            }
            let Some(found) = self.found(archived)? else { continue };
            match name {
                Name::Id(_) => return Ok(Some(found)),
                Name::Label if found.restored.text("label") == Some(wanted) => return Ok(Some(found)),
                Name::Latest if found.is_end() && found.messages() > 0 => return Ok(Some(found)),
                // Where none has messages, an empty one says more than none.
                Name::Latest if found.is_end() && empty.is_none() => empty = Some(found),
                Name::Label | Name::Latest => {}
            }
        }
        Ok(empty)
    }

    fn before(&self, id: i64, next: &Found) -> Result<Option<Found>, Failure> {
        self.found(Archived { session_id: id, ..next.archived.clone() })
    }

    fn names(&self) -> Result<Vec<(i64, Option<String>)>, Failure> {
        let mut names = Vec::new();
        self.find_each(&self.sessions()?, &mut |archived, found| {
            let label = found.ok().and_then(|found| found.restored.text("label").map(str::to_owned));
            names.push((archived.session_id, label));
            Ok(())
        })?;
        Ok(names)
    }
}
