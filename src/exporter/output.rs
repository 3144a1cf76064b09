//! Where an export goes: standard output, or a file that gets its name when it is whole.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::syncfs;

use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::exporter::Format;
use crate::process::leavings::{PartialDirectory, PartialFile};
use crate::process::stop::Stop;
use crate::safe_open;
use crate::store::{FILE_MODE, belongs_to, beside, place};

/// A pipe that can be written takes so many bytes without blocking (pipe(7), `PIPE_BUF`).
const PIPE_CHUNK_BYTES: usize = 4096;

/// Of a directory of exported files: as their [`FILE_MODE`], to be entered.
const DIRECTORY_MODE: u32 = 0o750;

/// Those beside a database that SQLite, or a recorder, would take as belonging to the exported one.
const STRANGE_ENDINGS: [&str; 3] = ["-wal", "-journal", "-suspect"];

/// Where an export goes.
#[derive(Debug)]
pub enum Output {
    /// To standard output.
    Stdout {
        /// What was written so far.
        written_bytes: AtomicU64,
    },
    /// To a file. It is removed when it is dropped before [`Output::finish`], or a signal kills.
    File {
        /// What it has until it is whole: a name of its own in the same directory.
        temporary: PartialFile,
        /// The name that it gets.
        path: PathBuf,
        /// Whether another file of that name may be replaced.
        replace: bool,
    },
    /// To a file for each stream in a directory, which is removed as a file is.
    Directory {
        /// What it has until all are whole.
        temporary: PartialDirectory,
        /// The name that it gets.
        path: PathBuf,
    },
}

impl Output {
    /// Make sure that the file can be written, and begin it. `None` is standard output.
    ///
    /// # Errors
    /// When there is a file of that name that may not be replaced, or none can be made there.
    pub fn open(path: Option<&Path>, replace: bool, format: Format, database: &Path) -> Result<Self> {
        let Some(asked_for) = path else { return Ok(Self::Stdout { written_bytes: AtomicU64::new(0) }) };
        let refuse = |cause: &str, hint, exit| {
            let to = asked_for.display().to_string();
            Err(Error::Export { to, cause: cause.to_owned(), hint, exit })
        };
        // A name that ends so is a directory's, whether there is one or not.
        if asked_for.as_os_str().as_bytes().ends_with(b"/") {
            return match format {
                Format::Csv => Self::open_directory(asked_for),
                _ => {
                    let cause = format!("it is a directory, and {format} is one file");
                    refuse(&cause, "choose a file; only --format csv writes one for each stream", Exit::Usage)
                }
            };
        }
        let path = place(asked_for);
        if belongs_to(&path, database) {
            return refuse("it belongs to the database that is exported from", "choose another path", Exit::Usage);
        }
        if let Err(cause) = safe_open::check(&path) {
            let hint = "choose another path, or leave --output out";
            return refuse(&cause.to_string(), hint, Exit::Usage);
        }
        if !replace && path.symlink_metadata().is_ok() {
            return refuse("it exists", "choose another path, or replace it with --force", Exit::Usage);
        }
        if format == Format::Sqlite
            && STRANGE_ENDINGS.iter().any(|ending| beside(&path, ending).symlink_metadata().is_ok())
        {
            return refuse(
                "files of another database are beside it (-wal, -journal or -suspect)",
                "choose another path",
                Exit::Usage,
            );
        }
        let temporary = PartialFile::create_in(directory(&path), FILE_MODE);
        temporary
            .map(|temporary| Self::File { temporary, path: path.clone(), replace })
            .map_err(not_made(asked_for, &path))
    }

    /// Make sure that the directory can be written, and begin it.
    ///
    /// # Errors
    /// When there is something of that name, or none can be made there.
    pub fn open_directory(asked_for: &Path) -> Result<Self> {
        let path = place(asked_for);
        let refuse = |cause: &str| {
            let (to, cause) = (asked_for.display().to_string(), cause.to_owned());
            Err(Error::Export { to, cause, hint: "choose another directory, which need not exist", exit: Exit::Usage })
        };
        match fs::read_dir(&path).map(|mut entries| entries.next().is_some()) {
            Ok(true) => return refuse("it is not empty"),
            Err(_) if path.symlink_metadata().is_ok() => return refuse("it is no directory"),
            _ => {}
        }
        let temporary = PartialDirectory::create_in(directory(&path), DIRECTORY_MODE);
        temporary.map(|temporary| Self::Directory { temporary, path: path.clone() }).map_err(not_made(asked_for, &path))
    }

    /// What people call it.
    pub fn name(&self) -> String {
        match self {
            Self::Stdout { .. } => "standard output".to_owned(),
            Self::File { path, .. } => path.display().to_string(),
            Self::Directory { path, .. } => format!("{}/", path.display()),
        }
    }

    /// The file, or the directory, to write to; nothing on standard output.
    pub fn path(&self) -> &Path {
        match self {
            Self::Stdout { .. } => Path::new(""),
            Self::File { temporary, .. } => temporary.file().path(),
            Self::Directory { temporary, .. } => temporary.path(),
        }
    }

    /// How many bytes were handed to the operating system so far; `None`: not counted.
    pub(super) fn written_bytes(&self) -> Option<u64> {
        match self {
            Self::Stdout { written_bytes } => Some(written_bytes.load(Relaxed)),
            Self::File { temporary, .. } => temporary.file().as_file().metadata().ok().map(|file| file.len()),
            Self::Directory { .. } => None,
        }
    }

