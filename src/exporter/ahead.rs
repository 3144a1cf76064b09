//! Reading ahead, in a thread of its own, of what is written: both take about as long.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Builder};

use crate::error::{Error, Result};
use crate::message::{BATCH_MAX_BYTES, Batch};
use crate::store::Reader;

/// Batches that wait to be written, beside the one that is read and the one that is written.
const WAITING_BATCHES: usize = 1;

/// Behind a batch that is larger than this, which is one message, nothing is read before it is written.
const LARGE_BYTES: usize = 2 * BATCH_MAX_BYTES;

/// Give all batches to `take`, with the number of messages that were passed so far; each goes to `see` before, in the thread that
/// reads. Gives the reader back.
///
/// # Errors
/// When the database cannot be read, or what `take` ends it with.
pub(super) fn each_batch(
    reader: Reader,
    see: impl FnMut(&Batch) + Send,
    mut take: impl FnMut(&Batch, u64) -> Result<()>,
) -> Result<Reader> {
    let (full, filled) = sync_channel(WAITING_BATCHES);
    let (empty, emptied) = sync_channel(WAITING_BATCHES + 2);
    thread::scope(|scope| {
        let reading = Builder::new()
            .name("reader".to_owned())
            .spawn_scoped(scope, move || read(reader, see, &full, &emptied))
            .map_err(|cause| Error::System { operation: "start a thread", cause })?;
        // When it ends early, the reader finds nobody who takes the next one.
        for (mut batch, passed) in filled {
            take(&batch, passed)?;
            batch.clear();
            let _ = empty.send(batch);
        }
        let panicked = |_| Error::System { operation: "finish a thread", cause: io::Error::other("it panicked") };
        reading.join().map_err(panicked)?
    })
}

fn read(
    mut reader: Reader,
    mut see: impl FnMut(&Batch),
    full: &SyncSender<(Batch, u64)>,
    emptied: &Receiver<Batch>,
) -> Result<Reader> {
    let mut batch = Batch::default();
    while reader.step(&mut batch)? {
        see(&batch);
        let is_large = batch.bytes() > LARGE_BYTES;
        if full.send((batch, reader.passed())).is_err() {
            break;
        }
        batch = match is_large {
            true => emptied.recv().unwrap_or_default(),
            false => emptied.try_recv().unwrap_or_default(),
        };
    }
    Ok(reader)
}
