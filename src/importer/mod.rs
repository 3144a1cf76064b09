//! A file of another format, or a part of another session, into a session. Nothing in a file is believed: what it says of sizes
//! only bounds what is read, and memory is taken for what is there.

mod cut;
#[cfg(feature = "archive")]
mod fetched;
mod gathering;
mod input;
mod intake;
mod jsonl;
mod mcap;
mod missing;
mod npz;
mod origin;
mod records;
mod recover;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::observe::progress::Progress;
use crate::process::stop::Stop;
use crate::store::Recording;

pub use cut::{Cut, cut};
#[cfg(feature = "archive")]
pub use fetched::{Walked, fetch, prove};
pub use recover::{Recovered, recover};

use input::Input;
use intake::Intake;

/// Why a file cannot be imported, and what to try.
#[derive(Debug)]
enum Refused {
    /// The file is not as it should be.
    File(String, &'static str),
    /// It is, and something else went wrong.
    Other(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<io::Error> for Refused {
    fn from(cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::UnexpectedEof => Self::File("it is cut off".to_owned(), "get all of it"),
            _ => Self::File(cause.to_string(), "check whether it is damaged"),
        }
    }
}

impl Refused {
    /// It is damaged, or of another program that does it wrong.
    fn damaged(cause: impl Into<String>) -> Self {
        Self::File(cause.into(), "check whether it is damaged")
    }
}

type Read<T> = std::result::Result<T, Refused>;

/// What the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Mcap,
    Npz,
    Jsonl,
}

/// What was imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Messages.
    pub messages: u64,
    /// Whether they are not those that the file was made of, as its digest says.
    pub is_changed: bool,
}

/// A file that can be imported.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    input: Input,
    format: Format,
    bytes: u64,
}

impl Source {
    /// Open a file and see what it is.
    ///
    /// # Errors
    /// When it cannot be read, or is nothing that can be imported.
    pub fn open(path: &Path) -> Result<Self> {
        let refuse = |cause: &str, hint| Error::Import { path: path.to_owned(), cause: cause.to_owned(), hint };
        // A FIFO is not waited for.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
        let file = file.map_err(|cause| refuse(&cause.to_string(), "check its name, and who may read it"))?;
        let about = file.metadata().map_err(|cause| refuse(&cause.to_string(), "check who may read it"))?;
        if !about.is_file() {
            return Err(refuse("it is no regular file", "choose another one"));
        }
        let mut input = Input::new(file);
        let beginning = input.beginning().map_err(|cause| refuse(&cause.to_string(), "check the disk's health"))?;
        let format = match beginning {
            bytes if bytes.starts_with(mcap::MAGIC) => Format::Mcap,
            bytes if bytes.starts_with(npz::MAGIC) => Format::Npz,
            bytes if bytes.trim_ascii_start().starts_with(b"{") => Format::Jsonl,
            bytes if bytes.starts_with(b"SQLite format 3\0") => {
                return Err(refuse("it is a database", "use it as it is, with --database"));
            }
            [] => return Err(refuse("it is empty", "choose another one")),
            _ => return Err(refuse("it is no MCAP file, no JSON lines and no arrays for numpy", "choose another one")),
        };
        Ok(Self { path: path.to_owned(), input, format, bytes: about.len() })
    }

    /// How large it is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Write all of it into a session that has just begun.
    ///
    /// # Errors
    /// When the file is not as it should be, the database cannot be written, or a stop is asked for.
    pub fn read(self, recording: &mut Recording, watch: &Watch<'_>) -> Result<Imported> {
        let Self { path, input, format, bytes } = self;
        let mut intake = Intake::new(recording, watch);
        let read = match format {
            Format::Mcap => mcap::read(input, &mut intake),
            Format::Npz => npz::read(input, bytes, &mut intake),
            Format::Jsonl => jsonl::read(input, &mut intake),
        };
        let imported = read.and_then(|ended| {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            intake.finish(&file, ended)
        });
        imported.map_err(|refused| match refused {
            Refused::File(cause, hint) => Error::Import { path, cause, hint },
            Refused::Other(error) => error,
        })
    }
}

/// Watches an import.
#[derive(Debug)]
pub struct Watch<'a> {
    stop: &'a Stop,
    what: String,
    progress: Progress,
}

impl<'a> Watch<'a> {
    /// Watch what is done, such as `import x.mcap`, with a bar on the terminal for so many `of`, such as bytes.
    pub fn new(stop: &'a Stop, what: String, all: u64, of: &'static str) -> Self {
        Self { stop, what, progress: Progress::of(all, of, true) }
    }

    /// So many are done.
    ///
    /// # Errors
    /// When a stop is asked for.
    pub fn at(&self, done: u64) -> Result<()> {
        self.stop.check(|| self.what.clone())?;
        self.progress.at(done);
        Ok(())
    }

    /// How long it has taken so far.
    pub fn elapsed_ns(&self) -> i64 {
        self.progress.elapsed_ns()
    }
}
