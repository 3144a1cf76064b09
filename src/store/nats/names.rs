//! What things are called in an archive: streams, subjects and headers.

use async_nats::HeaderMap;

use crate::message::Digest;
use crate::store::RecorderName;

/// The number of the first message of a bundle.
pub const FROM: &str = "Fhw-From";
/// The number behind its last message: the last part of a bundle has it.
pub const TO: &str = "Fhw-To";
/// The digest of the last commit in it, which is the chain of the session up to there.
pub const DIGEST: &str = "Fhw-Digest";
/// The place of a part, from 0.
pub const PART: &str = "Fhw-Part";
/// The last part of a description has it: how many parts it has.
pub const PARTS: &str = "Fhw-Parts";
/// The last part of the description of a session that has ended has it: when that was.
pub const ENDED: &str = "Fhw-Ended";
/// The stream sequence of the last part of the description before, or 0.
pub const BEFORE: &str = "Fhw-Before";
/// BLAKE3 of the body of this message.
pub const CHECK: &str = "Fhw-Check";

/// The stream of a recorder.
pub fn stream(recorder: &RecorderName) -> String {
    format!("{STREAM}{recorder}")
}

/// How the names of all streams of recorders begin.
pub const STREAM: &str = "FHW_";

/// All subjects of a recorder.
pub fn all_of(recorder: &RecorderName) -> String {
    format!("fhw.{recorder}.>")
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Messages of the session.
    Bundle,
    /// What is known of it.
    Description,
}

impl About {
    fn name(self) -> &'static str {
        match self {
            Self::Bundle => "b",
            Self::Description => "meta",
        }
    }
}

/// The subject of a session.
pub fn subject(recorder: &RecorderName, database_id: &str, session_id: i64, about: About) -> String {
    format!("fhw.{recorder}.{database_id}.{session_id}.{}", about.name())
}

/// All subjects of a session.
pub fn all_of_session(recorder: &RecorderName, database_id: &str, session_id: i64) -> String {
    format!("fhw.{recorder}.{database_id}.{session_id}.>")
}

/// The database and the session in a subject of ours.
pub fn parsed(subject: &str) -> Option<(&str, i64, About)> {
    let mut parts = subject.split('.');
    let (Some("fhw"), Some(_), Some(database_id), Some(session), Some(about), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let about = [About::Bundle, About::Description].into_iter().find(|one| one.name() == about)?;
    let is_id = database_id.len() == 32 && database_id.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some((database_id, session.parse().ok().filter(|_| is_id)?, about))
}

/// A number in a header.
pub fn number(headers: &HeaderMap, name: &'static str) -> Option<i64> {
    headers.get(name)?.as_str().parse().ok().filter(|number| *number >= 0)
}

/// A digest in a header.
pub fn digest(headers: &HeaderMap, name: &'static str) -> Option<Digest> {
    let hash = blake3::Hash::from_hex(headers.get(name)?.as_str()).ok()?;
    Some(*hash.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_names_database_and_session() {
        let recorder: RecorderName = "hall-3".parse().unwrap();
        let id = "0123456789abcdef0123456789abcdef";
        let subject = subject(&recorder, id, 7, About::Bundle);
        assert_eq!(subject, format!("fhw.hall-3.{id}.7.b"));
        assert_eq!(parsed(&subject), Some((id, 7, About::Bundle)));
        for wrong in [
            "fhw.a.b.7.b",
            "fhw.hall-3",
            "",
            &format!("fhw.a.{id}.x.b"),
            &format!("fhw.a.{id}.7.z"),
            &format!("{subject}.b"),
        ] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
