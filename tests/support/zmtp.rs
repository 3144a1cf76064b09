//! A peer that speaks ZMTP over a bare TCP stream, in each version of the protocol, and whatever is none of them.
//!
//! The specifications: <https://rfc.zeromq.org/spec/13/> (1.0), <https://rfc.zeromq.org/spec/15/> (2.0) and
//! <https://rfc.zeromq.org/spec/23/> (3.0; 3.1 adds commands).

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::support::eventually;

/// A step of a handshake takes no longer, even on a busy machine; nor does a message into a full connection.
const STEP: Duration = Duration::from_secs(20);

/// A command of a handshake is not longer: ours have some fifty bytes.
const COMMAND_MAX_BYTES: usize = 4096;

/// The greeting of ZMTP 3.
pub const GREETING_BYTES: usize = 64;

/// What each version after 1.0 begins with: a frame of ZMTP 1.0 that no peer of that version can mean.
pub const SIGNATURE: [u8; 10] = [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f];

/// What libzmq 2 sets in the flags of each frame, beside the lowest bit, which says that more follows. Its protocol has no
/// meaning for these bits, and other implementations leave them 0.
pub const FLAGS_1: u8 = 0x7e;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// libzmq 2.
    V1,
    /// libzmq 3, `JeroMQ` 0.3, `NetMQ` before 4.0.1.
    V2,
    /// libzmq 4.
    V30,
    /// libzmq since 4.2.
    V31,
}

/// A kind of socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Pub,
    Sub,
    Pull,
    Push,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pub => "PUB",
            Self::Sub => "SUB",
            Self::Pull => "PULL",
            Self::Push => "PUSH",
        }
    }

    /// Its number in ZMTP 2.0.
    fn number(self) -> u8 {
        match self {
            Self::Pub => 1,
            Self::Sub => 2,
            Self::Pull => 7,
            Self::Push => 8,
        }
    }
}

impl Version {
    /// All that such a peer says before its first message, at once. In ZMTP 3 the READY command is said later.
    pub fn greeting(self, kind: Kind) -> Vec<u8> {
        match self {
            // The identity, without a name: a frame of one byte, which is its flags.
            Self::V1 => vec![1, FLAGS_1],
            // Revision 1, and an identity without a name.
            Self::V2 => [&SIGNATURE[..], &[1, kind.number(), 0, 0]].concat(),
            Self::V30 => greeting_3(0, b"NULL", false),
            Self::V31 => greeting_3(1, b"NULL", false),
        }
    }

    /// One frame of a message.
    pub fn frame(self, is_last: bool, body: &[u8]) -> Vec<u8> {
        let more = u8::from(!is_last);
        let mut frame = match self {
            // The length counts the flags in.
            Self::V1 if body.len() < 254 => vec![body.len() as u8 + 1, FLAGS_1 | more],
            Self::V1 => [&[0xff][..], &(body.len() as u64 + 1).to_be_bytes(), &[FLAGS_1 | more]].concat(),
            _ => header(more, body.len() as u64),
        };
        frame.extend_from_slice(body);
        frame
    }

    /// A message of one or more frames.
    pub fn message(self, frames: &[&[u8]]) -> Vec<u8> {
        let last = frames.len().checked_sub(1).expect("a message has a frame");
        frames.iter().enumerate().flat_map(|(number, body)| self.frame(number == last, body)).collect()
    }

    /// What subscribes to a topic.
    pub fn subscription(self, topic: &[u8]) -> Vec<u8> {
        match self {
            Self::V31 => command(b"SUBSCRIBE", topic),
            _ => self.frame(true, &[&[1], topic].concat()),
        }
    }

    /// The bytes that a subscriber of libzmq has sent when it is done with its greeting, and that nobody sends who only
    /// looks who is there: in ZMTP 1.0 its identity and the beginning of a subscription.
    fn greeted_bytes(self, kind: Kind) -> usize {
        match self {
            Self::V1 if kind == Kind::Pub => SIGNATURE.len() + 2,
            Self::V1 => SIGNATURE.len(),
            Self::V2 => SIGNATURE.len() + 4,
            Self::V30 | Self::V31 => GREETING_BYTES,
        }
    }
}

