//! The bounded queue between two threads, measured in bytes: of batches, or of what has one in it.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::ValueEnum;

/// What to do with a message when there is no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnFull {
    /// Drop the newest messages, and count them.
    Drop,
    /// Wait until there is room; a device that can wait then waits too.
    Block,
}

/// What a queue carries.
pub trait Load: Default {
    /// Its size in memory.
    fn bytes(&self) -> usize;

    /// Empty it, keeping the memory.
    fn clear(&mut self);
}

/// Empty batches that are kept for reuse: one is filled, one is emptied, one changes hands.
const SPARE_MAX_BATCHES: usize = 3;

/// Batches on their way from one thread to another. Whichever side ends first closes it.
#[derive(Debug)]
pub struct Queue<T> {
    limit_bytes: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    batches: VecDeque<T>,
    spare: Vec<T>,
    bytes: usize,
    peak_bytes: usize,
    closed: bool,
}

/// What [`Queue::pop_within`] found.
#[derive(Debug)]
pub enum Popped<T> {
    /// The oldest batch.
    Batch(T),
    /// Nothing came in that time.
    Nothing,
    /// The queue is closed and empty.
    End,
}

/// How full a queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// What is inside, in bytes.
    pub bytes: usize,
    /// The most that ever was inside, in bytes.
    pub peak_bytes: usize,
    /// What fits, in bytes.
    pub limit_bytes: usize,
}

/// Why a batch was not taken.
#[derive(Debug)]
pub enum Refused<T> {
    /// There is no room now; here it is again.
    Full(T),
    /// Nobody will ever take it.
    Closed,
}

impl<T: Load> Queue<T> {
    /// A queue that takes batches while it holds less than `limit_bytes`; an empty queue takes any batch.
    pub fn new(limit_bytes: usize) -> Self {
        let state = State { batches: VecDeque::new(), spare: Vec::new(), bytes: 0, peak_bytes: 0, closed: false };
        Self { limit_bytes, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Hand over a batch without waiting, and get an empty one in exchange.
    ///
    /// # Errors
    /// [`Refused`] when the queue is full or closed.
    pub fn try_push(&self, batch: T) -> Result<T, Refused<T>> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if !self.has_room(&state, batch.bytes()) {
            return Err(Refused::Full(batch));
        }
        state.bytes += batch.bytes();
        state.peak_bytes = state.peak_bytes.max(state.bytes);
        state.batches.push_back(batch);
        self.changed.notify_all();
        Ok(state.spare.pop().unwrap_or_default())
    }

    /// Hand over a batch, wait for room if there is none, and get an empty one in exchange. `None` when the queue was
    /// closed.
    pub fn push(&self, batch: T) -> Option<T> {
        let mut batch = batch;
        loop {
            batch = match self.try_push(batch) {
                Ok(empty) => return Some(empty),
                Err(Refused::Closed) => return None,
                Err(Refused::Full(batch)) => batch,
            };
            self.wait_for_room(batch.bytes());
        }
    }

    /// Wait until there is room for a batch of this size. Says whether there is: a closed queue takes nothing.
    pub fn wait_for_room(&self, bytes: usize) -> bool {
        !self.wait_while(|state| !state.closed && !self.has_room(state, bytes)).closed
    }

    /// As [`Queue::wait_for_room`], but not longer than `wait`. Returns whether the wait is over: there is room, or the
    /// queue is closed.
    pub fn wait_for_room_within(&self, bytes: usize, wait: Duration) -> bool {
        let waits = |state: &mut State<T>| !state.closed && !self.has_room(state, bytes);
        let waited = self.changed.wait_timeout_while(self.lock(), wait, waits);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Take the oldest batch; wait for one if there is none. `None` when the queue is closed and empty.
    pub fn pop(&self) -> Option<T> {
        self.give(self.wait_while(|state| !state.closed && state.batches.is_empty()))
    }

    /// Take the oldest batch; wait for one if there is none, but not longer than `wait`.
    pub fn pop_within(&self, wait: Duration) -> Popped<T> {
        let waits = |state: &mut State<T>| !state.closed && state.batches.is_empty();
        let waited = self.changed.wait_timeout_while(self.lock(), wait, waits);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let is_closed = state.closed;
        match self.give(state) {
            Some(batch) => Popped::Batch(batch),
            None if is_closed => Popped::End,
            None => Popped::Nothing,
        }
    }

    /// How full it is.
    pub fn fill(&self) -> Fill {
        let state = self.lock();
        Fill { bytes: state.bytes, peak_bytes: state.peak_bytes, limit_bytes: self.limit_bytes }
    }

    /// Whether nothing goes in any more.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Whether something waits to be taken.
    pub fn has_waiting(&self) -> bool {
        let state = self.lock();
        !state.closed && !state.batches.is_empty()
    }

    /// Whether [`Queue::pop`] would have to wait.
    pub fn is_starved(&self) -> bool {
        let state = self.lock();
        !state.closed && state.batches.is_empty()
    }

    /// Give a used batch back, so that its memory serves again.
    pub fn recycle(&self, mut batch: T) {
        batch.clear();
        let mut state = self.lock();
        if state.spare.len() < SPARE_MAX_BATCHES {
            state.spare.push(batch);
        }
    }

    /// No batch goes in any more; those inside can still be taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn give(&self, mut state: MutexGuard<'_, State<T>>) -> Option<T> {
        let batch = state.batches.pop_front()?;
        state.bytes -= batch.bytes();
        self.changed.notify_all();
        Some(batch)
    }

    fn has_room(&self, state: &State<T>, bytes: usize) -> bool {
        state.batches.is_empty() || state.bytes.saturating_add(bytes) <= self.limit_bytes
    }

    // The state is consistent between any two statements, so a thread that panicked left nothing half done.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, mut condition: impl FnMut(&State<T>) -> bool) -> MutexGuard<'_, State<T>> {
        self.changed.wait_while(self.lock(), |state| condition(state)).unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the queue when its side ends, however it ends, so that the other side never waits for ever.
#[derive(Debug)]
pub struct CloseOnDrop<'a, T: Load>(pub &'a Queue<T>);

impl<T: Load> Drop for CloseOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::message::{Batch, Origin};

