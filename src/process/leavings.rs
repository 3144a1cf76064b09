//! What a signal that kills must not leave behind: files that have not got their name yet, and a terminal that is not as
//! it was.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::{Builder, NamedTempFile, TempDir};

use crate::process::terminal;

static PARTIAL: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Clear all that is left, because this process is about to die.
pub fn clear() {
    terminal::give_back();
    for path in partial().iter() {
        // It may have got its name meanwhile, or be a directory.
        let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
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
        let file = named().permissions(Permissions::from_mode(mode)).tempfile_in(directory)?;
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

/// The same for a directory of files.
#[derive(Debug)]
pub struct PartialDirectory {
    directory: TempDir,
    // Dropped after the directory.
    _entry: Entry,
}

impl PartialDirectory {
    /// An empty directory in this one, under a name of its own.
    ///
    /// # Errors
    /// When none can be made there.
    pub fn create_in(parent: &Path, mode: u32) -> io::Result<Self> {
        let mut partial = partial();
        let directory = named().permissions(Permissions::from_mode(mode)).tempdir_in(parent)?;
        partial.push(directory.path().to_owned());
        let _entry = Entry(directory.path().to_owned());
        Ok(Self { directory, _entry })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Give it its name. An empty directory of that name is replaced.
    ///
    /// # Errors
    /// When that is not possible, or there is something else.
    pub fn persist(self, path: &Path) -> io::Result<()> {
        fs::rename(self.directory.path(), path)?;
        let _ = self.directory.keep();
        Ok(())
    }
}

/// The name that something has until it is whole.
fn named() -> Builder<'static, 'static> {
    let mut named = Builder::new();
    named.prefix(".fancyhwd-export-").suffix(".partial");
    named
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
