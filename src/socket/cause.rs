//! Why a device is not reached, in words that can be acted on.

use std::fmt;

use crate::socket::curve::PublicKey;

/// Why a device is not reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nobody listens there.
    Refused,
    /// The name has no address: the resolver's words.
    NameUnknown(String),
    /// The network does not lead there, or another error of the operating system: its words.
    NoRoute(String),
    /// Nobody answers the attempt to connect.
    NoConnection,
    /// The connection is accepted, and then nothing comes.
    NoAnswer,
    /// What comes is not ZeroMQ: its beginning.
    NotZeroMq(String),
    /// The peer wants this mechanism.
    Wants(String),
    /// The peer does not want keys, but this.
    Offers(String),
    /// The peer has not this key.
    OtherKey(PublicKey),
    /// The peer does not admit this key of ours.
    NotAdmitted(PublicKey),
    /// The peer could not decide whether it admits us: its answer, as ZAP counts.
    CannotAdmit(i32),
    /// The peer is a socket of a kind that does not send to ours: its kind, and ours.
    Kind(String, &'static str),
    /// The peer begins the handshake and does not go on.
    Hangs,
    /// The peer ends the connection during the handshake.
    HungUp,
    /// It was cut off, because it sent more than can be held.
    CutOff,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused: nobody listens there"),
            Self::NameUnknown(words) => write!(f, "the name cannot be resolved: {words}"),
            Self::NoRoute(words) => write!(f, "no route: {words}"),
            Self::NoConnection => {
                f.write_str("no answer to the attempt to connect: the host is off, or a firewall drops it")
            }
            Self::NoAnswer => f.write_str("no answer to the greeting: it accepts the connection and says nothing"),
            Self::NotZeroMq(begins) => write!(f, "what listens there is not ZeroMQ: it says '{begins}'"),
            Self::Wants(mechanism) => match mechanism.as_str() {
                "CURVE" => {
                    f.write_str("it wants CURVE, and this side has no key; give its certificate with --server-key")
                }
                mechanism => write!(f, "it wants {mechanism}, and this side offers none"),
            },
            Self::Offers(mechanism) => write!(
                f,
                "it offers {mechanism}, and no CURVE: it is not the peer whose key was given, or does not encrypt; \
                 without --server-key any peer that answers there is accepted"
            ),
            Self::OtherKey(key) => write!(
                f,
                "it does not prove that it has the key {key}: compare --server-key with its public certificate"
            ),
            Self::NotAdmitted(key) => {
                write!(f, "it does not admit our key {key}: our public certificate must be among those that it allows")
            }
            Self::CannotAdmit(status) => {
                write!(f, "it could not decide whether it admits us (status {status}); see its log")
            }
            Self::Kind(theirs, ours) => write!(f, "it is a {theirs} socket, which does not send to {ours}"),
            Self::Hangs => f.write_str("the handshake hangs: it begins it and does not go on"),
            Self::CutOff => f.write_str("it was cut off: it sent more than --queue and --max-message can hold"),
            Self::HungUp => f.write_str("it ends the connection during the handshake"),
        }
    }
}
