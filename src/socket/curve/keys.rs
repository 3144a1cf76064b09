//! Which keys the endpoints of a socket are connected and bound with.

use std::path::PathBuf;
use std::sync::Arc;

use zmq::{Context, Socket};

use crate::error::{Error, Result};
use crate::socket::curve::admission::Admission;
use crate::socket::curve::certificate::{Half, load};
use crate::socket::curve::key::{KeyPair, PublicKey};
use crate::socket::curve::zap::Doorkeeper;
use crate::socket::raw::{self, RawOption};
use crate::socket::{Endpoint, socket_error};

/// Where the keys are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFiles {
    /// The secret certificate of this side.
    pub own: Option<PathBuf>,
    /// Public certificates of the peers that are connected to: of the endpoint of this number, counting from 1, or of all.
    pub servers: Vec<(Option<usize>, PathBuf)>,
    /// Who may connect.
    pub admission: Option<Admission>,
}

/// How the connections of an endpoint are secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    None,
    /// The peer proves that it has this key.
    Peer(PublicKey),
    /// Peers that connect prove that they have a key that is admitted.
    Admission,
}

impl Security {
    /// The key of the peer that is connected to.
    pub fn peer_key(self) -> Option<PublicKey> {
        match self {
            Self::Peer(key) => Some(key),
            Self::None | Self::Admission => None,
        }
    }
}

impl KeyFiles {
    /// Those that are for the endpoint of this number, which becomes the only one.
    pub fn of(&self, number: usize) -> Self {
        let is_for = |(of, _): &&(Option<usize>, PathBuf)| of.is_none_or(|of| of == number);
        let servers = self.servers.iter().filter(is_for).map(|(of, path)| (of.map(|_| 1), path.clone())).collect();
        Self { servers, ..self.clone() }
    }
}

/// The keys.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    own: Option<Arc<KeyPair>>,
    servers: Vec<(Option<usize>, PublicKey)>,
    /// Who may connect.
    pub admission: Option<Admission>,
}

impl Keys {
    /// Read them. Who connects without a key of its own gets a new one.
    ///
    /// # Errors
    /// When a file is not what it should be.
    pub fn load(files: &KeyFiles) -> Result<Self> {
        let own = match &files.own {
            Some(path) => {
                let certificate = load(path, Half::Secret)?;
                certificate.secret.map(|secret| KeyPair { public: certificate.public, secret })
            }
            None if files.servers.is_empty() => None,
            None => Some(KeyPair::generate()?),
        };
        let server = |(number, path): &(Option<usize>, PathBuf)| Ok((*number, load(path, Half::Public)?.public));
        let servers = files.servers.iter().map(server).collect::<Result<_>>()?;
        Ok(Self { own: own.map(Arc::new), servers, admission: files.admission.clone() })
    }

    /// How an endpoint is secured: the connected one of this number, or a bound one.
    pub fn security(&self, number: usize, is_bound: bool) -> Security {
        match (is_bound, self.server(number)) {
            (true, _) if self.is_server() => Security::Admission,
            (false, Some(server)) => Security::Peer(server),
            _ => Security::None,
        }
    }

    /// The key of this side.
    pub fn own(&self) -> Option<PublicKey> {
        self.own.as_ref().map(|own| own.public)
    }

    /// The key that the peer at the connected endpoint of this number must have; `None` where it speaks in the clear.
    pub fn server(&self, number: usize) -> Option<PublicKey> {
        let of = |wanted| self.servers.iter().rfind(|(number, _)| *number == wanted).map(|(_, key)| *key);
        of(Some(number)).or_else(|| of(None))
    }

    /// Whether something is connected to with a key.
    pub fn is_client(&self) -> bool {
        !self.servers.is_empty()
    }

    /// Begin to admit peers of this context's sockets, if they bind with a key.
    ///
    /// # Errors
    /// When that cannot be begun.
    pub(in crate::socket) fn doorkeeper(&self, context: &Context) -> Result<Option<Doorkeeper>> {
        let admission = self.admission.clone().filter(|_| self.is_server());
        admission.map(|admission| Doorkeeper::start(context, admission)).transpose()
    }

    /// Say of endpoints that other machines reach, and that are bound in the clear, what whoever connects can do.
    pub(in crate::socket) fn warn_of_strangers(&self, bound: &[Endpoint], can: &str) {
        for endpoint in bound.iter().filter(|endpoint| endpoint.is_open() && !self.is_server()) {
            tracing::warn!(
                "{endpoint} is open to other machines: everybody who reaches it {can}, and so can whoever is on the \
                 way; --key and --allow admit only peers that you know"
            );
        }
    }

    /// Whether who binds does so with a key.
    pub fn is_server(&self) -> bool {
        self.own.is_some() && self.admission.is_some()
    }

    /// Let what is connected from now on to the endpoint of this number be secured, or not.
    ///
    /// # Errors
    /// When this libzmq has no CURVE.
    pub(in crate::socket) fn for_connecting(&self, socket: &mut Socket, number: usize) -> Result<()> {
        let (Some(own), Some(server)) = (&self.own, self.server(number)) else { return self.in_the_clear(socket) };
        let set = || -> zmq::Result<()> {
            socket.set_curve_server(false)?;
            socket.set_curve_serverkey(server.bytes())?;
            socket.set_curve_publickey(own.public.bytes())?;
            socket.set_curve_secretkey(own.secret.bytes())
        };
        set().map_err(|cause| socket_error("secure a connection (CURVE)", cause))
    }

    /// Let what is bound from now on be secured, or not. The doorkeeper tells whoever comes with this number of a link. Where
    /// there is no doorkeeper nobody is admitted.
    ///
    /// # Errors
    /// When this libzmq has no CURVE.
    pub(in crate::socket) fn for_binding(&self, socket: &mut Socket, link: usize) -> Result<()> {
        let (Some(own), true) = (&self.own, self.is_server()) else { return self.in_the_clear(socket) };
        let set = || -> zmq::Result<()> {
            socket.set_curve_server(true)?;
            socket.set_curve_secretkey(own.secret.bytes())?;
            socket.set_zap_domain(&link.to_string())
        };
        set().map_err(|cause| socket_error("secure a socket (CURVE)", cause))?;
        raw::set(socket, RawOption::ZapEnforceDomain, true)
            .map_err(|cause| Error::Socket { operation: "secure a socket (ZAP)", cause })
    }

    /// Without a key. Where no key was set there is nothing to be taken back.
    fn in_the_clear(&self, socket: &Socket) -> Result<()> {
        match self.own {
            None => Ok(()),
            Some(_) => {
                socket.set_curve_server(false).map_err(|cause| socket_error("use a connection in the clear", cause))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_an_endpoint_comes_before_the_one_of_all() {
        let [one, other] = [1, 2].map(|byte| PublicKey::of(&[byte; 32]).unwrap());
        let keys = Keys { servers: vec![(Some(2), other), (None, one)], ..Keys::default() };
        assert_eq!([1, 2, 3].map(|number| keys.server(number)), [Some(one), Some(other), Some(one)]);
        let keys = Keys { servers: vec![(Some(2), other)], ..Keys::default() };
        assert_eq!([1, 2].map(|number| keys.server(number)), [None, Some(other)]);
    }
}
