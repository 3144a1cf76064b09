//! Peers that say anything in the words of ZMTP: they cost a daemon nothing for long, and the good peer beside them nothing.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fancyhwd::device::Simulated;
use rusqlite::Connection;
use rustix::net::sockopt::set_socket_linger;

use super::kill::{published, seeded};
use super::old_peers::wait_until;
use super::zmtp::{Kind, SIGNATURE, Version, command, greeting_3, header, ready};
use super::{Bench, Daemon, Finished, eventually, samples};

/// Peers at a time.
const AT_ONCE: usize = 8;

/// A peer that says nothing more stays for so long at most.
const STAY_MAX_MS: usize = 20;

/// What a daemon may hold more after all peers than after the first tenth of them: libzmq and the allocator keep some.
const GROWTH_MAX_BYTES: u64 = 24 << 20;

/// How often the good peer sends.
const RATE_HZ: u32 = 500;

/// Random choices of one peer.
struct Dice(Simulated);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0.rand() as usize % bound
    }

    /// Random bytes, fewer than so many.
    fn bytes(&mut self, bound: usize) -> Vec<u8> {
        let count = self.below(bound);
        (0..count).map(|_| self.below(256) as u8).collect()
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn kind(&mut self) -> &'static [u8] {
        self.of(&[b"PUB", b"SUB", b"XPUB", b"XSUB", b"PUSH", b"PULL", b"REQ", b"ROUTER", b"PAIR", b"", b"\xff\0?"])
    }

    fn mechanism(&mut self) -> Vec<u8> {
        let known = self.of(&[&b"NULL"[..], b"PLAIN", b"CURVE", b"GSSAPI", b"MAGIC", b"NULL\0\0\0PLAIN", b""]);
        if self.below(5) == 0 { self.bytes(20) } else { known.to_vec() }
    }

    /// Change some bytes, or cut some off.
    fn spoil(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        for _ in 0..self.below(4) {
            if !bytes.is_empty() {
                let at = self.below(bytes.len());
                bytes[at] = self.below(256) as u8;
            }
        }
        if self.below(4) == 0 {
            bytes.truncate(self.below(bytes.len() + 1));
        }
        bytes
    }

    fn greeting(&mut self) -> Vec<u8> {
        let kind = self.of(&[Kind::Pub, Kind::Sub, Kind::Pull, Kind::Push]);
        match self.below(12) {
            0 => Vec::new(),
            1 => self.bytes(200),
            2 => [&SIGNATURE[..], &self.bytes(80)].concat(),
            3 => Version::V1.greeting(kind),
            4 => Version::V2.greeting(kind),
            5 => {
                let greeting = greeting_3(self.below(256) as u8, &self.mechanism(), self.below(2) == 1);
                self.spoil(greeting)
            }
            6 | 7 => greeting_3(self.below(3) as u8, &self.mechanism(), self.below(2) == 1),
            _ => self.of(&[Version::V30, Version::V31]).greeting(kind),
        }
    }

    fn command(&mut self) -> Vec<u8> {
        const NAMES: [&[u8]; 13] = [
            b"READY",
            b"ERROR",
            b"PING",
            b"PONG",
            b"SUBSCRIBE",
            b"CANCEL",
            b"HELLO",
            b"WELCOME",
            b"INITIATE",
            b"MESSAGE",
            b"JOIN",
            b"LEAVE",
            b"",
        ];
        let name = if self.below(6) == 0 { self.bytes(200) } else { self.of(&NAMES).to_vec() };
        command(&name, &self.bytes(300))
    }

    /// Something that is said after the greeting.
    fn words(&mut self) -> Vec<u8> {
        const LENGTHS: [u64; 8] = [0, 255, 65_536, (16 << 20) + 1, 1 << 31, 1 << 62, 1 << 63, u64::MAX];
        match self.below(12) {
            0..=2 => ready(self.kind()),
            3 => {
                let ready = ready(self.kind());
                self.spoil(ready)
            }
            4 | 5 => self.command(),
            6 => {
                let body = self.bytes(300);
                [header(self.below(256) as u8 & !2, body.len() as u64), body].concat()
            }
            7 => {
                let body = vec![0x55; self.below(100_000)];
                [header(self.below(2) as u8, body.len() as u64), body].concat()
            }
            // A frame that is announced, and of which little comes.
            8 => [&[self.below(256) as u8 | 2][..], &self.of(&LENGTHS).to_be_bytes(), &self.bytes(50)].concat(),
            9 => [header(0, 4), vec![self.below(2) as u8], b"abc".to_vec()].concat(),
            // Many empty frames, each with more to follow.
            10 => header(1, 0).repeat(self.below(2_000)),
            _ => self.bytes(100),
        }
    }
}

