//! Opening a publishing socket and binding its endpoints.

use std::fs;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use zmq::{Context, PUSH, Socket, XPUB};

use crate::error::{Error, Result};
use crate::socket::raw::{self, RawOption};
use crate::socket::{Endpoint, socket_error};

/// Memory that one subscriber who does not read may cost, in bytes. The subscriber's own queue and the buffers of the operating
/// system, which hold some seconds of most devices, come before it.
pub(super) const SUBSCRIBER_QUEUE_BYTES: u64 = 6 << 20;

/// What libzmq needs for a queued message beside its content, measured.
const QUEUED_MESSAGE_BYTES: u64 = 175;

/// So many messages are queued also when they are large.
const QUEUE_MIN_MESSAGES: u64 = 4;

/// More are not queued, however small they are: each takes libzmq 64 bytes for each subscriber beside its content, which they
/// share. 300 that never read took 650 MB without this bound, and take 130 MB with it; the speed is the same.
const QUEUE_MAX_MESSAGES: u64 = 4_096;

/// Of larger ones even that many do not fit.
pub(super) const QUEUED_MESSAGE_MAX_BYTES: u64 = SUBSCRIBER_QUEUE_BYTES / QUEUE_MIN_MESSAGES;

/// How long a full subscriber may block one attempt to send. In between, a stop is noticed.
pub(super) const SEND_SLICE: Duration = Duration::from_millis(100);

/// What to try when an address cannot be bound.
const ELSEWHERE: &str = "stop the program that listens there, or choose another address with --bind";

/// A subscription has at most so many bytes: a topic has 255. A larger one ends its connection.
const SUBSCRIPTION_MAX_BYTES: i64 = 1024;

/// So many subscriptions of a peer are queued: when it is cut off, these are heeded all the same.
const SUBSCRIPTIONS_QUEUED: i32 = 16;

/// A collector that restarts is found again quickly: the first attempt after so many milliseconds, and the others at most so
/// many apart.
const RECONNECT_MS: i32 = 10;
const RECONNECT_MAX_MS: i32 = 100;

/// The kind of the sending socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SendingKind {
    /// It sends each message to all who subscribe to it.
    Pub,
    /// It sends each message to one of the pulling peers, and waits while there is none.
    Push,
}

/// A socket that holds for each peer as many messages of this size as there is room for.
pub(super) fn open(context: &Context, kind: SendingKind, message_bytes: u64) -> Result<Socket> {
    let what = match kind {
        SendingKind::Pub => XPUB,
        SendingKind::Push => PUSH,
    };
    let mut socket = context.socket(what).map_err(|cause| socket_error("open a sending socket", cause))?;
    let queue_messages = SUBSCRIBER_QUEUE_BYTES / (message_bytes + QUEUED_MESSAGE_BYTES);
    let set = || -> zmq::Result<()> {
        // Never zero, which would mean without limit.
        socket.set_sndhwm(queue_messages.clamp(QUEUE_MIN_MESSAGES, QUEUE_MAX_MESSAGES) as i32)?;
        socket.set_sndtimeo(SEND_SLICE.as_millis() as i32)?;
        socket.set_maxmsgsize(SUBSCRIPTION_MAX_BYTES)?;
        socket.set_rcvhwm(SUBSCRIPTIONS_QUEUED)?;
        socket.set_reconnect_ivl(RECONNECT_MS)?;
        socket.set_reconnect_ivl_max(RECONNECT_MAX_MS)?;
        // As in `inlets.rs`: it would cut peers before ZMTP 3.
        socket.set_handshake_ivl(0)
    };
    set().map_err(|cause| socket_error("set up a publishing socket", cause))?;
    if kind == SendingKind::Pub {
        raw::set(&mut socket, RawOption::XpubVerboser, true).map_err(set_up_failed)?;
        refuse_when_full(&mut socket, true)?;
    }
    Ok(socket)
}

/// Whether a message is refused when a subscriber has no room for it, or that subscriber is passed over in silence.
pub(super) fn refuse_when_full(socket: &mut Socket, is_on: bool) -> Result<()> {
    raw::set(socket, RawOption::XpubNodrop, is_on).map_err(set_up_failed)
}

