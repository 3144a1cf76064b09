//! Everything that can end a run: what was being done, to what, why it failed, and what to try.

use std::io;
use std::path::PathBuf;

use crate::exit::Exit;

/// A failed run. `Display` gives the one line that the user reads: operation, object, cause, and what to try;
/// [`Error::exit`] the exit code.
///
/// Causes of other libraries arrive as text, so that only the edges name those libraries.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what their names say")]
pub enum Error {
    /// The command line does not parse; the text is the parser's.
    #[error("{0}")]
    CommandLine(String),
    /// An option has a value that cannot be used.
    #[error("cannot use {option} '{value}': {cause}")]
    Setting { option: &'static str, value: String, cause: String },
    /// No session goes by that id or label.
    #[error(
        "cannot find session '{wanted}' in {}: there is no such session; {advice}`fancyhwd session list` shows what there is",
        database.display()
    )]
    NoSuchSession { wanted: String, database: PathBuf, advice: String },
    /// Several sessions have the label, and one of them is to be chosen.
    #[error(
        "cannot choose session '{wanted}' in {}: several sessions have that label; \
         give the id, which `fancyhwd session list` shows",
        database.display()
    )]
    SeveralSessions { wanted: String, database: PathBuf },
    /// The session holds nothing that could be replayed.
    #[error(
        "cannot read session {id} of {}: the session has no messages; choose another one with `fancyhwd session list`",
        database.display()
    )]
    EmptySession { id: i64, database: PathBuf },
    /// The session holds messages, but none of those that were asked for.
    #[error(
        "cannot read session {id} of {}: {cause}; \
         compare --from, --to and --topic with what `fancyhwd session show` says of it",
        database.display()
    )]
    EmptySelection { id: i64, database: PathBuf, cause: String },
    /// What was looked for is nowhere in the session, or in its part that was selected.
    #[error(
        "cannot find '{condition}' in {session} of {}: it holds nowhere there; \
         `fancyhwd session find` shows where a condition holds",
        database.display()
    )]
    NoSuchPlace { condition: String, session: String, database: PathBuf },
    /// The session has no stream of that topic or endpoint.
    #[error(
        "cannot describe session {id} of {}: it has no stream of that topic or endpoint; \
         `fancyhwd session show` shows those that it has",
        database.display()
    )]
    NoSuchStream { id: i64, database: PathBuf },
    /// The session cannot be changed now.
    #[error(
        "cannot change session {id} of {}: it is being recorded; \
         stop the recorder, or let it begin the next session (SIGHUP)",
        database.display()
    )]
    SessionIsRecorded { id: i64, database: PathBuf },
    /// A mark is to be set now, and no recorder is there.
    #[error(
        "cannot set a mark in {}: nothing is being recorded into it; \
         name a session, a text, and with --at a place",
        database.display()
    )]
    NothingIsRecorded { database: PathBuf },
    /// An endpoint cannot be bound or connected.
    #[error("cannot {operation} {endpoint}: {cause}; {}", advice(cause, hint))]
    Endpoint { operation: &'static str, endpoint: String, cause: String, hint: &'static str },
    /// A certificate cannot be read or written.
    #[error("cannot {operation} key file {}: {cause}; {hint}", path.display())]
    Key { operation: &'static str, path: PathBuf, cause: String, hint: &'static str },
    /// A socket failed outside of bind and connect.
    #[error("cannot {operation}: {cause}; {}", advice(cause, "see the log lines before this one"))]
    Socket { operation: &'static str, cause: String },
    /// A database cannot be used at all.
    #[error("cannot open database {}: {cause}; {}", path.display(), advice(cause, hint))]
    OpenDatabase { path: PathBuf, cause: String, hint: &'static str },
    /// This user may not do that with a database.
    #[error("cannot {operation} database {}: {cause}; {advice}", path.display())]
    NotPermitted { operation: &'static str, path: PathBuf, cause: String, advice: String },
    /// Another recorder writes into the database.
    #[error("cannot open database {}: {cause}; {advice}, or choose another file with --database", path.display())]
    InUse { path: PathBuf, cause: String, advice: String },
    /// A statement on an open database failed.
    #[error("cannot {operation} in database {}: {cause}; {hint}", path.display())]
    Database { operation: &'static str, path: PathBuf, cause: String, hint: &'static str, trouble: Trouble },
    /// A recording has used the room that it may take, and there is nothing older that could be deleted.
    #[error(
        "cannot go on recording into {}: the room within --max-use and --keep-free is used up by this session alone; \
         give it more, or let --split-every make sessions that can be deleted",
        path.display()
    )]
    NoRoom { path: PathBuf },
    /// The file that stands in for the device cannot be opened or read.
    #[error("cannot {operation} device {source_name}: {cause}; check the path and who writes to it")]
    Device { operation: &'static str, source_name: String, cause: io::Error },
    /// The report of a replay cannot be written.
    #[error("cannot write the timing report {}: {cause}; choose another file with --timing-report", path.display())]
    Report { path: PathBuf, cause: io::Error },
    /// A thread, signal or timer of the operating system is not to be had.
    #[error("cannot {operation}: {cause}; check the limits of this process (`ulimit -a`)")]
    System { operation: &'static str, cause: io::Error },
    /// A session cannot be exported, or not as asked for.
    #[error("cannot export to {to}: {cause}; {hint}")]
    Export { to: String, cause: String, hint: &'static str, exit: Exit },
    /// An export has its name and is whole, but the directory that has the name is perhaps not on the disk.
    #[error(
        "exported to {}, all of it, but cannot sync its directory: {cause}; \
         run `sync`: until then a power cut may take the file",
        path.display()
    )]
    ExportNotSynced { path: PathBuf, cause: io::Error },
    /// A file cannot be imported.
    #[error("cannot import {}: {cause}; {hint}", path.display())]
    Import { path: PathBuf, cause: String, hint: &'static str },
    /// An archive cannot be used, or not as asked for.
    #[error("cannot {operation} archive {archive}: {cause}; {hint}")]
    Archive { operation: &'static str, archive: String, cause: String, hint: String },
    /// A stop was asked for before something was done.
    #[error("cannot {what}: it was stopped by a signal before its end; start it again")]
    Stopped { what: String },
    /// Standard output cannot be written.
    #[error("cannot write standard output: {0}; check where the output goes")]
    Output(io::Error),
}

/// What to try: whatever was being done, where a process has no descriptor left only more of them help.
fn advice<'a>(cause: &str, hint: &'a str) -> &'a str {
    match cause.contains("Too many open files") {
        true => "let this process open more files (`ulimit -n`, or LimitNOFILE= of its unit)",
        false => hint,
    }
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
            | Self::NoSuchStream { .. }
            | Self::SessionIsRecorded { .. }
            | Self::NothingIsRecorded { .. } => Exit::Usage,
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
}

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
