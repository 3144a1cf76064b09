//! Looks what is at an endpoint, over a connection of its own, when a link does not come up. libzmq tells no cause.
//!
//! It says what a subscriber says (see ZMTP 3.0, <https://rfc.zeromq.org/spec/23/>) and looks at what comes back.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::socket::cause::Cause;
use crate::socket::peer::Found;

/// The longest time for the connection, ...
const CONNECT: Duration = Duration::from_millis(1_000);

/// ... for the answer to the greeting, ...
const GREETING: Duration = Duration::from_millis(700);

/// ... and for the one to each step after it.
const STEP: Duration = Duration::from_millis(400);

/// The greeting of ZMTP 3.
const GREETING_BYTES: usize = 64;

/// Where the revision of the protocol is in the greeting, and the mechanism.
const REVISION_AT: usize = 10;
const MECHANISM_AT: std::ops::Range<usize> = 12..32;

/// Flags that libzmq 2 sets in each frame.
const ZMTP_1_IDLE_FLAGS: u8 = 0x7e;

/// An answer is not read beyond this.
const ANSWER_MAX_BYTES: usize = 512;

/// So much of what is not ZeroMQ is shown.
const SHOWN_BYTES: usize = 24;

/// What we are: the kind of our socket, and the kinds that send to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ours {
    pub kind: &'static str,
    pub senders: &'static [&'static str],
    /// How we secure the connection.
    pub mechanism: &'static str,
}

/// The mechanism with keys.
pub(super) const CURVE: &str = "CURVE";

/// Look what is at a TCP address.
pub(super) fn tcp(address: SocketAddr, ours: Ours) -> Found {
    match TcpStream::connect_timeout(&address, CONNECT) {
        Ok(stream) => {
            let limit = |stream: &TcpStream, time| stream.set_read_timeout(Some(time));
            talk(stream, limit, ours)
        }
        Err(cause) => Found::Not(connect_failed(&cause)),
    }
}

/// Look what is at a path.
pub(super) fn ipc(path: &str, ours: Ours) -> Found {
    match UnixStream::connect(path) {
        Ok(stream) => talk(stream, |stream, time| stream.set_read_timeout(Some(time)), ours),
        Err(cause) => Found::Not(connect_failed(&cause)),
    }
}

fn connect_failed(cause: &io::Error) -> Cause {
    match cause.kind() {
        ErrorKind::ConnectionRefused => Cause::Refused,
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Cause::NoConnection,
        _ => Cause::NoRoute(cause.to_string()),
    }
}

/// Greet, and see what is answered. Each step waits for the answer to the one before: who refuses us then has said why, and
/// what it said is not lost with the connection.
fn talk<S: Read + Write>(mut stream: S, limit: impl Fn(&S, Duration) -> io::Result<()>, ours: Ours) -> Found {
    let mut answer = Vec::new();
    let is_over = |answer: &[u8]| verdict(answer, ours).is_some();
    let greeting = greeting(ours);
    let (signature, rest) = greeting.split_at(REVISION_AT + 1);
    let (mechanism, ready) = rest.split_at(GREETING_BYTES - signature.len());
    let mut ended = stream.write_all(signature).is_err();
    let is_greeted = |answer: &[u8]| is_over(answer) || answer.len() >= GREETING_BYTES;
    ended |= read(&mut stream, &mut answer, &limit, GREETING, is_greeted);
    // What waits for a line says something to an empty one.
    let steps: &[&[u8]] = if answer.is_empty() { &[b"\r\n\r\n"] } else { &[mechanism, ready] };
    for step in steps {
        if ended || is_over(&answer) {
            break;
        }
        ended = stream.write_all(step).is_err() || read(&mut stream, &mut answer, &limit, STEP, is_over);
    }
    match (verdict(&answer, ours), answer.is_empty()) {
        (Some(found), _) => found,
        (None, _) if ended => Found::Not(Cause::HungUp),
        (None, true) => Found::Not(Cause::NoAnswer),
        (None, false) => Found::Not(Cause::Hangs),
    }
}

/// Read until there is a verdict, the time is over, or the peer ends it. Returns whether the peer did.
fn read<S: Read>(
    stream: &mut S,
    answer: &mut Vec<u8>,
    limit: &impl Fn(&S, Duration) -> io::Result<()>,
    time: Duration,
    is_over: impl Fn(&[u8]) -> bool,
) -> bool {
    let end = Instant::now() + time;
    let mut piece = [0; ANSWER_MAX_BYTES];
    while answer.len() < ANSWER_MAX_BYTES && !is_over(answer) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || limit(stream, left).is_err() {
            return false;
        }
        match stream.read(&mut piece) {
            Ok(0) => return true,
            Ok(count) => answer.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(cause) if matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return false,
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            Err(_) => return true,
        }
    }
    false
}

