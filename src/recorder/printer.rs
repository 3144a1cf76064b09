//! `record --print`: each message, read as its layout says, as a line on standard output. A thread of its own, because whoever reads
//! standard output may stop reading, and that must not stop the capture.

use std::fmt::Write;
use std::io::{self, stdout};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::codec::topic;
use crate::codec::words;
use crate::message::queue::{CloseOnDrop, Queue};
use crate::process::stop::Stop;
use crate::recorder::Arrivals;
use crate::streams::{Streams, Told};
use crate::time::clock::{NS_PER_S, monotonic_ns};
use crate::time::durations::iso;

/// What may wait to be printed. Beyond that messages are stored without being printed.
pub const PRINT_QUEUE_BYTES: usize = 16 << 20;

/// A pipe that can be written takes so many bytes without blocking (pipe(7), `PIPE_BUF`).
const CHUNK_BYTES: usize = 4096;

/// How long the last packets may take to be printed when the recording has ended.
const LINGER_NS: i64 = NS_PER_S;

/// How often to look whether the recording has ended while standard output is not read.
const LOOK_NS: i64 = 100_000_000;

/// Numbers or characters of a frame that are printed: a terminal is no place for more.
const FRAME_MAX: usize = 10_000;

/// Print all messages that come through the queue, of streams of which this was told. A reader of standard output that leaves
/// ends the recording. With `several` endpoints, their numbers are printed too.
pub fn print(queue: &Queue<Arrivals>, told: &Told, several: bool, stop: &Stop) {
    let _close = CloseOnDrop(queue);
    let mut streams = Streams::new(told.clone());
    let mut text = String::new();
    while let Some(arrivals) = queue.pop() {
        if arrivals.session_start.is_some() {
            streams.restart();
        }
        text.clear();
        render(&arrivals, &mut streams, several, &mut text);
        match write(text.as_bytes(), queue) {
            Ok(()) => queue.recycle(arrivals),
            Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => return stop.request(),
            Err(cause) => {
                tracing::error!("cannot print messages: {cause}; the recording goes on without printing");
                return;
            }
        }
    }
}

/// `time #number topic size content` for each message.
fn render(arrivals: &Arrivals, streams: &mut Streams, several: bool, text: &mut String) {
    let sorted = streams.sort(&arrivals.batch);
    let numbers = arrivals.first_number..;
    for ((number, message), of) in numbers.zip(arrivals.batch.messages()).zip(sorted.streams) {
        let Some(stream) = streams.all().get(of) else { continue };
        let endpoint = if several { format!("{}:", stream.endpoint) } else { String::new() };
        let topic = topic::cell(&stream.topic);
        // Writing to a String cannot fail.
        let _ = write!(text, "{} #{number} {endpoint}{topic} {} bytes ", iso(message.unix_ns), message.bytes());
        words::append(stream, message.frames(), FRAME_MAX, text);
        text.push('\n');
    }
}

fn write(text: &[u8], queue: &Queue<Arrivals>) -> io::Result<()> {
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
