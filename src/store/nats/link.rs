//! The connection to an archive, for a thread that waits: what is asynchronous stays here, on a thread of its own.

use std::future::Future;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{Info, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use async_nats::{ConnectOptions, Event};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::safe_open;
use crate::store::nats::failure::{Failure, NOT_PERMITTED, words};
use crate::store::{Access, Address};
use crate::time::clock::{NS_PER_S, monotonic_ns};

/// How long one server may take until the next one is tried.
const CONNECT_MAX: Duration = Duration::from_secs(4);

/// How long an answer may take. A leader is elected in 4 to 9 seconds.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How long a leader may take to say that it is one. Where there is none, nobody answers.
const LEADER_MAX: Duration = Duration::from_secs(2);

/// Who reads waits so long for a leader, ...
const PATIENCE_NS: i64 = 20 * NS_PER_S;

/// ... and asks so often.
const RETRY_NS: i64 = NS_PER_S / 4;

/// How often it is looked for a request to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A server that is silent for twice as long is left for another one.
const PING_EVERY: Duration = Duration::from_secs(3);

/// The oldest server whose expected sequences hold, also when a leader goes.
const SERVER_MIN: (u32, u32) = (2, 12);

/// What a credentials file has at most.
const CREDENTIALS_MAX_BYTES: u64 = 64 << 10;

/// Rights on a credentials file that others must not have.
const OTHERS: u32 = 0o007;

/// A connection. It mends itself; what is asked for meanwhile fails in time.
pub struct Link<'a> {
    address: Address,
    context: Context,
    /// What the servers said last that was wrong.
    said: Arc<Mutex<Option<String>>>,
    waiting: Waiting<'a>,
}

/// Waits on this thread for what is done on another one.
struct Waiting<'a> {
    runtime: Option<Runtime>,
    /// Waits so long, and says whether to go on.
    pause: &'a dyn Fn(i64) -> bool,
}

impl Waiting<'_> {
    /// Wait for something, unless a stop is asked for.
    fn wait<T>(&self, what: impl Future<Output = T>) -> Result<T, Failure> {
        let stopped = || Failure::Passing("it was stopped".to_owned());
        let Some(runtime) = &self.runtime else { return Err(stopped()) };
        runtime.block_on(async {
            let mut what = pin!(what);
            loop {
                match timeout(LOOK_EVERY, &mut what).await {
                    Ok(done) => return Ok(done),
                    Err(_) if (self.pause)(0) => {}
                    Err(_) => return Err(stopped()),
                }
            }
        })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // A name that is being looked up is not waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl<'a> Link<'a> {
    /// Connect to the first of the servers that can be reached.
    ///
    /// # Errors
    /// When there is none, or it refuses us.
    pub fn connect(access: &Access, pause: &'a dyn Fn(i64) -> bool) -> Result<Self, Failure> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("archive").enable_all().build();
        let runtime = runtime.map_err(|cause| Failure::Passing(format!("no thread can be started for it: {cause}")))?;
        let waiting = Waiting { runtime: Some(runtime), pause };
        let said = Arc::new(Mutex::new(None));
        let options = options(access, &said)?;
        let client = waiting
            .wait(options.connect(access.address.servers.as_slice()))?
            .map_err(|error| Failure::of_connecting(error.kind(), &words(&error), access))?;
        let version = client.server_info().version;
        if number(&version).is_none_or(|version| version < SERVER_MIN) {
            let (major, minor) = SERVER_MIN;
            return Err(Failure::refused(
                format!("its server has version {version}, which may lose or repeat messages when a leader goes"),
                format!("install nats-server {major}.{minor} or later"),
            ));
        }
        // It begins a task of its own.
        let entered = waiting.runtime.as_ref().map(Runtime::enter);
        let mut context = async_nats::jetstream::new(client);
        drop(entered);
        context.set_timeout(ANSWER_MAX);
        Ok(Self { address: access.address.clone(), context, said, waiting })
    }

    /// Where it leads to.
    pub fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// Wait for something, unless a stop is asked for.
    pub(super) fn wait<T>(&self, what: impl Future<Output = T>) -> Result<T, Failure> {
        self.waiting.wait(what)
    }

    /// Try something again while it fails with what may pass, as the election of a leader does.
    pub(super) fn patiently<T>(&self, mut what: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
        let until_ns = monotonic_ns() + PATIENCE_NS;
        loop {
            match what() {
                Err(Failure::Passing(_)) if monotonic_ns() < until_ns && (self.waiting.pause)(RETRY_NS) => {}
                done => return done,
            }
        }
    }

    /// Begin something without waiting for it.
    pub(super) fn begin<T: Send + 'static>(
        &self,
        what: impl Future<Output = T> + Send + 'static,
    ) -> Result<JoinHandle<T>, Failure> {
        let runtime = self.waiting.runtime.as_ref();
        runtime.map(|runtime| runtime.spawn(what)).ok_or_else(|| Failure::Passing("it was stopped".to_owned()))
    }

    /// A failure that may pass, or not if the server has just said that we may not do this.
    pub(super) fn failed(&self, what: &str, cause: &(dyn std::error::Error + 'static)) -> Failure {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner).take();
        match said {
            Some(said) if said.to_lowercase().contains(NOT_PERMITTED) => Failure::not_permitted(what, &said),
            Some(said) => Failure::Passing(format!("cannot {what}: {} ({said})", words(cause))),
            None => Failure::Passing(format!("cannot {what}: {}", words(cause))),
        }
    }

    /// A stream as its leader knows it; `None` if there is none of that name.
    ///
    /// # Errors
    /// When nobody answers who knows it.
    pub(super) fn stream(&self, name: &str) -> Result<Option<(Stream, Info)>, Failure> {
        let found = match self.wait(async { timeout(LEADER_MAX, self.context.get_stream(name)).await })? {
            Ok(Ok(stream)) => stream,
            Err(_) => return Err(self.failed("ask for the stream", &io::Error::other("no server answers for it"))),
            Ok(Err(error)) => {
                return match error.kind() {
                    GetStreamErrorKind::JetStream(said) if said.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
                    GetStreamErrorKind::JetStream(said) if is_disabled(said.error_code()) => Err(disabled(&said)),
                    _ => Err(self.failed("ask for the stream", &error)),
                };
            }
        };
        let info = found.cached_info().clone();
        // One that is no leader may know less than the quorum does.
        match info.cluster.as_ref().is_none_or(|cluster| cluster.leader.as_ref().is_some_and(|name| !name.is_empty())) {
            true => Ok(Some((found, info))),
            false => Err(Failure::Passing("its servers are electing a leader".to_owned())),
        }
    }
}

