//! `record --trigger`: of all that comes, what came around the places where a condition holds is kept.
//!
//! A message is kept when the condition held at most `--before` later or `--after` earlier. Until that is known it waits here,
//! in memory. Messages, beginnings of sessions and the entries of each ledger leave in the order in which they came.

mod looking;
mod spans;

use std::collections::VecDeque;
use std::mem;

use crate::codec::condition::Condition;
use crate::message::Mark;
use crate::message::queue::Load;
use crate::observe::event::Kind;
use crate::recorder::Arrivals;
use crate::streams::Told;
use crate::time::clock::{NS_PER_S, SessionClock};

use looking::Looking;
use spans::{Span, Squeezed, Windows};

/// What a batch that waits takes beside its messages, about.
const HELD_BYTES: usize = 512;

/// Entries about what was left out that stand before messages of one transaction. What is left out more often is summed up.
const TOLD_MAX: usize = 100;

/// What is left out for longer is told of meanwhile, so that a crash takes no more of the account.
const TOLD_EVERY_NS: i64 = 3_600 * NS_PER_S;

/// What is kept of a recording.
#[derive(Clone, Debug)]
pub struct When {
    /// Around the places where this holds, ...
    pub condition: Condition,
    /// ... so long before them ...
    pub before_ns: i64,
    /// ... and after them.
    pub after_ns: i64,
    /// Messages after which to end.
    pub count: Option<u64>,
    /// Memory for what may have to be kept.
    pub held_max_bytes: usize,
}

/// What became of messages so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What those that are kept take, with their stamps.
    pub kept_bytes: u64,
    /// Those that are not.
    pub not_kept: u64,
    /// Those that were wanted, and for which there was no memory.
    pub lost: u64,
    /// What waits.
    pub held_bytes: usize,
    /// Whether as many are kept as were asked for.
    pub is_complete: bool,
}

/// Decides what is kept.
#[derive(Debug)]
pub struct Trigger {
    looking: Looking,
    windows: Windows,
    held_max_bytes: usize,
    held: VecDeque<Held>,
    /// Entries for the ledger of the session that is written, and what nobody asked for: these wait for nothing.
    ready: Arrivals,
    /// Sessions that begin behind messages that wait.
    waiting_starts: usize,
    clock: SessionClock,
    /// When the oldest message of the batch came that was taken last, and the newest one, on the monotonic clock.
    taken_ns: i64,
    newest_ns: i64,
    squeezed: Squeezed,
    left_out: Option<Span>,
    /// Messages that may still be kept.
    left: u64,
    account: Account,
    is_over: bool,
}

/// A batch of which something is not decided.
#[derive(Debug)]
struct Held {
    arrivals: Arrivals,
    clock: SessionClock,
    /// Behind what is decided.
    from: Mark,
    bytes: usize,
    /// What of it had to go.
    squeezed: Option<Span>,
}

impl Trigger {
    /// Keep what this says of streams of which that was told, from a session on that began at `clock`.
    pub fn new(when: When, told: Told, clock: SessionClock) -> Self {
        Self {
            windows: Windows::new(when.before_ns, when.after_ns),
            looking: Looking::new(when.condition, told),
            held_max_bytes: when.held_max_bytes,
            held: VecDeque::new(),
            ready: Arrivals::default(),
            waiting_starts: 0,
            clock,
            taken_ns: clock.origin_ns,
            newest_ns: clock.origin_ns,
            squeezed: Squeezed::default(),
            left_out: None,
            left: when.count.unwrap_or(u64::MAX),
            account: Account::default(),
            is_over: false,
        }
    }

    /// What became of messages so far.
    pub fn account(&self) -> Account {
        self.account
    }

    /// When the oldest message came of those that were taken last, on the monotonic clock.
    pub fn taken_ns(&self) -> i64 {
        self.taken_ns
    }

    /// Look at what came, and keep a copy. What is decided by it is to be taken by [`Trigger::decided`] then.
    pub fn take(&mut self, arrivals: &mut Arrivals) {
        if let Some(clock) = arrivals.session_start {
            self.clock = clock;
            self.newest_ns = self.newest_ns.max(clock.origin_ns);
            self.waiting_starts += 1;
        }
        self.taken_ns = self.newest_ns;
        if let (Some(first), Some(last)) = (arrivals.batch.messages().next(), arrivals.batch.last()) {
            self.taken_ns = self.clock.origin_ns.saturating_add(first.elapsed_ns);
            self.newest_ns = self.clock.origin_ns.saturating_add(last.elapsed_ns);
        }
        let from_ns = self.looking.at(arrivals, self.clock, &mut self.windows);
        self.lose_squeezed(from_ns);
        let mut held = Arrivals { session_start: arrivals.session_start, ..Arrivals::default() };
        let entries = if self.waiting_starts == 0 { &mut self.ready } else { &mut held };
        entries.events.append(&mut arrivals.events);
        entries.unwanted += mem::take(&mut arrivals.unwanted);
        if !self.account.is_complete {
            held.batch = arrivals.batch.compact();
        }
        if !held.is_empty() {
            let bytes = held.bytes() + HELD_BYTES;
            self.account.held_bytes += bytes;
            let (clock, from) = (self.clock, Mark::default());
            self.held.push_back(Held { arrivals: held, clock, from, bytes, squeezed: None });
        }
    }