/// Be such a peer over a connection, to its end.
fn misbehave(mut stream: TcpStream, seed: u32) {
    let mut dice = Dice(Simulated::new(seed));
    let stay = Duration::from_millis(1 + dice.below(STAY_MAX_MS) as u64);
    let set = stream.set_read_timeout(Some(stay)).and_then(|()| stream.set_write_timeout(Some(stay)));
    let mut is_there = set.is_ok() && stream.write_all(&dice.greeting()).is_ok();
    let mut piece = [0; 1024];
    for _ in 0..dice.below(12) {
        if dice.below(3) == 0 {
            let _ = stream.read(&mut piece);
        }
        is_there = is_there && stream.write_all(&dice.words()).is_ok();
    }
    match dice.below(4) {
        0 => _ = set_socket_linger(&stream, Some(Duration::ZERO)),
        1 => _ = stream.shutdown(Shutdown::Write).and_then(|()| stream.read(&mut piece)),
        2 => _ = stream.read(&mut piece),
        _ => {}
    }
}

/// What a process holds: threads and descriptors.
fn held(daemon: &Daemon) -> [usize; 2] {
    ["task", "fd"].map(|what| fs::read_dir(format!("/proc/{}/{what}", daemon.pid())).expect("it runs").count())
}

/// Let so many peers misbehave, of which each is made by `connection`, which is dropped behind the last. The daemon lives,
/// and holds what it held before.
fn survives(daemon: &Daemon, peers: usize, before: [usize; 2], connection: impl Fn(usize) -> Option<TcpStream> + Sync) {
    let seed = seeded().rand();
    let (next, early_bytes) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for worker in 0..AT_ONCE {
            let (next, early_bytes, connection) = (&next, &early_bytes, &connection);
            scope.spawn(move || {
                while next.load(Ordering::Relaxed) < peers {
                    assert!(!daemon.has_ended(), "it has ended: {}", daemon.log());
                    let Some(stream) = connection(worker) else { continue };
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number == peers / 10 {
                        early_bytes.store(daemon.memory_bytes("VmRSS") as usize, Ordering::Relaxed);
                    }
                    misbehave(stream, seed.wrapping_add(number as u32));
                }
            });
        }
    });
    let (early_bytes, late_bytes) = (early_bytes.into_inner() as u64, daemon.memory_bytes("VmRSS"));
    drop(connection);
    println!("{peers} peers: {early_bytes} bytes after a tenth of them, {late_bytes} at the end");
    assert!(late_bytes <= early_bytes + GROWTH_MAX_BYTES, "grew from {early_bytes} to {late_bytes} bytes");
    let mut after = before;
    eventually("threads and descriptors are what they were", || {
        after = held(daemon);
        after.iter().zip(before).all(|(after, before)| *after <= before) || daemon.has_ended()
    });
    assert!(!daemon.has_ended(), "it has ended: {}", daemon.log());
    println!("threads and descriptors: {before:?} before, {after:?} after");
}

