//! Where an archive is, and what things are called there.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Servers that are named: three machines are usual, and five the most that a stream is copied to.
const SERVERS_MAX: usize = 16;

/// The port of NATS.
const PORT: u16 = 4222;

/// The longest name of a recorder.
const NAME_MAX_BYTES: usize = 64;

/// The name under which a recorder keeps its captures in an archive. It is a part of subjects, and of the name of a stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecorderName(String);

impl RecorderName {
    /// The name of a recorder on this machine that records into this file, unless somebody gives it another one.
    pub fn of(host: &str, stem: &str) -> Self {
        let allowed = |char: char| if is_allowed(char) { char } else { '-' };
        let name: String = host.chars().chain(['-']).chain(stem.chars()).map(allowed).take(NAME_MAX_BYTES).collect();
        Self(name)
    }

    /// The name for a file in which a recording goes on when this one fails.
    pub fn successor(&self, number: u32) -> Self {
        let ending = format!("-{number}");
        let kept: String = self.0.chars().take(NAME_MAX_BYTES - ending.len()).collect();
        Self(kept + &ending)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecorderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_allowed(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '-' || char == '_'
}

impl FromStr for RecorderName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (1..=NAME_MAX_BYTES).contains(&text.len()) && text.chars().all(is_allowed) {
            true => Ok(Self(text.to_owned())),
            false => Err("a recorder's name has 1 to 64 letters, digits, `-` and `_`"),
        }
    }
}

/// Where an archive is: `nats://HOST[:PORT][,HOST[:PORT]...][/RECORDER]`, or `tls://`, which is the same with encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The servers, with their ports.
    pub servers: Vec<String>,
    /// Whether the connection must be encrypted.
    pub is_encrypted: bool,
    /// Whose captures are meant, if that is said.
    pub recorder: Option<RecorderName>,
}

impl Address {
    /// Whether this is no path, but says where an archive is.
    pub fn is_meant(text: &str) -> bool {
        scheme(text).is_some()
    }
}

/// Whether an address asks for encryption, and what stands behind that.
fn scheme(text: &str) -> Option<(bool, &str)> {
    let (plain, encrypted) = (text.strip_prefix("nats://"), text.strip_prefix("tls://"));
    plain.map(|rest| (false, rest)).or_else(|| encrypted.map(|rest| (true, rest)))
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((is_encrypted, rest)) = scheme(text) else {
            return Err("an archive is nats://HOST[:PORT][,HOST[:PORT]...]".to_owned());
        };
        if rest.contains('@') {
            return Err(
                "a password here could be seen by every user of this machine; put it into a file and name that with \
                 --archive-credentials"
                    .to_owned(),
            );
        }
        let (hosts, recorder) = rest.split_once('/').map_or((rest, None), |(hosts, name)| (hosts, Some(name)));
        let recorder = recorder.filter(|name| !name.is_empty()).map(str::parse).transpose()?;
        let servers = hosts.split(',').map(|host| server(host.trim())).collect::<Result<Vec<_>, _>>()?;
        match servers.len() <= SERVERS_MAX {
            true => Ok(Self { servers, is_encrypted, recorder }),
            false => Err(format!("there are at most {SERVERS_MAX} servers")),
        }
    }
}

fn server(text: &str) -> Result<String, String> {
    // What is in brackets is an IPv6 address.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let port = port.parse().ok().filter(|port: &u16| *port > 0);
            (host, port.ok_or_else(|| format!("'{text}' has no port from 1 to 65535"))?)
        }
        _ => (text, PORT),
    };
    let is_host = |char: char| char.is_ascii_alphanumeric() || "-._:[]".contains(char);
    match !host.is_empty() && host.chars().all(is_host) && (!host.contains(':') || host.starts_with('[')) {
        true => Ok(format!("{host}:{port}")),
        false => Err(format!("'{text}' is no HOST or HOST:PORT")),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.is_encrypted { "tls" } else { "nats" }, self.servers.join(","))
    }
}

/// How an archive is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Where it is.
    pub address: Address,
    /// Who we are there: a credentials file, a seed, or a name and a password.
    pub credentials: Option<PathBuf>,
    /// Whom its servers are certified by, instead of those whom the system trusts.
    pub authorities: Option<PathBuf>,
}

/// Where captures are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In a database here.
    File(PathBuf),
    /// In an archive, of the recorder that its address names, or of all.
    Archive(Access),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Archive(Access { address, .. }) => {
                let recorder = address.recorder.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
                write!(f, "{address}{recorder}")
            }
        }
    }
}

/// How captures are kept in an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// On how many servers.
    pub replicas: usize,
    /// How many bytes are sent in a second at most.
    pub rate_bytes: Option<u64>,
    /// How long ago a session may have ended before it is deleted there.
    pub max_age_ns: Option<i64>,
}

/// Where captures are archived, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where.
    pub access: Access,
    /// Under which name.
    pub recorder: RecorderName,
    /// How.
    pub keeping: Keeping,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_servers_and_perhaps_a_recorder() {
        let of = |text: &str| text.parse::<Address>();
        let address = of("nats://a,b.example:14222,[::1]/hall-3").unwrap();
        assert_eq!(address.servers, ["a:4222", "b.example:14222", "[::1]:4222"]);
        assert_eq!((address.is_encrypted, address.recorder.unwrap().as_str()), (false, "hall-3"));
        assert!(of("tls://a").unwrap().is_encrypted);
        for wrong in [
            "a",
            "nats://",
            "nats://a,",
            "nats://a:0",
            "nats://a:x",
            "nats://::1",
            "nats://user:word@a",
            "nats://a/b.c",
            "nats://a b",
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_is_made_of_any_host_and_file() {
        assert_eq!(RecorderName::of("hall3.example.org", "captures").as_str(), "hall3-example-org-captures");
        let long = RecorderName::of(&"é".repeat(90), "x");
        assert_eq!(long.as_str(), "-".repeat(64));
        assert_eq!(long.successor(12).as_str().len(), 64);
        assert_eq!(RecorderName::of("a", "b").successor(1).as_str(), "a-b-1");
        assert!("a.b".parse::<RecorderName>().is_err() && "".parse::<RecorderName>().is_err());
    }
}