    /// No more comes.
    pub fn finish(&mut self) {
        self.is_over = true;
        self.looking.finish();
    }

    /// Whether no more comes.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// The next ones that are to be stored, in one transaction.
    pub fn decided(&mut self) -> Option<Arrivals> {
        let mut out = mem::take(&mut self.ready);
        let mut told = 0;
        let settled_ns = if self.is_over { i64::MAX } else { self.windows.settled_ns(self.newest_ns) };
        self.squeezed.settle(settled_ns, &mut self.left_out);
        while let Some(held) = self.held.front_mut() {
            if held.arrivals.session_start.is_some() {
                self.end_session(&mut out);
                if !out.is_empty() {
                    break;
                }
                self.begin_session(&mut out);
                continue;
            }
            let Some((message, behind)) = held.arrivals.batch.next_behind(held.from) else {
                self.account.held_bytes -= held.bytes;
                self.squeezed.push(held.squeezed.take());
                self.held.pop_front();
                continue;
            };
            let at_ns = held.clock.origin_ns.saturating_add(message.elapsed_ns);
            if self.windows.keep(at_ns) {
                if out.is_full() {
                    break;
                }
                out.batch.append(&held.arrivals.batch, held.from, behind);
                held.from = behind;
                if told < TOLD_MAX {
                    told += usize::from(self.left_out.is_some());
                    self.tell_left_out(&mut out);
                }
                self.left -= 1;
                if self.left == 0 {
                    self.complete();
                }
            } else if at_ns < settled_ns {
                Span::of(message, at_ns).append_to(&mut self.left_out);
                self.account.not_kept += 1;
                held.from = behind;
            } else if self.account.held_bytes > self.held_max_bytes {
                Span::of(message, at_ns).append_to(&mut held.squeezed);
                self.account.not_kept += 1;
                held.from = behind;
            } else {
                break;
            }
        }
        if self.left_out.as_ref().is_some_and(|span| self.is_over || span.lasts_ns() >= TOLD_EVERY_NS) {
            self.tell_left_out(&mut out);
        }
        self.account.kept_bytes += out.batch.bytes() as u64;
        (!out.is_empty()).then_some(out)
    }

    /// As many are kept as were asked for: what comes now is not looked at any more.
    fn complete(&mut self) {
        self.account.is_complete = true;
        for held in &mut self.held {
            held.arrivals.batch.clear();
            held.from = Mark::default();
        }
    }

    /// The account of the session that is written, of which no message waits any more.
    fn end_session(&mut self, out: &mut Arrivals) {
        // A place in the next session may want them: nobody knows yet.
        self.lose_squeezed(Some(i64::MIN));
        out.events.append(&mut self.ready.events);
        self.tell_left_out(out);
    }

    /// The next session begins, with its entries up to the one after it.
    fn begin_session(&mut self, out: &mut Arrivals) {
        self.waiting_starts -= 1;
        for (place, Held { arrivals, .. }) in self.held.iter_mut().enumerate() {
            if place > 0 && arrivals.session_start.is_some() {
                break;
            }
            out.session_start = out.session_start.or(arrivals.session_start.take());
            out.events.append(&mut arrivals.events);
            out.unwanted += mem::take(&mut arrivals.unwanted);
        }
    }

    fn tell_left_out(&mut self, out: &mut Arrivals) {
        let Some(span) = self.left_out.take() else { return };
        let detail = format!("{} messages were not kept: the trigger did not hold near them", span.messages);
        out.events.push(span.event(Kind::NotTriggered, 0, detail));
    }

    /// A place wants what came from then on: of that, what had to go is lost.
    fn lose_squeezed(&mut self, from_ns: Option<i64>) {
        let Some(span) = from_ns.and_then(|from_ns| self.squeezed.take_from(from_ns)) else { return };
        let lost = span.messages;
        (self.account.lost, self.account.not_kept) = (self.account.lost + lost, self.account.not_kept - lost);
        let detail = "the memory for --before was full: let --queue be larger, or --before shorter".to_owned();
        self.ready.events.push(span.event(Kind::Overflow, lost, detail));
    }
}
