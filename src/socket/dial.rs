//! The connecting side of a link: which address libzmq connects to, and what is done when it does not come up.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use zmq::{POLLIN, Socket};

use crate::error::{Error, Result};
use crate::socket::curve::{Keys, PublicKey};
use crate::socket::hold::Hold;
use crate::socket::inlets::ReceivingKind;
use crate::socket::monitor::{Heard, What};
use crate::socket::peer::{Found, Input, Output, Peer};
use crate::socket::probe::Ours;
use crate::socket::scout::{Answer, Question, Scout};
use crate::socket::{Cause, Endpoint, raw, socket_error};
use crate::time::clock::{NS_PER_S, monotonic_ns};

/// While a link is not up, its name is looked up again after this time: it may be given another address.
const RESOLVE_EVERY_NS: i64 = NS_PER_S;

/// An address that does not answer for so long is left for the next one of its name.
const NEXT_ADDRESS_NS: i64 = 3 * NS_PER_S;

/// A link that waits for its last messages to be read before it is connected anew is looked at again after this time.
const DRAIN_LOOK_NS: i64 = 2_000_000;

/// What a peer answers who does not admit us, as ZAP counts.
const NOT_ADMITTED: i32 = 400;

/// Connects to one device.
pub(super) struct Dial {
    /// The number of the link, for the scout.
    number: usize,
    peer: Peer,
    /// `HOST:PORT` where the host is a name.
    name: Option<String>,
    /// What libzmq connects to, in its words.
    address: Option<String>,
    /// When that was last changed.
    dialled_ns: i64,
    is_resolving: bool,
    resolve_due_ns: i64,
    is_asking: bool,
    /// Meanwhile libzmq does not connect: some servers talk to one at a time.
    is_paused: bool,
    /// It was cut off, and libzmq is not to connect until it is its time.
    is_cut: bool,
    /// What libzmq holds of it.
    pub hold: Hold,
    /// The connection that is there, or under way, to be asked what came over it.
    held: Option<OwnedFd>,
    /// It is to be connected anew as soon as all that came is read: libzmq would throw it away.
    redial: bool,
    ours: Ours,
    /// Our key, and the one that the peer must have.
    keys: Option<(PublicKey, PublicKey)>,
}

impl Dial {
    /// Connect to an endpoint, at once if it is an address.
    pub fn new(
        number: usize,
        endpoint: &Endpoint,
        kind: ReceivingKind,
        keys: &Keys,
        socket: &mut Socket,
        now_ns: i64,
    ) -> Result<Self> {
        keys.for_connecting(socket, number + 1)?;
        let keys = keys.own().zip(keys.server(number + 1));
        let name = endpoint.name().map(str::to_owned);
        let mut dial = Self {
            number,
            peer: Peer::new(name.is_none(), keys.is_some(), now_ns),
            address: name.is_none().then(|| endpoint.as_str().to_owned()),
            name,
            dialled_ns: now_ns,
            is_resolving: false,
            resolve_due_ns: now_ns,
            is_asking: false,
            is_paused: false,
            is_cut: false,
            hold: Hold::new(now_ns),
            held: None,
            redial: false,
            ours: kind.ours(keys.is_some()),
            keys,
        };
        dial.connect(socket).map(|()| dial)
    }

    /// How the link is.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Tell it what happened.
    pub fn take(&mut self, input: Input, now_ns: i64) {
        self.peer.take(input, now_ns);
    }

    /// Take what the monitor says.
    pub fn hear(&mut self, heard: Heard, now_ns: i64) {
        match heard.what {
            What::Connected | What::ConnectDelayed | What::ConnectRetried | What::HandshakeSucceeded if self.is_cut => {
                return;
            }
            What::Connected => self.held = raw::hold(heard.value).ok().flatten(),
            What::Disconnected | What::Closed => self.let_go(now_ns),
            _ => {}
        }
        self.take(Input::Heard(heard.what), now_ns);
        if let (What::HandshakeFailedAuth, Some((own, _))) = (heard.what, self.keys) {
            let cause = match heard.value {
                NOT_ADMITTED => Cause::NotAdmitted(own),
                status => Cause::CannotAdmit(status),
            };
            self.take(Input::Found(Found::Not(cause)), now_ns);
        }
    }

