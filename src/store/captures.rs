//! What a database here and an archive have in common: captures that are found by their names, and their commits.

use crate::codec::stream::Key;
use crate::message::{Batch, Digest};
use crate::nearest::all_near;

/// So many names are suggested.
const SUGGESTED_MAX: usize = 3;

/// How a session is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// By its number; `None` is a number that no session can have.
    Id(Option<i64>),
    /// The newest that has ended and has messages.
    Latest,
    /// By its label.
    Label,
}

impl Name {
    /// What somebody means who types this. Digits always mean an id, so that no label is ever taken for one.
    pub fn of(text: &str) -> Self {
        match text {
            "latest" => Self::Latest,
            _ if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => Self::Id(text.parse().ok()),
            _ => Self::Label,
        }
    }
}

/// What of a session says which capture it is of.
#[derive(Clone, Copy, Debug)]
pub struct Lineage<'a> {
    /// Its number.
    pub id: i64,
    /// Its label.
    pub label: Option<&'a str>,
    /// The session that was split before this one.
    pub continues: Option<i64>,
    /// Why it ended.
    pub end_reason: Option<&'a str>,
}

/// Captures that are found by their names: those of a database, or of one recorder in an archive.
pub trait Captures {
    /// A session that was found.
    type Session;
    /// Why none can be looked for.
    type Error;

    /// What says which capture a session is of.
    fn lineage(session: &Self::Session) -> Lineage<'_>;

    /// The one session of that name, or the newest of several.
    ///
    /// # Errors
    /// When the sessions cannot be read.
    fn newest(&self, wanted: &str) -> Result<Option<Self::Session>, Self::Error>;

    /// The session of this number that `next` goes on from; `None` if it is not there any more.
    ///
    /// # Errors
    /// When it cannot be read.
    fn before(&self, id: i64, next: &Self::Session) -> Result<Option<Self::Session>, Self::Error>;

    /// The numbers and labels of all sessions, oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    fn names(&self) -> Result<Vec<(i64, Option<String>)>, Self::Error>;

    /// The capture that `wanted` means, in its parts, the last one first: an id, which is digits alone, `latest` (the newest finished
    /// session that has messages), or else a label (the newest of that name, with all that it goes on from if it was split). None if
    /// there is none.
    ///
    /// # Errors
    /// When the sessions cannot be read.
    fn capture(&self, wanted: &str) -> Result<Vec<Self::Session>, Self::Error> {
        let mut parts = Vec::from_iter(self.newest(wanted)?);
        while Name::of(wanted) == Name::Label
            && let Some(next) = parts.last()
            && let Lineage { id, label, continues: Some(before_id), .. } = Self::lineage(next)
            && before_id < id
            && let Some(before) = self.before(before_id, next)?
            && Self::lineage(&before).label == label
            && Self::lineage(&before).end_reason == Some("split")
        {
            parts.push(before);
        }
        Ok(parts)
    }

    /// What else there is than `wanted`, as the beginning of a sentence.
    fn advice(&self, wanted: &str) -> String {
        // What cannot be read is no reason for another error.
        self.names().map_or_else(|_| String::new(), |names| advice(wanted, &names))
    }
}

fn advice(wanted: &str, names: &[(i64, Option<String>)]) -> String {
    let (Some((first, _)), Some((last, _))) = (names.first(), names.last()) else {
        return "there is none at all; ".to_owned();
    };
    match Name::of(wanted) {
        Name::Id(_) if first == last => format!("the only one is {last}; "),
        Name::Id(_) => format!("there are {} from {first} to {last}; ", names.len()),
        Name::Latest => "none of them has ended; ".to_owned(),
        Name::Label => {
            let labels = names.iter().filter_map(|(_, label)| label.as_deref()).chain(["latest"]);
            let near = all_near(wanted, labels, SUGGESTED_MAX);
            let quoted: Vec<String> = near.iter().map(|label| format!("'{label}'")).collect();
            match quoted.is_empty() {
                true => String::new(),
                false => format!("did you mean {}? ", quoted.join(" or ")),
            }
        }
    }
}

/// A commit that its digest proves.
#[derive(Clone, Copy, Debug)]
pub struct ProvenCommit {
    /// The number of its first message in the session.
    pub first_number: i64,
    /// How many messages it has.
    pub messages: usize,
    /// When it was committed.
    pub unix_ns: i64,
    /// The digest of the commit before.
    pub previous: Digest,
    /// Its own.
    pub digest: Digest,
}

/// The commits of a session, one after the other, as they were made.
pub trait Commits {
    /// Why one cannot be read.
    type Error;

    /// Append the messages of the next commit, each with a number for its stream; `None` when there is none, or none yet.
    ///
    /// # Errors
    /// When it cannot be read, or is not as it was committed.
    fn next(&mut self, batch: &mut Batch) -> Result<Option<ProvenCommit>, Self::Error>;

    /// The stream of this number, which a message of the last commit has.
    fn stream(&self, number: i64) -> Option<&Key>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_an_id_and_nothing_else_is() {
        assert_eq!(Name::of("3"), Name::Id(Some(3)));
        assert_eq!(Name::of("007"), Name::Id(Some(7)));
        assert_eq!(Name::of("9223372036854775808"), Name::Id(None));
        assert_eq!(Name::of("latest"), Name::Latest);
        for label in ["", "+3", "-3", "3 ", "3rd", "0x3", "\u{663}", "Latest"] {
            assert_eq!(Name::of(label), Name::Label, "{label:?}");
        }
    }
}
