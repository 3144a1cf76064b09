//! What can be typed about archives.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::values::{bytes, database, duration_ns, parse, refuse, to_change, to_read};
use crate::cli::{DatabaseArguments, SourceArguments};
use crate::command::session::{archive, fetch};
use crate::error::{Error, Result};
use crate::store::{Access, Address, Keeping, RecorderName, Source, Target};

/// Copies without which one machine, or two of five, could not fail.
const REPLICAS: u64 = 3;

/// The most servers that a stream can be on.
const REPLICAS_MAX: u64 = 5;

/// Who we are in an archive, and whom to trust there.
#[derive(Args, Debug)]
pub struct AccessArguments {
    /// File with the credentials for the archive: a JWT with its seed, a seed, or one line NAME:PASSWORD
    #[arg(long, value_name = "FILE")]
    pub archive_credentials: Option<PathBuf>,
    /// Certificates that vouch for the servers of the archive, instead of those that the system trusts
    #[arg(long, value_name = "FILE")]
    pub archive_ca: Option<PathBuf>,
}

/// How captures are kept in an archive.
#[derive(Args, Debug)]
pub struct KeepingArguments {
    /// Name of this recorder in the archive [default: HOST-DATABASE]
    #[arg(long, value_name = "NAME")]
    pub recorder: Option<String>,
    /// Number of servers that keep each message; it counts only when the archive's stream is created [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=REPLICAS_MAX))]
    pub archive_replicas: Option<u64>,
    /// Most data to send to the archive per second, such as 10MB
    #[arg(long, value_name = "SIZE")]
    pub archive_rate: Option<String>,
    /// Delete sessions of this database from the archive once they ended this long ago, such as 90d
    #[arg(long, value_name = "DURATION")]
    pub archive_max_age: Option<String>,
    /// Who we are there
    #[command(flatten)]
    pub access: AccessArguments,
}

/// Options of `session archive`.
#[derive(Args, Debug)]
pub struct ArchiveArguments {
    /// Session to archive: an id, a label, or `latest` for the newest finished one that has messages, which is the default
    #[arg(value_name = "SESSION")]
    pub session: Option<String>,
    /// Archive every session, the oldest first
    #[arg(long, conflicts_with = "session")]
    pub all: bool,
    /// Archive to send it to, such as nats://nas1,nas2,nas3, or tls:// with encryption
    #[arg(long, value_name = "URL")]
    pub archive: String,
    /// How it is kept there
    #[command(flatten)]
    pub keeping: KeepingArguments,
    /// Where it is
    #[command(flatten)]
    pub database: DatabaseArguments,
}

/// Options of `session fetch`.
#[derive(Args, Debug)]
pub struct FetchArguments {
    /// Session to fetch: RECORDER/ID, RECORDER/LABEL or RECORDER/latest; without RECORDER where the archive has one alone, or URL
    /// names it
    #[arg(value_name = "[RECORDER/]SESSION")]
    pub session: String,
    /// Archive to fetch it from, such as nats://nas1,nas2,nas3 or nats://nas1/RECORDER, or tls:// with encryption
    #[arg(long, value_name = "URL")]
    pub archive: String,
    /// Who we are there
    #[command(flatten)]
    pub access: AccessArguments,
    /// Where the session is to be
    #[command(flatten)]
    pub database: DatabaseArguments,
}

impl AccessArguments {
    fn access(&self, typed: &str) -> Result<Access> {
        self.access_to("--archive", typed)
    }

    /// How an archive is reached that this option names.
    fn access_to(&self, option: &'static str, typed: &str) -> Result<Access> {
        let address: Address = parse(option, typed)?;
        if !cfg!(feature = "archive") {
            let cause = "this fancyhwd was built without archives; build it with `--features archive`".to_owned();
            return Err(refuse(option, typed, cause));
        }
        Ok(Access { address, credentials: self.archive_credentials.clone(), authorities: self.archive_ca.clone() })
    }
}

impl SourceArguments {
    /// Where captures are read.
    ///
    /// # Errors
    /// [`crate::error::Error::Setting`] when that makes no sense.
    pub(super) fn source(&self) -> Result<Source> {
        self.checked(self.of(self.database.as_deref())?)
    }

