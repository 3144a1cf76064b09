//! The writing thread: one batch, one transaction.

use std::time::Duration;

use crate::batch::{Batch, SessionClock};
use crate::clock::{NS_PER_S, monotonic_ns, unix_ns};
use crate::error::{Error, Passing, Result};
use crate::event::{Event, Kind};
use crate::queue::{CloseOnDrop, Popped, Queue, Refused};
use crate::recorder::{Progress, Reporter};
use crate::stop::Stop;
use crate::store::{Recording, Room};

/// When the database cannot be written now, it is tried again after this time.
const RETRY_NS: i64 = NS_PER_S;

/// How often to look whether the file is still where it was, and how much room there is.
const LOOK_NS: i64 = NS_PER_S;

/// Files that are begun for one batch. When none of them can be written, no file can.
const FILES_MAX_PER_BATCH: u32 = 3;

/// The writing side of a recording.
pub struct Writer<'a> {
    /// Where the batches come from.
    queue: &'a Queue,
    /// Where they go to.
    recording: &'a mut Recording,
    /// Where they go to then, if packets are printed.
    to_print: Option<&'a Queue>,
    /// When the session began.
    clock: SessionClock,
    /// Asked for when the database fails, so that the receiver ends too.
    stop: &'a Stop,
    progress: &'a Progress,
    reporter: Reporter,
    unprinted: usize,
    room: Room,
}

impl<'a> Writer<'a> {
    /// Write what comes through `queue` into `recording`, whose session began at `clock`, and hand it on `to_print`. A
    /// stop is requested when that fails.
    pub fn new(
        queue: &'a Queue,
        recording: &'a mut Recording,
        to_print: Option<&'a Queue>,
        clock: SessionClock,
        stop: &'a Stop,
        progress: &'a Progress,
    ) -> Self {
        let reporter = Reporter::default();
        Self { queue, recording, to_print, clock, stop, progress, reporter, unprinted: 0, room: Room::Enough }
    }

    /// Write all batches until the receiver closes the queue. What cannot be written any more is counted as lost.
    ///
    /// # Errors
    /// When no database can be written, or there is no room left within the limits.
    pub fn run(mut self) -> Result<()> {
        let _close = CloseOnDrop(self.queue);
        let _close_print = self.to_print.map(CloseOnDrop);
        let mut look_due_ns = 0;
        loop {
            let wait_ns = if self.room == Room::Growing { 0 } else { look_due_ns - monotonic_ns() };
            match self.queue.pop_within(Duration::from_nanos(wait_ns.max(0) as u64)) {
                Popped::Batch(batch) => self.keep(batch)?,
                Popped::Nothing => {}
                Popped::End => break,
            }
            if monotonic_ns() >= look_due_ns {
                look_due_ns = monotonic_ns() + LOOK_NS;
                self.look_after_file();
            }
            self.make_room();
        }
        self.reporter.finish();
        if self.unprinted > 0 {
            let messages = self.unprinted;
            tracing::warn!("{messages} messages are stored but not printed: standard output was read too slowly");
        }
        match self.room {
            Room::Exhausted => Err(Error::NoRoom { path: self.recording.path().to_owned() }),
            _ => Ok(()),
        }
    }

    /// Store a batch and pass it on.
    fn keep(&mut self, mut batch: Batch) -> Result<()> {
        let rejected_before = self.recording.tally().rejected;
        if let Err(error) = self.store(&mut batch) {
            self.stop.request();
            self.give_up(batch, &error);
            return Err(error);
        }
        for event in batch.events() {
            self.reporter.report(event);
        }
        let tally = self.recording.tally();
        self.reporter.report_rejects(tally.rejected - rejected_before);
        self.progress.stored(self.recording.session_id(), tally);
        let messages = batch.len();
        tracing::trace!("committed {messages} messages");
        self.pass_on(batch);
        self.checkpoint();
        Ok(())
    }

    fn pass_on(&mut self, batch: Batch) {
        let Some(to_print) = self.to_print else { return self.queue.recycle(batch) };
        match to_print.try_push(batch) {
            Ok(empty) => self.queue.recycle(empty),
            // What the printer does not take is stored all the same.
            Err(Refused::Full(batch)) => {
                self.unprinted += batch.len();
                self.queue.recycle(batch);
            }
            Err(Refused::Closed) => self.to_print = None,
        }
    }

