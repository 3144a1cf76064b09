//! Messages of cameras and detectors. `tests/soak.rs` has larger ones.

use std::time::Duration;

use crate::links::committed;
use crate::support::large::goes_round;
use crate::support::{Bench, alone, eventually};

#[test]
fn a_message_of_one_large_frame_goes_round_in_little_memory() {
    let _alone = alone();
    goes_round(100_000_000, 1);
}

#[test]
fn a_message_of_many_large_frames_goes_round_in_little_memory() {
    let _alone = alone();
    goes_round(100_000_000, 100);
}

#[test]
fn a_message_of_many_small_frames_goes_round_in_little_memory() {
    let _alone = alone();
    goes_round(100_000_000, 1_000);
}

/// A device whose messages of this size are counted by what they end with.
fn device() -> (zmq::Socket, String) {
    device_at("tcp://127.0.0.1:*")
}

fn device_at(endpoint: &str) -> (zmq::Socket, String) {
    let device = zmq::Context::new().socket(zmq::XPUB).unwrap();
    device.set_rcvtimeo(60_000).unwrap();
    device.set_sndhwm(0).unwrap();
    device.bind(endpoint).unwrap();
    let endpoint = device.get_last_endpoint().unwrap().unwrap();
    (device, endpoint)
}

#[test]
fn images_of_24_mb_are_recorded_beside_small_messages() {
    let bench = Bench::new();
    let ((camera, of_camera), (sensor, of_sensor)) = (device(), device());
    let record = "record --topic t --framing frames --layout bytes --max-message 64MiB --queue 1GiB --database c.db";
    let recorder = bench.fancyhwd(&format!("{record} --connect {of_camera} --connect {of_sensor}")).start();
    camera.recv_bytes(0).unwrap();
    sensor.recv_bytes(0).unwrap();
    for image in 0..10_u8 {
        camera.send_multipart([&b"t"[..], &vec![image; 24_000_000]], 0).unwrap();
        for small in 0..100_u8 {
            sensor.send_multipart([&b"t"[..], &[image, small]], 0).unwrap();
        }
    }
    eventually("all are recorded", || committed(&bench) == 1_010);
    recorder.stop().says(", 0 lost");
    let lengths = "SELECT length(payload), count(*) FROM messages GROUP BY 1 ORDER BY 1";
    assert_eq!(bench.sqlite3("c.db", lengths), "2|1000\n24000000|10");
    let order = "SELECT group_concat(hex(substr(payload, 1, 1)), '') FROM messages WHERE length(payload) > 2";
    assert_eq!(bench.sqlite3("c.db", order), "00010203040506070809");
}

#[test]
fn what_waits_for_a_locked_database_is_bounded_in_bytes_also_when_nothing_may_be_lost() {
    const MESSAGES: usize = 400;
    const MEMORY_MAX_BYTES: u64 = 150 << 20;
    let _alone = alone();
    let bench = Bench::new();
    let (device, endpoint) = device();
    let record = "record --topic t --framing frames --layout bytes --max-message 2MiB --queue 32MiB --database c.db";
    let recorder = bench.fancyhwd(&format!("{record} --on-full block --connect {endpoint}")).start();
    device.recv_bytes(0).unwrap();
    let send = |number: usize| device.send_multipart([&b"t"[..], &vec![number as u8; 1_000_000]], 0).unwrap();
    send(0);
    eventually("the first is recorded", || committed(&bench) == 1);
    let connection = rusqlite::Connection::open(bench.path("c.db")).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    (1..MESSAGES).for_each(send);
    eventually("the recorder has noticed", || recorder.log().contains("trying again each second"));
    let peak_bytes = recorder.memory_bytes("VmHWM");
    println!("peak {peak_bytes} bytes with {MESSAGES} messages of 1 MB on their way");
    assert!(peak_bytes <= MEMORY_MAX_BYTES, "{peak_bytes} bytes");
    connection.execute_batch("ROLLBACK").unwrap();
    eventually("all are recorded", || committed(&bench) == MESSAGES as i64);
    for number in MESSAGES..2 * MESSAGES {
        device.send_multipart([&b"t"[..], &[number as u8]], 0).unwrap();
    }
    eventually("small ones too", || committed(&bench) == 2 * MESSAGES as i64);
    assert!(recorder.memory_bytes("VmHWM") <= MEMORY_MAX_BYTES);
    recorder.stop().says(", 0 lost");
    let order = "SELECT count(*) FROM messages WHERE hex(substr(payload, 1, 1)) != printf('%02X', (id - 1) % 256)";
    assert_eq!(bench.sqlite3("c.db", order), "0");
}

/// Over ipc libzmq keeps all that it has, because what a device sent before it ended would be lost otherwise.
#[test]
fn what_waits_over_ipc_is_bounded_too_and_its_loss_is_named() {
    const MEMORY_MAX_BYTES: u64 = 350 << 20;
    let _alone = alone();
    let bench = Bench::new();
    let (device, endpoint) = device_at(&bench.endpoint("camera"));
    let record = "record --topic t --framing frames --layout bytes --max-message 2MiB --queue 32MiB --database c.db";
    let recorder = bench.fancyhwd(&format!("{record} --on-full block --connect {endpoint}")).start();
    device.recv_bytes(0).unwrap();
    device.send_multipart([&b"t"[..], b"first"], 0).unwrap();
    eventually("the first is recorded", || committed(&bench) == 1);
    let connection = rusqlite::Connection::open(bench.path("c.db")).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let image = vec![1; 1_000_000];
    let mut sent = 0;
    // Once it is cut off, nobody has subscribed.
    while device.recv_bytes(zmq::DONTWAIT).is_err() {
        assert!(sent < 20_000, "never cut off");
        device.send_multipart([&b"t"[..], &image], 0).unwrap();
        sent += 1;
        std::thread::sleep(Duration::from_millis(1));
    }
    let peak_bytes = recorder.memory_bytes("VmHWM");
    println!("peak {peak_bytes} bytes after {sent} messages of 1 MB");
    assert!(peak_bytes <= MEMORY_MAX_BYTES, "{peak_bytes} bytes");
    connection.execute_batch("ROLLBACK").unwrap();
    device.recv_bytes(0).unwrap();
    device.send_multipart([&b"t"[..], b"last"], 0).unwrap();
    let last = "SELECT count(*) FROM messages WHERE payload = CAST('last' AS BLOB)";
    eventually("it goes on", || bench.sqlite3("c.db", last) == "1");
    recorder.stop().code(3);
    assert_eq!(bench.sqlite3("c.db", "SELECT min(lost IS NULL), count(*) > 0 FROM events WHERE kind = 'cut'"), "1|1");
}
