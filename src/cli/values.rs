//! Values that several options share.

use std::env;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bytesize::ByteSize;

use crate::cli::{DatabaseArguments, SendArguments};
use crate::codec::channels::Channels;
use crate::codec::topic::{Wanted, trimmed};
use crate::command::SendSettings;
use crate::command::record::DatabasePath;
use crate::error::{Error, Result};
use crate::socket::Endpoint;
use crate::store::{Address, Name, services};
use crate::streams::About;

/// The default database in its directory.
const CAPTURES: &str = "captures.db";

/// Where the units keep what they capture: `StateDirectory=fancyhwd`.
const SERVICES: &str = "/var/lib/fancyhwd";

/// The database that was typed, or the default one.
///
/// # Errors
/// When there is no default because no home directory is known.
pub(super) fn database(typed: &DatabaseArguments) -> Result<DatabasePath> {
    if let Some(path) = &typed.database {
        refuse_archive(path)?;
        return Ok(DatabasePath { path: path.clone(), make_directory: false });
    }
    match own() {
        Some(path) => Ok(DatabasePath { path, make_directory: true }),
        None => Err(refuse("--database", "", "no default is known without $HOME; name a file".to_owned())),
    }
}

fn refuse_archive(path: &Path) -> Result<()> {
    match path.to_str().filter(|text| Address::is_meant(text)) {
        Some(url) => {
            let cause = "this needs a database file; an archive is only read, and `record --archive` writes into it";
            Err(refuse("--database", url, cause.to_owned()))
        }
        None => Ok(()),
    }
}

/// The database of a command that only reads: the one that was typed, one's own, or the only one that services keep.
///
/// # Errors
/// When there is none, or several to choose from.
pub(super) fn to_read(typed: &DatabaseArguments) -> Result<PathBuf> {
    let kept = kept_by_services();
    match &typed.database {
        Some(path) => services::named(path, &kept),
        None => services::found(own().unwrap_or_else(|| kept.join(CAPTURES)), &kept),
    }
}

/// The database of a command that changes something in it: nothing is chosen that nobody named.
///
/// # Errors
/// When nothing has the name that was typed, or there is no default.
pub(super) fn to_change(typed: &DatabaseArguments) -> Result<PathBuf> {
    match &typed.database {
        Some(path) => {
            refuse_archive(path)?;
            services::named(path, &kept_by_services())
        }
        None => Ok(database(typed)?.path),
    }
}

/// The default database, if a place for it is known.
fn own() -> Option<PathBuf> {
    let directory = state_directory().or_else(|| {
        let state = variable("XDG_STATE_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/state")));
        state.map(|state| state.join("fancyhwd"))
    });
    directory.map(|directory| directory.join(CAPTURES))
}

/// Where services keep their captures: a service knows it, everybody else from the units.
pub(super) fn kept_by_services() -> PathBuf {
    state_directory().unwrap_or_else(|| PathBuf::from(SERVICES))
}

/// The directory that systemd gives to a service.
fn state_directory() -> Option<PathBuf> {
    variable("STATE_DIRECTORY").map(first_directory)
}

/// An empty variable counts as unset, as the XDG specification says.
fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// systemd names several state directories with colons between them.
fn first_directory(directories: PathBuf) -> PathBuf {
    match directories.to_str().and_then(|list| list.split(':').next()) {
        Some(first) => PathBuf::from(first),
        None => directories,
    }
}

/// How to send to so many endpoints that are connected to, and bound.
pub(super) fn send(typed: &SendArguments, connects: usize, binds: usize) -> Result<SendSettings> {
    Ok(SendSettings {
        wait_subscribers: typed.wait_subscribers,
        keys: typed.keys.settings(connects, binds)?,
        kind: typed.socket,
        on_full: typed.on_full,
    })
}

/// Endpoints to bind.
pub(super) fn binds(typed: &[String]) -> Result<Vec<Endpoint>> {
    typed.iter().map(|text| endpoint("--bind", text)).collect()
}

/// Endpoints to connect to: each must name a peer.
pub(super) fn connects(typed: &[String]) -> Result<Vec<Endpoint>> {
    let peer = |text: &String| match endpoint("--connect", text)? {
        endpoint if endpoint.names_a_peer() => Ok(endpoint),
        _ => {
            let likely = text.replace("//*", "//127.0.0.1");
            let cause = format!("`*` names no peer; a peer has a host and a port, such as {likely}");
            Err(refuse("--connect", text, cause))
        }
    };
    typed.iter().map(peer).collect()
}

/// One endpoint. Of what is none it is said what was probably meant.
pub(super) fn endpoint(option: &'static str, text: &str) -> Result<Endpoint> {
    let words: Vec<&str> = text.split([',', ';', ' ']).filter(|word| !word.is_empty()).collect();
    if words.len() > 1 && words.iter().all(|word| word.contains("://")) {
        let each: Vec<String> = words.iter().map(|word| format!("{option} {word}")).collect();
        let cause = format!(
            "give each endpoint an option of its own: {}; in an environment variable, separate them with spaces",
            each.join(" ")
        );
        return Err(refuse(option, text, cause));
    }
    text.parse().map_err(|cause: String| match Endpoint::likely(text) {
        Some(likely) => refuse(option, text, format!("{cause}; did you mean {likely}?")),
        None => refuse(option, text, cause),
    })
}

