//! Why an archive cannot be used now.

use std::error::Error as StdError;
use std::fmt;

use async_nats::ConnectErrorKind;

use crate::error::Error;
use crate::store::{Access, Address};

/// What servers say of what a user has no right to.
pub(super) const NOT_PERMITTED: &str = "permissions violation";

/// What is wrong.
#[derive(Debug)]
pub enum Failure {
    /// It may pass by itself: nobody answers, or a leader is being elected.
    Passing(String),
    /// It does not pass by itself: the cause, and what to try.
    Refused(String, String),
    /// The same about one session alone: others may be sent.
    RefusedSession(String, String),
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

    /// Something about one session that somebody must change.
    pub fn refused_session(cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::RefusedSession(cause.into(), hint.into())
    }

    /// Whether it stays until somebody changes something there.
    pub fn is_lasting(&self) -> bool {
        matches!(self, Self::Refused(..) | Self::RefusedSession(..) | Self::Damaged(_))
    }

    /// Why there is no connection.
    pub(super) fn of_connecting(kind: ConnectErrorKind, cause: &str, access: &Access) -> Self {
        match kind {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                let (cause, hint) = match &access.credentials {
                    Some(_) => (
                        "it knows nobody of these credentials",
                        "check --archive-credentials, and whom the servers let in (users.conf)",
                    ),
                    None => ("it wants credentials", "name them with --archive-credentials, see fancyhwd-archive(7)"),
                };
                Self::refused(format!("its server does not accept us: {cause}"), hint)
            }
            _ => match of_encryption(kind, cause, access) {
                Some((what, hint)) => {
                    Self::refused(format!("the connection cannot be encrypted: {what} ({cause})"), hint)
                }
                None => Self::Passing(format!("no server of it can be reached ({cause})")),
            },
        }
    }

    /// We have no right to do this, as the server says.
    pub(super) fn not_permitted(what: &str, said: &str) -> Self {
        let said = said.trim_start_matches("server error: nats: ");
        Self::refused(
            format!("we may not {what} ({said})"),
            "check --archive-credentials, and the name of the recorder; fancyhwd-archive(7) says which rights are needed",
        )
    }

    /// As the error of a command.
    pub fn error(self, operation: &'static str, address: &Address) -> Error {
        let (cause, hint) = match self {
            Self::Here(error) => return error,
            Self::Refused(cause, hint) | Self::RefusedSession(cause, hint) => (cause, hint),
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
            Self::Refused(cause, hint) | Self::RefusedSession(cause, hint) => write!(f, "{cause}; {hint}"),
            Self::Here(error) => error.fmt(f),
        }
    }
}

/// What is wrong with the encryption, and what to do about it; `None` if it is something else.
fn of_encryption(kind: ConnectErrorKind, cause: &str, access: &Access) -> Option<(&'static str, &'static str)> {
    let authority = match access.authorities {
        Some(_) => "check that --archive-ca is the authority of this archive, and the address",
        None => "name the certificate of its authority with --archive-ca",
    };
    // As rustls says it: in words, or by the name of the case.
    let of_certificates: [(&[&str], _, _); 4] = [
        (
            &["expired"],
            "the certificate of its server has expired",
            "make a new one for that server, see fancyhwd-archive(7), or check the clock of this machine",
        ),
        (
            &["notvalidyet", "not valid yet"],
            "the certificate of its server is not valid yet",
            "check the clocks of that machine and of this one",
        ),
        (
            &["notvalidforname", "not valid for name"],
            "the certificate of its server is for another name",
            "use a name that it has in the address, or make one that has this name, see fancyhwd-archive(7)",
        ),
        (
            &["unknownissuer", "unknown issuer", "badsignature", "bad signature"],
            "the certificate of its server is not of an authority that we trust",
            authority,
        ),
    ];
    let said = cause.to_lowercase();
    if said.contains("certificate") {
        let found = of_certificates.iter().find(|(words, ..)| words.iter().any(|word| said.contains(word)));
        if let Some((_, what, hint)) = found {
            return Some((what, hint));
        }
    }
    // A server that does not encrypt answers with what is no part of it.
    if said.contains("corrupt message") {
        let hint =
            "set certificates in its configuration, see fancyhwd-archive(7), or leave tls:// and --archive-ca out";
        return Some(("its server does not encrypt", hint));
    }
    let is_of_certificates = said.contains("certificate") || kind == ConnectErrorKind::Tls;
    is_of_certificates
        .then_some(("something is wrong with a certificate", "check the certificates of its servers, and --archive-ca"))
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
