//! What an archive does not take, while it takes other sessions.

use std::collections::BTreeMap;

use crate::archiver::RETRY_MAX_NS;
use crate::store::Archiving;
use crate::store::nats::Failure;
use crate::time::clock::monotonic_ns;

/// All sessions of a recorder, or one of them.
type About = (String, Option<i64>);

/// Why, and when it is tried again.
#[derive(Debug)]
struct Refusal {
    failure: Failure,
    again_ns: i64,
}

/// What was refused lately.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<About, Refusal>);

impl Refusals {
    /// What is tried again now.
    pub fn forget_old(&mut self) {
        let now_ns = monotonic_ns();
        self.0.retain(|_, refusal| refusal.again_ns > now_ns);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a session is not to be tried now.
    pub fn is_about(&self, of: &Archiving) -> bool {
        [None, Some(of.session_id)].into_iter().any(|id| self.0.contains_key(&(of.recorder.clone(), id)))
    }

    /// A session was not taken.
    pub fn note(&mut self, of: &Archiving, failure: Failure) {
        let session_id = matches!(failure, Failure::RefusedSession(..)).then_some(of.session_id);
        let again_ns = monotonic_ns() + RETRY_MAX_NS;
        self.0.insert((of.recorder.clone(), session_id), Refusal { failure, again_ns });
    }

    /// The first of them, said again.
    pub fn first(&self) -> Option<Failure> {
        self.0.values().find_map(|refusal| match &refusal.failure {
            Failure::Refused(cause, hint) | Failure::RefusedSession(cause, hint) => Some(Failure::refused(cause, hint)),
            Failure::Damaged(cause) => Some(Failure::Damaged(cause.clone())),
            Failure::Passing(_) | Failure::Moved(_) | Failure::Here(_) => None,
        })
    }
}
