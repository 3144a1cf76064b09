//! The writing thread: one batch, one transaction.

mod upkeep;

use std::time::Duration;

use crate::error::{Error, Result, Trouble};
use crate::log;
use crate::message::queue::{CloseOnDrop, Load, Popped, Queue, Refused};
use crate::observe::event::{Event, Kind};
use crate::process::stop::Stop;
use crate::recorder::{Arrivals, Capture, Exposure, Gauges, HeldUp, Reporter, Sorter, Source};
use crate::store::{Recording, ToCommit};
use crate::streams::Sorted;
use crate::time::clock::{NS_PER_S, SessionClock, monotonic_ns, unix_ns};

/// When the database cannot be written now, it is tried again after this time.
const RETRY_NS: i64 = NS_PER_S;

/// How often to look whether the file is still where it was, and how much room there is.
const LOOK_NS: i64 = NS_PER_S;

/// A trouble that lasts is said again after this time.
const REMIND_NS: i64 = 60 * NS_PER_S;

/// Files that are begun for one batch. When none of them can be written, no file can.
const FILES_MAX_PER_BATCH: u32 = 3;

/// The writing side of a recording.
pub struct Writer<'a> {
    /// Where the batches come from.
    source: Source<'a>,
    /// Where they go back to, empty.
    queue: &'a Queue<Arrivals>,
    /// Where they go to.
    recording: &'a mut Recording,
    /// Where they go to then, if messages are printed.
    to_print: Option<&'a Queue<Arrivals>>,
    /// When the session began.
    clock: SessionClock,
    sorter: Sorter,
    /// Asked for when the database fails, so that the receiver ends too.
    stop: &'a Stop,
    gauges: &'a Gauges,
    reporter: Reporter,
    exposure: Exposure,
    unprinted: usize,
    /// Whether more room can be made at once.
    makes_room: bool,
    /// When room was short first, as long as it is.
    short_since_ns: Option<i64>,
    /// The recording has used its room up, and ends.
    is_exhausted: bool,
    /// When something that lasts was said last.
    reminded_ns: Option<i64>,
    /// Entries for the ledger about others who held the database.
    holdups: Vec<Event>,
    /// Who keeps the write-ahead log from being moved into the database.
    log_held: Option<HeldUp>,
}

impl<'a> Writer<'a> {
    /// Write what comes through `queue` into `recording`, whose session began at `clock`, and hand it on `to_print`. A
    /// stop is requested when that fails.
    pub fn new(
        queue: &'a Queue<Arrivals>,
        recording: &'a mut Recording,
        to_print: Option<&'a Queue<Arrivals>>,
        clock: SessionClock,
        capture: &Capture,
        stop: &'a Stop,
        gauges: &'a Gauges,
    ) -> Self {
        gauges.holdup.file(recording.path());
        let exposure = Exposure::new(capture.commit_every_ns + recording.sync_within_ns());
        Self {
            source: Source::new(queue, capture, clock, stop, gauges),
            queue,
            recording,
            to_print,
            clock,
            sorter: Sorter::new(capture.told.clone()),
            stop,
            gauges,
            reporter: Reporter::default(),
            exposure,
            unprinted: 0,
            makes_room: false,
            short_since_ns: None,
            is_exhausted: false,
            reminded_ns: None,
            holdups: Vec::new(),
            log_held: None,
        }
    }

    /// Write all batches until the receiver closes the queue. What cannot be written any more is counted as lost.
    ///
    /// # Errors
    /// When no database can be written, or there is no room left within the limits.
    pub fn run(mut self) -> Result<()> {
        let _close = CloseOnDrop(self.queue);
        let _close_print = self.to_print.map(CloseOnDrop);
        let written = self.write_all().and_then(|()| {
            self.sync_if_due(true);
            self.tell_if_late(true)?;
            self.tell_of_holdups(true)
        });
        self.reporter.finish();
        if self.unprinted > 0 {
            let messages = self.unprinted;
            tracing::warn!("{messages} messages are stored but not printed: standard output was read too slowly");
        }
        match self.is_exhausted {
            true => written.and_then(|()| Err(Error::NoRoom { path: self.recording.path().to_owned() })),
            false => written,
        }
    }