/// The greeting of a client, and the READY of one without security.
fn greeting(ours: Ours) -> Vec<u8> {
    let mut bytes = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0];
    bytes.extend_from_slice(ours.mechanism.as_bytes());
    bytes.resize(GREETING_BYTES, 0);
    let mut ready = b"\x05READY\x0bSocket-Type\0\0\0".to_vec();
    ready.push(ours.kind.len() as u8);
    ready.extend_from_slice(ours.kind.as_bytes());
    bytes.extend_from_slice(&[4, ready.len() as u8]);
    bytes.extend_from_slice(&ready);
    bytes
}

/// What an answer says, as soon as it says something.
fn verdict(answer: &[u8], ours: Ours) -> Option<Found> {
    let &first = answer.first()?;
    if first != 0xff {
        // ZMTP 1 begins with the length of an identity, and then flags, of which libzmq 2 sets six that mean nothing.
        return match answer.get(1)? & !ZMTP_1_IDLE_FLAGS {
            0 | 1 if first < 0x20 => Some(old(ours)),
            _ => Some(Found::Not(Cause::NotZeroMq(shown(answer)))),
        };
    }
    if answer.get(9).is_some_and(|last| last & 1 == 0) {
        return Some(Found::Not(Cause::NotZeroMq(shown(answer))));
    }
    if *answer.get(REVISION_AT)? < 3 {
        return Some(old(ours));
    }
    let mechanism = answer.get(MECHANISM_AT)?.split(|&byte| byte == 0).next().unwrap_or_default();
    match (mechanism == ours.mechanism.as_bytes(), ours.mechanism == CURVE) {
        (true, false) => {}
        // What follows is encrypted.
        (true, true) => return Some(Found::Secured),
        (false, true) => return Some(Found::Not(Cause::Offers(mechanism.escape_ascii().to_string()))),
        (false, false) => return Some(Found::Not(Cause::Wants(mechanism.escape_ascii().to_string()))),
    }
    let theirs = socket_type(answer.get(GREETING_BYTES..)?)?;
    match ours.senders.contains(&theirs.as_str()) {
        true => Some(Found::Reachable),
        false => Some(Found::Not(Cause::Kind(theirs, ours.kind))),
    }
}

/// A peer before ZMTP 3, which knows no keys.
fn old(ours: Ours) -> Found {
    match ours.mechanism == CURVE {
        true => Found::Not(Cause::Offers("no security, as before ZMTP 3".to_owned())),
        false => Found::Old,
    }
}

/// The kind of socket in a READY command.
fn socket_type(command: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"Socket-Type";
    let at = command.windows(NAME.len()).position(|window| window.eq_ignore_ascii_case(NAME))?;
    let (length, rest) = command.get(at + NAME.len()..)?.split_first_chunk::<4>()?;
    let kind = rest.get(..u32::from_be_bytes(*length) as usize)?;
    Some(kind.escape_ascii().to_string())
}

fn shown(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == b'\r' || byte == b'\n').unwrap_or(bytes.len());
    bytes.get(..end.min(SHOWN_BYTES)).unwrap_or_default().escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUB: Ours = Ours { kind: "SUB", senders: &["PUB", "XPUB"], mechanism: "NULL" };

    fn answered(bytes: &[u8]) -> Option<Found> {
        verdict(bytes, SUB)
    }

    #[test]
    fn an_answer_tells_what_is_there() {
        let of = |kind: &'static str| greeting(Ours { kind, senders: &[], mechanism: "NULL" });
        assert_eq!(answered(&of("XPUB")), Some(Found::Reachable));
        assert_eq!(answered(&of("PUSH")), Some(Found::Not(Cause::Kind("PUSH".to_owned(), "SUB"))));
        let mut curve = of("PUB");
        curve[12..17].copy_from_slice(b"CURVE");
        assert_eq!(answered(&curve), Some(Found::Not(Cause::Wants("CURVE".to_owned()))));
        assert_eq!(answered(b"\xff\0\0\0\0\0\0\0\0\x7f\x01\x01\0\0"), Some(Found::Old));
        let secured = Ours { mechanism: CURVE, ..SUB };
        assert_eq!(verdict(&curve, secured), Some(Found::Secured));
        assert_eq!(verdict(&of("PUB"), secured), Some(Found::Not(Cause::Offers("NULL".to_owned()))));
        assert!(matches!(verdict(b"\x01\0", secured), Some(Found::Not(Cause::Offers(_)))));
        assert_eq!(answered(b"\x01\0"), Some(Found::Old));
        assert_eq!(answered(b"\x01\x7e"), Some(Found::Old));
        assert_eq!(
            answered(b"HTTP/1.0 400 Bad Request\r\nx: y"),
            Some(Found::Not(Cause::NotZeroMq("HTTP/1.0 400 Bad Request".to_owned())))
        );
    }

    #[test]
    fn the_beginning_of_an_answer_says_nothing_yet() {
        let whole = greeting(Ours { kind: "PUB", senders: &[], mechanism: "NULL" });
        for length in [0, 1, 10, 31, 63, 64, 80] {
            assert_eq!(answered(&whole[..length]), None, "{length}");
        }
    }
}
