//! Verifying a capture beside the requests: one at a time, by a thread that ends with the program.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

use crate::error::{Error, Result};
use crate::store::{Database, Session};
use crate::time::clock::unix_ns;

/// Verdicts that are kept, the newest ones.
const KEPT_MAX: usize = 64;

/// What is being verified, and what was.
#[derive(Debug, Default)]
pub struct Checks {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    is_ended: AtomicBool,
    passed: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The session that is being verified, and how many messages it has.
    running: Option<(i64, u64)>,
    done: BTreeMap<i64, Verified>,
}

/// What was found in a session.
#[derive(Clone, Debug)]
pub struct Verified {
    /// When.
    pub unix_ns: i64,
    /// Whether it is as it was recorded.
    pub is_sound: bool,
    /// The same in words.
    pub words: String,
}

/// How far a session is.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Nobody has asked.
    Nothing,
    /// It is being verified: messages that are done, and all.
    Running(u64, u64),
    /// Another session is being verified.
    Other(i64),
    /// It was verified.
    Done(Verified),
}

impl Checks {
    /// How far the verification of a session is.
    pub fn progress(&self, session: &Session) -> Progress {
        let state = self.shared.lock();
        match (state.running, state.done.get(&session.id)) {
            (Some((id, all)), _) if id == session.id => Progress::Running(self.shared.passed.load(Relaxed), all),
            (_, Some(done)) => Progress::Done(done.clone()),
            (Some((id, _)), None) => Progress::Other(id),
            (None, None) => Progress::Nothing,
        }
    }

    /// Verify a session, unless one is being verified. Says whether it was begun.
    ///
    /// # Errors
    /// When the operating system has no thread for us.
    pub fn begin(&self, path: &Path, session: Session) -> Result<bool> {
        {
            let mut state = self.shared.lock();
            if state.running.is_some() {
                return Ok(false);
            }
            state.running = Some((session.id, session.tally.messages));
            state.done.remove(&session.id);
        }
        self.shared.passed.store(0, Relaxed);
        let (shared, path) = (Arc::clone(&self.shared), path.to_owned());
        let started = Builder::new().name("verify".to_owned()).spawn(move || {
            let verified = verify(&path, &session, &shared);
            shared.finish(session.id, verified);
        });
        if let Err(cause) = started {
            self.shared.lock().running = None;
            return Err(Error::System { operation: "start a thread", cause });
        }
        Ok(true)
    }

    /// Stop it.
    pub fn end(&self) {
        self.shared.is_ended.store(true, Relaxed);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // What is in it is whole between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(&self, id: i64, verified: Verified) {
        let mut state = self.lock();
        state.running = None;
        state.done.insert(id, verified);
        while state.done.len() > KEPT_MAX {
            let oldest = state.done.iter().min_by_key(|(_, verified)| verified.unix_ns).map(|(id, _)| *id);
            oldest.and_then(|id| state.done.remove(&id));
        }
    }
}

/// Verify the parts of a session one after the other, until one is damaged.
fn verify(path: &Path, session: &Session, shared: &Shared) -> Verified {
    let mut before = 0_u64;
    let mut verify = || -> Result<(bool, String)> {
        let database = Database::for_viewing(path)?;
        let mut commits = 0_u64;
        for part in database.parts(session)? {
            let mut at = |passed: u64| {
                shared.passed.store(before.saturating_add(passed), Relaxed);
                match shared.is_ended.load(Relaxed) {
                    true => Err(Error::Stopped { what: "verify".to_owned() }),
                    false => Ok(()),
                }
            };
            let verdict = database.verify(&part, &mut at)?;
            commits = commits.saturating_add(verdict.commits);
            if let Some(damage) = verdict.damage {
                let number = |id: i64| id.saturating_sub(session.first_id);
                let place = match damage.first_id <= damage.last_id {
                    true => format!(" in messages #{} to #{}", number(damage.first_id), number(damage.last_id)),
                    false => String::new(),
                };
                return Ok((false, format!("damaged{place}: {}", damage.what)));
            }
            before = before.saturating_add(part.tally.messages);
        }
        let open = if session.ended_unix_ns.is_none() { ", as far as it was committed" } else { "" };
        Ok((true, format!("ok, {before} messages in {commits} commits{open}")))
    };
    let (is_sound, words) = verify().unwrap_or_else(|error| (false, format!("not verified: {error}")));
    Verified { unix_ns: unix_ns(), is_sound, words }
}
