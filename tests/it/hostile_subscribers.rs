//! Peers that would stop a publisher: the others get every packet, and it stays small and ends when it is told to.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::raw_subscriber::{ATTACKS, Attack, Attacker, subscribe, subscriber};
use crate::support::{Bench, Daemon, alone, eventually};

const TOPIC: &str = "fancyhw_data ";

/// What a publisher may take at most beside any peer.
const MEMORY_MAX_BYTES: u64 = 150 << 20;

/// Generous: on a busy machine everything takes longer.
const END_MAX: Duration = Duration::from_secs(10);

/// A good subscriber.
fn good(context: &zmq::Context, endpoint: &str) -> zmq::Socket {
    let socket = context.socket(zmq::SUB).unwrap();
    socket.set_rcvhwm(0).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.set_subscribe(TOPIC.as_bytes()).unwrap();
    socket.connect(endpoint).unwrap();
    socket
}

/// Payloads of so many packets.
fn receive(socket: &zmq::Socket, count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|_| socket.recv_bytes(0).unwrap()[TOPIC.len()..].to_vec()).collect()
}

/// What the simulated device sends.
fn expected(count: usize) -> Vec<Vec<u8>> {
    let bench = Bench::new();
    let publisher = bench
        .fancyhwd(&format!(
            "publish --rate max --on-full block --count {count} --wait-subscribers 1 --bind tcp://127.0.0.1:*"
        ))
        .start();
    let context = zmq::Context::new();
    let packets = receive(&good(&context, &publisher.endpoint()), count);
    publisher.finish().success();
    packets
}

/// It must end soon, and not have become large.
fn end(daemon: Daemon) -> String {
    let memory_bytes = daemon.memory_bytes("VmHWM");
    assert!(memory_bytes <= MEMORY_MAX_BYTES, "{} MiB: {}", memory_bytes >> 20, daemon.log());
    let begin = Instant::now();
    let finished = daemon.stop();
    assert!(begin.elapsed() <= END_MAX, "ended after {:?}", begin.elapsed());
    finished.stderr
}

/// Whoever hurts is cut off sooner or later, and named. One whom libzmq refuses before the guard has seen him is not: then he comes
/// again.
fn wait_until_cut(daemon: &Daemon, attack: Attack) {
    let is_named = || daemon.log().contains("cut off 127.0.0.1:");
    let is_over = || {
        if attack == Attack::Huge && !is_named() {
            Attacker::start(&daemon.endpoint(), TOPIC, attack).wait_until_cut();
        }
        is_named()
    };
    if attack != Attack::NeverReads {
        eventually("it is cut off", is_over);
    }
}

fn says_who(log: &str, attack: Attack) {
    let words = match attack {
        Attack::Huge => "it sent a frame of more than 1024 bytes",
        Attack::NeverReads => return,
        _ => "KiB of subscriptions, more than a subscriber needs; the others go on",
    };
    assert!(log.contains("cut off 127.0.0.1:") && log.contains(words), "{attack:?}: {log}");
    assert!(log.contains(" was cut off") || log.contains(" were cut off"), "{attack:?}: {log}");
}

#[test]
fn a_good_subscriber_gets_every_packet_beside_a_hostile_one() {
    let _alone = alone();
    let expected = expected(3_000);
    for attack in ATTACKS {
        let bench = Bench::new();
        let publisher = bench.fancyhwd("publish --rate 1000 --wait-subscribers 1 --bind tcp://127.0.0.1:*").start();
        let context = zmq::Context::new();
        let socket = good(&context, &publisher.endpoint());
        let mut packets = receive(&socket, 500);
        let attacker = Attacker::start(&publisher.endpoint(), TOPIC, attack);
        packets.extend(receive(&socket, 2_500));
        assert!(packets == expected, "{attack:?}: a packet is missing");
        wait_until_cut(&publisher, attack);
        let log = end(publisher);
        attacker.end();
        says_who(&log, attack);
    }
}

#[test]
fn a_replay_gives_every_packet_beside_a_hostile_subscriber() {
    let _alone = alone();
    let bench = Bench::new();
    let device = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --count 2000 --connect {device}")).start();
    let publisher =
        bench.fancyhwd(&format!("publish --rate 1000 --count 2000 --wait-subscribers 1 --bind {device}")).start();
    publisher.finish().success();
    recorder.finish().success();
    let expected = expected(2_000);
    for attack in ATTACKS {
        let replay =
            bench.fancyhwd("replay --database c.db --loop --wait-subscribers 1 --bind tcp://127.0.0.1:*").start();
        let context = zmq::Context::new();
        let socket = good(&context, &replay.endpoint());
        let mut packets = receive(&socket, 100);
        let attacker = Attacker::start(&replay.endpoint(), TOPIC, attack);
        packets.extend(receive(&socket, 1_900));
        assert!(packets == expected, "{attack:?}: a packet is missing");
        wait_until_cut(&replay, attack);
        let log = end(replay);
        attacker.end();
        says_who(&log, attack);
    }
}

