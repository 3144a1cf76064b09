//! Shows what a recording is doing: on the terminal, to the service manager, and in a file beside the database.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::escape::json;
use crate::log;
use crate::message::queue::Queue;
use crate::observe::snapshot::Snapshot;
use crate::recorder::{Arrivals, Gauges};
use crate::safe_open;
use crate::service;
use crate::store::{FILE_MODE, STATUS_BYTES, status_path};
use crate::time::clock::{NS_PER_S, monotonic_ns};
use crate::time::durations::seconds;

/// How often the status is brought up to date.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// How often the growth of the database is noted, and how many notes the forecast looks back: five minutes.
const GROWTH_EVERY_NS: i64 = 5 * NS_PER_S;
const GROWTH_NOTES: usize = 60;

/// Show the status each second until the recording is over.
pub fn watch(gauges: &Gauges, queue: &Queue<Arrivals>, database: &Path) {
    let mut messages = gauges.snapshot(queue).tally.messages;
    let mut at_ns = monotonic_ns();
    let mut growth = Growth::default();
    let mut minute = log::Minute::new(at_ns);
    let file = StatusFile::create(database).ok();
    // A thread may hang for half of what the service manager allows: the other half is until the next beat is missed.
    let patience = service::watchdog().map(|watchdog| watchdog / 2);
    while gauges.wait(STATUS_EVERY) {
        let now_ns = monotonic_ns();
        if let Some(holder) = gauges.holdup.look(now_ns) {
            tracing::warn!("{holder}: nothing can be written; the queue keeps what comes meanwhile");
            gauges.trouble(Some(holder));
        }
        let mut now = gauges.snapshot(queue);
        let now_messages = now.tally.messages;
        now.rate_hz = (now_messages - messages.min(now_messages)) as f64 / seconds((now_ns - at_ns).max(1));
        (messages, at_ns) = (now_messages, now_ns);
        now.full_in_s = growth.time_to_full(now_ns, gauges.used_bytes(), now.free_bytes).map(|left| left.as_secs());
        if let Some(Err(cause)) = file.as_ref().map(|file| file.write(&now)) {
            tracing::debug!("cannot write the status file: {cause}");
        }
        let line = now.to_string();
        service::status(&line);
        log::live(&line);
        if let Some(rate_hz) = minute.over(now_ns, now_messages) {
            let (lost, bytes) = (now.tally.lost, now.tally.bytes);
            let (queue_percent, free_bytes) = (now.queue_percent, now.free_bytes);
            tracing::debug!(
                event = "status",
                messages = now_messages,
                rate_hz,
                lost,
                bytes,
                queue_percent,
                free_bytes,
                "{line}"
            );
        }
        if patience
            .is_some_and(|within| gauges.receiver.is_felt(now_ns, within) && gauges.writer.is_felt(now_ns, within))
        {
            service::alive();
        }
    }
    log::end_live();
}

/// The file beside the database in which others see what a recorder is doing. It is written in place and never synced: after a
/// crash nobody needs it.
#[derive(Debug)]
struct StatusFile {
    file: File,
    path: PathBuf,
}

impl StatusFile {
    /// Open it, or say why it cannot be written: the recording goes on without it.
    fn create(database: &Path) -> io::Result<Self> {
        let path = status_path(database);
        match safe_open::to_write_privately(&path, FILE_MODE).and_then(|file| file.set_len(0).map(|()| file)) {
            Ok(file) => Ok(Self { file, path }),
            Err(cause) => {
                let name = path.display();
                match safe_open::is_planted(&cause) {
                    true => tracing::warn!("cannot write the status into {name}: {cause}; remove it, nothing needs it"),
                    false => tracing::debug!("cannot write the status into {name}: {cause}"),
                }
                Err(cause)
            }
        }
    }

    fn write(&self, snapshot: &Snapshot) -> io::Result<()> {
        let mut text = Vec::new();
        json::append(snapshot, &mut text)?;
        if text.len() >= STATUS_BYTES {
            // Too many links for the room.
            text.clear();
            json::append(&Snapshot { links: Vec::new(), ..snapshot.clone() }, &mut text)?;
        }
        text.resize(STATUS_BYTES - 1, b' ');
        text.push(b'\n');
        self.file.write_all_at(&text, 0)
    }
}

impl Drop for StatusFile {
    fn drop(&mut self) {
        // Left behind, it is old, and nobody takes it for true.
        let _ = fs::remove_file(&self.path);
    }
}

/// How the database grew in the last minutes.
#[derive(Debug, Default)]
struct Growth {
    notes: VecDeque<(i64, u64)>,
}

impl Growth {
    /// When it will be full if it goes on growing like this; `None` while it does not grow.
    fn time_to_full(&mut self, now_ns: i64, used_bytes: u64, room_bytes: u64) -> Option<Duration> {
        if self.notes.back().is_none_or(|(at_ns, _)| now_ns - at_ns >= GROWTH_EVERY_NS) {
            self.notes.push_back((now_ns, used_bytes));
            if self.notes.len() > GROWTH_NOTES {
                self.notes.pop_front();
            }
        }
        let &(then_ns, then_bytes) = self.notes.front()?;
        let grown_bytes = used_bytes.checked_sub(then_bytes).filter(|&bytes| bytes > 0)?;
        let left_s = seconds(now_ns - then_ns) * room_bytes as f64 / grown_bytes as f64;
        Some(rounded(Duration::try_from_secs_f64(left_s).ok()?))
    }
}

/// As exact as a forecast can be: days with hours, hours with minutes, or seconds.
fn rounded(duration: Duration) -> Duration {
    let unit_s = match duration.as_secs() {
        86_400.. => 3_600,
        3_600.. => 60,
        _ => 1,
    };
    Duration::from_secs(duration.as_secs() / unit_s * unit_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forecast_follows_the_growth_of_the_last_minutes() {
        let mut growth = Growth::default();
        let mib = 1 << 20;
        assert_eq!(growth.time_to_full(0, 0, 100 * mib), None);
        assert_eq!(growth.time_to_full(10 * NS_PER_S, 10 * mib, 90 * mib), Some(Duration::from_secs(90)));
        // From here on twice as fast: in the end the slow minutes are forgotten.
        let mut left = None;
        for second in 11..=1000_u64 {
            left = growth.time_to_full(second as i64 * NS_PER_S, 10 * mib + 2 * (second - 10) * mib, 400_000 * mib);
        }
        assert_eq!(left, Some(Duration::from_secs(200_000 / 3_600 * 3_600)));
        assert_eq!(growth.time_to_full(1001 * NS_PER_S, 0, mib), None);
    }
}
