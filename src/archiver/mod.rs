//! Sends what is committed in a database to an archive, oldest first, and notes here what a quorum has acknowledged. It reads
//! the database as any reader does: whoever records does not wait for it.

mod course;
mod refusals;

use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;

use crate::error::{Result, Trouble};
use crate::store::nats::{Failure, Link, Reading, Sending};
use crate::store::{Access, Archiving, Database, Keeping, RecorderName};
use crate::time::clock::{NS_PER_S, monotonic_ns, unix_ns};

use course::Course;
use refusals::Refusals;

/// How often what is acknowledged is noted here. After a crash the archive is asked, so that nothing is sent twice.
const NOTE_NS: i64 = NS_PER_S;

/// How often it is looked for something new to send.
const LOOK_NS: i64 = NS_PER_S / 2;

/// After a failure the archive is tried again after this time, and without a connection each time after twice as long, ...
const RETRY_MIN_NS: i64 = NS_PER_S / 2;

/// ... so many times: four seconds, so that what a network that was away left behind is there soon after it is back.
const RETRY_DOUBLINGS: u32 = 3;

/// Where somebody must change something first, it is this.
const RETRY_MAX_NS: i64 = 30 * NS_PER_S;

/// A trouble that lasts is said again after this time.
const REMIND_NS: i64 = 600 * NS_PER_S;

/// Failures one after the other for which a connection is kept, so that it mends itself.
const KEEP_LINK_FAILURES: u32 = 4;

/// How often it is looked for sessions that are old enough to be deleted in the archive.
const EXPIRE_NS: i64 = 600 * NS_PER_S;

/// How far archiving is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Messages that were acknowledged in this run.
    pub archived: u64,
    /// Messages that are committed here and not acknowledged there.
    pub behind: u64,
    /// Since when that is so, on the monotonic clock; `None` while nothing is behind.
    pub behind_since_ns: Option<i64>,
    /// Why nothing is sent now, if that is so.
    pub trouble: Option<String>,
    /// Bytes that were sent.
    pub sent_bytes: u64,
}

/// Sends sessions to an archive.
pub struct Archiver<'a> {
    access: Access,
    keeping: Keeping,
    /// Waits so long, and says whether to go on.
    pause: &'a dyn Fn(i64) -> bool,
    link: Option<Rc<Link<'a>>>,
    sending: Option<Sending<'a>>,
    course: Option<Course>,
    /// Sessions that cannot be read here as they were recorded.
    damaged: BTreeSet<i64>,
    refused: Refusals,
    standing: Standing,
    sent_before_bytes: u64,
    noted_ns: i64,
    /// When it was looked for old sessions last.
    expired_ns: Option<i64>,
    /// What weaknesses of streams were said.
    said: BTreeSet<String>,
    tell: &'a dyn Fn(&Standing),
}

impl<'a> Archiver<'a> {
    /// Send to this archive. `pause` waits so long in nanoseconds, and says whether to go on; `tell` is told how far it is.
    pub fn new(access: Access, keeping: Keeping, pause: &'a dyn Fn(i64) -> bool, tell: &'a dyn Fn(&Standing)) -> Self {
        Self {
            access,
            keeping,
            pause,
            link: None,
            sending: None,
            course: None,
            damaged: BTreeSet::new(),
            refused: Refusals::default(),
            standing: Standing::default(),
            sent_before_bytes: 0,
            noted_ns: 0,
            expired_ns: None,
            said: BTreeSet::new(),
            tell,
        }
    }

    /// How far it is.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Send all that is to be in the archive, or one session alone. Says whether all of it is there.
    ///
    /// # Errors
    /// When the archive cannot be used, or the database not be read.
    pub fn pass(&mut self, database: &mut Database, only: Option<i64>) -> std::result::Result<bool, Failure> {
        let done = self.try_pass(database, only);
        if done.is_err() {
            self.forget();
        }
        match self.refused.first() {
            Some(failure) if only.is_none() && done.is_ok() => Err(failure),
            _ => done,
        }
    }

    /// What is on its way may be there or not: the archive is asked.
    fn forget(&mut self) {
        self.course = None;
        self.close();
    }

    fn try_pass(&mut self, database: &mut Database, only: Option<i64>) -> std::result::Result<bool, Failure> {
        let wanted = due(database, only)?;
        self.stand(wanted.iter().map(Archiving::behind).sum());
        self.refused.forget_old();
        for one in &wanted {
            if only.is_none() && (self.damaged.contains(&one.session_id) || self.refused.is_about(one)) {
                continue;
            }
            match self.archive(database, one) {
                Err(Failure::Here(error)) if only.is_none() && error.trouble() == Trouble::Other => {
                    // The others go on.
                    tracing::error!("{error}");
                    self.damaged.insert(one.session_id);
                    self.course = None;
                }
                Err(failure) if only.is_none() && self.link.is_some() && failure.is_lasting() => {
                    self.refused.note(one, failure);
                    self.forget();
                }
                done => done?,
            }
            if !(self.pause)(0) {
                return Ok(false);
            }
        }
        let behind = due(database, only)?;
        self.stand(behind.iter().map(Archiving::behind).sum());
        Ok(behind.is_empty())
    }

