//! Sessions of a recorder by their names, each with what is known of it beside its messages.

use crate::store::Restored;
use crate::store::captures::{Captures, Card, Name};
use crate::store::nats::described::Described;
use crate::store::nats::failure::Failure;
use crate::store::nats::reading::{Archived, Reading};

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
        let Some(described) = self.described(&archived)? else { return Ok(None) };
        let restored = self.restored(&archived, &described)?;
        Ok(Some(Found { archived, described, restored }))
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
        self.describe_each(sessions, &mut |archived, described| {
            let found = described.map_err(Failure::Damaged).and_then(|described| {
                let restored = self.restored(archived, &described)?;
                Ok(Found { archived: archived.clone(), described, restored })
            });
            match found {
                Err(Failure::Damaged(what)) => take(archived, Err(what)),
                found => take(archived, Ok(found?)),
            }
        })
    }
}

impl Captures for Reading<'_> {
    type Session = Found;
    type Error = Failure;

    fn card(found: &Found) -> Card<'_> {
        Card {
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