fn is_disabled(code: ErrorCode) -> bool {
    code == ErrorCode::JETSTREAM_NOT_ENABLED || code == ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT
}

fn disabled(said: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::refused(
        format!("its servers keep nothing for this account ({})", words(said)),
        "switch JetStream on in their configuration, for this account too",
    )
}

fn options(access: &Access, said: &Arc<Mutex<Option<String>>>) -> Result<ConnectOptions, Failure> {
    let said = said.clone();
    let mut options = ConnectOptions::new()
        .name(concat!("fancyhwd ", env!("CARGO_PKG_VERSION")))
        .connection_timeout(CONNECT_MAX)
        .request_timeout(Some(ANSWER_MAX))
        .ping_interval(PING_EVERY)
        .require_tls(access.address.is_encrypted || access.authorities.is_some())
        .event_callback(move |event| {
            if let Event::ServerError(_) | Event::ClientError(_) | Event::Disconnected = event {
                *said.lock().unwrap_or_else(PoisonError::into_inner) = Some(words_of(&event));
            }
            std::future::ready(())
        });
    if let Some(authorities) = &access.authorities {
        // Read now, so that a wrong name is said as that.
        let path = authorities.display();
        let pem = std::fs::read_to_string(authorities).map_err(|cause| {
            Failure::refused(format!("the certificates in {path} cannot be read: {cause}"), "check --archive-ca")
        })?;
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            let cause = format!("the connection cannot be encrypted: {path} holds no certificate");
            return Err(Failure::refused(cause, "check --archive-ca"));
        }
        options = options.add_root_certificates(authorities.clone());
    }
    match &access.credentials {
        Some(path) => with_credentials(options, path),
        None => Ok(options),
    }
}

fn words_of(event: &Event) -> String {
    let text = event.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a file says of us: a JWT with its seed, a seed alone, or a name and a password.
fn with_credentials(options: ConnectOptions, path: &Path) -> Result<ConnectOptions, Failure> {
    let refuse = |cause: String| {
        let cause = format!("the credentials in {} cannot be used: {cause}", path.display());
        Failure::refused(cause, "check --archive-credentials")
    };
    let text = read_credentials(path).map_err(|cause| refuse(cause.to_string()))?;
    if text.contains("-----BEGIN NATS USER JWT-----") {
        let options = options.credentials(&text).map_err(|cause| refuse(cause.to_string()))?;
        let key = nkeys::KeyPair::from_seed(text.lines().map(str::trim).find(|line| is_seed(line)).unwrap_or_default());
        return Ok(answered_at(options, &key.map(|key| key.public_key()).unwrap_or_default()));
    }
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (lines.next(), lines.next()) {
        (Some(seed), None) if is_seed(seed) => {
            let key =
                nkeys::KeyPair::from_seed(seed).map_err(|cause| refuse(format!("its seed is damaged: {cause}")))?;
            Ok(answered_at(options.nkey(seed.to_owned()), &key.public_key()))
        }
        (Some(line), None) => match line.split_once(':') {
            Some((name, password)) => {
                Ok(answered_at(options.user_and_password(name.to_owned(), password.to_owned()), name))
            }
            None => Err(refuse("it is no JWT, no seed and no line NAME:PASSWORD".to_owned())),
        },
        _ => Err(refuse("it has not one line NAME:PASSWORD, and is no JWT with a seed".to_owned())),
    }
}

fn is_seed(line: &str) -> bool {
    line.starts_with("SU") && !line.contains(':')
}

/// Let answers come to a subject of this user, so that no other one has to be allowed to hear them.
fn answered_at(options: ConnectOptions, user: &str) -> ConnectOptions {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match !user.is_empty() && user.bytes().all(is_allowed) {
        true => options.custom_inbox_prefix(format!("_INBOX.{user}")),
        false => options,
    }
}

fn read_credentials(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = safe_open::to_read(path)?;
    let mode = file.metadata()?.mode();
    if mode & OTHERS != 0 {
        return Err(io::Error::other(format!(
            "others can read it (mode {:04o}): take that away with `chmod 600`",
            mode & 0o7777
        )));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(CREDENTIALS_MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// The first two numbers of a version.
fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(number("2.9.10").unwrap() < SERVER_MIN);
        assert!(number("2.12.0-RC.1").unwrap() >= SERVER_MIN && number("v3.0.0").unwrap() >= SERVER_MIN);
        assert_eq!((number(""), number("x.1")), (None, None));
    }
}
