//! Devices of which nobody was told what they send, in numbers: whether topics are found where there are some, and none
//! where there are none.

use fancyhwd::device::Simulated;

use super::kill::seeded;
use super::seal::each_stored;
use super::{Bench, eventually};

/// What a device sends as its nth message.
type Message = fn(usize, &mut Simulated) -> Vec<u8>;

/// A device, and how many streams it may have at least and at most.
const KINDS: [(&str, Message, usize, usize); 5] = [
    ("random bytes", random_bytes, 1, 2),
    ("JSON", |number, _| format!("{{\"temp\": {}.5, \"n\": [{number}, 2]}}", number % 40).into_bytes(), 1, 1),
    ("lists of floats", |number, _| format!("{}.25 {}.5 0.125", number, number % 7).into_bytes(), 1, 256),
    ("camera frames", camera_frame, 1, 1),
    ("300 topics", |number, _| format!("sensor/{} {number}", number % 300).into_bytes(), 300, 301),
];

/// Messages that the recorder may be behind, so that it is seen whether its own memory grows.
const BEHIND_MAX: usize = 5_000;

/// More than what a queue of so many messages takes.
const GROWTH_MAX_BYTES: u64 = 16 << 20;

fn random_bytes(_: usize, random: &mut Simulated) -> Vec<u8> {
    let bytes = 1 + random.rand() as usize % 2_000;
    let mut message = Vec::with_capacity(bytes + 3);
    while message.len() < bytes {
        message.extend_from_slice(&(random.rand() >> 4).to_le_bytes()[..3]);
    }
    message.truncate(bytes);
    message
}

/// Lines of a picture with noise, of which it is dark at first: later ones may begin as if they had a topic.
fn camera_frame(number: usize, random: &mut Simulated) -> Vec<u8> {
    let noise = random.rand() as usize;
    (0..1_200).map(|at| ((at + number) % 60 + (noise >> (at % 24)) % 30) as u8).collect()
}

/// Record `count` messages of each kind.
pub fn are_told_apart(count: usize) {
    for (name, message, least, most) in KINDS {
        println!("{name}");
        let mut random = seeded();
        let bench = Bench::new();
        let endpoint = bench.endpoint("device");
        let record =
            format!("record --database c.db --topic * --count {count} --durability normal --connect {endpoint}");
        let recorder = bench.fancyhwd(&record).start();
        let socket = zmq::Context::new().socket(zmq::XPUB).unwrap();
        socket.set_sndhwm(0).unwrap();
        socket.bind(&endpoint).unwrap();
        socket.recv_bytes(0).unwrap();
        let connection = rusqlite::Connection::open(bench.path("c.db")).unwrap();
        let stored = || connection.query_row("SELECT messages FROM sessions", [], |row| row.get::<_, i64>(0)).unwrap();
        let (mut sent, mut memory_bytes) = (blake3::Hasher::new(), Vec::new());
        for number in 0..count {
            let message = message(number, &mut random);
            sent.update(&message);
            socket.send(message, 0).unwrap();
            if (number + 1) % BEHIND_MAX == 0 && number + 1 < count {
                eventually("messages are stored", || stored() + BEHIND_MAX as i64 > number as i64);
                memory_bytes.push(recorder.memory_bytes("VmRSS"));
            }
        }
        let recorder = recorder.finish().success();
        let warnings = recorder.stderr.lines().filter(|line| line.contains("warning: ")).count();
        assert!(warnings <= 1, "{}", recorder.stderr);
        let grown_bytes = memory_bytes.last().unwrap().saturating_sub(memory_bytes[memory_bytes.len() / 2]);
        println!("    grown by {grown_bytes} bytes in the second half, {} in the end", memory_bytes.last().unwrap());
        assert!(grown_bytes <= GROWTH_MAX_BYTES, "{memory_bytes:?}");

        let streams: usize = bench.sqlite3("c.db", "SELECT count(*) FROM streams").parse().unwrap();
        println!("    {streams} streams");
        assert!((least..=most).contains(&streams), "{name}: {streams} streams");
        let whole = "SELECT count(*) FROM messages JOIN streams ON streams.id = stream_id WHERE framing = 'whole'";
        let whole: usize = bench.sqlite3("c.db", whole).parse().unwrap();
        assert!(least < 300 || whole <= count / 50, "{whole} messages have no topic");
        let mut found = blake3::Hasher::new();
        each_stored(&bench.path("c.db"), |_, frames| {
            assert_eq!(frames.len(), 1);
            found.update(frames[0]);
        });
        assert_eq!(found.finalize(), sent.finalize());
        assert_eq!(is_read_by_python(&bench), "ok\n");
    }
}

/// The module that comes with Python reads every column of every table and view.
fn is_read_by_python(bench: &Bench) -> String {
    let script = "import sqlite3
c = sqlite3.connect('c.db')
for (name,) in c.execute(\"SELECT name FROM sqlite_schema WHERE type = 'table'\").fetchall():
    for row in c.execute(f'SELECT * FROM {name}'): pass
for name in 'decoded_packets', 'samples', 'texts', 'undecodable':
    for row in c.execute(f'SELECT * FROM {name} LIMIT 1000'): pass
print('ok')";
    bench.program("/usr/bin/python3").args(["-c", script]).run().success().stdout
}
