//! Captures that a command reads: in a database here, or brought here from an archive for as long as the command runs, so that
//! whatever reads a database reads an archive too, and nothing that happens to the archive meanwhile disturbs it.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::process::leavings::PartialDirectory;
use crate::process::stop::Stop;
use crate::store::{Access, RecorderName, Source};

/// Captures that are here.
#[derive(Debug)]
pub(super) struct Here {
    /// The database that they are in.
    pub path: PathBuf,
    /// The recorder whose they are, in an archive.
    pub recorder: Option<RecorderName>,
    /// How people name what they are read from.
    pub name: String,
    /// How each of the sessions that were asked for is called in it.
    pub sessions: Vec<String>,
    /// Whether all of them are as their seals say.
    pub is_whole: bool,
    /// What is removed at the end.
    _lent: Option<PartialDirectory>,
}

/// How much of a session is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// With its messages.
    Messages,
    /// With its messages if it has no more than this many; else what is known of it beside them.
    Few(u64),
}

impl Here {
    /// Sessions of a database, or of an archive, which are brought here.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn of(source: &Source, sessions: &[&str], depth: Depth, stop: &Stop) -> Result<Self> {
        match source {
            Source::File(path) => Ok(Self::file(path, sessions)),
            Source::Archive(access) => lent::of(access, sessions, depth, stop),
        }
    }

    /// All sessions of a database; of an archive, what is known beside their messages, by recorders.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn cards(source: &Source, stop: &Stop) -> Result<Vec<Self>> {
        match source {
            Source::File(path) => Ok(vec![Self::file(path, &[])]),
            Source::Archive(access) => lent::cards(access, stop),
        }
    }

    /// A database, or an empty one for the captures of one recorder in an archive, which [`follow`] fills.
    ///
    /// # Errors
    /// When an archive cannot be reached.
    pub fn shown(source: &Source, stop: &Stop) -> Result<Self> {
        match source {
            Source::File(path) => Ok(Self::file(path, &[])),
            Source::Archive(access) => lent::shown(access, stop),
        }
    }

    fn file(path: &Path, sessions: &[&str]) -> Self {
        Self {
            path: path.to_owned(),
            recorder: None,
            name: path.display().to_string(),
            sessions: sessions.iter().map(|&session| session.to_owned()).collect(),
            is_whole: true,
            _lent: None,
        }
    }

    /// How the first of the sessions that were asked for is called.
    pub fn session(&self) -> &str {
        self.sessions.first().map(String::as_str).unwrap_or_default()
    }
}

/// The error that archives are not in this binary.
#[cfg(not(feature = "archive"))]
pub(super) fn not_built(access: &Access) -> crate::error::Error {
    crate::error::Error::Archive {
        operation: "use",
        archive: access.address.to_string(),
        cause: "this fancyhwd was built without archives".to_owned(),
        hint: "build it with `--features archive`".to_owned(),
    }
}

pub(super) use lent::follow;
#[cfg(feature = "archive")]
pub(super) use lent::lend;

#[cfg(not(feature = "archive"))]
mod lent {
    use super::{Access, Depth, Here, Result, Stop, not_built};

    pub fn of(access: &Access, _: &[&str], _: Depth, _: &Stop) -> Result<Here> {
        Err(not_built(access))
    }

    pub fn cards(access: &Access, _: &Stop) -> Result<Vec<Here>> {
        Err(not_built(access))
    }

    pub fn shown(access: &Access, _: &Stop) -> Result<Here> {
        Err(not_built(access))
    }

    pub fn follow(_: &Here, access: &Access, _: &Stop) -> Result<()> {
        Err(not_built(access))
    }
}

#[cfg(feature = "archive")]
mod lent {
    use std::collections::{BTreeMap, BTreeSet};
    use std::env;
    use std::fs::OpenOptions;
    use std::io;
    use std::os::unix::fs::OpenOptionsExt;
    use std::path::PathBuf;
    use std::slice;

