//! Everything that can end a run: what was being done, to what, why it failed, and what to try.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::exit::Exit;

/// A failed run. `Display` gives the one line that the user reads; [`Error::exit`] the exit code.
///
/// Causes of other libraries arrive as text, so that only the edges name those libraries.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are what their names say")]
pub enum Error {
    /// The command line does not parse; the text is the parser's.
    CommandLine(String),
    /// An option has a value that cannot be used.
    Setting { option: &'static str, value: String, cause: String },
    /// No session goes by that id or label.
    NoSuchSession { wanted: String, database: PathBuf },
    /// Several sessions have the label, and one of them is to be chosen.
    SeveralSessions { wanted: String, database: PathBuf },
    /// The session holds nothing that could be replayed.
    EmptySession { id: i64, database: PathBuf },
    /// The session holds messages, but none of those that were asked for.
    EmptySelection { id: i64, database: PathBuf },
    /// The session cannot be deleted now.
    SessionIsRecorded { id: i64, database: PathBuf },
    /// An endpoint cannot be bound or connected.
    Endpoint { operation: &'static str, endpoint: String, cause: String, hint: &'static str },
    /// A socket failed outside of bind and connect.
    Socket { operation: &'static str, cause: String },
    /// A database cannot be used at all.
    OpenDatabase { path: PathBuf, cause: String, hint: &'static str },
    /// A statement on an open database failed.
    Database { operation: &'static str, path: PathBuf, cause: String, hint: &'static str, trouble: Trouble },
    /// A recording has used the room that it may take, and there is nothing older that could be deleted.
    NoRoom { path: PathBuf },
    /// The stream that stands in for the device cannot be opened or read.
    Device { operation: &'static str, source_name: String, cause: io::Error },
    /// The report of a replay cannot be written.
    Report { path: PathBuf, cause: io::Error },
    /// A thread, signal or timer of the operating system is not to be had.
    System { operation: &'static str, cause: io::Error },
    /// A session cannot be exported, or not as asked for.
    Export { to: String, cause: String, hint: &'static str, exit: Exit },
    /// An export has its name and is whole, but the directory that has the name is perhaps not on the disk.
    ExportNotSynced { path: PathBuf, cause: io::Error },
    /// A stop was asked for before something was done.
    Stopped { what: String },
    /// Standard output cannot be written.
    Output(io::Error),
}

/// Why a database cannot be written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Another program holds it, which may pass.
    Locked,
    /// There is no room on the disk, which may pass.
    DiskFull,
    /// The disk or the file fails: what is in it is not to be relied on.
    Disk,
    /// Anything else: it says nothing about the file.
    Other,
}

/// The result of everything that can fail in a run.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The exit code that goes with this error.
    pub fn exit(&self) -> Exit {
        match self {
            Self::CommandLine(_)
            | Self::Setting { .. }
            | Self::NoSuchSession { .. }
            | Self::SeveralSessions { .. }
            | Self::EmptySession { .. }
            | Self::EmptySelection { .. }
            | Self::SessionIsRecorded { .. } => Exit::Usage,
            Self::Export { exit, .. } => *exit,
            Self::ExportNotSynced { .. } => Exit::Loss,
            // Whoever read the output has gone: it has what it wanted.
            Self::Output(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            _ => Exit::Failed,
        }
    }

    /// What is wrong with a database.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Database { trouble, .. } => *trouble,
            _ => Trouble::Other,
        }
    }

    fn cause(&self) -> String {
        match self {
            Self::CommandLine(text) => text.clone(),
            Self::Setting { cause, .. }
            | Self::Endpoint { cause, .. }
            | Self::Socket { cause, .. }
            | Self::OpenDatabase { cause, .. }
            | Self::Database { cause, .. }
            | Self::Export { cause, .. } => cause.clone(),
            Self::NoSuchSession { .. } => "there is no such session".to_owned(),
            Self::SeveralSessions { .. } => "several sessions have that label".to_owned(),
            Self::EmptySession { .. } => "the session has no packets".to_owned(),
            Self::EmptySelection { .. } => "nothing in it is as asked for".to_owned(),
            Self::SessionIsRecorded { .. } => "it is being recorded".to_owned(),
            Self::Stopped { .. } => "it was stopped by a signal before its end".to_owned(),
            Self::NoRoom { .. } => {
                "the room within --max-use and --keep-free is used up by this session alone".to_owned()
            }
            Self::Device { cause, .. }
            | Self::Report { cause, .. }
            | Self::System { cause, .. }
            | Self::ExportNotSynced { cause, .. }
            | Self::Output(cause) => cause.to_string(),
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::CommandLine(_) | Self::Setting { .. } => None,
            Self::NoSuchSession { .. } => Some("`fancyhwd session list` shows what there is"),
            Self::SeveralSessions { .. } => Some("give the id, which `fancyhwd session list` shows"),
            Self::EmptySession { .. } => Some("choose another one with `fancyhwd session list`"),
            Self::EmptySelection { .. } => {
                Some("compare --from, --to and --topic with what `fancyhwd session show` says of it")
            }
            Self::SessionIsRecorded { .. } => Some("stop the recorder, or let it begin the next session (SIGHUP)"),
            Self::Endpoint { hint, .. }
            | Self::OpenDatabase { hint, .. }
            | Self::Database { hint, .. }
            | Self::Export { hint, .. } => Some(hint),
            Self::NoRoom { .. } => Some("give it more, or let --split-every make sessions that can be deleted"),
            Self::Socket { .. } => Some("see the log lines before this one"),
            Self::Device { .. } => Some("check the path and who writes to it"),
            Self::Report { .. } => Some("choose another file with --timing-report"),
            Self::System { .. } => Some("check the limits of this process (`ulimit -a`)"),
            Self::ExportNotSynced { .. } => Some("run `sync`: until then a power cut may take the file"),
            Self::Stopped { .. } => Some("start it again"),
            Self::Output(_) => Some("check where the output goes"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine(_) => {}
            Self::Setting { option, value, .. } => write!(f, "cannot use {option} '{value}': ")?,
            Self::NoSuchSession { wanted, database } => {
                write!(f, "cannot find session '{wanted}' in {}: ", database.display())?;
            }
            Self::SeveralSessions { wanted, database } => {
                write!(f, "cannot choose session '{wanted}' in {}: ", database.display())?;
            }
            Self::EmptySession { id, database } | Self::EmptySelection { id, database } => {
                write!(f, "cannot replay session {id} of {}: ", database.display())?;
            }
            Self::SessionIsRecorded { id, database } => {
                write!(f, "cannot delete session {id} of {}: ", database.display())?;
            }
            Self::Endpoint { operation, endpoint, .. } => write!(f, "cannot {operation} {endpoint}: ")?,
            Self::Socket { operation, .. } => write!(f, "cannot {operation}: ")?,
            Self::OpenDatabase { path, .. } => write!(f, "cannot open database {}: ", path.display())?,
            Self::Database { operation, path, .. } => write!(f, "cannot {operation} in database {}: ", path.display())?,
            Self::NoRoom { path } => write!(f, "cannot go on recording into {}: ", path.display())?,
            Self::Device { operation, source_name, .. } => {
                write!(f, "cannot {operation} device stream {source_name}: ")?
            }
            Self::Report { path, .. } => write!(f, "cannot write the timing report {}: ", path.display())?,
            Self::System { operation, .. } => write!(f, "cannot {operation}: ")?,
            Self::Export { to, .. } => write!(f, "cannot export to {to}: ")?,
            Self::ExportNotSynced { path, .. } => {
                write!(f, "exported to {}, all of it, but cannot sync its directory: ", path.display())?;
            }
            Self::Stopped { what } => write!(f, "cannot {what}: ")?,
            Self::Output(_) => write!(f, "cannot write standard output: ")?,
        }
        f.write_str(&self.cause())?;
        self.hint().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_operation_object_cause_and_hint() {
        let error = Error::Endpoint {
            operation: "bind",
            endpoint: "tcp://127.0.0.1:5555".to_owned(),
            cause: "Address already in use".to_owned(),
            hint: "another program listens there",
        };
        assert_eq!(
            error.to_string(),
            "cannot bind tcp://127.0.0.1:5555: Address already in use; another program listens there"
        );
        assert_eq!(error.exit(), Exit::Failed);
    }

    #[test]
    fn a_reader_of_the_output_that_leaves_is_no_failure() {
        assert_eq!(Error::Output(io::ErrorKind::BrokenPipe.into()).exit(), Exit::Done);
        assert_eq!(Error::Output(io::ErrorKind::StorageFull.into()).exit(), Exit::Failed);
    }
}
