//! Where a session came from that is made of another one.

use std::path::Path;

use crate::codec::framing::Framing;
use crate::store::{self, Session};

/// The longest note of a session that is taken over.
const NOTE_MAX_CHARS: usize = 2000;

/// The name of the file that it is in.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| Path::new(name).display().to_string())
}

/// What is said of a session that was made of `session`. `words` say how, and its own note stands behind them.
pub(super) fn of(session: &Session, words: String, ended_unix_ns: i64) -> store::Origin {
    let mut note = words;
    if let Some(before) = &session.note {
        note += "; its note: ";
        note.extend(before.chars().take(NOTE_MAX_CHARS));
    }
    store::Origin {
        note,
        started_unix_ns: session.started_unix_ns,
        ended_unix_ns,
        endpoints: Vec::new(),
        topics: session.topics.clone(),
        framing: Framing::named(&session.framing),
        host: session.host.clone(),
        boot_id: session.boot_id.clone(),
    }
}
