//! Certificates: files with a key, as pyzmq's `zmq.auth` and czmq write and read them.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chrono::Local;
use rustix::fs::{Mode, OFlags};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::socket::curve::key::{KeyPair, PublicKey, SecretKey};

/// What a certificate has at most: a key, and some words about who has it.
const CERTIFICATE_MAX_BYTES: u64 = 64 << 10;

/// Who may read a public certificate: everybody. A secret one is for its owner alone.
const PUBLIC_MODE: u32 = 0o644;
const SECRET_MODE: u32 = 0o600;

/// Rights that others have on a secret certificate.
const OTHERS: u32 = 0o007;
const GROUP: u32 = 0o070;
const GROUP_WRITES: u32 = 0o020;

/// Which half of a pair a certificate is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The public one alone.
    Public,
    /// Both.
    Secret,
}

/// What a certificate holds.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Whose it is.
    pub public: PublicKey,
    /// What proves it.
    pub secret: Option<SecretKey>,
}

impl Certificate {
    /// Read the text of a certificate.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &[u8]) -> std::result::Result<Self, &'static str> {
        let (mut public, mut secret) = (None, None);
        for line in text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii) {
            // A key may contain `=`: the first one divides.
            let Some(at) = line.iter().position(|&byte| byte == b'=').filter(|_| !line.starts_with(b"#")) else {
                continue;
            };
            let (name, value) = line.split_at(at);
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            let within = |quote: &[u8]| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
            let value = within(b"\"").or_else(|| within(b"'")).unwrap_or(value);
            match name.trim_ascii() {
                b"public-key" => {
                    public = Some(PublicKey::parse(value).ok_or("its public-key is not a key (40 characters of Z85)")?);
                }
                b"secret-key" => {
                    secret = Some(SecretKey::parse(value).ok_or("its secret-key is not a key (40 characters of Z85)")?);
                }
                _ => {}
            }
        }
        let public = public.ok_or("it is no certificate: it has no line `public-key = \"...\"`")?;
        match secret.as_ref().is_none_or(|secret| secret.public() == Some(public)) {
            true => Ok(Self { public, secret }),
            false => Err("its public-key and its secret-key do not belong together"),
        }
    }
}

/// The text of a certificate.
fn text(pair: &KeyPair, half: Half) -> Zeroizing<String> {
    let now = Local::now().format("%Y-%m-%d %H:%M:%S");
    let (words, warning) = match half {
        Half::Public => ("Public", "Exchange securely, or use a secure mechanism to verify the contents of this file."),
        Half::Secret => ("**Secret**", "DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions."),
    };
    let mut text = Zeroizing::new(String::with_capacity(1024));
    text.push_str(&format!(
        "#   ****  Generated on {now} by fancyhwd  ****\n#   ZeroMQ CURVE {words} Certificate\n#   {warning}\n\n\
         metadata\ncurve\n    public-key = \"{}\"\n",
        pair.public
    ));
    if half == Half::Secret {
        for piece in ["    secret-key = \"", &pair.secret.text(), "\"\n"] {
            text.push_str(piece);
        }
    }
    text
}

/// Read a certificate that holds this half.
///
/// # Errors
/// [`Error::Key`] when it cannot be read, holds something else, or, with a secret key, others can read it too.
pub fn load(path: &Path, half: Half) -> Result<Certificate> {
    let (certificate, about) = read(path)?;
    let failed = |cause: String, hint| Err(Error::Key { operation: "use", path: path.to_owned(), cause, hint });
    match (half, &certificate.secret) {
        (Half::Public, Some(_)) => failed(
            "it holds a secret key, which is for its owner alone".to_owned(),
            "give the public certificate, NAME.key, and keep this one to yourself",
        ),
        (Half::Secret, None) => failed(
            "it holds a public key alone".to_owned(),
            "give the secret certificate, NAME.key_secret, of this side",
        ),
        (Half::Secret, Some(_)) if is_open_to_others(&about) => failed(
            format!("others can read it (mode {:04o})", about.mode() & 0o7777),
            "take that away with `chmod 600`, and make a new key if somebody may have read it",
        ),
        _ => Ok(certificate),
    }
}

/// The public key of a certificate, of either kind.
///
/// # Errors
/// [`Error::Key`] when it cannot be read, or is none.
pub fn show(path: &Path) -> Result<PublicKey> {
    read(path).map(|(certificate, _)| certificate.public)
}

