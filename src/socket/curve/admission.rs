//! Who may connect: all whose public certificates are in a directory, or everybody who has a key.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::socket::curve::certificate::{Half, load};
use crate::socket::curve::key::PublicKey;

/// So many certificates are read: a directory with more is a mistake.
const CERTIFICATES_MAX: usize = 10_000;

/// Who may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Whoever has a key.
    Any,
    /// Whose public certificate is in this directory.
    Directory(PathBuf),
}

/// What tells a file that was changed from one that was not.
type Mark = (u64, i64, i64, u64);

/// Who is admitted now.
#[derive(Debug)]
pub struct Admitted {
    admission: Admission,
    /// The certificates as they were read, by name.
    files: BTreeMap<PathBuf, (Mark, Option<PublicKey>)>,
    keys: BTreeSet<PublicKey>,
    /// What is wrong, said already.
    complaints: BTreeSet<String>,
}

impl Admitted {
    /// Nobody yet, but for those whom anybody admits.
    pub fn new(admission: Admission) -> Self {
        Self { admission, files: BTreeMap::new(), keys: BTreeSet::new(), complaints: BTreeSet::new() }
    }

    /// Whether somebody with this key is admitted.
    pub fn admits(&self, key: &PublicKey) -> bool {
        self.admission == Admission::Any || self.keys.contains(key)
    }

    /// How to be admitted.
    pub fn how(&self) -> String {
        match &self.admission {
            Admission::Any => "everybody is".to_owned(),
            Admission::Directory(directory) => format!("put its public certificate into {}", directory.display()),
        }
    }

    /// Read the directory anew, if something in it was changed. Gives what is wrong with it and was not said yet, and whether
    /// somebody was taken off.
    pub fn look(&mut self) -> (Vec<String>, bool) {
        let Admission::Directory(directory) = &self.admission else { return (Vec::new(), false) };
        let (mut complaints, mut files) = (BTreeSet::new(), BTreeMap::new());
        match marks(directory) {
            Ok(marks) => {
                if marks.len() > CERTIFICATES_MAX {
                    complaints.insert(format!(
                        "{} has more than {CERTIFICATES_MAX} files; of the others nobody is admitted",
                        directory.display()
                    ));
                }
                for (path, mark) in marks.into_iter().take(CERTIFICATES_MAX) {
                    let key = match self.files.remove(&path).filter(|(before, _)| *before == mark) {
                        Some((_, key)) => key,
                        None => load(&path, Half::Public)
                            .map(|certificate| certificate.public)
                            .map_err(|error| complaints.insert(error.to_string()))
                            .ok(),
                    };
                    files.insert(path, (mark, key));
                }
            }
            // A list that is gone admits nobody. One that cannot be read for another reason is as it was.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                complaints.insert(format!("{} is not there: nobody is admitted", directory.display()));
            }
            Err(cause) => {
                let said = format!("cannot read {}: {cause}; those are admitted who were before", directory.display());
                return (self.complaints.insert(said.clone()).then_some(said).into_iter().collect(), false);
            }
        }
        // A file that stays as wrong as it was is complained of once.
        let wrong = files.values().filter(|(_, key)| key.is_none()).count();
        let keys: BTreeSet<PublicKey> = files.values().filter_map(|(_, key)| *key).collect();
        let is_shorter = !self.keys.is_subset(&keys);
        let new = complaints.difference(&self.complaints).cloned().collect();
        match wrong == 0 && complaints.is_empty() {
            true => self.complaints.clear(),
            false => self.complaints.extend(complaints),
        }
        (self.files, self.keys) = (files, keys);
        (new, is_shorter)
    }
}

/// The certificates of a directory, by path, and what tells whether they were changed.
fn marks(directory: &Path) -> io::Result<BTreeMap<PathBuf, Mark>> {
    let mut marks = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        // Secret certificates, and what editors leave.
        if name.ends_with(b"_secret") || name.starts_with(b".") || name.ends_with(b"~") {
            continue;
        }
        // One that has just been taken away is none.
        if let Ok(about) = fs::metadata(entry.path())
            && about.is_file()
        {
            marks.insert(entry.path(), (about.ino(), about.mtime(), about.mtime_nsec(), about.len()));
            if marks.len() > CERTIFICATES_MAX {
                break;
            }
        }
    }
    Ok(marks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::curve::certificate::create;

    #[test]
    fn who_is_in_the_directory_is_admitted_as_long_as_he_is() {
        let directory = tempfile::tempdir().unwrap();
        let allowed = directory.path().join("allowed");
        let mut admitted = Admitted::new(Admission::Directory(allowed.clone()));
        let (said, is_shorter) = admitted.look();
        assert!(said[0].contains("is not there") && !is_shorter, "{said:?}");
        fs::create_dir(&allowed).unwrap();
        let (path, secret, one) = create(directory.path(), "one", false).unwrap();
        let (_, _, other) = create(&allowed, "other", false).unwrap();
        assert_eq!(admitted.look(), (vec![], false));
        assert!(admitted.admits(&other) && !admitted.admits(&one));
        fs::copy(&path, allowed.join("one.key")).unwrap();
        fs::copy(&secret, allowed.join("wrong")).unwrap();
        fs::write(allowed.join("nothing"), "x").unwrap();
        let (said, is_shorter) = admitted.look();
        assert!(said.len() == 2 && said.iter().any(|line| line.contains("secret key")) && !is_shorter, "{said:?}");
        assert!(admitted.admits(&one));
        assert_eq!(admitted.look(), (vec![], false));
        fs::remove_file(allowed.join("one.key")).unwrap();
        assert_eq!(admitted.look(), (vec![], true));
        assert!(admitted.admits(&other) && !admitted.admits(&one));
        fs::remove_dir_all(&allowed).unwrap();
        assert!(admitted.look().1 && !admitted.admits(&other));
        assert!(Admitted::new(Admission::Any).admits(&one));
    }
}
