//! `record --print`: each packet, decoded, as a line on standard output. A thread of its own, because whoever reads
//! standard output may stop reading, and that must not stop the capture.

use std::fmt::Write;
use std::io::{self, stdout};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::codec::envelope::{Wanted, samples};
use crate::message::Batch;
use crate::message::queue::{CloseOnDrop, Queue};
use crate::process::stop::Stop;
use crate::time::clock::{NS_PER_S, monotonic_ns};

/// What may wait to be printed. Beyond that packets are stored without being printed.
pub const PRINT_QUEUE_BYTES: usize = 16 << 20;

/// A pipe that can be written takes so many bytes without blocking (pipe(7), `PIPE_BUF`).
const CHUNK_BYTES: usize = 4096;

/// How long the last packets may take to be printed when the recording has ended.
const LINGER_NS: i64 = NS_PER_S;

/// How often to look whether the recording has ended while standard output is not read.
const LOOK_NS: i64 = 100_000_000;

/// Print all packets that come through the queue. A reader of standard output that leaves ends the recording.
pub fn print(queue: &Queue, wanted: &Wanted, stop: &Stop) {
    let _close = CloseOnDrop(queue);
    let mut text = String::new();
    while let Some(batch) = queue.pop() {
        text.clear();
        render(&batch, wanted, &mut text);
        match write(text.as_bytes(), queue) {
            Ok(()) => queue.recycle(batch),
            Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => return stop.request(),
            Err(cause) => {
                tracing::error!("cannot print packets: {cause}; the recording goes on without printing");
                return;
            }
        }
    }
}

/// `#number topic size [samples]` for each packet.
fn render(batch: &Batch, wanted: &Wanted, text: &mut String) {
    for (number, message) in (batch.numbers().first().copied().unwrap_or(0)..).zip(batch.messages()) {
        let Ok(envelope) = wanted.decode(message.frames()) else { continue };
        let topic = String::from_utf8_lossy(envelope.topic);
        // Writing to a String cannot fail.
        let _ = write!(text, "#{number} {} {} bytes [", topic.escape_debug(), envelope.payload.len());
        for (index, sample) in samples(envelope.payload).enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let _ = write!(text, "{comma}{sample}");
        }
        text.push_str("]\n");
    }
}

fn write(text: &[u8], queue: &Queue) -> io::Result<()> {
    let out = stdout();
    let mut rest = text;
    let mut closed_ns = None;
    while let Some(chunk) = rest.get(..rest.len().min(CHUNK_BYTES)).filter(|chunk| !chunk.is_empty()) {
        let timeout = Timespec { tv_sec: 0, tv_nsec: LOOK_NS };
        match poll(&mut [PollFd::new(&out, PollFlags::OUT)], Some(&timeout)) {
            Ok(0) if queue.is_closed() => {
                let now_ns = monotonic_ns();
                if now_ns - *closed_ns.get_or_insert(now_ns) >= LINGER_NS {
                    return Err(io::Error::other("nobody reads standard output"));
                }
            }
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => {
                let written = rustix::io::retry_on_intr(|| rustix::io::write(out.as_fd(), chunk))?;
                rest = rest.get(written..).unwrap_or_default();
            }
            Err(cause) => return Err(cause.into()),
        }
    }
    Ok(())
}
