//! The line of `record --dry-run` records what the dry run heard: all of it, readable, and with every option that was given.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::{Bench, FANCYHWD};

/// The frames of a message.
type Frames = Vec<Vec<u8>>;

/// What a device sends at once as its nth messages.
type Sends<'a> = &'a (dyn Fn(u32) -> Vec<Frames> + Sync);

/// So many messages are listened to and then recorded.
const COUNT: usize = 90;

/// Ends the devices, also when a test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Run `work` while devices send at these endpoints, 500 times in a second, from the moment at which somebody subscribes.
fn while_sending<T>(devices: &[(&str, Sends<'_>)], work: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    let is_over = &is_over;
    std::thread::scope(|scope| {
        for (endpoint, sends) in devices {
            let socket = zmq::Context::new().socket(zmq::XPUB).unwrap();
            socket.set_sndhwm(0).unwrap();
            socket.set_linger(0).unwrap();
            socket.bind(endpoint).unwrap();
            scope.spawn(move || {
                while socket.poll(zmq::POLLIN, 10).unwrap() == 0 && !is_over.load(Ordering::Relaxed) {}
                for n in 0.. {
                    for frames in sends(n) {
                        socket.send_multipart(frames, 0).unwrap();
                    }
                    std::thread::sleep(Duration::from_millis(2));
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        let _end = End(is_over);
        work()
    })
}

/// What a dry run with these options says, and its exit code.
fn dry_run(bench: &Bench, options: &str, code: i32) -> String {
    let line = format!("exec {FANCYHWD} record --dry-run --duration 60s {options}");
    bench.program("sh").args(["-c", &line]).run().code(code).stdout
}

/// The line in it.
fn line(told: &str) -> &str {
    let line = told.lines().last().unwrap().trim();
    assert!(line.starts_with("fancyhwd record "), "{told}");
    line
}

/// Run that line. Gives the streams that were recorded: framing, topic and layout.
fn record(bench: &Bench, line: &str, told: &str) -> Vec<String> {
    let command = format!("{line} --database c.db --count {COUNT}");
    bench.program("sh").args(["-c", &format!("exec {command}")]).run().success();
    let kept = bench.sqlite3("c.db", "SELECT messages, undecodable, lost FROM sessions");
    assert_eq!(kept, format!("{COUNT}|0|0"), "{line}\n{told}");
    assert_eq!(bench.sqlite3("c.db", "SELECT count(*) FROM decoded_packets"), COUNT.to_string());
    let sql = "SELECT framing || ' ' || name || ' ' || layout FROM streams ORDER BY 1";
    bench.sqlite3("c.db", sql).lines().map(str::to_owned).collect()
}

/// A device is recorded in these streams with the line of a dry run. Gives what that said.
fn is_recorded_as(sends: Sends<'_>, options: &str, streams: &[&str]) -> String {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let told = while_sending(&[(&endpoint, sends)], || {
        dry_run(&bench, &format!("--count {COUNT} --connect {endpoint} {options}"), 0)
    });
    std::fs::remove_file(bench.path("device")).ok();
    let found = while_sending(&[(&endpoint, sends)], || record(&bench, line(&told), &told));
    assert_eq!(found, streams, "{told}");
    told
}

fn int16(numbers: impl IntoIterator<Item = i32>) -> Vec<u8> {
    numbers.into_iter().flat_map(|number| (number as i16).to_le_bytes()).collect()
}

fn floats(n: u32) -> Vec<u8> {
    (0..8).flat_map(|k| ((n * 8 + k) as f32 / 7.0).sin().to_le_bytes()).collect()
}

fn json(n: u32) -> Vec<u8> {
    format!("{{\"n\":{n}}}").into_bytes()
}

fn one(frames: &[&[u8]]) -> Vec<Frames> {
    vec![frames.iter().map(|frame| frame.to_vec()).collect()]
}

#[test]
fn what_is_in_doubt_is_bytes_and_has_no_counter() {
    let packed = |n: u32| one(&[b"pupil", &[b"\x81\xa1t".as_slice(), &[n as u8 % 128]].concat()]);
    let told = is_recorded_as(&packed, "", &["frames pupil bytes"]);
    assert!(!told.contains("counter"), "{told}");
    let adc =
        |n: u32| one(&[&[b"adc ".as_slice(), &[n as u16, 40_000, 65_535].map(u16::to_le_bytes).concat()].concat()]);
    let told = is_recorded_as(&adc, "", &["space adc bytes"]);
    assert!(!told.contains("counter"), "{told}");
}

#[test]
fn numbers_are_not_wider_than_they_look() {
    let device = |n: u32| one(&[&[&u64::from(n).to_le_bytes()[..], &int16([1, 2, 3, 32])].concat()]);
    let told = is_recorded_as(&device, "", &["whole  uint64/int16"]);
    assert!(told.contains("likely counter uint64@0"), "{told}");
    let quiet = |n: u32| one(&[b"q", &int16((0..64).map(|k| ((f64::from(n * 64 + k) / 9.0).sin() * 90.0) as i32))]);
    is_recorded_as(&quiet, "", &["frames q int16"]);
    let pair = |n: u32| one(&[b"xy", &int16([100 + n as i32 % 20, 7])]);
    is_recorded_as(&pair, "", &["frames xy int16"]);
    let since_start = |n: u32| one(&[b"t", &(u64::from(n) * 20_000).to_le_bytes()]);
    is_recorded_as(&since_start, "", &["frames t uint64"]);
}

#[test]
fn a_layout_fits_all_that_came_and_not_the_first_alone() {
    let status = |n: u32| one(&[b"v", &if n % 40 == 39 { b"status ok!!".to_vec() } else { floats(n) }]);
    is_recorded_as(&status, "", &["frames v bytes"]);
    let both = |n: u32| [one(&[&json(n)]), one(&[&floats(n)])].concat();
    is_recorded_as(&both, "", &["whole  bytes"]);
}

#[test]
fn streams_that_cannot_be_told_apart_are_left_as_they_look() {
    let framings = |n: u32| [one(&[&[b"k ".as_slice(), &json(n)].concat()]), one(&[b"k", &floats(n)])].concat();
    is_recorded_as(&framings, "", &["frames k bytes", "space k json"]);
    let final_nul = |n: u32| [one(&[b"D\0", &floats(n)]), one(&[b"D", &json(n)])].concat();
    is_recorded_as(&final_nul, "", &["frames D bytes", "frames D json"]);
    let no_name = |n: u32| [one(&[b"c", &floats(n)]), one(&[&json(n)])].concat();
    let told = is_recorded_as(&no_name, "", &["frames c float32", "whole  json"]);
    assert!(line(&told).contains("--layout '=json' --layout c=float32"), "{told}");
}

#[test]
fn two_endpoints_without_topics_may_send_different_things() {
    let bench = Bench::new();
    let (first, second) = (bench.endpoint("first"), bench.endpoint("second"));
    let (documents, numbers): (Sends<'_>, Sends<'_>) = (&|n| one(&[&json(n)]), &|n| one(&[&floats(n)]));
    let devices = [(first.as_str(), documents), (second.as_str(), numbers)];
    let options = format!("--count {COUNT} --connect {first} --connect {second}");
    let told = while_sending(&devices, || dry_run(&bench, &options, 0));
    assert!(!line(&told).contains("--layout"), "{told}");
    for name in ["first", "second"] {
        std::fs::remove_file(bench.path(name)).ok();
    }
    let found = while_sending(&devices, || record(&bench, line(&told), &told));
    assert_eq!(found, ["whole  bytes", "whole  json"]);
}

#[test]
fn numbers_that_look_like_topics_are_none() {
    // 0x20 is the second byte of the counter, and the first one goes through all printable ones.
    let device = |n: u32| one(&[&[&u64::from(8_225 + n).to_le_bytes()[..], &int16([1, 2, 3, 32])].concat()]);
    let told = is_recorded_as(&device, "", &["whole  uint64/int16"]);
    assert!(line(&told).contains("--framing whole"), "{told}");
    assert!(told.matches("framing ").count() <= 2, "{told}");
}

#[test]
fn topics_may_look_like_options() {
    let device = |n: u32| [one(&[b"-x", &json(n)]), one(&[b"--y z", &floats(n)])].concat();
    let told = is_recorded_as(&device, "", &["frames --y z float32", "frames -x json"]);
    assert!(line(&told).contains("--topic=-x"), "{told}");
}

#[test]
fn what_was_given_is_in_the_line_and_counts_more_than_a_guess() {
    let device = |n: u32| [one(&[b"a", &n.to_le_bytes()]), one(&[b"b", &floats(n)])].concat();
    let options = "--layout a=int16x2 --counter a=uint16@0 --channels 'a=low:V,high' --sample-rate b=400 --max-message 1MiB \
                   --queue 8MiB --heartbeat off --silence 20s --on-full drop --label 'it is' --note='-n $HOME' --split-every 1h";
    let told = is_recorded_as(&device, options, &["frames a int16x2", "frames b float32"]);
    assert!(told.contains("\n  layout int16x2: as told\n  channels low:V,high: as told\n"), "{told}");
    assert!(told.contains("\n  counter uint16@0: as told\n"), "{told}");
    let line = line(&told);
    for word in [
        " --layout a=int16x2",
        " --layout b=float32",
        " --counter a=uint16@0",
        " --channels a=low:V,high",
        " --sample-rate b=400",
        " --max-message 1MiB",
        " --queue 8MiB",
        " --heartbeat off",
        " --silence 20s",
        " --on-full drop",
        " --label 'it is'",
        " --note='-n $HOME'",
        " --split-every 1h",
    ] {
        assert!(line.contains(word), "{word}: {line}");
    }
    assert!(!line.contains("--duration") && !line.contains("--count ") && !line.contains("--dry-run"), "{line}");
}

#[test]
fn channels_say_how_many_numbers_a_record_has() {
    let device = |n: u32| one(&[b"imu", &floats(n)]);
    let told = is_recorded_as(&device, "--channels x,y,z,t --topic imu --framing frames", &["frames imu float32x4"]);
    assert!(line(&told).contains("--topic imu --framing frames --layout float32x4 --channels x,y,z,t"), "{told}");
    // Three do not fit, and the line runs all the same.
    is_recorded_as(&device, "--channels x,y,z", &["frames imu bytes"]);
}

#[test]
fn a_rate_counts_the_intervals() {
    let bench = Bench::new();
    let publish = "publish --bind tcp://127.0.0.1:* --wait-subscribers 1 --interval 200ms --count 3";
    let publisher = bench.fancyhwd(publish).start();
    let told = dry_run(&bench, &format!("--count 3 --connect {}", publisher.endpoint()), 0);
    publisher.finish().success();
    let rate = told.split("3 messages, ").nth(1).unwrap().split("/s").next().unwrap();
    // Two intervals of 0.2 s: with one too few it would be 2.5, and with one too many 7.5.
    assert!((3.5..=6.5).contains(&rate.parse::<f64>().unwrap()), "{told}");
}

#[test]
fn what_is_too_large_is_said_with_what_to_try() {
    let bench = Bench::new();
    let endpoint = bench.endpoint("device");
    let frames = |n: u32| {
        let large = vec![b"cam".to_vec(), vec![0xff; 60_000], vec![0xff; 60_000]];
        [one(&[format!("temp {n}").as_bytes()]), if n % 8 == 4 { vec![large] } else { Vec::new() }].concat()
    };
    let options = format!("--count 40 --connect {endpoint} --max-message 64KiB");
    let told = while_sending(&[(&endpoint, &frames)], || dry_run(&bench, &options, 3));
    assert!(
        told.contains("messages larger than --max-message (64 KiB), up to 120003 bytes in 3 frames; try"),
        "{told}"
    );
    assert!(told.contains("try --max-message 128KiB") && line(&told).contains("--topic '*'"), "{told}");

    let endpoint = bench.endpoint("other");
    let broken = |n: u32| {
        let large = if n % 20 == 19 { one(&[&vec![0xff; 20_000_000]]) } else { Vec::new() };
        [one(&[format!("temp {n}").as_bytes()]), large].concat()
    };
    let options = format!("--count 40 --connect {endpoint}");
    let told = while_sending(&[(&endpoint, &broken)], || dry_run(&bench, &options, 3));
    let words = "sent a frame larger than --max-message (16 MiB), which broke the link; try --max-message 64MiB";
    assert!(told.contains(words) && line(&told).ends_with("--max-message 64MiB"), "{told}");
}

#[test]
fn a_pull_socket_takes_from_others_and_says_so() {
    let bench = Bench::new();
    let pusher = bench.fancyhwd("publish --socket push --bind tcp://127.0.0.1:* --count 20 --rate 100").start();
    let told = dry_run(&bench, &format!("--count 20 --socket pull --connect {}", pusher.endpoint()), 0);
    pusher.finish().success();
    assert!(told.contains("warning: what a PULL socket takes") && line(&told).contains("--socket pull"), "{told}");
}
