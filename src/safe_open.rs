//! Opening files that we write at names that others know. Another user may have put a symbolic link, a FIFO, a device, a
//! directory or a file of his own there: it is named, and neither followed nor written nor waited for.

use std::fmt;
use std::fs::{self, File, FileType};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags, fchmod, open};
use rustix::process::geteuid;

/// A final component that is a link is not followed, a FIFO is not waited for, and a terminal does not become ours.
const GUARDED: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Open a regular file of our own for writing, or create it with this mode. It is not truncated. Directories on the way may
/// be links.
///
/// # Errors
/// When something else stands there, see [`is_planted`], or the operating system refuses it.
pub fn to_write(path: &Path, mode: u32) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE;
    let file = guarded(path, flags, Mode::from_raw_mode(mode))?;
    let there = file.metadata()?;
    if there.nlink() > 1 {
        return Err(planted(format!("it has {} names (hard links)", there.nlink())));
    }
    if !is_trusted(there.uid(), path) {
        return Err(planted(format!("it belongs to another user (uid {})", there.uid())));
    }
    Ok(file)
}

/// The same, and nobody whom `mode` does not name may open it from now on, also if it was there before. Where that cannot be
/// changed, it is said.
///
/// # Errors
/// As [`to_write`].
pub fn to_write_privately(path: &Path, mode: u32) -> io::Result<File> {
    let file = to_write(path, mode)?;
    let has = file.metadata()?.permissions().mode() & 0o7777;
    if has & !mode != 0
        && let Err(cause) = fchmod(&file, Mode::from_raw_mode(has & mode))
    {
        // As on a disk whose file system knows no modes.
        tracing::warn!("others may open {}, which has mode {has:o}: it cannot be changed: {cause}", path.display());
    }
    Ok(file)
}

/// Open a regular file for reading, whoever it belongs to.
///
/// # Errors
/// When something else stands there, see [`is_planted`], or the operating system refuses it.
pub fn to_read(path: &Path) -> io::Result<File> {
    guarded(path, OFlags::RDONLY, Mode::empty())
}

/// Refuse what is no regular file. That there is nothing is right.
///
/// # Errors
/// When something else stands there; then [`is_planted`].
pub fn check(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) => expect_file(there.file_type()),
        Err(_) => Ok(()),
    }
}

/// Whether an error says that something stands there that is not ours to write.
pub fn is_planted(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|cause| cause.is::<Planted>())
}

/// What stands where a file of ours should be.
#[derive(Debug)]
struct Planted(String);

impl fmt::Display for Planted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Planted {}

fn planted(what: String) -> io::Error {
    io::Error::other(Planted(what))
}

fn guarded(path: &Path, flags: OFlags, mode: Mode) -> io::Result<File> {
    // Already opening a device may have an effect.
    check(path)?;
    let file = File::from(open(path, flags | GUARDED, mode)?);
    expect_file(file.metadata()?.file_type())?;
    Ok(file)
}

fn expect_file(there: FileType) -> io::Result<()> {
    let what = match there {
        there if there.is_file() => return Ok(()),
        there if there.is_symlink() => "a symbolic link",
        there if there.is_dir() => "a directory",
        there if there.is_fifo() => "a FIFO",
        there if there.is_socket() => "a socket",
        _ => "a device",
    };
    Err(planted(format!("it is {what}, no regular file")))
}

/// Ours, root's, or of the owner of the directory, who may put there what he likes.
fn is_trusted(uid: u32, path: &Path) -> bool {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    uid == geteuid().as_raw() || uid == 0 || fs::metadata(directory).is_ok_and(|directory| directory.uid() == uid)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_is_named_and_neither_followed_nor_made_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let (victim, link) = (directory.path().join("victim"), directory.path().join("link"));
        symlink(&victim, &link).unwrap();
        let refused = to_write(&link, 0o640).unwrap_err();
        assert!(is_planted(&refused));
        assert_eq!(refused.to_string(), "it is a symbolic link, no regular file");
        assert!(is_planted(&to_read(&link).unwrap_err()));
        assert!(!victim.exists());
    }

    #[test]
    fn a_file_with_a_second_name_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (victim, name) = (directory.path().join("victim"), directory.path().join("name"));
        fs::write(&victim, "data").unwrap();
        fs::hard_link(&victim, &name).unwrap();
        assert_eq!(to_write(&name, 0o640).unwrap_err().to_string(), "it has 2 names (hard links)");
    }

    #[test]
    fn a_file_of_ours_is_narrowed_where_that_is_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "data").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        to_write(&path, 0o600).unwrap();
        assert_eq!(mode(), 0o664);
        to_write_privately(&path, 0o600).unwrap();
        assert_eq!(mode(), 0o600);
        assert_eq!(fs::read(&path).unwrap(), b"data");
    }
}
