//! Why a device is not reached, in words that can be acted on.

use std::fmt;

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
            Self::Wants(mechanism) => write!(f, "it wants {mechanism}, and this side offers none"),
            Self::Kind(theirs, ours) => write!(f, "it is a {theirs} socket, which does not send to {ours}"),
            Self::Hangs => f.write_str("the handshake hangs: it begins it and does not go on"),
            Self::CutOff => f.write_str("it was cut off: it sent more than --queue and --max-message can hold"),
            Self::HungUp => f.write_str("it ends the connection during the handshake"),
        }
    }
}
