//! What can be typed about keys: behind `record`, `publish` and `replay`, and behind `keygen`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::values::refuse;
use crate::command::keygen;
use crate::error::Result;
use crate::socket::curve::{Admission, KeyFiles};

/// Options of what connects or binds.
#[derive(Args, Debug)]
pub struct KeyArguments {
    /// Secret certificate of this side, NAME.key_secret as `fancyhwd keygen` makes it. A --bind then admits only peers
    /// that --allow or --allow-any lets in
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Public certificate of the peer at each --connect, or at the Nth one: the connection is encrypted, and no other
    /// peer is accepted in its place. May be given several times
    #[arg(long, value_name = "[N=]FILE")]
    pub server_key: Vec<String>,
    /// Directory with the public certificates of those who may connect to a --bind. It is read again when something in
    /// it changes
    #[arg(long, value_name = "DIR")]
    pub allow: Option<PathBuf>,
    /// Admit to a --bind every peer that has a key, whichever it is, and knows the public key of this side
    #[arg(long)]
    pub allow_any: bool,
}

impl KeyArguments {
    /// What that means for so many endpoints that are connected to, and bound.
    ///
    /// # Errors
    /// When it does not fit them, or not together.
    pub(super) fn settings(&self, connects: usize, binds: usize) -> Result<KeyFiles> {
        let servers = self.server_key.iter().map(|text| server(text, connects)).collect::<Result<Vec<_>>>()?;
        let admission = match (&self.allow, self.allow_any) {
            (Some(directory), true) => {
                let rule = "--allow-any admits everybody; choose one of the two";
                return Err(refuse("--allow", &directory.to_string_lossy(), rule.to_owned()));
            }
            (Some(directory), false) => Some(Admission::Directory(directory.clone())),
            (None, true) => Some(Admission::Any),
            (None, false) => None,
        };
        let allow = || match &self.allow {
            Some(directory) => ("--allow", directory.to_string_lossy().into_owned()),
            None => ("--allow-any", String::new()),
        };
        let wrong = |(option, value): (&'static str, String), rule: &str| Err(refuse(option, &value, rule.to_owned()));
        match (&self.key, &admission) {
            (None, Some(_)) => wrong(allow(), "who connects is only known where this side has a --key"),
            (_, Some(_)) if binds == 0 => wrong(allow(), "nothing is bound, so nobody connects; see --bind"),
            (Some(key), None) if binds > 0 => wrong(
                ("--key", key.to_string_lossy().into_owned()),
                "it is not said who may connect; give --allow DIR with their public certificates, or --allow-any",
            ),
            (Some(key), None) if servers.is_empty() => wrong(
                ("--key", key.to_string_lossy().into_owned()),
                "alone it secures nothing; give the peer's public certificate with --server-key",
            ),
            _ => Ok(KeyFiles { own: self.key.clone(), servers, admission }),
        }
    }
}

/// `[N=]FILE`, of so many endpoints.
fn server(text: &str, connects: usize) -> Result<(Option<usize>, PathBuf)> {
    const OPTION: &str = "--server-key";
    let (number, path) = match text.split_once('=') {
        Some((number, path)) if number.bytes().all(|byte| byte.is_ascii_digit()) && !number.is_empty() => {
            (Some(number.parse().unwrap_or(usize::MAX)), path)
        }
        _ => (None, text),
    };
    let rule = match (number, connects) {
        (_, 0) => "nothing is connected to; see --connect".to_owned(),
        (Some(number), _) if !(1..=connects).contains(&number) => {
            format!("there is no --connect of number {number}; they count from 1 to {connects}")
        }
        _ if path.is_empty() => "the path of a certificate is missing".to_owned(),
        _ => return Ok((number, path.into())),
    };
    Err(refuse(OPTION, text, rule))
}

/// Options of `keygen`.
#[derive(Args, Debug)]
pub struct KeygenArguments {
    /// Name of the two files, NAME.key and NAME.key_secret
    #[arg(value_name = "NAME", required_unless_present = "show", conflicts_with = "show")]
    pub name: Option<String>,
    /// Directory to write them to
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub directory: PathBuf,
    /// Replace a pair of that name
    #[arg(long)]
    pub force: bool,
    /// Print the public key of a certificate, of either kind, and nothing secret
    #[arg(long, value_name = "FILE")]
    pub show: Option<PathBuf>,
}

impl KeygenArguments {
    /// Check what was typed for `keygen`.
    ///
    /// # Errors
    /// When the name is none for files.
    pub fn settings(&self) -> Result<keygen::Settings> {
        if let Some(path) = &self.show {
            return Ok(keygen::Settings::Show(path.clone()));
        }
        let name = self.name.clone().unwrap_or_default();
        if name.is_empty() || name.starts_with(['.', '-']) || name.contains(['/', '\0']) {
            let rule =
                "a name has at least one letter or digit, no `/`, and begins neither with `.` nor `-`; see --directory";
            return Err(refuse("NAME", &name, rule.to_owned()));
        }
        Ok(keygen::Settings::Make { name, directory: self.directory.clone(), overwrite: self.force })
    }
}
