//! Messages are compressed and written in a thread of their own: that takes as long as to make JSON of them.

use std::io::{self, BufWriter};
use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use mcap::records::MessageHeader;
use mcap::{McapResult, Writer};

use crate::exporter::Sink;
use crate::exporter::mcap::io_error;

/// Handed over at once.
const BLOCK_BYTES: usize = 256 << 10;

/// Blocks that wait, beside the one that is filled and the one that is written: chunks end at once, and are not written evenly.
const WAITING_BLOCKS: usize = 4;

/// What writes the file.
pub(super) type Out = Writer<BufWriter<Sink<'static>>>;

/// Messages one behind the other.
#[derive(Default)]
struct Block {
    /// Each with the length of its data.
    headers: Vec<(MessageHeader, usize)>,
    data: Vec<u8>,
}

/// What the thread is to do.
enum Job {
    Messages(Block),
    Other(Box<dyn FnOnce(&mut Out) + Send>),
}

/// The way to the thread that writes.
pub(super) struct Lane {
    jobs: SyncSender<Job>,
    written: Receiver<Block>,
    block: Block,
    /// Until it is asked why it has ended.
    thread: Option<JoinHandle<McapResult<Out>>>,
}

impl Lane {
    /// Start the thread.
    pub fn new(out: Out) -> io::Result<Self> {
        let (jobs, waiting) = sync_channel(WAITING_BLOCKS);
        let (empty, written) = sync_channel(WAITING_BLOCKS + 2);
        let thread = Builder::new().name("mcap".to_owned()).spawn(move || work(out, &waiting, &empty))?;
        Ok(Self { jobs, written, block: Block::default(), thread: Some(thread) })
    }

    /// Write a message. The memory of a large one is not kept.
    ///
    /// # Errors
    /// When one before could not be written.
    pub fn message(&mut self, header: MessageHeader, data: &mut Vec<u8>) -> io::Result<()> {
        if data.len() > BLOCK_BYTES {
            let data = mem::take(data);
            return self.then(move |out| out.write_to_known_channel(&header, &data));
        }
        self.block.headers.push((header, data.len()));
        self.block.data.extend_from_slice(data);
        if self.block.data.len() >= BLOCK_BYTES { self.hand_over() } else { Ok(()) }
    }

    /// Do something behind all messages so far, and wait for it.
    ///
    /// # Errors
    /// When that fails, or a message could not be written.
    pub fn then<T: Send + 'static>(
        &mut self,
        what: impl FnOnce(&mut Out) -> McapResult<T> + Send + 'static,
    ) -> io::Result<T> {
        self.hand_over()?;
        let (answer, answered) = sync_channel(1);
        // Nobody waits for the answer when all has failed meanwhile.
        self.send(Job::Other(Box::new(move |out| drop(answer.send(what(out))))))?;
        match answered.recv() {
            Ok(result) => result.map_err(io_error),
            Err(_) => Err(self.failed()),
        }
    }

    /// All is written. Gives back what wrote it.
    ///
    /// # Errors
    /// When something could not be written.
    pub fn end(mut self) -> io::Result<Out> {
        self.hand_over()?;
        let Self { jobs, thread, .. } = self;
        drop(jobs);
        joined(thread)?
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let next = self.written.try_recv().unwrap_or_default();
        let block = mem::replace(&mut self.block, next);
        self.send(Job::Messages(block))
    }

    fn send(&mut self, job: Job) -> io::Result<()> {
        self.jobs.send(job).map_err(|_| self.failed())
    }

    /// Why the thread has ended.
    fn failed(&mut self) -> io::Error {
        let ended = || io::Error::other("the thread that writes has ended");
        joined(self.thread.take()).and_then(|result| result.map(|_| ())).err().unwrap_or_else(ended)
    }
}

/// What the thread ended with.
fn joined(thread: Option<JoinHandle<McapResult<Out>>>) -> io::Result<io::Result<Out>> {
    let panicked = || io::Error::other("the thread that writes panicked");
    let result = thread.ok_or_else(panicked)?.join().map_err(|_| panicked())?;
    Ok(result.map_err(io_error))
}

fn work(mut out: Out, waiting: &Receiver<Job>, empty: &SyncSender<Block>) -> McapResult<Out> {
    for job in waiting {
        match job {
            Job::Messages(mut block) => {
                let mut rest = block.data.as_slice();
                for (header, bytes) in &block.headers {
                    let (data, behind) = rest.split_at_checked(*bytes).unwrap_or((rest, &[]));
                    out.write_to_known_channel(header, data)?;
                    rest = behind;
                }
                block.headers.clear();
                block.data.clear();
                let _ = empty.send(block);
            }
            Job::Other(what) => what(&mut out),
        }
    }
    Ok(out)
}
