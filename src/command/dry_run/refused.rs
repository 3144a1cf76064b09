//! What a device sent that could not be taken.

use crate::message::{FRAME_COST_BYTES, MESSAGE_MAX_BYTES};
use crate::socket::Oversize;

/// A frame that broke the link may have any size: so many times what is allowed is tried next.
const NEXT_TIMES: usize = 4;

/// What of one endpoint was not taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Refused {
    /// How often a frame broke the link.
    broken: u64,
    /// How many messages were too large, and the largest of them.
    large: u64,
    largest: Option<Oversize>,
    /// How often it was cut off.
    cuts: u64,
}

impl Refused {
    pub(super) fn broke(&mut self) {
        self.broken += 1;
    }

    pub(super) fn cut(&mut self) {
        self.cuts += 1;
    }

    pub(super) fn large(&mut self, message: Oversize) {
        self.large += 1;
        if self.largest.is_none_or(|largest| largest.bytes < message.bytes) {
            self.largest = Some(message);
        }
    }

    /// Whether something was larger than a message may be.
    pub(super) fn is_too_large(&self) -> bool {
        self.broken + self.large > 0
    }

    /// What to try instead of this largest message.
    pub(super) fn message_max_bytes(&self, now_bytes: usize) -> Option<usize> {
        let known = self.largest.map(|largest| largest.bytes.saturating_add(largest.frames * FRAME_COST_BYTES));
        let next = (self.broken > 0).then(|| now_bytes.saturating_mul(NEXT_TIMES));
        let needed = known.max(next)?;
        let rounded = needed.checked_next_power_of_two().unwrap_or(MESSAGE_MAX_BYTES).min(MESSAGE_MAX_BYTES);
        (rounded > now_bytes).then_some(rounded)
    }

    /// What happened, one line for each kind.
    pub(super) fn lines(&self, now_bytes: usize) -> Vec<String> {
        let mut lines = Vec::new();
        let now = in_units(now_bytes, " ");
        let hint = self.message_max_bytes(now_bytes).map_or_else(
            || "; there is no larger one".to_owned(),
            |bytes| format!("; try --max-message {}", size(bytes)),
        );
        if self.broken > 0 {
            lines.push(format!(
                "sent a frame larger than --max-message ({now}), which broke the link{hint} (what is no ZeroMQ breaks it too)"
            ));
        }
        if let Some(Oversize { bytes, frames, .. }) = self.largest {
            let messages = if self.large == 1 { "a message".to_owned() } else { format!("{} messages", self.large) };
            lines.push(format!(
                "sent {messages} larger than --max-message ({now}), up to {bytes} bytes in {frames} frames{hint}"
            ));
        }
        if self.cuts > 0 {
            lines.push("was cut off, because it sent more than --queue and --max-message let be held".to_owned());
        }
        lines
    }
}

/// A size in the largest unit of which it is a multiple.
fn in_units(bytes: usize, space: &str) -> String {
    let units = [("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = units.into_iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{bytes}{space}B"), |(name, unit)| format!("{}{space}{name}", bytes / unit))
}

/// A size as the option takes it: `64MiB`.
pub(super) fn size(bytes: usize) -> String {
    in_units(bytes, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Origin;

    #[test]
    fn what_was_too_large_says_what_to_try() {
        let mut broken = Refused::default();
        broken.broke();
        let line = "sent a frame larger than --max-message (16 MiB), which broke the link; try --max-message 64MiB";
        assert!(broken.lines(16 << 20)[0].starts_with(line));
        assert!(broken.lines(MESSAGE_MAX_BYTES)[0].contains("there is no larger one"));
        let mut large = Refused::default();
        large.large(Oversize { origin: Origin(1), bytes: 20_000_000, frames: 3 });
        assert!(large.lines(16 << 20)[0].ends_with("up to 20000000 bytes in 3 frames; try --max-message 32MiB"));
        assert_eq!((size(96 << 10), size(900_000_000)), ("96KiB".to_owned(), "900000000B".to_owned()));
    }
}