    fn batch(bytes: usize) -> Batch {
        let mut batch = Batch::default();
        batch.message(Origin(1), 0, 0).frame(&[&vec![0; bytes]]);
        batch
    }

    #[test]
    fn a_full_queue_gives_the_batch_back() {
        let queue = Queue::new(300);
        queue.try_push(batch(200)).unwrap();
        let Err(Refused::Full(again)) = queue.try_push(batch(200)) else { panic!("took more than its limit") };
        assert_eq!(again.len(), 1);
        queue.recycle(queue.pop().unwrap());
        assert!(queue.try_push(again).unwrap().is_empty());
    }

    #[test]
    fn an_empty_queue_takes_what_is_larger_than_its_limit() {
        assert!(Queue::new(10).try_push(batch(1000)).is_ok());
    }

    #[test]
    fn closing_keeps_what_is_inside_and_takes_nothing_more() {
        let queue = Queue::new(1000);
        queue.try_push(batch(1)).unwrap();
        queue.close();
        assert!(matches!(queue.try_push(batch(1)), Err(Refused::Closed)));
        assert!(queue.push(batch(1)).is_none());
        assert!(queue.pop().is_some());
        assert!(queue.pop().is_none());
    }

    #[test]
    fn a_wait_for_a_batch_ends() {
        let queue = Queue::new(1000);
        assert!(matches!(queue.pop_within(Duration::from_millis(1)), Popped::Nothing));
        queue.try_push(batch(1)).unwrap();
        queue.close();
        assert!(matches!(queue.pop_within(Duration::MAX), Popped::Batch(_)));
        assert!(matches!(queue.pop_within(Duration::MAX), Popped::End));
        let fill = queue.fill();
        assert!(fill.bytes == 0 && fill.peak_bytes > 0 && fill.limit_bytes == 1000);
    }

    #[test]
    fn a_waiting_push_goes_on_when_there_is_room() {
        let queue = Queue::new(100);
        thread::scope(|scope| {
            scope.spawn(|| {
                let _close = CloseOnDrop(&queue);
                for _ in 0..1000 {
                    queue.push(batch(60)).unwrap();
                }
            });
            let mut taken = 0;
            while let Some(batch) = queue.pop() {
                taken += batch.len();
                queue.recycle(batch);
            }
            assert_eq!(taken, 1000);
        });
    }
}