    /// Whether each stream has a file of its own.
    pub fn is_directory(&self) -> bool {
        matches!(self, Self::Directory { .. })
    }

    /// Where the file is made.
    pub fn directory(&self) -> &Path {
        match self {
            Self::Stdout { .. } => Path::new("."),
            Self::File { path, .. } | Self::Directory { path, .. } => directory(path),
        }
    }

    /// To be written to.
    ///
    /// # Errors
    /// When the operating system has no descriptor for it.
    pub(super) fn sink<'a>(&'a self, stop: &'a Stop) -> Result<Sink<'a>> {
        match self {
            Self::Stdout { written_bytes } => Ok(Sink::Stdout { stop, written_bytes }),
            Self::File { temporary, .. } => {
                temporary.file().as_file().try_clone().map(Sink::File).map_err(|cause| self.failed(cause))
            }
            Self::Directory { .. } => Err(self.failed(io::ErrorKind::IsADirectory.into())),
        }
    }

    /// An error in writing.
    pub fn failed(&self, cause: io::Error) -> Error {
        match self {
            Self::Stdout { .. } => Error::Output(cause),
            Self::File { .. } | Self::Directory { .. } => Error::Export {
                to: self.name(),
                cause: cause.to_string(),
                hint: "check the free space and the disk's health",
                exit: Exit::Failed,
            },
        }
    }

    /// All is written: bring the file to the disk and give it its name. Gives its size in bytes.
    ///
    /// # Errors
    /// When the disk fails, or a file of that name appeared that may not be replaced.
    pub fn finish(self) -> Result<u64> {
        let bytes = self.sync().map_err(|cause| self.failed(cause))?;
        let (named, path) = match self {
            Self::Stdout { .. } => return Ok(bytes),
            // A name is replaced, and never what a link leads to; but nothing that is no file.
            Self::File { temporary, path, replace } => {
                (safe_open::check(&path).and_then(|()| temporary.persist(&path, replace)), path)
            }
            Self::Directory { temporary, path } => (temporary.persist(&path), path),
        };
        named.map_err(|cause| Error::Export {
            to: path.display().to_string(),
            cause: cause.to_string(),
            hint: "see what is there now",
            exit: Exit::Failed,
        })?;
        let synced = File::open(directory(&path)).and_then(|directory| directory.sync_all());
        synced.map_err(|cause| Error::ExportNotSynced { path, cause })?;
        Ok(bytes)
    }

    /// Bring what was written to the disk. Gives its size in bytes.
    fn sync(&self) -> io::Result<u64> {
        match self {
            Self::Stdout { written_bytes } => Ok(written_bytes.load(Relaxed)),
            Self::File { temporary, .. } => {
                temporary.file().as_file().sync_all()?;
                Ok(temporary.file().as_file().metadata()?.len())
            }
            Self::Directory { temporary, .. } => {
                // All files at once.
                syncfs(File::open(temporary.path())?)?;
                fs::read_dir(temporary.path())?.map(|file| Ok(file?.metadata()?.len())).sum()
            }
        }
    }
}

/// The error when a file, or a directory, cannot be made for this path.
fn not_made<'a>(asked_for: &'a Path, path: &'a Path) -> impl Fn(io::Error) -> Error + 'a {
    let parent = directory(path);
    move |cause| {
        let (cause, hint) = match cause.kind() {
            io::ErrorKind::NotFound if !parent.is_dir() => (
                format!("there is no directory {}", parent.display()),
                "create it, or choose another place with --output",
            ),
            // As /proc says it.
            io::ErrorKind::NotFound => {
                (format!("nothing can be made in {}", parent.display()), "choose another place with --output")
            }
            kind => (kind.to_string(), "check who may write there, and the free space"),
        };
        Error::Export { to: asked_for.display().to_string(), cause, hint, exit: Exit::Failed }
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What bytes are written to.
#[derive(Debug)]
pub enum Sink<'a> {
    /// Standard output, and who may ask to stop while nobody reads it.
    Stdout {
        /// The request to stop.
        stop: &'a Stop,
        /// What was written so far.
        written_bytes: &'a AtomicU64,
    },
    /// A file.
    File(File),
    /// A file that is open only while it is written to: there may be more of them than a process may have open.
    Closed(PathBuf),
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Closed(path) => {
                let mut options = File::options();
                options.append(true).create(true).mode(FILE_MODE).open(path)?.write(bytes)
            }
            Self::Stdout { stop, written_bytes } => {
                let out = io::stdout();
                let mut fds = [PollFd::new(&out, PollFlags::OUT), PollFd::new(*stop, PollFlags::IN)];
                poll(&mut fds, None)?;
                if stop.requested() {
                    return Err(io::Error::other("stopped"));
                }
                let chunk = bytes.get(..bytes.len().min(PIPE_CHUNK_BYTES)).unwrap_or(bytes);
                // Past the standard library's buffer, which would look for ends of lines.
                let count = rustix::io::write(out.as_fd(), chunk)?;
                written_bytes.fetch_add(count as u64, Relaxed);
                Ok(count)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Sink<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::File(file) => file.seek(to),
            Self::Stdout { .. } | Self::Closed(_) => Err(io::ErrorKind::NotSeekable.into()),
        }
    }
}
