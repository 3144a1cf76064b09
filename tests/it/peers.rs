//! Programs that are not ours: a C publisher on libzmq, a Python subscriber on pyzmq, a stock sqlite3, a sound file.

use std::fs;

use crate::support::{Bench, CPublisher};

const FIRST_PACKETS: [&str; 3] = [
    "[-22457,-24171,7149,-12485,-32159,25040,449,-5938,-25192,-4104,27,-31935,-18407,-30443,-27250,-27947]",
    "[20946,-23616,9865,31416,-15911,-10845,-5332,25662,10955,-32501,-18717,-24490,-16511,-28861,24205,26568]",
    "[12505,31355,14083,-19654,-9141,14532,-25591,31203,10428,-25564,-732,-7979,9529,-27982,29610,30475]",
];

#[test]
fn what_a_c_program_publishes_is_recorded_and_replayed_to_a_python_program() {
    let bench = Bench::new();
    let device = CPublisher::start(&bench, 1500, 1_000);
    let recorder = bench.fancyhwd(&format!("record --database c.db --count 100 --connect {}", device.endpoint)).start();
    let published = device.publish();
    recorder.finish().success();

    let replay =
        bench.fancyhwd("replay --database c.db --speed 5 --wait-subscribers 1 --bind tcp://127.0.0.1:*").start();
    let python = bench.python_subscriber(&replay.endpoint(), 100).finish().success();
    replay.finish().success();

    // The recorder may have joined after the first packets; from then on nothing is missing.
    let received: Vec<&str> = python.stdout.lines().take(100).collect();
    let first = published.iter().position(|packet| packet == received[0]).expect("a packet of the device");
    assert_eq!(received, published[first..first + 100]);
}

#[test]
fn a_python_program_receives_the_numbers_of_the_simulated_device() {
    let bench = Bench::new();
    let publisher =
        bench.fancyhwd("publish --interval 1ms --count 3 --wait-subscribers 1 --bind tcp://127.0.0.1:*").start();
    let python = bench.python_subscriber(&publisher.endpoint(), 3).finish().success();
    publisher.finish().success().says("published 3 messages, 135 bytes");
    assert_eq!(python.stdout.lines().take(3).collect::<Vec<_>>(), FIRST_PACKETS);
}

#[test]
fn a_stock_sqlite3_shows_decoded_packets_and_samples() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let recorder = bench.fancyhwd(&format!("record --database c.db --count 3 --connect {endpoint}")).start();
    let publisher =
        bench.fancyhwd(&format!("publish --rate 1000 --count 3 --wait-subscribers 1 --bind {endpoint}")).start();
    publisher.finish().success();
    recorder.finish().success();

    let decoded = bench.sqlite3("c.db", "SELECT number, topic, sample_count, samples FROM decoded_packets");
    let expected: Vec<String> = FIRST_PACKETS
        .iter()
        .enumerate()
        .map(|(number, samples)| format!("{number}|fancyhw_data|16|{samples}"))
        .collect();
    assert_eq!(decoded, expected.join("\n"));
    let samples = bench.sqlite3("c.db", "SELECT record, channel, raw, value FROM samples WHERE message_id = 2 LIMIT 3");
    assert_eq!(samples, "0|ch0|20946|20946\n1|ch0|-23616|-23616\n2|ch0|9865|9865");
    let envelope = bench.sqlite3(
        "c.db",
        "SELECT hex(topic || x'20' || payload) FROM messages JOIN streams ON streams.id = stream_id LIMIT 1",
    );
    assert!(envelope.starts_with("66616E637968775F64617461204"), "{envelope}");
    assert_eq!(envelope.len(), 2 * 45);
    let time = bench.sqlite3("c.db", "SELECT time FROM decoded_packets LIMIT 1");
    assert!(chrono::DateTime::parse_from_rfc3339(&time).is_ok(), "{time}");
}

#[test]
fn recorded_speech_comes_through_device_record_and_replay_byte_for_byte() {
    const SAMPLES: usize = 480;
    let bench = Bench::new();
    let sound = "/usr/share/sounds/alsa/Front_Center.wav";
    const HEADER_BYTES: usize = 44;
    let file = fs::read(sound).expect("the package alsa-utils is installed").split_off(HEADER_BYTES);
    let packets = file.len().div_ceil(2 * SAMPLES);

    let device = bench.endpoint("device");
    let first = bench.fancyhwd(&format!("record --database first.db --count {packets} --connect {device}")).start();
    let publish = format!(
        "publish --device wav:{sound} --packet-size {SAMPLES} --interval 100us --wait-subscribers 1 --bind {device}"
    );
    bench.fancyhwd(&publish).start().finish().success();
    first.finish().success();

    let replayed = bench.endpoint("replayed");
    let second = bench.fancyhwd(&format!("record --database second.db --count {packets} --connect {replayed}")).start();
    bench
        .fancyhwd(&format!("replay --database first.db --wait-subscribers 1 --bind {replayed}"))
        .start()
        .finish()
        .success();
    second.finish().success();

    let hex = bench.sqlite3("second.db", "SELECT hex(payload) FROM messages ORDER BY id").replace('\n', "");
    let expected: String = file.iter().map(|byte| format!("{byte:02X}")).collect();
    assert!(hex == expected, "{} bytes arrived of {}", hex.len() / 2, file.len());
}
