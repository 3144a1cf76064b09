//! What the writer does beside writing: it looks after its file and the room, and names who holds the database.

use std::mem;

use crate::error::{Error, Result, Trouble};
use crate::log;
use crate::observe::event::{Event, Kind};
use crate::recorder::lag::Lagged;
use crate::recorder::writer::{FILES_MAX_PER_BATCH, RETRY_NS, Writer};
use crate::recorder::{Arrivals, HeldUp};
use crate::store::Room;
use crate::time::clock::{NS_PER_S, monotonic_ns};

/// A recording that has less than it must keep free ends when that has lasted so long: others may make room.
const SHORTAGE_NS: i64 = 60 * NS_PER_S;

impl Writer<'_> {
    /// See whether the file is still there, and how much room there is.
    pub(super) fn look_after_file(&mut self) {
        if let Some(why) = self.recording.file_is_gone() {
            let lost = if self.recording.is_in_doubt() { None } else { Some(0) };
            let moved = self.event(Kind::Moved, lost, why.clone());
            match self.recording.go_on_elsewhere(&moved) {
                Ok(()) => {
                    self.tell_of_move(&why);
                    self.gauges.trouble(None);
                }
                // What is written goes into the file without its name.
                Err(error) => {
                    self.gauges.trouble(Some(why.clone()));
                    self.remind(&format!("{why}; and the recording cannot go on elsewhere: {error}"));
                }
            }
        }
        match self.recording.space() {
            Ok(space) => self.gauges.space(space),
            Err(error) => tracing::debug!("{error}"),
        }
    }

    /// Leave a file that cannot be relied on, and go on in the next one. It is never written again.
    pub(super) fn leave_failing_file(&mut self, error: Error) -> Result<()> {
        self.recording.distrust(&error);
        let moved = self.event(Kind::Moved, None, format!("{error}; what that file has at its end may be here again"));
        for attempt in 1..=FILES_MAX_PER_BATCH {
            match self.recording.go_on_elsewhere(&moved) {
                Ok(()) => {
                    self.tell_of_move(&error.to_string());
                    return Ok(());
                }
                Err(next) => tracing::error!("{error}; and the recording cannot go on elsewhere: {next}"),
            }
            if attempt < FILES_MAX_PER_BATCH {
                self.stop.wait_ns(RETRY_NS);
                self.gauges.writer.beat(monotonic_ns());
            }
        }
        Err(error)
    }

    /// The same where nothing waits for it: when it cannot be left, that shows again when a batch is written.
    pub(super) fn try_to_leave_failing_file(&mut self, error: Error) {
        if let Err(error) = self.leave_failing_file(error) {
            tracing::error!("{error}");
        }
    }

    fn tell_of_move(&self, why: &str) {
        let (path, session_id) = (self.recording.path().display(), self.recording.session_id());
        log::about_session(session_id);
        tracing::error!("{why}; the recording goes on in {path}, session {session_id}");
        self.gauges.holdup.file(self.recording.path());
    }

    pub(super) fn checkpoint(&mut self) {
        let began_ns = monotonic_ns();
        let done = self.recording.checkpoint();
        self.exposure.waited(monotonic_ns() - began_ns);
        match done {
            // Nobody waits for a checkpoint: what passes is tried again after the next commit.
            Err(error) if error.trouble() == Trouble::Disk => self.try_to_leave_failing_file(error),
            Ok(holder) => self.note_log(holder),
            Err(_) => {}
        }
    }

    /// Make a step towards the room that the limits ask for. When there is none left, the recording ends.
    pub(super) fn make_room(&mut self) {
        let now = self.event(Kind::Deleted, Some(0), String::new());
        let room = self.recording.make_room(now).unwrap_or_else(|error| {
            // Tried again later; what is wrong with the database shows when a batch is written.
            self.remind(&error.to_string());
            Room::Enough
        });
        self.makes_room = matches!(room, Room::Growing | Room::Deleted(_));
        let now_ns = monotonic_ns();
        match room {
            Room::DiskExhausted => {
                let since_ns = *self.short_since_ns.get_or_insert(now_ns);
                self.remind("the disk has less room than --keep-free asks for, and deleting sessions cannot make it");
                self.is_exhausted |= now_ns - since_ns >= SHORTAGE_NS;
            }
            Room::Exhausted => self.is_exhausted = true,
            Room::Enough | Room::Growing => self.short_since_ns = None,
            Room::Deleted(event) => self.reporter.report(&event),
        }
        if self.is_exhausted {
            self.stop.request();
        }
    }

    /// Keep in mind who holds the write-ahead log up, until nobody does.
    fn note_log(&mut self, holder: Option<String>) {
        match (holder, self.log_held.take()) {
            (Some(holder), None) => {
                tracing::warn!("{holder}: the write-ahead log cannot be moved into the database, and grows");
                self.log_held = Some(HeldUp { holder, since_ns: monotonic_ns() });
            }
            (Some(_), held) => self.log_held = held,
            (None, Some(held)) => {
                self.note_holdup(&held, "the write-ahead log could not be moved into the database");
            }
            (None, None) => {}
        }
    }

    /// Put into the ledger who held the database up, and how the archive was behind, when that is over.
    pub(super) fn tell_of_holdups(&mut self, is_end: bool) -> Result<()> {
        if let Some(held) = self.gauges.holdup.ends() {
            self.gauges.trouble(None);
            self.note_holdup(&held, "nothing could be written");
        }
        if is_end {
            self.note_log(None);
        }
        if let Some(Lagged { since_ns, messages, trouble }) = self.gauges.lagged(is_end) {
            let why = trouble.map_or(String::new(), |trouble| format!(": {trouble}"));
            let what = format!("up to {messages} messages were not in the archive yet{why}");
            let now = self.event(Kind::ArchiveLag, Some(0), what);
            self.note_interval(now, since_ns);
        }
        match mem::take(&mut self.holdups) {
            events if events.is_empty() => Ok(()),
            events => self.keep(Arrivals { events, ..Arrivals::default() }),
        }
    }

    fn note_holdup(&mut self, held: &HeldUp, what: &str) {
        let now = self.event(Kind::Stall, Some(0), format!("{}: {what}", held.holder));
        self.note_interval(now, held.since_ns);
    }

    /// Note what began then and is over now.
    fn note_interval(&mut self, now: Event, since_ns: i64) {
        let elapsed_ns = since_ns.saturating_sub(self.clock.origin_ns).clamp(0, now.elapsed_ns.max(0));
        let lasted_ns = now.elapsed_ns.saturating_sub(elapsed_ns);
        let unix_ns = now.unix_ns.saturating_sub(lasted_ns);
        self.holdups.push(Event { unix_ns, elapsed_ns, until_elapsed_ns: Some(now.elapsed_ns), ..now });
    }
}
