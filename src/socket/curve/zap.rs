//! Decides who is admitted, in a thread of its own, which libzmq asks in each handshake: see ZAP,
//! <https://rfc.zeromq.org/spec/27/>. Where nobody answers, nobody is admitted.

use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{Builder, JoinHandle};

use zmq::{Context, DONTWAIT, POLLIN, PollItem, REP, SNDMORE, Socket};

use crate::error::{Error, Result};
use crate::socket::bell::Bell;
use crate::socket::curve::admission::{Admission, Admitted};
use crate::socket::curve::key::PublicKey;
use crate::socket::socket_error;
use crate::time::clock::{NS_PER_S, monotonic_ns};

/// Where libzmq asks.
const ENDPOINT: &str = "inproc://zeromq.zap.01";

/// How often the certificates are looked at: who is taken off is cut within a second.
const LOOK_EVERY_MS: i64 = 400;

/// The version of the protocol, in requests and answers.
const VERSION: &[u8] = b"1.0";

/// A request has so many frames with a key, and no frame is longer than this.
const REQUEST_FRAMES: usize = 7;
const FRAME_MAX_BYTES: usize = 255;

/// Of the same visitor it is told again after this time, ...
const TELL_AGAIN_NS: i64 = 60 * NS_PER_S;

/// ... and of so many different ones within it: thousands are counted only.
const TOLD_MAX: usize = 100;

/// Somebody who wants to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The link that it connects to, as `Keys::for_binding` was told it.
    pub link: usize,
    /// Its host.
    pub address: String,
    /// Its key, if it has one.
    pub key: Option<PublicKey>,
    /// Whether it is admitted.
    pub is_admitted: bool,
    /// How it could be.
    pub how: String,
}

impl fmt::Display for Visitor {
    /// What it has, and how it could be admitted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.key, self.is_admitted) {
            (Some(key), true) => write!(f, "it has the key {key}"),
            (Some(key), false) => write!(f, "its key {key} is not admitted; to admit it, {}", self.how),
            (None, _) => f.write_str("it has no key"),
        }
    }
}

/// What libzmq asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Of the request.
    id: Vec<u8>,
    /// As it was set on the socket.
    domain: String,
    /// The peer's host.
    address: String,
    /// What the peer proves that it has.
    key: Option<PublicKey>,
}

impl Request {
    /// Read the frames of a request.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(frames: &[Vec<u8>]) -> std::result::Result<Self, &'static str> {
        let [version, id, domain, address, _identity, mechanism, credentials @ ..] = frames else {
            return Err("a request of too few frames");
        };
        if version != VERSION {
            return Err("a request of another version");
        }
        if frames.iter().any(|frame| frame.len() > FRAME_MAX_BYTES) {
            return Err("a frame that is too long");
        }
        let key = match (mechanism.as_slice(), credentials) {
            (b"CURVE", [key]) => PublicKey::of(key),
            _ => None,
        };
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        Ok(Self { id: id.clone(), domain: text(domain), address: text(address), key })
    }
}

/// What an admitted peer is called inside libzmq: its key, and when it was admitted.
fn user_id(key: &PublicKey, admitted_ns: i64) -> String {
    format!("{key} {admitted_ns}")
}

/// The key of a peer, and when it was admitted.
pub(in crate::socket) fn of_user_id(text: &str) -> Option<(PublicKey, i64)> {
    let (key, admitted_ns) = text.split_once(' ')?;
    Some((PublicKey::parse(key.as_bytes())?, admitted_ns.parse().ok()?))
}

