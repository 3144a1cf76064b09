//! `fancyhwd keygen`.

use std::path::PathBuf;

use crate::command;
use crate::error::Result;
use crate::escape;
use crate::exit::Exit;
use crate::socket::curve;

/// What `keygen` does.
#[derive(Clone, Debug)]
pub enum Settings {
    /// Make a pair.
    Make {
        /// Of the two files.
        name: String,
        /// Where they are written.
        directory: PathBuf,
        /// Also in the place of others.
        overwrite: bool,
    },
    /// Show the public key of a certificate.
    Show(PathBuf),
}

/// Make a pair of certificates, or show the public key of one.
pub fn run(settings: &Settings) -> Result<Exit> {
    match settings {
        Settings::Make { name, directory, overwrite } => {
            let (public, secret, key) = curve::create(directory, name, *overwrite)?;
            command::print(&format!(
                "{}: public, for those who talk to this side\n{}: secret, for this side alone\npublic key {key}\n",
                escape::line(&public.to_string_lossy()),
                escape::line(&secret.to_string_lossy())
            ))
        }
        Settings::Show(path) => command::print(&format!("{}\n", curve::show(path)?)),
    }
}