/// The endpoints to bind and those to connect to; without any, the one of the reference device is bound.
pub(super) fn outlets(typed: &SendArguments) -> Result<(Vec<Endpoint>, Vec<Endpoint>)> {
    match (typed.bind.as_slice(), typed.connect.as_slice()) {
        ([], []) => Ok((vec![parse("--bind", DEFAULT_ENDPOINT)?], Vec::new())),
        (bind, connect) => Ok((binds(bind)?, connects(connect)?)),
    }
}

/// Where the reference device is.
pub(super) const DEFAULT_ENDPOINT: &str = "tcp://127.0.0.1:5555";

/// The topics that were typed; without any, or with `*`, it is every one.
pub(super) fn wanted(typed: &[impl AsRef<[u8]>]) -> Result<Wanted> {
    if typed.is_empty() {
        return Ok(Wanted::Every);
    }
    let words = || typed.iter().map(|word| String::from_utf8_lossy(word.as_ref())).collect::<Vec<_>>().join(" ");
    Wanted::of(typed).map_err(|rule| refuse("--topic", &words(), rule.to_owned()))
}

/// `[TOPIC=]WHAT`: what was said about the streams of one topic or of all. No value has a `=`, so the last one divides.
pub(super) fn about<T: FromStr<Err: Display>>(option: &'static str, typed: &[String]) -> Result<Vec<About<T>>> {
    let one = |text: &String| {
        let (topic, what) = text.rsplit_once('=').map_or((None, text.as_str()), |(topic, what)| (Some(topic), what));
        let what = what.parse().map_err(|cause: T::Err| refuse(option, text, cause.to_string()))?;
        Ok(About { topic: topic.map(|topic| trimmed(topic.as_bytes()).to_vec()), what })
    };
    typed.iter().map(one).collect()
}

/// `[TOPIC=]CHANNELS`. Nearly every text is a channel: with two `=`, a part of the channels could be taken for the topic.
pub(super) fn channels(option: &'static str, typed: &[String]) -> Result<Vec<About<Channels>>> {
    match typed.iter().find(|text| text.matches('=').count() > 1) {
        Some(text) => {
            let rule =
                "there is one `=`, behind the topic; a topic that has one itself is described by `session describe`";
            Err(refuse(option, text, rule.to_owned()))
        }
        None => about(option, typed),
    }
}

pub(super) fn bytes(option: &'static str, text: &str, range: RangeInclusive<u64>) -> Result<u64> {
    if is_bare(text) {
        let cause = format!("a size needs a unit, such as {text}MiB, {text}MB or {text}KiB");
        return Err(refuse(option, text, cause));
    }
    let rule = |_| refuse(option, text, "a size is a number and a unit, such as 64KiB, 100MB or 2GiB".to_owned());
    let size: ByteSize = text.parse().map_err(rule)?;
    match range.contains(&size.as_u64()) {
        true => Ok(size.as_u64()),
        false => {
            let (least, most) = (ByteSize(*range.start()), ByteSize(*range.end()));
            Err(refuse(option, text, format!("the size is from {least} to {most}")))
        }
    }
}

/// Whether it is a number without a unit.
pub(super) fn is_bare(text: &str) -> bool {
    !text.is_empty() && text.trim().bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// A size, if one was typed.
pub(super) fn size(option: &'static str, text: Option<&str>, range: RangeInclusive<u64>) -> Result<Option<u64>> {
    text.map(|text| bytes(option, text, range)).transpose()
}

/// A duration above zero in nanoseconds. 292 years are the limit.
pub(super) fn duration_ns(option: &'static str, text: &str) -> Result<i64> {
    let duration = humantime::parse_duration(text).map_err(|cause| refuse(option, text, cause.to_string()))?;
    if text.contains('M') {
        let cause = format!("`M` is a month; did you mean {}, in minutes?", text.replace('M', "m"));
        return Err(refuse(option, text, cause));
    }
    match i64::try_from(duration.as_nanos()) {
        Ok(0) => Err(refuse(option, text, "a duration is above zero, such as 250ms, 1s or 1h30m".to_owned())),
        Ok(duration_ns) => Ok(duration_ns),
        Err(_) => Err(refuse(option, text, "a duration is below 292 years".to_owned())),
    }
}

pub(super) fn parse<T: FromStr<Err: Display>>(option: &'static str, text: &str) -> Result<T> {
    text.parse().map_err(|cause: T::Err| refuse(option, text, cause.to_string()))
}

pub(super) fn refuse(option: &'static str, value: &str, cause: String) -> Error {
    Error::Setting { option, value: value.to_owned(), cause }
}

/// Check a label. One that could be taken for something else would make it unclear which session is meant.
///
/// # Errors
/// When it is no name of its own.
pub(super) fn label(option: &'static str, text: &str) -> Result<String> {
    match Name::of(text) {
        Name::Label => Ok(text.to_owned()),
        Name::Id(_) => Err(refuse(option, text, "digits alone are the id of a session; add a letter".to_owned())),
        Name::Latest => {
            Err(refuse(option, text, "it means the newest finished session; choose another word".to_owned()))
        }
    }
}
