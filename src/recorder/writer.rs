//! The writing thread: one batch, one transaction.

use crate::batch::{Batch, SessionClock};
use crate::clock::{NS_PER_S, unix_ns};
use crate::error::{Error, Result};
use crate::event::{Event, Kind};
use crate::queue::{CloseOnDrop, Queue, Refused};
use crate::recorder::Reporter;
use crate::stop::Stop;
use crate::store::Recording;

/// When the database cannot be written now, it is tried again after this time.
const RETRY_NS: i64 = NS_PER_S;

/// The writing side of a recording.
pub struct Writer<'a> {
    /// Where the batches come from.
    pub queue: &'a Queue,
    /// Where they go to.
    pub recording: &'a mut Recording,
    /// Where they go to then, if packets are printed.
    pub to_print: Option<&'a Queue>,
    /// When the session began.
    pub clock: SessionClock,
    /// Asked for when the database fails, so that the receiver ends too.
    pub stop: &'a Stop,
}

impl Writer<'_> {
    /// Write all batches until the receiver closes the queue. What cannot be written any more is counted as lost.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn run(mut self) -> Result<()> {
        let _close = CloseOnDrop(self.queue);
        let _close_print = self.to_print.map(CloseOnDrop);
        let mut reporter = Reporter::default();
        let mut unprinted = 0;
        while let Some(mut batch) = self.queue.pop() {
            if let Err(error) = self.store(&mut batch) {
                self.stop.request();
                self.give_up(batch, &error);
                return Err(error);
            }
            for event in batch.events() {
                reporter.report(event);
            }
            let messages = batch.len();
            tracing::trace!("committed {messages} messages");
            let Some(to_print) = self.to_print else {
                self.queue.recycle(batch);
                continue;
            };
            match to_print.try_push(batch) {
                Ok(empty) => self.queue.recycle(empty),
                // What the printer does not take is stored all the same.
                Err(Refused::Full(batch)) => {
                    unprinted += messages;
                    self.queue.recycle(batch);
                }
                Err(Refused::Closed) => self.to_print = None,
            }
        }
        reporter.finish();
        if unprinted > 0 {
            tracing::warn!("{unprinted} messages are stored but not printed: standard output was read too slowly");
        }
        Ok(())
    }

    /// Write one batch, again and again while the cause may pass. Meanwhile the queue takes what comes.
    fn store(&mut self, batch: &mut Batch) -> Result<()> {
        let mut stall: Option<Event> = None;
        loop {
            match self.try_store(batch, stall.as_ref()) {
                Ok(()) => return Ok(()),
                // After a stop was asked for, there is one attempt more.
                Err(error) if !error.may_pass() || (stall.is_some() && self.stop.requested()) => return Err(error),
                Err(error) => {
                    let stall = stall.get_or_insert_with(|| self.event(Kind::Stall, &error));
                    if stall.until_elapsed_ns.is_none() {
                        tracing::error!("{error}; trying again each second, the queue keeps what comes meanwhile");
                    }
                    self.stop.wait_ns(RETRY_NS);
                    stall.until_elapsed_ns = Some(self.clock.elapsed_ns());
                }
            }
        }
    }

    fn try_store(&mut self, batch: &mut Batch, stall: Option<&Event>) -> Result<()> {
        if let Some(clock) = batch.session_start().filter(|clock| *clock != self.clock) {
            self.recording.split(clock.unix_ns)?;
            self.clock = clock;
            tracing::info!("recording session {}", self.recording.session_ids().1);
        }
        batch.set_first_number(self.recording.next_number());
        self.recording.commit(batch, stall)
    }

    /// Count what can no more be stored: this batch, and all that comes until the receiver has ended.
    fn give_up(&mut self, batch: Batch, error: &Error) {
        let mut event = self.event(Kind::Failed, error);
        let mut next = Some(batch);
        while let Some(batch) = next {
            let known: u64 = batch.events().iter().filter_map(|event| event.lost).sum();
            event.lost = event.lost.map(|lost| lost + batch.len() as u64 + known);
            self.queue.recycle(batch);
            next = self.queue.pop();
        }
        self.recording.give_up(event);
    }

    fn event(&self, kind: Kind, error: &Error) -> Event {
        Event { detail: Some(error.to_string()), ..Event::at(unix_ns(), self.clock.elapsed_ns(), kind, Some(0)) }
    }
}
