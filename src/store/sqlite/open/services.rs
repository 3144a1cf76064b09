//! Captures of services: found by their names, without the directory in which the units keep them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// How many files of the directory are looked at: a directory of ours has some for each recorder.
const LOOKED_AT_MAX: usize = 10_000;

/// How many names an error lists, so that it stays a line that can be read.
const LISTED_MAX: usize = 20;

/// What the files of captures end in.
const ENDING: &str = ".db";

/// The database to read when none was named: one's `own`, or else the only one in the directory of services.
///
/// # Errors
/// When there is none, or several to choose from.
pub fn found(own: PathBuf, services: &Path) -> Result<PathBuf> {
    // Where it cannot be seen whether it is there, opening it says why.
    if own.try_exists().unwrap_or(true) {
        return Ok(own);
    }
    let refuse = |cause: String, hint| Err(Error::OpenDatabase { path: own.clone(), cause, hint });
    match names(services) {
        Ok(names) => match names.as_slice() {
            [] => refuse(
                format!("there is no such file, nor any capture in {}", services.display()),
                "record something first, or name a capture with --database",
            ),
            [only] => {
                let path = services.join(format!("{only}{ENDING}"));
                tracing::info!("reading {}, as there is no {}", path.display(), own.display());
                Ok(path)
            }
            several => Err(Error::CommandLine(format!(
                "there is no {}, and several captures are in {}: {}; choose one with --database NAME",
                own.display(),
                services.display(),
                listed(several)
            ))),
        },
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => refuse(
            format!("there is no such file, nor a directory {}", services.display()),
            "record something first, or name a capture with --database",
        ),
        Err(cause) => refuse(
            format!("there is no such file, and {} cannot be looked into: {cause}", services.display()),
            "`adduser NAME fancyhwd` lets somebody read there; or name a capture with --database",
        ),
    }
}

/// The database that this path means: the file, or, where there is none, what a service keeps under that name.
///
/// # Errors
/// When it is a mere name, and nothing has it.
pub fn named(path: &Path, services: &Path) -> Result<PathBuf> {
    let name = path.to_str().filter(|name| !name.contains('/') && !name.ends_with(ENDING) && !name.is_empty());
    let Some(name) = name.filter(|_| !path.try_exists().unwrap_or(true)) else { return Ok(path.to_owned()) };
    let there = services.join(format!("{name}{ENDING}"));
    let refuse = |cause: String, hint| Err(Error::OpenDatabase { path: path.to_owned(), cause, hint });
    match there.try_exists() {
        Ok(true) => Ok(there),
        Ok(false) => {
            let names = names(services).ok().filter(|names| !names.is_empty());
            let others = names.map_or(String::new(), |names| format!("; captures there are {}", listed(&names)));
            refuse(
                format!("there is no such file, nor {}{others}", there.display()),
                "choose another one with --database",
            )
        }
        Err(cause) => refuse(
            format!("there is no such file, and {} cannot be looked at: {cause}", there.display()),
            "`adduser NAME fancyhwd` lets somebody read there",
        ),
    }
}

/// The captures in a directory, sorted, without the ending of their files.
///
/// # Errors
/// When the directory cannot be read.
pub fn names(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)?.take(LOOKED_AT_MAX) {
        // What is removed meanwhile is none of them.
        let Ok(entry) = entry else { continue };
        let name = entry.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(ENDING)).filter(|name| !name.is_empty());
        if let Some(name) = name.filter(|_| fs::metadata(entry.path()).is_ok_and(|there| there.is_file())) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(LISTED_MAX);
    let shown = names.get(..LISTED_MAX).unwrap_or(names).join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