/// Decides for the sockets of one context, until it is dropped.
pub(in crate::socket) struct Doorkeeper {
    admitted: Arc<Mutex<Admitted>>,
    visitors: mpsc::Receiver<Visitor>,
    /// Somebody was taken off since this was asked last.
    is_shorter: Arc<AtomicBool>,
    /// Rung when there is something to be asked.
    news: Arc<Bell>,
    stop: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl Doorkeeper {
    /// Begin to decide, before the first socket of the context is bound.
    pub fn start(context: &Context, admission: Admission) -> Result<Self> {
        let open = || -> zmq::Result<Socket> {
            let socket = context.socket(REP)?;
            socket.set_linger(0)?;
            socket.bind(ENDPOINT)?;
            Ok(socket)
        };
        let socket = open().map_err(|cause| socket_error("begin to admit peers (ZAP)", cause))?;
        let (news, stop, is_shorter) = (Arc::new(Bell::new()?), Arc::new(Bell::new()?), Arc::default());
        let (sender, visitors) = mpsc::sync_channel(2 * TOLD_MAX);
        let admitted = Arc::new(Mutex::new(Admitted::new(admission)));
        let desk = Desk {
            socket,
            admitted: Arc::clone(&admitted),
            visitors: sender,
            is_shorter: Arc::clone(&is_shorter),
            news: Arc::clone(&news),
            stop: Arc::clone(&stop),
            told: BTreeMap::new(),
        };
        // Before anybody asks.
        desk.look();
        is_shorter.store(false, Relaxed);
        let thread = Builder::new()
            .name("doorkeeper".to_owned())
            .spawn(move || desk.run())
            .map_err(|cause| Error::System { operation: "start a thread", cause })?;
        Ok(Self { admitted, visitors, is_shorter, news, stop, thread: Some(thread) })
    }

    /// Who came, or wanted to, and was not told yet.
    pub fn visitor(&self) -> Option<Visitor> {
        self.news.silence();
        self.visitors.try_recv().ok()
    }

    /// Whether somebody was taken off the list since this was asked last.
    pub fn was_shortened(&self) -> bool {
        self.is_shorter.swap(false, Relaxed)
    }

    /// Whether somebody with this key is admitted.
    pub fn admits(&self, key: &PublicKey) -> bool {
        self.admitted.lock().unwrap_or_else(PoisonError::into_inner).admits(key)
    }
}

impl AsFd for Doorkeeper {
    /// Readable when there is something to be asked.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }
}

impl Drop for Doorkeeper {
    fn drop(&mut self) {
        self.stop.ring();
        if let Some(thread) = self.thread.take() {
            // It does nothing that could panic.
            let _ = thread.join();
        }
    }
}

/// The thread's side.
struct Desk {
    socket: Socket,
    admitted: Arc<Mutex<Admitted>>,
    visitors: mpsc::SyncSender<Visitor>,
    is_shorter: Arc<AtomicBool>,
    news: Arc<Bell>,
    stop: Arc<Bell>,
    /// When it was told of whom.
    told: BTreeMap<(Option<PublicKey>, bool), i64>,
}

impl Desk {
    fn run(mut self) {
        loop {
            let stop = self.stop.as_fd().as_raw_fd();
            let mut items = [PollItem::from_fd(stop, POLLIN), self.socket.as_poll_item(POLLIN)];
            match zmq::poll(&mut items, LOOK_EVERY_MS) {
                Ok(_) if items[0].is_readable() => return,
                Ok(0) => self.look(),
                Ok(_) | Err(zmq::Error::EINTR) => {}
                // From here on nobody is admitted.
                Err(cause) => return tracing::warn!("cannot wait for peers (ZAP): {cause}; nobody is admitted"),
            }
            match self.answer() {
                Ok(()) | Err(zmq::Error::EAGAIN | zmq::Error::EINTR) => {}
                Err(cause) => return tracing::warn!("cannot answer a peer (ZAP): {cause}; nobody is admitted"),
            }
        }
    }

    /// Look who is on the list.
    fn look(&self) {
        let (complaints, is_shorter) = self.admitted.lock().unwrap_or_else(PoisonError::into_inner).look();
        complaints.iter().for_each(|complaint| tracing::warn!("{complaint}"));
        if is_shorter {
            self.is_shorter.store(true, Relaxed);
            self.news.ring();
        }
    }

    /// Answer one request, if there is one.
    fn answer(&mut self) -> zmq::Result<()> {
        let mut frames = Vec::with_capacity(REQUEST_FRAMES);
        loop {
            let frame = self.socket.recv_bytes(DONTWAIT)?;
            // It is one of this process, of libzmq; a bound all the same.
            if frames.len() < 2 * REQUEST_FRAMES {
                frames.push(frame);
            }
            if !self.socket.get_rcvmore()? {
                break;
            }
        }
        let (id, user, words) = match Request::parse(&frames) {
            Ok(request) => {
                let user = self.decide(&request);
                (request.id, user, "it is not on the list")
            }
            Err(fault) => (frames.get(1).cloned().unwrap_or_default(), None, fault),
        };
        let (status, words) = if user.is_some() { ("200", "") } else { ("400", words) };
        let user = user.unwrap_or_default();
        for frame in [VERSION, &id, status.as_bytes(), words.as_bytes(), user.as_bytes()] {
            self.socket.send(frame, SNDMORE)?;
        }
        self.socket.send("", 0)
    }

    /// What somebody is called, who is admitted.
    fn decide(&mut self, request: &Request) -> Option<String> {
        // The list may have been changed a moment ago.
        let is_known = |desk: &Self| {
            let admitted = desk.admitted.lock().unwrap_or_else(PoisonError::into_inner);
            request.key.as_ref().is_some_and(|key| admitted.admits(key))
        };
        let is_admitted = is_known(self) || {
            self.look();
            is_known(self)
        };
        self.tell(request, is_admitted);
        request.key.as_ref().filter(|_| is_admitted).map(|key| user_id(key, monotonic_ns()))
    }