#[test]
fn a_thousand_connections_leave_the_good_ones_alone() {
    let _alone = alone();
    let expected = expected(3_000);
    let bench = Bench::new();
    let publisher = bench
        .program("prlimit")
        .args("--nofile=256 fancyhwd publish --rate 1000 --wait-subscribers 1 --bind tcp://127.0.0.1:*".split(' '))
        .start();
    let context = zmq::Context::new();
    let socket = good(&context, &publisher.endpoint());
    let mut packets = receive(&socket, 500);
    // Who is turned away may see that already here.
    let address = publisher.endpoint().strip_prefix("tcp://").unwrap().to_owned();
    let connections: Vec<TcpStream> = (0..500).filter_map(|_| TcpStream::connect(&address).ok()).collect();
    packets.extend(receive(&socket, 2_500));
    assert!(packets == expected, "a packet is missing");
    eventually("it has said so", || publisher.log().contains("there are too many connections"));
    drop(connections);
    // Whoever comes now finds room again.
    eventually("another subscriber is served", || {
        let late = good(&context, &publisher.endpoint());
        late.set_rcvtimeo(500).unwrap();
        late.recv_bytes(0).is_ok()
    });
    end(publisher);
}

#[test]
fn a_hundred_hostile_subscribers_at_once_cost_little_and_nothing_is_lost() {
    let _alone = alone();
    let expected = expected(4_000);
    let bench = Bench::new();
    let publisher = bench.fancyhwd("publish --rate 1000 --wait-subscribers 1 --bind tcp://127.0.0.1:*").start();
    let context = zmq::Context::new();
    let socket = good(&context, &publisher.endpoint());
    let mut packets = receive(&socket, 500);
    let attackers: Vec<Attacker> =
        (0..100).map(|_| Attacker::start(&publisher.endpoint(), TOPIC, Attack::Many)).collect();
    packets.extend(receive(&socket, 3_500));
    assert!(packets == expected, "a packet is missing");
    let log = end(publisher);
    attackers.into_iter().for_each(Attacker::end);
    assert!(log.contains("cut off 127.0.0.1:") && log.contains(" peers were cut off"), "{log}");
}

#[test]
fn three_hundred_subscribers_that_never_read_cost_little() {
    let _alone = alone();
    let bench = Bench::new();
    let publisher = bench.fancyhwd("publish --rate max --bind tcp://127.0.0.1:*").start();
    let mut subscribers: Vec<TcpStream> = (0..300).map(|_| subscriber(&publisher.endpoint())).collect();
    subscribers.iter_mut().for_each(|stream| subscribe(stream, TOPIC));
    eventually("nobody has room any more", || publisher.log().contains("reads too slowly: at least"));
    end(publisher);
}

#[test]
fn ten_thousand_subscriptions_are_heeded_also_by_a_slow_publisher() {
    const SUBSCRIPTIONS: usize = 10_000;
    let bench = Bench::new();
    let publisher = bench.fancyhwd("publish --interval 200ms --bind tcp://127.0.0.1:*").start();
    let context = zmq::Context::new();
    let socket = context.socket(zmq::SUB).unwrap();
    for number in 0..SUBSCRIPTIONS {
        socket.set_subscribe(format!("topic {number}").as_bytes()).unwrap();
    }
    socket.set_subscribe(TOPIC.as_bytes()).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.connect(&publisher.endpoint()).unwrap();
    socket.recv_bytes(0).unwrap();
    publisher.stop().success();
}

#[test]
fn a_peer_that_is_cut_off_sees_the_end_at_once() {
    let _alone = alone();
    let bench = Bench::new();
    let publisher = bench.fancyhwd("publish --rate 100 --bind tcp://127.0.0.1:*").start();
    let mut watching = subscriber(&publisher.endpoint());
    subscribe(&mut watching, TOPIC);
    watching.read_exact(&mut [0; 100]).unwrap();
    Attacker::start(&publisher.endpoint(), TOPIC, Attack::Many).wait_until_cut();
    watching.read_exact(&mut [0; 1_000]).unwrap();
    end(publisher);
}
