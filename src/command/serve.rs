//! `fancyhwd serve`.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::thread;

use rustix::net::sockopt::socket_acceptconn;

use crate::command::here::{Here, follow};
use crate::command::{join, spawn};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::process::stop::Stop;
use crate::server::{self, Hosts};
use crate::service;
use crate::store::Source;

/// What `serve` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where, unless the service manager hands a socket over.
    pub listen: SocketAddr,
    /// Whether it may be reached from other machines.
    pub allow_remote: bool,
    /// What: a database, or the captures of one recorder in an archive.
    pub source: Source,
}

/// Serve pages until a stop is asked for.
///
/// # Errors
/// When the port cannot be had, or would be open to other machines unasked.
pub fn run(settings: &Settings, stop: &Stop) -> Result<Exit> {
    let handed_over = handed_over()?;
    let at = |listener: &TcpListener| listener.local_addr().map_err(|cause| failed(settings.listen, &cause));
    let listen = handed_over.as_ref().map_or(Ok(settings.listen), at)?;
    if !listen.ip().is_loopback() && !settings.allow_remote {
        return Err(Error::Setting {
            option: "--listen",
            value: listen.to_string(),
            cause: "other machines reach it, and there is no password: put a reverse proxy in front of 127.0.0.1, as fancyhwd(8) \
                    shows, or say --allow-remote"
                .to_owned(),
        });
    }
    let listener = match handed_over {
        Some(listener) => listener,
        None => TcpListener::bind(listen).map_err(|cause| failed(listen, &cause))?,
    };
    let address = at(&listener)?;
    let here = Here::shown(&settings.source, stop)?;
    let status = format!("serving {} on http://{address}/", here.name);
    tracing::info!("{status}");
    let ready = || service::ready(&status);
    let hosts = Hosts::of(settings.allow_remote);
    thread::scope(|scope| {
        let follower = match &settings.source {
            Source::File(_) => None,
            Source::Archive(access) => Some(spawn(scope, "archive", || follow(&here, access, stop))?),
        };
        let served = server::serve(&here.path, listener, hosts, stop, ready);
        // Only a stop ends the other one.
        if served.is_err() {
            stop.request();
        }
        served.and(follower.map_or(Ok(()), join))
    })?;
    Ok(Exit::Done)
}

fn failed(address: SocketAddr, cause: &io::Error) -> Error {
    Error::Endpoint {
        operation: "serve on",
        endpoint: address.to_string(),
        cause: cause.to_string(),
        hint: "choose another address or port with --listen",
    }
}

/// A socket that somebody else listens on for us, as the service manager does with `StandardInput=socket`.
fn handed_over() -> Result<Option<TcpListener>> {
    let stdin = io::stdin();
    if !socket_acceptconn(&stdin).unwrap_or(false) {
        return Ok(None);
    }
    let cannot = |cause| Error::System { operation: "take over the socket that is standard input", cause };
    stdin.as_fd().try_clone_to_owned().map(|socket| Some(TcpListener::from(socket))).map_err(cannot)
}