    use bytesize::ByteSize;

    use super::{Access, Depth, Here, Result, Stop};
    use crate::command::fetching::{Onto, Shelf, Shelves, connected};
    use crate::error::{Error, Trouble};
    use crate::process::leavings::PartialDirectory;
    use crate::store::nats::Found;
    use crate::store::{Database, FILE_MODE, Source, free_bytes};
    use crate::time::clock::NS_PER_S;

    /// How often it is looked for new captures.
    const LOOK_EVERY_NS: i64 = 10 * NS_PER_S;

    /// How often it is tried to bring a session here.
    const TRIES: u32 = 3;

    /// A database has about so many bytes for one of the frames: times, rows, digests and overviews beside them.
    const FILE_PER_FRAME_BYTES: u64 = 2;

    /// What a message takes beside its frames.
    const MESSAGE_BYTES: u64 = 32;

    pub fn of(access: &Access, sessions: &[&str], depth: Depth, stop: &Stop) -> Result<Here> {
        connected(access, stop, |shelves| {
            let (mut here, mut brought): (Option<Here>, _) = (None, BTreeSet::new());
            for session in sessions {
                let (shelf, parts) = shelves.find(session)?;
                let here = match &mut here {
                    Some(here) if here.recorder.as_ref() != Some(&shelf.recorder) => {
                        let cause = "sessions of several recorders cannot be read at once; run it for each of them";
                        return Err(Error::CommandLine(cause.to_owned()));
                    }
                    Some(here) => here,
                    None => here.insert(lend(access, &shelf)?),
                };
                let called = match parts.as_slice() {
                    // Here it is the only one that has ended.
                    [one] => one.id().to_string(),
                    _ => session.rsplit('/').next().unwrap_or(session).to_owned(),
                };
                if !here.sessions.contains(&called) {
                    if let Some(part) = parts.iter().find(|part| !brought.insert(part.id())) {
                        let cause = format!("session {} is named both by itself and as a part of a capture", part.id());
                        return Err(Error::CommandLine(cause + "; run it for each of them"));
                    }
                    here.is_whole &= bring(shelves, here, &shelf, &parts, depth)?;
                }
                here.sessions.push(called);
            }
            here.ok_or_else(|| Error::CommandLine("name a session".to_owned()))
        })
    }

    pub fn cards(access: &Access, stop: &Stop) -> Result<Vec<Here>> {
        connected(access, stop, |shelves| {
            let mut all = Vec::new();
            for recorder in shelves.recorders()? {
                let shelf = shelves.shelf(recorder)?;
                let mut here = lend(access, &shelf)?;
                let mut database = Database::for_lending(&here.path)?;
                here.is_whole = shelves.each(&shelf, &|_| true, &mut |found, messages| {
                    shelves.take_card(&found, messages, &mut database)
                })?;
                all.push(here);
            }
            Ok(all)
        })
    }

    pub fn shown(access: &Access, stop: &Stop) -> Result<Here> {
        connected(access, stop, |shelves| {
            let mut recorders = shelves.recorders()?;
            match (recorders.pop(), recorders.is_empty()) {
                (Some(only), true) => {
                    let here = lend(access, &shelves.shelf(only)?)?;
                    // There are no captures in it yet, but tables.
                    Database::for_lending(&here.path)?;
                    Ok(here)
                }
                (None, _) => Err(shelves.refused("nothing is archived in it".to_owned(), "check the address")),
                _ => Err(shelves.refused(
                    "several recorders have captures in it".to_owned(),
                    "name one of them, as in nats://HOST/RECORDER",
                )),
            }
        })
    }

