//! Says what is missing of a capture when the replay comes by.

use crate::message::Gap;

/// Gaps of damaged messages that are said: a ruin is not to fill the log. The others are counted.
const SAID_MAX_GAPS: u64 = 100;

/// Something that happened to the capture, to be said when the replay comes by.
#[derive(Clone, Debug)]
pub struct Announcement {
    /// When it happened, since the session began.
    pub elapsed_ns: i64,
    /// What to say.
    pub text: String,
}

/// Says announcements, each once in a pass.
#[derive(Debug)]
pub struct Announcer<'a> {
    /// In the order of time.
    announcements: &'a [Announcement],
    next: usize,
    /// The next message is the first one of its place.
    arrived: bool,
    said_gaps: u64,
}

impl<'a> Announcer<'a> {
    /// Say these, which are in the order of time.
    pub fn new(announcements: &'a [Announcement]) -> Self {
        Self { announcements, next: 0, arrived: true, said_gaps: 0 }
    }

    /// The session begins again.
    pub fn rewind(&mut self) {
        self.next = 0;
    }

    /// The replay goes on elsewhere.
    pub fn jump(&mut self) {
        self.arrived = true;
    }

    /// Say what happened to the capture up to this message; what lies before the place of a start or jump is passed over.
    pub fn come_by(&mut self, number: i64, elapsed_ns: i64) {
        if std::mem::take(&mut self.arrived) && number > 0 {
            self.next = self.announcements.partition_point(|past| past.elapsed_ns < elapsed_ns);
        }
        while let Some(next) = self.announcements.get(self.next)
            && next.elapsed_ns <= elapsed_ns
        {
            self.next += 1;
            tracing::warn!("{}", next.text);
        }
    }

    /// The replay has come to messages that are damaged.
    pub fn come_to(&mut self, gap: &Gap) {
        self.said_gaps += 1;
        match self.said_gaps {
            ..=SAID_MAX_GAPS => tracing::warn!("in the capture, {gap}"),
            _ if self.said_gaps == SAID_MAX_GAPS + 1 => tracing::warn!("more is damaged; the summary counts it"),
            _ => {}
        }
    }
}
