//! Keys, and peers that have them.

use std::fs;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::Bench;
use super::zmtp::{connect, greeting_3};

/// Certificates of these names in the directory, made by us.
pub fn keys(bench: &Bench, names: &[&str]) {
    for name in names {
        bench.fancyhwd(&format!("keygen {name}")).run().success();
    }
}

/// Put the public certificate of somebody among those who are allowed.
pub fn allow(bench: &Bench, name: &str) {
    fs::create_dir_all(bench.path("allowed")).unwrap();
    // It appears whole.
    fs::copy(bench.path(&format!("{name}.key")), bench.path("allowed/.new")).unwrap();
    fs::rename(bench.path("allowed/.new"), bench.path(&format!("allowed/{name}.key"))).unwrap();
}

/// What is in a file.
pub fn read(bench: &Bench, name: &str) -> String {
    fs::read_to_string(bench.path(name)).unwrap()
}

/// A subscriber with the key of somebody, or without one.
pub fn subscriber(bench: &Bench, endpoint: &str, name: Option<&str>, server: &str) -> zmq::Socket {
    let socket = zmq::Context::new().socket(zmq::SUB).unwrap();
    socket.set_subscribe(b"").unwrap();
    secure(bench, &socket, name, server);
    socket.connect(endpoint).unwrap();
    socket
}

/// Give a socket the keys of somebody, if any.
pub fn secure(bench: &Bench, socket: &zmq::Socket, name: Option<&str>, server: &str) {
    let Some(name) = name else { return };
    let of = |text: &str, half: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(half)?.trim().strip_prefix("= \"")).unwrap();
        zmq::z85_decode(line.trim_end_matches('"')).unwrap()
    };
    let text = read(bench, &format!("{name}.key_secret"));
    socket.set_curve_serverkey(&of(&read(bench, &format!("{server}.key")), "public-key")).unwrap();
    socket.set_curve_publickey(&of(&text, "public-key")).unwrap();
    socket.set_curve_secretkey(&of(&text, "secret-key")).unwrap();
}

/// Peers that break a handshake with keys in every way, a handful at a time.
fn broken_handshakes(endpoint: &str, count: usize) {
    let one = |number: usize| {
        let mut stream = connect(endpoint);
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let hello = |length: usize| [&b"\x05HELLO\x01\x00"[..], &vec![number as u8; length]].concat();
        let frame = |body: &[u8]| [&[4, body.len() as u8], body].concat();
        let _ = stream.write_all(&greeting_3(1, b"CURVE", number.is_multiple_of(3)));
        let body = match number % 5 {
            0 => frame(&hello(192)),
            1 => frame(&hello(20)),
            2 => frame(b"\x08INITIATE"),
            3 => [4, 255].to_vec(),
            _ => vec![number as u8; 300],
        };
        let _ = stream.write_all(&body);
        let _ = stream.read(&mut [0; 256]);
    };
    thread::scope(|scope| {
        for part in 0..8 {
            scope.spawn(move || (part..count).step_by(8).for_each(one));
        }
    });
}

/// Broken handshakes and hostile peers that are admitted cost little, and a good peer gets all.
pub fn survives_hostile_peers(handshakes: usize) {
    const MEMORY_MAX_BYTES: u64 = 150 << 20;
    let bench = Bench::new();
    keys(&bench, &["server", "good", "evil"]);
    allow(&bench, "good");
    allow(&bench, "evil");
    let line = "publish --rate 1000 --counter uint32 --bind tcp://127.0.0.1:* --key server.key_secret --allow allowed";
    let publisher = bench.fancyhwd(line).start();
    let endpoint = publisher.endpoint();
    let good = subscriber(&bench, &endpoint, Some("good"), "server");
    good.set_rcvtimeo(60_000).unwrap();
    good.recv_bytes(0).unwrap();
    let number = |message: Vec<u8>| u32::from_le_bytes(message[13..17].try_into().unwrap());
    let mut last = number(good.recv_bytes(0).unwrap());
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            broken_handshakes(&endpoint, handshakes);
            // Distinct subscriptions without end, by somebody who is admitted.
            let evil = zmq::Context::new().socket(zmq::XSUB).unwrap();
            evil.set_sndtimeo(100).unwrap();
            evil.set_linger(0).unwrap();
            secure(&bench, &evil, Some("evil"), "server");
            evil.connect(&endpoint).unwrap();
            for number in 0..100_000_u32 {
                let _ = evil.send([&b"\x01"[..], &number.to_le_bytes(), &[b'x'; 200]].concat(), 0);
                if number % 1_000 == 0 && publisher.log().contains("cut off 127.0.0.1:") {
                    break;
                }
            }
            is_over.store(true, Ordering::Relaxed);
        });
        while !is_over.load(Ordering::Relaxed) {
            let next = number(good.recv_bytes(0).unwrap());
            assert_eq!(next, last + 1, "a packet is missing");
            last = next;
        }
    });
    assert!(publisher.log().contains("cut off 127.0.0.1:"), "{}", publisher.log());
    let memory_bytes = publisher.memory_bytes("VmHWM");
    assert!(memory_bytes <= MEMORY_MAX_BYTES, "{} MiB", memory_bytes >> 20);
    let log = publisher.stop().success().stderr;
    assert!(log.lines().count() < 50, "{} lines", log.lines().count());
}
