//! Times around places, and messages that follow each other, of which one thing is said.

use std::collections::VecDeque;

use crate::message::Message;
use crate::observe::event::{Event, Kind};

/// Times in which everything is kept, on the monotonic clock and in their order, but those that all messages are behind.
#[derive(Debug)]
pub(super) struct Windows {
    before_ns: i64,
    after_ns: i64,
    open: VecDeque<Window>,
}

/// From then until then, both included.
#[derive(Clone, Copy, Debug)]
struct Window {
    from_ns: i64,
    until_ns: i64,
}

impl Windows {
    /// None yet; they reach so far before and after their places.
    pub fn new(before_ns: i64, after_ns: i64) -> Self {
        Self { before_ns, after_ns, open: VecDeque::new() }
    }

    /// Here is a place, not before the last one. Gives when its window begins.
    pub fn open_around(&mut self, at_ns: i64) -> i64 {
        let (from_ns, until_ns) = (at_ns.saturating_sub(self.before_ns), at_ns.saturating_add(self.after_ns));
        match self.open.back_mut() {
            Some(last) if last.until_ns >= from_ns => last.until_ns = until_ns,
            _ => self.open.push_back(Window { from_ns, until_ns }),
        }
        from_ns
    }

    /// Whether a message is kept by a place that is known, not before the message that was asked about last.
    pub fn keep(&mut self, at_ns: i64) -> bool {
        while self.open.front().is_some_and(|window| window.until_ns < at_ns) {
            self.open.pop_front();
        }
        self.open.front().is_some_and(|window| window.from_ns <= at_ns)
    }

    /// No place that is still to come, at this time or later, keeps what came before the time that this gives.
    pub fn settled_ns(&self, newest_ns: i64) -> i64 {
        newest_ns.saturating_sub(self.before_ns)
    }
}

/// Messages that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    unix_ns: i64,
    elapsed_ns: i64,
    until_elapsed_ns: i64,
    /// The last one on the monotonic clock.
    last_ns: i64,
    pub messages: u64,
}

impl Span {
    /// One message, which came then on the monotonic clock.
    pub fn of(message: Message<'_>, at_ns: i64) -> Self {
        let Message { unix_ns, elapsed_ns, .. } = message;
        Self { unix_ns, elapsed_ns, until_elapsed_ns: elapsed_ns, last_ns: at_ns, messages: 1 }
    }

    /// It follows what is there.
    pub fn append_to(self, before: &mut Option<Self>) {
        *before = Some(match *before {
            None => self,
            Some(Self { unix_ns, elapsed_ns, messages, .. }) => {
                Self { unix_ns, elapsed_ns, messages: messages + self.messages, ..self }
            }
        });
    }

    pub fn lasts_ns(&self) -> i64 {
        self.until_elapsed_ns.saturating_sub(self.elapsed_ns)
    }

    /// The entry that says so of them.
    pub fn event(&self, kind: Kind, lost: u64, detail: String) -> Event {
        Event {
            until_elapsed_ns: Some(self.until_elapsed_ns),
            detail: Some(detail),
            ..Event::at(self.unix_ns, self.elapsed_ns, kind, Some(lost))
        }
    }
}

/// Pieces of what had to go before somebody knew whether it was to be kept. More are joined.
const PIECES_MAX: usize = 4_096;

/// What had to go, and what may still turn out to be wanted.
#[derive(Debug, Default)]
pub(super) struct Squeezed {
    pieces: VecDeque<Span>,
}

impl Squeezed {
    /// One more piece, if there is one.
    pub fn push(&mut self, piece: Option<Span>) {
        self.pieces.extend(piece);
        if self.pieces.len() > PIECES_MAX {
            let mut oldest = self.pieces.pop_front();
            if let Some(next) = self.pieces.pop_front() {
                next.append_to(&mut oldest);
            }
            oldest.into_iter().for_each(|oldest| self.pieces.push_front(oldest));
        }
    }

    /// What came before this is wanted by nobody: it is left out.
    pub fn settle(&mut self, settled_ns: i64, left_out: &mut Option<Span>) {
        let behind = self.pieces.partition_point(|piece| piece.last_ns < settled_ns);
        self.pieces.drain(..behind).for_each(|piece| piece.append_to(left_out));
    }

    /// Take the pieces that end at this time or later.
    pub fn take_from(&mut self, from_ns: i64) -> Option<Span> {
        let first = self.pieces.partition_point(|piece| piece.last_ns < from_ns);
        let mut all = None;
        self.pieces.drain(first..).for_each(|piece| piece.append_to(&mut all));
        all
    }
}
