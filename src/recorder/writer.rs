//! The writing thread: one batch, one transaction.

use crate::error::Result;
use crate::queue::{CloseOnDrop, Queue};
use crate::recorder::Printer;
use crate::stop::Stop;
use crate::store::Recording;

/// Write all batches until the receiver closes the queue. After an error the queue is closed and a stop asked for, so
/// that the receiver ends too.
///
/// # Errors
/// When the database cannot be written.
pub fn write(queue: &Queue, recording: &mut Recording, mut printer: Option<Printer>, stop: &Stop) -> Result<()> {
    let _close = CloseOnDrop(queue);
    while let Some(batch) = queue.pop() {
        let first_number = recording.next_number();
        recording.commit(&batch).inspect_err(|_| stop.request())?;
        if let Some(printing) = &mut printer
            && let Err(cause) = printing.print(&batch, first_number)
        {
            // The capture is worth more than its print-out: only the reader's leaving ends both.
            if cause.kind() == std::io::ErrorKind::BrokenPipe {
                stop.request();
            } else {
                tracing::error!("cannot print packets: {cause}; recording goes on without printing");
            }
            printer = None;
        }
        queue.recycle(batch);
    }
    Ok(())
}