    /// Send what is new of a session, and note it.
    fn archive(&mut self, database: &mut Database, of: &Archiving) -> std::result::Result<(), Failure> {
        self.open(database, of)?;
        let (Some(sending), Some(mut course)) = (self.sending.as_mut(), self.course.take()) else { return Ok(()) };
        let mut left = of.behind();
        loop {
            let sent = course.send_some(database, sending)?;
            course.take(sending.acknowledged(), &mut self.standing);
            if sent == 0 {
                break;
            }
            left = left.saturating_sub(sent);
            if monotonic_ns() - self.noted_ns >= NOTE_NS {
                self.noted_ns = monotonic_ns();
                course.note(database)?;
                self.standing.behind = left;
                self.standing.sent_bytes = self.sent_before_bytes + sending.sent_bytes();
                (self.tell)(&self.standing);
            }
            if !(self.pause)(0) {
                break;
            }
        }
        sending.settle()?;
        course.describe(database, sending, of.has_ended)?;
        sending.settle()?;
        course.take(sending.acknowledged(), &mut self.standing);
        course.note(database)?;
        self.standing.sent_bytes = self.sent_before_bytes + sending.sent_bytes();
        self.course = Some(course);
        Ok(())
    }

    /// Stand where the archive is with a session.
    fn open(&mut self, database: &Database, of: &Archiving) -> std::result::Result<(), Failure> {
        let recorder: RecorderName = of.recorder.parse().map_err(|rule: &str| {
            Failure::refused(format!("session {} is to be there as '{}'", of.session_id, of.recorder), rule)
        })?;
        if self.sending.as_ref().is_some_and(|sending| *sending.recorder() != recorder) {
            self.forget();
        }
        if self.sending.is_none() {
            let link = match &self.link {
                Some(link) => link.clone(),
                None => Rc::new(Link::connect(&self.access, self.pause)?),
            };
            self.link = Some(link.clone());
            let (sending, weaknesses) =
                Sending::open(link, recorder.clone(), database.archive_id()?, self.keeping, self.pause)?;
            for weakness in weaknesses {
                let words = format!("the stream of {recorder} in archive {}: {weakness}", self.access.address);
                if self.said.insert(words.clone()) {
                    tracing::warn!("{words}");
                }
            }
            self.sending = Some(sending);
        }
        if self.course.as_ref().is_some_and(|course| course.session_id() == of.session_id) {
            return Ok(());
        }
        let Some(sending) = self.sending.as_mut() else { return Ok(()) };
        self.course = Some(Course::begin(database, of, sending)?);
        Ok(())
    }

    fn close(&mut self) {
        if let Some(sending) = self.sending.take() {
            self.sent_before_bytes += sending.sent_bytes();
        }
    }

    fn stand(&mut self, behind: u64) {
        self.standing.behind = behind;
        self.standing.behind_since_ns = match behind {
            0 => None,
            _ => self.standing.behind_since_ns.or_else(|| Some(monotonic_ns())),
        };
        (self.tell)(&self.standing);
    }

    /// Send what comes into the database at `path` until `pause` says that it is over. What fails is tried again.
    pub fn follow(&mut self, path: &dyn Fn() -> std::path::PathBuf) {
        let (mut open, mut failures, mut reminded_ns) = (None::<Database>, 0_u32, None::<i64>);
        loop {
            let now = path();
            if open.as_ref().is_some_and(|database| database.path() != now) {
                open = None;
                self.forget();
            }
            let passed = self.open_and_pass(&mut open, &now);
            let wait_ns = match passed {
                Ok(_) => {
                    if self.standing.trouble.take().is_some() {
                        tracing::info!("archive {}: messages are sent again", self.access.address);
                    }
                    (failures, reminded_ns) = (0, None);
                    LOOK_NS
                }
                Err(failure) => {
                    failures = failures.saturating_add(1);
                    let (is_lasting, others_go_on) = (failure.is_lasting(), !self.refused.is_empty());
                    if is_lasting && others_go_on {
                        failures = failures.min(2);
                    } else if is_lasting || failures > KEEP_LINK_FAILURES {
                        self.link = None;
                    }
                    let words = failure.to_string();
                    let now_ns = monotonic_ns();
                    let is_new = is_lasting && self.standing.trouble.as_ref() != Some(&words);
                    // What passes at once is not worth a line.
                    if is_new || (failures > 1 && reminded_ns.is_none_or(|at_ns| now_ns - at_ns >= REMIND_NS)) {
                        reminded_ns = Some(now_ns);
                        tracing::warn!(
                            "archive {}: {words}; what is recorded stays here, and is sent later",
                            self.access.address
                        );
                    }
                    self.standing.trouble = Some(words);
                    (self.tell)(&self.standing);
                    match (is_lasting, &failure) {
                        (true, _) if others_go_on => LOOK_NS,
                        (true, _) => RETRY_MAX_NS,
                        // Nobody is asked to wait for what is known at once.
                        (false, Failure::Moved(_)) if failures == 1 => 0,
                        // A leader is being elected, perhaps.
                        (false, _) if self.link.is_some() => RETRY_MIN_NS,
                        (false, _) => RETRY_MIN_NS << failures.min(RETRY_DOUBLINGS),
                    }
                }
            };
            (self.tell)(&self.standing);
            if !(self.pause)(wait_ns) {
                return;
            }
        }
    }