fn set_up_failed(cause: String) -> Error {
    Error::Socket { operation: "set up a publishing socket", cause }
}

/// Bind one endpoint. Gives its address, with the port that `*` became.
pub(super) fn bind(socket: &mut Socket, endpoint: &Endpoint) -> Result<String> {
    let failed = |cause, hint| Error::Endpoint { operation: "bind", endpoint: endpoint.to_string(), cause, hint };
    if let Some(cause) = endpoint.ipc_path().and_then(taken) {
        return Err(failed(cause.to_owned(), ELSEWHERE));
    }
    let address = resolved(endpoint)
        .map_err(|cause| failed(cause, "check how it is written, or give the address of this machine itself"))?;
    socket.set_ipv6(address.needs_ipv6()).map_err(|cause| socket_error("choose the kind of address", cause))?;
    raw::bind(socket, address.as_str()).map_err(|cause| {
        let hint = hint(&cause, &address);
        // A name may have another address than somebody thinks.
        failed(if address == *endpoint { cause } else { format!("{address}: {cause}") }, hint)
    })?;
    let bound = socket.get_last_endpoint().map_err(|cause| socket_error("ask for the bound address", cause))?;
    Ok(bound.unwrap_or_else(|_| endpoint.to_string()))
}

/// What to try when libzmq says this of an address.
fn hint(cause: &str, endpoint: &Endpoint) -> &'static str {
    match (cause, endpoint.is_ipc()) {
        ("Cannot assign requested address", _) => {
            "it is no address of this machine: `ip address` shows those that are, and * is all of them"
        }
        ("Permission denied", false) => "ports below 1024 are for root: choose a higher one with --bind",
        ("Permission denied", true) => "check who may make files in that directory",
        ("No such file or directory", true) => "make its directory first, or choose another path with --bind",
        ("No such device", _) => "the interface has no address: `ip address` shows those that have one",
        _ => ELSEWHERE,
    }
}

/// The endpoint with the address of its host where that is a name. libzmq takes addresses and the names of interfaces only.
fn resolved(endpoint: &Endpoint) -> std::result::Result<Endpoint, String> {
    let Some((host, port)) = endpoint.name().and_then(|name| name.rsplit_once(':')) else {
        return Ok(endpoint.clone());
    };
    if host == "*" || Path::new("/sys/class/net").join(host).exists() {
        return Ok(endpoint.clone());
    }
    // `*` is a free port.
    let number = port.parse::<u16>().unwrap_or(0);
    let words =
        |cause: io::Error| format!("the name '{host}' cannot be resolved, and no interface is called so: {cause}");
    let mut addresses: Vec<IpAddr> =
        (host, number).to_socket_addrs().map_err(words)?.map(|address| address.ip()).collect();
    // As a peer does who connects to that name.
    addresses.sort_by_key(IpAddr::is_ipv6);
    match addresses.first() {
        Some(IpAddr::V4(address)) => format!("tcp://{address}:{port}").parse(),
        Some(IpAddr::V6(address)) => format!("tcp://[{address}]:{port}").parse(),
        None => Err(format!("the name '{host}' has no address")),
    }
}

/// Connect to one endpoint, in the background.
pub(super) fn connect(socket: &mut Socket, endpoint: &Endpoint) -> Result<()> {
    socket.set_ipv6(endpoint.needs_ipv6()).map_err(|cause| socket_error("choose the kind of address", cause))?;
    raw::connect(socket, endpoint.as_str()).map_err(|cause| Error::Endpoint {
        operation: "connect to",
        endpoint: endpoint.to_string(),
        cause,
        hint: "check the address given with --connect",
    })
}

/// Why an ipc endpoint cannot be bound at `path`. libzmq would unlink whatever stands there first, and so take the
/// address away from a program that still listens.
fn taken(path: &Path) -> Option<&'static str> {
    let there = fs::symlink_metadata(path).ok()?;
    match there.file_type().is_socket() {
        false => Some("a file stands there that is no socket"),
        true => UnixStream::connect(path).is_ok().then_some("Address already in use"),
    }
}
