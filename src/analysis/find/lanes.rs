//! Reads parts of a session in several threads at once, and gives them in their order: to prove what is read is most of the
//! work of a search.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use crate::error::{Error, Result};
use crate::message::{BATCH_MAX_BYTES, Batch};
use crate::store::Reader;

/// Batches of a thread that wait, and ends of parts, which are as many when parts are of one batch.
const WAITING_BATCHES: usize = 4;

/// Parts that are asked for of each thread, that which it reads included.
const ASKED_PARTS: usize = 3;

/// Behind a batch that is larger than this, which is one message, nothing is read before it is back.
const LARGE_BYTES: usize = 2 * BATCH_MAX_BYTES;

/// A thread that reads.
#[derive(Debug)]
struct Lane {
    ask: SyncSender<Range<i64>>,
    /// Batches, and `None` behind each part.
    read: Receiver<Result<Option<Batch>>>,
    give_back: SyncSender<Batch>,
    thread: JoinHandle<()>,
}

/// Reads with several readers.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    /// What was asked for and is not given as a whole, with its lane.
    asked: VecDeque<(Range<i64>, usize)>,
    next_lane: usize,
}

impl Lanes {
    /// With a thread for each of these readers.
    pub fn new(readers: impl IntoIterator<Item = Reader>) -> Result<Self> {
        let lanes = readers.into_iter().map(Lane::new).collect::<Result<_>>()?;
        Ok(Self { lanes, asked: VecDeque::new(), next_lane: 0 })
    }

    /// Whether more may be asked for.
    pub fn has_room(&self) -> bool {
        self.asked.len() < ASKED_PARTS * self.lanes.len()
    }

    /// Ask for the messages of these numbers, while there is room.
    pub fn ask(&mut self, numbers: Range<i64>) {
        if let Some(lane) = self.lanes.get(self.next_lane) {
            // A thread that is gone is noticed when its messages are wanted.
            let _ = lane.ask.send(numbers.clone());
            self.asked.push_back((numbers, self.next_lane));
            self.next_lane = (self.next_lane + 1) % self.lanes.len();
        }
    }

    /// What is given next.
    pub fn front(&self) -> Option<&Range<i64>> {
        self.asked.front().map(|(numbers, _)| numbers)
    }

    /// Take the next batch of what was asked for; nothing at the end of one part.
    pub fn step(&mut self, batch: &mut Batch) -> Result<()> {
        let Some(lane) = self.asked.front().and_then(|(_, lane)| self.lanes.get(*lane)) else { return Ok(()) };
        let panicked = |_| Error::System { operation: "read in a thread", cause: io::Error::other("it panicked") };
        match lane.read.recv().map_err(panicked)?? {
            Some(next) => _ = lane.give_back.try_send(std::mem::replace(batch, next)),
            None => _ = self.asked.pop_front(),
        }
        Ok(())
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        for Lane { ask, read, give_back, thread } in self.lanes.drain(..) {
            // It finds nobody to read for.
            drop((ask, read, give_back));
            let _ = thread.join();
        }
    }
}

impl Lane {
    fn new(mut reader: Reader) -> Result<Self> {
        let (ask, asked) = sync_channel(ASKED_PARTS);
        let (full, read) = sync_channel(WAITING_BATCHES);
        let (give_back, empty) = sync_channel(WAITING_BATCHES + 2);
        let thread = Builder::new()
            .name("reader".to_owned())
            .spawn(move || {
                for numbers in asked {
                    let done = read_part(&mut reader, &numbers, &full, &empty);
                    let is_failed = done.is_err();
                    if full.send(done.map(|()| None)).is_err() || is_failed {
                        break;
                    }
                }
            })
            .map_err(|cause| Error::System { operation: "start a thread", cause })?;
        Ok(Self { ask, read, give_back, thread })
    }
}

fn read_part(
    reader: &mut Reader,
    numbers: &Range<i64>,
    full: &SyncSender<Result<Option<Batch>>>,
    empty: &Receiver<Batch>,
) -> Result<()> {
    reader.go_between(numbers);
    let mut is_large = false;
    loop {
        let mut batch = match is_large {
            true => empty.recv().unwrap_or_default(),
            false => empty.try_recv().unwrap_or_default(),
        };
        batch.clear();
        if !reader.step(&mut batch)? {
            return Ok(());
        }
        is_large = batch.bytes() > LARGE_BYTES;
        if full.send(Ok(Some(batch))).is_err() {
            return Ok(());
        }
    }
}
