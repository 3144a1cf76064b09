//! PUSH and PULL, and senders that connect.

use std::net::TcpListener;

use crate::support::{Bench, eventually};

/// A socket of a peer that does not wait for ever.
fn peer(context: &zmq::Context, kind: zmq::SocketType) -> zmq::Socket {
    let socket = context.socket(kind).unwrap();
    socket.set_rcvhwm(0).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket
}

fn bound(socket: &zmq::Socket) -> String {
    socket.bind("tcp://127.0.0.1:*").unwrap();
    socket.get_last_endpoint().unwrap().unwrap()
}

fn receive(socket: &zmq::Socket, count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|_| socket.recv_bytes(0).unwrap()).collect()
}

/// An endpoint where nobody is.
fn free_endpoint() -> String {
    format!("tcp://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

#[test]
fn a_push_gives_every_packet_to_a_pull_whoever_connects() {
    let bench = Bench::new();
    let context = zmq::Context::new();
    let line = "publish --socket push --rate max --on-full block --count 5000";

    let connecting = peer(&context, zmq::PULL);
    let publisher = bench.fancyhwd(&format!("{line} --bind tcp://127.0.0.1:*")).start();
    connecting.connect(&publisher.endpoint()).unwrap();
    let first = receive(&connecting, 5_000);
    publisher.finish().success().says("published 5000 messages").says("0 lost");

    let binding = peer(&context, zmq::PULL);
    let publisher = bench.fancyhwd(&format!("{line} --connect {}", bound(&binding))).start();
    let second = receive(&binding, 5_000);
    publisher.finish().success().says("subscribers at the end");
    assert!(first == second, "a packet is missing");
}

#[test]
fn a_replay_pushes_every_packet() {
    let bench = Bench::new();
    let device = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --count 3000 --connect {device}")).start();
    let publisher =
        bench.fancyhwd(&format!("publish --rate 5000 --count 3000 --wait-subscribers 1 --bind {device}")).start();
    publisher.finish().success();
    recorder.finish().success();

    let context = zmq::Context::new();
    let (one, other) = (peer(&context, zmq::PULL), peer(&context, zmq::PULL));
    let replay = bench
        .fancyhwd("replay --database c.db --socket push --speed max --on-full block --wait-subscribers 2 --bind tcp://127.0.0.1:*")
        .start();
    for socket in [&one, &other] {
        socket.connect(&replay.endpoint()).unwrap();
    }
    replay.finish().success().says("replayed session 1: 3000 messages");
    for socket in [&one, &other] {
        socket.set_rcvtimeo(1_000).unwrap();
    }
    let rest = |socket: &zmq::Socket| std::iter::from_fn(|| socket.recv_bytes(0).ok()).count();
    let shares = (rest(&one), rest(&other));
    assert!(shares.0 > 0 && shares.1 > 0 && shares.0 + shares.1 == 3_000, "{shares:?}");

    let collector = peer(&context, zmq::PULL);
    let line = format!("replay --database c.db --socket push --speed max --connect 1={}", bound(&collector));
    let replay = bench.fancyhwd(&line).start();
    receive(&collector, 3_000);
    replay.finish().success();
}

#[test]
fn a_device_connects_to_its_collector_also_when_that_comes_later() {
    let bench = Bench::new();
    let endpoint = free_endpoint();
    let publisher = bench
        .fancyhwd(&format!("publish --rate max --on-full block --count 2000 --wait-subscribers 1 --connect {endpoint}"))
        .start();
    let context = zmq::Context::new();
    let collector = peer(&context, zmq::SUB);
    collector.set_subscribe(b"").unwrap();
    collector.bind(&endpoint).unwrap();
    receive(&collector, 2_000);
    publisher.finish().success().says("subscribers at the end: ");
}

#[test]
fn a_push_without_a_pull_waits_and_says_for_whom() {
    let bench = Bench::new();
    for policy in ["block", "drop"] {
        let endpoint = free_endpoint();
        let line = format!("publish --socket push --interval 1ms --count 100 --on-full {policy} --connect {endpoint}");
        let publisher = bench.fancyhwd(&line).start();
        let words = format!("waiting for a PULL peer on {endpoint}");
        eventually("it says that it waits", || publisher.log().contains(&words));
        let context = zmq::Context::new();
        let collector = peer(&context, zmq::PULL);
        collector.bind(&endpoint).unwrap();
        receive(&collector, 100);
        publisher.finish().success().says("published 100 messages").says("0 lost");
    }
}

#[test]
fn a_push_that_waits_is_stopped() {
    let bench = Bench::new();
    let wait = ["", "--wait-subscribers 1"];
    for wait in wait {
        let line = format!("publish --socket push --rate 1000 {wait} --bind tcp://127.0.0.1:*");
        let publisher = bench.fancyhwd(&line).start();
        eventually("it says that it waits", || publisher.log().contains("waiting for a PULL peer on tcp://127.0.0.1:"));
        publisher.stop().success().says("published 0 messages");
    }
}

#[test]
fn a_wildcard_is_no_peer() {
    let bench = Bench::new();
    for line in ["publish --connect tcp://*:5555", "replay --connect 1=tcp://127.0.0.1:*"] {
        bench.fancyhwd(line).run().code(2).says("--connect").says("a peer has a host and a port");
    }
}
