//! What a signal that kills must not leave behind: files that have not got their name yet, and a terminal that is not as
//! it was.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::{Builder, NamedTempFile};

use crate::process::terminal;

static PARTIAL: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Clear all that is left, because this process is about to die.
pub fn clear() {
    terminal::give_back();
    for path in partial().iter() {
        // It may have got its name meanwhile.
        let _ = fs::remove_file(path);
    }
}

/// A file that is removed when it is dropped before [`PartialFile::persist`], also by a signal that kills.
#[derive(Debug)]
pub struct PartialFile {
    file: NamedTempFile,
    // Dropped after the file.
    _entry: Entry,
}

impl PartialFile {
    /// An empty file in this directory, under a name of its own.
    ///
    /// # Errors
    /// When none can be made there.
    pub fn create_in(directory: &Path, mode: u32) -> io::Result<Self> {
        // Whoever clears waits for it.
        let mut partial = partial();
        let file = Builder::new()
            .prefix(".fancyhwd-export-")
            .suffix(".partial")
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(directory)?;
        partial.push(file.path().to_owned());
        let _entry = Entry(file.path().to_owned());
        Ok(Self { file, _entry })
    }

    /// The file.
    pub fn file(&self) -> &NamedTempFile {
        &self.file
    }

    /// Give it its name, and replace another file of that name if it may.
    ///
    /// # Errors
    /// When that is not possible, or there is such a file.
    pub fn persist(self, path: &Path, replace: bool) -> io::Result<()> {
        let named = if replace { self.file.persist(path) } else { self.file.persist_noclobber(path) };
        named.map(|_| ()).map_err(|error| error.error)
    }
}

/// A path that is cleared until this is dropped.
#[derive(Debug)]
struct Entry(PathBuf);

impl Drop for Entry {
    fn drop(&mut self) {
        partial().retain(|path| *path != self.0);
    }
}

fn partial() -> MutexGuard<'static, Vec<PathBuf>> {
    // It is whole between any two statements.
    PARTIAL.lock().unwrap_or_else(PoisonError::into_inner)
}
