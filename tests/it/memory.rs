//! Hostile peers: what they send or announce costs the recorder no memory, and what comes before and after is recorded.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use rusqlite::Connection;

use crate::links::{committed, free_port};
use crate::support::{Bench, Daemon, eventually};

/// What the recorder's peak of memory may grow by: two batches of 4 MiB, and as much again for libzmq. What the peers
/// of these tests send or announce is far larger.
const GROWTH_MAX_BYTES: u64 = 16 << 20;

/// What every packet begins with.
const HEAD: &[u8] = b"fancyhw_data ";

/// What a recorder subscribes to.
const TOPIC: &[u8] = b"fancyhw_data";

fn recorder(bench: &Bench, endpoint: &str) -> Daemon {
    bench.fancyhwd(&format!("record --database c.db --connect {endpoint}")).start()
}

/// A recorder, and a device of which it has the first ten packets.
fn recorded_device(bench: &Bench) -> (Daemon, Device) {
    let endpoint = format!("tcp://127.0.0.1:{}", free_port());
    let recorder = recorder(bench, &endpoint);
    let mut device = Device::bind(&endpoint);
    device.send_packets(10);
    eventually("the packets before are recorded", || committed(bench) == 10);
    (recorder, device)
}

/// The most memory that the recorder had so far.
fn peak_bytes(recorder: &Daemon) -> u64 {
    recorder.memory_bytes("VmHWM")
}

#[track_caller]
fn assert_hardly_grown(recorder: &Daemon, before_bytes: u64, by_what: &str) {
    let growth_bytes = peak_bytes(recorder) - before_bytes;
    println!("{by_what}: peak {before_bytes} bytes before, {growth_bytes} more after");
    assert!(growth_bytes <= GROWTH_MAX_BYTES, "{by_what} cost {growth_bytes} bytes");
}

/// Frames of a hostile message, and the size of each.
const PARTS: usize = 10_000;
const PART_BYTES: usize = 100;

/// A device of ours that numbers its packets, and can send anything else.
struct Device {
    socket: zmq::Socket,
    sent_packets: u32,
}

impl Device {
    /// Bind, and wait until the recorder has subscribed.
    fn bind(endpoint: &str) -> Self {
        let socket = zmq::Context::new().socket(zmq::XPUB).unwrap();
        socket.set_rcvtimeo(60_000).unwrap();
        socket.set_linger(0).unwrap();
        socket.bind(endpoint).unwrap();
        assert_eq!(socket.recv_bytes(0).unwrap(), [b"\x01", TOPIC].concat());
        Self { socket, sent_packets: 0 }
    }

    fn send_packets(&mut self, count: u32) {
        for _ in 0..count {
            self.socket.send([HEAD, &self.sent_packets.to_le_bytes()].concat(), 0).unwrap();
            self.sent_packets += 1;
        }
    }

    /// A message of far more frames than are kept.
    fn send_parts(&self) {
        let first = [HEAD, &[b'z'; PART_BYTES - HEAD.len()]].concat();
        self.socket.send_multipart([vec![first], vec![vec![b'z'; PART_BYTES]; PARTS - 1]].concat(), 0).unwrap();
    }
}

/// The ids and numbers of all packets in the order of their arrival.
fn recorded(bench: &Bench) -> Vec<(i64, u32)> {
    let connection = Connection::open(bench.path("c.db")).unwrap();
    let mut statement = connection.prepare("SELECT id, payload FROM messages ORDER BY id").unwrap();
    let packets = statement.query_map([], |row| Ok((row.get(0)?, u32::from_le_bytes(row.get(1)?)))).unwrap();
    packets.map(Result::unwrap).collect()
}

#[test]
fn a_message_of_100_mb_costs_no_memory() {
    let bench = Bench::new();
    let (recorder, mut device) = recorded_device(&bench);
    let endpoint = recorder.endpoint();
    let before_bytes = peak_bytes(&recorder);

    device.socket.send([HEAD, &vec![0; 100_000_000]].concat(), 0).unwrap();
    // The device cannot know when the link is there again, so it sends until something comes.
    eventually("packets are recorded again", || {
        device.send_packets(1);
        committed(&bench) > 10
    });
    assert_hardly_grown(&recorder, before_bytes, "a message of 100 MB");
    device.send_packets(10);
    let last = device.sent_packets - 1;
    eventually("the packets after are recorded", || recorded(&bench).last().unwrap().1 == last);
    recorder.stop().code(3).says("messages may be missing in 1 gaps of the link");

    let packets = recorded(&bench);
    let first_after = packets[10].1;
    let numbers: Vec<(i64, u32)> = (1..).zip((0..10).chain(first_after..=last)).collect();
    assert_eq!(packets, numbers, "nothing is missing but what was sent while the link was down");
    assert_eq!(bench.sqlite3("c.db", "SELECT count(*) FROM faults"), "0");
    let breaks =
        "SELECT endpoint, lost IS NULL, until_elapsed_ns >= elapsed_ns FROM events WHERE kind = 'disconnected'";
    assert_eq!(bench.sqlite3("c.db", breaks), format!("{endpoint}|1|1"));
}