    fn write_all(&mut self) -> Result<()> {
        let mut look_due_ns = 0;
        loop {
            self.gauges.writer.beat(monotonic_ns());
            self.tell_of_holdups(false)?;
            let wait_ns = if self.makes_room { 0 } else { look_due_ns - monotonic_ns() };
            let popped = self.source.pop_within(Duration::from_nanos(wait_ns.max(0) as u64));
            self.gauges.holdup.begins(monotonic_ns());
            match popped {
                Popped::Batch(arrivals) => {
                    self.tell_if_late(arrivals.session_start.is_some())?;
                    self.gauges.storing(arrivals.bytes());
                    self.keep(arrivals)?;
                    self.gauges.storing(0);
                }
                Popped::Nothing => {}
                Popped::End => return Ok(()),
            }
            let is_time = monotonic_ns() >= look_due_ns;
            if is_time {
                look_due_ns = monotonic_ns() + LOOK_NS;
                self.look_after_file();
                self.sync_if_due(false);
                self.reporter.flush();
            }
            if is_time || self.makes_room {
                self.make_room();
            }
        }
    }

    /// Bring to the disk what was committed some time ago, at the end all of it.
    fn sync_if_due(&mut self, is_end: bool) {
        match self.recording.sync_if_due(is_end) {
            Ok(Some(sync_ns)) => self.synced(sync_ns),
            Ok(None) => {}
            Err(error) if error.trouble() == Trouble::Disk => self.try_to_leave_failing_file(error),
            // Tried again in a second.
            Err(error) => self.remind(&error.to_string()),
        }
    }

    fn synced(&mut self, sync_ns: i64) {
        self.exposure.synced(sync_ns, monotonic_ns(), self.clock);
        self.gauges.synced(&self.exposure, sync_ns);
    }

    /// Put into the ledger that messages were on the disk later than promised, when that is over.
    fn tell_if_late(&mut self, is_end: bool) -> Result<()> {
        let Some(late) = self.exposure.take_late(is_end) else { return Ok(()) };
        self.keep(Arrivals { events: vec![late], ..Arrivals::default() })
    }

    /// Store a batch and pass it on.
    fn keep(&mut self, mut arrivals: Arrivals) -> Result<()> {
        if arrivals.session_start.is_some_and(|clock| clock != self.clock) {
            self.sorter.restart();
        }
        let sorted = self.sorter.sort(&arrivals.batch);
        let sync_ns = match self.store(&mut arrivals, &sorted) {
            Ok(sync_ns) => sync_ns,
            Err(error) => {
                self.stop.request();
                self.give_up(arrivals, &error);
                return Err(error);
            }
        };
        let batch = &arrivals.batch;
        let first_ns = batch.messages().next().map(|first| self.clock.origin_ns.saturating_add(first.elapsed_ns));
        self.exposure.written(first_ns.map(|first_ns| self.source.on_its_way_ns(first_ns)));
        if let Some(sync_ns) = sync_ns {
            self.synced(sync_ns);
        }
        for event in &arrivals.events {
            self.reporter.report(event);
        }
        self.sorter.report(&sorted);
        self.gauges.committed();
        self.gauges.stored(self.recording.session_id(), self.recording.tally(), batch.last().map(|last| last.unix_ns));
        tracing::trace!("committed {} messages", batch.len());
        self.pass_on(arrivals);
        self.checkpoint();
        self.make_room();
        Ok(())
    }

    fn pass_on(&mut self, arrivals: Arrivals) {
        let Some(to_print) = self.to_print else { return self.queue.recycle(arrivals) };
        match to_print.try_push(arrivals) {
            Ok(empty) => self.queue.recycle(empty),
            // What the printer does not take is stored all the same.
            Err(Refused::Full(arrivals)) => {
                self.unprinted += arrivals.batch.len();
                self.queue.recycle(arrivals);
            }
            Err(Refused::Closed) => self.to_print = None,
        }
    }