    fn open_and_pass(&mut self, open: &mut Option<Database>, path: &Path) -> std::result::Result<bool, Failure> {
        if open.is_none() {
            *open = Some(Database::for_archiving(path)?);
        }
        let Some(database) = open else { return Ok(false) };
        let passed = self.pass(database, None);
        if passed.is_ok()
            && let Err(failure) = self.expire(database)
        {
            tracing::warn!(
                "archive {}: what is older than --archive-max-age is not deleted: {failure}",
                self.access.address
            );
        }
        if matches!(passed, Err(Failure::Here(_))) {
            *open = None;
        }
        passed
    }

    /// Delete in the archive what is older than it may be there. Nobody is asked to connect for that alone.
    fn expire(&mut self, database: &Database) -> std::result::Result<(), Failure> {
        let Some(max_age_ns) = self.keeping.max_age_ns else { return Ok(()) };
        let now_ns = monotonic_ns();
        let (Some(link), Some(sending)) = (&self.link, &self.sending) else { return Ok(()) };
        if self.expired_ns.is_some_and(|at_ns| now_ns - at_ns < EXPIRE_NS) {
            return Ok(());
        }
        self.expired_ns = Some(now_ns);
        let reading = Reading::open(link.clone(), sending.recorder().clone())?;
        let before_ns = unix_ns().saturating_sub(max_age_ns);
        for session_id in reading.delete_ended_before(&database.archive_id()?, before_ns)? {
            tracing::info!(
                "session {session_id} was deleted in archive {}: it ended longer ago than --archive-max-age",
                self.access.address
            );
        }
        Ok(())
    }

    /// Send what is left in a database that nobody records into any more, as long as `pause` says so. Gives how many messages are
    /// not there.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn finish(&mut self, path: &Path) -> Result<(u64, bool)> {
        let mut database = Database::for_archiving(path)?;
        database.change(|database| {
            loop {
                let failure = match self.pass(database, None) {
                    Ok(is_whole) if is_whole || !(self.pause)(0) => break,
                    Ok(_) => None,
                    Err(failure) => Some(failure),
                };
                if let Some(failure) = failure {
                    self.standing.trouble = Some(failure.to_string());
                    if failure.is_lasting() || matches!(failure, Failure::Here(_)) {
                        break;
                    }
                }
                if !(self.pause)(RETRY_MIN_NS) {
                    break;
                }
            }
            let left = database.unarchived()?;
            Ok((left.iter().map(Archiving::behind).sum(), left.is_empty()))
        })
    }

    /// Archive one session that is there as a whole, or as far as it is recorded now.
    ///
    /// # Errors
    /// When the archive cannot be used, or the database not be read.
    pub fn once(&mut self, database: &mut Database, session_id: i64) -> Result<Archiving> {
        let address = self.access.address.clone();
        let mut failures = 0;
        loop {
            match self.pass(database, Some(session_id)) {
                Ok(_) => break,
                // A leader is being elected, perhaps.
                Err(Failure::Passing(_) | Failure::Moved(_))
                    if self.sending.is_none() && failures < KEEP_LINK_FAILURES && self.link.is_some() =>
                {
                    failures += 1;
                    if !(self.pause)(RETRY_MIN_NS << failures) {
                        break;
                    }
                }
                Err(failure) => return Err(failure.error("write into", &address)),
            }
        }
        database.archiving(session_id)?.ok_or_else(|| database.no_such_session(&session_id.to_string()))
    }
}

/// What is to be in the archive and is not, of all sessions or of one.
fn due(database: &Database, only: Option<i64>) -> Result<Vec<Archiving>> {
    match only {
        None => database.unarchived(),
        Some(session_id) => Ok(database.archiving(session_id)?.into_iter().filter(|one| !one.is_whole()).collect()),
    }
}