/// The greeting of ZMTP 3 with any minor version and mechanism.
pub fn greeting_3(minor: u8, mechanism: &[u8], as_server: bool) -> Vec<u8> {
    let mut greeting = [&SIGNATURE[..], &[3, minor], mechanism].concat();
    greeting.resize(32, 0);
    greeting.push(u8::from(as_server));
    greeting.resize(GREETING_BYTES, 0);
    greeting
}

/// The header of a frame of ZMTP 2 and 3, of any length, with any flags: 1 more follows, 4 a command.
pub fn header(flags: u8, length: u64) -> Vec<u8> {
    match u8::try_from(length) {
        Ok(length) => vec![flags, length],
        Err(_) => [&[flags | 2][..], &length.to_be_bytes()].concat(),
    }
}

/// A command of ZMTP 3.
pub fn command(name: &[u8], body: &[u8]) -> Vec<u8> {
    let name_bytes = u8::try_from(name.len()).expect("a command has a short name");
    [&header(4, 1 + name.len() as u64 + body.len() as u64)[..], &[name_bytes], name, body].concat()
}

/// The READY command of a socket kind.
pub fn ready(kind: &[u8]) -> Vec<u8> {
    let length = u32::try_from(kind.len()).expect("a kind of socket has a short name").to_be_bytes();
    command(b"READY", &[&b"\x0bSocket-Type"[..], &length, kind].concat())
}

/// A connection to a socket of libzmq, with the handshake behind it.
#[derive(Debug)]
pub struct Peer {
    pub stream: TcpStream,
    pub version: Version,
}

impl Peer {
    /// Connect to a socket that is bound at `tcp://HOST:PORT`, as a socket of this kind.
    #[track_caller]
    pub fn connect(endpoint: &str, version: Version, kind: Kind) -> Self {
        let stream = connect(endpoint);
        Self::greet(stream, version, kind).unwrap_or_else(|cause| panic!("handshake with {endpoint}: {cause}"))
    }

    /// Do the handshake over a connection.
    pub fn greet(mut stream: TcpStream, version: Version, kind: Kind) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(STEP))?;
        stream.set_write_timeout(Some(STEP))?;
        stream.write_all(&version.greeting(kind))?;
        let mut greeting = vec![0; version.greeted_bytes(kind)];
        stream.read_exact(&mut greeting)?;
        if matches!(version, Version::V30 | Version::V31) {
            stream.write_all(&ready(kind.name().as_bytes()))?;
            let command = read_frame(&mut stream)?;
            if !command.starts_with(b"\x05READY") {
                let words = format!("READY expected, not {}", command.escape_ascii());
                return Err(io::Error::new(io::ErrorKind::InvalidData, words));
            }
        }
        Ok(Self { stream, version })
    }

    /// Send one message.
    #[track_caller]
    pub fn send(&mut self, frames: &[&[u8]]) {
        self.raw(&self.version.message(frames)).expect("send a message");
    }

    /// Subscribe to a topic.
    #[track_caller]
    pub fn subscribe(&mut self, topic: &[u8]) {
        self.raw(&self.version.subscription(topic)).expect("subscribe");
    }

    /// Send any bytes.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// End the connection as a program does that has read all: with bytes unread the operating system would break it off.
    pub fn leave(self) {
        // The other side may be gone already.
        let _ = self.stream.shutdown(Shutdown::Write);
        drain(self.stream);
    }

    /// Receive one frame of ZMTP 2 or 3, or a command.
    pub fn receive(&mut self) -> io::Result<Vec<u8>> {
        read_frame(&mut self.stream)
    }
}

/// A bare connection to `tcp://HOST:PORT`.
#[track_caller]
pub fn connect(endpoint: &str) -> TcpStream {
    let address = endpoint.strip_prefix("tcp://").unwrap_or_else(|| panic!("{endpoint} is no tcp:// endpoint"));
    TcpStream::connect(address).unwrap_or_else(|cause| panic!("connect to {endpoint}: {cause}"))
}

/// Read a short frame of ZMTP 2 or 3.
fn read_frame(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut begin = [0; 2];
    stream.read_exact(&mut begin)?;
    let length = match begin {
        [flags, length] if flags & 2 == 0 => usize::from(length),
        [_, first] => {
            let mut length = [0; 8];
            length[0] = first;
            stream.read_exact(&mut length[1..])?;
            usize::try_from(u64::from_be_bytes(length)).unwrap_or(usize::MAX)
        }
    };
    if length > COMMAND_MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes")));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(body)
}