    /// Write one batch: again and again while the cause may pass, and into another file when this one fails. Meanwhile
    /// the queue takes what comes. Gives how long the sync took, in nanoseconds, if the disk has it.
    fn store(&mut self, arrivals: &mut Arrivals, sorted: &Sorted) -> Result<Option<i64>> {
        let mut lasting: Option<Event> = None;
        let mut files = 0;
        let sync_ns = loop {
            let error = match self.try_store(arrivals, sorted, lasting.as_ref()) {
                Ok(sync_ns) => break sync_ns,
                Err(error) => error,
            };
            let kind = match error.trouble() {
                Trouble::Disk if files < FILES_MAX_PER_BATCH => {
                    files += 1;
                    self.leave_failing_file(error)?;
                    continue;
                }
                trouble => kind_of(trouble),
            };
            if kind == Kind::Failed {
                return Err(error);
            }
            // After the end of the recording was requested, there is one attempt more.
            if lasting.is_some() && self.stop.requested() {
                return Err(error);
            }
            if lasting.is_none() {
                tracing::error!("{error}; trying again each second, the queue keeps what comes meanwhile");
                self.gauges.trouble(Some(error.to_string()));
            }
            let event = lasting.get_or_insert_with(|| self.event(kind, Some(0), error.to_string()));
            self.stop.wait_ns(RETRY_NS);
            self.gauges.writer.beat(monotonic_ns());
            event.until_elapsed_ns = Some(self.clock.elapsed_ns());
            self.look_after_file();
            self.make_room();
        };
        if let Some(event) = lasting {
            self.gauges.trouble(None);
            self.reporter.report(&event);
            if event.kind == Kind::Stall {
                // It is in the ledger, with whoever held the database.
                self.gauges.holdup.ends();
            }
        }
        Ok(sync_ns)
    }

    fn try_store(&mut self, arrivals: &mut Arrivals, sorted: &Sorted, ended: Option<&Event>) -> Result<Option<i64>> {
        let mut ended = ended.cloned();
        if let Some(clock) = arrivals.session_start.filter(|clock| *clock != self.clock) {
            let later_ns = clock.origin_ns.saturating_sub(self.clock.origin_ns);
            self.recording.split(clock.unix_ns, later_ns)?;
            if let Some(ended) = &mut ended {
                ended.begin_later(later_ns);
            }
            self.clock = clock;
            log::about_session(self.recording.session_id());
            tracing::info!(event = "started", "recording session {}", self.recording.session_id());
        }
        arrivals.first_number = self.recording.next_number();
        self.recording.commit(&ToCommit {
            batch: &arrivals.batch,
            streams: self.sorter.streams(),
            sorted,
            unwanted: arrivals.unwanted,
            events: &arrivals.events,
            ended: ended.as_ref(),
        })
    }

    /// Log something that lasts, not more than once a minute.
    fn remind(&mut self, text: &str) {
        let now_ns = monotonic_ns();
        if self.reminded_ns.is_none_or(|reminded_ns| now_ns - reminded_ns >= REMIND_NS) {
            self.reminded_ns = Some(now_ns);
            tracing::error!("{text}");
        }
    }

    /// Count what can no more be stored: this batch, and all that comes until the receiver has ended.
    fn give_up(&mut self, arrivals: Arrivals, error: &Error) {
        let mut event = self.event(kind_of(error.trouble()), Some(0), error.to_string());
        if let Some(first) = arrivals.batch.messages().next() {
            (event.unix_ns, event.elapsed_ns) = (first.unix_ns, first.elapsed_ns);
        }
        let mut next = Some(arrivals);
        while let Some(arrivals) = next {
            let known: u64 = arrivals.events.iter().filter_map(|event| event.lost).sum();
            let messages = arrivals.batch.len() as u64;
            self.gauges.lose(event.kind, messages);
            event.lost = event.lost.map(|lost| lost + messages + known);
            self.queue.recycle(arrivals);
            next = self.source.pop();
        }
        event.until_elapsed_ns = Some(self.clock.elapsed_ns());
        self.recording.give_up(event);
    }

    fn event(&self, kind: Kind, lost: Option<u64>, detail: String) -> Event {
        Event { detail: Some(detail), ..Event::at(unix_ns(), self.clock.elapsed_ns(), kind, lost) }
    }
}

/// What the ledger calls it when this keeps messages from being stored.
fn kind_of(trouble: Trouble) -> Kind {
    match trouble {
        Trouble::Locked => Kind::Stall,
        Trouble::DiskFull => Kind::DiskFull,
        Trouble::Disk | Trouble::Other => Kind::Failed,
    }
}
