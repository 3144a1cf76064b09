//! Whether this user may do something with a database, and if not, who may and how this user may, too. SQLite's own words
//! would be "unable to open database file".

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid, getgroups};

use crate::error::{Error, Result};
use crate::store::sqlite::open::files::beside;

/// Refuse a path of which this user may not see whether something is there.
pub(super) fn to_reach(path: &Path) -> Result<()> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut directories: Vec<&Path> = absolute.ancestors().skip(1).collect();
    directories.reverse();
    match directories.into_iter().find(|directory| access(directory, Access::EXEC_OK) == Err(Errno::ACCESS)) {
        Some(closed) => Err(Denied::of(path, closed, Wish::Enter).error()),
        None => Ok(()),
    }
}

/// Refuse a file that this user may not read.
pub(super) fn to_read(path: &Path) -> Result<()> {
    match access(path, Access::READ_OK) {
        Err(Errno::ACCESS) => Err(Denied::of(path, path, Wish::Read).error()),
        _ => Ok(()),
    }
}

/// Refuse a file that this user may read and not change.
pub(super) fn to_change(path: &Path) -> Result<()> {
    to_write(path, path)?;
    // Without a write-ahead log, one is made.
    match path.parent().filter(|_| !beside(path, "-wal").exists()) {
        Some(directory) => to_write(path, directory),
        None => Ok(()),
    }
}

/// Refuse a file that this user may not record into, or a directory in which there may be none.
pub(super) fn to_record(path: &Path) -> Result<()> {
    to_write(path, path)?;
    path.parent().map_or(Ok(()), |directory| to_write(path, directory))
}

fn to_write(path: &Path, place: &Path) -> Result<()> {
    match access(place, Access::WRITE_OK) {
        Err(Errno::ACCESS) => Err(Denied::of(path, place, Wish::Write).error()),
        Err(Errno::ROFS) => Err(Error::NotPermitted {
            operation: Wish::Write.operation(),
            path: path.to_owned(),
            cause: "its file system is mounted read-only".to_owned(),
            advice: "mount it for writing, or use a copy elsewhere".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// As the rights count that the process has now, not those of who started it.
fn access(path: &Path, wish: Access) -> rustix::io::Result<()> {
    accessat(CWD, path, wish, AtFlags::EACCESS)
}

/// What this user wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Enter,
    Read,
    Write,
}

impl Wish {
    fn operation(self) -> &'static str {
        if self == Self::Write { "write into" } else { "open" }
    }

    /// The bits of a mode that let the owner and the group do it.
    fn bits(self) -> (u32, u32) {
        match self {
            Self::Enter => (0o100, 0o010),
            Self::Read => (0o400, 0o040),
            Self::Write => (0o200, 0o020),
        }
    }
}

/// This user may not do something with a file or directory.
struct Denied {
    path: PathBuf,
    place: PathBuf,
    wish: Wish,
    metadata: Option<Metadata>,
}

impl Denied {
    fn of(path: &Path, place: &Path, wish: Wish) -> Self {
        Self { path: path.to_owned(), place: place.to_owned(), wish, metadata: fs::metadata(place).ok() }
    }

    fn error(self) -> Error {
        let (cause, advice) = self.words();
        Error::NotPermitted { operation: self.wish.operation(), path: self.path, cause, advice }
    }

    fn words(&self) -> (String, String) {
        let what =
            if self.place == self.path { "it".to_owned() } else { format!("the directory {}", self.place.display()) };
        let Some(metadata) = &self.metadata else {
            return (
                format!("Permission denied: {what} is closed to this user"),
                "run this as a user who may".to_owned(),
            );
        };
        let (of_owner, of_group) = self.wish.bits();
        let (me, owner) = (user(geteuid().as_raw()), user(metadata.uid()));
        let (mode, group) = (metadata.mode(), name_of("/etc/group", metadata.gid()));
        if metadata.uid() == geteuid().as_raw() && mode & of_owner == 0 {
            let cause = format!("Permission denied: {what} is yours, but has mode {:04o}", mode & 0o7777);
            let right = if self.wish == Wish::Write { "u+w" } else { "u+rX" };
            return (cause, format!("`chmod {right} {}` changes that", self.place.display()));
        }
        // The group of root is for nobody to join.
        if mode & of_group != 0 && metadata.gid() != 0 && !is_member(metadata.gid()) {
            let group = group.unwrap_or_else(|| metadata.gid().to_string());
            let cause = format!("Permission denied: {what} is for the group {group}, and {me} is not in it now");
            return match has_joined(&group, &me) {
                true => (
                    cause,
                    format!("{me} has joined it since this login: log in again, or begin with `newgrp {group}`"),
                ),
                false => (cause, format!("`sudo usermod -aG {group} {me}` lets {me} in, from the next login on")),
            };
        }
        let cause = format!("Permission denied: {what} belongs to {owner} (mode {:04o}), not to {me}", mode & 0o7777);
        let advice = match self.wish {
            Wish::Write => format!(
                "run this as that user (`sudo -u {owner} fancyhwd ...`), or choose another file with --database"
            ),
            Wish::Enter | Wish::Read => format!("run this as that user: `sudo -u {owner} fancyhwd ...`"),
        };
        (cause, advice)
    }
}

/// Whether this process has the rights of a group.
fn is_member(gid: u32) -> bool {
    getegid().as_raw() == gid || getgroups().is_ok_and(|groups| groups.iter().any(|group| group.as_raw() == gid))
}

/// Whether a user is listed in a group, whatever this process has of it.
fn has_joined(group: &str, user: &str) -> bool {
    let is_listed = |line: &str| {
        let mut fields = line.split(':');
        fields.next() == Some(group) && fields.nth(2).is_some_and(|members| members.split(',').any(|name| name == user))
    };
    fs::read_to_string("/etc/group").is_ok_and(|groups| groups.lines().any(is_listed))
}

fn user(uid: u32) -> String {
    name_of("/etc/passwd", uid).unwrap_or_else(|| format!("#{uid}"))
}

/// The name that has this number in a table such as `/etc/passwd`.
fn name_of(table: &str, number: u32) -> Option<String> {
    let text = fs::read_to_string(table).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(number)).then(|| name.to_owned())
    })
}
