//! A hostile subscriber: ZMTP by hand, over a bare TCP connection.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The greeting of ZMTP 3.1 with the mechanism NULL.
fn greeting() -> Vec<u8> {
    let mut greeting = b"\xff\0\0\0\0\0\0\0\0\x7f\x03\x00NULL".to_vec();
    greeting.resize(64, 0);
    greeting
}

/// A frame of at most 255 bytes.
fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    [&[flags, u8::try_from(body.len()).unwrap()], body].concat()
}

/// Connect to `tcp://HOST:PORT`.
fn connect(endpoint: &str) -> TcpStream {
    let stream = TcpStream::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap();
    // Whoever is not read from waits no longer than this.
    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Connect to `tcp://HOST:PORT` as a subscriber.
pub fn subscriber(endpoint: &str) -> TcpStream {
    let mut stream = connect(endpoint);
    stream.write_all(&greeting()).unwrap();
    stream.read_exact(&mut [0; 64]).unwrap();
    stream.write_all(&frame(4, b"\x05READY\x0bSocket-Type\0\0\0\x03SUB\x08Identity\0\0\0\0")).unwrap();
    // Whoever does not wait for the other side's READY is refused.
    let mut header = [0; 2];
    stream.read_exact(&mut header).unwrap();
    stream.read_exact(&mut vec![0; header[1].into()]).unwrap();
    stream
}

/// What a hostile subscriber does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// It subscribes and unsubscribes without end.
    Storm,
    /// One subscription of 100 MB.
    Huge,
    /// Distinct subscriptions without end.
    Many,
    /// One message of frames without end.
    Endless,
    /// It subscribes, and never reads.
    NeverReads,
}

/// All of them.
pub const ATTACKS: [Attack; 5] = [Attack::Storm, Attack::Huge, Attack::Many, Attack::Endless, Attack::NeverReads];

/// Subscribe once.
pub fn subscribe(stream: &mut TcpStream, topic: &str) {
    stream.write_all(&frame(0, &[b"\x01", topic.as_bytes()].concat())).unwrap();
}

/// A hostile subscriber at work.
pub struct Attacker {
    thread: JoinHandle<()>,
    is_over: Arc<AtomicBool>,
    stream: TcpStream,
}

impl Attacker {
    /// Begin.
    pub fn start(endpoint: &str, topic: &str, attack: Attack) -> Self {
        let mut stream = subscriber(endpoint);
        subscribe(&mut stream, topic);
        let is_over = Arc::new(AtomicBool::new(false));
        let (mut writing, over, topic) = (stream.try_clone().unwrap(), is_over.clone(), topic.to_owned());
        if attack != Attack::NeverReads {
            let mut reading = stream.try_clone().unwrap();
            reading.set_read_timeout(None).unwrap();
            std::thread::spawn(move || io::copy(&mut reading, &mut io::sink()));
        }
        let thread = std::thread::spawn(move || {
            let mut number = 0_u64;
            // It fails when the other side hangs up.
            while !over.load(Ordering::Relaxed) && writing.write_all(&block(attack, &topic, &mut number)).is_ok() {
                if attack == Attack::NeverReads {
                    break;
                }
            }
        });
        Self { thread, is_over, stream }
    }

    /// Wait until the other side has hung up.
    pub fn wait_until_cut(self) {
        self.thread.join().unwrap();
    }

    /// End it.
    pub fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        self.thread.join().unwrap();
    }
}

fn block(attack: Attack, topic: &str, number: &mut u64) -> Vec<u8> {
    let mut block = Vec::new();
    *number += 1;
    for index in 0..1_000_u64 {
        match attack {
            Attack::Storm => {
                block.extend(frame(0, &[b"\x01", topic.as_bytes()].concat()));
                block.extend(frame(0, &[b"\x00", topic.as_bytes()].concat()));
            }
            Attack::Huge if *number == 1 && index == 0 => {
                block.extend([2]);
                block.extend(100_000_000_u64.to_be_bytes());
            }
            Attack::Huge => block.extend([1; 100]),
            Attack::Many => {
                let mixed = (*number * 1_000 + index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                block.extend(frame(0, format!("\x01{mixed:016x}{index:0180}").as_bytes()));
            }
            Attack::Endless => block.extend([1, 0]),
            Attack::NeverReads => {}
        }
    }
    block
}