    /// The connection that is there.
    pub fn connection(&self) -> Option<BorrowedFd<'_>> {
        self.held.as_ref().map(AsFd::as_fd)
    }

    /// How much libzmq holds of what came.
    pub fn held_bytes(&self, now_ns: i64) -> u64 {
        let waiting_bytes = self.connection().map_or(0, raw::bytes_waiting);
        self.hold.bytes_beside(self.received_bytes(), waiting_bytes, now_ns)
    }

    fn received_bytes(&self) -> u64 {
        self.connection().and_then(raw::bytes_received).unwrap_or(0)
    }

    /// Cut it off, and leave it alone for a while.
    pub fn cut(&mut self, socket: &mut Socket, now_ns: i64) {
        if let Some(connection) = self.connection() {
            raw::cut_off(connection);
        }
        self.disconnect(socket);
        self.is_cut = true;
        self.take(Input::Cut, now_ns);
    }

    fn let_go(&mut self, now_ns: i64) {
        let received_bytes = self.received_bytes();
        self.hold.begin(received_bytes, now_ns);
        self.held = None;
    }

    /// Take what the scout found.
    pub fn answer(&mut self, answer: Answer, socket: &mut Socket, now_ns: i64) -> Result<()> {
        match answer {
            Answer::Found(found) => {
                self.is_asking = false;
                self.redial |= std::mem::take(&mut self.is_paused);
                let found = match (found, self.keys, self.peer.cause()) {
                    // It has said so itself.
                    (Found::Secured, _, Some(cause @ (Cause::NotAdmitted(_) | Cause::CannotAdmit(_)))) => {
                        Found::Not(cause.clone())
                    }
                    (Found::Secured, Some((_, server)), _) => Found::Not(Cause::OtherKey(server)),
                    (found, ..) => found,
                };
                self.take(Input::Found(found), now_ns);
                Ok(())
            }
            Answer::Addresses(found) => {
                self.is_resolving = false;
                match found {
                    Ok(addresses) if !addresses.is_empty() => self.resolved(addresses, socket, now_ns),
                    other => {
                        let words = other.err().unwrap_or_else(|| "it has no address".to_owned());
                        self.take(Input::Found(Found::Not(Cause::NameUnknown(words))), now_ns);
                        Ok(())
                    }
                }
            }
        }
    }

    /// Go to an address of the name, if the one that is used is none any more, or does not answer.
    fn resolved(&mut self, mut addresses: Vec<SocketAddr>, socket: &mut Socket, now_ns: i64) -> Result<()> {
        // Where a device listens on IPv4 only, the IPv6 address of its name would never answer.
        addresses.sort_by_key(SocketAddr::is_ipv6);
        addresses.dedup();
        let text = |address: &SocketAddr| format!("tcp://{address}");
        let place = self.address.as_ref().and_then(|used| addresses.iter().position(|address| text(address) == *used));
        let next = match place {
            // It came up while its name was looked up.
            _ if self.peer.is_up() => return Ok(()),
            Some(_) if now_ns - self.dialled_ns < NEXT_ADDRESS_NS => return Ok(()),
            Some(_) if addresses.len() == 1 => return Ok(()),
            Some(place) => place + 1,
            None => 0,
        };
        self.disconnect(socket);
        self.address = addresses.get(next % addresses.len()).map(text);
        self.dialled_ns = now_ns;
        self.connect(socket)?;
        self.take(Input::Dialled, now_ns);
        Ok(())
    }

    /// Do what is due. Gives what became of the link, if it is to be told.
    pub fn tend(&mut self, socket: &mut Socket, scout: &Scout, now_ns: i64) -> Result<Option<Output>> {
        self.take(Input::Tick, now_ns);
        if self.name.is_some() && !self.peer.is_up() && !self.is_resolving && now_ns >= self.resolve_due_ns {
            self.resolve_due_ns = now_ns + RESOLVE_EVERY_NS;
            let name = self.name.clone().unwrap_or_default();
            self.is_resolving = scout.ask(self.number, Question::Addresses(name));
        }
        while let Some(output) = self.peer.output() {
            match output {
                Output::Ask => self.ask(socket, scout),
                Output::Redial => self.redial = true,
                Output::LeaveAlone => {
                    self.disconnect(socket);
                    self.is_cut = true;
                }
                told => return Ok(Some(told)),
            }
        }
        if self.redial && !self.is_paused && is_drained(socket)? {
            (self.redial, self.is_cut) = (false, false);
            self.disconnect(socket);
            self.connect(socket)?;
        }
        Ok(None)
    }

    fn ask(&mut self, socket: &mut Socket, scout: &Scout) {
        let used = self.address.as_deref().unwrap_or_default();
        let question = match used.strip_prefix("ipc://") {
            Some(path) if !path.starts_with('@') => Some(Question::Ipc(path.to_owned(), self.ours)),
            Some(_) => None,
            None => used
                .strip_prefix("tcp://")
                .and_then(|text| text.parse().ok())
                .map(|address| Question::Tcp(address, self.ours)),
        };
        if let Some(question) = question.filter(|_| !self.is_asking) {
            self.is_asking = scout.ask(self.number, question);
            let received = self.connection().and_then(raw::bytes_received);
            if self.is_asking && received == Some(0) {
                self.is_paused = true;
                self.disconnect(socket);
            }
        }
    }

    /// When there is something to do, on the monotonic clock.
    pub fn due_ns(&self) -> Option<i64> {
        let due_ns = self.peer.due_ns();
        if self.redial && !self.is_paused {
            return Some(monotonic_ns() + DRAIN_LOOK_NS);
        }
        match self.name.is_some() && !self.peer.is_up() && !self.is_resolving {
            true => Some(due_ns.map_or(self.resolve_due_ns, |due_ns| due_ns.min(self.resolve_due_ns))),
            false => due_ns,
        }
    }

    fn connect(&mut self, socket: &mut Socket) -> Result<()> {
        let Some(address) = &self.address else { return Ok(()) };
        socket
            .set_ipv6(address.starts_with("tcp://["))
            .map_err(|cause| socket_error("choose the kind of address", cause))?;
        raw::connect(socket, address).map_err(|cause| Error::Endpoint {
            operation: "connect to",
            endpoint: address.clone(),
            cause,
            hint: "check the address given with --connect",
        })
    }

    fn disconnect(&mut self, socket: &mut Socket) {
        self.let_go(monotonic_ns());
        if let Some(address) = &self.address {
            // Fails when libzmq has already forgotten the endpoint, which is as good.
            let _ = raw::disconnect(socket, address);
        }
    }
}

/// Whether all messages that came are read.
fn is_drained(socket: &Socket) -> Result<bool> {
    let events = socket.get_events().map_err(|cause| socket_error("look for messages", cause))?;
    Ok(!events.contains(POLLIN))
}
