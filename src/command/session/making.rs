//! What makes a session of something that is there: all of it, or nothing.

use crate::error::Result;
use crate::store::{Durability, EndReason, Recording, SessionStart};
use crate::time::clock::unix_ns;

/// Of what is not known before all was read, something that fits if this process is killed: a part of `what`.
pub(in crate::command) fn about(label: Option<&String>, what: &str) -> SessionStart {
    SessionStart {
        id: None,
        label: label.cloned(),
        note: Some(format!("a part of {what}")),
        started_unix_ns: unix_ns(),
        endpoints: Vec::new(),
        connected: 0,
        socket: "sub",
        topics: vec!["*".to_owned()],
        framing: None,
        host: String::new(),
        boot_id: String::new(),
        durability: Durability::Normal,
        recorder: None,
        resumes: false,
    }
}

/// Write a session that has just begun, and end it so. What could not be made whole is taken back, with its file if that is new.
pub(in crate::command) fn all_of<T>(
    mut recording: Recording,
    is_new: bool,
    end: EndReason,
    write: impl FnOnce(&mut Recording) -> Result<T>,
) -> Result<T> {
    let session_id = recording.session_id();
    match write(&mut recording) {
        Ok(written) => recording.end(end).map(|_| written),
        Err(error) => {
            // What failed first is what the user must know.
            if let Err(other) = recording.discard(is_new) {
                tracing::error!("what is {} so far may be left as session {session_id}: {other}", end.name());
            }
            Err(error)
        }
    }
}