    fn tell(&mut self, request: &Request, is_admitted: bool) {
        let now_ns = monotonic_ns();
        self.told.retain(|_, told_ns| now_ns - *told_ns < TELL_AGAIN_NS);
        let who = (request.key, is_admitted);
        if self.told.len() >= TOLD_MAX || self.told.contains_key(&who) {
            return;
        }
        self.told.insert(who, now_ns);
        let how = self.admitted.lock().unwrap_or_else(PoisonError::into_inner).how();
        let link = request.domain.parse().unwrap_or_default();
        // One that nobody takes is told again in a minute.
        let _ = self.visitors.try_send(Visitor {
            link,
            address: request.address.clone(),
            key: request.key,
            is_admitted,
            how,
        });
        self.news.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::curve::certificate::create;
    use crate::socket::curve::{KeyFiles, Keys};

    fn frames(texts: &[&[u8]]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.to_vec()).collect()
    }

    #[test]
    fn a_request_is_read_and_a_wrong_one_has_no_key() {
        let key = [7; 32];
        let whole = frames(&[b"1.0", b"1", b"3", b"127.0.0.1", b"", b"CURVE", &key]);
        let request = Request::parse(&whole).unwrap();
        assert_eq!((request.domain.as_str(), request.key), ("3", PublicKey::of(&key)));
        for (at, text) in [(5, &b"PLAIN"[..]), (6, &key[1..]), (5, b"NULL")] {
            let mut wrong = whole.clone();
            wrong[at] = text.to_vec();
            assert_eq!(Request::parse(&wrong).unwrap().key, None);
        }
        assert!(Request::parse(&whole[..5]).is_err());
        assert!(Request::parse(&[]).is_err());
        let mut wrong = whole.clone();
        wrong[0] = b"2.0".to_vec();
        assert!(Request::parse(&wrong).is_err());
        let mut wrong = whole;
        wrong[3] = vec![b'a'; 256];
        assert!(Request::parse(&wrong).is_err());
    }

    #[test]
    fn a_user_id_says_who_and_when() {
        let key = PublicKey::of(&[9; 32]).unwrap();
        assert_eq!(of_user_id(&user_id(&key, -5)), Some((key, -5)));
        assert_eq!(of_user_id("x 1"), None);
        assert_eq!(of_user_id(""), None);
    }

    /// Whether a message of a client whose key would be admitted reaches a server that is secured, while `decides` does.
    fn arrives<T>(decides: impl FnOnce(&Context, &Keys) -> T) -> bool {
        let directory = tempfile::tempdir().unwrap();
        let pair = |name| create(directory.path(), name, false).unwrap();
        let ((server, own, _), (_, client, _)) = (pair("server"), pair("client"));
        let admission = Some(Admission::Any);
        let keys = Keys::load(&KeyFiles { own: Some(own), admission, ..KeyFiles::default() }).unwrap();
        let (context, others) = (Context::new(), Context::new());
        let decides = decides(&context, &keys);
        let mut pull = context.socket(zmq::PULL).unwrap();
        keys.for_binding(&mut pull, 0).unwrap();
        pull.bind("tcp://127.0.0.1:*").unwrap();
        let files = KeyFiles { own: Some(client), servers: vec![(None, server)], admission: None };
        let mut push = others.socket(zmq::PUSH).unwrap();
        Keys::load(&files).unwrap().for_connecting(&mut push, 1).unwrap();
        push.set_linger(0).unwrap();
        push.connect(&pull.get_last_endpoint().unwrap().unwrap()).unwrap();
        push.send("x", 0).unwrap();
        let has_come = pull.poll(POLLIN, 1_000).unwrap() > 0;
        drop(pull);
        drop(decides);
        has_come
    }

    #[test]
    fn where_nobody_decides_nobody_is_admitted() {
        assert!(arrives(|context, keys| keys.doorkeeper(context).unwrap()));
        assert!(!arrives(|_, _| ()), "there is no doorkeeper");
        let asleep = |context: &Context, _: &Keys| {
            let socket = context.socket(REP).unwrap();
            socket.bind(ENDPOINT).unwrap();
            socket
        };
        assert!(!arrives(asleep), "the doorkeeper does not answer");
        let is_gone = |context: &Context, keys: &Keys| drop(keys.doorkeeper(context).unwrap());
        assert!(!arrives(is_gone), "the doorkeeper has gone");
    }
}
