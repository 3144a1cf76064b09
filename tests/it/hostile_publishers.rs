//! Peers that would take all memory of a recorder: the good one's messages are all there, and whoever hurts is named.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::links::committed;
use crate::support::zmtp::{Impostor, Kind, Peer, Version, header};
use crate::support::{Bench, Daemon, alone, eventually};

/// What a recorder may take with the `--queue` below.
const MEMORY_MAX_BYTES: u64 = 150 << 20;

const RECORD: &str = "record --topic good --queue 64MiB --database c.db --commit-every 10ms";

/// Generous: on a busy machine everything takes longer.
const END_MAX: Duration = Duration::from_secs(10);

/// What a hostile publisher sends, again and again, until it is cut off.
#[derive(Clone, Copy, Debug)]
enum Attack {
    /// One message of frames of no byte, without end.
    EmptyFrames,
    /// One message of large frames, without end.
    LargeFrames,
    /// The beginning of one frame as large as they may be.
    PartOfAFrame,
}

const ATTACKS: [Attack; 3] = [Attack::EmptyFrames, Attack::LargeFrames, Attack::PartOfAFrame];

impl Attack {
    /// Send until the other side hangs up, or it is over.
    fn run(self, mut peer: Peer, is_over: &AtomicBool) {
        const MORE: u8 = 1;
        let block = match self {
            Self::EmptyFrames => [MORE, 0].repeat(20_000),
            Self::LargeFrames => [header(MORE, 100_000), vec![b'g'; 100_000]].concat(),
            Self::PartOfAFrame => [header(0, 16 << 20), vec![b'g'; 15 << 20]].concat(),
        };
        while !is_over.load(Relaxed) && peer.raw(&block).is_ok() {
            while matches!(self, Self::PartOfAFrame) && !is_over.load(Relaxed) {
                thread::park_timeout(Duration::from_millis(10));
            }
        }
    }
}

/// A device sends its messages while others attack; then the recorder is stopped, and must have all of them.
fn are_all_recorded(bench: &Bench, recorder: Daemon, device: &zmq::Socket, attack: Attack, begin: impl FnOnce()) {
    const MESSAGES: usize = 3_000;
    let send = |number: usize| device.send([&b"good "[..], &(number as u32).to_le_bytes()].concat(), 0).unwrap();
    (0..100).for_each(send);
    begin();
    for number in 100..MESSAGES {
        send(number);
        thread::park_timeout(Duration::from_millis(1));
    }
    eventually("all are recorded", || committed(bench) == MESSAGES as i64);
    let cut = "SELECT count(*) FROM events WHERE kind = 'cut'";
    eventually("somebody is cut off", || bench.sqlite3("c.db", cut) != "0");
    let memory_bytes = recorder.memory_bytes("VmHWM");
    println!("{attack:?}: {} MiB", memory_bytes >> 20);
    assert!(memory_bytes <= MEMORY_MAX_BYTES, "{attack:?}: {} MiB: {}", memory_bytes >> 20, recorder.log());
    let begin = Instant::now();
    recorder.stop().says("it was cut off");
    assert!(begin.elapsed() <= END_MAX, "ended after {:?}", begin.elapsed());
    let order = "SELECT sum(hex(payload) != printf('%02X%02X0000', (id - 1) % 256, (id - 1) / 256)) FROM messages";
    assert_eq!(bench.sqlite3("c.db", order), "0");
}

/// Says at its end that it is over.
struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn device() -> zmq::Socket {
    let device = zmq::Context::new().socket(zmq::XPUB).unwrap();
    device.set_sndhwm(0).unwrap();
    device.set_rcvtimeo(60_000).unwrap();
    device
}

#[test]
fn a_hundred_hostile_publishers_that_connect_cost_little_and_nothing_is_lost() {
    let _alone = alone();
    for attack in ATTACKS {
        let (bench, device, is_over) = (Bench::new(), device(), AtomicBool::new(false));
        let recorder = bench.fancyhwd(&format!("{RECORD} --bind tcp://127.0.0.1:*")).start();
        let endpoint = recorder.endpoint();
        device.connect(&endpoint).unwrap();
        device.recv_bytes(0).unwrap();
        thread::scope(|scope| {
            // Also when something is not as it should be: else those that attack would be waited for.
            let _end = EndOnDrop(&is_over);
            are_all_recorded(&bench, recorder, &device, attack, || {
                for _ in 0..100 {
                    let peer = Peer::connect(&endpoint, Version::V31, Kind::Pub);
                    scope.spawn(|| attack.run(peer, &is_over));
                }
            });
        });
    }
}

#[test]
fn hostile_publishers_that_are_recorded_cost_little_and_the_good_one_loses_nothing() {
    let _alone = alone();
    for attack in ATTACKS {
        let (bench, device) = (Bench::new(), device());
        device.bind("tcp://127.0.0.1:*").unwrap();
        let good = device.get_last_endpoint().unwrap().unwrap();
        // They wait until they may begin, and go on until the end.
        let phase = Arc::new((AtomicBool::new(false), AtomicBool::new(false)));
        let attacked = Arc::clone(&phase);
        let hostile = Impostor::bind(move |stream| {
            let Ok(peer) = Peer::greet(stream, Version::V31, Kind::Pub) else { return };
            while !attacked.0.load(Relaxed) && !attacked.1.load(Relaxed) {
                thread::park_timeout(Duration::from_millis(10));
            }
            attack.run(peer, &attacked.1);
        });
        // A frame of 16 MiB alone is no attack.
        let queue = RECORD.replace("64MiB", if matches!(attack, Attack::PartOfAFrame) { "1MiB" } else { "64MiB" });
        let connect = format!(" --connect {}", hostile.endpoint()).repeat(8);
        let recorder = bench.fancyhwd(&format!("{queue} --connect {good}{connect}")).start();
        device.recv_bytes(0).unwrap();
        are_all_recorded(&bench, recorder, &device, attack, || phase.0.store(true, Relaxed));
        phase.1.store(true, Relaxed);
    }
}