/// The recorder's next connection.
fn accept(listener: &TcpListener) -> TcpStream {
    let mut accepted = None;
    eventually("the recorder connects", || {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    let stream = accepted.unwrap().0;
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// Be taken for a publisher that speaks ZMTP 3.1 without security, and wait for the subscription.
fn shake_hands(stream: &mut TcpStream) {
    let mut greeting = [0; 64];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10..12].copy_from_slice(&[3, 1]);
    greeting[12..16].copy_from_slice(b"NULL");
    stream.write_all(&greeting).unwrap();
    // A command of 25 bytes: its name, and one property.
    stream.write_all(b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB").unwrap();
    let mut said = Vec::new();
    while !said.windows(TOPIC.len()).any(|window| window == TOPIC) {
        let mut buffer = [0; 1024];
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "the recorder left after {said:?}");
        said.extend_from_slice(&buffer[..length]);
    }
}

/// Announce a frame of `announced_bytes` and send the beginning of it, until the recorder leaves.
fn announce(stream: &mut TcpStream, announced_bytes: u64) {
    const SENT_BYTES: usize = 64 << 20;
    const LONG_FRAME: u8 = 2;
    let head = [&[LONG_FRAME][..], &announced_bytes.to_be_bytes(), HEAD].concat();
    let chunk = [0; 1 << 16];
    let mut sent = stream.write_all(&head);
    for _ in 0..SENT_BYTES / chunk.len() {
        sent = sent.and_then(|()| stream.write_all(&chunk));
    }
    // Whether it leaves with or without having read all is no matter.
    while stream.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {}
}

#[test]
fn a_frame_that_is_announced_costs_no_memory() {
    let bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let recorder = recorder(&bench, &endpoint);
    let mut before_bytes = None;
    let announcements_bytes = [64 << 20, 1 << 40, 1 << 62, u64::MAX];
    for (packets, announced_bytes) in (1..).zip(announcements_bytes) {
        let mut stream = accept(&listener);
        shake_hands(&mut stream);
        stream.write_all(&[&[0, HEAD.len() as u8 + 2], HEAD, b"ab"].concat()).unwrap();
        eventually("the packet before is recorded", || committed(&bench) == packets);
        let before_bytes = *before_bytes.get_or_insert_with(|| peak_bytes(&recorder));
        announce(&mut stream, announced_bytes);
        assert_hardly_grown(&recorder, before_bytes, &format!("an announcement of {announced_bytes} bytes"));
    }
    drop(listener);

    bench.fancyhwd(&format!("publish --rate max --count 10 --wait-subscribers 1 --bind {endpoint}")).run().success();
    let packets = announcements_bytes.len() as i64 + 10;
    eventually("the packets after are recorded", || committed(&bench) == packets);
    assert_hardly_grown(&recorder, before_bytes.unwrap(), "all announcements together");
    recorder.stop().code(3);
    assert_eq!(bench.sqlite3("c.db", "SELECT count(*) FROM faults"), "0");
    let mended = "SELECT count(*) FROM events WHERE kind = 'disconnected' AND until_elapsed_ns IS NOT NULL";
    assert_eq!(bench.sqlite3("c.db", mended), announcements_bytes.len().to_string());
}

#[test]
fn messages_of_ten_thousand_parts_cost_little_memory() {
    /// Hostile messages, and how many of them are on their way at once. libzmq keeps each whole until its last part is
    /// there, which takes 3 MB, and bounds its queue by messages, whatever their size.
    const MESSAGES: u32 = 200;
    const AT_ONCE: u32 = 4;
    let bench = Bench::new();
    let (recorder, mut device) = recorded_device(&bench);
    let before_bytes = peak_bytes(&recorder);
    device.send_parts();
    device.send_packets(10);
    eventually("the packets after are recorded", || committed(&bench) == 20);
    assert_hardly_grown(&recorder, before_bytes, "a message of 10,000 parts");

    let before_bytes = peak_bytes(&recorder);
    for _ in 0..MESSAGES / AT_ONCE {
        for _ in 0..AT_ONCE {
            device.send_parts();
            device.send_packets(1);
        }
        eventually("these are recorded", || committed(&bench) == i64::from(device.sent_packets));
    }
    assert_hardly_grown(&recorder, before_bytes, "200 messages of 10,000 parts, four at once");

    // At once they are all kept too; the memory is then that of the queue to the disk, which has its own limit.
    for _ in 0..MESSAGES {
        device.send_parts();
        device.send_packets(1);
    }
    eventually("the burst is recorded", || committed(&bench) == i64::from(device.sent_packets));
    println!("200 messages of 10,000 parts at once: peak {} bytes", peak_bytes(&recorder));
    // Their first frame is no topic that was asked for.
    recorder.stop().success().says("401 unwanted");
    let expected: Vec<(i64, u32)> = (1..).zip(0..20 + 2 * MESSAGES).collect();
    assert_eq!(recorded(&bench), expected);
}
