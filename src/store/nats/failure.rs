//! Why an archive cannot be used now.

use std::error::Error as StdError;
use std::fmt;

use crate::error::Error;
use crate::store::Address;

/// What is wrong.
#[derive(Debug)]
pub enum Failure {
    /// It may pass by itself: nobody answers, or a leader is being elected.
    Passing(String),
    /// It does not pass by itself: the cause, and what to try.
    Refused(String, String),
    /// What is there is not what was written.
    Damaged(String),
    /// The stream is not as it was when its end was last asked for: ask again.
    Moved(String),
    /// The database here.
    Here(Error),
}

impl Failure {
    /// Something that somebody must change.
    pub fn refused(cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused(cause.into(), hint.into())
    }

    /// As the error of a command.
    pub fn error(self, operation: &'static str, address: &Address) -> Error {
        let (cause, hint) = match self {
            Self::Here(error) => return error,
            Self::Refused(cause, hint) => (cause, hint),
            Self::Damaged(cause) => {
                (cause, "see who else may write there; another server may have it whole".to_owned())
            }
            Self::Passing(cause) | Self::Moved(cause) => {
                (cause, "check its servers and the network, and try again".to_owned())
            }
        };
        Error::Archive { operation, archive: address.to_string(), cause, hint }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passing(cause) | Self::Moved(cause) | Self::Damaged(cause) => f.write_str(cause),
            Self::Refused(cause, hint) => write!(f, "{cause}; {hint}"),
            Self::Here(error) => error.fmt(f),
        }
    }
}

/// An error with all its causes, on one line.
pub(super) fn words(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(this) = cause {
        let words = this.to_string();
        if !text.contains(&words) {
            text += ": ";
            text += &words;
        }
        cause = this.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