/// A bound socket that sends to all who connect to it. It filters nothing: subscribers drop what they did not ask for.
pub struct Publisher {
    pub port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    version: Version,
    kind: Kind,
    /// Those with a handshake behind them, each with its number.
    peers: Mutex<Vec<(usize, Peer)>>,
    /// All connections, to be broken.
    streams: Mutex<Vec<(usize, TcpStream)>>,
    accepted: AtomicUsize,
    links: AtomicUsize,
    is_closing: AtomicBool,
}

impl Publisher {
    /// Bind to a free port of this machine.
    pub fn bind(version: Version, kind: Kind) -> Self {
        Self::bind_at(0, version, kind)
    }

    /// Bind to a port, which may have been another publisher's just before.
    #[track_caller]
    pub fn bind_at(port: u16, version: Version, kind: Kind) -> Self {
        let mut listener = TcpListener::bind(("127.0.0.1", port));
        // A connection of somebody else may have the port for a moment.
        eventually("the port is free", || {
            if listener.is_err() {
                listener = TcpListener::bind(("127.0.0.1", port));
            }
            listener.is_ok()
        });
        let listener = listener.unwrap_or_else(|cause| panic!("bind to port {port}: {cause}"));
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let shared = Arc::new(Shared {
            version,
            kind,
            peers: Mutex::default(),
            streams: Mutex::default(),
            accepted: AtomicUsize::new(0),
            links: AtomicUsize::new(0),
            is_closing: AtomicBool::new(false),
        });
        let thread = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || serve(&listener, &shared))
        };
        Self { port, shared, thread: Some(thread) }
    }

    pub fn endpoint(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// How many connections were made, with or without a handshake.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many handshakes were done.
    pub fn links(&self) -> usize {
        self.shared.links.load(Ordering::SeqCst)
    }

    /// How many peers there are now.
    pub fn peers(&self) -> usize {
        self.shared.peers.lock().unwrap().len()
    }

    /// Send a message to all peers. Returns how many took it.
    pub fn send(&self, frames: &[&[u8]]) -> usize {
        self.send_raw(&self.shared.version.message(frames))
    }

    /// Send any bytes to all peers. Returns how many took them.
    pub fn send_raw(&self, bytes: &[u8]) -> usize {
        let mut peers = self.shared.peers.lock().unwrap();
        peers.retain_mut(|(_, peer)| peer.raw(bytes).is_ok());
        peers.len()
    }

    /// End all connections; who connects again is welcome.
    pub fn break_links(&self) {
        self.shared.peers.lock().unwrap().clear();
        for (_, stream) in self.shared.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// End as a process does that is killed: nobody listens any more, and all connections end.
    pub fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.shared.is_closing.store(true, Ordering::SeqCst);
        // What waits for a connection is woken by one.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        let ended = thread.join();
        self.break_links();
        assert!(ended.is_ok() || thread::panicking(), "the publisher on port {} panicked", self.port);
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.end();
    }
}

fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.is_closing.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
        let Ok(held) = stream.try_clone() else { continue };
        shared.streams.lock().unwrap().push((number, held));
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // A peer that goes away in the handshake is no link, and its matter.
            let _ = attend(stream, number, &shared);
            shared.peers.lock().unwrap().retain(|(of, _)| *of != number);
            shared.streams.lock().unwrap().retain(|(of, _)| *of != number);
        });
    }
}

/// Greet a peer, and read what it says until it goes.
fn attend(stream: TcpStream, number: usize, shared: &Shared) -> io::Result<()> {
    let mut reader = stream.try_clone()?;
    let peer = Peer::greet(stream, shared.version, shared.kind)?;
    reader.set_read_timeout(None)?;
    shared.peers.lock().unwrap().push((number, peer));
    shared.links.fetch_add(1, Ordering::SeqCst);
    let mut piece = [0; 4096];
    while reader.read(&mut piece)? > 0 {}
    Ok(())
}

/// A server that is no peer: it gives each connection to `answer`, one after the other, until the test ends.
pub struct Impostor {
    pub port: u16,
}

impl Impostor {
    pub fn bind(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind to a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = Arc::clone(&answer);
                thread::spawn(move || answer(stream));
            }
        });
        Self { port }
    }

    pub fn endpoint(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }
}

/// Read and throw away until the other side goes.
pub fn drain(mut stream: TcpStream) {
    let mut piece = [0; 4096];
    while stream.read(&mut piece).is_ok_and(|count| count > 0) {}
}