    /// Write one batch: again and again while the cause may pass, and otherwise into another file. Meanwhile the queue
    /// takes what comes.
    fn store(&mut self, batch: &mut Batch) -> Result<()> {
        let mut trouble: Option<Event> = None;
        let mut files = 0;
        loop {
            let error = match self.try_store(batch, trouble.as_ref()) {
                Ok(()) => break,
                Err(error) => error,
            };
            let Some(passing) = error.passing() else {
                files += 1;
                if files > FILES_MAX_PER_BATCH {
                    return Err(error);
                }
                if !self.go_on_elsewhere(&error.to_string(), false, true) {
                    self.stop.wait_ns(RETRY_NS);
                }
                continue;
            };
            // After a stop was asked for, there is one attempt more.
            if trouble.is_some() && self.stop.requested() {
                return Err(error);
            }
            if trouble.is_none() {
                tracing::error!("{error}; trying again each second, the queue keeps what comes meanwhile");
                self.progress.trouble(Some(error.to_string()));
            }
            let event = trouble.get_or_insert_with(|| self.event(kind_of(passing), Some(0), error.to_string()));
            self.stop.wait_ns(RETRY_NS);
            event.until_elapsed_ns = Some(self.clock.elapsed_ns());
            self.look_after_file();
            self.make_room();
        }
        if let Some(event) = trouble {
            self.progress.trouble(None);
            self.reporter.report(&event);
        }
        Ok(())
    }

    fn try_store(&mut self, batch: &mut Batch, ended: Option<&Event>) -> Result<()> {
        if let Some(clock) = batch.session_start().filter(|clock| *clock != self.clock) {
            self.recording.split(clock.unix_ns)?;
            self.clock = clock;
            tracing::info!("recording session {}", self.recording.session_id());
        }
        batch.set_numbers_from(self.recording.next_number());
        self.recording.commit(batch, ended)
    }

    /// See whether the file is still there, and how much room there is.
    fn look_after_file(&mut self) {
        if let Some((why, is_lost)) = self.recording.file_is_gone() {
            self.go_on_elsewhere(&why, true, is_lost);
        }
        match self.recording.space() {
            Ok(space) => self.progress.space(space),
            Err(error) => tracing::debug!("{error}"),
        }
    }

    fn checkpoint(&mut self) {
        // Nobody waits for a checkpoint: what keeps it from being made now passes or stops a commit, too.
        if let Err(error) = self.recording.checkpoint()
            && error.passing().is_none()
        {
            self.go_on_elsewhere(&error.to_string(), false, true);
        }
    }

    /// Make a step towards the room that the limits ask for. When there is none left, the recording ends.
    fn make_room(&mut self) {
        let (elapsed_ns, now_ns) = (self.clock.elapsed_ns(), unix_ns());
        let deleted = |what| Event { detail: Some(what), ..Event::at(now_ns, elapsed_ns, Kind::Deleted, Some(0)) };
        match self.recording.make_room(deleted) {
            Ok(room) => self.room = room,
            // Tried again later; what is wrong with the database shows when a batch is written.
            Err(error) => tracing::debug!("{error}"),
        }
        match self.room {
            Room::Enough => {}
            Room::Growing => self.checkpoint(),
            Room::Exhausted => self.stop.request(),
        }
    }

    /// Leave the file and go on in the next one. Says whether that could be done.
    fn go_on_elsewhere(&mut self, why: &str, is_sound: bool, is_lost: bool) -> bool {
        let moved = self.event(Kind::Moved, (!is_lost).then_some(0), why.to_owned());
        match self.recording.go_on_elsewhere(&moved, is_sound) {
            Ok(()) => {
                let (path, session_id) = (self.recording.path().display(), self.recording.session_id());
                tracing::error!("{why}; the recording goes on in {path}, session {session_id}");
                true
            }
            Err(error) => {
                tracing::error!("{why}; and the recording cannot go on elsewhere: {error}");
                false
            }
        }
    }

    /// Count what can no more be stored: this batch, and all that comes until the receiver has ended.
    fn give_up(&mut self, batch: Batch, error: &Error) {
        let mut event = self.event(Kind::Failed, Some(0), error.to_string());
        let mut next = Some(batch);
        while let Some(batch) = next {
            let known: u64 = batch.events().iter().filter_map(|event| event.lost).sum();
            self.progress.lose(batch.len() as u64);
            event.lost = event.lost.map(|lost| lost + batch.len() as u64 + known);
            self.queue.recycle(batch);
            next = self.queue.pop();
        }
        self.recording.give_up(event);
    }

    fn event(&self, kind: Kind, lost: Option<u64>, detail: String) -> Event {
        Event { detail: Some(detail), ..Event::at(unix_ns(), self.clock.elapsed_ns(), kind, lost) }
    }
}

fn kind_of(passing: Passing) -> Kind {
    match passing {
        Passing::Locked => Kind::Stall,
        Passing::DiskFull => Kind::DiskFull,
    }
}
