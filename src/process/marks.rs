//! Marks that a signal asks for: each bears the time at which the signal came.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::error::Result;
use crate::process::stop::{Asker, Request};

/// Marks that wait to be taken. More that come meanwhile are counted only: a burst of signals takes no memory.
pub const MARKS_MAX: usize = 100;

/// Marks that were asked for.
#[derive(Debug)]
pub struct Marks {
    waiting: Arc<Mutex<Waiting>>,
    request: Request,
}

/// Marks that nobody has taken yet.
#[derive(Debug, Default)]
pub struct Waiting {
    /// When they were asked for, in this order.
    pub came: Vec<Instant>,
    /// How many came after these, when there was no room for more.
    pub more: u64,
}

/// The side that asks for marks.
#[derive(Debug)]
pub(super) struct Marker {
    waiting: Arc<Mutex<Waiting>>,
    asker: Asker,
}

impl Marks {
    /// None, and the other one, which asks for them.
    ///
    /// # Errors
    /// When the operating system has no pipe for us.
    pub(super) fn with_marker() -> Result<(Self, Marker)> {
        let (request, asker) = Request::with_asker()?;
        let waiting = Arc::<Mutex<Waiting>>::default();
        Ok((Self { waiting: Arc::clone(&waiting), request }, Marker { waiting, asker }))
    }

    /// Those that wait, when there is room for them; else they go on waiting. Either way the next one can be seen.
    pub fn take(&self, has_room: bool) -> Waiting {
        self.request.take();
        if has_room { std::mem::take(&mut lock(&self.waiting)) } else { Waiting::default() }
    }
}

/// Readable when a mark was asked for.
impl AsFd for Marks {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.request.as_fd()
    }
}

impl Marker {
    /// Ask for a mark, now.
    pub fn mark(&self) {
        let now = Instant::now();
        let mut waiting = lock(&self.waiting);
        match waiting.came.len() {
            ..MARKS_MAX => waiting.came.push(now),
            _ => waiting.more += 1,
        }
        drop(waiting);
        self.asker.ask();
    }
}

// It is whole between any two statements.
fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_bounded_and_counted() {
        let (marks, marker) = Marks::with_marker().unwrap();
        (0..MARKS_MAX + 3).for_each(|_| marker.mark());
        assert!(marks.take(false).came.is_empty());
        let Waiting { came, more } = marks.take(true);
        assert_eq!((came.len(), more), (MARKS_MAX, 3));
        assert!(came.is_sorted());
        assert!(marks.take(true).came.is_empty());
    }
}