    /// Bring captures here until a stop is asked for, the newest first. What does not work now is tried again.
    ///
    /// # Errors
    /// Never.
    pub fn follow(here: &Here, access: &Access, stop: &Stop) -> Result<()> {
        let Some(recorder) = &here.recorder else { return Ok(()) };
        let mut tried = BTreeMap::new();
        while !stop.requested() {
            let done = connected(access, stop, |shelves| {
                let shelf = shelves.shelf(recorder.clone())?;
                loop {
                    let is_wanted = |id| tried.get(&id).is_none_or(|&tries| tries < TRIES);
                    for found in shelves.list(&shelf, &is_wanted)?.0.into_iter().rev() {
                        let tries = tried.entry(found.id()).or_insert(0);
                        if stop.requested() || !found.is_end() {
                            continue;
                        }
                        *tries += 1;
                        let parts = slice::from_ref(&found);
                        let brought = check_room(here, parts)
                            .and_then(|()| shelves.fetch(&shelf, parts, Onto::Shown(&here.path)));
                        match brought {
                            Ok(_) => *tries = TRIES,
                            Err(_) if stop.requested() => {}
                            Err(error) => {
                                tracing::warn!("session {} of {} is not shown: {error}", found.id(), here.name)
                            }
                        }
                    }
                    if stop.wait_ns(LOOK_EVERY_NS) {
                        return Ok(());
                    }
                }
            });
            if let Err(error) = done
                && !stop.wait_ns(LOOK_EVERY_NS)
            {
                tracing::warn!("{error}; trying on");
            }
        }
        Ok(())
    }

    /// A database of its own for the captures of a recorder.
    pub fn lend(access: &Access, shelf: &Shelf<'_>) -> Result<Here> {
        let parent = env::var_os("TMPDIR").filter(|path| !path.is_empty()).map(PathBuf::from);
        let parent = parent.unwrap_or_else(|| PathBuf::from("/var/tmp"));
        let failed = |cause: io::Error| Error::OpenDatabase {
            path: parent.clone(),
            cause: format!("what is read in an archive cannot be put there: {cause}"),
            hint: "name another directory with TMPDIR",
        };
        let directory = PartialDirectory::create_in(&parent, 0o700).map_err(failed)?;
        let path = directory.path().join("archive.db");
        OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&path).map_err(failed)?;
        let mut address = access.address.clone();
        address.recorder = Some(shelf.recorder.clone());
        Ok(Here {
            path,
            recorder: Some(shelf.recorder.clone()),
            name: Source::Archive(Access { address, ..access.clone() }).to_string(),
            sessions: Vec::new(),
            is_whole: true,
            _lent: Some(directory),
        })
    }

    /// Bring the parts of a capture here. Says whether they are what their seals say.
    fn bring(shelves: &Shelves<'_>, here: &Here, shelf: &Shelf<'_>, parts: &[Found], depth: Depth) -> Result<bool> {
        if matches!(depth, Depth::Few(most) if messages(parts) > most) {
            let mut database = Database::for_lending(&here.path)?;
            parts.iter().try_for_each(|found| shelves.take_card(found, found.messages(), &mut database))?;
            return Ok(true);
        }
        check_room(here, parts)?;
        shelves.fetch(shelf, parts, Onto::Lent(&here.path))
    }

    fn messages(parts: &[Found]) -> u64 {
        parts.iter().map(Found::messages).fold(0, u64::saturating_add)
    }

    /// Refuse what has no room here.
    fn check_room(here: &Here, parts: &[Found]) -> Result<()> {
        let bytes = |found: &Found| found.restored.number("bytes").unwrap_or_default().max(0).unsigned_abs();
        let frames = parts.iter().map(bytes).fold(0, u64::saturating_add);
        let wanted =
            frames.saturating_mul(FILE_PER_FRAME_BYTES).saturating_add(messages(parts).saturating_mul(MESSAGE_BYTES));
        let free = free_bytes(&here.path);
        match wanted > free {
            false => Ok(()),
            true => Err(Error::Database {
                operation: "bring captures of an archive here",
                path: here.path.clone(),
                cause: format!("they take up to {}, and {} are free there", ByteSize(wanted), ByteSize(free)),
                hint: "name a directory with more room in TMPDIR",
                trouble: Trouble::Other,
            }),
        }
    }
}