/// A device that sends numbered messages until it is dropped; `run` gets the count of those that were sent.
fn beside_a_good_device(socket: &zmq::Socket, run: impl FnOnce() + Send) -> u32 {
    assert_eq!(socket.recv_bytes(0).expect("a subscription"), b"\x01good");
    let is_over = AtomicBool::new(false);
    let mut sent = 0;
    thread::scope(|scope| {
        let is_over = &is_over;
        let runs = scope.spawn(move || {
            // Also when it fails.
            let _over = Over(is_over);
            run();
        });
        let began = Instant::now();
        while !is_over.load(Ordering::Relaxed) {
            wait_until(began + Duration::from_secs(1) * sent / RATE_HZ);
            socket.send([&b"good "[..], &sent.to_le_bytes()].concat(), 0).expect("send");
            sent += 1;
        }
        runs.join().expect("what runs beside the device");
    });
    sent
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A publishing socket that says when it is subscribed to.
fn good_device(context: &zmq::Context) -> zmq::Socket {
    let socket = context.socket(zmq::XPUB).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.set_sndhwm(0).unwrap();
    socket
}

/// All that the good device has sent is recorded, in order.
fn is_complete(bench: &Bench, recorder: Daemon, sent: u32) -> Finished {
    let last = "SELECT count(*) FROM messages JOIN streams s ON s.id = stream_id WHERE s.name = 'good'";
    eventually("all good messages are recorded", || bench.sqlite3("c.db", last) == sent.to_string());
    let finished = recorder.stop();
    let connection = Connection::open(bench.path("c.db")).unwrap();
    let sql =
        "SELECT payload FROM messages JOIN streams s ON s.id = stream_id WHERE s.name = 'good' ORDER BY messages.id";
    let mut statement = connection.prepare(sql).unwrap();
    let payloads = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    assert!(payloads.map(Result::unwrap).eq((0..sent).map(|number| number.to_le_bytes().to_vec())));
    assert!(finished.stderr.contains(", 0 lost"), "{}", finished.stderr);
    // Links broke, which is said.
    assert!(matches!(finished.status.code(), Some(0 | 3)), "{:?}: {}", finished.status, finished.stderr);
    finished
}

/// Fuzzing servers, to which a recorder connects again and again, beside a good device.
pub fn recorder_that_connects_survives(peers: usize) {
    let bench = Bench::new();
    let context = zmq::Context::new();
    let good = good_device(&context);
    let endpoint = bench.endpoint("good");
    good.bind(&endpoint).unwrap();
    let listeners: Vec<TcpListener> = (0..AT_ONCE).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let addresses: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
    // Nobody listens until it is known what the recorder holds without them.
    drop(listeners);
    let evil: String = addresses.iter().map(|address| format!(" --connect tcp://{address}")).collect();
    let record = "record --database c.db --topic good --durability normal";
    let recorder = bench.fancyhwd(&format!("{record} --connect {endpoint}{evil}")).start();
    let sent = beside_a_good_device(&good, || {
        let refused = || recorder.log().matches("cannot reach").count();
        eventually("all others refuse", || refused() == AT_ONCE);
        let before = held(&recorder);
        let listeners: Vec<TcpListener> = addresses.iter().map(|address| listen_again(*address)).collect();
        listeners.iter().for_each(|listener| listener.set_nonblocking(true).unwrap());
        survives(&recorder, peers, before, move |worker| {
            let (stream, _) = listeners[worker].accept().ok().or_else(|| {
                thread::park_timeout(Duration::from_millis(1));
                None
            })?;
            stream.set_nonblocking(false).ok()?;
            Some(stream)
        });
    });
    is_complete(&bench, recorder, sent);
}

/// Fuzzing peers of a recorder that binds, beside a good device at the same endpoint.
pub fn recorder_that_binds_survives(peers: usize) {
    let bench = Bench::new();
    let record = "record --database c.db --topic good --durability normal --bind tcp://127.0.0.1:*";
    let recorder = bench.fancyhwd(record).start();
    let endpoint = recorder.endpoint();
    let context = zmq::Context::new();
    let good = good_device(&context);
    good.connect(&endpoint).unwrap();
    let sent = beside_a_good_device(&good, || {
        eventually("the good device is known", || recorder.log().contains("connected to"));
        survives(&recorder, peers, held(&recorder), |_| dial(&endpoint));
    });
    is_complete(&bench, recorder, sent);
}

/// Listen where nobody did for a while: a connection of somebody else may have the port for a moment.
fn listen_again(address: SocketAddr) -> TcpListener {
    let mut listener = None;
    eventually("the port is free again", || {
        listener = TcpListener::bind(address).ok();
        listener.is_some()
    });
    listener.unwrap()
}

fn dial(endpoint: &str) -> Option<TcpStream> {
    TcpStream::connect(endpoint.strip_prefix("tcp://")?).ok()
}

/// Fuzzing peers of a sender, beside a good subscriber. Gives the payloads that it got, and how the sender ended.
fn sender_survives(sender: Daemon, topic: &[u8], peers: usize) -> (Vec<Vec<u8>>, Finished) {
    let endpoint = sender.endpoint();
    let context = zmq::Context::new();
    let good = context.socket(zmq::SUB).unwrap();
    good.set_rcvhwm(0).unwrap();
    good.set_rcvtimeo(60_000).unwrap();
    good.set_subscribe(topic).unwrap();
    good.connect(&endpoint).unwrap();
    // From here on the sender holds what it holds for a good one.
    let payload = |message: Vec<u8>| message[topic.len()..].to_vec();
    let mut payloads = vec![payload(good.recv_bytes(0).expect("a first message"))];
    good.set_rcvtimeo(1_000).unwrap();
    let is_over = AtomicBool::new(false);
    let finished = thread::scope(|scope| {
        let is_over = &is_over;
        let runs = scope.spawn(move || {
            let _over = Over(is_over);
            survives(&sender, peers, held(&sender), |_| dial(&endpoint));
            sender.stop()
        });
        // After the end nothing more comes.
        loop {
            match good.recv_bytes(0) {
                Ok(message) => payloads.push(payload(message)),
                Err(_) if is_over.load(Ordering::Relaxed) => break,
                Err(_) => {}
            }
        }
        runs.join().expect("what runs beside the subscriber")
    });
    (payloads, finished)
}

/// Fuzzing peers of `publish`.
pub fn publisher_survives(peers: usize) {
    let bench = Bench::new();
    let publish = format!("publish --rate {RATE_HZ} --wait-subscribers 1 --bind tcp://127.0.0.1:*");
    let publisher = bench.fancyhwd(&publish).start();
    let (payloads, finished) = sender_survives(publisher, b"fancyhw_data ", peers);
    let finished = finished.success();
    assert_eq!(payloads.len() as u64, published(&finished), "{}", finished.stderr);
    let mut device = Simulated::new(12345);
    for (number, payload) in payloads.iter().enumerate() {
        let made: [i16; 16] = std::array::from_fn(|_| device.rand() as i16);
        assert!(samples(payload).eq(made), "packet {number} is missing");
    }
}

/// Fuzzing peers of `replay`.
pub fn replayer_survives(peers: usize) {
    const MESSAGES: u32 = 5_000;
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder =
        bench.fancyhwd(&format!("record --database c.db --topic d --count {MESSAGES} --connect {endpoint}")).start();
    let context = zmq::Context::new();
    let device = good_device(&context);
    device.bind(&endpoint).unwrap();
    device.recv_bytes(0).expect("a subscription");
    for number in 0..MESSAGES {
        device.send([&b"d "[..], &number.to_le_bytes()].concat(), 0).unwrap();
    }
    recorder.finish().success();
    let replay =
        format!("replay --database c.db --rate {RATE_HZ} --loop --wait-subscribers 1 --bind tcp://127.0.0.1:*");
    let (payloads, finished) = sender_survives(bench.fancyhwd(&replay).start(), b"d ", peers);
    finished.success();
    assert!(!payloads.is_empty());
    let all = (0..MESSAGES).cycle().map(|number| number.to_le_bytes().to_vec());
    assert!(payloads.iter().cloned().eq(all.take(payloads.len())), "of {} messages some are missing", payloads.len());
}