fn read(path: &Path) -> Result<(Certificate, Metadata)> {
    let failed = |cause: String, hint| Error::Key { operation: "use", path: path.to_owned(), cause, hint };
    let unread = |cause: io::Error| failed(cause.to_string(), "check the path, and who may read it");
    // A FIFO would be waited for.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| unread(errno.into()))?);
    let about = file.metadata().map_err(unread)?;
    if !about.is_file() {
        return Err(failed("it is no file".to_owned(), MAKE));
    }
    // As long from the beginning as it may become: what grows leaves copies.
    let mut text = Zeroizing::new(Vec::with_capacity(CERTIFICATE_MAX_BYTES as usize + 1));
    file.take(CERTIFICATE_MAX_BYTES + 1).read_to_end(&mut text).map_err(unread)?;
    if text.len() as u64 > CERTIFICATE_MAX_BYTES {
        return Err(failed("it is no certificate: it is too large".to_owned(), MAKE));
    }
    let certificate = Certificate::parse(&text).map_err(|cause| failed(cause.to_owned(), MAKE))?;
    Ok((certificate, about))
}

/// What to try with a file that is no certificate.
const MAKE: &str = "`fancyhwd keygen NAME` makes NAME.key and NAME.key_secret; pyzmq and czmq make such files too";

/// Whether others than its owner can read it. What root owns may be read by the group: so a service gets it, from a file or from
/// systemd.
fn is_open_to_others(about: &Metadata) -> bool {
    let mode = about.mode();
    let of_group = if about.uid() == 0 { GROUP_WRITES } else { GROUP };
    mode & (OTHERS | of_group) != 0
}

/// Make a new pair, as NAME.key and NAME.key_secret in a directory. Gives their paths, and the public key.
///
/// # Errors
/// [`Error::Key`] when one of them is there already, unless `overwrite`, or cannot be written.
pub fn create(directory: &Path, name: &str, overwrite: bool) -> Result<(PathBuf, PathBuf, PublicKey)> {
    let public = directory.join(format!("{name}.key"));
    let secret = directory.join(format!("{name}.key_secret"));
    if !overwrite && let Some(there) = [&public, &secret].into_iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(taken(there));
    }
    let pair = KeyPair::generate()?;
    // The secret one first: without it the public one is worth nothing.
    write(directory, &secret, &text(&pair, Half::Secret), SECRET_MODE, overwrite)?;
    write(directory, &public, &text(&pair, Half::Public), PUBLIC_MODE, overwrite)?;
    Ok((public, secret, pair.public))
}

fn taken(path: &Path) -> Error {
    Error::Key {
        operation: "write",
        path: path.to_owned(),
        cause: "it is there already".to_owned(),
        hint: "choose another name, or let --force replace both certificates",
    }
}

/// Write a file that has its name and its mode from the first moment on.
fn write(directory: &Path, path: &Path, text: &str, mode: u32, overwrite: bool) -> Result<()> {
    let failed = |cause: io::Error| match cause.kind() {
        io::ErrorKind::AlreadyExists => taken(path),
        _ => Error::Key {
            operation: "write",
            path: path.to_owned(),
            cause: cause.to_string(),
            hint: "choose a directory that is there and can be written, with --directory",
        },
    };
    // It begins with mode 0600, and without a name that anybody knows.
    let mut file = NamedTempFile::new_in(directory).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.as_file().set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    let named = if overwrite { file.persist(path) } else { file.persist_noclobber(path) };
    named.map_err(|failure| failed(failure.error))?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_each_fault_has_its_words() {
        let pair = KeyPair::generate().unwrap();
        let secret = text(&pair, Half::Secret);
        let read = Certificate::parse(secret.as_bytes()).unwrap();
        assert_eq!((read.public, read.secret.and_then(|secret| secret.public())), (pair.public, Some(pair.public)));
        let public = text(&pair, Half::Public);
        assert!(Certificate::parse(public.as_bytes()).unwrap().secret.is_none());
        let foreign = format!("curve\r\n  public-key='x'\r\n{}", public.replace('"', ""));
        assert_eq!(Certificate::parse(foreign.as_bytes()).unwrap_err().split(' ').nth(1), Some("public-key"));
        assert!(Certificate::parse(public.replace('"', "").as_bytes()).is_ok());
        let words = |text: &str| Certificate::parse(text.as_bytes()).unwrap_err();
        assert!(words("").contains("no certificate"));
        assert!(words(&public.replace("public-key = \"", "public-key = \" ")).contains("not a key"));
        let other = KeyPair::generate().unwrap();
        let mixed = secret.replace(&pair.public.to_string(), &other.public.to_string());
        assert!(words(&mixed).contains("do not belong together"));
    }
}