    /// Where captures are changed: nothing is chosen that nobody named.
    ///
    /// # Errors
    /// As [`Self::source`].
    pub(super) fn to_change(&self) -> Result<Source> {
        self.checked(self.at(self.database.as_deref(), to_change)?)
    }

    /// The same of another database or archive; the usual database if none is named.
    pub(super) fn of(&self, typed: Option<&Path>) -> Result<Source> {
        self.at(typed, to_read)
    }

    /// An archive, or the database that `file` makes of what was typed.
    fn at(&self, typed: Option<&Path>, file: impl FnOnce(&DatabaseArguments) -> Result<PathBuf>) -> Result<Source> {
        match typed.and_then(Path::to_str).filter(|text| Address::is_meant(text)) {
            Some(url) => self.access.access_to("--database", url).map(Source::Archive),
            None => file(&DatabaseArguments { database: typed.map(Path::to_owned) }).map(Source::File),
        }
    }

    /// Refuse what only says something about an archive, where there is none.
    fn checked(&self, source: Source) -> Result<Source> {
        let AccessArguments { archive_credentials, archive_ca } = &self.access;
        if matches!(source, Source::File(_)) && (archive_credentials.is_some() || archive_ca.is_some()) {
            let cause =
                "--archive-credentials and --archive-ca are about an archive; name one with --database nats://...";
            return Err(Error::CommandLine(cause.to_owned()));
        }
        Ok(source)
    }
}

impl KeepingArguments {
    /// Refuse what only says something about an archive, where there is none.
    pub(super) fn refuse_without_archive(&self) -> Result<()> {
        let AccessArguments { archive_credentials, archive_ca } = &self.access;
        let given = [
            ("--recorder", self.recorder.is_some()),
            ("--archive-replicas", self.archive_replicas.is_some()),
            ("--archive-rate", self.archive_rate.is_some()),
            ("--archive-max-age", self.archive_max_age.is_some()),
            ("--archive-credentials", archive_credentials.is_some()),
            ("--archive-ca", archive_ca.is_some()),
        ];
        match given.iter().find(|(_, is_given)| *is_given) {
            Some((option, _)) => {
                Err(Error::CommandLine(format!("{option} is about an archive; name one with --archive")))
            }
            None => Ok(()),
        }
    }

    /// Where captures in this database are archived, and how.
    pub(super) fn target(&self, typed: &str, database: &Path) -> Result<Target> {
        let access = self.access.access(typed)?;
        let named: Option<RecorderName> = self.recorder.as_deref().map(|name| parse("--recorder", name)).transpose()?;
        let recorder = match (named, access.address.recorder.clone()) {
            (Some(named), Some(other)) if named != other => {
                return Err(refuse("--recorder", named.as_str(), format!("--archive names another one, {other}")));
            }
            (Some(named), _) | (None, Some(named)) => named,
            (None, None) => {
                let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
                RecorderName::of(&host, &database.file_stem().unwrap_or_default().to_string_lossy())
            }
        };
        let rate_bytes =
            self.archive_rate.as_deref().map(|text| bytes("--archive-rate", text, 1000..=u64::MAX)).transpose()?;
        let max_age_ns =
            self.archive_max_age.as_deref().map(|text| duration_ns("--archive-max-age", text)).transpose()?;
        Ok(Target {
            access,
            recorder,
            keeping: Keeping { replicas: self.archive_replicas.unwrap_or(REPLICAS) as usize, rate_bytes, max_age_ns },
        })
    }
}

impl ArchiveArguments {
    /// Check what was typed for `session archive`.
    ///
    /// # Errors
    /// [`crate::error::Error::Setting`] for the first value that cannot be used.
    pub fn settings(&self) -> Result<archive::Settings> {
        let database = to_change(&self.database)?;
        Ok(archive::Settings {
            session: (!self.all).then(|| self.session.clone().unwrap_or_else(|| "latest".to_owned())),
            target: self.keeping.target(&self.archive, &database)?,
            database,
        })
    }
}

impl FetchArguments {
    /// Check what was typed for `session fetch`.
    ///
    /// # Errors
    /// [`crate::error::Error::Setting`] for the first value that cannot be used.
    pub fn settings(&self) -> Result<fetch::Settings> {
        let access = self.access.access(&self.archive)?;
        Ok(fetch::Settings { session: self.session.clone(), access, database: database(&self.database)? })
    }
}
